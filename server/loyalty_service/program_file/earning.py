"""The parts of a program file that say what orders earn."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from loyalty_service.domain.earning_rules import EarningRules, ProductType, Promotion, Rounding
from loyalty_service.program_file.earning_records import earning_from_json, promotion_from_json
from loyalty_service.program_file.rule_records import Groups
from loyalty_service.program_file.rules import (
    COOLDOWN_S_MAX,
    LIST_MAX,
    PRODUCTS_MAX,
    AnyProducts,
    Once,
    OrderRulesEntry,
    PaymentType,
    Plu,
    ProductList,
    WhenEntry,
    check_once,
)
from loyalty_service.program_file.values import (
    POINTS_MAX,
    Entry,
    Name,
    Points,
    Sum,
    Switch,
    one_of,
    refusal,
    text_of,
    whole_number,
)

RATE_MAX = 1_000_000
MULTIPLIER_MAX = 1_000
RATES_MAX = 100
GROUPS_MAX = 1_000
PROMOTIONS_MAX = 1_000
TIMES_MAX = 1_000_000
GROUP_FORM = "[a-z0-9]+(-[a-z0-9]+)*"
PRODUCT_TYPES: tuple[ProductType, ...] = get_args(ProductType)
EARNING = EarningRules()


def _exact(value: object) -> Fraction:
    """Take whole numbers, decimals and fractions, all exactly; what is none is below 0."""
    plain = type(value).__name__ in {"int", "Decimal"}
    fraction = isinstance(value, str) and re.fullmatch("[0-9]{1,9}/[1-9][0-9]{0,8}", value)
    return Fraction(str(value)) if plain or fraction else Fraction(-1)


def _check_rate(value: object) -> Fraction:
    rate = _exact(value)
    if not 0 <= rate <= RATE_MAX:
        raise refusal(f"must be from 0 to {RATE_MAX:,}, written 10, 12.5 or 1/3")
    return rate


def _check_multiplier(value: object) -> Fraction:
    multiplier = _exact(value)
    if not 1 <= multiplier <= MULTIPLIER_MAX:
        raise refusal(f"must be from 1 to {MULTIPLIER_MAX:,}, written 2, 1.05 or 3/2")
    return multiplier


PointRate = Annotated[Fraction, BeforeValidator(_check_rate)]
Times = Annotated[int, whole_number(1, TIMES_MAX)]
GroupName = Annotated[
    str, text_of(1, 40, form=GROUP_FORM, hint="lower-case letters, digits, single dashes")
]


class GroupEntry(Entry):
    """Products that have one name."""

    plus: (
        Annotated[
            list[Plu], Field(min_length=1, max_length=PRODUCTS_MAX), AfterValidator(check_once)
        ]
        | None
    ) = None
    prefixes: Once[Plu] | None = None
    categories: Once[Plu] | None = None

    @model_validator(mode="after")
    def _check_any(self) -> GroupEntry:
        if not (self.plus or self.prefixes or self.categories):
            raise refusal("must have plus, prefixes or categories")
        return self


class RateEntry(Entry):
    """The rate of some orders."""

    points_per_unit: PointRate
    when: WhenEntry

    @model_validator(mode="after")
    def _check_when(self) -> RateEntry:
        if not self.when.model_dump(exclude_none=True):
            raise refusal("must say when it holds; the rate of all orders is points_per_unit")
        return self


class PaymentEntry(Entry):
    """What money earns that is paid in some ways."""

    types: Once[PaymentType]
    points_per_unit: PointRate | None = None
    add: PointRate | None = None

    @model_validator(mode="after")
    def _check_either(self) -> PaymentEntry:
        if self.points_per_unit is None and self.add is None:
            raise refusal("must have points_per_unit, add or both")
        return self


class CapsEntry(Entry):
    """Most points that orders earn."""

    per_order: Points | None = None
    per_day: Points | None = None
    balance: Points | None = None


class EarningEntry(Entry):
    """What orders earn."""

    points_per_unit: PointRate = EARNING.points_per_unit
    rounding: Annotated[str, one_of(*Rounding)] = EARNING.rounding
    include_tax: Switch = EARNING.include_tax
    excluded_product_types: Annotated[
        list[Annotated[str, one_of(*PRODUCT_TYPES)]], AfterValidator(check_once)
    ] = Field(default_factory=lambda: [*map(str, sorted(EARNING.excluded_product_types))])
    excluded_products: AnyProducts = Field(default_factory=list)
    rates: Annotated[list[RateEntry], Field(max_length=RATES_MAX)] | None = None
    step: Sum | None = None
    payments: Annotated[list[PaymentEntry], Field(max_length=LIST_MAX)] | None = None
    minimum_spend: Sum | None = None
    stack: Annotated[Literal["best", "add"], one_of("best", "add")] = EARNING.stack
    caps: CapsEntry | None = None
    initial_points: Annotated[int, whole_number(0, POINTS_MAX)] = EARNING.initial_points
    cooldown_s: Annotated[int, whole_number(1, COOLDOWN_S_MAX)] | None = None

    def earning(self, groups: Groups) -> EarningRules:
        """Make the rules of earning."""
        return earning_from_json(self.model_dump(by_alias=True, exclude_none=True), groups)


class EarnedAtMostEntry(Entry):
    """How often a promotion is earned."""

    per_order: Times | None = None
    per_day: Times | None = None
    per_week: Times | None = None
    per_month: Times | None = None
    per_year: Times | None = None
    per_member: Times | None = None

    @model_validator(mode="after")
    def _check_any(self) -> EarnedAtMostEntry:
        if not self.model_dump(exclude_none=True):
            raise refusal(f"must have one of {', '.join(EarnedAtMostEntry.model_fields)}")
        return self


class PromotionEntry(Entry):
    """More points for some orders."""

    id: GroupName
    name: Name
    multiplier: Annotated[Fraction, BeforeValidator(_check_multiplier)] | None = None
    bonus: Points | None = None
    on: ProductList | None = None
    granted: Annotated[str, text_of(1, 128)] | None = None
    rules: OrderRulesEntry = OrderRulesEntry()
    at_most: EarnedAtMostEntry | None = None

    @model_validator(mode="after")
    def _check_either(self) -> PromotionEntry:
        if (self.multiplier is None) == (self.bonus is None):
            raise refusal("must have either multiplier or bonus")
        return self

    def promotion(self, groups: Groups) -> Promotion:
        """Make the promotion."""
        document: dict[str, Any] = self.model_dump(by_alias=True, exclude_none=True)
        return promotion_from_json(document, groups)
