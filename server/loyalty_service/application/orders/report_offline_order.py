"""Take an order of a till of the RBI contract that was paid while the till could not call."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from loyalty_service.application.orders.earnings import PaidOrder
from loyalty_service.application.orders.offline_order import (
    OfflineOrder,
    paid_when,
    take_offline,
)
from loyalty_service.application.orders.order_flags import (
    about_order,
    mend_flags,
    removed_flags,
)
from loyalty_service.application.orders.repeated_orders import judge_repeated, order_digest
from loyalty_service.application.perform import Done, NaturalKey, Repeated
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket
from loyalty_service.domain.flags import MEMBER_UNKNOWN, Flag, FlagKind, Mend
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.incentive_uses import as_catalogued, incentive_names, lines_sold_as
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read, meaning_of
from loyalty_service.domain.program import Program, Store
from loyalty_service.domain.records import Member, Transaction, TransactionStatus
from loyalty_service.domain.visit import PointOfSale

OFFLINE = "PurchaseService/ReportOfflineOrder"
"""Word under which kept answers tell what they answer. It is kept for ever."""


@dataclass(frozen=True, slots=True)
class ReportOfflineOrder:
    """
    The order as the till reports it.

    Attributes:
        basket_json: The basket, to be kept.
        told_time: When it was paid, by the till; absent where it does not tell.
        loyalty_id: Absent for a guest who was not known.
        mends: What was corrected in it, because it is paid.
        digest: Hash of what the order is known by, made with each value and each copy of it.
    """

    key: ApiKey
    channel: str
    service_mode: str
    point_of_sale: PointOfSale
    basket: Basket
    basket_json: str
    told_time: datetime | None
    loyalty_id: str | None
    mends: tuple[Mend, ...] = ()
    digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Hash once what the storage reads ahead by and the use case asks by."""
        object.__setattr__(self, "digest", order_digest(self.point_of_sale, self.basket))

    @property
    def natural_key(self) -> NaturalKey:
        """Name the order by what it says: the same again is a repeated one."""
        told = None if self.told_time is None else self.told_time.isoformat()
        text = json.dumps([self.key.partner, self.digest.hex(), told, self.loyalty_id])
        name = hashlib.sha256(text.encode()).hexdigest()
        return NaturalKey(f"offline:{self.key.program_id}", name, OFFLINE)

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        program_id, natural = self.key.program_id, self.natural_key
        return Reads(
            members=() if self.loyalty_id is None else ((program_id, self.loyalty_id),),
            orders=((program_id, self.digest),),
            kept_answers=((natural.scope, natural.key),),
        )

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        pos = self.point_of_sale
        told = None if self.told_time is None else self.told_time.isoformat()
        basket = meaning_of(self.basket, read, claiming=True)
        return pos.store_id, pos.transaction_id, told, self.loyalty_id, *basket


@dataclass(frozen=True, slots=True)
class OfflineOrderTaken:
    """
    What the order earned.

    Attributes:
        loyalty_id: Absent where nobody earned.
        effective_ms, recorded_ms: When it was paid, and when the server was told.
    """

    transaction_id: str
    loyalty_id: str | None
    available_points: int
    earned_points: int
    effective_ms: int
    recorded_ms: int


def report_offline_order(
    unit: Unit, command: ReportOfflineOrder, now_ms: int
) -> Done[OfflineOrderTaken] | Repeated:
    """
    Take an order as of the time when it was paid; the same again is answered as the first time.

    Raises:
        StoreNotFoundError: The program has never had such a store.
        StoreNotAllowedError: The key is limited to other stores.
    """
    key, natural = command.key, command.natural_key
    program = unit.catalog.programs[key.program_id]
    store = program.store_of_unclaimed(command.point_of_sale.store_id)
    key.require_store(store.store_id)
    kept = unit.kept_answer(natural.scope, natural.key)
    if kept is not None:
        return Repeated(kept.answer, frozenset({store.store_id}))
    member: Member | None = None
    if command.loyalty_id is not None:
        member = unit.member(program.program_id, command.loyalty_id)
    when = paid_when(command.told_time, store, program.es.saf_window_days, now_ms)
    order, redeems = _paid_order(command, program, store, when.paid_ms)
    transaction = _new_order(command, program, order, member, now_ms)
    repeated = judge_repeated(
        unit,
        program,
        key,
        transaction,
        command.digest,
        transaction.business_day,
        when.paid_ms,
        claiming=False,
    )
    taken = take_offline(
        unit, OfflineOrder(key, transaction, order, member, when.odd, redeems), now_ms
    )
    earner = None if transaction.member_number is None else member
    unknown: tuple[Flag, ...] = ()
    if command.loyalty_id is not None and member is None:
        about = about_order(key, transaction)
        unknown = (Flag(FlagKind.OFFLINE_ORDER, MEMBER_UNKNOWN, about),)
    return Done(
        OfflineOrderTaken(
            transaction_id=transaction.transaction_id,
            loyalty_id=None if earner is None else earner.loyalty_id,
            available_points=0 if earner is None else earner.spendable,
            earned_points=taken.earned_points,
            effective_ms=when.paid_ms,
            recorded_ms=now_ms,
        ),
        kept_as=natural,
        flags=(
            *taken.flags,
            *unknown,
            *repeated,
            *mend_flags(command.mends, key, transaction, store.store_id),
            *removed_flags(program, store.store_id, key, transaction),
        ),
        stores=frozenset({store.store_id}),
        events=taken.events,
    )


def _paid_order(
    command: ReportOfflineOrder, program: Program, store: Store, paid_ms: int
) -> tuple[PaidOrder, bool]:
    """Give what an order earns by, and whether it has rewards; those and offers earn nothing."""
    basket = as_catalogued(command.basket, program)
    names = incentive_names(basket, program)
    order = PaidOrder(
        program=program,
        store=store,
        basket=basket,
        not_held=lines_sold_as(basket, program, names),
        service_mode=command.service_mode,
        channels=command.point_of_sale.channels(command.channel),
        local_time=None,
        now_ms=paid_ms,
    )
    return order, "reward" in names.values()


def _new_order(
    command: ReportOfflineOrder,
    program: Program,
    order: PaidOrder,
    member: Member | None,
    now_ms: int,
) -> Transaction:
    pos = command.point_of_sale
    return Transaction(
        transaction_id=new_id(now_ms),
        program_id=program.program_id,
        member_number=None if member is None else member.number,
        status=TransactionStatus.UNCLAIMED if member is None else TransactionStatus.PENDING,
        store_id=pos.store_id,
        pos_transaction_id=pos.transaction_id,
        pos_type=pos.pos_type,
        supporting_pos=pos.supporting_pos,
        terminal=pos.terminal,
        operator=pos.operator,
        partner=command.key.partner,
        created_ms=order.now_ms,
        updated_ms=now_ms,
        expires_ms=order.now_ms,
        channel=command.channel,
        service_mode=command.service_mode,
        basket=command.basket_json,
        order_digest=command.digest,
        business_day=order.paid_at.date().isoformat(),
        recorded_ms=now_ms,
    )
