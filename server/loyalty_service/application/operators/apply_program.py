"""Take up a program as its operator describes it."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.application.perform import Done
from loyalty_service.application.unit import Unit
from loyalty_service.domain.program import Program
from loyalty_service.program_file.changes import Change, program_changes, with_retired


@dataclass(frozen=True, slots=True)
class ApplyProgram:
    """
    The program of the file.

    Attributes:
        expected: The changes the operator has seen and agreed to; absent to take them as they are.
    """

    program: Program
    expected: tuple[Change, ...] | None = None


class ProgramMovedError(Exception):
    """Raised when somebody changed the program after its changes were shown."""


def apply_program(unit: Unit, command: ApplyProgram, _now_ms: int) -> Done[tuple[Change, ...]]:
    """
    Make the stored program what the file says; returns what changed.

    Raises:
        ProgramChangeError: A field can't be changed.
        ProgramMovedError: The changes are not those the operator agreed to; nothing is done.
    """
    unit.lock_catalog()
    old = unit.catalog.programs.get(command.program.program_id)
    changes = program_changes(old, command.program)
    if command.expected is not None and changes != command.expected:
        raise ProgramMovedError
    if changes:
        unit.save_program(with_retired(old, command.program))
    return Done(changes)
