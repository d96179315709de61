"""Turn the receipt of an order without a guest into points for a member."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from loyalty_service.application.blocks import require_may
from loyalty_service.application.bought_grants import buy_by_itself
from loyalty_service.application.find_member import find_member
from loyalty_service.application.grant_names import named_by_grants
from loyalty_service.application.grants import give_for_first_order
from loyalty_service.application.limits import count_points, flag_uses, require_points
from loyalty_service.application.orders.claim_order import count_uses
from loyalty_service.application.orders.earnings import (
    PaidOrder,
    claimed_fields,
    count_earned,
    granted_of,
    promotions_to_json,
    receipt_points,
)
from loyalty_service.application.orders.goals import NOTHING_REACHED, Reached, count_order
from loyalty_service.application.orders.order_flags import offer_flags, points_cut
from loyalty_service.application.orders.repeated_orders import judge_repeated
from loyalty_service.application.orders.unclaimed_offers import (
    JudgedOffers,
    judge_claimed,
    store_of,
)
from loyalty_service.application.perform import Done
from loyalty_service.application.points import earn, keep_alive
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket, basket_from_json
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.codes import digested_receipt, plain_receipt_code
from loyalty_service.domain.earning import Earned, PromotionPoints, points_earned
from loyalty_service.domain.errors import (
    ReceiptAlreadyClaimedError,
    ReceiptExpiredError,
    ReceiptLimitReachedError,
    ReceiptNotFoundError,
)
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.expiry import Activity
from loyalty_service.domain.flags import CUT_FULL
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.incentive_uses import IncentiveUse, as_catalogued, lines_sold_as
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.periods import limited_spans, span_ms
from loyalty_service.domain.program import Program
from loyalty_service.domain.promotions import RECEIPTS
from loyalty_service.domain.records import (
    Member,
    Redemption,
    Transaction,
    TransactionStatus,
)
from loyalty_service.domain.restrictions import NO_RECEIPT_LIMITS
from loyalty_service.domain.returns import Kept, returned_from_json


@dataclass(frozen=True, slots=True)
class ClaimReceipt:
    """The member, and the code as they typed it."""

    key: ApiKey
    loyalty_id: str
    receipt_code: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        program_id = self.key.program_id
        return Reads(
            members=((program_id, self.loyalty_id.lower()),),
            receipts=((program_id, digested_receipt(plain_receipt_code(self.receipt_code))),),
        )

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.loyalty_id.lower(), plain_receipt_code(self.receipt_code)


@dataclass(frozen=True, slots=True)
class ClaimedReceipt:
    """What the receipt brought."""

    loyalty_id: str
    transaction_id: str
    available_points: int
    earned_points: int
    promotions: tuple[PromotionPoints, ...] = ()
    reached: Reached = NOTHING_REACHED


def claim_receipt(unit: Unit, command: ClaimReceipt, now_ms: int) -> Done[ClaimedReceipt]:
    """
    Give a member the points of an order, once, and count the offers that it used.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        ReceiptNotFoundError: The code was never given out, or its order was cancelled.
        ReceiptAlreadyClaimedError: The receipt was turned into points before.
        ReceiptLimitReachedError: The member has claimed as many as one may in a period.
        ReceiptExpiredError: The order is older than the program lets receipts be claimed.
        StoreNotAllowedError: The key is limited to other stores than the order's.
        AmountBeyondLimitError: The order earns more points than one may.
        OrderAlreadyClaimedError: The order looks like one that is claimed, and the program refuses
            that.
        LimitExceededError: The member or the key was given a day's worth of points.
    """
    program = unit.catalog.programs[command.key.program_id]
    loyalty_id = command.loyalty_id.lower()
    member = find_member(unit, program.program_id, loyalty_id)
    require_may(member, Blocked.EARN)
    transaction, digest = _unclaimed(unit, program, command, now_ms)
    require_receipts_left(unit, program, transaction, member, now_ms)
    return claim_recorded(unit, command.key, transaction, member, now_ms, digest)


def claim_recorded(
    unit: Unit,
    key: ApiKey,
    transaction: Transaction,
    member: Member,
    now_ms: int,
    digest: bytes | None,
) -> Done[ClaimedReceipt]:
    """
    Give a member the points of an order that nobody has claimed, and which may be.

    *digest* is that of its receipt's code under the current pepper.

    Raises:
        AmountBeyondLimitError: The order earns more points than one may.
        OrderAlreadyClaimedError: The order looks like one that is claimed, and the program refuses
            that.
        LimitExceededError: The member or the key was given a day's worth of points.
    """
    program = unit.catalog.programs[transaction.program_id]
    known_by, day = transaction.order_digest, transaction.business_day
    repeated = judge_repeated(unit, program, key, transaction, known_by, day, now_ms, claiming=True)
    ordered = basket_from_json(transaction.basket or "{}")
    kept = Kept.of(ordered, returned_from_json(transaction.returned))
    at = None, transaction.created_ms, store_of(program, transaction).time_zone
    told = named_by_grants(unit, program, kept.lines_left(), member, at)
    basket = as_catalogued(told, program)
    promised, offers = _judged(unit, program, transaction, member, basket)
    order = _paid_order(program, transaction, basket, offers)
    worth = receipt_points(unit, order, member, transaction, promised)
    points = worth.points
    require_points(unit, program, key, member, points, now_ms)
    given = give_for_first_order(unit, program, member, now_ms)
    keep_alive(unit, member, Activity.ORDER, now_ms)
    earned = earn(unit, member, transaction.owner, points, now_ms)
    worth = worth.within(earned)
    reached = _count(unit, order, transaction, member, offers.uses, worth, now_ms)
    count_points(unit, key, member, earned + reached.points, now_ms)
    unit.change(
        transaction,
        status=TransactionStatus.CLAIMED,
        member_number=member.number,
        points_earned=earned,
        promotions=promotions_to_json(worth.promotions),
        **claimed_fields(unit, order, transaction, worth),
        receipt_digest=digest,
        claimed_ms=now_ms,
        updated_ms=now_ms,
    )
    given += reached.events
    given += buy_by_itself(unit, program, member, transaction.transaction_id, now_ms)
    cut = points_cut(key, transaction, member, CUT_FULL, points, earned)
    claimed = ClaimedReceipt(
        member.loyalty_id,
        transaction.transaction_id,
        member.spendable,
        earned,
        worth.promotions,
        reached,
    )
    return Done(
        claimed,
        flags=(
            *offer_flags(program, offers.refused, transaction),
            *repeated,
            *flag_uses(program, key, offers.uses, transaction, member),
            *cut[0],
        ),
        stores=frozenset({transaction.store_id}),
        events=(_told(transaction, member), *cut[1], *given),
    )


def _count(
    unit: Unit,
    order: PaidOrder,
    transaction: Transaction,
    member: Member,
    uses: tuple[IncentiveUse, ...],
    worth: Earned,
    now_ms: int,
) -> Reached:
    """Keep what the order used, earned and counts for goals, and that its receipt was claimed."""
    count_uses(unit, transaction, member, uses, order)
    count_earned(unit, order, transaction, member, worth)
    _count_receipt(unit, order.program, transaction, member, now_ms)
    return count_order(unit, order, transaction, member, worth.points, now_ms)


def _unclaimed(
    unit: Unit, program: Program, command: ClaimReceipt, now_ms: int
) -> tuple[Transaction, bytes]:
    """Find the order that a receipt is for, which nobody has claimed; see `claim_receipt`."""
    plain = plain_receipt_code(command.receipt_code)
    digest = unit.code_digest(program.program_id, digested_receipt(plain))
    transaction = unit.transaction_by_receipt(program.program_id, digest)
    if transaction is None or transaction.status is TransactionStatus.VOID:
        raise ReceiptNotFoundError
    command.key.require_stores(transaction.stores)
    if transaction.status is not TransactionStatus.UNCLAIMED:
        raise ReceiptAlreadyClaimedError
    # What it bought may be gone, though the program has been given more days since.
    gone = transaction.basket is None
    if gone or now_ms - transaction.created_ms > program.receipt_days * DAY_MS:
        raise ReceiptExpiredError(program.receipt_days)
    return transaction, digest


def require_receipts_left(
    unit: Unit, program: Program, transaction: Transaction, member: Member, now_ms: int
) -> None:
    """Keep a member from more receipts in a period than one may claim; see `claim_receipt`."""
    time_zone = store_of(program, transaction).time_zone
    today = datetime.fromtimestamp(now_ms / 1000, ZoneInfo(time_zone)).date()
    for name, most, start, end in limited_spans(program.receipt_limits, today):
        span = span_ms(time_zone, start, end)
        if unit.redeemed_between(member, RECEIPTS, *span) >= most:
            raise ReceiptLimitReachedError(name, most)


def _count_receipt(
    unit: Unit, program: Program, transaction: Transaction, member: Member, now_ms: int
) -> None:
    """Count a receipt for the limits of its member, until its order is void."""
    if program.receipt_limits == NO_RECEIPT_LIMITS:
        return
    unit.add(
        Redemption(
            redemption_id=new_id(now_ms),
            program_id=member.program_id,
            incentive_id=RECEIPTS,
            member_number=member.number,
            transaction_id=transaction.transaction_id,
            quantity=1,
            redeemed_ms=now_ms,
        )
    )
    unit.count_redemption(member, RECEIPTS, 1)


def _told(transaction: Transaction, member: Member) -> Event:
    return Event(
        EventKind.RECEIPT_CLAIMED,
        member.program_id,
        member,
        subject=transaction.transaction_id,
        before=TransactionStatus.UNCLAIMED,
        after=TransactionStatus.CLAIMED,
    )


def _judged(
    unit: Unit, program: Program, transaction: Transaction, member: Member, basket: Basket
) -> tuple[int, JudgedOffers]:
    """Judge the offers of the order; return what it is worth without those that do not hold."""
    told = transaction.refused_offers
    before = None if told is None else frozenset(json.loads(told))
    offers = judge_claimed(unit, program, transaction, member, basket, before)
    points = transaction.points_earned
    if offers.refused:
        # The receipt told what the order is worth by the program of then: only the part of it
        # that these offers make is taken off.
        not_held = lines_sold_as(basket, program, before or ())
        digits = program.currency_digits
        if all_points := points_earned(basket, program.earning, digits, not_held):
            kept = points_earned(basket, program.earning, digits, offers.not_held)
            points = points * min(kept, all_points) // all_points
    return points, offers


def _paid_order(
    program: Program, transaction: Transaction, basket: Basket, offers: JudgedOffers
) -> PaidOrder:
    """Give what the order earns by, as of the moment when it was recorded."""
    return PaidOrder(
        program=program,
        store=store_of(program, transaction),
        basket=basket,
        not_held=offers.not_held,
        service_mode=transaction.service_mode,
        channels=transaction.channels,
        local_time=None,
        now_ms=transaction.created_ms,
        used=granted_of(program, offers.uses),
    )
