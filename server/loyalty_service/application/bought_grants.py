"""
What an order buys by itself with a member's points, and how that goes with the order.

What it bought is found by the grants themselves: the program may sell it no more, or for another
price.
"""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.application.aging import still_good
from loyalty_service.application.grants import buy, withdraw
from loyalty_service.application.points import owed_points, reverse
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import Event
from loyalty_service.domain.grants import Grant
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member

BOUGHT_AT_ONCE_MAX = 100
"""Grants of one kind that an order buys by itself at most; the next order buys more."""


def buy_by_itself(
    unit: Unit, program: Program, member: Member, transaction_id: str, now_ms: int
) -> tuple[Event, ...]:
    """Sell a member, after an order, what is bought by itself, as often as the points suffice."""
    events: tuple[Event, ...] = ()
    for terms in program.grants.values():
        points = terms.points or 0
        if not terms.by_itself or not points:
            continue
        for number in range(min(member.spendable // points, BOUGHT_AT_ONCE_MAX)):
            origin = terms.origin(f"{transaction_id}/{number}")
            events += buy(unit, program, member, terms, origin, now_ms)[1]
    return events


@dataclass(frozen=True, slots=True)
class Bought:
    """
    What an order bought by itself and is to be taken back, before anything is written.

    Attributes:
        grants: The grants, each with the points that it cost.
        points_back: How many of these points the member can spend then: not those that pay a debt,
            and not those whose day is over.
    """

    grants: tuple[tuple[Grant, int], ...] = ()
    points_back: int = 0


def bought_unused(
    unit: Unit, member: Member, transaction_id: str, due: int | None = None
) -> Bought:
    """
    Find what goes of that which an order bought by itself and is not used.

    It is all of it or, where so many points are *due*, what they lack without it, the last first.
    """
    if due is not None and member.spendable >= due:
        return Bought()
    grants = unit.grants_bought(member, transaction_id)
    owed = owed_points(unit.accounts(member)) if grants else 0
    found: list[tuple[Grant, int]] = []
    points_back = 0
    for grant in sorted(grants, key=_number, reverse=True):
        if due is not None and member.spendable + points_back >= due:
            break
        # The price of then: the program may have another one by now.
        burned = unit.points_captured(grant.owner)
        points_back += min(still_good(unit, member, grant.owner, burned), max(0, burned - owed))
        owed = max(0, owed - burned)
        found.append((grant, burned))
    return Bought(tuple(found), points_back)


def take_back_bought(unit: Unit, member: Member, bought: Bought, now_ms: int) -> tuple[Event, ...]:
    """Take back what an order bought by itself, and give back the points that it cost."""
    events: tuple[Event, ...] = ()
    for grant, burned in bought.grants:
        events += withdraw(unit, member, grant, now_ms)
        reverse(unit, member, grant.owner, now_ms, earned=0, burned=burned, may_owe=True)
    return events


def _number(grant: Grant) -> tuple[int, str]:
    """Give the place of a grant among those of its kind that its order bought."""
    return int(grant.origin.rpartition("/")[2]), grant.grant_id
