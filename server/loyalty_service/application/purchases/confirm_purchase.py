"""Let a member spend the points of a purchase that waited to be confirmed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.perform import Done
from loyalty_service.application.points import confirm
from loyalty_service.application.purchases.originals import order_of
from loyalty_service.application.purchases.purchase import CART
from loyalty_service.application.reads import Reads
from loyalty_service.application.sessions.open_session import open_session
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import basket_from_json
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.contracts import ES, require_served
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.purchase_errors import (
    ConfirmationDoneError,
    ConfirmationImpossibleError,
    ConfirmationMismatchError,
    ConfirmationNotNeededError,
    ConfirmationTooLateError,
)
from loyalty_service.domain.purchases import CONFIRMED, LAPSED


@dataclass(frozen=True, slots=True)
class ConfirmPurchase:
    """The purchase, a session of its member, and the way in which it is confirmed."""

    key: ApiKey
    correlation_id: str
    original_id: str
    mode: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        program_id = self.key.program_id
        return Reads(sessions=((program_id, self.correlation_id), (program_id, self.original_id)))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.original_id, self.mode


@dataclass(frozen=True, slots=True)
class Confirmed:
    """How many points can be spent now that waited before."""

    points: int


def confirm_purchase(unit: Unit, command: ConfirmPurchase, now_ms: int) -> Done[Confirmed]:
    """
    Confirm a purchase, once.

    Raises:
        ContractNotServedError: The program does not serve the contract of sessions.
        SessionNotFoundError: There is no such session.
        StoreNotAllowedError: It or the order is in a store that the key is not for.
        SessionClosedError: It is closed or has expired.
        PurchaseNotFoundError: There is no such purchase, or all of it came back.
        OriginalOfAnotherMemberError: It is another member's.
        ConfirmationNotNeededError: Its points never waited.
        ConfirmationMismatchError: It is confirmed in another way.
        ConfirmationImpossibleError: It has no lines.
        ConfirmationDoneError: It was confirmed before.
        ConfirmationTooLateError: It is older than the program lets purchases be confirmed.
    """
    program = unit.catalog.programs[command.key.program_id]
    require_served(program.contracts, ES)
    session = open_session(unit, program, command.key, command.correlation_id, now_ms)
    transaction, member = order_of(unit, command.key, session, command.original_id)
    if transaction.confirmation is None or member is None:
        raise ConfirmationNotNeededError
    if command.mode != CART:
        raise ConfirmationMismatchError
    if not basket_from_json(transaction.basket or "{}").lines:
        raise ConfirmationImpossibleError
    if transaction.confirmation == CONFIRMED:
        raise ConfirmationDoneError
    days = program.es.confirmation_window_days
    late = now_ms - transaction.ordered_ms > days * DAY_MS
    if late or transaction.confirmation == LAPSED:
        raise ConfirmationTooLateError(days)
    points = transaction.points_waiting
    if points:
        confirm(unit, member, transaction.owner, points, now_ms)
    unit.change(transaction, confirmation=CONFIRMED, points_unconfirmed=None, updated_ms=now_ms)
    told = Event(
        EventKind.ORDER_CONFIRMED,
        transaction.program_id,
        member,
        subject=transaction.transaction_id,
        before=transaction.status,
        after=transaction.status,
    )
    return Done(Confirmed(points), stores=transaction.stores, events=(told,))
