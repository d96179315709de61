"""The command that gives members points, or takes some: of one member, or of a file of them."""

from __future__ import annotations

import re
import shlex
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from loyalty_service.application.adjusters import Adjuster
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.perform import KEY_FORM, plain_key
from loyalty_service.cli.csv_files import print_row, read_rows
from loyalty_service.cli.movers import Here, Mover, RefusedError, There, UnknownOutcomeError
from loyalty_service.cli.running import operator, run, with_store
from loyalty_service.cli.terminal import confirm, err, out, shown
from loyalty_service.cli.texts import kept_text, text_or_none
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.store import Store

KEY_OF_FILE_MAX = 200
"""Leaves room for what tells the lines of a file apart."""

LOYALTY_ID_FORM = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
POINTS_FORM = re.compile(r"[-+]?[0-9]{1,19}")
TOLD = ("line", "loyalty_id", "points", "outcome", "told")


LoyaltyId = Annotated[str | None, typer.Argument(help="The member's loyalty ID.")]
Points = Annotated[int | None, typer.Argument(help="Points to give; below 0 to take.")]
Reason = Annotated[
    str | None, typer.Option(help="Why, for the ledger and the events.", callback=text_or_none)
]
Key = Annotated[
    str | None,
    typer.Option(help="Idempotency key: under one key the points move once. Made if not given."),
]
File = Annotated[
    Path | None,
    typer.Option(help="CSV with the columns loyalty_id, points and, unless --reason is, reason."),
]
BeyondLimits = Annotated[
    bool,
    typer.Option(
        "--beyond-limits", help="Give more than the program's limits allow; see `limits`."
    ),
]
AllowDebt = Annotated[
    bool,
    typer.Option("--allow-debt", help="Take more than the member has: the rest is owed."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Move nothing; tell what the member would have.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Move the points of a file without asking.")]
Server = Annotated[
    str | None,
    typer.Option(help="Address of a server: uses it, rather than the database.", metavar="URL"),
]
ApiKeyFile = Annotated[
    Path | None,
    typer.Option(help="With --server: file that holds an operator's or admin's API key."),
]
Authority = Annotated[
    Path | None,
    typer.Option("--ca", help="With --server: certificates to check the server's by."),
]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the file, by its number, and the adjustment that it asks for."""

    number: int
    command: AdjustPoints
    key: str


def adjust_command(
    program_id: Annotated[str, typer.Argument(help="Program, for instance demo-ca.")],
    loyalty_id: LoyaltyId = None,
    points: Points = None,
    reason: Reason = None,
    key: Key = None,
    *,
    file: File = None,
    beyond_limits: BeyondLimits = False,
    allow_debt: AllowDebt = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    server: Server = None,
    api_key_file: ApiKeyFile = None,
    ca: Authority = None,
) -> None:
    """Give a member points, or take some: -- before a number below 0. Or many, by --file."""
    plain = str(uuid.uuid4()) if key is None else plain_key(key)
    most = 255 if file is None else KEY_OF_FILE_MAX
    if not KEY_FORM.fullmatch(plain) or len(plain) > most:
        raise typer.BadParameter(
            f"must be 1 to {most} printable ASCII characters, not all blank", param_hint="--key"
        )
    if (file is None) is (loyalty_id is None or points is None):
        raise typer.BadParameter("name a member and points, or --file")
    if file is None and reason is None:
        raise typer.BadParameter("Missing option '--reason'.")
    if server is not None and beyond_limits:
        raise typer.BadParameter("--beyond-limits needs the database: a server keeps its limits")
    if (server is None) is not (api_key_file is None):
        raise typer.BadParameter("--server and --api-key-file belong together")
    by = Adjuster(name=operator("adjust").name)
    wanted = AdjustPoints(
        program_id, (loyalty_id or "").lower(), points or 0, reason or "", beyond_limits,
        allow_debt, dry_run, by,
    )  # fmt: skip
    if file is None:
        work = _one(wanted, _again(wanted, plain, server, api_key_file, ca))
    else:
        work = _many(read_lines(file, wanted, plain), plain, asks=not (yes or dry_run))
    _run(work, server, api_key_file, ca)


def _run(
    work: Callable[[Mover], Awaitable[None]],
    server: str | None,
    api_key_file: Path | None,
    authority: Path | None,
) -> None:
    async def here(store: Store) -> None:
        await work(Here(store))

    if server is None or api_key_file is None:
        run(partial(with_store, here))
    else:
        there = There(server, _secret(api_key_file), authority)
        run(partial(_through, work, there))


async def _through(work: Callable[[Mover], Awaitable[None]], mover: Mover) -> None:
    await work(mover)


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except OSError as problem:
        raise OperatorError(f"{file}: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise OperatorError(f"{file}: must be ASCII text.") from None


def _one(command: AdjustPoints, again: Again) -> Callable[[Mover], Awaitable[None]]:
    async def move(mover: Mover) -> None:
        if not command.dry_run:
            # Told before anything happens: whoever loses the outcome can still ask for it.
            err.print(f"Idempotency key: {again.key}")
        try:
            moved = await mover.move(command, again.key)
        except RefusedError as problem:
            raise OperatorError(str(problem)) from None
        except UnknownOutcomeError:
            raise OperatorError(
                "The database did not answer in time: the points may have moved or still move. Run "
                f"`{shlex.join(again.arguments)}`: with this key they move once."
            ) from None
        out.print(moved.told)
        if command.dry_run:
            err.print("That is what would be: nothing was changed.")
        if moved.repeated:
            err.print("That was the outcome the first time: no points moved again.")

    return move


@dataclass(frozen=True, slots=True)
class Again:
    """An idempotency key, and the arguments that do the same once more under it."""

    key: str
    arguments: tuple[str, ...]


def _again(
    command: AdjustPoints,
    key: str,
    server: str | None,
    api_key_file: Path | None,
    authority: Path | None,
) -> Again:
    more = (
        *(("--beyond-limits",) if command.beyond_limits else ()),
        *(("--allow-debt",) if command.allow_debt else ()),
    )
    for option, given in (
        ("--server", server),
        ("--api-key-file", api_key_file),
        ("--ca", authority),
    ):
        more = (*more, option, str(given)) if given is not None else more
    what = (command.program_id, command.loyalty_id, str(command.points))
    arguments = ("--key", key, "--reason", command.note, *more, "--", *what)
    return Again(key, ("loyalty", "adjust", *arguments))


def _many(lines: Sequence[Line], key: str, *, asks: bool) -> Callable[[Mover], Awaitable[None]]:
    async def move(mover: Mover) -> None:
        given = sum(max(line.command.points, 0) for line in lines)
        taken = sum(max(-line.command.points, 0) for line in lines)
        err.print(f"{len(lines):,} lines: {given:,} points are given, {taken:,} are taken.")
        err.print(f"Idempotency key: {key}")
        if asks:
            confirm("Move them?")
        print_row(TOLD)
        outcomes: Counter[str] = Counter()
        for line in lines:
            try:
                outcome, words = await _of_line(mover, line)
            except UnknownOutcomeError:
                raise OperatorError(
                    f"The database did not answer in time at line {line.number}. Run the command "
                    f"again with the same file and `--key {shlex.quote(key)}`: what has moved does "
                    "not move again."
                ) from None
            outcomes[outcome] += 1
            command = line.command
            print_row((line.number, command.loyalty_id, command.points, outcome, shown(words)))
        err.print(", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items()) + ".")
        if outcomes["refused"]:
            raise OperatorError(
                "Correct the refused lines and run the command again with the same file and "
                f"`--key {shlex.quote(key)}`: what has moved does not move again."
            )

    return move


async def _of_line(mover: Mover, line: Line) -> tuple[str, str]:
    try:
        moved = await mover.move(line.command, line.key)
    except RefusedError as problem:
        return "refused", str(problem)
    if line.command.dry_run:
        return "would move", moved.told
    return ("moved before" if moved.repeated else "moved"), moved.told


def read_lines(file: Path, wanted: AdjustPoints, key: str) -> list[Line]:
    """
    Read a file of adjustments whole, so that a mistake in it moves nothing.

    Each member's first line has one key, its second another: lines may be added, or put in another
    order, between two runs of the same file.

    Raises:
        OperatorError: A line is not as it should be.
    """
    lines = []
    seen: Counter[str] = Counter()
    for number, row in read_rows(file, ("loyalty_id", "points"), ("reason",)):
        command = _command(file, number, row, wanted)
        seen[command.loyalty_id] += 1
        of_line = f"{key}/{command.loyalty_id}/{seen[command.loyalty_id]}"
        lines.append(Line(number, command, of_line))
    if not lines:
        raise OperatorError(f"{file}: has no line but the first.")
    return lines


def _command(file: Path, number: int, row: dict[str, str], wanted: AdjustPoints) -> AdjustPoints:
    """Read one line."""
    wrong = f"{file}, line {number}:"
    if not LOYALTY_ID_FORM.fullmatch(row["loyalty_id"]):
        raise OperatorError(f"{wrong} loyalty_id must be a UUID.")
    if not POINTS_FORM.fullmatch(row["points"]):
        raise OperatorError(f"{wrong} points must be a whole number in plain digits.")
    try:
        reason = kept_text(row.get("reason") or wanted.note)
    except typer.BadParameter as problem:
        raise OperatorError(f"{wrong} reason {problem.message}.") from None
    loyalty_id = str(uuid.UUID(row["loyalty_id"]))
    return replace(wanted, loyalty_id=loyalty_id, points=int(row["points"]), note=reason)
