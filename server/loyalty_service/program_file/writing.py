"""
Writes a program as the YAML of a program file, which applied again changes nothing.

It starts from the form that storage keeps, and undoes where the file has other words: amounts in
the currency itself, rates as numbers, and some settings under other names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from loyalty_service.domain.expiry import ExpiryPolicy
from loyalty_service.domain.goals import Count
from loyalty_service.domain.program import Program
from loyalty_service.program_file.document import ProgramDocument
from loyalty_service.program_file.records import ProgramRecords, program_to_json
from loyalty_service.program_file.values import amount_text

Json = dict[str, Any]

WIDTH = 100

_PLAIN_WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:[ -][A-Za-z0-9_]+)*")
_NO_TEXT = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_FRACTION = re.compile("[0-9]+/[0-9]+")

_RULES = {"minimum_spend_of": "minimum_spend", "cart_spends": "cart_has"}
"""Rules that are kept under another name than the file's."""


class _Number(str):
    """A number that is written digit by digit as it stands."""

    __slots__ = ()


def program_text(program: Program) -> str:
    """Write a program as its operator would: what is not set is left out."""
    return _yaml_text(program_document(program))


def program_document(program: Program) -> Json:
    """Give a program as plain values by the keys of the file, in the file's order."""
    writer = _Writer(program, program_to_json(program))
    document: Json = {}
    for key, field in ProgramDocument.model_fields.items():
        value = writer.value(key)
        # An empty list is not what a list is that is left out.
        empty = value == {} or (value == [] and not field.get_default(call_default_factory=True))
        if value is not None and (field.is_required() or not empty):
            document[key] = value
    return document


class _Writer:
    """Writes the keys of a program file, each from what is kept."""

    def __init__(self, program: Program, records: ProgramRecords) -> None:
        self._program = program
        self._digits = program.currency_digits
        self._kept = records.program
        self._records = records
        order = self._kept.get("order_limits", {})
        self._own: Mapping[str, Callable[[], Any]] = {
            "identifiers": lambda: self._kept["identifier_kinds"],
            "redemption": self._redemption,
            "receipts": self._receipts,
            "earning": self._earning,
            "promotions": lambda: [*map(self._promotion, self._kept.get("promotions", ()))],
            "goals": lambda: [*map(self._goal, self._kept.get("goals", ()))],
            "offers_per_order": lambda: order.get("offers"),
            "rewards_per_order": lambda: order.get("rewards"),
            "incentives_per_order": lambda: order.get("incentives"),
            "same_offer_per_order": lambda: order.get("same_offer"),
            "identify": lambda: {"refuse_unusable": program.refuse_unusable},
            "orders": lambda: {"repeated": program.repeated_orders},
            "receipts_per_member": lambda: _given(self._kept.get("receipt_limits", {})),
            "returns": lambda: {"window_days": program.return_days},
            "expiry": self._expiry,
            "limits": lambda: dict(program.limits.own),
            "rule_words": lambda: {
                name: _given(words) for name, words in self._kept.get("rule_words", {}).items()
            },
            "prompts": self._prompts,
            "stores": lambda: [*map(self._store, records.stores.values())],
            "incentives": lambda: [*map(self._incentive, program.incentives)],
        }

    def value(self, key: str) -> Any:
        """Give the value of a key; what has no other words is kept as it is."""
        own = self._own.get(key)
        return self._kept.get(key) if own is None else own()

    def _amount(self, minor: int) -> _Number:
        return _Number(amount_text(minor, self._digits))

    def _amounts(self, document: Json, *names: str) -> Json:
        return document | {
            name: self._amount(document[name]) for name in names if document.get(name) is not None
        }

    def _redemption(self) -> Json | None:
        rules = self._kept["redemption"]
        names = ("min_amount", "max_amount", "increment_amount")
        return None if rules is None else self._amounts(rules, *names)

    def _receipts(self) -> Json | None:
        kept = self._kept.get("receipts")
        if kept is None:
            return None
        own = {name: _blocks(blocks) for name, blocks in kept["pos_types"].items()}
        return _blocks(kept["blocks"]) | ({"pos_types": own} if own else {})

    def _earning(self) -> Json:
        kept = self._amounts(self._kept["earning"], "step", "minimum_spend")
        kept["points_per_unit"] = _rate(kept["points_per_unit"])
        for name in ("rates", "payments"):
            if name in kept:
                kept[name] = [
                    row
                    | {part: _rate(row[part]) for part in ("points_per_unit", "add") if part in row}
                    for row in kept[name]
                ]
        if not kept["excluded_products"]:
            del kept["excluded_products"]
        return kept

    def _promotion(self, kept: Json) -> Json:
        told = kept | {"rules": self._rules(kept["rules"])}
        if "multiplier" in kept:
            told["multiplier"] = _rate(kept["multiplier"])
        return told if told["rules"] else _without(told, "rules")

    def _goal(self, kept: Json) -> Json:
        told = kept | {"rules": self._rules(kept["rules"])}
        if kept["count"] == Count.SPEND:
            told["target"] = self._amount(kept["target"])
        return told if told["rules"] else _without(told, "rules")

    def _rules(self, kept: Json) -> Json:
        told: Json = {}
        for name, value in kept.items():
            word = _RULES.get(name, name)
            if word == "minimum_spend":
                plain = isinstance(value, int)
                told[word] = self._amount(value) if plain else self._amounts(value, "amount")
            elif word == "cart_has":
                told[word] = [self._amounts(demand, "amount") for demand in value]
            elif word in {"birthday", "anniversary"} and value == 0:
                told[word] = "day"
            else:
                told[word] = value
        return told

    def _expiry(self) -> Json:
        kept = _given(_without(self._kept["expiry"], "version"))
        if kept["policy"] == ExpiryPolicy.NONE:
            return {name: kept[name] for name in ("policy", "expiration_date") if name in kept}
        if "carried_over" in kept:
            kept["carried_over"] = {"until": kept["carried_over"]}
        inactive = kept["policy"] == ExpiryPolicy.INACTIVITY
        return kept if inactive else _without(kept, "activities")

    def _prompts(self) -> Json | None:
        told = {name: prompts for name, prompts in self._kept["prompts"].items() if prompts}
        return told or None

    def _store(self, kept: Json) -> Json:
        told: Json = {"id": kept["store_id"], "name": kept["name"]}
        if kept["time_zone"] != self._program.time_zone:
            told["time_zone"] = kept["time_zone"]
        if not kept["loyalty_enabled"]:
            told["loyalty"] = False
        return told | ({"groups": kept["groups"]} if kept.get("groups") else {})

    def _incentive(self, incentive_id: str) -> Json:
        kept = self._records.incentives[incentive_id]
        told: Json = {
            "id": kept["incentive_id"],
            "engine_id": kept["engine_id"],
            "kind": kept["kind"],
            "name": kept["display_name"],
            "points": kept["point_cost"] or None,
            "price": kept["price"],
            "plus": kept["plus"],
            "retired": kept["retired"] or None,
            "description": kept["description"],
            "more_info": kept["more_info"],
            "image": kept["image"],
        }
        if (discount := kept["discount"]) is not None:
            off = {discount["kind"]: discount["value"], "level": discount["level"]}
            told["discount"] = self._amounts(off, "amount")
        if "takes_off" in kept:
            told["takes_off"] = self._amounts(kept["takes_off"], "amount", "up_to")
        if kept["rules"]:
            told["rules"] = self._rules(kept["rules"])
        return _given(self._amounts(told, "price"))


def _rate(text: str) -> str:
    return text if _FRACTION.fullmatch(text) else _Number(text)


def _given(document: Mapping[str, Any]) -> Json:
    return {name: value for name, value in document.items() if value is not None}


def _without(document: Json, name: str) -> Json:
    return {key: value for key, value in document.items() if key != name}


def _blocks(blocks: Json) -> Json:
    return {
        name: {locale: _given(texts) for locale, texts in locales.items()}
        for name, locales in blocks.items()
        if locales
    }


class _Representer(RoundTripRepresenter):
    """Writes numbers as they stand, and nothing else without its own sign of what it is."""


def _number(representer: _Representer, number: _Number) -> ScalarNode:
    kind = "float" if "." in number else "int"
    return representer.represent_scalar(f"tag:yaml.org,2002:{kind}", str(number))


_Representer.add_representer(_Number, _number)


def _quoted(value: Any) -> Any:
    """Put all text into quotes that could be taken for something else."""
    if isinstance(value, dict):
        return {_quoted(key): _quoted(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_quoted(part) for part in value]
    if isinstance(value, str) and not isinstance(value, _Number):
        plain = _PLAIN_WORD.fullmatch(value) and value.lower() not in _NO_TEXT
        return str(value) if plain else DoubleQuotedScalarString(value)
    return value


def _yaml_text(document: Json) -> str:
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.ignore_aliases = lambda _data: True
    text = StringIO()
    yaml.dump(_quoted(document), text)
    return text.getvalue()
