"""A program that is written as a file and read again is the same program."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty_service.domain.program import Program
from loyalty_service.program_file.changes import program_changes, with_retired
from loyalty_service.program_file.document import parse_program
from loyalty_service.program_file.writing import program_text
from tests.unit.program_file.test_document import VALID
from tests.unit.program_file.test_shown_fields import FILES, REST

TEXTS = {file.stem: file.read_text(encoding="utf-8") for file in FILES} | {"rest": REST}


def again(program: Program) -> Program:
    """Write a program, and read it."""
    return parse_program(program_text(program), "written.yaml")


@pytest.mark.parametrize("name", TEXTS)
def test_written_program_reads_as_the_same(name: str) -> None:
    """Together these files have every key that a program file may have."""
    program = parse_program(TEXTS[name], name)

    assert again(program) == program


@pytest.mark.parametrize("name", TEXTS)
def test_applying_what_is_shown_changes_nothing(name: str) -> None:
    """So it is with a program that is live, whose removed parts and terms are kept."""
    program = parse_program(TEXTS[name], name)
    closed = replace(next(iter(program.stores.values())), store_id=77_777)
    larger = replace(program, stores={**program.stores, closed.store_id: closed})
    live = with_retired(with_retired(None, larger), program)

    assert program_changes(live, again(live)) == ()


NAMES = st.one_of(
    st.sampled_from(
        ("yes", "NO", "null", "~", "1", "1.50", "0x1F", "1e3", "12:30", "2026-12-31", "*a", "&b")
    ),
    st.text(min_size=1, max_size=20).filter(
        lambda text: text == text.strip() and text.isprintable() and not text.isspace()
    ),
)


@settings(deadline=None, max_examples=50)
@given(NAMES)
def test_text_that_looks_like_something_else_stays_text(name: str) -> None:
    """Whatever people call things, it is read as they wrote it."""
    program = replace(parse_program(VALID, "valid"), name=name, points_name=name)

    assert again(program).name == name
