"""
One order earns once: the same order reported twice is known by what stands on its receipt.

Numbers of points of sale restart and terminals are often not told, so that two orders can look
alike. A paid order is not refused for a guess: what looks like another that earned is flagged,
unless the program says that it is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence

from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket, subtotal
from loyalty_service.domain.errors import OrderAlreadyClaimedError
from loyalty_service.domain.flags import ORDER_CLAIMED, ORDER_RECORDED, Flag, FlagKind
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.point_of_sale import PointOfSale
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import KnownOrder, Transaction, TransactionStatus

REPEATED_WITHIN_MS = 120_000
"""How long the same order of a terminal is taken for a repeated call."""


def order_digest(pos: PointOfSale, basket: Basket) -> bytes:
    """Hash what an order is known by: store, terminal, number, lines and total; not its day."""
    lines = sorted(
        # Five times as fast as JSON, on the way of every claim.
        repr(
            (
                line.product_id,
                line.product_type,
                line.quantity,
                line.price,
                line.incentive_id,
                line.loyalty_engine_id,
            )
        )
        for line in basket.lines
    )
    place = [pos.store_id, pos.terminal or "", pos.transaction_id]
    text = json.dumps([*place, lines, subtotal(basket)], separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()


def kept_scope(key: ApiKey) -> str:
    """Give the scope that answers of a partner's orders without a guest are kept under."""
    return f"order:{key.program_id}/{key.partner}"


def first_records(
    unit: Unit, key: ApiKey, pos: PointOfSale, digest: bytes, created: str | None, now_ms: int
) -> Iterator[KnownOrder]:
    """
    Find the orders without a guest of which a call without an idempotency key may record one again.

    They are of the same partner, the newest first. Either both calls say that they were created at
    the same time, or they come from one terminal within two minutes.
    """
    for one in unit.orders_like(key.program_id, digest):
        recorded = one.is_receipt and one.partner == key.partner
        at_once = bool(pos.terminal) and abs(now_ms - one.created_ms) < REPEATED_WITHIN_MS
        if recorded and (at_once or (created and created == one.till_created)):
            yield one


def judge_repeated(
    unit: Unit,
    program: Program,
    key: ApiKey,
    transaction: Transaction,
    digest: bytes | None,
    business_day: str | None,
    *,
    claiming: bool,
) -> tuple[Flag, ...]:
    """
    Flag an order that looks like one of its day which is claimed.

    One that is only recorded, without a guest, is flagged for looking like another such as well.
    Those of another partner refuse nothing: with its key a thief could claim, before the tills do,
    what looks like the orders that they are about to report.

    Raises:
        OrderAlreadyClaimedError: One that would earn looks like one of its partner that is claimed,
            and the program refuses that.
    """
    if digest is None:
        return ()
    like = [
        one
        for one in unit.orders_like(program.program_id, digest)
        if one.transaction_id != transaction.transaction_id and one.business_day == business_day
    ]
    claimed = [one for one in like if one.status is TransactionStatus.CLAIMED]
    own = any(one.partner == transaction.partner for one in claimed)
    if own and program.repeated_orders == "refuse" and claiming:
        raise OrderAlreadyClaimedError
    if claimed:
        return (_flag(key, transaction, ORDER_CLAIMED, claimed),)
    return (_flag(key, transaction, ORDER_RECORDED, like),) if like and not claiming else ()


def _flag(key: ApiKey, transaction: Transaction, reason: str, like: Sequence[KnownOrder]) -> Flag:
    return Flag(
        FlagKind.ORDER_REPEATED,
        reason,
        {
            "program_id": transaction.program_id,
            "store_id": transaction.store_id,
            "partner": key.partner,
            "key_id": key.key_id,
            "transaction_id": transaction.transaction_id,
            "other_transaction_id": like[0].transaction_id,
            "other_partner": like[0].partner,
        },
    )
