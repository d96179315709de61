"""
The audit: derives every balance and every chain again from the transfers, trusting no other row.

It reads one state of the store, once, in the order of the transfers, and keeps only one small
record for each account that a transfer touched. What the rows promise one another beside the
ledger is in `audit_checks`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection

from loyalty_service.domain.ledger import ACCOUNTS, OWNED_KINDS
from loyalty_service.domain.peppers import Peppers
from loyalty_service.storage import tables as t
from loyalty_service.storage.connections import reading, require_database
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import require_current
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tools.audit_checks import CHECKS
from loyalty_service.storage.tools.chains import (
    Chain,
    Report,
    count_rows,
    no_report,
    stream,
    taken_up,
)
from loyalty_service.storage.tools.checkpoints import (
    Checkpoint,
    archived_checkpoint,
    chains_at,
    checkpoint_problems,
    require_checkpoint,
    require_pepper,
)
from loyalty_service.storage.tools.checks import Problem
from loyalty_service.storage.tools.findings import Findings
from loyalty_service.storage.tools.since import CHECKS_OF_ALL, CHECKS_OF_TOUCHED, keep_touched

_TRANSFER = table_of(t.TransferTable)
_ACCOUNT = table_of(t.AccountTable)
_TRANSACTION = table_of(t.TransactionTable)


def audit(
    database: Database,
    report: Report = no_report,
    peppers: Peppers | None = None,
    *,
    since: int | None = None,
) -> Findings:
    """
    Audit a store in one state of it; changes nothing and makes nobody wait.

    Args:
        database: The store.
        report: Told how far it is.
        peppers: What checkpoints are proved with, where they are known here.
        since: Number of the checkpoint from which on transfers, and the orders that were touched,
            are audited. What it leaves out is in `since.py`.

    Raises:
        CheckpointError: There is no such checkpoint, or its pepper is not known here.
        SchemaError: The database has another schema.
        UnreachableError: The database does not answer.
    """
    require_database(database)
    require_current(database)
    with reading(database, drafts=since is not None) as connection:
        if since is None:
            return audit_state(connection, report, peppers)
        checkpoint = require_checkpoint(connection, since)
        require_pepper(checkpoint, peppers)
        return audit_state(connection, report, peppers, checkpoint)


def audit_state(
    connection: Connection,
    report: Report = no_report,
    peppers: Peppers | None = None,
    since: Checkpoint | None = None,
) -> Findings:
    """Audit what an open transaction sees."""
    findings = Findings()
    for problem in _problems(connection, findings.rows, report, peppers, since):
        findings.add(problem)
    return findings


def _problems(
    connection: Connection,
    rows: Counter[str],
    report: Report,
    peppers: Peppers | None,
    since: Checkpoint | None,
) -> Iterator[Problem]:
    start = since or archived_checkpoint(connection)
    chains: defaultdict[int, Chain] = defaultdict(Chain)
    if start is not None:
        yield from checkpoint_problems(connection, start, peppers)
        chains.update(chains_at(connection, start))
    after = _TRANSFER.c.transfer_id > (start.transfer_id if start else 0)
    for row in stream(connection, _TRANSFER, rows, report, *((after,) if start else ())):
        wrong = taken_up(chains, row)
        if wrong:
            yield Problem("transfer", str(row[0]), "; ".join(wrong))
    yield from _account_problems(connection, chains, rows, report)
    checks = CHECKS
    if since is None:
        rows[_TRANSACTION.name] = count_rows(connection, _TRANSACTION)
    else:
        yield from checked(connection, CHECKS_OF_ALL, report)
        rows[_TRANSACTION.name] = keep_touched(connection, since)
        checks = CHECKS_OF_TOUCHED
    yield from checked(connection, checks, report)


def checked(
    connection: Connection,
    checks: Sequence[Callable[[Connection], Iterator[Problem]]],
    report: Report,
) -> Iterator[Problem]:
    """Ask what the rows promise one another."""
    for done, check in enumerate(checks):
        report("promises", done, len(checks))
        yield from check(connection)
    report("promises", len(checks), len(checks))


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
