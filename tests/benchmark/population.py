"""
Whom the benchmark knows: members, codes and open orders, put into a database in bulk.

Everything is numbered, and names follow from numbers, so that the load client can make requests
without being told whom they are about. The ledger is as the server would have written it, chains
included.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import sql
from sqlalchemy import URL

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.unit import Unit
from loyalty_service.domain.codes import CODE_COUNT, code_digest
from loyalty_service.domain.keys import Role, key_digest
from loyalty_service.domain.ledger import (
    GENESIS,
    NOBODY,
    Account,
    AccountKind,
    Cause,
    Origin,
    Owner,
    OwnerKind,
    Transfer,
    transfer,
)
from loyalty_service.domain.limits import COUNT_MOST, LimitName, Limits
from loyalty_service.domain.member_terms import MemberTerm, terms_of
from loyalty_service.domain.records import Code, CodeStatus, Transaction, TransactionStatus
from loyalty_service.program_file.document import parse_program
from loyalty_service.sandbox.demo_data import PROGRAM_FILE
from loyalty_service.sandbox.fixed_codes import COFFEE, HASH_BROWN, YEAR_MS
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import migrate
from loyalty_service.storage.repositories.ledger import SHARDS
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.store import Store
from loyalty_service.storage.tables import TransferTable
from tests.benchmark.names import NAME, loyalty_id, order_id
from tests.support.doing import apply_program, create_key

PROGRAM_ID = "demo-ca"
KEY = "lk_benchmark_key_of_a_till_and_an_app"
PEPPER = "a pepper of thirty-two bytes....."
STORE_ID = 9999
WELCOME_POINTS = 100_000_000
EARNED_POINTS = 50
SELECTION = json.dumps((("reward", COFFEE, 1), ("offer", HASH_BROWN, 1)), separators=(",", ":"))

_STRIDE = 7_368_787
"""A prime that divides no round number: steps of it visit every member in no order."""


@dataclass(frozen=True, slots=True)
class Population:
    """
    How many there are of each; the first transfer of a member is the welcome.

    Attributes:
        claims: Whether the orders that the other transfers name are there, claimed.
    """

    members: int = 10_000
    transfers_each: int = 1
    codes: int = 0
    orders: int = 0
    claims: bool = False


def spread(number: int, members: int) -> int:
    """Choose a member for a call, another one for each of as many calls as there are members."""
    return number * _STRIDE % members


def code_digits(number: int) -> str:
    """Give the digits of a code; a million numbers give a million codes."""
    return f"{number * _STRIDE % CODE_COUNT:06d}"


async def populate(url: str, population: Population) -> None:
    """Fill an empty database."""
    database = Database.from_text(url)
    migrate(database)
    async with Store(database, PEPPER.encode()) as store:
        await store.write(_describe)
    bulk: Bulk
    if database.embedded:
        bulk = _SqliteBulk(Path(database.url.database or ""))
    else:
        bulk = _PostgresBulk(database.url)
    _fill(bulk, population)
    bulk.close()


def _describe(unit: Unit, now_ms: int) -> None:
    program = parse_program(PROGRAM_FILE.read_text(encoding="utf-8"), PROGRAM_FILE.name)
    # What is measured is the server, with one key for all callers, which makes a year's calls.
    limits = {
        LimitName.CALLS_PER_KEY_SECOND: 1_000_000,
        LimitName.ROWS_PER_KEY_DAY: COUNT_MOST,
        LimitName.BYTES_PER_KEY_DAY: COUNT_MOST,
    }
    program = replace(program, limits=Limits.of(limits))
    apply_program(unit, ApplyProgram(program), now_ms)
    if key_digest(KEY) not in unit.catalog.keys:
        create_key(unit, CreateKey(PROGRAM_ID, "benchmark", Role.ADMIN, secret=KEY), now_ms)


class Bulk(Protocol):
    """Writes many rows at once."""

    def program_accounts(self) -> list[tuple[int, int, int]]:
        """Give number, kind and shard of the program's accounts."""

    def write(self, table: str, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Add rows to a table."""

    def set_accounts(self, accounts: Iterable[Account]) -> None:
        """Write the balances and heads of accounts."""

    def close(self) -> None:
        """Make it durable."""


def _fill(bulk: Bulk, population: Population) -> None:
    now = time.time_ns() // 1_000_000
    ours = {
        (kind, shard): Account(number, AccountKind(kind), 0, 0, GENESIS)
        for number, kind, shard in bulk.program_accounts()
    }
    first = max(account.account_id for account in ours.values()) + 1
    theirs = [
        Account(first + 2 * member, AccountKind.AVAILABLE, 0, 0, GENESIS)
        for member in range(population.members)
    ]
    names = [loyalty_id(member) for member in range(population.members)]
    bulk.write(
        "member",
        ("number", "program_id", "loyalty_id", "name", "created_ms"),
        ((place + 1, PROGRAM_ID, name, NAME, now) for place, name in enumerate(names)),
    )
    bulk.write(
        "member_term",
        [field.name for field in fields(MemberTerm)],
        (
            (place + 1, int(kind), term, PROGRAM_ID)
            for place in range(len(names))
            for kind, term in terms_of(NAME, None, None, None)
        ),
    )
    bulk.write("account", _ACCOUNT_COLUMNS, _new_accounts(theirs))
    bulk.write(
        "transfer",
        [table_of(TransferTable).c[field.name].name for field in fields(Transfer)],
        (_values(moved) for moved in _history(ours, theirs, population.transfers_each, now)),
    )
    bulk.set_accounts(ours.values())
    bulk.set_accounts(theirs)
    bulk.write(
        "loyalty_transaction", [field.name for field in fields(Transaction)], _orders(population)
    )
    if population.claims:
        bulk.write(
            "loyalty_transaction",
            [field.name for field in fields(Transaction)],
            _claims(population),
        )
    bulk.write("code", [field.name for field in fields(Code)], _codes(population, names))


_ACCOUNT_COLUMNS = (
    "account_id",
    "program_id",
    "member_number",
    "kind",
    "shard",
    "balance",
    "sequence",
    "head",
)


def _new_accounts(theirs: list[Account]) -> Iterator[tuple[Any, ...]]:
    for member, account in enumerate(theirs):
        for kind in (AccountKind.AVAILABLE, AccountKind.HELD):
            number = account.account_id + (kind is AccountKind.HELD)
            yield number, PROGRAM_ID, member + 1, int(kind), 0, 0, 0, GENESIS


def _history(
    ours: dict[tuple[int, int], Account], theirs: list[Account], transfers_each: int, now: int
) -> Iterator[Transfer]:
    """Welcome everybody, then let everybody earn in turn, so that histories lie scattered."""
    for turn in range(transfers_each):
        at = now - (transfers_each - turn) * 60_000
        kind = AccountKind.ISSUED if turn else AccountKind.ADJUSTED
        for member, account in enumerate(theirs):
            source = ours[int(kind), (member + 1) % SHARDS]
            if turn:
                earned = Owner(OwnerKind.TRANSACTION, order_id(turn * len(theirs) + member))
                yield transfer(
                    source, account, EARNED_POINTS, Origin(Cause.EARN, earned, "", at, at)
                )
            else:
                origin = Origin(Cause.ADJUST, NOBODY, "welcome", at, at)
                yield transfer(source, account, WELCOME_POINTS, origin)


def _orders(population: Population) -> Iterator[tuple[Any, ...]]:
    now = time.time_ns() // 1_000_000
    for number in range(population.orders):
        yield _values(_order(number, population, now))


def _claims(population: Population) -> Iterator[tuple[Any, ...]]:
    """Give the orders that the history names."""
    now = time.time_ns() // 1_000_000
    for number in range(population.members, population.members * population.transfers_each):
        yield _values(
            replace(
                _order(number, population, now),
                status=TransactionStatus.CLAIMED,
                points_earned=EARNED_POINTS,
                claimed_ms=now,
            )
        )


def _order(number: int, population: Population, now: int) -> Transaction:
    return Transaction(
        transaction_id=order_id(number),
        program_id=PROGRAM_ID,
        member_number=number % population.members + 1,
        status=TransactionStatus.PENDING,
        store_id=STORE_ID,
        pos_transaction_id=f"open-{number}",
        pos_type="Partner",
        supporting_pos=None,
        terminal="0",
        operator="300",
        partner="benchmark",
        created_ms=now,
        updated_ms=now,
        expires_ms=now + YEAR_MS,
    )


def _codes(population: Population, names: list[str]) -> Iterator[tuple[Any, ...]]:
    now = time.time_ns() // 1_000_000
    pepper = PEPPER.encode()
    for number in range(population.codes):
        member = number % population.members
        yield _values(
            Code(
                program_id=PROGRAM_ID,
                digest=code_digest(pepper, PROGRAM_ID, code_digits(number)),
                member_number=member + 1,
                loyalty_id=names[member],
                status=CodeStatus.PENDING,
                selection=SELECTION,
                # One that outlives its lifetime would pass for a sandbox's, and be refused.
                lifetime_s=YEAR_MS // 1000,
                user_datetime=None,
                created_ms=now,
                updated_ms=now,
                # A code of five minutes would be dead before its turn.
                expires_ms=now + YEAR_MS,
            )
        )


def _values(record: Any) -> tuple[Any, ...]:
    return tuple(
        int(value) if isinstance(value, int) else value
        for value in (getattr(record, name) for name in record.__slots__)
    )


class _SqliteBulk:
    """Writes without indexes and journal, which a file that is being made does not need."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA cache_size = -262144")
        self._indexes = self._connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in self._indexes:
            self._connection.execute(f"DROP INDEX {name}")
        self._connection.execute("BEGIN")

    def program_accounts(self) -> list[tuple[int, int, int]]:
        return self._connection.execute("SELECT account_id, kind, shard FROM account").fetchall()

    def write(self, table: str, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> None:
        names = list(columns)
        places = ", ".join("?" * len(names))
        statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places})"  # noqa: S608
        self._connection.executemany(statement, rows)

    def set_accounts(self, accounts: Iterable[Account]) -> None:
        self._connection.executemany(
            "UPDATE account SET balance = ?, sequence = ?, head = ?, moved_ms = ? "
            "WHERE account_id = ?",
            ((a.balance, a.sequence, a.head, a.moved_ms, a.account_id) for a in accounts),
        )

    def close(self) -> None:
        self._connection.execute("COMMIT")
        for _, statement in self._indexes:
            self._connection.execute(statement)
        self._connection.execute("ANALYZE")
        self._connection.close()


class _PostgresBulk:
    """Writes by COPY."""

    def __init__(self, url: URL) -> None:
        self._connection = psycopg.connect(url.render_as_string(hide_password=False))

    def program_accounts(self) -> list[tuple[int, int, int]]:
        return self._connection.execute("SELECT account_id, kind, shard FROM account").fetchall()

    def write(self, table: str, columns: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> None:
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with self._connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)

    def set_accounts(self, accounts: Iterable[Account]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE account SET balance = %s, sequence = %s, head = %s, moved_ms = %s "
                "WHERE account_id = %s",
                [(a.balance, a.sequence, a.head, a.moved_ms, a.account_id) for a in accounts],
            )

    def close(self) -> None:
        for table, column in (
            ("member", "number"),
            ("account", "account_id"),
            ("transfer", "transfer_id"),
        ):
            self._connection.execute(
                sql.SQL("SELECT setval(pg_get_serial_sequence({}, {}), max({})) FROM {}").format(
                    sql.Literal(table),
                    sql.Literal(column),
                    sql.Identifier(column),
                    sql.Identifier(table),
                )
            )
        self._connection.commit()
        self._connection.autocommit = True
        self._connection.execute("VACUUM ANALYZE")
        self._connection.execute("CHECKPOINT")
        self._connection.close()
