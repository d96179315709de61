"""A purchase as a till of a session tells it, and the order that it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from loyalty_service.application.orders.earnings import PaidOrder
from loyalty_service.application.reads import Reads
from loyalty_service.application.sessions.open_session import close_place
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket, basket_to_json
from loyalty_service.domain.earning import PromotionPoints
from loyalty_service.domain.flags import Mend
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.ledger import AccountKind
from loyalty_service.domain.meaning import Read, meaning_of
from loyalty_service.domain.program import LOCALES, Program, Store
from loyalty_service.domain.prompt_catalogue import Prompt
from loyalty_service.domain.purchases import NearMiss
from loyalty_service.domain.records import Member, Transaction, TransactionStatus
from loyalty_service.domain.sessions import Session
from loyalty_service.domain.till_time import BELIEVED_MS, BELIEVED_PAID_MS, HOUR_MS, till_time

POS_TYPE = "ES"
"""What the till of a session is called, where rules and receipts ask for the kind of till."""

CART = "CART"
"""How a purchase is confirmed whose points wait until then."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """
    A purchase.

    Attributes:
        call_id: Absent where the till names none.
        channel, locale: Those of the session where absent.
        told_time: The till's date and time; absent where it tells none.
        reservation_token: Names the points that are spent; absent where none are.
        mends: What was put right in it, because it is paid.
        confirmation_mode: How its points are confirmed; absent where at once.
    """

    key: ApiKey
    correlation_id: str
    basket: Basket
    call_id: str | None = None
    channel: str | None = None
    locale: str | None = None
    told_time: datetime | None = None
    reservation_token: str | None = None
    mends: tuple[Mend, ...] = ()
    confirmation_mode: str | None = None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        place = self.key.program_id, self.correlation_id
        return Reads(sessions=(place,), kept_answers=(close_place(*place),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        basket = meaning_of(self.basket, read, claiming=True)
        return self.correlation_id, self.reservation_token, self.confirmation_mode, *basket

    @property
    def waits(self) -> bool:
        """Whether its points wait until it is confirmed."""
        return self.confirmation_mode == CART

    def locale_in(self, session: Session) -> str:
        """Tell in which language its till speaks."""
        return self.locale if self.locale in LOCALES else session.locale


@dataclass(frozen=True, slots=True)
class Purchased:
    """
    What a purchase earns, or has earned.

    Attributes:
        transaction_id: Absent where it was only tried.
        points: All points of its member; 0 without one.
        available_points: Those that can be spent.
        prompt: What its till says.
        receipt_code: Of one that nobody has claimed.
        times: When it was paid, and when the server was told, where it was told late.
        confirmation: How its points are confirmed, and whether they are; absent for at once.
    """

    correlation_id: str
    call_id: str
    transaction_id: str | None
    earned_points: int
    redeemed_points: int
    points: int
    available_points: int
    promotions: tuple[PromotionPoints, ...]
    near_misses: tuple[NearMiss, ...]
    prompt: Prompt
    receipt_code: str | None = None
    confirmation: tuple[str, bool] | None = None
    times: tuple[int, int] | None = None


class Paid(NamedTuple):
    """
    When a purchase was paid.

    Attributes:
        local_time: The till's date and time in the store's place; absent where none is believed.
        late_hours: How far it is from the server's clock, where that is to be flagged.
    """

    local_time: datetime | None
    late_hours: int | None = None


def paid_at(purchase: Purchase, store: Store, now_ms: int) -> Paid:
    """Take the till's time, unless it is too far from the server's clock to be believed."""
    if purchase.told_time is None:
        return Paid(None)
    found = till_time(purchase.told_time, ZoneInfo(store.time_zone), now_ms)
    if found is None or abs(found.off_ms) > BELIEVED_PAID_MS:
        return Paid(None)
    late = -found.off_ms // HOUR_MS if abs(found.off_ms) > BELIEVED_MS else None
    return Paid(found.wall, late)


def store_of(program: Program, session: Session, key: ApiKey) -> Store:
    """Find the store of a session, also of an old one; a store that nobody knows takes part."""
    store_id = session.store_id or program.es.store_of(key.stores, program.stores)
    return program.past_store(store_id) or Store(
        store_id, "", program.time_zone, loyalty_enabled=True
    )


def member_of(unit: Unit, session: Session) -> Member | None:
    """Find whose visit a session is; None for a shopper without a loyalty ID."""
    number = session.member_number
    return None if number is None else unit.member_by_number(number)


def points_of(unit: Unit, member: Member | None) -> tuple[int, int]:
    """Tell all points that a member has, and those that can be spent."""
    if member is None:
        return 0, 0
    waiting = unit.accounts(member).get(AccountKind.UNCONFIRMED)
    held = member.held.balance + (0 if waiting is None else waiting.balance)
    return member.spendable + held, member.spendable


def paid_order(
    purchase: Purchase,
    program: Program,
    store: Store,
    session: Session,
    now_ms: int,
    local_time: datetime | None,
) -> PaidOrder:
    """Give what a purchase earns by."""
    return PaidOrder(
        program=program,
        store=store,
        basket=purchase.basket,
        not_held=frozenset(),
        service_mode=None,
        channels=(purchase.channel or session.channel, POS_TYPE),
        local_time=local_time,
        now_ms=now_ms,
    )


def new_order(
    purchase: Purchase, session: Session, order: PaidOrder, member: Member | None, now_ms: int
) -> Transaction:
    """Make the order of a purchase; that of a member is open until it is claimed."""
    return Transaction(
        transaction_id=new_id(now_ms),
        program_id=session.program_id,
        member_number=None if member is None else member.number,
        status=TransactionStatus.UNCLAIMED if member is None else TransactionStatus.PENDING,
        store_id=order.store.store_id,
        pos_transaction_id=session.correlation_id,
        pos_type=POS_TYPE,
        supporting_pos=None,
        terminal=None,
        operator=None,
        partner=purchase.key.partner,
        created_ms=now_ms,
        updated_ms=now_ms,
        expires_ms=now_ms,
        channel=purchase.channel or session.channel,
        basket=basket_to_json(purchase.basket),
        business_day=order.paid_at.date().isoformat(),
    )
