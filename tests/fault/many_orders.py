"""
Many orders of long ago, put into a database in bulk: each the copy of one that a server took.

A copy has its own numbers, member and times, and its transfers are the next ones of their
accounts' chains, so that the audit holds as if a server had taken them all.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import cycle
from typing import Any, Self

import psycopg
from sqlalchemy import text

from loyalty_service.domain.events import event_id_of, lane_of
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.ledger import (
    Account,
    AccountKind,
    Cause,
    Origin,
    Owner,
    OwnerKind,
    Transfer,
    transfer,
)
from loyalty_service.storage.connections import reading, writing
from loyalty_service.storage.databases import Database
from loyalty_service.storage.repositories.seal import Seal
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tables import TransferTable

CHUNK = 2000

Row = dict[str, Any]

_TRANSFER = table_of(TransferTable)


@dataclass(frozen=True, slots=True)
class Pattern:
    """The rows that one order has left, by table."""

    order: Row
    holds: Sequence[Row]
    redemptions: Sequence[Row]
    transfers: Sequence[Row]
    answers: Sequence[Row]
    events: Sequence[Row]


def pattern_of(database: Database, order_id: str, keys: Sequence[str]) -> Pattern:
    """Read all that an order has left, with the answers kept under these keys."""

    def rows(table: str, condition: str) -> list[Row]:
        statement = text(f"SELECT * FROM {table} WHERE {condition}")  # noqa: S608 - ours.
        found = connection.execute(statement, {"id": order_id})
        return [dict(row._mapping) for row in found]

    named = ", ".join(f"'{key}'" for key in keys)
    with reading(database) as connection:
        return Pattern(
            order=rows("loyalty_transaction", "transaction_id = :id")[0],
            holds=rows("hold", "transaction_id = :id"),
            redemptions=rows("redemption", "transaction_id = :id"),
            transfers=rows("transfer", "transaction_id = :id ORDER BY transfer_id"),
            answers=rows(
                "remembered_answer", f"idempotency_key = :id OR idempotency_key IN ({named})"
            ),
            events=rows("event", "subject = :id ORDER BY event_id"),
        )


class _Ledger:
    """The accounts of a store, as they are while rows are added."""

    def __init__(self, database: Database) -> None:
        with reading(database) as connection:
            found = connection.execute(text("SELECT * FROM account ORDER BY account_id")).all()
            self.next_transfer = self._most(connection, "transfer", "transfer_id") + 1
            newest = self._most(connection, "event", "event_id")
            self.next_event = newest + 1
            self.lane = lane_of(newest)
        self.all = {
            row.account_id: Account(
                row.account_id,
                AccountKind(row.kind),
                row.balance,
                row.sequence,
                bytes(row.head),
                row.moved_ms,
            )
            for row in found
        }
        self._of = {
            (row.member_number, row.kind, row.shard): row.account_id
            for row in found
            if row.shard == 0 or row.member_number is None
        }

    @staticmethod
    def _most(connection: Any, table: str, column: str) -> int:
        statement = text(f"SELECT coalesce(max({column}), 0) FROM {table}")  # noqa: S608 - ours.
        return int(connection.execute(statement).scalar_one())

    def account(self, kind: AccountKind, member: int) -> Account:
        """Give the account of a member, or of the program where it has those."""
        for owner in (member, None):
            number = self._of.get((owner, int(kind), 0))
            if number is not None:
                return self.all[number]
        shards = [place for place in self._of if place[:2] == (None, int(kind))]
        return self.all[self._of[shards[member % len(shards)]]]


def add_orders(
    database: Database,
    pattern: Pattern,
    members: Sequence[int],
    count: int,
    span_ms: tuple[int, int],
    pepper: bytes,
) -> None:
    """Add copies of an order, for one member after the other, at times that go on evenly."""
    ledger, seal = _Ledger(database), Seal(pepper)
    kinds = {number: account.kind for number, account in ledger.all.items()}
    answers = [
        (row, seal.open(bytes(row["answer"]), row["scope"], row["idempotency_key"]))
        for row in pattern.answers
    ]
    guests = cycle(members)
    first_ms, last_ms = span_ms
    with _Bulk(database) as bulk:
        done = 0
        while done < count:
            tables: dict[str, list[Row]] = {}
            for number in range(done, min(done + CHUNK, count)):
                at = first_ms + (last_ms - first_ms) * number // count
                for table, row in _copies(pattern, answers, ledger, kinds, seal, next(guests), at):
                    tables.setdefault(table, []).append(row)
            for table in _ORDER:
                bulk.put(table, tables.get(table, []))
            done += CHUNK
        bulk.finish(ledger, pattern, count)


_ORDER = ("loyalty_transaction", "hold", "redemption", "transfer", "remembered_answer", "event")


def _copies(
    pattern: Pattern,
    answers: Sequence[tuple[Row, bytes]],
    ledger: _Ledger,
    kinds: Mapping[int, AccountKind],
    seal: Seal,
    member: int,
    at: int,
) -> Iterator[tuple[str, Row]]:
    order_id = new_id(at)
    times = {"created_ms": at, "updated_ms": at + 1}
    yield (
        "loyalty_transaction",
        {
            **pattern.order,
            **times,
            "transaction_id": order_id,
            "member_number": member,
            "expires_ms": at + 86_400_000,
            "claimed_ms": at + 1,
            "order_digest": os.urandom(32),
            "counted": None,
        },
    )
    events = list(pattern.events)
    yield "event", _event(events[0], ledger, order_id, member, at)
    of_order = {"transaction_id": order_id, "member_number": member}
    for row in pattern.holds:
        ended = {"created_ms": at, "expires_ms": at + 86_400_000, "ended_ms": at + 1}
        yield "hold", {**row, **of_order, **ended, "hold_id": new_id(at)}
    for row in pattern.redemptions:
        own = {"redemption_id": new_id(at), "redeemed_ms": at + 1}
        yield "redemption", {**row, **of_order, **own}
    for row in pattern.transfers:
        source, destination = (
            ledger.account(kinds[row[name]], member) for name in ("source_id", "destination_id")
        )
        owner = Owner(OwnerKind(row["owner_kind"]), order_id)
        origin = Origin(Cause(row["cause"]), owner, row["note"], at + 1, at + 1)
        moved = transfer(source, destination, row["points"], origin)
        values = {_TRANSFER.c[one.name].name: getattr(moved, one.name) for one in fields(Transfer)}
        plain = {name: int(v) if isinstance(v, int) else v for name, v in values.items()}
        yield "transfer", {"transfer_id": ledger.next_transfer, **plain}
        ledger.next_transfer += 1
    for row, body in answers:
        key = row["idempotency_key"]
        key = order_id if key == pattern.order["transaction_id"] else new_id(at)
        sealed = seal.close(body, row["scope"], key)
        own = {"idempotency_key": key, "answer": sealed, "created_ms": at + 1}
        yield "remembered_answer", {**row, **own}
    for row in events[1:]:
        yield "event", _event(row, ledger, order_id, member, at + 1)


def _event(row: Row, ledger: _Ledger, order_id: str, member: int, at: int) -> Row:
    """Copy an event, with the balances that its member has at this moment."""
    available = ledger.account(AccountKind.AVAILABLE, member)
    held = ledger.account(AccountKind.HELD, member)
    number = ledger.next_event
    ledger.next_event += 1
    return {
        **row,
        "event_id": number,
        "unit": number,
        "effective_ms": at,
        "recorded_ms": at,
        "member_number": member,
        "subject": order_id,
        "available": available.balance,
        "available_sequence": available.sequence,
        "held": held.balance,
        "held_sequence": held.sequence,
    }


class _Bulk:
    """Writes many rows at once, in one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database
        url = database.url
        self._sqlite = sqlite3.connect(url.database or "") if database.embedded else None
        self._postgresql = (
            None
            if database.embedded
            else psycopg.connect(url.render_as_string(hide_password=False))
        )

    def __enter__(self) -> Self:
        if self._sqlite is not None:
            self._sqlite.execute("PRAGMA synchronous = OFF")
            self._sqlite.execute("PRAGMA cache_size = -200000")
        return self

    def __exit__(self, *_problem: object) -> None:
        for connection in filter(None, (self._sqlite, self._postgresql)):
            connection.close()

    def put(self, table: str, rows: Sequence[Row]) -> None:
        """Add rows that all have the same columns."""
        if not rows:
            return
        names = list(rows[0])
        values = (tuple(row[name] for name in names) for row in rows)
        columns = ", ".join(names)
        if self._sqlite is not None:
            places = ", ".join("?" * len(names))
            self._sqlite.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", values)  # noqa: S608
            self._sqlite.commit()
            return
        assert self._postgresql is not None
        statement: Any = f"COPY {table} ({columns}) FROM STDIN"
        with self._postgresql.cursor() as cursor, cursor.copy(statement) as sink:
            for row in values:
                sink.write_row(row)
        self._postgresql.commit()

    def finish(self, ledger: _Ledger, pattern: Pattern, count: int) -> None:
        """Write the balances, and let what counts rows know of them."""
        for connection in filter(None, (self._sqlite, self._postgresql)):
            connection.commit()
        with writing(self._database) as connection:
            connection.execute(
                text(
                    "UPDATE account SET balance = :balance, sequence = :sequence, head = :head, "
                    "moved_ms = :moved_ms WHERE account_id = :account_id"
                ),
                [
                    {name: getattr(one, name) for name in _ACCOUNT_VALUES}
                    for one in ledger.all.values()
                ],
            )
            connection.execute(
                text("UPDATE event_lane SET newest = :newest WHERE lane = :lane"),
                {
                    "newest": ledger.next_event - 1 - event_id_of(ledger.lane, 0),
                    "lane": ledger.lane,
                },
            )
            for row in pattern.redemptions:
                connection.execute(
                    text(
                        "UPDATE incentive_usage SET quantity = quantity + :more "
                        "WHERE program_id = :program_id AND incentive_id = :incentive_id "
                        "AND shard = (SELECT min(shard) FROM incentive_usage WHERE "
                        "program_id = :program_id AND incentive_id = :incentive_id)"
                    ),
                    {
                        "more": count * row["quantity"],
                        "program_id": row["program_id"],
                        "incentive_id": row["incentive_id"],
                    },
                )
            if connection.dialect.name == "postgresql":
                connection.execute(
                    text("SELECT setval(pg_get_serial_sequence('transfer', 'transfer_id'), :last)"),
                    {"last": ledger.next_transfer - 1},
                )
            connection.exec_driver_sql("ANALYZE")


_ACCOUNT_VALUES = ("balance", "sequence", "head", "moved_ms", "account_id")
