"""What the commands print on, ask with, and draw their progress on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TaskID
from rich.table import Table

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.tools.audit import Report

# What members and partners are called is printed as it is, brackets and colons too.
out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
err = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
# Wider than any row: one that does not fit is for the terminal to wrap, not to be cut short.
tables = Console(width=4096, soft_wrap=True, highlight=False, markup=False, emoji=False)


def confirm(question: str) -> None:
    """Ask, and end the command where the answer is no."""
    if not typer.confirm(question, err=True):
        raise OperatorError("Nothing was changed.")


def print_table(table: Table, empty: str) -> None:
    """Print every cell in full, also where the terminal is narrow or the output is piped."""
    if table.rows:
        tables.print(table)
    else:
        out.print(empty)


@contextmanager
def progress() -> Iterator[Report]:
    """Draw a bar for each stage that is reported, on a terminal only."""
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        stages: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage)
            bars.update(stages[stage], completed=done, total=total)

        yield report
