"""What a goal of reliability is, and one attempt to break it."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.support.databases import Backend

T = TypeVar("T")

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
BOTH = (SQLITE, POSTGRESQL)


@dataclass(frozen=True, slots=True)
class Goal:
    """
    A promise, and how it is tried.

    Attributes:
        number: Its name in docs/reliability.md, for instance G4.
        title: Two or three words.
        promise: What holds whatever happens, in one sentence.
        run: Tries to break it once; reports to the trial what it found.
        databases: Kinds of database it is tried on, one after the other; empty when it opens none.
        any_database: Whether no part of the promise rests on the kind of database: then `make test`
            tries it on the first alone, and `make fault` on each.
        by_time: Whether it judges rates and times, which a busy machine changes: then `make test`
            tries it once more before it is not met.
        needs: Programs that pip does not have. Such a goal is tried in `make test-extra`, which
            installs them, not in `make test`.
    """

    number: str
    title: str
    promise: str
    run: Callable[[Trial], Awaitable[None]]
    databases: tuple[str, ...] = BOTH
    any_database: bool = False
    by_time: bool = False
    needs: tuple[str, ...] = ()


@dataclass
class Trial:
    """
    One attempt to break a goal's promise.

    Attributes:
        kind: Database it runs on; empty when the goal opens none.
        seed: Every decision by chance follows from it.
        full: Whether to try for as long as the goal's figures say, rather than for seconds.
        folder: A folder of its own on a real disk, unless the run chose another place.
        backend: Makes fresh, migrated databases of its kind; absent when the goal opens none.
        say: Tells the person at the terminal how far it is.
        figures: What was counted and measured, as the report shows it.
        problems: What broke the promise; the goal is met when there is nothing here.
    """

    goal: Goal
    kind: str
    seed: int
    full: bool
    folder: Path
    backend: Backend | None
    say: Callable[[str], None]
    figures: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def met(self) -> bool:
        """Whether nothing broke the promise, and something was tried at all."""
        return not self.problems and bool(self.figures)

    def choose(self, full: T, short: T) -> T:
        """Take the one for this run's length."""
        return full if self.full else short

    def chance(self, *of: object) -> random.Random:
        """Give the source of chance for a part of the trial, the same for the same seed."""
        name = "/".join(map(str, (self.seed, self.goal.number, self.kind, *of)))
        return random.Random(name)  # noqa: S311

    @property
    def databases(self) -> Backend:
        """What makes databases of the trial's kind."""
        if self.backend is None:
            raise LookupError(f"{self.goal.number} opens no database")
        return self.backend

    def new_database(self) -> str:
        """Create a fresh, migrated database of the trial's kind; return its URL."""
        return self.databases.new_database()

    def figure(self, name: str, value: object) -> None:
        """Report what was counted or measured."""
        self.figures[name] = f"{value:,}" if isinstance(value, int) else str(value)

    def require(self, holds: object, problem: str) -> None:
        """Report a broken promise unless *holds*."""
        if not holds:
            self.problems.append(problem)
