"""The stored form of a program: JSON objects that storage keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from typing import Any

from loyalty_service.domain.breaches import OwnWords
from loyalty_service.domain.contracts import ES_ALONE
from loyalty_service.domain.es_terms import PLAIN_ES
from loyalty_service.domain.expiry import (
    Activity,
    Expiry,
    ExpiryPolicy,
    Lifetime,
    NamedDay,
    PeriodEnd,
)
from loyalty_service.domain.identifiers import IdentifierKind
from loyalty_service.domain.limits import Limits
from loyalty_service.domain.program import (
    Discount,
    DiscountKind,
    DiscountLevel,
    Incentive,
    Program,
    RedemptionRules,
    Store,
)
from loyalty_service.domain.prompt_catalogue import Prompt, Prompts
from loyalty_service.domain.restrictions import OrderLimits, ReceiptLimits
from loyalty_service.domain.retention import KEEP_ALL, Retention
from loyalty_service.program_file.earning_records import (
    earning_from_json,
    earning_to_json,
    group_from_json,
    group_to_json,
    promotion_to_json,
    promotions_from_json,
)
from loyalty_service.program_file.es import es_from_json, es_to_json
from loyalty_service.program_file.goal_records import (
    goal_to_json,
    goals_from_json,
    tier_from_json,
    tier_to_json,
)
from loyalty_service.program_file.grant_records import grant_to_json, grants_from_json
from loyalty_service.program_file.money_off import money_off_from_json, money_off_to_json
from loyalty_service.program_file.receipts import receipts_from_json
from loyalty_service.program_file.rule_records import (
    NO_GROUPS,
    Groups,
    rules_from_json,
    rules_to_json,
    unknown_rules,
)

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


_APART = frozenset(
    {
        "es",
        "rule_words",
        "stores",
        "incentives",
        "earning",
        "groups",
        "promotions",
        "goals",
        "tiers",
        "grants",
        "expiry",
        "retention",
    }
)
"""Fields of a program that are not written as they are."""


def program_to_json(program: Program) -> ProgramRecords:
    """Take a program apart into the JSON objects that storage keeps."""
    document = {
        field.name: _plain(getattr(program, field.name))
        for field in fields(program)
        if field.init and field.name not in _APART
    } | {"earning": earning_to_json(program.earning), "expiry": expiry_to_json(program.expiry)}
    if program.es != PLAIN_ES:
        document["es"] = es_to_json(program.es)
    if program.rule_words:
        document["rule_words"] = _plain(program.rule_words)
    if program.groups:
        document["groups"] = {
            name: group_to_json(program.groups[name]) for name in sorted(program.groups)
        }
    if program.promotions:
        document["promotions"] = [*map(promotion_to_json, program.promotions.values())]
    if program.tiers:
        document["tiers"] = [*map(tier_to_json, program.tiers.values())]
    if program.goals:
        document["goals"] = [*map(goal_to_json, program.goals.values())]
    if program.grants:
        document["grants"] = [*map(grant_to_json, program.grants.values())]
    if program.retention != KEEP_ALL:
        document["retention"] = dict(program.retention.ends())
    stores, incentives = program.stores, program.incentives
    return ProgramRecords(
        program=document,
        stores={key: store_to_json(stores[key]) for key in sorted(stores)},
        incentives={key: incentive_to_json(incentives[key]) for key in sorted(incentives)},
    )


def store_to_json(store: Store) -> Json:
    """Write one store as the JSON object that storage keeps."""
    document: Json = _plain(store)
    if not document["groups"]:  # As an earlier version wrote it.
        del document["groups"]
    return document


def incentive_to_json(incentive: Incentive) -> Json:
    """Write one incentive as the JSON object that storage keeps."""
    document: Json = _plain(replace(incentive, takes_off=None))
    del document["takes_off"]  # As an earlier version wrote it.
    if incentive.takes_off is not None:
        document["takes_off"] = money_off_to_json(incentive.takes_off)
    return document | {"rules": rules_to_json(incentive.rules)}


def program_from_json(records: ProgramRecords) -> Program:
    """
    Put a stored program together.

    Keys written by a later version are ignored, and keys an earlier one did not write take the
    domain's default.
    """
    document = records.program
    groups = {
        name: group_from_json(name, group) for name, group in document.get("groups", {}).items()
    }
    prompts = {
        variant: {locale: Prompt(**_known(Prompt, texts)) for locale, texts in locales.items()}
        for variant, locales in _known(Prompts, document["prompts"]).items()
    }
    parts = {
        "identifier_kinds": frozenset(
            IdentifierKind(kind) for kind in document["identifier_kinds"]
        ),
        "redemption": _redemption(document["redemption"]),
        "receipts": receipts_from_json(document.get("receipts")),
        "rule_words": {
            name: OwnWords(**_known(OwnWords, words))
            for name, words in document.get("rule_words", {}).items()
        },
        "contracts": frozenset(document.get("contracts", ES_ALONE)),
        "es": es_from_json(document.get("es", {})),
        "prompts": Prompts(**prompts),
        "earning": earning_from_json(document.get("earning", {}), groups),
        "groups": groups,
        "promotions": promotions_from_json(document.get("promotions", []), groups),
        "tiers": {tier["id"]: tier_from_json(tier) for tier in document.get("tiers", [])},
        "goals": goals_from_json(document.get("goals", []), groups),
        "grants": grants_from_json(document.get("grants", [])),
        "limits": Limits.of(document.get("limits", {})),
        "expiry": expiry_from_json(document.get("expiry", {})),
        "retention": Retention(**_known(Retention, document.get("retention", {}))),
        "order_limits": _order_limits(document),
        "receipt_limits": ReceiptLimits(
            **_known(ReceiptLimits, document.get("receipt_limits", {}))
        ),
        "stores": {key: store_from_json(store) for key, store in records.stores.items()},
        "removed_stores": {
            int(key): store_from_json(store)
            for key, store in document.get("removed_stores", {}).items()
        },
        "incentives": {
            key: incentive_from_json(item, groups) for key, item in records.incentives.items()
        },
    }
    return Program(**(_known(Program, document) | parts))


def _redemption(document: Json | None) -> RedemptionRules | None:
    return None if document is None else RedemptionRules(**_known(RedemptionRules, document))


def _order_limits(document: Json) -> OrderLimits:
    if "order_limits" in document:
        return OrderLimits(**_known(OrderLimits, document["order_limits"]))
    # Stored before there were numbers.
    return OrderLimits(incentives=None if document.get("multiple_incentives", True) else 1)


def store_from_json(document: Json) -> Store:
    """Read one stored store."""
    return Store(**_known(Store, document) | {"groups": tuple(document.get("groups", ()))})


def expiry_to_json(terms: Expiry) -> Json:
    """Write the terms on which points go; tiers only where they have terms of their own."""
    document: Json = _plain(replace(terms, by_tier={}))
    del document["by_tier"]
    if terms.by_tier:
        document["by_tier"] = {
            tier_id: {name: value for name, value in _plain(life).items() if value is not None}
            if life.ends
            else {"policy": ExpiryPolicy.NONE.value}
            for tier_id, life in terms.by_tier.items()
        }
    return document


def expiry_from_json(document: Json) -> Expiry:
    """Read the stored terms on which points go."""
    readers: dict[str, Any] = {
        "policy": ExpiryPolicy,
        "end_of": PeriodEnd,
        "activities": lambda names: frozenset(map(Activity, names)),
        "expiration_date": NamedDay,
        "by_tier": lambda tiers: {name: _lifetime(life) for name, life in tiers.items()},
    }
    known = _known(Expiry, document)
    return Expiry(
        **{
            name: readers[name](value) if name in readers and value is not None else value
            for name, value in known.items()
        }
    )


def _lifetime(document: Json) -> Lifetime:
    known, end_of = _known(Lifetime, document), document.get("end_of")
    return Lifetime(**known | {"end_of": None if end_of is None else PeriodEnd(end_of)})


def incentive_from_json(document: Json, groups: Groups = NO_GROUPS) -> Incentive:
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
    parts: Json = {"discount": discount, "rules": rules_from_json(rules, groups)}
    if "takes_off" in document:
        parts["takes_off"] = money_off_from_json(document["takes_off"], groups)
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
    if isinstance(value, tuple):
        return list(value)
    return value.value if isinstance(value, StrEnum) else value
