"""The part of a program file that says which incentives members are given."""

from __future__ import annotations

from typing import Annotated

from pydantic import model_validator

from loyalty_service.domain.expiry import PeriodEnd
from loyalty_service.domain.grants import GivenOn, GrantTerms
from loyalty_service.program_file.earning import GroupName
from loyalty_service.program_file.grant_records import grant_from_json
from loyalty_service.program_file.values import (
    Entry,
    Points,
    Switch,
    one_of,
    refusal,
    text_of,
    whole_number,
)

GRANTS_MAX = 1_000
USES_MAX = 1_000
DAYS_MAX = 36_500
MONTHS_MAX = 1_200


class GrantEntry(Entry):
    """An incentive that members are given for something."""

    id: GroupName
    incentive: Annotated[str, text_of(1, 128)]
    given_on: Annotated[str | None, one_of(*GivenOn)] = None
    points: Points | None = None
    by_itself: Switch = False
    days: Annotated[int | None, whole_number(1, DAYS_MAX)] = None
    months: Annotated[int | None, whole_number(1, MONTHS_MAX)] = None
    end_of: Annotated[str | None, one_of(*PeriodEnd)] = None
    uses: Annotated[int, whole_number(1, USES_MAX)] = 1
    activate: Switch = False

    @model_validator(mode="after")
    def _check_together(self) -> GrantEntry:
        lasts = (self.days, self.months, self.end_of)
        if (self.given_on is None) == (self.points is None):
            raise refusal("must have either given_on or points")
        if self.by_itself and self.points is None:
            raise refusal("must have by_itself beside points only")
        if self.days is not None and self.months is not None:
            raise refusal("must have days or months, not both")
        if self.given_on in ("week", "month", "year") and any(lasts):
            raise refusal(f"must not say how long: what is given on a {self.given_on} is for it")
        return self

    def terms(self) -> GrantTerms:
        """Make the terms."""
        return grant_from_json(self.model_dump(exclude_none=True))
