"""The part of a program file that says when points go."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from loyalty_service.domain.expiry import Activity, Expiry, ExpiryPolicy, NamedDay, PeriodEnd
from loyalty_service.program_file.records import expiry_from_json
from loyalty_service.program_file.rules import Day, TierName
from loyalty_service.program_file.values import Entry, one_of, refusal, whole_number

DAYS_MAX = 36_500
MONTHS_MAX = 1_200
_LEAP_YEAR = 2024
TERMS = Expiry()


def _check_day_of_year(value: object) -> str:
    try:
        if isinstance(value, str):
            return date.fromisoformat(f"{_LEAP_YEAR}-{value}").strftime("%m-%d")
    except ValueError:
        pass
    raise refusal('must be a day of the year in quotes, such as "09-30"')


def _check_once(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise refusal("must not name anything twice")
    return sorted(values)


class CarriedOverEntry(Entry):
    """What becomes of the points that members had when these terms began."""

    until: Day


class LifetimeEntry(Entry):
    """For how long points are good."""

    days: Annotated[int | None, whole_number(1, DAYS_MAX)] = None
    months: Annotated[int | None, whole_number(1, MONTHS_MAX)] = None
    end_of: Annotated[str | None, one_of(*PeriodEnd)] = None
    until: Annotated[str | None, BeforeValidator(_check_day_of_year)] = None

    def check_lifetime(self) -> None:
        """Refuse what does not say for how long."""
        if (self.days, self.months).count(None) != 1:
            raise refusal("must have either days or months")
        if self.end_of and self.until:
            raise refusal("must have either end_of or until, not both")


class TierLifetimeEntry(LifetimeEntry):
    """For how long points of members of a tier are good."""

    policy: Annotated[str | None, one_of(ExpiryPolicy.NONE)] = None

    @model_validator(mode="after")
    def _check_together(self) -> TierLifetimeEntry:
        if self.policy is None:
            self.check_lifetime()
        elif any(one is not None for one in (self.days, self.months, self.end_of, self.until)):
            raise refusal("must have nothing more with policy none")
        return self


class ExpiryEntry(LifetimeEntry):
    """When points go."""

    policy: Annotated[str, one_of(*ExpiryPolicy)] = TERMS.policy
    activities: (
        Annotated[
            list[Annotated[str, one_of(*Activity)]],
            Field(min_length=1),
            AfterValidator(_check_once),
        ]
        | None
    ) = None
    expiration_date: Annotated[str, one_of(*NamedDay)] = TERMS.expiration_date
    carried_over: CarriedOverEntry | None = None
    by_tier: dict[TierName, TierLifetimeEntry] | None = None

    @model_validator(mode="after")
    def _check_together(self) -> ExpiryEntry:
        if self.policy == ExpiryPolicy.NONE:
            more = (
                *(self.days, self.months, self.end_of, self.until),
                *(self.activities, self.carried_over, self.by_tier),
            )
            if any(one is not None for one in more):
                raise refusal("must have nothing more with policy none")
            return self
        self.check_lifetime()
        if self.activities and self.policy != ExpiryPolicy.INACTIVITY:
            raise refusal("must have activities with policy inactivity only")
        return self

    def expiry(self) -> Expiry:
        """Make the terms."""
        values: dict[str, Any] = self.model_dump(exclude={"carried_over", "activities", "by_tier"})
        if self.activities is not None:
            values["activities"] = self.activities
        if self.carried_over is not None:
            values["carried_over"] = self.carried_over.until
        if self.by_tier is not None:
            values["by_tier"] = {name: life.model_dump() for name, life in self.by_tier.items()}
        return expiry_from_json(values)
