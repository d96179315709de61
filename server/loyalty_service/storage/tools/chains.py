"""What transfers make of accounts: each a chain of hashes, which a row that is not right breaks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select, type_coerce
from sqlalchemy.types import NullType

from loyalty_service.domain.ledger import GENESIS, Origin, Owner, facts_of, link
from loyalty_service.storage.tools.checks import BATCH_ROWS

Report = Callable[[str, int, int], None]
"""Told the name of a stage, how much of it is done, and how much there is."""


def no_report(_stage: str, _done: int, _total: int) -> None:
    """Say nothing."""


@dataclass(slots=True)
class Chain:
    """
    What the transfers so far make of an account.

    Attributes:
        below: The transfer that first took it below 0, or 0.
        above: The transfer that first took it above 0, or 0.
        recorded_ms: When the last transfer was recorded.
        latest_ms: The latest time of any, which is the last one's but where times go back.
        back: The last transfer that is earlier than the one ahead of it, or 0.
        back_at: Its number in the chain.
    """

    balance: int = 0
    length: int = 0
    head: bytes = GENESIS
    below: int = 0
    above: int = 0
    recorded_ms: int = 0
    latest_ms: int = 0
    back: int = 0
    back_at: int = 0

    def advance(
        self, transfer_id: int, change: int, sequence: int, head: bytes, recorded_ms: int
    ) -> None:
        """Go on from what the row says, so that one bad row is not found again at the next."""
        if recorded_ms < self.recorded_ms:
            self.back, self.back_at = transfer_id, sequence
        self.recorded_ms = recorded_ms
        self.latest_ms = max(self.latest_ms, recorded_ms)
        self.balance += change
        self.length = sequence
        self.head = head
        if self.balance < 0:
            self.below = self.below or transfer_id
        elif self.balance > 0:
            self.above = self.above or transfer_id


def taken_up(chains: defaultdict[int, Chain], row: Sequence[Any]) -> list[str]:
    """Do as `advance`, also with a row that is not of its columns' types."""
    try:
        return advance(chains, row)
    except (TypeError, ValueError, AttributeError):
        # SQLite keeps whatever it is given, of whatever type.
        return ["holds a value that is not of its column's type"]


def advance(chains: defaultdict[int, Chain], row: Sequence[Any]) -> list[str]:
    """Take a transfer up in both of its chains; return what is wrong with it."""
    transfer_id, source_id, destination_id, points = row[:4]
    source_sequence, source_hash, destination_sequence, destination_hash = row[10:]
    cause, kind, owner_id, *rest = row[4:10]
    origin = Origin(cause, Owner(kind, owner_id), *rest)
    facts = facts_of(source_id, destination_id, points, origin)
    wrong = [] if points > 0 else [f"moves {points} points"]
    for account_id, change, sequence, stored in (
        (source_id, -points, source_sequence, source_hash),
        (destination_id, points, destination_sequence, destination_hash),
    ):
        chain = chains[account_id]
        due = chain.length + 1
        if sequence != due:
            wrong.append(
                f"is number {sequence} in the chain of account {account_id} where {due} is due: "
                "a row was deleted, inserted or moved"
            )
        elif stored != link(chain.head, due, facts):
            wrong.append(
                f"does not have the hash that it makes in the chain of account {account_id}: "
                "it was changed, or put in place of another"
            )
        chain.advance(transfer_id, change, sequence, stored, row[9])
    return wrong


def stream(
    connection: Connection,
    table: Table,
    rows: Counter[str],
    report: Report,
    *where: ColumnElement[bool],
) -> Iterator[Any]:
    """Give rows of a table in the order of their key, without ever having all of them."""
    total = count_rows(connection, table, *where)
    report(table.name, 0, total)
    # Without its type, a value comes as it is stored, even where it is not of that type.
    plain = (type_coerce(column, NullType()).label(column.name) for column in table.columns)
    ordered = select(*plain).where(*where).order_by(*table.primary_key)
    with connection.execute(ordered.execution_options(yield_per=BATCH_ROWS)) as streamed:
        for batch in streamed.partitions():
            yield from batch
            rows[table.name] += len(batch)
            report(table.name, rows[table.name], total)


def count_rows(connection: Connection, table: Table, *where: ColumnElement[bool]) -> int:
    """Count rows of a table."""
    counted = select(func.count()).select_from(table).where(*where)
    return int(connection.execute(counted).scalar_one())
