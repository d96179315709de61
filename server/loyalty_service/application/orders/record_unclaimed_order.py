"""Record the order of a guest who did not identify, for a member to claim by its receipt."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from loyalty_service.application.grant_names import named_by_grants
from loyalty_service.application.limits import flag_order
from loyalty_service.application.orders.earnings import (
    PaidOrder,
    earned_fields,
    order_points,
    promotions_to_json,
)
from loyalty_service.application.orders.order_flags import (
    late_flags,
    mend_flags,
    offer_flags,
    removed_flags,
)
from loyalty_service.application.orders.order_review import business_day
from loyalty_service.application.orders.repeated_orders import (
    first_records,
    judge_repeated,
    kept_scope,
    order_digest,
    record_of,
)
from loyalty_service.application.orders.unclaimed_offers import (
    JudgedOffers,
    judge_recorded,
)
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket
from loyalty_service.domain.codes import digested_receipt, new_receipt_code
from loyalty_service.domain.earning import Earned
from loyalty_service.domain.errors import (
    FieldViolation,
    OfferNotFoundError,
    RequestInvalidError,
    RulesFailedError,
)
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.flags import OFFER_UNKNOWN, Mend
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.incentive_uses import as_catalogued, incentive_names
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read, meaning_of
from loyalty_service.domain.presentation import Presentation, unclaimed_presentation
from loyalty_service.domain.program import Program, Store
from loyalty_service.domain.records import Transaction, TransactionStatus
from loyalty_service.domain.rules import not_logged_in
from loyalty_service.domain.visit import PointOfSale


@dataclass(frozen=True, slots=True)
class RecordUnclaimedOrder:
    """
    The order as the till reports it.

    Attributes:
        basket_json: The basket, to be kept.
        local_time: The till's date and time in the store's place; absent where none is believed.
        mends: What was corrected in it, because it is paid.
        created: When the till says that it made the call; absent when not sent.
        keyed: Whether the call has an idempotency key, by which a repeated one is known.
        late_hours: How far the till's time is from the server's clock, where that is to be flagged.
        digest: Hash of what the order is known by, made with each value and each copy of it.
    """

    key: ApiKey
    channel: str
    service_mode: str
    point_of_sale: PointOfSale
    basket: Basket
    basket_json: str
    local_time: datetime | None = None
    mends: tuple[Mend, ...] = ()
    created: str | None = None
    keyed: bool = False
    late_hours: int | None = None
    digest: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Hash once what the storage reads ahead by and the use case asks by."""
        object.__setattr__(self, "digest", order_digest(self.point_of_sale, self.basket))

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(orders=((self.key.program_id, self.digest),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        pos = self.point_of_sale
        basket = meaning_of(self.basket, read, claiming=True)
        return pos.store_id, pos.transaction_id, self.service_mode, *basket


@dataclass(frozen=True, slots=True)
class RecordedUnclaimedOrder:
    """The transaction, and the receipt code, kept at most in a sealed answer."""

    transaction_id: str
    receipt_code: str
    presentation: Presentation


def record_unclaimed_order(
    unit: Unit, command: RecordUnclaimedOrder, now_ms: int
) -> Done[RecordedUnclaimedOrder] | Repeated:
    """
    Record an order without a guest; offers that do not hold are flagged and earn nothing.

    Without an idempotency key the same order again is answered as the first time, if it surely is
    the same call.

    Raises:
        StoreNotFoundError: The program has never had such a store.
        StoreNotAllowedError: The key is limited to other stores.
        RequestInvalidError: The order is in another currency.
        RulesFailedError: It uses rewards, or offers that do not hold and the program refuses those.
        OfferNotFoundError: An offer does not exist, or no longer does, and the program refuses
            those.
    """
    program = unit.catalog.programs[command.key.program_id]
    pos = command.point_of_sale
    store = program.store_of_unclaimed(pos.store_id)
    command.key.require_store(pos.store_id)
    digest = command.digest
    if not command.keyed:
        repeated = _repeated(unit, command, digest, now_ms)
        if repeated is not None:
            return repeated
    basket = as_catalogued(named_by_grants(unit, program, command.basket, None, None), program)
    _require_no_rewards(program, basket)
    offers = judge_recorded(
        unit,
        program,
        store,
        basket,
        now_ms,
        local_time=command.local_time,
        service_mode=command.service_mode,
        channels=pos.channels(command.channel),
    )
    if program.unclaimed_offers == "refuse":
        _require_all_hold(offers)
    paid = _paid_order(command, program, store, basket, offers, now_ms)
    worth = order_points(unit, paid, None)
    receipt_code = new_receipt_code()
    transaction = _recorded(
        command,
        program,
        store,
        now_ms,
        worth=worth,
        by=earned_fields(unit, paid, worth),
        refused=offers.refused,
        order_digest=digest,
        receipt_digest=unit.code_digest(program.program_id, digested_receipt(receipt_code)),
    )
    day = transaction.business_day
    twice = judge_repeated(
        unit, program, command.key, transaction, digest, day, now_ms, claiming=False
    )
    unit.add(transaction)
    presentation = unclaimed_presentation(
        program, transaction.pos_type, transaction.transaction_id, worth.points, receipt_code
    )
    return Done(
        RecordedUnclaimedOrder(transaction.transaction_id, receipt_code, presentation),
        # A call with a key is known by that.
        kept_as=None if command.keyed else record_of(kept_scope(command.key), transaction),
        flags=(
            *twice,
            *offer_flags(program, offers.refused, transaction),
            *flag_order(program, command.key, worth.points, transaction),
            *mend_flags(command.mends, command.key, transaction, store.store_id),
            *removed_flags(program, store.store_id, command.key, transaction),
            *late_flags(command.late_hours, command.key, transaction, pos.store_id),
        ),
        stores=frozenset({store.store_id}),
        events=(_told(transaction),),
    )


def _paid_order(
    command: RecordUnclaimedOrder,
    program: Program,
    store: Store,
    basket: Basket,
    offers: JudgedOffers,
    now_ms: int,
) -> PaidOrder:
    """Give what an order earns by."""
    return PaidOrder(
        program=program,
        store=store,
        basket=basket,
        not_held=offers.not_held,
        service_mode=command.service_mode,
        channels=command.point_of_sale.channels(command.channel),
        local_time=command.local_time,
        now_ms=now_ms,
    )


def _told(transaction: Transaction) -> Event:
    """Tell of an order without a guest."""
    return Event(
        EventKind.ORDER_RECORDED,
        transaction.program_id,
        subject=transaction.transaction_id,
        after=TransactionStatus.UNCLAIMED,
    )


def _recorded(
    command: RecordUnclaimedOrder,
    program: Program,
    store: Store,
    now_ms: int,
    *,
    worth: Earned,
    by: Mapping[str, Any],
    refused: Iterable[str],
    order_digest: bytes,
    receipt_digest: bytes,
) -> Transaction:
    """Build the transaction of an order that has no guest."""
    pos = command.point_of_sale
    return Transaction(
        transaction_id=new_id(now_ms),
        program_id=program.program_id,
        member_number=None,
        status=TransactionStatus.UNCLAIMED,
        store_id=pos.store_id,
        pos_transaction_id=pos.transaction_id,
        pos_type=pos.pos_type,
        supporting_pos=pos.supporting_pos,
        terminal=pos.terminal,
        operator=pos.operator,
        partner=command.key.partner,
        created_ms=now_ms,
        updated_ms=now_ms,
        expires_ms=now_ms,
        channel=command.channel,
        service_mode=command.service_mode,
        basket=command.basket_json,
        points_earned=worth.points,
        promotions=promotions_to_json(worth.promotions),
        **by,
        receipt_digest=receipt_digest,
        refused_offers=json.dumps(list(refused), ensure_ascii=False),
        order_digest=order_digest,
        business_day=business_day(command.local_time, store, now_ms),
        till_created=command.created or None,
    )


def _repeated(
    unit: Unit, command: RecordUnclaimedOrder, digest: bytes, now_ms: int
) -> Repeated | None:
    """
    Find what an earlier call that recorded this very order was answered.

    One that had an idempotency key is passed over: its answer is kept by that.
    """
    pos = command.point_of_sale
    for first in first_records(unit, command.key, pos, digest, command.created, now_ms):
        kept = unit.kept_answer(kept_scope(command.key), first.transaction_id)
        if kept is not None:
            return Repeated(kept.answer, frozenset({pos.store_id}))
    return None


def _require_no_rewards(program: Program, basket: Basket) -> None:
    if basket.currency != program.currency:
        message = f"must be {program.currency}"
        raise RequestInvalidError((FieldViolation("transaction_details.currency", message),))
    rewards = [
        not_logged_in(name)
        for name, kind in incentive_names(basket, program).items()
        if kind == "reward"
    ]
    if rewards:
        raise RulesFailedError(tuple(rewards))


def _require_all_hold(offers: JudgedOffers) -> None:
    for name, reason in offers.refused.items():
        if reason == OFFER_UNKNOWN:
            raise OfferNotFoundError(name)
    if offers.failures:
        raise RulesFailedError(offers.failures)
