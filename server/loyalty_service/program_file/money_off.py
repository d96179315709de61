"""The part of a program file that says what an incentive takes off, and its stored form."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from loyalty_service.domain.money_off import MoneyOff, Pick
from loyalty_service.program_file.rule_records import (
    Groups,
    products_from_json,
    products_to_json,
)
from loyalty_service.program_file.rules import AnyProducts
from loyalty_service.program_file.values import Entry, Sum, one_of, refusal, whole_number

Json = dict[str, Any]

PRODUCTS_TAKEN_MAX = 9_999


class TakesOffEntry(Entry):
    """What one use of an incentive takes off."""

    on: AnyProducts | None = None
    pick: Annotated[Literal["cheapest", "guest"], one_of(*Pick)] = "cheapest"
    buy: Annotated[int, whole_number(0, PRODUCTS_TAKEN_MAX)] = 0
    quantity: Annotated[int, whole_number(1, PRODUCTS_TAKEN_MAX)] = 1
    percentage: Annotated[int | None, whole_number(1, 100)] = None
    amount: Sum | None = Field(default=None, validate_default=False)
    up_to: Sum | None = Field(default=None, validate_default=False)

    @model_validator(mode="after")
    def _check_together(self) -> TakesOffEntry:
        if self.percentage is not None and self.amount is not None:
            raise refusal("must have percentage or amount, not both; without, it is free")
        if self.on is None and {"pick", "buy", "quantity"} & self.model_fields_set:
            raise refusal("must have on beside pick, buy and quantity")
        return self


def money_off_of(entry: TakesOffEntry, groups: Groups) -> MoneyOff:
    """Make what an incentive takes off."""
    return money_off_from_json(entry.model_dump(exclude_none=True), groups)


def money_off_to_json(rule: MoneyOff) -> Json:
    """Write what is not as it is by itself, amounts in minor units."""
    plain = MoneyOff()
    document: Json = {
        name: getattr(rule, name)
        for name in ("buy", "quantity", "percentage", "amount", "up_to")
        if getattr(rule, name) != getattr(plain, name)
    }
    if rule.on is not None:
        document["on"] = products_to_json(rule.on)
    if rule.pick is not plain.pick:
        document["pick"] = rule.pick.value
    return document


def money_off_from_json(document: Json, groups: Groups) -> MoneyOff:
    """Read what `money_off_to_json` wrote; keys of a later version are ignored."""
    numbers = {
        name: document[name]
        for name in ("buy", "quantity", "percentage", "amount", "up_to")
        if name in document
    }
    on = document.get("on")
    return MoneyOff(
        on=None if on is None else products_from_json(on, groups),
        pick=Pick(document.get("pick", Pick.CHEAPEST)),
        **numbers,
    )
