"""Record the order of a guest who did not identify, for a member to claim by its receipt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from server.application.idempotency import Done
from server.application.limits import flag_order
from server.application.order_review import require_store
from server.application.reads import NOTHING, Reads
from server.application.unit import Unit
from server.domain.basket import Basket, incentive_uses
from server.domain.codes import new_receipt_code
from server.domain.earning import points_earned
from server.domain.errors import FieldViolation, RequestInvalidError
from server.domain.ids import new_id
from server.domain.keys import ApiKey
from server.domain.point_of_sale import PointOfSale
from server.domain.presentation import Presentation, unclaimed_presentation
from server.domain.program import Incentive, Program
from server.domain.records import Transaction, TransactionStatus


@dataclass(frozen=True, slots=True)
class RecordUnclaimed:
    """The order as the till reports it."""

    key: ApiKey
    channel: str
    service_mode: str
    point_of_sale: PointOfSale
    basket: Basket
    basket_json: str

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
    Record an order without a guest.

    Raises:
        StoreNotFoundError: The program has no such store.
        StoreNotAllowedError: The key is limited to other stores.
        RequestInvalidError: The order uses rewards, or another currency.
        RewardNotFoundError: A discount for points does not exist, or no longer does.
        OfferNotFoundError: An offer does not exist, or no longer does.
    """
    program = unit.catalog.programs[command.key.program_id]
    pos = command.point_of_sale
    store = require_store(program, command.key, pos.store_id)
    _require_no_rewards(program, command.basket)
    points = 0
    if store.loyalty_enabled:
        points = points_earned(command.basket, program.earning, program.currency_digits)
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
    )
    unit.add(transaction)
    presentation = unclaimed_presentation(
        program.name, program.locale, transaction.transaction_id, points, receipt_code
    )
    return Done(
        RecordedUnclaimed(transaction.transaction_id, receipt_code, presentation),
        flags=flag_order(program, command.key, points),
    )


def _require_no_rewards(program: Program, basket: Basket) -> None:
    violations = [
        FieldViolation(f"transaction_details.{place}", "must not be reward while no guest is known")
        for place in _reward_places(program, basket)
    ]
    if basket.currency != program.currency:
        message = f"must be {program.currency}"
        violations.append(FieldViolation("transaction_details.currency", message))
    if violations:
        raise RequestInvalidError(tuple(violations))
    incentive_uses(basket, program)


def _reward_places(program: Program, basket: Basket) -> Iterator[str]:
    """Find rewards by what the lines call themselves and by what they name."""
    for index, line in enumerate(basket.lines):
        if line.product_type == "reward":
            yield f"order[{index}].product_type"
        elif line.product_type == "offer" and _is_reward(
            program.find_incentive(line.incentive_id, line.loyalty_engine_id)
        ):
            yield f"order[{index}].incentive_id"
    for index, discount in enumerate(basket.applied_discounts):
        if _is_reward(program.find_incentive(discount.incentive_id, discount.engine_id)):
            yield f"applied_discounts[{index}].incentive_id"


def _is_reward(incentive: Incentive | None) -> bool:
    return incentive is not None and incentive.kind == "reward"
