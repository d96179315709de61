"""Show a transaction, or what became of a call whose answer was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loyalty_service.application.perform import idempotency_scope, require_kept_stores
from loyalty_service.application.reading import Reader, TransactionEntry, TransferEntry
from loyalty_service.domain.errors import TransactionNotFoundError
from loyalty_service.domain.keys import ApiKey, Role
from loyalty_service.domain.records import KeptAnswer

TRANSFERS_MAX = 1000
"""Transfers of an order that are told."""


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """
    An order and, for those who may see them, the transfers that it made, the oldest first.

    Attributes:
        archived_until_ms: When the last transfer was made that is in an archive, where some of
            the order's are.
    """

    entry: TransactionEntry
    transfers: Sequence[TransferEntry] | None
    archived_until_ms: int | None = None


async def get_transaction(reader: Reader, key: ApiKey, transaction_id: str) -> TransactionEntry:
    """
    Find a transaction of the key's program.

    Raises:
        TransactionNotFoundError: There is none; another program's looks absent.
        StoreNotAllowedError: It was opened or paid in a store that the key is not for.
    """
    entry = await order_named(reader, key, transaction_id)
    if entry is None:
        raise TransactionNotFoundError(transaction_id.lower())
    return entry


async def order_named(reader: Reader, key: ApiKey, named: str) -> TransactionEntry | None:
    """
    Find the transaction that an answer names, as `get_transaction` does.

    What an answer about a session names is its correlation ID, or an ad hoc transaction.
    """
    entry = await reader.transaction(named.lower()) if named else None
    if entry is None or entry.transaction.program_id != key.program_id:
        return None
    key.require_stores(entry.transaction.stores)
    return entry


async def show_order(reader: Reader, key: ApiKey, transaction_id: str) -> ShownOrder:
    """
    Find a transaction as `get_transaction` does; who answers guests sees what it moved.

    Raises:
        TransactionNotFoundError: There is none; another program's looks absent.
        StoreNotAllowedError: It was opened or paid in a store that the key is not for.
    """
    entry = await get_transaction(reader, key, transaction_id)
    if key.role not in {Role.ADMIN, Role.HELP_DESK, Role.OPERATOR}:
        return ShownOrder(entry, None)
    moved = await reader.transfers_of_order(entry.transaction, TRANSFERS_MAX)
    archived = await reader.has_archived_transfers(entry.transaction.transaction_id)
    return ShownOrder(entry, moved, await reader.archived_until_ms() if archived else None)


async def get_kept_answer(reader: Reader, key: ApiKey, idempotency_key: str) -> KeptAnswer | None:
    """
    Find what a call of the key's partner was answered; None when it has not taken effect.

    Raises:
        StoreNotAllowedError: The call acted in a store that the key is not for.
    """
    kept = await reader.kept_answer(idempotency_scope(key), idempotency_key)
    if kept is not None:
        require_kept_stores(kept, key)
    return kept
