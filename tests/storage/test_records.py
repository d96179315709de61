"""What a unit of work keeps: records of known classes, in columns of any name, locked in order."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, is_dataclass
from typing import Any, get_args

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Text
from sqlalchemy.schema import CreateTable
from sqlmodel import SQLModel

from loyalty_service.application.unit import Record, Unit
from loyalty_service.domain import records
from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.program import Catalog
from loyalty_service.domain.records import KnownOrder, Member
from loyalty_service.storage import peppers, presence, tables
from loyalty_service.storage.databases import Database
from loyalty_service.storage.lock_order import COVERED, Rank
from loyalty_service.storage.repositories import (
    catalogue,
    code_count_statements,
    event_log,
    key_uses,
    ledger,
    limit_counts,
    members,
    merges,
)
from loyalty_service.storage.repositories.records import (
    Basis,
    LockOrder,
    LockOrderError,
    Records,
    UnknownRecordError,
)
from loyalty_service.storage.repositories.seal import Seal
from loyalty_service.storage.repositories.statements import Kept, Statement, Statements, dialect_of
from loyalty_service.storage.repositories.unit_of_work import UnitOfWork
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools import archive, make_checkpoint, prune_events, repair
from tests.support.postgres import Postgres
from tests.support.programs import PROGRAM_ID, enroll, issue, put_program
from tests.support.stores import PEPPER, demo_store
from tests.support.transactions import COFFEE


@dataclass
class Odd:
    """A record whose columns are named as parameters are."""

    id: int
    key_id: str
    new_id: str
    new_key_id: str
    all_key_id: str
    values: str | None = None


class OddTable:
    """Its table, which is not part of the schema."""

    __table__ = Table(
        "odd",
        MetaData(),
        Column("id", BigInteger, primary_key=True),
        Column("key_id", Text, primary_key=True),
        Column("new_id", Text),
        Column("new_key_id", Text),
        Column("all_key_id", Text),
        Column("values", Text),
    )


class Odds(Records):
    """The odd records of a unit."""

    KEPT = (Kept(Odd, OddTable, ("id", "key_id"), Rank.SESSIONS),)  # type: ignore[arg-type]

    def odd(self, number: int, key_id: str) -> Odd | None:
        """Find one."""
        return self._record(Odd, (number, key_id))


@pytest.fixture
def connection(database_url: str) -> Iterator[Any]:
    """A writer's connection to a database that has the odd table."""
    database = Database.from_text(database_url)
    with closing(database.connect_writer()) as connection:
        dialect = dialect_of(database.url.drivername)
        connection.execute(str(CreateTable(OddTable.__table__).compile(dialect=dialect)))
        yield connection


def _odds(database_url: str, connection: Any) -> Odds:
    statements = Statements(dialect_of(Database.from_text(database_url).url.drivername))
    return Odds(Basis(connection, statements, Catalog(0), Peppers(PEPPER), Seal(PEPPER), 0))


def test_column_may_have_any_name(database_url: str, connection: Any) -> None:
    """Values come back in their own columns, whatever parameters are called."""
    unit = _odds(database_url, connection)
    rows = [Odd(n, "key", f"new id {n}", "new key", "all", None) for n in range(2)]
    for row in rows:
        unit.add(row)
    unit.flush()
    later = _odds(database_url, connection)
    found = later.odd(1, "key")
    assert found == rows[1]
    assert found is not None
    later.change(found, new_id="changed", new_key_id="changed too", values="some")
    later.flush()
    last = _odds(database_url, connection)
    assert last.odd(1, "key") == Odd(1, "key", "changed", "changed too", "all", "some")
    assert last.odd(0, "key") == rows[0]


@pytest.mark.any_database
async def test_record_of_unknown_class_is_refused(database_url: str) -> None:
    """What no repository keeps is refused by name when it is added or changed, and not lost."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store)

        def rename(unit: Unit, _now_ms: int) -> None:
            unit.change(unit.member(PROGRAM_ID, loyalty_id), name="Another")  # type: ignore[arg-type]

        def add(unit: Unit, _now_ms: int) -> None:
            unit.add(Odd(1, "", "", "", ""))  # type: ignore[arg-type]

        with pytest.raises(UnknownRecordError, match="keeps a Member"):
            await store.write(rename)
        with pytest.raises(UnknownRecordError, match="keeps a Odd"):
            await store.write(add)


async def test_statements_are_built_before_the_first_call(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No call waits until its statements are compiled: all are before a server answers."""
    monkeypatch.setattr("loyalty_service.storage.store.Statements", Statements)
    async with Store(Database.from_text(database_url), PEPPER, serves=True) as store:
        await put_program(store)

        def compile_late(_by: Statements, clause: Any) -> Statement:
            raise AssertionError(f"compiled late: {clause}")

        monkeypatch.setattr(Statements, "compile", compile_late)
        loyalty_id = await enroll(store, 5000)
        assert await issue(store, loyalty_id, COFFEE)


async def test_lock_against_the_order_fails_by_name(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A unit that locks a member after a session is told so, where rows are locked at all."""
    monkeypatch.setattr(LockOrder, "enforced", True)
    url = postgres.new_database()
    async with demo_store(url) as store:
        loyalty_id = await enroll(store)

        def lock(unit: Unit, _now_ms: int) -> None:
            unit.session(PROGRAM_ID, "visit")
            unit.member(PROGRAM_ID, loyalty_id)

        with pytest.raises(LockOrderError, match="MEMBERS are locked after SESSIONS"):
            await store.write(lock)
    postgres.drop(url)


@pytest.mark.parametrize("rank", COVERED)
def test_rows_of_a_locked_row_may_be_locked_at_any_time(rank: Rank) -> None:
    """What belongs to a row that is locked first is nobody else's, and has its rank after it."""
    assert COVERED[rank] < rank
    order = LockOrder()
    order.take(Rank.LEDGER)
    order.take(rank)


def test_ranks_of_repositories_are_their_order(database_url: str) -> None:
    """Every class of record has a rank of its own, by which it is written and locked."""
    statements = Statements(dialect_of(Database.from_text(database_url).url.drivername))
    ranks = [kept.kept.rank for kept in UnitOfWork.describe_kept(statements).values()]
    assert ranks == sorted(set(ranks))


BESIDES = {
    "account": ledger,
    "transfer": ledger,
    "member": members,
    "code_tally": code_count_statements,
    "code_month": code_count_statements,
    "code_regular": code_count_statements,
    "code_refusal": code_count_statements,
    "wrong_code": code_count_statements,
    "limit_tally": limit_counts,
    "catalog_revision": catalogue,
    "program": catalogue,
    "program_version": catalogue,
    "store": catalogue,
    "incentive": catalogue,
    "api_key": catalogue,
    "key_use": key_uses,
    "event": event_log,
    "event_lane": event_log,
    "code_pepper": peppers,
    "server": presence,
    "repair": repair,
    "event_pruned": prune_events,
    "checkpoint": make_checkpoint,
    "checkpoint_account": make_checkpoint,
    "archived_owner": archive,
    "merged_owner": merges,
}
"""Tables whose rows are no records that a unit adds, and the module that writes each."""


def test_each_table_is_written_by_one_module() -> None:
    """A new table is kept by one repository, or is named here with what writes it besides."""
    kept = [one.table.name for one in _kept()]
    assert sorted([*kept, *BESIDES]) == sorted(SQLModel.metadata.tables)
    for name, module in BESIDES.items():
        model = next(one for one in _models() if one.__tablename__ == name).__name__
        source = inspect.getsource(module)
        written = (model, f"INTO {name} ", f"insert({name.upper()})")
        assert any(words in source for words in written), name


def test_each_record_is_kept_by_a_repository() -> None:
    """What a use case may add or change is what repositories keep; a new record has a place."""
    kept = {one.record for one in _kept()}
    assert set(get_args(Record)) == kept
    described = {
        one
        for one in vars(records).values()
        if is_dataclass(one) and isinstance(one, type) and one.__module__ == records.__name__
    }
    # A member is kept with its accounts, by `add_member`; what is known of an order is only read.
    assert described - kept == {Member, KnownOrder}


def _kept() -> list[Kept]:
    return [one for part in UnitOfWork.__mro__ for one in vars(part).get("KEPT", ())]


def _models() -> list[Any]:
    return [one for one in vars(tables).values() if hasattr(one, "__tablename__")]
