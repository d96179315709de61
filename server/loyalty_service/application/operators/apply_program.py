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
from loyalty_service.program_file.removals import parts_of


@dataclass(frozen=True, slots=True)
class ApplyProgram:
    """
    The program of the file.

    Attributes:
        expected: The changes the operator has seen and agreed to; absent to take them as they are.
        reason: What the operator says why; empty where that is not asked for.
        allow_removals: Whether more than a tenth of the stores or incentives may be left out.
    """

    program: Program
    expected: tuple[Change, ...] | None = None
    reason: str = ""
    allow_removals: bool = True


class TooManyRemovalsError(Exception):
    """Raised when a file leaves out more than a tenth of a program; lists the parts."""


class ProgramMovedError(Exception):
    """Raised when somebody changed the program after its changes were shown."""


def apply_program(unit: Unit, command: ApplyProgram, now_ms: int) -> Done[tuple[Change, ...]]:
    """
    Make the stored program what the file says; returns what changed.

    Raises:
        ProgramChangeError: A field can't be changed, or can't any more.
        ProgramMovedError: The changes are not those the operator agreed to; nothing is done.
        TooManyRemovalsError: More than a tenth of the stores or incentives is left out.
    """
    unit.lock_catalog()
    old = unit.catalog.programs.get(command.program.program_id)
    changes = program_changes(old, command.program)
    require_same_currency(unit, now_ms, command.program)
    if command.expected is not None and changes != command.expected:
        raise ProgramMovedError
    if not changes:
        return Done(changes)
    if not command.allow_removals:
        require_few_removals(old, command.program)
    merged = with_retired(old, command.program)
    unit.change_terms(old, merged, now_ms)
    version = unit.save_program(merged, now_ms)
    applied = Event(
        EventKind.PROGRAM_APPLIED,
        command.program.program_id,
        before=version - 1 or None,
        after=version,
        reason=command.reason,
        detail=json.dumps([_described(change) for change in changes], separators=(",", ":")),
    )
    return Done(changes, events=(applied,))


def require_few_removals(old: Program | None, new: Program) -> None:
    """
    Check that no more than a tenth of the stores or incentives is left out.

    Raises:
        TooManyRemovalsError: More is.
    """
    too_many = tuple(part for part in parts_of(old, new) if part.too_many_go)
    if too_many:
        raise TooManyRemovalsError(*too_many)


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
