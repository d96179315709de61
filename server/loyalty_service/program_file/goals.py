"""The parts of a program file that say what members can reach: goals, and the tiers they give."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from loyalty_service.domain.expiry import PeriodEnd
from loyalty_service.domain.goals import Again, Calendar, Count, Goal, Tier
from loyalty_service.program_file.goal_records import goal_from_json, tier_from_json
from loyalty_service.program_file.rule_records import Groups
from loyalty_service.program_file.rules import (
    DEMANDS_MAX,
    Day,
    DemandEntry,
    Once,
    PaymentType,
    ProductList,
    TierName,
    WhenEntry,
    Yearly,
)
from loyalty_service.program_file.values import (
    POINTS_MAX,
    Entry,
    Name,
    Points,
    Sum,
    amount_from,
    one_of,
    refusal,
    whole_number,
)

GOALS_MAX = 100
TIERS_MAX = 20
WINDOW_DAYS_MAX = 366
WINDOW_MONTHS_MAX = 12
KEPT_DAYS_MAX = 36_500
KEPT_MONTHS_MAX = 1_200


class KeptEntry(Entry):
    """For how long a tier is kept."""

    days: Annotated[int, whole_number(1, KEPT_DAYS_MAX)] | None = None
    months: Annotated[int, whole_number(1, KEPT_MONTHS_MAX)] | None = None
    end_of: Annotated[str, one_of(*PeriodEnd)] | None = None

    @model_validator(mode="after")
    def _check_any(self) -> KeptEntry:
        if not (self.days or self.months or self.end_of):
            raise refusal("must have days, months or end_of")
        if self.days and self.months:
            raise refusal("must have either days or months")
        return self


class TierEntry(Entry):
    """A level of members."""

    id: TierName
    name: Name
    kept: KeptEntry | None = None

    def tier(self) -> Tier:
        """Make the tier."""
        return tier_from_json(self.model_dump(exclude_none=True))


class WindowEntry(Entry):
    """Days within which a goal must be reached."""

    days: Annotated[int, whole_number(1, WINDOW_DAYS_MAX)] | None = None
    months: Annotated[int, whole_number(1, WINDOW_MONTHS_MAX)] | None = None
    calendar: Annotated[str, one_of(*Calendar)] | None = None
    start: Day | None = Field(default=None, alias="from")
    until: Day | None = None

    @model_validator(mode="after")
    def _check_one(self) -> WindowEntry:
        given = sum(one is not None for one in (self.days, self.months, self.calendar))
        if given > 1:
            raise refusal("must have only one of days, months and calendar")
        if not given and not (self.start or self.until):
            raise refusal("must have one of days, months, calendar, from and until")
        if self.start and self.until and self.until < self.start:
            raise refusal("must have its until on or after its from")
        return self


class GoalRulesEntry(WhenEntry):
    """What an order must have to count."""

    minimum_spend: Sum | None = None
    payment_methods: Once[PaymentType] | None = None
    birthday: Yearly | None = None
    anniversary: Yearly | None = None
    cart_has: Annotated[list[DemandEntry], Field(min_length=1, max_length=DEMANDS_MAX)] | None = (
        None
    )
    cart_lacks: ProductList | None = None


class GivesEntry(Entry):
    """What a goal gives."""

    points: Points | None = None
    tier: TierName | None = None
    grant: TierName | None = None

    @model_validator(mode="after")
    def _check_any(self) -> GivesEntry:
        if self.points is None and self.tier is None and self.grant is None:
            raise refusal("must have points, tier or grant")
        return self


_AMOUNT: Any = amount_from(1)
_NUMBER: Any = whole_number(1, POINTS_MAX)


def _check_target(value: object, info: ValidationInfo) -> int:
    """Take an amount of money where money is counted, and a number elsewhere."""
    if info.data.get("count") == Count.SPEND:
        amount: int = _AMOUNT.func(value, info)
        return amount
    number: int = _NUMBER.func(value)
    return number


class GoalEntry(Entry):
    """A counter over a member's orders, and what it gives at a target."""

    id: TierName
    name: Name
    count: Annotated[str, one_of(*Count)]
    of: ProductList | None = None
    target: Annotated[int, BeforeValidator(_check_target)]
    window: WindowEntry | None = None
    again: Annotated[str | None, one_of(*Again)] = None
    rules: GoalRulesEntry = GoalRulesEntry()
    gives: GivesEntry

    @model_validator(mode="after")
    def _check_together(self) -> GoalEntry:
        if (self.of is None) == (self.count == Count.ITEMS):
            raise refusal("must have of with count items, and only there")
        calendar = self.window is not None and self.window.calendar is not None
        if self.again == Again.WINDOW and not calendar:
            raise refusal("must have a window of the calendar with again window")
        return self

    def goal(self, groups: Groups, tiers_that_end: Collection[str]) -> Goal:
        """Make the goal; a tier that ends can be reached again, unless the file says otherwise."""
        document: dict[str, Any] = self.model_dump(by_alias=True, exclude_none=True)
        if self.again is None and self.gives.tier in tiers_that_end:
            calendar = self.window is not None and self.window.calendar is not None
            document["again"] = Again.WINDOW if calendar else Again.ALWAYS
        return goal_from_json(document, groups)
