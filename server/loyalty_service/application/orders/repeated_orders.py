"""
What identifies a call about an order that is sent again, and an order that is reported twice.

A code is used by one order of one till, and an order has one last report or one cancellation. Their
answers are kept under these natural keys, in the table of all kept answers. Older versions kept
them with the code or the order itself, where they are still found.

One order earns once: an order that is reported twice is recognised by what is on its receipt. Tills
start their numbers again and often do not name their terminal, so two different orders can look
alike. A paid order is not refused because of a guess: an order that looks like one that has earned
is flagged, unless the program says that it is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from loyalty_service.application.orders.order_flags import about_order
from loyalty_service.application.perform import NaturalKey
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket, subtotal
from loyalty_service.domain.contracts import RBI_V2
from loyalty_service.domain.errors import OrderAlreadyClaimedError
from loyalty_service.domain.flags import ORDER_CLAIMED, ORDER_RECORDED, Flag, FlagKind
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import (
    Code,
    KeptAnswer,
    KnownOrder,
    Transaction,
    TransactionStatus,
)
from loyalty_service.domain.visit import PointOfSale

IDENTIFY = "IdentifyService/Identify"
RECORD = "TransactionService/Unclaimed"
REPORT = "TransactionService/Update"
VOID = "TransactionService/Void"
RETURN = "TransactionService/ReturnLines"
STATUS = "TransactionService/ChangeTransactionStatus"
AGAIN = "IdentifyService/IdentifyMemberAgain"
"""
Words by which kept answers tell what they answer, and that fingerprints hash.

They are kept for ever, whatever the RPCs are called.
"""

VERSION = 2
"""Number of this way to tell what a call that uses a code means; the first one kept its words."""

REPEATED_WITHIN_MS = 120_000
"""How long the same order of a terminal counts as a repeated call."""


def use_of_code(transaction: Transaction, pos: PointOfSale) -> NaturalKey:
    """Name the use of a code by the transaction that it has just opened."""
    place = _scope("code", transaction.program_id), transaction.transaction_id
    return NaturalKey(*place, IDENTIFY, _use(pos, transaction.partner), fresh=True)


def later_use(code: Code, transaction: Transaction, partner: str) -> NaturalKey:
    """Name the use of a code by a transaction that was open already."""
    return NaturalKey(*_later_place(code, transaction), AGAIN, _later(partner), fresh=True)


def answer_of_later_use(
    unit: Unit, code: Code, transaction: Transaction, partner: str
) -> bytes | None:
    """Find what the use of a code by an open transaction was answered, for the same partner."""
    kept = unit.kept_answer(*_later_place(code, transaction))
    return kept.answer if kept is not None and kept.fingerprint == _later(partner) else None


def _later_place(code: Code, transaction: Transaction) -> tuple[str, str]:
    return _scope("code", code.program_id), f"{transaction.transaction_id}/{code.digest.hex()}"


def _later(partner: str) -> bytes:
    return bytes((VERSION,)) + hashlib.sha256(partner.encode()).digest()


def record_of(scope: str, transaction: Transaction) -> NaturalKey:
    """Name the record of an order without a guest that was just made."""
    return NaturalKey(scope, transaction.transaction_id, RECORD, fresh=True)


def report_of(transaction: Transaction, fingerprint: bytes) -> NaturalKey:
    """Name the last report of an order."""
    return NaturalKey(*place_of(transaction), REPORT, fingerprint)


def void_of(transaction: Transaction) -> NaturalKey:
    """Name the cancellation of an order."""
    return NaturalKey(*place_of(transaction), VOID)


def status_of(transaction: Transaction) -> NaturalKey:
    """Name the last change of an order's status."""
    return NaturalKey(*place_of(transaction), STATUS)


def order_place(program_id: str, transaction_id: str) -> tuple[str, str]:
    """Give the scope and key under which the last answer about an order is kept."""
    return _scope("transaction", program_id), transaction_id


def returns_scope(program_id: str) -> str:
    """Give the scope under which answers to returns without an idempotency key are kept."""
    return _scope("return", program_id)


def place_of(transaction: Transaction) -> tuple[str, str]:
    """See `order_place`."""
    return order_place(transaction.program_id, transaction.transaction_id)


def last_answer(unit: Unit, transaction: Transaction) -> KeptAnswer | None:
    """Find what the last report of an order, or its cancellation, was answered."""
    place = place_of(transaction)
    kept = unit.kept_answer(*place)
    if kept is not None or transaction.answer is None:
        return kept
    method = VOID if transaction.status is TransactionStatus.VOID else REPORT
    told = transaction.fingerprint or b"", transaction.answer
    return KeptAnswer(*place, method, *told, transaction.updated_ms)


def answer_of_use(
    unit: Unit, code: Code, transaction: Transaction, pos: PointOfSale, partner: str
) -> bytes | None:
    """Find what the use of a code was answered, for the partner, till and order that used it."""
    contracts = unit.catalog.programs[code.program_id].contracts
    if RBI_V2 in contracts and unit.kept_answer(*_later_place(code, transaction)) is not None:
        return None  # It was a later scan: the transaction's first answer is of another code.
    kept = unit.kept_answer(_scope("code", code.program_id), transaction.transaction_id)
    if kept is not None:
        return kept.answer if kept.fingerprint == _use(pos, partner) else None
    if code.claim_key == _claim_key(pos, partner):
        return code.answer
    # As the oldest versions kept it, while those of their transactions are open.
    same_till = (transaction.partner, transaction.terminal) == (partner, pos.terminal)
    order_key = f"{pos.store_id}/{pos.transaction_id}"
    return code.answer if same_till and code.claim_key == order_key else None


def _claim_key(pos: PointOfSale, partner: str) -> str:
    """Name what shows a code, by which a retry is known: partner, till and order."""
    return json.dumps([partner, pos.store_id, pos.terminal, pos.transaction_id])


def _use(pos: PointOfSale, partner: str) -> bytes:
    return bytes((VERSION,)) + hashlib.sha256(_claim_key(pos, partner).encode()).digest()


def _scope(what: str, program_id: str) -> str:
    # No partner's scope has a colon before its slash: a program's ID has none.
    return f"{what}:{program_id}"


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
    now_ms: int,
    *,
    claiming: bool,
) -> tuple[Flag, ...]:
    """
    Flag an order that looks like one of its day which is claimed.

    An order has the day that its till names and the day on which the server was told of it, which
    no till can choose. One day in common is enough for a flag.
    One that is only recorded, without a guest, is flagged for looking like another such as well.
    Those of another partner refuse nothing: with its key a thief could claim, before the tills do,
    what looks like the orders that they are about to report. Nor does one whose till names another
    day: a till that was offline reports the orders of several days at once.

    Raises:
        OrderAlreadyClaimedError: One that would earn looks like one of its partner that is claimed,
            and the program refuses that.
    """
    if digest is None:
        return ()
    zone = _zone_of(program, transaction)
    paid_ms = transaction.created_ms if transaction.receipt_digest is not None else now_ms
    days = {business_day, _day(paid_ms, zone)}
    like = [
        one
        for one in unit.orders_like(program.program_id, digest)
        if one.transaction_id != transaction.transaction_id
        and not days.isdisjoint((one.business_day, _day(one.paid_ms, zone)))
    ]
    claimed = [one for one in like if one.status is TransactionStatus.CLAIMED]
    own = any(
        one.partner == transaction.partner and one.business_day == business_day for one in claimed
    )
    if own and program.repeated_orders == "refuse" and claiming:
        raise OrderAlreadyClaimedError
    if claimed:
        return (_flag(key, transaction, ORDER_CLAIMED, claimed),)
    return (_flag(key, transaction, ORDER_RECORDED, like),) if like and not claiming else ()


def _zone_of(program: Program, transaction: Transaction) -> ZoneInfo:
    """Find the place in which an order has its day."""
    store_id = transaction.store_id
    store = program.stores.get(store_id) or program.removed_stores.get(store_id)
    return ZoneInfo(program.time_zone if store is None else store.time_zone)


def _day(time_ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(time_ms / 1000, zone).date().isoformat()


def _flag(key: ApiKey, transaction: Transaction, reason: str, like: Sequence[KnownOrder]) -> Flag:
    return Flag(
        FlagKind.ORDER_REPEATED,
        reason,
        about_order(key, transaction)
        | {
            "other_transaction_id": like[0].transaction_id,
            "other_partner": like[0].partner,
        },
    )
