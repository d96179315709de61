"""Transfers as histories show them, by columns: objects would keep the event loop for longer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlmodel import col

from loyalty_service.application.reading import TransferEntry
from loyalty_service.domain.ledger import AccountKind, Cause, OwnerKind
from loyalty_service.storage.tables import TransferTable

ENTRY_COLUMNS = (
    col(TransferTable.transfer_id),
    col(TransferTable.points),
    col(TransferTable.cause),
    col(TransferTable.owner_kind),
    col(TransferTable.owner_id),
    col(TransferTable.note),
    col(TransferTable.effective_ms),
    col(TransferTable.recorded_ms),
)


def entry_of(row: Sequence[Any]) -> TransferEntry:
    """Turn these columns, and the kinds of both accounts, into what is told of a transfer."""
    transfer_id, points, cause, *owner, note, effective, recorded, source, reached = row
    return TransferEntry(
        transfer_id=transfer_id,
        source=AccountKind(source),
        destination=AccountKind(reached),
        points=points,
        cause=Cause(cause),
        transaction_id=owner[1] if owner[0] == OwnerKind.TRANSACTION else "",
        note=f"grant {owner[1]}" if owner[0] == OwnerKind.GRANT else note,
        effective_ms=effective,
        recorded_ms=recorded,
    )
