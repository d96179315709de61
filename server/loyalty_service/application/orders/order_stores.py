"""
The store of a call.

An order of a store that the program has removed is finished: its guest has paid, or was told that
the order is open.
"""

from __future__ import annotations

from loyalty_service.domain.flags import (
    ORDER_CLAIMED,
    ORDER_OPEN,
    ORDER_RECORDED,
    Flag,
    FlagKind,
)
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Program, Store
from loyalty_service.domain.records import Transaction, TransactionStatus

_REASONS = {
    TransactionStatus.CLAIMED: ORDER_CLAIMED,
    TransactionStatus.UNCLAIMED: ORDER_RECORDED,
}


def require_store(program: Program, key: ApiKey, store_id: int) -> Store:
    """
    Find the store of a call.

    Raises:
        StoreNotFoundError: The program has no such store.
        StoreNotAllowedError: The key is limited to other stores.
    """
    store = program.store(store_id)
    key.require_store(store_id)
    return store


def store_of_report(
    program: Program, key: ApiKey, store_id: int, transaction: Transaction
) -> Store:
    """
    Find the store of a report; a removed one is taken where the transaction was opened there.

    One that was removed before such were kept is taken to be in the program's own place.

    Raises:
        StoreNotFoundError: The program has no such store.
        StoreNotAllowedError: The key is limited to other stores.
    """
    store = program.stores.get(store_id)
    if store is None and store_id == transaction.store_id:
        gone = Store(store_id, "", program.time_zone, loyalty_enabled=True)
        store = program.removed_stores.get(store_id) or gone
    store = store or program.store(store_id)
    key.require_store(store_id)
    return store


def store_of_unclaimed(program: Program, key: ApiKey, store_id: int) -> Store:
    """
    Find the store of an order without a guest, which the program has or has had.

    Raises:
        StoreNotFoundError: The program has never had it.
        StoreNotAllowedError: The key is limited to other stores.
    """
    store = program.past_store(store_id) or program.store(store_id)
    key.require_store(store_id)
    return store


def removed_flags(
    program: Program, store_id: int, key: ApiKey, transaction: Transaction
) -> tuple[Flag, ...]:
    """Flag an order of a store that the program has removed."""
    if store_id in program.stores:
        return ()
    about = {
        "program_id": transaction.program_id,
        "store_id": store_id,
        "partner": key.partner,
        "key_id": key.key_id,
        "transaction_id": transaction.transaction_id,
    }
    return (Flag(FlagKind.STORE_REMOVED, _REASONS.get(transaction.status, ORDER_OPEN), about),)
