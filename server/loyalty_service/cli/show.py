"""The command that shows a program: as it is, as it was, and what differs."""

from __future__ import annotations

import difflib
from functools import partial
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from loyalty_service.application.operators.create_key import ProgramUnknownError
from loyalty_service.application.operators.look import versions_of
from loyalty_service.cli.promo_codes import ProgramId
from loyalty_service.cli.running import run, with_store
from loyalty_service.cli.terminal import out, print_table
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.program import Program
from loyalty_service.program_file.writing import program_text
from loyalty_service.storage.reads import SqlReader
from loyalty_service.storage.store import Store


def show_command(
    program_id: ProgramId,
    *,
    version: Annotated[
        int | None, typer.Option(help="Show this version; the one that is live if absent.", min=1)
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="List the versions: when, by whom, and why.")
    ] = False,
    diff: Annotated[
        bool,
        typer.Option(
            "--diff",
            help="Show what differs from --version, or from the version before, to what is live.",
        ),
    ] = False,
) -> None:
    """Print a program as a program file, which applied again changes nothing."""

    async def show(store: Store) -> None:
        live = store.catalog.programs.get(program_id)
        if live is None:
            raise ProgramUnknownError(program_id)
        async with store.read() as reader:
            if history:
                await _print_history(reader, program_id)
            elif diff:
                newest = store.catalog.versions.get(program_id, 0)
                number = newest - 1 if version is None else version
                earlier = await _version(reader, program_id, number)
                _print_diff(earlier, live, number)
            else:
                wanted = live if version is None else await _version(reader, program_id, version)
                out.print(program_text(wanted), end="")

    run(partial(with_store, show))


async def _version(reader: SqlReader, program_id: str, version: int) -> Program:
    program = await reader.program_version(program_id, version)
    if program is None:
        raise OperatorError(
            f"No version {version} of {program_id} is kept: `loyalty show {program_id} --history` "
            "lists them."
        )
    return program


async def _print_history(reader: SqlReader, program_id: str) -> None:
    table = Table("version", "applied", "by", "reason", box=SIMPLE)
    token = ""
    while True:
        page = await versions_of(reader, program_id, 0, token)
        for one in page.versions:
            applied = f"{rfc3339(one.applied_ms)[:19]}Z"
            table.add_row(str(one.version), applied, one.applied_by, one.reason)
        if not (token := page.next_page_token):
            break
    print_table(table, f"No version of {program_id} is kept.")


def _print_diff(earlier: Program, live: Program, version: int) -> None:
    lines = difflib.unified_diff(
        program_text(earlier).splitlines(),
        program_text(live).splitlines(),
        f"version {version}",
        "live",
        lineterm="",
    )
    told = list(lines)
    for line in told:
        out.print(line)
    if not told:
        out.print("Nothing differs.")
