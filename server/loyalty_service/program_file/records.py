"""The stored form of a program: JSON objects that storage keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

from loyalty_service.domain.identifiers import IdentifierKind
from loyalty_service.domain.limits import Limits
from loyalty_service.domain.program import (
    Discount,
    DiscountKind,
    DiscountLevel,
    EarningRules,
    Incentive,
    Program,
    Prompt,
    Prompts,
    RedemptionRules,
    Rounding,
    RoundPer,
    Store,
)
from loyalty_service.program_file.rule_records import rules_from_json, rules_to_json, unknown_rules
from loyalty_service.program_file.values import rate_text

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ProgramRecords:
    """
    A program as JSON objects to store, amounts in minor units; equal programs give equal records.

    Attributes:
        program: The program without its stores and incentives.
        stores: One object a store, by store ID.
        incentives: One object an incentive, by incentive ID.
    """

    program: Json
    stores: Mapping[int, Json]
    incentives: Mapping[str, Json]


def program_to_json(program: Program) -> ProgramRecords:
    """Take a program apart into the JSON objects that storage keeps."""
    document = {
        field.name: _plain(getattr(program, field.name))
        for field in fields(program)
        if field.init and field.name not in {"stores", "incentives"}
    }
    stores, incentives = program.stores, program.incentives
    return ProgramRecords(
        program=document,
        stores={key: store_to_json(stores[key]) for key in sorted(stores)},
        incentives={key: incentive_to_json(incentives[key]) for key in sorted(incentives)},
    )


def store_to_json(store: Store) -> Json:
    """Write one store as the JSON object that storage keeps."""
    document: Json = _plain(store)
    return document


def incentive_to_json(incentive: Incentive) -> Json:
    """Write one incentive as the JSON object that storage keeps."""
    document: Json = _plain(incentive)
    return document | {"rules": rules_to_json(incentive.rules)}


def program_from_json(records: ProgramRecords) -> Program:
    """
    Put a stored program together.

    Keys written by a later version are ignored, and keys an earlier one did not write take the
    domain's default.
    """
    document = records.program
    prompts = {
        variant: {locale: Prompt(**_known(Prompt, texts)) for locale, texts in locales.items()}
        for variant, locales in _known(Prompts, document["prompts"]).items()
    }
    parts = {
        "identifier_kinds": frozenset(
            IdentifierKind(kind) for kind in document["identifier_kinds"]
        ),
        "redemption": RedemptionRules(**_known(RedemptionRules, document["redemption"])),
        "prompts": Prompts(**prompts),
        "earning": earning_from_json(document.get("earning", {})),
        "limits": Limits.of(document.get("limits", {})),
        "stores": {key: store_from_json(store) for key, store in records.stores.items()},
        "removed_stores": {
            int(key): store_from_json(store)
            for key, store in document.get("removed_stores", {}).items()
        },
        "incentives": {key: incentive_from_json(item) for key, item in records.incentives.items()},
    }
    return Program(**(_known(Program, document) | parts))


def store_from_json(document: Json) -> Store:
    """Read one stored store."""
    return Store(**_known(Store, document))


def earning_from_json(document: Json) -> EarningRules:
    """Read the stored rules of earning."""
    readers = {
        "points_per_unit": Fraction,
        "rounding": Rounding,
        "round_per": RoundPer,
        "excluded_product_types": frozenset,
        "excluded_products": frozenset,
    }
    known = _known(EarningRules, document)
    return EarningRules(**{name: readers.get(name, bool)(value) for name, value in known.items()})


def incentive_from_json(document: Json) -> Incentive:
    """
    Read one stored incentive.

    One with a rule of a later version is taken as retired: it would be given away unjudged.
    """
    rules = document.get("rules", {})
    discount = document.get("discount")
    if discount is not None:
        discount = Discount(
            DiscountKind(discount["kind"]), discount["value"], DiscountLevel(discount["level"])
        )
    parts: Json = {"discount": discount, "rules": rules_from_json(rules)}
    if unknown_rules(rules):
        parts["retired"] = True
    return Incentive(**(_known(Incentive, document) | parts))


def _known(kind: type, document: Json) -> Json:
    return {field.name: document[field.name] for field in fields(kind) if field.name in document}


def _plain(value: Any) -> Any:
    """Reduce a domain value to JSON's own types, always in the same order."""
    if isinstance(value, Limits):
        # All of them, so that a default of a later version changes no program by itself.
        return {str(name): value[name] for name in value}
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key]) for key in sorted(value)}
    if isinstance(value, frozenset):
        return sorted(_plain(item) for item in value)
    if isinstance(value, Fraction):
        return rate_text(value)
    return value.value if isinstance(value, StrEnum) else value
