"""
What RBI's `loyaltyEngineId` names: of what a member was given it is the grant.

Personalised offers may be named by it alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from functools import cache

from loyalty_service.application.grants import due_grants, known_grants
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import AppliedDiscount, Basket, BasketLine
from loyalty_service.domain.expiry import day_of
from loyalty_service.domain.grants import in_order_of_use
from loyalty_service.domain.identifiers import is_uuid
from loyalty_service.domain.program import Incentive, Program
from loyalty_service.domain.records import Member

Moment = tuple[datetime | None, int, str]
"""When an order was: by its till, where that is believed; by the server; and its store's zone."""


def named_by_grants(
    unit: Unit, program: Program, basket: Basket, member: Member | None, at: Moment | None
) -> Basket:
    """
    Say of what an order names by a grant which incentive it is.

    What the *member* has by the calendar is found only where the order's moment is known, too.
    """
    if not program.granted:
        return basket
    day = None
    if at is not None:
        local_time, now_ms, time_zone = at
        day = day_of(now_ms, time_zone) if local_time is None else local_time.date()

    @cache
    def granted(incentive_id: str | None, engine_id: str | None) -> str | None:
        if program.find_incentive(incentive_id, engine_id) is not None:
            return None
        found = granted_by(unit, program, engine_id, member, day)
        return None if found is None else found.incentive_id

    lines = tuple(
        line
        if (found := granted(line.incentive_id, line.loyalty_engine_id)) is None
        else replace(line, incentive_id=found)
        for line in basket.lines
    )
    discounts = tuple(
        one
        if (found := granted(one.incentive_id, one.engine_id)) is None
        else replace(one, incentive_id=found)
        for one in basket.applied_discounts
    )
    return replace(basket, lines=lines, applied_discounts=discounts)


def granted_by(
    unit: Unit, program: Program, engine_id: str | None, member: Member | None, day: date | None
) -> Incentive | None:
    """Find the incentive of a grant; none where nobody was given anything by that name."""
    named = (engine_id or "").strip().lower()
    if not program.granted or not is_uuid(named):
        return None
    incentive_id = unit.granted_incentive(program.program_id, named)
    if incentive_id is None and member is not None and day is not None:
        due = due_grants(program, member, program.granted, day, unit.as_of_ms)
        incentive_id = next((one.incentive_id for one in due if one.grant_id == named), None)
    return None if incentive_id is None else program.incentives.get(incentive_id)


def named_as_given(
    unit: Unit, program: Program, member: Member, incentive: Incentive, day: date
) -> Incentive:
    """Name what a member was given by the grant that an order of a day uses first."""
    if incentive.incentive_id not in program.granted:
        return incentive
    grants = known_grants(unit, member, (incentive.incentive_id,), day)
    first = next((one for one in in_order_of_use(grants) if one.covers(day)), None)
    return incentive if first is None else replace(incentive, engine_id=first.grant_id)


def engine_ids(basket: Basket) -> frozenset[str]:
    """Give the engine IDs that an order names, in lower case; some may be those of grants."""
    told: Iterable[BasketLine | AppliedDiscount] = (*basket.lines, *basket.applied_discounts)
    names = (
        one.loyalty_engine_id if isinstance(one, BasketLine) else one.engine_id for one in told
    )
    return frozenset(name.strip().lower() for name in names if name)
