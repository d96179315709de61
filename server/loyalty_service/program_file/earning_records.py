"""Earning as plain values by name: what a file says and what storage keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from fractions import Fraction
from typing import Any

from loyalty_service.domain.earning_rules import (
    Caps,
    EarnedAtMost,
    EarningRules,
    PaymentRate,
    Promotion,
    Rate,
    Rounding,
)
from loyalty_service.domain.products import Products
from loyalty_service.program_file.rule_records import (
    Groups,
    products_from_json,
    products_to_json,
    rules_from_json,
    rules_to_json,
    unknown_rules,
)
from loyalty_service.program_file.values import rate_text

Json = dict[str, Any]
_GROUP_PARTS = ("plus", "prefixes", "categories")


_PLAIN = ("include_tax", "step", "minimum_spend", "stack", "initial_points", "cooldown_s")
"""Keys of earning that are kept as they are."""


def group_to_json(products: Products) -> Json:
    """Write what a group has."""
    return {part: list(getattr(products, part)) for part in _GROUP_PARTS if getattr(products, part)}


def group_from_json(name: str, document: Mapping[str, Any]) -> Products:
    """Read a group."""
    parts = {part: tuple(document[part]) for part in _GROUP_PARTS if document.get(part)}
    return Products(group=name, **parts)


def earning_to_json(earning: EarningRules) -> Json:
    """Write the rules of earning; what is not said is left out where earlier versions had none."""
    document: Json = {
        "points_per_unit": rate_text(earning.points_per_unit),
        "rounding": earning.rounding.value,
        "include_tax": earning.include_tax,
        "excluded_product_types": sorted(earning.excluded_product_types),
        "excluded_products": products_to_json(earning.excluded_products),
    }
    optional: Json = {
        "rates": [
            {"points_per_unit": rate_text(rate.points_per_unit), "when": rules_to_json(rate.when)}
            for rate in earning.rates
        ],
        "step": earning.step,
        "payments": [_payment_to_json(rate) for rate in earning.payments],
        "minimum_spend": earning.minimum_spend,
        "stack": earning.stack if earning.stack != "best" else None,
        "caps": _limits_to_json(earning.caps),
        "initial_points": earning.initial_points,
        "cooldown_s": earning.cooldown_s,
    }
    return document | {name: value for name, value in optional.items() if value}


def earning_from_json(document: Mapping[str, Any], groups: Groups) -> EarningRules:
    """Read the rules of earning; a rate with a rule of a later version holds never."""
    known: Json = {name: document[name] for name in _PLAIN if name in document}
    readers: Mapping[str, Callable[[Any], Any]] = {
        "points_per_unit": Fraction,
        "rounding": Rounding,
        "excluded_product_types": frozenset,
        "excluded_products": lambda value: products_from_json(value, groups),
        "caps": lambda value: _limits_from_json(Caps, value),
        "payments": lambda rows: tuple(map(_payment_from_json, rows)),
        "rates": lambda rows: tuple(
            Rate(Fraction(row["points_per_unit"]), rules_from_json(row["when"], groups))
            for row in rows
            if not unknown_rules(row["when"])
        ),
    }
    parts = {name: read(document[name]) for name, read in readers.items() if name in document}
    return EarningRules(**known, **parts)


def promotion_to_json(promotion: Promotion) -> Json:
    """Write a promotion."""
    document: Json = {"id": promotion.promotion_id, "name": promotion.display_name}
    if promotion.multiplier is not None:
        document["multiplier"] = rate_text(promotion.multiplier)
    if promotion.bonus is not None:
        document["bonus"] = promotion.bonus
    if promotion.on is not None:
        document["on"] = products_to_json(promotion.on)
    if promotion.granted is not None:
        document["granted"] = promotion.granted
    document["rules"] = rules_to_json(promotion.rules)
    at_most = _limits_to_json(promotion.at_most)
    return document | ({"at_most": at_most} if at_most else {})


def promotion_from_json(document: Mapping[str, Any], groups: Groups) -> Promotion:
    """Read a promotion."""
    multiplier, on = document.get("multiplier"), document.get("on")
    return Promotion(
        promotion_id=document["id"],
        display_name=document["name"],
        multiplier=None if multiplier is None else Fraction(multiplier),
        bonus=document.get("bonus"),
        on=None if on is None else products_from_json(on, groups),
        rules=rules_from_json(document["rules"], groups),
        at_most=_limits_from_json(EarnedAtMost, document.get("at_most", {})),
        granted=document.get("granted"),
    )


def promotions_from_json(documents: list[Json], groups: Groups) -> dict[str, Promotion]:
    """Read promotions; one with a rule of a later version is left out: nothing could judge it."""
    return {
        document["id"]: promotion_from_json(document, groups)
        for document in documents
        if not unknown_rules(document["rules"])
    }


def _payment_to_json(rate: PaymentRate) -> Json:
    document: Json = {"types": list(rate.types)}
    if rate.points_per_unit is not None:
        document["points_per_unit"] = rate_text(rate.points_per_unit)
    if rate.add:
        document["add"] = rate_text(rate.add)
    return document


def _payment_from_json(document: Mapping[str, Any]) -> PaymentRate:
    rate = document.get("points_per_unit")
    return PaymentRate(
        tuple(document["types"]),
        None if rate is None else Fraction(rate),
        Fraction(document.get("add", 0)),
    )


def _limits_to_json(limits: Caps | EarnedAtMost) -> Json:
    found = {field.name: getattr(limits, field.name) for field in fields(limits)}
    return {name: limit for name, limit in found.items() if limit is not None}


def _limits_from_json(kind: type[Any], document: Mapping[str, Any]) -> Any:
    return kind(**{field.name: document.get(field.name) for field in fields(kind)})
