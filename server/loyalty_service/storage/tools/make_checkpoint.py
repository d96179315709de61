"""Makes a checkpoint: goes on from the last one, and proves the transfers since then on its way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, text

from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.peppers import Peppers, check_of
from loyalty_service.storage import tables as t
from loyalty_service.storage.connections import reading, require_database
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import require_current
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tools.batches import Gentle, gently
from loyalty_service.storage.tools.chains import Chain, Report, no_report, stream, taken_up
from loyalty_service.storage.tools.checkpoints import (
    CHECKPOINT,
    CHECKPOINT_ACCOUNT,
    Checkpoint,
    CheckpointError,
    archived_checkpoint,
    chains_at,
    checkpoint_problems,
    checkpoints,
    sign,
    state_of,
    usable_checkpoints,
)

SETTLED_MS = 600_000
"""Age of the last transfer of a checkpoint: no commit of before it can still be under way."""

KEPT = 2
"""Checkpoints whose accounts are kept, beside the one that the archives end with."""

_TRANSFER = table_of(t.TransferTable)


def make_checkpoint(
    database: Database,
    peppers: Peppers,
    report: Report = no_report,
    *,
    before_ms: int | None = None,
) -> Checkpoint:
    """
    Sum up all accounts as the last transfer of before a time leaves them, and sign the sum.

    Every hash since the checkpoint before is computed again. Servers may run: what is younger than
    `SETTLED_MS` waits for the next one. The newest transfer
    of all is never in it, so that others are numbered after it whatever becomes of those in it.

    Raises:
        CheckpointError: A transfer is not right, the checkpoint before is not what was signed, or
            nothing is old enough.
        SchemaError: The database has another schema.
        UnreachableError: The database does not answer.
    """
    require_database(database)
    require_current(database)
    now = now_ms()
    settled_ms = now - SETTLED_MS
    until_ms = settled_ms if before_ms is None else min(before_ms, settled_ms)
    with reading(database) as connection:
        made, chains = _sum_up(connection, peppers, report, until_ms, now)
    with gently(database) as gentle:
        _remove_unfinished(gentle)
        states = [state_of(account_id, chains[account_id]) for account_id in sorted(chains)]
        _keep_accounts(gentle, made.checkpoint_id, states)
        gentle.write(partial(_keep, made=made))
        _remove_old(gentle)
    return made


def _sum_up(
    connection: Connection, peppers: Peppers, report: Report, until_ms: int, now: int
) -> tuple[Checkpoint, dict[int, Chain]]:
    known = checkpoints(connection)
    usable = usable_checkpoints(connection)
    before = usable[-1] if usable else None
    last = _last_transfer(connection, until_ms)
    if last is None or (before is not None and last.transfer_id <= before.transfer_id):
        raise CheckpointError("no transfer since the last checkpoint is old enough to sum up")
    chains: defaultdict[int, Chain] = defaultdict(Chain)
    counted = begin = 0
    if before is not None:
        for problem in checkpoint_problems(connection, before, peppers):
            raise CheckpointError(f"{problem}. Nothing was changed")
        chains.update(chains_at(connection, before))
        counted, begin = before.transfers, before.transfer_id
    since = _TRANSFER.c.transfer_id > begin, _TRANSFER.c.transfer_id <= last.transfer_id
    for row in stream(connection, _TRANSFER, Counter(), report, *since):
        if wrong := taken_up(chains, row):
            raise CheckpointError(
                f"transfer {row[0]} {'; '.join(wrong)}. Nothing was changed: run `loyalty audit`"
            )
        counted += 1
    number = (known[-1].checkpoint_id if known else 0) + 1
    states = (state_of(account_id, chains[account_id]) for account_id in sorted(chains))
    digest, accounts = sign(peppers.current, number, last.transfer_id, counted, states)
    made = Checkpoint(
        checkpoint_id=number,
        made_ms=now,
        transfer_id=last.transfer_id,
        recorded_ms=last.recorded_ms,
        transfers=counted,
        accounts=accounts,
        check_value=check_of(peppers.current),
        digest=digest,
    )
    return made, chains


def _last_transfer(connection: Connection, until_ms: int) -> Any:
    newest = select(func.max(_TRANSFER.c.transfer_id)).scalar_subquery()
    return connection.execute(
        select(_TRANSFER.c.transfer_id, _TRANSFER.c.recorded_ms)
        .where(_TRANSFER.c.recorded_ms < until_ms, _TRANSFER.c.transfer_id < newest)
        .order_by(_TRANSFER.c.transfer_id.desc())
        .limit(1)
    ).first()


def _keep(connection: Connection, made: Checkpoint) -> None:
    values = {column.name: getattr(made, column.name) for column in CHECKPOINT.columns}
    connection.execute(insert(CHECKPOINT), [values])


def _keep_accounts(gentle: Gentle, number: int, states: Sequence[Iterable[Any]]) -> None:
    names = [column.name for column in CHECKPOINT_ACCOUNT.columns]
    place = 0
    while place < len(states):
        some = states[place : place + gentle.pace.rows]
        rows = [dict(zip(names, (number, *state), strict=True)) for state in some]
        gentle.write(partial(_insert, rows=rows))
        place += len(some)


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.execute(insert(CHECKPOINT_ACCOUNT), rows)


def _remove_unfinished(gentle: Gentle) -> None:
    """Remove the accounts of a checkpoint that was not made to its end."""
    numbers = {one.checkpoint_id for one in gentle.read(checkpoints)}
    for number in gentle.read(_summed) - numbers:
        _remove_accounts(gentle, number)


def _summed(connection: Connection) -> set[int]:
    return set(connection.execute(select(CHECKPOINT_ACCOUNT.c.checkpoint_id).distinct()).scalars())


def _remove_old(gentle: Gentle) -> None:
    """Remove checkpoints but the newest, and those that tell of an archive; keep its accounts."""
    archived = gentle.read(archived_checkpoint)
    kept = {one.checkpoint_id for one in gentle.read(checkpoints)[-KEPT:]}
    if archived is not None:
        kept.add(archived.checkpoint_id)
    for one in gentle.read(checkpoints):
        if one.checkpoint_id not in kept:
            if one.archived_ms is None:
                gentle.write(partial(_forget, number=one.checkpoint_id))
            _remove_accounts(gentle, one.checkpoint_id)


def _forget(connection: Connection, number: int) -> None:
    connection.execute(delete(CHECKPOINT).where(CHECKPOINT.c.checkpoint_id == number))


def _remove_accounts(gentle: Gentle, number: int) -> None:
    while gentle.write(partial(_remove_some, number=number, rows=gentle.pace.rows)):
        pass


_REMOVE = text(
    """
    DELETE FROM checkpoint_account WHERE checkpoint_id = :number AND account_id IN (
      SELECT account_id FROM checkpoint_account WHERE checkpoint_id = :number
      ORDER BY account_id LIMIT :rows
    )
    """
)


def _remove_some(connection: Connection, number: int, rows: int) -> int:
    return int(connection.execute(_REMOVE, {"number": number, "rows": rows}).rowcount)
