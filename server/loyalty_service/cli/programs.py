"""The command that applies a program file."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from loyalty_service.application.operators.apply_program import (
    ApplyProgram,
    apply_program,
    require_few_removals,
    require_same_currency,
)
from loyalty_service.application.perform import Run, perform
from loyalty_service.bootstrap import database_of, open_store
from loyalty_service.cli.running import operator, run, with_store
from loyalty_service.cli.settings import read_settings
from loyalty_service.cli.terminal import confirm, out, shown
from loyalty_service.cli.texts import text_or_empty
from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.expiry import day_of
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.program import Program
from loyalty_service.domain.tier_expiry import moves_days
from loyalty_service.program_file.changes import Change, ProgramChangeError, program_changes
from loyalty_service.program_file.document import parse_program, program_file_error
from loyalty_service.program_file.removals import parts_of
from loyalty_service.storage.databases import is_absent
from loyalty_service.storage.store import Store


def apply_command(
    file: Annotated[Path, typer.Argument(help="Program file; see docs/program-file.md.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Apply without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what changes.")] = False,
    change_expiry: Annotated[
        bool,
        typer.Option(
            "--change-expiry",
            help="With --yes: change when members' points go, as --dry-run has shown it.",
        ),
    ] = False,
    allow_removals: Annotated[
        bool,
        typer.Option(
            "--allow-removals",
            help="Remove more than a tenth of the stores, or retire as many incentives.",
        ),
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for the events.", callback=text_or_empty)] = "",
) -> None:
    """Check a program file, show what it would change, and apply it in one transaction."""
    text = _read(file)
    program = parse_program(text, file.name)
    wanted = ApplyProgram(program, reason=reason, allow_removals=allow_removals)
    try:
        run(partial(_apply, wanted, yes=yes, dry_run=dry_run, change_expiry=change_expiry))
    except ProgramChangeError as problem:
        raise program_file_error(text, file.name, problem.refusals) from None


async def _apply(wanted: ApplyProgram, *, yes: bool, dry_run: bool, change_expiry: bool) -> None:
    program = wanted.program

    async def apply(store: Store) -> None:
        known = store.catalog.programs.get(program.program_id)
        changes = program_changes(known, program)
        await store.write(partial(require_same_currency, program=program))
        await _show_counts(store, known, program)
        _show(program, changes)
        await _show_held(store, known, program)
        goes = await _show_expiry(store, known, program)
        if not changes or dry_run:
            return
        if not wanted.allow_removals:
            require_few_removals(known, program)
        if goes and yes and not change_expiry:
            raise OperatorError(
                "This changes when points go that members have, as shown. Nothing was changed: "
                "--change-expiry besides --yes applies it."
            )
        if not yes:
            confirm("Apply?")
        command = replace(wanted, expected=changes)
        work = Run(apply_program, command, by=operator("apply"))
        await store.write(partial(perform, run=work))
        out.print(f"Applied to {program.program_id}.")

    if not dry_run:
        # The first program of a new store is what it begins with.
        async with open_store(read_settings()) as store:
            await store.compare_clock()
            await apply(store)
    elif is_absent(database_of(read_settings())):
        _show(program, program_changes(None, program))
    else:
        await with_store(apply)


async def _show_counts(store: Store, known: Program | None, program: Program) -> None:
    """Tell first how large the program is, and how much of it comes and goes."""
    told = [
        f"{len(part.after):,} {part.name} ({part.added:,} added, {part.gone:,} {part.word})"
        for part in parts_of(known, program)
    ]
    if known is not None:
        async with store.read() as reader:
            members, orders = await reader.members_and_orders(program.program_id)
        told += [f"{members:,} members", f"{orders:,} open orders"]
    out.print(f"{program.program_id}: {', '.join(told)}.")


async def _show_held(store: Store, known: Program | None, program: Program) -> None:
    """Tell who has what is removed: open orders can still be paid, grants and tiers are lost."""
    if known is None:
        return
    stores = known.stores.keys() - program.stores.keys()
    tiers = known.tiers.keys() - program.tiers.keys()
    incentives = {
        name for name in known.granted if known.can_be_given(name) and not _offers(program, name)
    }
    today = day_of(store.clock.believed_ms(now_ms()), program.time_zone)
    async with store.read() as reader:
        orders = await reader.open_orders_at(program.program_id, stores) if stores else {}
        given = (
            await reader.members_given(program.program_id, incentives, today) if incentives else {}
        )
        held = await reader.members_in(program.program_id, tiers, today) if tiers else {}
    for store_id, count in sorted(orders.items()):
        what = "1 order is" if count == 1 else f"{count:,} orders are"
        out.print(f"{what} open at store {store_id}: their claims are still taken, and flagged.")
    for incentive_id, count in sorted(given.items()):
        what = f"a grant of incentive {shown(incentive_id)}, which is retired"
        out.print(f"{_members(count)} {what}: only open orders that have it can use it.")
    for tier_id, count in sorted(held.items()):
        out.print(f"{_members(count)} tier {tier_id}, which is removed: they have it no more.")


def _offers(program: Program, incentive_id: str) -> bool:
    incentive = program.incentives.get(incentive_id)
    return incentive is not None and not incentive.retired


def _members(count: int) -> str:
    return "1 member has" if count == 1 else f"{count:,} members have"


async def _show_expiry(store: Store, known: Program | None, program: Program) -> bool:
    """Tell which points go when, by month, where new terms say so; tells whether any do."""
    if known is None:
        return False
    terms = program.expiry.follows(known.expiry)
    if known.expiry == terms and not moves_days(known, replace(program, expiry=terms)):
        return False
    async with store.read() as reader:
        months = await reader.would_go(known, program, store.clock.believed_ms(now_ms()))
    if not program.expiry.ages:
        out.print("Points go no more.")
        return known.expiry.ages
    out.print("Points that members have go by month, if nobody does anything:")
    for month in months:
        members = "1 member" if month.members == 1 else f"{month.members:,} members"
        out.print(f"    {month.month}: {month.points:,} points of {members}")
    if not months:
        out.print("    none")
    return bool(months)


def _show(program: Program, changes: tuple[Change, ...]) -> None:
    if not changes:
        out.print(f"{program.program_id} is as the file says: nothing to do.")
    signs = {"add": ("+", "green"), "change": ("~", "yellow")}
    for change in changes:
        sign, color = signs.get(change.kind, ("-", "red"))
        what = (f"{sign} {change.kind} {change.subject}", color)
        out.print(Text.assemble(what, f" {shown(change.name)}"))
        if change.kind == "change":
            for field in change.fields:
                out.print(f"    {field.field}: {field.old or '(none)'} -> {field.new or '(none)'}")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise OperatorError(f"{file}: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise OperatorError(f"{file}: must be UTF-8 text.") from None
