"""The commands that report about money: for whoever does the books, and for who looks for fraud."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import date, timedelta
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.table import Table

from loyalty_service.application.operators.create_key import ProgramUnknownError
from loyalty_service.cli.csv_files import print_row
from loyalty_service.cli.promo_codes import day_from
from loyalty_service.cli.running import run, with_store
from loyalty_service.cli.terminal import err, out, print_table
from loyalty_service.domain.clock import now_ms, rfc3339
from loyalty_service.domain.expiry import day_of
from loyalty_service.domain.program import Program
from loyalty_service.domain.reports import (
    Finding,
    Liability,
    Period,
    PointsRow,
    Thresholds,
    begins_ms,
    points_rows,
)
from loyalty_service.storage.store import Store

FRAUD_DAYS = 7
USUAL = Thresholds()

report = typer.Typer(help="Reports about points as money, and about fraud.", no_args_is_help=True)


class Format(StrEnum):
    """How a report is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


ProgramId = Annotated[str, typer.Argument(help="Program, for instance demo-ca.")]
As = Annotated[Format, typer.Option("--format", help="How it is printed.")]
First = Annotated[str | None, typer.Option("--from", help="First day, as 2026-12-01.")]
Last = Annotated[str | None, typer.Option("--until", help="Last day; today if absent.")]


@report.command("liability")
def liability_command(
    program_ids: Annotated[
        list[str] | None, typer.Argument(help="Programs; all if none is named.")
    ] = None,
    *,
    form: As = Format.TABLE,
    ages: Annotated[
        bool, typer.Option("--ages/--no-ages", help="Tell when points came: reads all transfers.")
    ] = True,
) -> None:
    """Tell what programs owe their members now, and in which month these points came and go."""

    async def show(store: Store) -> None:
        known = store.catalog.programs
        programs = [_program(store, name) for name in program_ids or sorted(known)]
        found = []
        async with store.read() as reader:
            await reader.take_time()
            for program in programs:
                now = now_ms()
                told = await reader.liability(program, now, ages=ages)
                going = await reader.would_go(program, program, now)
                found.append((told, {row.month: row.points for row in going}))
        _print_liability(found, form)

    run(partial(with_store, show))


def _print_liability(found: Sequence[tuple[Liability, Mapping[str, int]]], form: Format) -> None:
    if form is Format.JSON:
        _print_json([_document(told, going) for told, going in found])
        return
    rows: list[tuple[str, str, str, int]] = []
    for told, going in found:
        named = told.program_id
        rows += [(named, "state", name, getattr(told, name)) for name in _STATES]
        rows += [(named, "came", month, points) for month, points in told.months]
        if told.unknown:
            rows.append((named, "came", "not known", told.unknown))
        rows += [(named, "goes", month, points) for month, points in going.items()]
    _print_rows(("program", "by", "what", "points"), rows, form, "There is no program.")


_STATES = ("available", "held", "unconfirmed", "total", "debt", "net", "members")


def _document(told: Liability, going: Mapping[str, int]) -> dict[str, Any]:
    return {
        "program": told.program_id,
        "asOf": rfc3339(told.as_of_ms),
        **{name: getattr(told, name) for name in _STATES},
        "came": dict(told.months),
        "cameNotKnown": told.unknown,
        "goes": dict(going),
    }


@report.command("points")
def points_command(
    program_id: ProgramId,
    *,
    first_day: First = None,
    last_day: Last = None,
    by: Annotated[Period, typer.Option(help="What a row is.")] = Period.DAY,
    form: As = Format.TABLE,
) -> None:
    """Tell by day or month how many points were issued, redeemed, expired and adjusted."""

    async def show(store: Store) -> None:
        program = _program(store, program_id)
        today = day_of(now_ms(), program.time_zone)
        first, last = _days(first_day, last_day, today.replace(day=1), today)
        async with store.read() as reader:
            await reader.take_time()
            sums = await reader.point_sums(program_id, begins_ms(first, program.time_zone))
            outstanding = await reader.outstanding(program_id)
            archived_ms = await reader.archived_until_ms()
        if archived_ms is not None and begins_ms(first, program.time_zone) <= archived_ms:
            err.print(
                f"Transfers until {rfc3339(archived_ms)} are in an archive: days until then lack "
                "them, and what was outstanding then is not known here."
            )
        rows = points_rows(sums, outstanding, by, program.time_zone, first, last)
        names = [one.name for one in fields(PointsRow) if one.name != "unexpired"]
        if any(row.unexpired for row in rows):
            names.append("unexpired")
        if form is Format.JSON:
            told = [{name: getattr(row, name) for name in names} for row in rows]
            _print_json({"program": program_id, "timeZone": program.time_zone, "rows": told})
            return
        cells = [tuple(getattr(row, name) for name in names) for row in rows]
        _print_rows(names, cells, form, "There is no day.")

    run(partial(with_store, show))


@report.command("fraud")
def fraud_command(
    program_id: ProgramId,
    *,
    first_day: First = None,
    last_day: Last = None,
    claims: Annotated[
        int, typer.Option(help="Orders of one member in a day at one place.", min=2)
    ] = USUAL.claims,
    voids: Annotated[
        int, typer.Option(help="Cancelled orders with a reward at one place.", min=1)
    ] = USUAL.voids,
    times: Annotated[
        int, typer.Option(help="Times the median from which an adjustment is large.", min=2)
    ] = USUAL.times,
    often: Annotated[
        int, typer.Option(help="Adjustments of one member by one person.", min=2)
    ] = USUAL.often,
    form: As = Format.TABLE,
) -> None:
    """Name what looks like fraud, why, and the orders; the last seven days unless said."""

    async def show(store: Store) -> None:
        program = _program(store, program_id)
        today = day_of(now_ms(), program.time_zone)
        begin = today - timedelta(days=FRAUD_DAYS - 1)
        first, last = _days(first_day, last_day, begin, today)
        limits = Thresholds(
            claims=claims,
            voids=voids,
            times=times,
            often=often,
            at_once=program.limits["points_per_order"],
            operator_day=program.limits["points_per_cashier_day"],
        )
        async with store.read() as reader:
            await reader.take_time()
            found = await reader.suspicions(program, first, last, limits)
        _print_findings(found, form)

    run(partial(with_store, show))


def _print_findings(found: Sequence[Finding], form: Format) -> None:
    if form is Format.JSON:
        _print_json([asdict(one) for one in found])
        return
    rows = [
        (
            one.kind.value,
            one.day or "",
            " ".join(f"{name} {value}" for name, value in one.who.items() if value),
            one.loyalty_id or "",
            one.count,
            one.points,
            one.why,
            " ".join(one.orders if form is Format.CSV else one.orders[:1]),
        )
        for one in found
    ]
    names = ("kind", "day", "who", "member", "count", "points", "why", "orders")
    _print_rows(names, rows, form, "Nothing looks like fraud.")


def _program(store: Store, program_id: str) -> Program:
    program = store.catalog.programs.get(program_id)
    if program is None:
        raise ProgramUnknownError(program_id)
    return program


def _days(first: str | None, last: str | None, begin: date, today: date) -> tuple[date, date]:
    """Read the period; a first day alone goes to today."""
    until = day_from(last) or today
    since = day_from(first) or min(begin, until)
    if until < since:
        raise typer.BadParameter("must not be before --from", param_hint="--until")
    return since, until


def _print_rows(
    names: Sequence[str], rows: Sequence[Sequence[Any]], form: Format, empty: str
) -> None:
    if form is Format.CSV:
        for row in (names, *rows):
            print_row(row)
        return
    table = Table(*names, box=SIMPLE)
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    print_table(table, empty)


def _print_json(document: Any) -> None:
    out.print(json.dumps(document, indent=2, ensure_ascii=False))
