"""
The audit: derives every balance and every chain again from the transfers, trusting no other row.

It reads one state of the store, once, in the order of the transfers, and keeps only one small
record for each account that a transfer touched. What the rows promise one another beside the
ledger is in `audit_checks`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Table, func, select, type_coerce
from sqlalchemy.types import NullType

from loyalty_service.domain.ledger import (
    ACCOUNTS,
    GENESIS,
    OWNED_KINDS,
    Origin,
    Owner,
    facts_of,
    link,
)
from loyalty_service.storage import tables as t
from loyalty_service.storage.connections import reading, require_database
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import require_current
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tools.audit_checks import CHECKS
from loyalty_service.storage.tools.checks import BATCH_ROWS, Problem

PROBLEMS_KEPT_MAX = 20

Report = Callable[[str, int, int], None]
"""Told the name of a stage, how much of it is done, and how much there is."""

_TRANSFER = table_of(t.TransferTable)
_ACCOUNT = table_of(t.AccountTable)
_TRANSACTION = table_of(t.TransactionTable)


def no_report(_stage: str, _done: int, _total: int) -> None:
    """Say nothing."""


@dataclass(slots=True)
class Findings:
    """
    What an audit found.

    Attributes:
        rows: Rows that were read, by table.
        problems: The first bad rows, at most `PROBLEMS_KEPT_MAX`.
        problem_count: All bad rows.
    """

    rows: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0

    @property
    def all_hold(self) -> bool:
        """Whether nothing is wrong."""
        return self.problem_count == 0

    def add(self, problem: Problem) -> None:
        """Keep a bad row, or at least count it."""
        self.problem_count += 1
        if len(self.problems) < PROBLEMS_KEPT_MAX:
            self.problems.append(problem)


def audit(database: Database, report: Report = no_report) -> Findings:
    """
    Audit a store in one state of it; changes nothing and makes nobody wait.

    Raises:
        SchemaError: The database has another schema.
        UnreachableError: The database does not answer.
    """
    require_database(database)
    require_current(database)
    with reading(database) as connection:
        return audit_state(connection, report)


def audit_state(connection: Connection, report: Report = no_report) -> Findings:
    """Audit what an open transaction sees."""
    findings = Findings()
    for problem in _problems(connection, findings.rows, report):
        findings.add(problem)
    return findings


def _problems(connection: Connection, rows: Counter[str], report: Report) -> Iterator[Problem]:
    chains: defaultdict[int, Chain] = defaultdict(Chain)
    for row in stream(connection, _TRANSFER, rows, report):
        try:
            wrong = advance(chains, row)
        except (TypeError, ValueError, AttributeError):
            # SQLite keeps whatever it is given, of whatever type.
            wrong = ["holds a value that is not of its column's type"]
        if wrong:
            yield Problem("transfer", str(row[0]), "; ".join(wrong))
    yield from _account_problems(connection, chains, rows, report)
    rows[_TRANSACTION.name] = _count(connection, _TRANSACTION)
    for done, check in enumerate(CHECKS):
        report("promises", done, len(CHECKS))
        yield from check(connection)
    report("promises", len(CHECKS), len(CHECKS))


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


def _account_problems(
    connection: Connection, chains: dict[int, Chain], rows: Counter[str], report: Report
) -> Iterator[Problem]:
    """Hold the account rows against the chains, which are used up."""
    totals: Counter[str] = Counter()
    for account in stream(connection, _ACCOUNT, rows, report):
        chain = chains.pop(account.account_id, None) or Chain()
        wrong = _account_faults(account, chain)
        if wrong:
            yield Problem("account", str(account.account_id), "; ".join(wrong))
        totals[account.program_id] += account.balance
    for account_id in chains:
        yield Problem("account", str(account_id), "is gone, though transfers name it")
    for program_id, total in totals.items():
        if total:
            yield Problem("program", program_id, f"has accounts that sum to {total} and not to 0")


def _account_faults(account: Any, chain: Chain) -> list[str]:
    wrong = []
    if account.balance != chain.balance:
        wrong.append(f"has {account.balance} points where its transfers make {chain.balance}")
    if account.sequence != chain.length:
        wrong.append(
            f"counts {account.sequence} transfers where its chain ends with number {chain.length}"
        )
    if account.head != chain.head:
        wrong.append("does not have the hash that its chain ends with")
    terms = ACCOUNTS.get(account.kind)
    if terms is not None and terms.least == 0 and chain.below:
        wrong.append(f"is a member's and was below 0 after transfer {chain.below}")
    if terms is not None and terms.most == 0 and chain.above:
        wrong.append(f"is a debt and was above 0 after transfer {chain.above}")
    if account.kind in OWNED_KINDS and chain.back_at > account.untimed:
        wrong.append(f"is a member's, and its times go back at transfer {chain.back}")
    elif account.kind in OWNED_KINDS and account.moved_ms != chain.latest_ms:
        wrong.append(f"moved at {account.moved_ms} where its transfers end at {chain.latest_ms}")
    return wrong


def stream(
    connection: Connection, table: Table, rows: Counter[str], report: Report
) -> Iterator[Any]:
    """Give the rows of a table in the order of their key, without ever having all of them."""
    total = _count(connection, table)
    report(table.name, 0, total)
    # Without its type, a value comes as it is stored, even where it is not of that type.
    plain = (type_coerce(column, NullType()).label(column.name) for column in table.columns)
    ordered = select(*plain).order_by(*table.primary_key)
    with connection.execute(ordered.execution_options(yield_per=BATCH_ROWS)) as streamed:
        for batch in streamed.partitions():
            yield from batch
            rows[table.name] += len(batch)
            report(table.name, rows[table.name], total)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
