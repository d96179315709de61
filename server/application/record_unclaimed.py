"""Record the order of a guest who did not identify, for a member to claim by its receipt."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from server.application.idempotency import Done
from server.application.limits import flag_order
from server.application.mended_orders import mend_flags
from server.application.order_review import require_store
from server.application.reads import NOTHING, Reads
from server.application.unclaimed_offers import JudgedOffers, judge_recorded, offer_flags
from server.application.unit import Unit
from server.domain.basket import Basket, as_catalogued, incentive_names
from server.domain.codes import new_receipt_code
from server.domain.earning import points_earned
from server.domain.errors import (
    FieldViolation,
    OfferNotFoundError,
    RequestInvalidError,
    RulesFailedError,
)
from server.domain.flags import OFFER_UNKNOWN, Mend
from server.domain.ids import new_id
from server.domain.keys import ApiKey
from server.domain.point_of_sale import PointOfSale
from server.domain.presentation import Presentation, unclaimed_presentation
from server.domain.program import Program
from server.domain.records import Transaction, TransactionStatus
from server.domain.rules import not_logged_in


@dataclass(frozen=True, slots=True)
class RecordUnclaimed:
    """
    The order as the till reports it.

    Attributes:
        basket_json: The basket, to be kept.
        local_time: The till's date and time in the store's place; absent where none is believed.
        mends: What was put right in it, because it is paid.
    """

    key: ApiKey
    channel: str
    service_mode: str
    point_of_sale: PointOfSale
    basket: Basket
    basket_json: str
    local_time: datetime | None = None
    mends: tuple[Mend, ...] = ()

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return NOTHING


@dataclass(frozen=True, slots=True)
class RecordedUnclaimed:
    """The transaction, and the receipt code, kept at most in a sealed answer."""

    transaction_id: str
    receipt_code: str
    presentation: Presentation


def record_unclaimed(unit: Unit, command: RecordUnclaimed, now_ms: int) -> Done[RecordedUnclaimed]:
    """
    Record an order without a guest; offers that do not hold are flagged and earn nothing.

    Raises:
        StoreNotFoundError: The program has no such store.
        StoreNotAllowedError: The key is limited to other stores.
        RequestInvalidError: The order is in another currency.
        RulesFailedError: It uses rewards, or offers that do not hold and the program refuses those.
        OfferNotFoundError: An offer does not exist, or no longer does, and the program refuses
            those.
    """
    program = unit.catalog.programs[command.key.program_id]
    pos = command.point_of_sale
    store = require_store(program, command.key, pos.store_id)
    basket = as_catalogued(command.basket, program)
    _require_no_rewards(program, basket)
    offers = judge_recorded(
        unit,
        program,
        store,
        basket,
        now_ms,
        local_time=command.local_time,
        service_mode=command.service_mode,
    )
    if program.unclaimed_offers == "refuse":
        _require_all_hold(offers)
    points = 0
    if store.loyalty_enabled:
        points = points_earned(offers.basket, program.earning, program.currency_digits)
    receipt_code = new_receipt_code()
    transaction = Transaction(
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
        points_earned=points,
        receipt_digest=unit.code_digest(program.program_id, f"receipt:{receipt_code}"),
        refused_offers=json.dumps(list(offers.refused), ensure_ascii=False),
    )
    unit.add(transaction)
    presentation = unclaimed_presentation(
        program.name, program.locale, transaction.transaction_id, points, receipt_code
    )
    return Done(
        RecordedUnclaimed(transaction.transaction_id, receipt_code, presentation),
        flags=(
            *offer_flags(program, offers.refused, transaction),
            *flag_order(program, command.key, points, transaction),
            *mend_flags(command.mends, command.key, transaction, store.store_id),
        ),
        stores=frozenset({store.store_id}),
    )


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
