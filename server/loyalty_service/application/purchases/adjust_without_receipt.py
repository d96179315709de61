"""Take back what products earn that come back without their receipt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.limits import within_an_order
from loyalty_service.application.operators.adjust_points import AdjustPoints, adjust_points
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.purchases.purchase import member_of, points_of, store_of
from loyalty_service.application.reads import Reads
from loyalty_service.application.sessions.open_session import (
    answer_of_close,
    close_place,
    close_session,
    closing_key,
    open_session,
)
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket
from loyalty_service.domain.contracts import ES, require_served
from loyalty_service.domain.earning import points_earned
from loyalty_service.domain.es_errors import AccountNotFoundError
from loyalty_service.domain.events import Event
from loyalty_service.domain.flags import Flag
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read, meaning_of

ADJUST = "PurchaseService/AdjustWithoutReceipt"
"""Word under which kept answers tell what they answer. It is kept for ever."""

NOTE = "returned without a receipt"
"""What the ledger says of it."""


@dataclass(frozen=True, slots=True)
class AdjustWithoutReceipt:
    """The products that come back, and the session of the member."""

    key: ApiKey
    correlation_id: str
    basket: Basket

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        place = self.key.program_id, self.correlation_id
        return Reads(sessions=(place,), kept_answers=(close_place(*place),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        return self.correlation_id, *meaning_of(self.basket, read, claiming=True)


@dataclass(frozen=True, slots=True)
class AdjustedWithoutReceipt:
    """What was taken back: *earned_points* is at most 0."""

    correlation_id: str
    earned_points: int
    points: int
    available_points: int


def adjust_without_receipt(
    unit: Unit, command: AdjustWithoutReceipt, now_ms: int
) -> Done[AdjustedWithoutReceipt] | Repeated:
    """
    Take from a member what products earn by the rate that all orders have, and close the session.

    Nothing is known of the order that they were bought with, so no promotion is taken back, and
    goals count it as before.

    Raises:
        ContractNotServedError: The program does not serve the contract of sessions.
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed by another call, or has expired.
        AccountNotFoundError: It is of a shopper without a loyalty ID.
        StoreNotAllowedError: The key is limited to other stores than the session's.
        PointsInsufficientError: The points are spent and the program makes no debts.
    """
    program = unit.catalog.programs[command.key.program_id]
    require_served(program.contracts, ES)
    again = answer_of_close(unit, program, command.correlation_id, ADJUST, command)
    if again is not None:
        return again
    session = open_session(unit, program, command.key, command.correlation_id, now_ms)
    store = store_of(program, session, command.key)
    member = member_of(unit, session)
    if member is None:
        raise AccountNotFoundError
    worth = points_earned(command.basket, program.earning, program.currency_digits)
    # A mistyped price must not leave a member with a debt that no order could have earned.
    points = within_an_order(program, worth)
    flags: tuple[Flag, ...] = ()
    events: tuple[Event, ...] = ()
    if points:
        taken = AdjustPoints(
            program.program_id,
            member.loyalty_id,
            -points,
            NOTE,
            allow_debt=program.void_spent == "debt",
            beyond_limits=True,
        )
        done = adjust_points(unit, taken, now_ms)
        flags, events = done.flags, done.events
    close_session(unit, session, None, now_ms)
    told = AdjustedWithoutReceipt(command.correlation_id, -points, *points_of(unit, member))
    return Done(
        told,
        closing_key(program, command.correlation_id, ADJUST, command),
        flags=flags,
        stores=frozenset({store.store_id}),
        events=events,
    )
