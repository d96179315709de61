"""Finds events that told a balance while the account's row was wrong."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from loyalty_service.domain.ledger import AccountKind
from loyalty_service.storage import tables as t
from loyalty_service.storage.repositories.statements import table_of

EVENT = table_of(t.EventTable)

_TOLD = {
    AccountKind.AVAILABLE: "available",
    AccountKind.HELD: "held",
    AccountKind.DEBT: "debt",
}


def told_wrong(
    connection: Connection, account: Any, length: int, balance: int
) -> list[tuple[int, str, int]]:
    """
    Find events that tell another balance of an account after its last transfer than it has.

    Returns the number of each, the column, and what it says.
    """
    name = _TOLD.get(account.kind)
    if name is None:
        return []
    wrong = (
        select(EVENT.c.event_id, EVENT.c[name])
        .where(EVENT.c.member_number == account.member_number)
        .where(EVENT.c[f"{name}_sequence"] == length, EVENT.c[name] != balance)
        .order_by(EVENT.c.event_id)
    )
    return [(row[0], name, row[1]) for row in connection.execute(wrong)]
