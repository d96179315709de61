"""An audit of the ledger that trusts nothing but the rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Engine, create_engine, pool, text

from loyalty_service.domain.ledger import (
    ACCOUNTS,
    GENESIS,
    OWNED_KINDS,
    Cause,
    Origin,
    Owner,
    facts_of,
    link,
)
from loyalty_service.storage.databases import Database


@lru_cache(maxsize=64)
def _engine(database_url: str) -> Engine:
    """Learn once what a database is like; no connection to it stays open."""
    return create_engine(Database.from_text(database_url).sync_url(), poolclass=pool.NullPool)


def rows(database_url: str, statement: str, **values: object) -> list[Any]:
    """Run a query on a connection of its own."""
    with _engine(database_url).connect() as connection:
        return list(connection.execute(text(statement), values))


def execute(database_url: str, statement: str, **values: object) -> None:
    """Run a statement on a connection of its own and commit it."""
    with _engine(database_url).begin() as connection:
        connection.execute(text(statement), values)


def execute_many(database_url: str, statement: str, values: Sequence[Mapping[str, object]]) -> None:
    """Run a statement with each of several values, and commit them together."""
    with _engine(database_url).begin() as connection:
        connection.execute(text(statement), values)


def audit(database_url: str) -> None:
    """Derive every balance and every chain again from the transfers; fail when one differs."""
    with _engine(database_url).connect() as connection:
        transfers, accounts, spending, holds = (
            connection.execute(text(query)).all()
            for query in (_TRANSFERS, _ACCOUNTS, _SPENDING_DEBTORS, _OPEN_HOLDS)
        )
    moves: dict[int, list[Any]] = defaultdict(list)
    for row in transfers:
        moves[row.source_id].append((row.source_sequence, -row.points, row.source_hash, row))
        moves[row.destination_id].append(
            (row.destination_sequence, row.points, row.destination_hash, row)
        )
    total = 0
    for account in accounts:
        own = sorted(moves.pop(account.account_id, []), key=lambda move: move[0])
        assert account.sequence == len(own)
        assert bytes(account.head) == _head(own), f"chain of account {account.account_id}"
        assert account.balance == sum(points for _, points, _, _ in own)
        assert ACCOUNTS[account.kind].least <= account.balance <= ACCOUNTS[account.kind].most
        if account.kind in OWNED_KINDS:
            times = [row.recorded_ms for _, _, _, row in own[account.untimed :]]
            assert times == sorted(times), f"times of account {account.account_id} go back"
        total += account.balance
    assert not moves, "a transfer names an account that does not exist"
    assert total == 0
    assert not spending, "some may spend points and owe some"
    for member in holds:
        assert member.balance == member.open_points, "held points are those of the open holds"


_TRANSFERS = "SELECT * FROM transfer"
_ACCOUNTS = "SELECT * FROM account"
_SPENDING_DEBTORS = """
    SELECT debt.member_number FROM account AS debt JOIN account AS available
      ON available.member_number = debt.member_number AND available.kind = 1
    WHERE debt.kind = 7 AND debt.balance < 0 AND available.balance > 0
"""
_OPEN_HOLDS = """
    SELECT balance,
      (SELECT coalesce(sum(points), 0) FROM hold
       WHERE hold.member_number = account.member_number AND hold.status = 1) AS open_points
    FROM account WHERE kind = 2
"""


def _head(moves: Sequence[Any]) -> bytes:
    head = GENESIS
    for place, (sequence, _points, stored, row) in enumerate(moves, start=1):
        assert sequence == place
        owner = Owner(row.owner_kind, row.transaction_id)
        origin = Origin(Cause(row.cause), owner, row.note, row.effective_ms, row.recorded_ms)
        facts = facts_of(row.source_id, row.destination_id, row.points, origin)
        head = link(head, sequence, facts)
        assert head == bytes(stored), f"hash of transfer {row.transfer_id}"
    return head


def balances(database_url: str, loyalty_id: str) -> tuple[int, int]:
    """Read a member's available and held points from the account rows."""
    found = rows(
        database_url,
        "SELECT kind, balance FROM account JOIN member ON member_number = number "
        "WHERE loyalty_id = :loyalty_id AND kind IN (1, 2) ORDER BY kind",
        loyalty_id=loyalty_id,
    )
    (available, held) = (row.balance for row in found)
    return available, held


def all_balances(database_url: str) -> dict[str, tuple[int, int]]:
    """Read every member's available and held points, in one query."""
    found = rows(
        database_url,
        "SELECT loyalty_id, available.balance AS available, held.balance AS held FROM member "
        "JOIN account AS available ON available.member_number = number AND available.kind = 1 "
        "JOIN account AS held ON held.member_number = number AND held.kind = 2",
    )
    return {row.loyalty_id: (row.available, row.held) for row in found}


def count_rows(database_url: str, table: str) -> int:
    """Count the rows of a table."""
    (found,) = rows(database_url, f"SELECT count(*) AS number FROM {table}")  # noqa: S608
    number: int = found.number
    return number
