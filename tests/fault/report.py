"""What came of the trials: for people, as JSON, and in the document."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from rich.table import Table

from tests.benchmark.machine import describe
from tests.fault.goal import Trial

BEGIN = "<!-- figures: `python -m tests.fault --document` writes what follows -->"
END = "<!-- /figures -->"


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one trial; *database* is empty when it opened none."""

    number: str
    title: str
    promise: str
    database: str
    seed: int
    full: bool
    ended: str
    seconds: float
    met: bool
    figures: dict[str, str]
    problems: list[str]

    @classmethod
    def of(cls, trial: Trial, seconds: float) -> Self:
        """Note what came of a trial that has just ended."""
        return cls(
            number=trial.goal.number,
            title=trial.goal.title,
            promise=trial.goal.promise,
            database=trial.kind,
            seed=trial.seed,
            full=trial.full,
            ended=datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
            seconds=round(seconds, 1),
            met=trial.met,
            figures=trial.figures,
            problems=trial.problems,
        )

    @property
    def place(self) -> tuple[int, str, str]:
        """What it is about: a later row of the same place is newer news."""
        return int(self.number[1:]), self.title, self.database

    @property
    def found(self) -> str:
        """The figures in words."""
        return "; ".join(f"{name} {value}" for name, value in self.figures.items())


@dataclass
class Report:
    """The newest row of every trial; those of this run are *fresh*."""

    machine: dict[str, object]
    rows: list[Row] = field(default_factory=list)
    fresh: list[Row] = field(default_factory=list)

    @classmethod
    def beside(cls, path: Path) -> Self:
        """Begin with the rows of earlier runs, where there are any."""
        machine = describe(path.parent).as_json()
        if not path.exists():
            return cls(machine)
        content = json.loads(path.read_text(encoding="utf-8"))
        return cls(machine, [Row(**row) for row in content["goals"]])

    def add(self, row: Row) -> None:
        """Take up what came of a trial."""
        self.fresh.append(row)
        self.rows = sorted(
            [other for other in self.rows if other.place != row.place] + [row],
            key=lambda other: other.place,
        )

    @property
    def all_met(self) -> bool:
        """Whether nothing that was tried in this run broke its promise."""
        return bool(self.fresh) and all(row.met for row in self.fresh)

    def write(self, path: Path) -> None:
        """Write every figure."""
        content = {"machine": self.machine, "goals": [asdict(row) for row in self.rows]}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def document(self, path: Path) -> None:
        """
        Put the long trials' figures in place of those in a Markdown document.

        Raises:
            ValueError: The document has no place for them.
        """
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        _, _, after = rest.partition(END)
        if not after:
            raise ValueError(f"{path} has no place for figures: {BEGIN} and {END}")
        rows = [row for row in self.rows if row.full]
        text = "\n".join([BEGIN, "", *self._lines(rows), "", END])
        path.write_text(before + text + after, encoding="utf-8")

    def _lines(self, rows: Sequence[Row]) -> Iterator[str]:
        machine = self.machine
        yield (
            f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB, "
            f"Linux {machine['kernel']}, Python {machine['python']}, {machine['file_system']}; "
            f"{sum(row.met for row in rows)} of {len(rows)} met."
        )
        yield ""
        yield "| goal | | database | figures | seed | minutes | ended (UTC) | met |"
        yield "|---|---|---|---|---|---|---|---|"
        for row in rows:
            met = "yes" if row.met else "**no**: " + "; ".join(row.problems)[:300]
            yield (
                f"| {row.number} | {row.title} | {row.database or '-'} | {row.found} "
                f"| {row.seed} | {row.seconds / 60:.1f} | {row.ended} | {met} |"
            )


def table_of(rows: Sequence[Row]) -> Table:
    """Lay out a row for each trial."""
    table = Table("goal", "promise", "database", "figures", "seed", "s", "met")
    for row in rows:
        met = "[green]met[/]" if row.met else "[red]NOT MET[/]"
        place = row.database or "-"
        seconds = f"{row.seconds:.0f}"
        table.add_row(row.number, row.title, place, row.found, str(row.seed), seconds, met)
    return table
