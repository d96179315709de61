"""
Corrects rows that can be computed from others: balances and counts, never the transfers.

The hashes of an account's chain prove its transfers, and the transfers prove its balance. Where
they do not, for instance after a transfer was deleted, nothing is guessed: a person restores a
backup.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update

from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.events import OPERATOR, Actor, Event, EventKind
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.ledger import ACCOUNTS, OWNED_KINDS
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.records import HoldStatus
from loyalty_service.storage import tables as t
from loyalty_service.storage.alone import require_unopened
from loyalty_service.storage.connections import reading, require_database, writing
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import require_current
from loyalty_service.storage.repositories.event_log import EventLog
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tools.audit import audit_state
from loyalty_service.storage.tools.chains import Chain, Report, no_report, stream, taken_up
from loyalty_service.storage.tools.checkpoints import archived_checkpoint, chains_at
from loyalty_service.storage.tools.copy import lock_all
from loyalty_service.storage.tools.findings import Findings
from loyalty_service.storage.tools.owner_promises import PROMISES, TRANSACTION, suspects
from loyalty_service.storage.tools.term_checks import TERM, put_terms, wrong_terms
from loyalty_service.storage.tools.told_balances import EVENT, told_wrong

_TRANSFER = table_of(t.TransferTable)
_ACCOUNT = table_of(t.AccountTable)
_TRANSACTION = table_of(t.TransactionTable)
_HOLD = table_of(t.HoldTable)
_USAGE = table_of(t.IncentiveUsageTable)
_REDEMPTION = table_of(t.RedemptionTable)
_GRANT = table_of(t.GrantTable)
_REPAIR = table_of(t.RepairTable)
_PROBLEMS_TOLD_MAX = 5

NOT_DERIVED = (
    "What the transfers do not prove, such as a transfer that was deleted or changed, can't be "
    "derived: keep this database and restore the last backup whose audit holds"
)


class RepairError(OperatorError):
    """Raised when a database can't be repaired completely; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Mend:
    """
    A row, and what its columns should be.

    Attributes:
        key: Its key, by column.
        old: What the columns are; none where the row is missing.
        new: What they should be.
        why: What tells so.
    """

    table: str
    key: dict[str, Any]
    old: dict[str, Any]
    new: dict[str, Any]
    why: str

    def __str__(self) -> str:
        """Word it for the person who decides."""
        key = "/".join(str(value) for value in self.key.values())
        changes = ", ".join(
            f"{name} {_shown(self.old.get(name))} -> {_shown(value)}"
            for name, value in self.new.items()
        )
        return f"{self.table} {key}: {changes}, {self.why}"


@dataclass(slots=True)
class Proposal:
    """
    What can be repaired.

    Attributes:
        mends: Rows that can be derived again.
        findings: What the audit finds: before the repair where it is only proposed.
        left: What it would find after the repair; where anything, the repair is refused.
    """

    mends: list[Mend]
    findings: Findings
    left: Findings


def propose(database: Database, report: Report = no_report) -> Proposal:
    """
    Compute what can be computed, and tell what differs and what would be left; change nothing.

    It reads one state of the database, while servers may serve.

    Raises:
        SchemaError: The database has another schema.
        UnreachableError: The database does not answer.
    """
    require_database(database)
    require_current(database)
    with reading(database, drafts=True) as connection:
        mends = list(_mends(connection, report))
        findings = audit_state(connection, report)
        if not mends:
            return Proposal(mends, findings, findings)
        for name in sorted({mend.table for mend in mends}):
            # Its name now means this copy, which nobody else sees and which ends with us.
            connection.exec_driver_sql(f"CREATE TEMPORARY TABLE {name} AS SELECT * FROM {name}")  # noqa: S608 - a name of ours.
        for mend in mends:
            _apply(connection, mend)
        return Proposal(mends, findings, audit_state(connection, report))


def repair(
    database: Database, reason: str, report: Report = no_report, by: Actor = OPERATOR
) -> Proposal:
    """
    Repair what can be computed, and keep the reason; all of it or nothing.

    Raises:
        OpenElsewhereError: A server has the database open.
        RepairError: The audit would not hold afterwards, or there is nothing to repair.
        SchemaError: The database has another schema.
        UnreachableError: The database does not answer.
    """
    require_database(database)
    require_current(database)
    require_unopened(database)
    with writing(database) as connection:
        lock_all(database, connection)
        mends = list(_mends(connection, report))
        if not mends:
            raise RepairError(f"nothing was changed: no row can be derived again. {NOT_DERIVED}")
        for mend in mends:
            _apply(connection, mend)
        now = now_ms()
        changes = [
            {"table": mend.table, "key": mend.key, "old": mend.old, "new": mend.new}
            for mend in mends
        ]
        repair_id = new_id(now)
        connection.execute(
            insert(_REPAIR),
            [
                {
                    "repair_id": repair_id,
                    "repaired_ms": now,
                    "reason": reason,
                    "changes": json.dumps(changes, default=bytes.hex),
                }
            ],
        )
        repaired = Event(EventKind.STORE_REPAIRED, None, subject=repair_id, reason=reason)
        _tell(connection, repaired, by, now)
        findings = audit_state(connection, report)
        if not findings.all_hold:
            raise RepairError(why_refused(findings))
    return Proposal(mends, findings, findings)


def _tell(connection: Connection, event: Event, by: Actor, now: int) -> None:
    """Append an event, by the driver's own cursor as a server would."""
    events = EventLog(bulk=connection.dialect.name == "postgresql", lane=0)
    events.append(event, by, now)
    driver: Any = connection.connection.driver_connection
    events.write(driver.cursor())


def why_refused(left: Findings) -> str:
    """Word why a repair that leaves these bad rows is refused, and what to do instead."""
    return (
        f"{left.problem_count} bad rows would be left, so nothing was changed: "
        f"{'; '.join(map(str, left.problems[:_PROBLEMS_TOLD_MAX]))}. {NOT_DERIVED}"
    )


def _mends(connection: Connection, report: Report) -> Iterator[Mend]:
    chains: defaultdict[int, Chain] = defaultdict(Chain)
    sound = True
    start = archived_checkpoint(connection)
    if start is not None:
        chains.update(chains_at(connection, start))
    after = _TRANSFER.c.transfer_id > (start.transfer_id if start else 0)
    for row in stream(connection, _TRANSFER, Counter(), report, after):
        sound = not taken_up(chains, row) and sound
    if not sound:
        return  # What is derived from transfers that were changed is worth nothing.
    yield from _accounts(connection, chains, report)
    yield from _transactions(connection)
    yield from _holds(connection)
    yield from _counts(connection)
    yield from _grants(connection)
    yield from _terms(connection)


def _accounts(connection: Connection, chains: dict[int, Chain], report: Report) -> Iterator[Mend]:
    """
    Derive the accounts' rows from their chains.

    A row whose last hash is that of its chain has all of its transfers. One with another hash has
    lost a transfer, or was given one, together with a second account, for each transfer has two;
    if it is the only one, then the row itself was changed.
    """
    unproved: list[Mend] = []
    for row in stream(connection, _ACCOUNT, Counter(), report):
        chain = chains.get(row.account_id) or Chain()
        new = {"balance": chain.balance, "sequence": chain.length, "head": chain.head}
        old = {"balance": row.balance, "sequence": row.sequence, "head": row.head}
        if row.kind in OWNED_KINDS:
            new, old = new | {"moved_ms": chain.latest_ms}, old | {"moved_ms": row.moved_ms}
        changed = {name: value for name, value in new.items() if value != old[name]}
        if not changed or not _may_be(row.kind, chain.balance):
            continue
        mend = Mend(
            "account",
            {"account_id": row.account_id},
            {name: old[name] for name in changed},
            changed,
            f"as its {chain.length} transfers make it",
        )
        if "head" in changed:
            unproved.append(mend)
        else:
            yield mend
            for event_id, name, told in told_wrong(connection, row, chain.length, chain.balance):
                key, right = {"event_id": event_id}, {name: chain.balance}
                yield Mend(EVENT.name, key, {name: told}, right, "as the account then had")
    if len(unproved) == 1:
        yield unproved[0]


def _may_be(kind: int, balance: int) -> bool:
    terms = ACCOUNTS.get(kind)  # type: ignore[call-overload]
    return terms is None or terms.least <= balance <= terms.most


def _transactions(connection: Connection) -> Iterator[Mend]:
    """Derive what ended transactions say they earned and burned."""
    for row in suspects(connection, TRANSACTION):
        if row.member_number is None or row.claimed_ms is None:
            continue
        new = {
            "points_earned": int(row.earned),
            "points_redeemed": int(row.redeemed),
            "points_returned": int(row.taken),
        }
        old = {name: getattr(row, name) for name in new}
        changed = {name: value for name, value in new.items() if value != old[name]}
        if changed:
            yield Mend(
                "loyalty_transaction",
                {"transaction_id": row.owner_id},
                {name: old[name] for name in changed},
                changed,
                "as its transfers say",
            )


def _holds(connection: Connection) -> Iterator[Mend]:
    """Derive the points of an owner's open hold, where it has one only."""
    for promises in PROMISES:
        for row in suspects(connection, promises):
            if row.held <= 0 or row.held == row.open_points:
                continue
            found = connection.execute(
                select(_HOLD.c.hold_id, _HOLD.c.points).where(
                    _HOLD.c.owner_kind == int(promises.kind),
                    _HOLD.c.owner_id == row.owner_id,
                    _HOLD.c.status == int(HoldStatus.OPEN),
                )
            ).all()
            if len(found) == 1:
                yield Mend(
                    "hold",
                    {"hold_id": found[0].hold_id},
                    {"points": found[0].points},
                    {"points": int(row.held)},
                    f"as the transfers of {promises.kind.name.lower()} {row.owner_id} hold",
                )


def _counts(connection: Connection) -> Iterator[Mend]:
    """Derive the counts of incentives' uses from the redemptions."""
    redeemed: Counter[tuple[str, str]] = Counter()
    for row in connection.execute(
        select(
            _REDEMPTION.c.program_id,
            _REDEMPTION.c.incentive_id,
            func.sum(_REDEMPTION.c.quantity).label("total"),
        )
        .where(_REDEMPTION.c.voided_ms.is_(None))
        .group_by(_REDEMPTION.c.program_id, _REDEMPTION.c.incentive_id)
    ):
        redeemed[row.program_id, row.incentive_id] = int(row.total)
    shards: defaultdict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for row in connection.execute(select(_USAGE)):
        shards[row.program_id, row.incentive_id][row.shard] = row.quantity
    for place in sorted({*redeemed, *shards}):
        if sum(shards[place].values()) != redeemed[place]:
            yield from _count_again(place, shards[place], redeemed[place])


def _count_again(place: tuple[str, str], shards: dict[int, int], total: int) -> Iterator[Mend]:
    """Put all of a count into its first shard."""
    first = min(shards, default=0)
    for shard in sorted({first, *shards}):
        new = total if shard == first else 0
        if shards.get(shard) != new:
            yield Mend(
                "incentive_usage",
                {"program_id": place[0], "incentive_id": place[1], "shard": shard},
                {"quantity": shards[shard]} if shard in shards else {},
                {"quantity": new},
                f"because {total} redemptions are kept",
            )


def _grants(connection: Connection) -> Iterator[Mend]:
    """Derive how often grants were used from the redemptions that name them."""
    redeemed = (
        select(_REDEMPTION.c.grant_id, func.sum(_REDEMPTION.c.quantity).label("total"))
        .where(_REDEMPTION.c.grant_id.is_not(None), _REDEMPTION.c.voided_ms.is_(None))
        .group_by(_REDEMPTION.c.grant_id)
        .subquery("redeemed")
    )
    total = func.coalesce(redeemed.c.total, 0)
    for grant_id, used, uses in connection.execute(
        select(_GRANT.c.grant_id, _GRANT.c.used, total)
        .join_from(_GRANT, redeemed, redeemed.c.grant_id == _GRANT.c.grant_id, isouter=True)
        .where(_GRANT.c.used != total, _GRANT.c.uses >= total)
        .order_by(_GRANT.c.grant_id)
    ):
        yield Mend(
            "member_grant",
            {"grant_id": grant_id},
            {"used": used},
            {"used": int(uses)},
            f"because redemptions of {int(uses)} uses name it",
        )


def _terms(connection: Connection) -> Iterator[Mend]:
    """Make the words again by which members are found; what they are is told nowhere else."""
    for one in wrong_terms(connection):
        yield Mend(
            TERM.name,
            {"member_number": one.member_number},
            {"terms": one.kept},
            {"terms": one.wanted},
            f"of which {one.lacking} are new, as what is known of the member says",
        )


def _apply(connection: Connection, mend: Mend) -> None:
    if mend.table == TERM.name:
        put_terms(connection, mend.key["member_number"])
        return
    tables = {table.name: table for table in (_ACCOUNT, _TRANSACTION, _HOLD, _USAGE, _GRANT, EVENT)}
    table = tables[mend.table]
    if not mend.old:
        connection.execute(insert(table), [mend.key | mend.new])
        return
    row = and_(*(table.c[name] == value for name, value in mend.key.items()))
    connection.execute(update(table).values(mend.new).where(row))


def _shown(value: object) -> str:
    if value is None:
        return "(none)"
    return value.hex()[:16] if isinstance(value, bytes) else str(value)
