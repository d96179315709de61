"""What is wrong with a program file, noted at its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from loyalty_service.program_file.source import Path, ProgramSource
from loyalty_service.program_file.values import nearest

_ONCE = (
    ("stores", "id"),
    ("incentives", "id"),
    ("incentives", "engine_id"),
    ("promotions", "id"),
    ("goals", "id"),
    ("tiers", "id"),
    ("grants", "id"),
)
"""What no two entries of a section have in common."""


def note_repeated(source: ProgramSource, values: object) -> None:
    """Note what is in the file twice and must be there once."""
    if not isinstance(values, dict):
        return
    for section, key in _ONCE:
        entries = values.get(section)
        first: dict[int | str, int] = {}
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            value = entry.get(key) if isinstance(entry, dict) else None
            if isinstance(value, int | str) and first.setdefault(value, index) != index:
                source.note((section, index, key), f"is already used by {section}[{first[value]}]")
    listed = values.get("identifiers")
    words = listed[:10] if isinstance(listed, list) else []
    for index, word in enumerate(words):
        if word in words[:index]:
            source.note(("identifiers", index), "is listed twice")
    identify = values.get("identify")
    redeems = not isinstance(identify, dict) or identify.get("redeem_by_loyalty_id") is not False
    for index, word in enumerate(words):
        if word in {"phone", "card", "email"} and redeems:
            # Else the loyalty ID in the answer to a phone number would redeem.
            source.note(
                ("identifiers", index), "needs `redeem_by_loyalty_id: false` under `identify`"
            )


def note_missing_of_contracts(source: ProgramSource, values: object) -> None:
    """Note what a contract needs that the file says its program serves."""
    if not isinstance(values, dict):
        return
    contracts = values.get("contracts", ["es"])
    if isinstance(contracts, list) and "es-drafts" in contracts and "es" not in contracts:
        source.note(("contracts", contracts.index("es-drafts")), "needs `es` beside it")
    if isinstance(contracts, list) and "es" in contracts:
        for key in ("redemption", "prompts"):
            if key not in values:
                source.note((key,), "is required", at_key=True)


def note_unknown_names(source: ProgramSource, values: object) -> None:
    """
    Note stores, groups and tiers that the file names and does not have.

    What has another shape is told of elsewhere.
    """
    if not isinstance(values, dict):
        return
    known = {store.get("id") for _, store in _entries(values, "stores")}
    store_groups = {
        name
        for _, store in _entries(values, "stores")
        for name in _list(store.get("groups"))
        if isinstance(name, str)
    }
    es = values.get("es")
    if isinstance(es, dict) and isinstance(es.get("store_id"), int) and es["store_id"] not in known:
        source.note(("es", "store_id"), "is not a store of this file")
    groups = values.get("groups")
    groups = groups if isinstance(groups, dict) else {}
    for path, rules in _rules(values):
        for place, store_id in enumerate(_list(rules.get("stores"))):
            if isinstance(store_id, int) and store_id not in known:
                source.note((*path, "stores", place), "is not a store of this file")
        for place, name in enumerate(_list(rules.get("store_groups"))):
            if isinstance(name, str) and name not in store_groups:
                message = f"is not a group of a store{nearest(name, store_groups)}"
                source.note((*path, "store_groups", place), message)
    _note_tiers(source, values)
    _note_grants_of_goals(source, values)
    for path, name in _products(values):
        if isinstance(name, str) and name not in groups:
            message = "must be a list of PLUs, or a group of this file"
            source.note(path, message + nearest(name, [*map(str, groups)]))
    _note_unknown_granted(source, values)


def _note_unknown_granted(source: ProgramSource, values: dict[str, Any]) -> None:
    """Note what is given and is no incentive that is used by those alone who were given it."""
    granted = {
        str(incentive.get("id"))
        for _, incentive in _entries(values, "incentives")
        if isinstance(incentive.get("rules"), dict) and incentive["rules"].get("granted") is True
    }
    for part, field in (("grants", "incentive"), ("promotions", "granted")):
        for index, entry in _entries(values, part):
            name = entry.get(field)
            if isinstance(name, str) and name not in granted:
                message = "is not an incentive of this file with the rule granted"
                source.note((part, index, field), message + nearest(name, granted))


def _note_tiers(source: ProgramSource, values: dict[str, Any]) -> None:
    """Note what goals do not give or can't, and tiers that nobody has."""
    known = [tier.get("id") for _, tier in _entries(values, "tiers")]
    given = [
        ((*path, "gives", "tier"), gives.get("tier"))
        for path, gives in _gives(values)
        if "tier" in gives
    ]
    named = [
        ((*path, "tiers", place), name)
        for path, rules in _rules(values)
        for place, name in enumerate(_list(rules.get("tiers")))
    ]
    expiry = values.get("expiry")
    lasting = expiry.get("by_tier") if isinstance(expiry, dict) else None
    if isinstance(lasting, dict):
        named += [(("expiry", "by_tier", name), name) for name in lasting]
    for path, name in (*given, *named):
        if isinstance(name, str) and name not in known:
            source.note(path, f"is not a tier of this file{nearest(name, [*map(str, known)])}")
    for place, name in enumerate(known[1:], 1):
        if name not in [tier for _, tier in given]:
            source.note(("tiers", place, "id"), "must be given by a goal, as all but the first")


def _note_grants_of_goals(source: ProgramSource, values: dict[str, Any]) -> None:
    """Note grants that goals should give and the file lacks, and those that no goal gives."""
    places = {
        grant.get("id"): place
        for place, grant in _entries(values, "grants")
        if grant.get("given_on") == "goal"
    }
    given = [
        ((*path, "gives", "grant"), gives["grant"])
        for path, gives in _gives(values)
        if isinstance(gives.get("grant"), str)
    ]
    for path, name in given:
        if name not in places:
            message = "is not of this file's grants that are given_on goal"
            source.note(path, message + nearest(name, [*map(str, places)]))
    for name, place in places.items():
        if name not in [one for _, one in given]:
            source.note(("grants", place, "given_on"), "must be another: no goal gives this grant")


def _gives(values: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give what goals give, with their places."""
    for index, goal in _entries(values, "goals"):
        if isinstance(goal.get("gives"), dict):
            yield ("goals", index), goal["gives"]


def _rules(values: dict[str, Any]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give all rules of the file, with their places."""
    for section in ("incentives", "promotions", "goals"):
        for index, entry in _entries(values, section):
            if isinstance(entry.get("rules"), dict):
                yield (section, index, "rules"), entry["rules"]
    for index, row in _entries(values.get("earning"), "rates"):
        if isinstance(row.get("when"), dict):
            yield ("earning", "rates", index, "when"), row["when"]


def _products(values: dict[str, Any]) -> Iterator[tuple[Path, object]]:
    """Give what names products, with their places."""
    earning = values.get("earning")
    if isinstance(earning, dict):
        yield ("earning", "excluded_products"), earning.get("excluded_products")
    for index, promotion in _entries(values, "promotions"):
        yield ("promotions", index, "on"), promotion.get("on")
    for index, goal in _entries(values, "goals"):
        yield ("goals", index, "of"), goal.get("of")
    for index, incentive in _entries(values, "incentives"):
        takes_off = incentive.get("takes_off")
        if isinstance(takes_off, dict):
            yield ("incentives", index, "takes_off", "on"), takes_off.get("on")
    for path, rules in _rules(values):
        yield (*path, "cart_lacks"), rules.get("cart_lacks")
        if isinstance(spend := rules.get("minimum_spend"), dict):
            yield (*path, "minimum_spend", "of"), spend.get("of")
        for place, demand in _entries(rules, "cart_has"):
            yield (*path, "cart_has", place, "any_of"), demand.get("any_of")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _entries(values: object, section: str) -> Iterator[tuple[int, dict[str, Any]]]:
    entries = values.get(section) if isinstance(values, dict) else None
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield index, entry


def note_detail(source: ProgramSource, detail: ErrorDetails, model: type[BaseModel]) -> None:
    """Note what does not fit the *model* of the whole file, in words for its writer."""
    path = detail["loc"]
    match detail["type"]:
        case "missing":
            source.note(path, "is required", at_key=True)
        case "extra_forbidden":
            source.note(path, _unknown_key(path, model), at_key=True)
        case "model_type" | "dict_type":
            source.note(path, "must be a mapping, lines of `key: value`")
        case "list_type":
            source.note(path, "must be a list, lines that begin with `-`")
        case "too_long":
            source.note(path, f"must have at most {detail['ctx']['max_length']:,} entries")
        case "too_short":
            source.note(path, f"must have at least {detail['ctx']['min_length']:,} entries")
        case _ if path[-1:] == ("[key]",):
            source.note(path[:-1], f"as a key, {detail['msg']}", at_key=True)
        case _:
            source.note(path, detail["msg"])


def _unknown_key(path: Path, model: type[BaseModel]) -> str:
    known = _known_keys(model, path[:-1])
    near = nearest(path[-1], known)
    return f"is unknown{near}" if near else f"is unknown; known are {', '.join(known)}"


def _known_keys(model: type[BaseModel], path: Path) -> list[str]:
    known = {field.alias or name: field for name, field in model.model_fields.items()}
    names = [part for part in path if isinstance(part, str)]
    if not names:
        return list(known)
    if names[0] not in known:  # A key that the file's writer chose, of a locale for instance.
        return _known_keys(model, tuple(names[1:]))
    nested = next(_models(known[names[0]].annotation))
    return _known_keys(nested, tuple(names[1:]))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
