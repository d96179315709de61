"""What a program file says of what is kept for how long."""

from __future__ import annotations

import pytest

from loyalty_service.domain.retention import KEEP_ALL, Retention
from loyalty_service.domain.windows import longest_window
from loyalty_service.program_file.document import parse_program
from loyalty_service.program_file.records import program_from_json, program_to_json
from loyalty_service.program_file.source import ProgramFileError
from tests.unit.program_file.test_document import VALID


def test_program_without_retention_keeps_all() -> None:
    """Nothing goes unless the program says so, and what is stored is as before."""
    program = parse_program(VALID, "file.yaml")

    assert program.retention == KEEP_ALL
    assert "retention" not in program_to_json(program).program


def test_retention_is_kept() -> None:
    """The days of each part are stored with the program."""
    text = VALID + "retention: {orders_days: 400, events_days: 1100}\n"

    program = parse_program(text, "file.yaml")

    assert program.retention == Retention(orders_days=400, events_days=1100)
    assert program_from_json(program_to_json(program)) == program


@pytest.mark.parametrize(
    ("more", "window"),
    [
        ("", "void_days (90 days)"),
        ("receipt_days: 120\n", "receipt_days (120 days)"),
        ("returns: {window_days: 200}\n", "returns.window_days (200 days)"),
        ("pending_days: 365\n", "pending_days (365 days)"),
        ("es: {saf_window_days: 100}\n", "es.saf_window_days (100 days)"),
        ("es: {confirmation_window_days: 100}\n", "es.confirmation_window_days (100 days)"),
        ("receipts_per_member: {per_year: 10}\n", "receipts_per_member (366 days)"),
    ],
)
def test_retention_below_a_window_is_a_mistake(more: str, window: str) -> None:
    """What may still be asked for can't go, and the mistake names what needs it for longest."""
    text = VALID + more + "retention: {orders_days: 89}\n"

    with pytest.raises(ProgramFileError) as problem:
        parse_program(text, "file.yaml")

    assert f"must be at least as long as {window}" in str(problem.value)


def test_window_of_goals_ends_with_what_they_count() -> None:
    """The longest window is the one that ends last, by its name."""
    program = parse_program(VALID + "void_days: 500\n", "file.yaml")

    assert str(longest_window(program)) == "void_days (500 days)"
