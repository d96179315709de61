"""Apply a program as its operator describes it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from loyalty_service.application.perform import Done
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.program import Program
from loyalty_service.program_file.changes import (
    Change,
    ProgramChangeError,
    program_changes,
    with_retired,
)


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


def apply_program(unit: Unit, command: ApplyProgram, now_ms: int) -> Done[tuple[Change, ...]]:
    """
    Make the stored program what the file says; returns what changed.

    Raises:
        ProgramChangeError: A field can't be changed, or can't any more.
        ProgramMovedError: The changes are not those the operator agreed to; nothing is done.
    """
    unit.lock_catalog()
    old = unit.catalog.programs.get(command.program.program_id)
    changes = program_changes(old, command.program)
    require_same_currency(unit, now_ms, command.program)
    if command.expected is not None and changes != command.expected:
        raise ProgramMovedError
    if not changes:
        return Done(changes)
    merged = with_retired(old, command.program)
    unit.change_terms(old, merged, now_ms)
    version = unit.save_program(merged, now_ms)
    applied = Event(
        EventKind.PROGRAM_APPLIED,
        command.program.program_id,
        before=version - 1 or None,
        after=version,
        detail=json.dumps([_described(change) for change in changes], separators=(",", ":")),
    )
    return Done(changes, events=(applied,))


def require_same_currency(unit: Unit, _: int, program: Program) -> None:
    """
    Check that a program whose orders or points are kept stays in its currency.

    What is kept is in minor units of it: another one would make all of that worth something else.

    Raises:
        ProgramChangeError: It is to have another currency, or other digits.
    """
    old = unit.catalog.programs.get(program.program_id)
    kept = None if old is None else (old.currency, old.currency_digits)
    if kept is None or kept == (program.currency, program.currency_digits):
        return
    if not unit.has_ledger(program.program_id):
        return
    field, value = ("currency", kept[0])
    if program.currency == kept[0]:
        field, value = ("currency_digits", str(kept[1]))
    message = f"must stay {value}: orders and points of the program are kept in it"
    raise ProgramChangeError((((field,), message),))


def _described(change: Change) -> list[object]:
    """Name a change; what was added or removed as a whole is in the kept versions."""
    fields = [[one.field, one.old, one.new] for one in change.fields if change.kind == "change"]
    return [change.kind, change.subject, fields]
