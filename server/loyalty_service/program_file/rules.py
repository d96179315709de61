"""The parts of a program file that say when an incentive, a promotion or a rate holds."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_serializer,
    model_validator,
)

from loyalty_service.domain.restrictions import SEGMENT_FORM, SERVICE_MODES, WEEKDAYS, Rule
from loyalty_service.program_file.rule_records import Groups, rules_from_json
from loyalty_service.program_file.values import (
    STORE_ID_MAX,
    Entry,
    Sum,
    amount_from,
    one_of,
    refusal,
    text_of,
    whole_number,
)

QUANTITY_MAX = 1_000
REDEMPTIONS_MAX = 1_000_000_000
AROUND_DAYS_MAX = 183
ENROLLED_DAYS_MAX = 36_500
COOLDOWN_S_MAX = 31_536_000
LIST_MAX = 1_000
DEMANDS_MAX = 20
PRODUCTS_MAX = 100_000

T = TypeVar("T")


def check_once(values: list[T]) -> list[T]:
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
    raise refusal("must be a date of the calendar, such as 2026-12-31")


def _check_time(value: object) -> str:
    if isinstance(value, str) and re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", value):
        return value
    raise refusal('must be a time from "00:00" to "23:59", in quotes')


def _check_yearly(value: object) -> object:
    """Make what is a word or a number a mapping, which is checked then."""
    if isinstance(value, dict) and "word" not in value:
        return value
    if value in ("week", "month"):
        return {"word": value}
    days = 0 if value == "day" else value
    if type(days) is int and 0 <= days <= AROUND_DAYS_MAX and value != 0:
        return {"from": -days, "until": days}
    raise refusal(
        f"must be day, week, month, a number of days from 1 to {AROUND_DAYS_MAX}, "
        "or a mapping of from and until"
    )


def _check_true(value: object) -> bool:
    if value is not True:
        raise refusal("must be true; leave the field out if the rule does not apply")
    return True


def _check_products(value: object, check: ValidatorFunctionWrapHandler) -> Any:
    """Take the name of a group, which `note_unknown_names` has looked for, or a list of PLUs."""
    return value if isinstance(value, str) else check(value)


def _check_some(value: Any) -> Any:
    if not value:
        raise refusal("must have at least 1 entries")
    return value


Plu = Annotated[str, text_of(1, 64)]
Once = Annotated[list[T], Field(min_length=1, max_length=LIST_MAX), AfterValidator(check_once)]
AnyProducts = Annotated[
    list[Plu],
    Field(max_length=PRODUCTS_MAX),
    AfterValidator(check_once),
    WrapValidator(_check_products),
    PlainSerializer(lambda value: value, return_type=Any),
]
"""Products: a list of PLUs, or the name of a group."""

ProductList = Annotated[AnyProducts, AfterValidator(_check_some)]
"""At least one product."""

StoreGroup = Annotated[str, text_of(1, 64)]
SegmentName = Annotated[
    str,
    text_of(1, 40, form=SEGMENT_FORM.pattern, hint="lower-case letters, digits, single dashes"),
]
TierName = Annotated[
    str,
    text_of(1, 40, form=SEGMENT_FORM.pattern, hint="lower-case letters, digits, single dashes"),
]
Day = Annotated[str, BeforeValidator(_check_day)]
Time = Annotated[str, BeforeValidator(_check_time)]
Count = Annotated[int, whole_number(1, QUANTITY_MAX)]
Orders = Annotated[int, whole_number(1, REDEMPTIONS_MAX)]
DaysEnrolled = Annotated[int, whole_number(0, ENROLLED_DAYS_MAX)]
DaysAround = Annotated[int, whole_number(-AROUND_DAYS_MAX, AROUND_DAYS_MAX)]
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


class TimesEntry(Entry):
    """Times of the day from one until before another, which may be that of the next day."""

    start: Time = Field(alias="from")
    until: Time

    @model_validator(mode="after")
    def _check_ends(self) -> TimesEntry:
        if self.start == self.until:
            raise refusal("must have two different times")
        return self


class EnrolledDaysEntry(Entry):
    """Days after the enrolment, both ends included; one end may be open."""

    start: DaysEnrolled | None = Field(default=None, alias="from")
    until: DaysEnrolled | None = None

    @model_validator(mode="after")
    def _check_ends(self) -> EnrolledDaysEntry:
        if self.start is None and self.until is None:
            raise refusal("must have from, until or both")
        if self.start is not None and self.until is not None and self.until < self.start:
            raise refusal("must have its until at or above its from")
        return self


class AroundEntry(Entry):
    """Days after a day of each year, below 0 before it, both ends included; or a *word*."""

    start: DaysAround | None = Field(default=None, alias="from")
    until: DaysAround | None = None
    word: str | None = None

    @model_validator(mode="after")
    def _check_ends(self) -> AroundEntry:
        if self.word is None:
            if self.start is None or self.until is None:
                raise refusal("must have from and until")
            if self.until < self.start:
                raise refusal("must have its until at or above its from")
        return self

    @model_serializer
    def _plain(self) -> object:
        return self.word or {"from": self.start, "until": self.until}


class TransactionsEntry(Entry):
    """Which of a member's orders, counted from 1."""

    on: Orders | None = None
    between: Annotated[list[Orders], Field(min_length=2, max_length=2)] | None = None
    every: Orders | None = None

    @model_validator(mode="after")
    def _check_one(self) -> TransactionsEntry:
        given = (self.on, self.between, self.every)
        if sum(one is not None for one in given) != 1:
            raise refusal("must have one of on, between and every")
        if self.between and self.between[1] < self.between[0]:
            raise refusal("must have its second number at or above its first")
        return self


class MaximumEntry(Entry):
    """Most redemptions of an incentive."""

    per_member: Redemptions | None = None
    total: Redemptions | None = None
    per_day: Redemptions | None = None
    per_week: Redemptions | None = None
    per_month: Redemptions | None = None
    per_year: Redemptions | None = None
    per_occasion: Redemptions | None = None

    @model_validator(mode="after")
    def _check_limits(self) -> MaximumEntry:
        if not self.model_dump(exclude_none=True):
            raise refusal(f"must have one of {', '.join(MaximumEntry.model_fields)}")
        return self


class DemandEntry(Entry):
    """Products of which the order must buy some."""

    any_of: ProductList
    quantity: Count = 1
    amount: Sum | None = Field(default=None, validate_default=False)


class SpendEntry(Entry):
    """What is to be spent, perhaps on some products alone."""

    amount: Sum
    of: ProductList | None = None

    @model_serializer
    def _plain(self) -> object:
        return self.amount if self.of is None else {"amount": self.amount, "of": self.of}


_AMOUNT: Any = amount_from(1)


def _spend(value: object, info: ValidationInfo) -> object:
    if isinstance(value, dict):
        return value
    _AMOUNT.func(value, info)  # Whatever is wrong with it is told of this place.
    return {"amount": value}


Yearly = Annotated[AroundEntry, BeforeValidator(_check_yearly)]


class WhenEntry(Entry):
    """What may be known of an order whatever it buys; all of it must hold."""

    days: Once[Annotated[str, one_of(*WEEKDAYS)]] | None = None
    times: TimesEntry | None = None
    dates: SpanEntry | None = None
    enrolled: SpanEntry | None = None
    enrolled_days: EnrolledDaysEntry | None = None
    segments: Once[SegmentName] | None = None
    tiers: Once[TierName] | None = None
    service_modes: Once[Annotated[str, one_of(*SERVICE_MODES)]] | None = None
    stores: Once[Annotated[int, whole_number(1, STORE_ID_MAX)]] | None = None
    store_groups: Once[StoreGroup] | None = None
    channels: Once[Annotated[str, text_of(1, 64)]] | None = None

    def rules(self, groups: Groups) -> tuple[Rule, ...]:
        """Make the rules that were written."""
        return rules_from_json(self.model_dump(by_alias=True, exclude_none=True), groups)


class OrderRulesEntry(WhenEntry):
    """What an order must have besides."""

    minimum_spend: Annotated[SpendEntry, BeforeValidator(_spend)] | None = None
    payment_methods: Once[PaymentType] | None = None
    first_order: Annotated[bool | None, BeforeValidator(_check_true)] = None
    transactions: TransactionsEntry | None = None
    birthday: Yearly | None = None
    anniversary: Yearly | None = None
    cart_has: Annotated[list[DemandEntry], Field(min_length=1, max_length=DEMANDS_MAX)] | None = (
        None
    )
    cart_lacks: ProductList | None = None


class RulesEntry(OrderRulesEntry):
    """What the use of an incentive is restricted to; all of it must hold."""

    limit_per_order: Count | None = None
    max_redemptions: MaximumEntry | None = None
    cooldown_s: Annotated[int, whole_number(1, COOLDOWN_S_MAX)] | None = None
    granted: Annotated[bool | None, BeforeValidator(_check_true)] = None

    @model_validator(mode="after")
    def _check_occasion(self) -> RulesEntry:
        limits = self.max_redemptions
        if limits and limits.per_occasion and not (self.birthday or self.anniversary):
            raise refusal("must have birthday or anniversary beside per_occasion")
        return self
