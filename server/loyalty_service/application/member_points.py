"""
Points on their way to a member: whatever they come from, what is owed is paid first.

So no member has points to spend and a debt at the same time, and what a member has follows from
what came and went alone, not from its order.
"""

from __future__ import annotations

from loyalty_service.application.unit import Unit
from loyalty_service.domain.ledger import POINTS_MAX, Account, Origin
from loyalty_service.domain.records import Member


def owed_points(unit: Unit, member: Member) -> int:
    """Tell how many points a member owes."""
    debt = unit.debt(member)
    return 0 if debt is None else -debt.balance


def room_for_points(member: Member) -> int:
    """Tell how many more points the ledger carries for a member; held ones may all come back."""
    return POINTS_MAX - member.available.balance - member.held.balance


def give_points(unit: Unit, member: Member, source: Account, points: int, origin: Origin) -> None:
    """
    Move points from an account to a member, to the debt first.

    This is the only way on which points become available: see decision 20.

    Args:
        unit: The unit of work that keeps the transfers.
        member: Who gets the points, locked.
        source: Account that they come from, the member's own held points included.
        points: How many; 0 moves none.
        origin: Why.

    Raises:
        LedgerBrokenError: They are more than the ledger carries; callers check first.
    """
    if not points:
        return
    debt = unit.debt(member)
    paid = min(points, owed_points(unit, member))
    if debt is not None and paid:
        unit.post(source, debt, paid, origin)
    if points > paid:
        unit.post(source, member.available, points - paid, origin)
