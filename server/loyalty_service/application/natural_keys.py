"""
Natural keys: what makes a call known that comes again without an idempotency key.

A code is used by one order of one till, and an order has one last report or one cancellation: the
answer that was given is kept under them, in the table of all kept answers. An older version kept
it with the code or the order itself, where it is still found.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from loyalty_service.application.unit import Unit
from loyalty_service.domain.point_of_sale import PointOfSale
from loyalty_service.domain.records import Code, Remembered, Transaction, TransactionStatus

IDENTIFY = "IdentifyService/Identify"
RECORD = "TransactionService/Unclaimed"
REPORT = "TransactionService/Update"
VOID = "TransactionService/Void"
"""
Words by which kept answers tell what they answer, and that fingerprints hash.

They are kept for ever, whatever the RPCs are called.
"""

VERSION = 2
"""Number of this way to tell what a call that uses a code means; the first one kept its words."""


@dataclass(frozen=True, slots=True)
class NaturalKey:
    """
    What an answer is kept under.

    Attributes:
        fingerprint: What tells whether a later call means the same; empty where nothing need.
        fresh: Whether there can be no earlier answer, so that none is looked for.
    """

    scope: str
    key: str
    method: str
    fingerprint: bytes = b""
    fresh: bool = False


def use_of_code(transaction: Transaction, pos: PointOfSale) -> NaturalKey:
    """Name the use of a code by the transaction that it has just opened."""
    place = _scope("code", transaction.program_id), transaction.transaction_id
    return NaturalKey(*place, IDENTIFY, _use(pos, transaction.partner), fresh=True)


def record_of(scope: str, transaction: Transaction) -> NaturalKey:
    """Name the record of an order without a guest that was just made."""
    return NaturalKey(scope, transaction.transaction_id, RECORD, fresh=True)


def report_of(transaction: Transaction, fingerprint: bytes) -> NaturalKey:
    """Name the last report of an order."""
    return NaturalKey(*place_of(transaction), REPORT, fingerprint)


def void_of(transaction: Transaction) -> NaturalKey:
    """Name the cancellation of an order."""
    return NaturalKey(*place_of(transaction), VOID)


def order_place(program_id: str, transaction_id: str) -> tuple[str, str]:
    """Give the scope and key under which the last answer about an order is kept."""
    return _scope("transaction", program_id), transaction_id


def place_of(transaction: Transaction) -> tuple[str, str]:
    """See `order_place`."""
    return order_place(transaction.program_id, transaction.transaction_id)


def last_answer(unit: Unit, transaction: Transaction) -> Remembered | None:
    """Find what the last report of an order, or its cancellation, was answered."""
    place = place_of(transaction)
    kept = unit.remembered(*place)
    if kept is not None or transaction.answer is None:
        return kept
    method = VOID if transaction.status is TransactionStatus.VOID else REPORT
    told = transaction.fingerprint or b"", transaction.answer
    return Remembered(*place, method, *told, transaction.updated_ms)


def answer_of_use(
    unit: Unit, code: Code, transaction: Transaction, pos: PointOfSale, partner: str
) -> bytes | None:
    """Find what the use of a code was answered, for the partner, till and order that used it."""
    kept = unit.remembered(_scope("code", code.program_id), transaction.transaction_id)
    if kept is not None:
        return kept.answer if kept.fingerprint == _use(pos, partner) else None
    if code.claim_key == pos.claim_key(partner):
        return code.answer
    # As the oldest versions kept it, while those of their transactions are open.
    same_till = (transaction.partner, transaction.terminal) == (partner, pos.terminal)
    return code.answer if same_till and code.claim_key == pos.order_key else None


def _use(pos: PointOfSale, partner: str) -> bytes:
    return bytes((VERSION,)) + hashlib.sha256(pos.claim_key(partner).encode()).digest()


def _scope(what: str, program_id: str) -> str:
    # No partner's scope has a colon before its slash: a program's ID has none.
    return f"{what}:{program_id}"
