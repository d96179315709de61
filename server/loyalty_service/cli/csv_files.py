"""CSV files that operators give, and those that commands print."""

from __future__ import annotations

import csv
import sys
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from loyalty_service.domain.operator_error import OperatorError

_FORMULA = tuple("=+-@\t\r＝＋－＠")  # noqa: RUF001 - spreadsheets take the wide ones, too.


def read_rows(
    file: Path, needed: Collection[str], more: Collection[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """
    Give the lines of a file with their numbers, as texts without blanks at their ends.

    Raises:
        OperatorError: It can't be read, has other columns, or a line has more or fewer cells: one
            that is out of its place would be taken for something else.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as opened:
            rows = csv.reader(opened, strict=True)
            names = [name.strip() for name in next(rows, [])]
            if not set(needed) <= set(names):
                raise OperatorError(f"{file}: the first line must name {', '.join(needed)}.")
            if len(set(names)) < len(names) or not set(names) <= {*needed, *more}:
                wanted = ", ".join((*needed, *more))
                raise OperatorError(f"{file}: the first line may name {wanted}, each once.")
            for row in rows:
                if not row:
                    continue
                if len(row) != len(names):
                    raise OperatorError(
                        f"{file}, line {rows.line_num}: has {len(row)} cells rather than "
                        f"{len(names)}."
                    )
                cells = (cell.strip() for cell in row)
                yield rows.line_num, dict(zip(names, cells, strict=True))
    except OSError as problem:
        raise OperatorError(f"{file}: {problem.strerror}.") from None
    except (UnicodeDecodeError, csv.Error) as problem:
        raise OperatorError(f"{file}: must be a CSV file in UTF-8 ({problem}).") from None


def print_row(cells: Iterable[Any]) -> None:
    """Print a line in which no text is a formula, whatever guests and tills call themselves."""
    csv.writer(sys.stdout).writerow([_plain(cell) for cell in cells])


def _plain(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
