"""What applying a program file would change, and what of the old program it keeps."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from loyalty_service.domain.goals import Count
from loyalty_service.domain.grants import GrantTerms
from loyalty_service.domain.program import Incentive, Program, Store
from loyalty_service.program_file.earning_records import promotion_to_json
from loyalty_service.program_file.goal_records import goal_to_json, tier_to_json
from loyalty_service.program_file.grant_records import grant_to_json
from loyalty_service.program_file.records import incentive_to_json, program_to_json, store_to_json
from loyalty_service.program_file.source import Path
from loyalty_service.program_file.values import amount_text

_FILE_PATHS = {
    "display_name": "name",
    "expiry.carried_over": "expiry.carried_over.until",
    "identifier_kinds": "identifiers",
    "loyalty_enabled": "loyalty",
    "order_limits.incentives": "incentives_per_order",
    "order_limits.offers": "offers_per_order",
    "order_limits.rewards": "rewards_per_order",
    "order_limits.same_offer": "same_offer_per_order",
    "point_cost": "points",
    "receipt_limits": "receipts_per_member",
    "receipts.blocks": "receipts",
    "phone_prefix": "identify.phone_prefix",
    "redeem_by_loyalty_id": "identify.redeem_by_loyalty_id",
    "refuse_unusable": "identify.refuse_unusable",
    "repeated_orders": "orders.repeated",
    "return_days": "returns.window_days",
    "rules.cart_spends": "rules.cart_has",
    "rules.minimum_spend_of": "rules.minimum_spend",
    "spend": "target",
}
"""Paths of the program file, where what is kept has others; what is below them moves along."""

_AMOUNTS = frozenset(
    {
        "discount.amount",
        "earning.minimum_spend",
        "earning.step",
        "price",
        "redemption.increment_amount",
        "redemption.max_amount",
        "redemption.min_amount",
        "rules.cart_spends.amount",
        "rules.minimum_spend",
        "rules.minimum_spend_of.amount",
        "spend",
        "takes_off.amount",
        "takes_off.up_to",
    }
)
"""What is kept in minor units, by its path without the places in lists."""

# What the subject of a change says already.
_NAMES = frozenset({"program_id", "store_id", "incentive_id", "id", "expiry.version"})


class ChangeKind(StrEnum):
    """What applying does to a subject."""

    ADD = "add"
    CHANGE = "change"
    REMOVE = "remove"
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field's value before and after, as the program file writes it; None where absent."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """
    What applying does to one subject.

    Attributes:
        subject: `program`, `store 9999`, `promotion double-day`, `goal gold`, `tier gold`,
            `order of` or `incentive free-coffee`.
        name: What people call it.
        fields: The fields that differ; all of them when it is added, none when it goes.
    """

    kind: ChangeKind
    subject: str
    name: str
    fields: tuple[FieldChange, ...] = ()


class ProgramChangeError(Exception):
    """
    Raised when a program file is valid and yet can't follow the program that is in force.

    Attributes:
        refusals: Path in the new file, and message, of each field;
            `program_document.program_file_error` finds their lines.
    """

    def __init__(self, refusals: tuple[tuple[Path, str], ...]) -> None:
        self.refusals = refusals
        super().__init__(refusals)


def program_changes(old: Program | None, new: Program) -> tuple[Change, ...]:
    """
    List what applying *new* over *old* does, in the order of the file; incentives come last.

    Nothing to do is an empty tuple. *new* may be the program of the file or what
    `with_retired` made of it.

    Raises:
        ProgramChangeError: A field can't be changed; it names all of them.
    """
    if old is None:
        return (
            *_program_changes(None, new),
            *_store_changes({}, new),
            *_part_changes(None, new),
            *_added(new),
        )
    merged = with_retired(old, new)
    return (
        *_program_changes(old, merged),
        *_store_changes(old.stores, merged),
        *_part_changes(old, merged),
        *_incentive_changes(old, merged),
    )


def with_retired(old: Program | None, new: Program) -> Program:
    """
    Add what *new* leaves out: incentives, retired, so that their kind stays known, and stores.

    The terms on which points go are numbered.

    Raises:
        ProgramChangeError: A field can't be changed; it names all of them.
    """
    expiry = new.expiry.follows(old.expiry if old else None)
    if old is None:
        return replace(new, expiry=expiry)
    refusals = tuple(_refusals(old, new))
    if refusals:
        raise ProgramChangeError(refusals)
    return replace(
        new,
        expiry=expiry,
        incentives={**new.incentives, **retired_incentives(old, new)},
        removed_stores={
            store_id: store
            for store_id, store in {**old.removed_stores, **old.stores}.items()
            if store_id not in new.stores
        },
    )


def retired_incentives(old: Program, new: Program) -> dict[str, Incentive]:
    """Choose the incentives of *old* that *new* leaves out, as retired ones."""
    return {
        incentive_id: replace(incentive, retired=True)
        for incentive_id, incentive in old.incentives.items()
        if incentive_id not in new.incentives
    }


def _refusals(old: Program, new: Program) -> Iterator[tuple[Path, str]]:
    if old.brand != new.brand:
        yield ("brand",), f"must stay {old.brand}; another brand is another program"
    if old.region != new.region:
        yield ("region",), f"must stay {old.region}; another region is another program"
    for index, (incentive_id, incentive) in enumerate(new.incentives.items()):
        before = old.incentives.get(incentive_id)
        if before and before.kind != incentive.kind:
            message = f"must stay {before.kind}; give the {incentive.kind} an id of its own"
            yield ("incentives", index, "kind"), message


def _program_changes(old: Program | None, new: Program) -> Iterator[Change]:
    before = _fields(program_to_json(_bare(old)).program, old.currency_digits) if old else {}
    after = _fields(program_to_json(_bare(new)).program, new.currency_digits)
    yield from _changed("program", new.name, before if old else None, after)


def _bare(program: Program) -> Program:
    parts: dict[str, Any] = {name: {} for _, name, _ in _PARTS}
    return replace(program, stores={}, incentives={}, removed_stores={}, **parts)


def _store_changes(old: Mapping[int, Store], new: Program) -> Iterator[Change]:
    for store_id in sorted(old.keys() | new.stores.keys()):
        before, after = old.get(store_id), new.stores.get(store_id)
        if before == after:
            continue
        subject = f"store {store_id}"
        if after is None:
            yield Change(ChangeKind.REMOVE, subject, before.name if before else "")
        else:
            known = _fields(store_to_json(before), 0) if before else None
            yield from _changed(subject, after.name, known, _fields(store_to_json(after), 0))


def _part_changes(old: Program | None, new: Program) -> Iterator[Change]:
    """Compare promotions, tiers, goals and grants, and the order of each."""
    for word, parts, write in _PARTS:
        known = {} if old is None else getattr(old, parts)
        yield from _named_changes(word, known, getattr(new, parts), write, new.currency_digits)
        yield from _order_changes(parts, known, getattr(new, parts))


def _order_changes(
    what: str, known: Mapping[str, Any], parts: Mapping[str, Any]
) -> Iterator[Change]:
    """Tell whether those that stay stand in another order, which says which tier is the best."""
    before = [name for name in known if name in parts]
    after = [name for name in parts if name in known]
    if before != after:
        field = FieldChange(what, _text(before), _text(after))
        yield Change(ChangeKind.CHANGE, "order of", what, (field,))


def _named_changes(
    word: str, known: Mapping[str, Any], parts: Mapping[str, Any], write: Any, digits: int
) -> Iterator[Change]:
    """Compare in the order of the new file; those that it leaves out come last."""
    for name in [*parts, *(name for name in known if name not in parts)]:
        before, after = known.get(name), parts.get(name)
        subject = f"{word} {name}"
        if after is None:
            yield Change(ChangeKind.REMOVE, subject, _called(before))
        elif before != after:
            earlier = _fields(_worded(write(before)), digits) if before else None
            later = _fields(_worded(write(after)), digits)
            yield from _changed(subject, _called(after), earlier, later)


def _called(part: Any) -> str:
    """Name a part for people; what is given, by its incentive."""
    return str(part.incentive_id if isinstance(part, GrantTerms) else part.display_name)


def _worded(document: dict[str, Any]) -> dict[str, Any]:
    """Name the target of a goal that is an amount of money otherwise than a number."""
    if document.get("count") != Count.SPEND:
        return document
    return {"spend" if key == "target" else key: value for key, value in document.items()}


_PARTS = (
    ("promotion", "promotions", promotion_to_json),
    ("tier", "tiers", tier_to_json),
    ("goal", "goals", goal_to_json),
    ("grant", "grants", grant_to_json),
)
"""What has entries of its own: what one is called, where they are, and how one is written."""


def _added(new: Program) -> Iterator[Change]:
    for incentive in new.incentives.values():
        after = _fields(incentive_to_json(incentive), new.currency_digits)
        yield from _changed(_subject(incentive), incentive.display_name, None, after)


def _incentive_changes(old: Program, new: Program) -> Iterator[Change]:
    """Compare in the order of the new file; those that it leaves out come last."""
    for incentive_id, incentive in new.incentives.items():
        before = old.incentives.get(incentive_id)
        known = _fields(incentive_to_json(before), old.currency_digits) if before else None
        after = _fields(incentive_to_json(incentive), new.currency_digits)
        if before and replace(before, retired=True) == incentive != before:
            yield Change(ChangeKind.RETIRE, _subject(incentive), incentive.display_name)
        else:
            yield from _changed(_subject(incentive), incentive.display_name, known, after)


def _subject(incentive: Incentive) -> str:
    return f"incentive {incentive.incentive_id}"


def _changed(
    subject: str, name: str, old: Mapping[str, str] | None, new: Mapping[str, str]
) -> Iterator[Change]:
    known = old or {}
    paths = [*new, *(path for path in known if path not in new)]
    fields = tuple(
        FieldChange(path, known.get(path), new.get(path))
        for path in paths
        if known.get(path) != new.get(path)
    )
    if fields:
        yield Change(ChangeKind.ADD if old is None else ChangeKind.CHANGE, subject, name, fields)


def _fields(document: Mapping[str, Any], digits: int) -> dict[str, str]:
    """Write the values of a stored object as the program file does, by the file's path."""
    return {
        _file_path(path): _value(re.sub(r"\[[0-9]+\]", "", path), value, digits)
        for path, value in _leaves(_with_discount(document), "")
        if value is not None and path not in _NAMES
    }


def _file_path(path: str) -> str:
    """Give the path of the program file for one of what is kept."""
    for kept, told in _FILE_PATHS.items():
        if path.startswith(kept) and path[len(kept) : len(kept) + 1] in {"", ".", "["}:
            return told + path[len(kept) :]
    return path


def _value(place: str, value: Any, digits: int) -> str:
    """Write a value as the file does."""
    if place in _AMOUNTS:
        return amount_text(value, digits)
    if place in _YEARLY and value == 0:
        return "day"
    return _text(value)


_YEARLY = frozenset({"rules.birthday", "rules.anniversary"})


def _with_discount(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Name what a discount takes off as the file does."""
    discount = document.get("discount")
    if not discount:
        return document
    told = {discount["kind"]: discount["value"], "level": discount["level"]}
    return {**document, "discount": told}


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list) and any(isinstance(part, dict) for part in value):
        for index, part in enumerate(value):
            yield from _leaves(part, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _leaves(part, f"{path}.{key}" if path else key)
    else:
        yield path, value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(_text(part) for part in value)
    return str(value)
