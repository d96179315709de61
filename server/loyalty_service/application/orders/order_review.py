"""
What an order is judged by: shared by validating, reporting, claiming and identifying.

All of them use the same code, so if a validation finds nothing, the claim succeeds unless something
changes in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from loyalty_service.application.grant_names import named_by_grants
from loyalty_service.application.grants import grants_left
from loyalty_service.application.orders.period_uses import used_in_periods
from loyalty_service.application.orders.repeated_orders import REPORT, order_digest, order_place
from loyalty_service.application.orders.reservations import (
    accepted_here,
    as_accepted,
    by_incentive,
    require_uses,
    still_broken,
)
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket, basket_from_json
from loyalty_service.domain.breaches import Breach, RuleFailure
from loyalty_service.domain.clock import moment_ms, wall_clock
from loyalty_service.domain.errors import (
    FieldViolation,
    MemberNotFoundError,
    PointsInsufficientError,
    RequestInvalidError,
    RewardRefusedError,
    RulesFailedError,
    TransactionNotClaimableError,
    TransactionNotFoundError,
    incentive_not_found,
)
from loyalty_service.domain.flags import Mend
from loyalty_service.domain.incentive_uses import (
    IncentiveUse,
    as_catalogued,
    incentive_uses,
    named_incentives,
    names_unknown,
    unknown_offers,
    without_incentives,
)
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read, fingerprint, is_repeat, meaning_of, read_by
from loyalty_service.domain.program import Program, Store
from loyalty_service.domain.records import Hold, Member, Transaction, TransactionStatus
from loyalty_service.domain.rules import evaluate, needs_history
from loyalty_service.domain.visit import MemberFacts, PointOfSale, Visit

MODE_UNTOLD = "SERVICE_MODE_UNSPECIFIED"
"""Service mode of a paid order if the till names none, or one that is unknown."""


@dataclass(frozen=True, slots=True)
class Order:
    """
    An order as a till reports it, for a transaction.

    Attributes:
        loyalty_id: The guest as the till remembers them; absent when not sent.
        repeated_id: The transaction as the body repeats it; absent when not sent.
        status: What the till makes of it.
        basket_json: The basket, to be kept.
        local_time: The till's date and time in the store's place; absent where none is believed.
        mends: What was put right in it, because it is paid.
        asking: Whether the till only asks if it breaks rules, so that nothing is taken by it.
        late_hours: How far the till's time of a paid order is from the server's clock, where that
            is to be flagged.
        first_fingerprint: Gives the hash of the report's meaning as the first version kept it.
        digest: Hash of what the order is known by, made with each value and each copy of it; empty
            where the order is not reported as complete.
    """

    key: ApiKey
    transaction_id: str
    loyalty_id: str | None
    repeated_id: str | None
    status: TransactionStatus
    channel: str
    service_mode: str
    point_of_sale: PointOfSale
    basket: Basket
    basket_json: str
    local_time: datetime | None
    mends: tuple[Mend, ...] = ()
    asking: bool = False
    late_hours: int | None = None
    first_fingerprint: Callable[[], bytes] = field(default=bytes, repr=False, compare=False)
    digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Hash once what the storage reads ahead by and the use case asks by."""
        digest = order_digest(self.point_of_sale, self.basket) if self.claiming else b""
        object.__setattr__(self, "digest", digest)

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        if self.asking:
            return Reads(transactions=(self.transaction_id,))
        program_id = self.key.program_id
        return Reads(
            transactions=(self.transaction_id,),
            kept_answers=(order_place(program_id, self.transaction_id),),
            orders=((program_id, self.digest),) if self.claiming else (),
            uses=tuple((program_id, *name) for name in named_incentives(self.basket)),
        )

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        basket = meaning_of(self.basket, read, claiming=self.claiming)
        store_id = self.point_of_sale.store_id
        return self.transaction_id, self.status.name, self.service_mode, store_id, *basket

    def fingerprint(self, program: Program) -> bytes:
        """Hash what the report means, to be kept."""
        return fingerprint(REPORT, self, read_by(program, self))

    def repeats(self, kept: bytes) -> bool:
        """Tell whether the report means the same as the one whose fingerprint was kept."""
        return bool(kept) and is_repeat(kept, REPORT, self, self.first_fingerprint)

    @property
    def claiming(self) -> bool:
        """Whether the till reports the order as complete."""
        return self.status is TransactionStatus.CLAIMED


@dataclass(frozen=True, slots=True)
class Review:
    """
    An order with all that was found out about it, each incentive as it is catalogued.

    Attributes:
        unknown: Offers that the program has never had, by name; they hold for nothing.
    """

    program: Program
    store: Store
    transaction: Transaction
    member: Member
    basket: Basket
    holds: Sequence[Hold]
    uses: tuple[IncentiveUse, ...]
    failures: tuple[RuleFailure, ...]
    unknown: frozenset[str] = frozenset()

    @property
    def spendable_points(self) -> int:
        """Points available and those that this transaction holds."""
        return self.member.spendable + sum(hold.points for hold in self.holds)

    @property
    def point_cost(self) -> int:
        """Points that all rewards of the order cost."""
        return sum(use.point_cost for use in self.uses)


def find_transaction(unit: Unit, key: ApiKey, transaction_id: str) -> Transaction:
    """
    Find a transaction of the key's program.

    Raises:
        TransactionNotFoundError: There is none; another program's looks absent.
        StoreNotAllowedError: It was opened or paid in a store that the key is not for.
    """
    transaction = unit.transaction(transaction_id)
    if transaction is None or transaction.program_id != key.program_id:
        raise TransactionNotFoundError(transaction_id)
    key.require_stores(transaction.stores)
    return transaction


def require_report(order: Order, transaction: Transaction) -> None:
    """
    Check what the till makes of the order of a transaction.

    Raises:
        TransactionNotClaimableError: Neither PENDING nor CLAIMED.
    """
    if order.status not in {TransactionStatus.PENDING, TransactionStatus.CLAIMED}:
        raise TransactionNotClaimableError(
            order.transaction_id, transaction.status.name, order.status.name
        )


def guest_of(unit: Unit, transaction: Transaction) -> Member:
    """
    Find the guest of a transaction.

    Raises:
        TransactionNotClaimableError: Nobody has identified for it.
    """
    if transaction.member_number is None:
        raise TransactionNotClaimableError(transaction.transaction_id, transaction.status.name)
    return unit.member_by_number(transaction.member_number)


def require_same_guest(unit: Unit, member: Member, loyalty_id: str | None) -> None:
    """
    Check the guest that a till remembers against the transaction's.

    Raises:
        MemberNotFoundError: The program has no such member.
        RequestInvalidError: It is another member.
    """
    if loyalty_id is None or loyalty_id.lower() == member.loyalty_id:
        return
    other = unit.member(member.program_id, loyalty_id.lower())
    if other is None:
        raise MemberNotFoundError(loyalty_id.lower())
    if other is not member:  # Whoever was merged may have another ID since.
        words = "must be the guest of the transaction"
        raise RequestInvalidError((FieldViolation("loyalty_id", words),))


def require_same_transaction(transaction_id: str, repeated_id: str | None) -> None:
    """
    Check the transaction that a body repeats against the path's.

    Raises:
        RequestInvalidError: It is another.
    """
    if repeated_id is not None and repeated_id.lower() != transaction_id:
        raise RequestInvalidError(
            (FieldViolation("transaction_id", "must be the transaction of the path"),)
        )


def review_order(
    unit: Unit, order: Order, transaction: Transaction, now_ms: int, *, whole: bool = False
) -> Review:
    """
    Judge an order by every rule; a *whole* one as if it were claimed.

    Raises:
        StoreNotFoundError: The program has no such store, and the order was opened at another.
        StoreNotAllowedError: The key is limited to other stores.
        MemberNotFoundError: The till names a guest who is no member.
        RequestInvalidError: The till names another guest or transaction, or another currency.
        RewardNotFoundError: A reward does not exist, or no longer does.
        OfferNotFoundError: An offer no longer exists, or is sold by a line of an order that is not
            paid and does not exist.
        RewardRefusedError: The store takes no rewards.
        MemberBlockedError: The member may not use rewards and offers, and was not accepted with
            them before.
    """
    program = unit.catalog.programs[order.key.program_id]
    store = program.store_of_report(order.point_of_sale.store_id, transaction.store_id)
    order.key.require_store(store.store_id)
    require_same_transaction(order.transaction_id, order.repeated_id)
    member = guest_of(unit, transaction)
    require_same_guest(unit, member, order.loyalty_id)
    if order.basket.currency != program.currency:
        message = f"must be {program.currency}"
        raise RequestInvalidError((FieldViolation("transaction_details.currency", message),))
    holds = unit.open_holds(transaction.owner)
    reserved = by_incentive(unit.reservations(transaction))
    paid = order.claiming and not order.asking
    basket = order.basket
    if program.granted and names_unknown(basket, program):
        at = order.local_time, now_ms, store.time_zone
        basket = named_by_grants(unit, program, basket, member, at)
    basket = as_catalogued(basket, program)
    unknown = unknown_offers(basket, program, paid=paid)
    known = without_incentives(basket, program, unknown) if unknown else basket
    uses = tuple(
        as_accepted(use, reserved) for use in incentive_uses(known, program, frozenset(reserved))
    )
    require_uses(member, uses, transaction)
    for use in uses:
        if use.incentive.retired and use.accepted < use.quantity:
            raise incentive_not_found(use.incentive.kind, use.incentive.incentive_id)
    here = frozenset(
        use.incentive.incentive_id for use in uses if accepted_here(use, reserved, store.store_id)
    )
    if not store.loyalty_enabled and any(
        use.incentive.kind == "reward" and use.incentive.incentive_id not in here for use in uses
    ):
        raise RewardRefusedError(store.store_id)
    failures = judge(
        unit,
        program,
        store,
        member,
        uses,
        now_ms,
        local_time=order.local_time,
        service_mode=order.service_mode,
        channels=order.point_of_sale.channels(order.channel),
        basket=basket,
        claiming=order.claiming,
        whole=whole,
        counts=not whole,
        own_holds=sum(hold.points for hold in holds),
        besides=order.transaction_id,
        reserving=None if order.claiming or whole else order.key,
    )
    if failures and reserved:
        unchanged = _unchanged(order, transaction)
        untold = order.service_mode == MODE_UNTOLD
        failures = still_broken(failures, uses, here, unchanged=unchanged, mode_untold=untold)
    return Review(program, store, transaction, member, basket, holds, uses, failures, unknown)


def _unchanged(order: Order, transaction: Transaction) -> bool:
    """Tell whether an order buys and uses what it was last reported with, whatever it is called."""
    if transaction.basket is None:
        return False
    if order.service_mode not in {transaction.service_mode, MODE_UNTOLD}:
        return False
    reported, told = (
        meaning_of(basket, Read.NOTHING, claiming=True)
        for basket in (basket_from_json(transaction.basket), order.basket)
    )
    return reported == told


def refusal_of(
    failures: tuple[RuleFailure, ...], spendable_points: int, point_cost: int
) -> PointsInsufficientError | RulesFailedError:
    """Name a lack of points alone by its own code, as the contract has it for reports."""
    if all(failure.rule_id == Breach.POINT_BALANCE.value.rule_id for failure in failures):
        return PointsInsufficientError(spendable_points, point_cost)
    return RulesFailedError(failures)


def judge(
    unit: Unit,
    program: Program,
    store: Store,
    member: Member | None,
    uses: tuple[IncentiveUse, ...],
    now_ms: int,
    *,
    local_time: datetime | None,
    service_mode: str | None = None,
    channels: tuple[str, ...] = (),
    basket: Basket | None = None,
    claiming: bool = False,
    whole: bool = False,
    counts: bool = False,
    own_holds: int = 0,
    besides: str = "",
    reserving: ApiKey | None = None,
) -> tuple[RuleFailure, ...]:
    """
    Evaluate the rules of the incentives used, reading only the past that they ask for.

    Without a *member* nobody is logged in. Who *counts* the uses afterwards holds the counts of
    all members until then, so that no two orders take the last one. What the transaction *besides*
    has reserved itself is not counted. *reserving* is the key whose call reserves the uses.
    """
    if not uses:
        return ()
    zone = ZoneInfo(store.time_zone)
    local_now = wall_clock(local_time, zone, now_ms)
    needs = needs_history(uses)
    facts = None
    if member is not None:
        orders = unit.claimed_orders(member, besides) if needs.claimed_orders else 0
        facts = MemberFacts.of(member, zone, orders, own_holds)
    key_id = reserving.key_id if reserving else None
    histories = unit.histories(
        program.program_id, member, needs, besides=besides, reserving=key_id, lock=counts
    )
    place = local_now.date(), store.time_zone
    asked = unit, member, facts, uses, needs, histories, *place
    visit = Visit(
        local_time=local_now,
        now_ms=moment_ms(local_time, store.time_zone, now_ms),
        store_id=store.store_id,
        store_groups=frozenset(store.groups),
        service_mode=service_mode,
        channels=channels,
        basket=basket,
        member=facts,
        histories=histories,
        used_in=used_in_periods(*asked) if needs.periods else {},
        grants=grants_left(unit, member, histories, needs.granted, place, besides),
        claiming=claiming,
        whole=whole,
        order_limits=program.order_limits,
        excluded_products=program.earning.excluded_products,
    )
    return evaluate(uses, visit)


def business_day(local_time: datetime | None, store: Store, now_ms: int) -> str:
    """Give the day of an order in the store's place, as YYYY-MM-DD."""
    return wall_clock(local_time, ZoneInfo(store.time_zone), now_ms).date().isoformat()
