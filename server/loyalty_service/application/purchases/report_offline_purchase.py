"""Take a purchase that was paid while its till could not call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.orders.offline_order import (
    OfflineOrder,
    OfflineTaken,
    paid_when,
    take_offline,
)
from loyalty_service.application.orders.order_flags import (
    about_order,
    mend_flags,
    removed_flags,
)
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.purchases.finalize_purchase import FINALIZE
from loyalty_service.application.purchases.purchase import (
    CART,
    Purchase,
    Purchased,
    member_of,
    new_order,
    paid_order,
    points_of,
    store_of,
)
from loyalty_service.application.reads import Reads
from loyalty_service.application.sessions.open_session import (
    answer_of_close,
    close_session,
    closing_key,
)
from loyalty_service.application.unit import Unit
from loyalty_service.domain.contracts import ES, require_served
from loyalty_service.domain.es_errors import SessionClosedError
from loyalty_service.domain.flags import MEMBER_UNKNOWN, Flag, FlagKind
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.prompt_catalogue import Prompt
from loyalty_service.domain.prompts import session_locale
from loyalty_service.domain.records import Member, Transaction
from loyalty_service.domain.sessions import Session, SessionStatus

OFFLINE = "PurchaseService/ReportOfflinePurchase"
"""Word under which kept answers tell what they answer. It is kept for ever."""

LOYALTY = "LOYALTY"
"""Type of payment that is points."""

DEFAULT_CHANNEL = "STORE"


@dataclass(frozen=True, slots=True)
class OfflinePurchase:
    """
    A purchase, and whose it is where no session knows it.

    Attributes:
        loyalty_id: Absent for a shopper without one.
    """

    purchase: Purchase
    loyalty_id: str | None = None

    @property
    def key(self) -> Any:
        """Give the API key of the call."""
        return self.purchase.key

    @property
    def basket(self) -> Any:
        """Give what was bought, by which its meaning is read."""
        return self.purchase.basket

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        program_id = self.key.program_id
        named = () if self.loyalty_id is None else ((program_id, self.loyalty_id),)
        return self.purchase.reads()._replace(members=named)

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        return (self.loyalty_id, *self.purchase.meaning(read))


def report_offline_purchase(
    unit: Unit, command: OfflinePurchase, now_ms: int
) -> Done[Purchased] | Repeated:
    """
    Take a purchase as of the time when it was paid; the same again is answered as the first time.

    Its session need not have been started. One that was is closed, though it lay idle.

    Raises:
        ContractNotServedError: The program does not serve the contract of sessions.
        SessionClosedError: It is closed by another call.
        StoreNotAllowedError: The key is limited to other stores than the session's.
    """
    purchase = command.purchase
    program = unit.catalog.programs[purchase.key.program_id]
    require_served(program.contracts, ES)
    again = answer_of_close(unit, program, purchase.correlation_id, OFFLINE, command)
    again = again or answer_of_close(unit, program, purchase.correlation_id, FINALIZE, purchase)
    if again is not None:
        return again
    session, flagged = _session(unit, program, command, now_ms)
    store = store_of(program, session, purchase.key)
    purchase.key.require_store(store.store_id)
    member = member_of(unit, session)
    when = paid_when(purchase.told_time, store, program.es.saf_window_days, now_ms)
    order = paid_order(purchase, program, store, session, when.paid_ms, None)
    transaction = new_order(purchase, session, order, member, when.paid_ms)
    transaction.transaction_id = new_id(now_ms)
    transaction.recorded_ms = transaction.updated_ms = now_ms
    redeems = purchase.reservation_token is not None or any(
        payment.type == LOYALTY for payment in purchase.basket.payments
    )
    offline = OfflineOrder(
        purchase.key, transaction, order, member, when.odd, redeems, purchase.waits
    )
    taken = take_offline(unit, offline, now_ms)
    close_session(unit, session, transaction.transaction_id, now_ms)
    key = purchase.key
    unknown = about_order(key, transaction) if flagged else None
    return Done(
        _told(unit, purchase, session, member, taken, transaction),
        kept_as=closing_key(program, session.correlation_id, OFFLINE, command),
        flags=(
            *taken.flags,
            *((Flag(FlagKind.OFFLINE_ORDER, MEMBER_UNKNOWN, unknown),) if unknown else ()),
            *mend_flags(purchase.mends, key, transaction, store.store_id),
            *removed_flags(program, store.store_id, key, transaction),
        ),
        stores=frozenset({store.store_id}),
        events=taken.events,
    )


def _session(
    unit: Unit, program: Program, command: OfflinePurchase, now_ms: int
) -> tuple[Session, bool]:
    """Find the session of a purchase, or make one; tell whether its member is not known."""
    purchase = command.purchase
    session = unit.session(program.program_id, purchase.correlation_id)
    if session is not None and session.status is SessionStatus.CLOSED:
        raise SessionClosedError
    member: Member | None = None
    if command.loyalty_id is not None and (session is None or session.member_number is None):
        member = unit.member(program.program_id, command.loyalty_id)
    unknown = command.loyalty_id is not None and member is None
    if session is None:
        session = Session(
            program_id=program.program_id,
            correlation_id=purchase.correlation_id,
            status=SessionStatus.OPEN,
            member_number=None if member is None else member.number,
            external_identifier=None,
            channel=purchase.channel or DEFAULT_CHANNEL,
            locale=session_locale(purchase.locale, program),
            anonymous_flag=None,
            created_ms=now_ms,
            updated_ms=now_ms,
            store_id=program.es.store_of(purchase.key.stores, program.stores),
        )
        unit.add(session)
        return session, unknown
    unknown = unknown and session.member_number is None
    if member is not None:
        unit.change(session, member_number=member.number)
    return session, unknown


def _told(
    unit: Unit,
    purchase: Purchase,
    session: Session,
    member: Member | None,
    taken: OfflineTaken,
    transaction: Transaction,
) -> Purchased:
    points, available = points_of(unit, member)
    return Purchased(
        correlation_id=session.correlation_id,
        call_id=purchase.call_id or new_id(transaction.updated_ms),
        transaction_id=session.correlation_id,
        earned_points=taken.earned_points,
        redeemed_points=0,
        points=points,
        available_points=available,
        promotions=taken.promotions,
        near_misses=(),
        prompt=Prompt(),
        confirmation=None if transaction.confirmation is None else (CART, False),
        times=(transaction.created_ms, transaction.updated_ms),
    )
