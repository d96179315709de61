"""The commands for a store of years: what is pruned, and where audits may begin."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from loyalty_service.cli.running import operator, run, with_store
from loyalty_service.cli.settings import current_database, known_peppers, read_settings
from loyalty_service.cli.terminal import confirm, err, out, progress
from loyalty_service.domain.clock import DAY_MS, now_ms, rfc3339
from loyalty_service.domain.events import Actor, Event, EventKind
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.program import Program
from loyalty_service.domain.windows import longest_window
from loyalty_service.storage.databases import Database
from loyalty_service.storage.peppers import require_known
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools.archive import Archived, archive
from loyalty_service.storage.tools.checkpoints import Checkpoint
from loyalty_service.storage.tools.make_checkpoint import make_checkpoint
from loyalty_service.storage.tools.prune import Cutoffs, Pruned, prune
from loyalty_service.storage.tools.room import Room, room_in
from loyalty_service.transport.shortened import shorten


def prune_command(
    before: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Day (UTC) before which all of it goes; else as the programs' retention says.",
        ),
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would go, and change nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Prune without asking.")] = False,
) -> None:
    """Empty what no rule needs any more, while servers run; the ledger and the keys stay."""
    settings = read_settings()
    database = current_database(settings)
    peppers = known_peppers(settings)
    require_known(database, peppers)
    programs = run(partial(with_store, _programs))
    now = now_ms()
    cutoffs = _by_policy(programs, now) if before is None else _by_day(programs, before, now)
    if cutoffs == Cutoffs():
        raise OperatorError(
            "No program has a `retention`: all is kept. --before DAY prunes without one."
        )
    if not dry_run and not yes:
        confirm("What goes is gone for good, but for backups; --dry-run counts it. Prune?")
    room = room_in(database)
    pruned = prune(database, cutoffs, peppers, shorten, dry_run=dry_run)
    _tell(pruned, dry_run=dry_run)
    if dry_run:
        return
    # Also where nothing was old enough: who watches wants to know that it runs.
    run(partial(with_store, partial(_note, pruned, operator("prune"))))
    _tell_room(database, room, pruned)


def checkpoint_command(
    before: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="Day (UTC) before which its last transfer was; else ten minutes ago.",
        ),
    ] = None,
) -> None:
    """Sum up and sign all accounts at a point of the ledger, from which audits may begin."""
    settings = read_settings()
    database = current_database(settings)
    peppers = known_peppers(settings)
    require_known(database, peppers)
    before_ms = None
    if before is not None:
        before_ms = int(before.replace(tzinfo=UTC).timestamp() * 1000)
    started = time.perf_counter()
    with progress() as report:
        made = make_checkpoint(database, peppers, report, before_ms=before_ms)
    run(partial(with_store, partial(_note_checkpoint, made, operator("checkpoint"))))
    seconds = time.perf_counter() - started
    out.print(
        f"Checkpoint {made.checkpoint_id}: {made.transfers:,} transfers up to number "
        f"{made.transfer_id} of {rfc3339(made.recorded_ms)}, {made.accounts:,} accounts, "
        f"in {seconds:.1f} s."
    )


def archive_command(
    to: Annotated[Path, typer.Option("--to", help="File to write; its folder must exist.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Archive without asking.")] = False,
) -> None:
    """Move the transfers up to the newest checkpoint into a file that audits alone."""
    settings = read_settings()
    database = current_database(settings)
    peppers = known_peppers(settings)
    require_known(database, peppers)
    if not yes:
        confirm(f"The transfers up to the checkpoint will be in {to} alone. Archive them?")
    started = time.perf_counter()
    with progress() as report:
        done = archive(database, to, peppers, report)
    run(partial(with_store, partial(_note_archive, done, operator("archive"))))
    seconds = time.perf_counter() - started
    out.print(
        f"{to}: {done.transfers:,} transfers up to checkpoint {done.checkpoint.checkpoint_id}, "
        f"{_megabytes(done.size)}, in {seconds:.1f} s; its audit holds."
    )
    out.print(
        f"{done.removed:,} transfers left the ledger. No batch held the database for more than "
        f"{done.longest_s * 1000:.0f} ms."
    )
    err.print("Keep the file as long as anybody may ask, as a backup: nothing else has these rows.")


async def _note_archive(done: Archived, by: Actor, store: Store) -> None:
    """Keep who archived, and into which file."""
    detail = json.dumps({"archive": done.checkpoint.archive, "transfers": done.transfers})
    number = str(done.checkpoint.checkpoint_id)
    event = Event(EventKind.LEDGER_ARCHIVED, None, subject=number, detail=detail)
    await store.write(lambda unit, now: unit.append(event, by, now))


async def _note_checkpoint(made: Checkpoint, by: Actor, store: Store) -> None:
    """Keep who summed the ledger up."""
    event = Event(EventKind.LEDGER_SUMMED_UP, None, subject=str(made.checkpoint_id))
    await store.write(lambda unit, now: unit.append(event, by, now))


async def _programs(store: Store) -> Mapping[str, Program]:
    return store.catalog.programs


async def _note(pruned: Pruned, by: Actor, store: Store) -> None:
    """Keep who pruned, and how much."""
    detail = json.dumps({what: rows for what, rows in pruned.rows.items() if rows})
    event = Event(EventKind.STORE_PRUNED, None, detail=detail)
    await store.write(lambda unit, now: unit.append(event, by, now))


def _by_policy(programs: Mapping[str, Program], now: int) -> Cutoffs:
    """Give the times that the programs themselves say."""
    before: dict[str, dict[str, int]] = {}
    for program_id, program in programs.items():
        for name, days in program.retention.ends():
            # A window may be longer than when the retention was applied.
            kept = max(days, longest_window(program).days)
            before.setdefault(name.removesuffix("_days"), {})[program_id] = now - kept * DAY_MS
    return Cutoffs(**before)


def _by_day(programs: Mapping[str, Program], day: datetime, now: int) -> Cutoffs:
    """
    Give one time for everything.

    Raises:
        OperatorError: A program still needs what is as old as that.
    """
    time_ms = int(day.replace(tzinfo=UTC).timestamp() * 1000)
    for program_id, program in programs.items():
        window = longest_window(program)
        latest = now - window.days * DAY_MS
        if time_ms > latest:
            on = datetime.fromtimestamp(latest / 1000, UTC).date()
            raise OperatorError(
                f"--before {day.date()} is too late: {program_id} needs what it keeps for "
                f"{window}. The latest day is {on}. Nothing was changed."
            )
    of_all = dict.fromkeys(programs, time_ms)
    return Cutoffs(orders=of_all, answers=of_all, events=of_all, visits=of_all)


def _tell(pruned: Pruned, *, dry_run: bool) -> None:
    for what, rows in pruned.rows.items():
        told = f"would be {what.rpartition(' ')[2]}" if dry_run else what.rpartition(" ")[2]
        out.print(f"{what.rpartition(' ')[0]}: {rows:,} {told}, {_megabytes(pruned.bytes[what])}")
    if pruned.closed:
        err.print(f"{pruned.closed:,} answers can't be opened by any pepper here, and stay.")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _tell_room(database: Database, before: Room, pruned: Pruned) -> None:
    after = room_in(database)
    out.print(
        f"No batch held the database for more than {pruned.longest_s * 1000:.0f} ms. "
        f"The database has {_megabytes(after.size)}, {_megabytes(after.free)} of it free "
        f"({_megabytes(before.free)} before)."
    )
    err.print(
        "New rows fill what is free: the file does not shrink. `loyalty backup` and, while the "
        "server is stopped, `loyalty restore --replace` make it smaller."
        if database.embedded
        else "Autovacuum makes room of what went, for new rows; VACUUM FULL, while no server runs, "
        "gives it back to the disk."
    )
