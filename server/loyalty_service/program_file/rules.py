"""The parts of a program file that say what an incentive is restricted to and what orders earn."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from loyalty_service.domain.program import EarningRules, ProductType, Rounding, RoundPer
from loyalty_service.domain.restrictions import SERVICE_MODES, WEEKDAYS, Rule
from loyalty_service.program_file.records import earning_from_json
from loyalty_service.program_file.rule_records import rules_from_json
from loyalty_service.program_file.values import (
    STORE_ID_MAX,
    Entry,
    Sum,
    Switch,
    one_of,
    refusal,
    text_of,
    whole_number,
)

QUANTITY_MAX = 1_000
REDEMPTIONS_MAX = 1_000_000_000
BIRTHDAY_DAYS_MAX = 183
COOLDOWN_S_MAX = 31_536_000
LIST_MAX = 1_000
DEMANDS_MAX = 20
RATE_MAX = 1_000_000
PRODUCT_TYPES: tuple[ProductType, ...] = get_args(ProductType)
EARNING = EarningRules()


T = TypeVar("T")


def _check_once(values: list[T]) -> list[T]:
    """Refuse repetition, and sort, days in the order of the week, so equal lists are equal."""
    if len(set(values)) < len(values):
        raise refusal("must not name anything twice")
    return sorted(values, key=_place)


def _place(value: Any) -> tuple[int, Any]:
    return (WEEKDAYS.index(value) if value in WEEKDAYS else 0), value


def _check_day(value: object) -> str:
    if isinstance(value, str) and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise refusal("must be a day of the calendar such as 2026-12-31")


def _check_birthday(value: object) -> int | str:
    if value == "day":
        return 0
    if value == "month" or (type(value) is int and 1 <= value <= BIRTHDAY_DAYS_MAX):
        return value
    raise refusal(f"must be day, month or a number of days from 1 to {BIRTHDAY_DAYS_MAX}")


def _check_true(value: object) -> bool:
    if value is not True:
        raise refusal("must be true; leave the key out where it does not hold")
    return True


def _check_rate(value: object) -> Fraction:
    """Take whole numbers, decimals and fractions, all exactly."""
    plain = type(value).__name__ in {"int", "Decimal"}
    fraction = isinstance(value, str) and re.fullmatch("[0-9]{1,9}/[1-9][0-9]{0,8}", value)
    rate = Fraction(str(value)) if plain or fraction else Fraction(-1)
    if not 0 <= rate <= RATE_MAX:
        raise refusal(f"must be from 0 to {RATE_MAX:,}, written 10, 12.5 or 1/3")
    return rate


Plu = Annotated[str, text_of(1, 64)]
Once = Annotated[list[T], Field(min_length=1, max_length=LIST_MAX), AfterValidator(_check_once)]
Day = Annotated[str, BeforeValidator(_check_day)]
Count = Annotated[int, whole_number(1, QUANTITY_MAX)]
Redemptions = Annotated[int, whole_number(1, REDEMPTIONS_MAX)]
PaymentType = Annotated[
    str, text_of(1, 64, form="[A-Z0-9_]+", hint="a word in capital letters such as VISA")
]


class SpanEntry(Entry):
    """Days from one until another, both included; one end may be open."""

    start: Day | None = Field(default=None, alias="from")
    until: Day | None = None

    @model_validator(mode="after")
    def _check_ends(self) -> SpanEntry:
        if not (self.start or self.until):
            raise refusal("must have from, until or both")
        if self.start and self.until and self.until < self.start:
            raise refusal("must have its until on or after its from")
        return self


class MaximumEntry(Entry):
    """Most redemptions of an incentive."""

    per_member: Redemptions | None = None
    total: Redemptions | None = None

    @model_validator(mode="after")
    def _check_limits(self) -> MaximumEntry:
        if not (self.per_member or self.total):
            raise refusal("must have per_member, total or both")
        return self


class DemandEntry(Entry):
    """Products of which the order must buy some."""

    any_of: Once[Plu]
    quantity: Count = 1


class RulesEntry(Entry):
    """What the use of an incentive is restricted to; all of it must hold."""

    limit_per_order: Count | None = None
    max_redemptions: MaximumEntry | None = None
    days: Once[Annotated[str, one_of(*WEEKDAYS)]] | None = None
    dates: SpanEntry | None = None
    enrolled: SpanEntry | None = None
    service_modes: Once[Annotated[str, one_of(*SERVICE_MODES)]] | None = None
    stores: Once[Annotated[int, whole_number(1, STORE_ID_MAX)]] | None = None
    minimum_spend: Sum | None = None
    payment_methods: Once[PaymentType] | None = None
    first_order: Annotated[bool | None, BeforeValidator(_check_true)] = None
    birthday: Annotated[int | str | None, BeforeValidator(_check_birthday)] = None
    cart_has: Annotated[list[DemandEntry], Field(min_length=1, max_length=DEMANDS_MAX)] | None = (
        None
    )
    cart_lacks: Once[Plu] | None = None
    cooldown_s: Annotated[int, whole_number(1, COOLDOWN_S_MAX)] | None = None

    def rules(self) -> tuple[Rule, ...]:
        """Make the rules that were written."""
        return rules_from_json(self.model_dump(by_alias=True, exclude_none=True))


class EarningEntry(Entry):
    """What orders earn."""

    points_per_unit: Annotated[Fraction, BeforeValidator(_check_rate)] = EARNING.points_per_unit
    rounding: Annotated[str, one_of(*Rounding)] = EARNING.rounding
    round_per: Annotated[str, one_of(*RoundPer)] = EARNING.round_per
    include_tax: Switch = EARNING.include_tax
    excluded_product_types: Annotated[
        list[Annotated[str, one_of(*PRODUCT_TYPES)]], AfterValidator(_check_once)
    ] = Field(default_factory=lambda: [*map(str, sorted(EARNING.excluded_product_types))])
    excluded_products: Annotated[
        list[Plu], Field(max_length=LIST_MAX), AfterValidator(_check_once)
    ] = Field(default_factory=list)

    def earning(self) -> EarningRules:
        """Make the rules of earning."""
        return earning_from_json(self.model_dump())
