"""Where the commands print, ask and show their progress."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TaskID
from rich.table import Table
from rich.text import Text

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.tools.chains import Report

_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp"})
"""Categories of characters that turn a line around, hide, or begin another one."""


def shown(name: str) -> str:
    """Give what others chose as a name without characters that nobody sees."""
    return "".join(one for one in name if unicodedata.category(one) not in _UNSEEN)


class _Plain(Console):
    """Prints lines that read as they are written, whatever names are in them."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Leave out what nobody sees, but for the ends of lines."""
        if text.isascii() and text.isprintable():
            return super().render_str(text, **options)
        lines = text.replace("\t", " ").split("\n")
        return super().render_str("\n".join(map(shown, lines)), **options)


# What members and partners are called is printed as it is, brackets and colons too.
out = _Plain(soft_wrap=True, highlight=False, markup=False, emoji=False)
err = _Plain(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
# Wider than any row: one that does not fit is for the terminal to wrap, not to be cut short.
tables = _Plain(width=4096, soft_wrap=True, highlight=False, markup=False, emoji=False)


def confirm(question: str) -> None:
    """Ask, and end the command where the answer is no, or where nobody can answer."""
    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        err.print()
        raise OperatorError(
            "Nobody answered, so nothing was changed; a script says --yes."
        ) from None
    if not agreed:
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
