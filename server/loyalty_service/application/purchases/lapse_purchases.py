"""Take back points that waited for a confirmation which can not come any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loyalty_service.application.perform import Done
from loyalty_service.application.points import reverse
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.ledger import Cause
from loyalty_service.domain.purchases import LAPSED


@dataclass(frozen=True, slots=True)
class OverduePurchase:
    """A purchase that nobody had confirmed in time when it was looked for."""

    program_id: str
    claimed_ms: int
    transaction_id: str

    def reads(self) -> Reads:
        """Tell what ending it starts from."""
        return Reads(transactions=(self.transaction_id,))


def find_overdue_purchases(
    unit: Unit, after: OverduePurchase | None, limit: int, now_ms: int
) -> Sequence[OverduePurchase]:
    """Find at most *limit* unconfirmed purchases *after* another, program by program."""
    found: list[OverduePurchase] = []
    for program_id, program in sorted(unit.catalog.programs.items()):
        if after is not None and program_id < after.program_id:
            continue
        last = (0, "")
        if after is not None and program_id == after.program_id:
            last = (after.claimed_ms, after.transaction_id)
        before_ms = now_ms - program.es.confirmation_window_days * DAY_MS
        rows = unit.waiting_orders(program_id, before_ms, last, limit - len(found))
        found += [OverduePurchase(program_id, *row) for row in rows]
        if len(found) >= limit:
            break
    return found


def lapse_purchase(unit: Unit, overdue: OverduePurchase, now_ms: int) -> Done[bool]:
    """
    Take back what waits, unless it was confirmed meanwhile; tells whether it did.

    The purchase stays paid: it goes on counting for goals and limits, and what was spent for it
    stays spent.
    """
    program = unit.catalog.programs[overdue.program_id]
    transaction = unit.transaction(overdue.transaction_id)
    if transaction is None or transaction.member_number is None or not transaction.points_waiting:
        return Done(False)  # noqa: FBT003 - the result is one word.
    if now_ms - transaction.ordered_ms <= program.es.confirmation_window_days * DAY_MS:
        return Done(False)  # noqa: FBT003
    member = unit.member_by_number(transaction.member_number)
    points = transaction.points_waiting
    reverse(
        unit,
        member,
        transaction.owner,
        now_ms,
        earned=0,
        burned=0,
        may_owe=False,
        unconfirmed=points,
        cause=Cause.RETURN,
    )
    unit.change(
        transaction,
        confirmation=LAPSED,
        points_returned=transaction.points_returned + points,
        points_unconfirmed=None,
        updated_ms=now_ms,
    )
    told = Event(
        EventKind.ORDER_UNCONFIRMED,
        transaction.program_id,
        member,
        subject=transaction.transaction_id,
        before=transaction.status,
        after=transaction.status,
    )
    return Done(True, events=(told,))  # noqa: FBT003
