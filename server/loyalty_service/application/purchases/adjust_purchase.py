"""Take back lines of an earlier purchase, with the points that they earned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.orders.return_lines import (
    LinesReturned,
    ReturnLines,
    return_lines,
)
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.purchases.originals import order_of
from loyalty_service.application.purchases.purchase import points_of
from loyalty_service.application.reads import Reads
from loyalty_service.application.sessions.open_session import (
    answer_of_close,
    close_place,
    close_session,
    closing_key,
    open_session,
)
from loyalty_service.application.unit import Unit
from loyalty_service.domain.contracts import ES, require_served
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.returns import ReturnedLine

ADJUST = "PurchaseService/AdjustPurchase"
"""Word under which kept answers tell what they answer. It is kept for ever."""


@dataclass(frozen=True, slots=True)
class AdjustPurchase:
    """What came back of a purchase, and the session in which it did."""

    key: ApiKey
    original_id: str
    current_id: str
    lines: tuple[ReturnedLine, ...]

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        current = self.key.program_id, self.current_id
        original = self.key.program_id, self.original_id
        return Reads(sessions=(current, original), kept_answers=(close_place(*current),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        lines = [[one.reference_id, one.quantity] for one in self.lines]
        return self.original_id, self.current_id, lines


@dataclass(frozen=True, slots=True)
class Adjusted:
    """
    What an adjustment did to the shopper's points.

    Attributes:
        earned_points: At most 0: those that were taken back.
        points, available_points: Of the member; 0 without one.
    """

    current_id: str
    original_id: str
    earned_points: int
    points: int
    available_points: int


def adjust_purchase(unit: Unit, command: AdjustPurchase, now_ms: int) -> Done[Adjusted] | Repeated:
    """
    Take back lines of a purchase, as `return_lines` does, and close the session.

    Raises:
        ContractNotServedError: The program does not serve the contract of sessions.
        SessionNotFoundError: There is no such session.
        StoreNotAllowedError: It or the order is in a store that the key is not for.
        SessionClosedError: It is closed by another call, or has expired.
        LoyaltyError: What `order_of` and `return_lines` raise.
    """
    program = unit.catalog.programs[command.key.program_id]
    require_served(program.contracts, ES)
    again = answer_of_close(unit, program, command.current_id, ADJUST, command)
    if again is not None:
        return again
    session = open_session(unit, program, command.key, command.current_id, now_ms)
    transaction, member = order_of(unit, command.key, session, command.original_id)
    returned = ReturnLines(
        command.key, transaction.transaction_id, command.lines, command.current_id, keyed=True
    )
    done = return_lines(unit, returned, now_ms)
    if isinstance(done, Repeated):
        raise TypeError("a return with a key is never a repeated one")
    told: LinesReturned = done.result
    close_session(unit, session, transaction.transaction_id, now_ms)
    points, available = points_of(unit, member)
    adjusted = Adjusted(
        command.current_id, command.original_id, -told.returned_points, points, available
    )
    kept_as = closing_key(program, command.current_id, ADJUST, command)
    return Done(adjusted, kept_as, flags=done.flags, stores=done.stores, events=done.events)
