"""No query walks what a caller can pile up: each goes by an index to what it asks for."""

from __future__ import annotations

import importlib
import pkgutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from loyalty_service.storage import repositories
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import migrate
from loyalty_service.storage.repositories.members import MemberFinders
from loyalty_service.storage.repositories.statements import Statement, Statements, dialect_of

FEW = {"program", "store", "incentive", "api_key", "partner", "catalog_revision", "code_pepper"}
"""Tables that operators fill, which are read whole."""

WAITING = {"code_refusal"}
"""Callers that must wait: as many as there are terminals and keys, for a day."""

PARTS = {"asked", "claimed", "some", "CONSTANT"}
"""Names within a statement, of a few rows."""

OF_OPERATORS = {"CodeCountStatements.forgive_tallies"}
"""What no call runs."""


def _statements() -> Iterator[tuple[str, Statement]]:
    """Give every statement of every repository, as SQLite gets it."""
    by = Statements(dialect_of("sqlite://"))
    for module in pkgutil.iter_modules(repositories.__path__):
        content = vars(importlib.import_module(f"{repositories.__name__}.{module.name}"))
        for name, kind in content.items():
            if not name.endswith("Statements") or name in {"Statements", "KeptStatements"}:
                continue
            if kind.__module__.endswith(module.name):
                for what, value in vars(by.of(kind)).items():
                    yield from _of(f"{name}.{what}", value)


def _of(name: str, value: Any) -> Iterator[tuple[str, Statement]]:
    if isinstance(value, Statement):
        yield name, value
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _of(name, one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from _of(name, one)
    elif isinstance(value, MemberFinders):
        yield from _of(name, vars(value))


def _plan(connection: sqlite3.Connection, statement: Statement) -> list[str]:
    values = [None] * len(statement.names)
    rows = connection.execute(f"EXPLAIN QUERY PLAN {statement.sql}", values)
    return [row[3] for row in rows]


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """An empty database of today's schema."""
    file = tmp_path_factory.mktemp("plans") / "loyalty.db"
    migrate(Database.from_text(f"sqlite:///{file}"))
    with closing(sqlite3.connect(file)) as opened:
        yield opened


def test_no_statement_reads_a_whole_table(connection: sqlite3.Connection) -> None:
    """Whatever grows with calls is searched by an index."""
    whole = []
    for name, statement in _statements():
        if name in OF_OPERATORS or " pg_" in statement.sql:
            continue
        if not statement.sql.startswith(("SELECT", "DELETE")):
            continue
        for step in _plan(connection, statement):
            table = step.removeprefix("SCAN ").split(" ")[0]
            if step.startswith("SCAN ") and table not in FEW | WAITING | PARTS:
                whole.append((name, step))
    assert whole == []


@pytest.mark.parametrize(
    ("statement", "table", "columns"),
    [
        ("KnownOrderStatements.like", "loyalty_transaction", "order_digest=? AND status=?"),
        ("UseStatements.of_member", "redemption", "incentive_id=?"),
        ("HoldStatements.open", "hold", "status=?"),
        ("TransactionStatements.has_paid_order", "loyalty_transaction", "member_number=?"),
    ],
)
def test_what_is_void_is_not_walked(
    connection: sqlite3.Connection, statement: str, table: str, columns: str
) -> None:
    """A key can claim and cancel the same order all day: nobody's call becomes slow by that."""
    found = [one for name, one in _statements() if name == statement]
    assert found
    for one in found:
        steps = [step for step in _plan(connection, one) if step.startswith(f"SEARCH {table} ")]
        assert steps
        for step in steps:
            assert columns in step, step
