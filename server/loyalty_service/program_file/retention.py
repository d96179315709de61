"""The part of a program file that says what is kept for how long."""

from __future__ import annotations

from typing import Annotated

from loyalty_service.domain.program import Program
from loyalty_service.domain.retention import Retention
from loyalty_service.domain.windows import longest_window
from loyalty_service.program_file.source import ProgramSource
from loyalty_service.program_file.values import Entry, whole_number

DAYS_MAX = 36_500

_Days = Annotated[int | None, whole_number(1, DAYS_MAX)]


class RetentionEntry(Entry):
    """Days after which `loyalty prune` empties each part; what is not named is kept for good."""

    orders_days: _Days = None
    answers_days: _Days = None
    events_days: _Days = None
    visits_days: _Days = None

    def retention(self) -> Retention:
        """Make the terms."""
        return Retention(**self.model_dump())


def note_too_short(source: ProgramSource, program: Program) -> None:
    """Note what would go while something may still be asked of its order."""
    longest = longest_window(program)
    for name, days in program.retention.ends():
        if days < longest.days:
            source.note(("retention", name), f"must be at least as long as {longest}")
