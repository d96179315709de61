"""A program file's text is read with the place of every value, or refused with one."""

from __future__ import annotations

import pytest

from loyalty_service.program_file.document import parse_program
from loyalty_service.program_file.source import (
    MISTAKES_MAX,
    VALUES_MAX,
    Mistake,
    ProgramFileError,
    ProgramSource,
    render_mistakes,
)


def mistakes(text: str) -> list[str]:
    """Render the mistakes of a file that has some."""
    with pytest.raises(ProgramFileError) as caught:
        parse_program(text, "p.yaml")
    return render_mistakes(caught.value)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "1:1"),
        ("# nothing\n", "1:1"),
        ("brand: demo\n name: x\n", "2:6"),
        ("brand: 'demo\n", "2:1"),
        ("brand: é\nname: \x01\n", "2:7"),
        ("brand: a\n--- \nbrand: b\n", "2:1"),
        ("[" * 1000, "1:1"),
        ("- brand\n", "1:1"),
    ],
)
def test_text_that_is_no_document_is_placed(text: str, place: str) -> None:
    """Broken, empty and bottomless YAML is a mistake with a place, never a crash."""
    assert mistakes(text)[0].startswith(f"p.yaml:{place}: ")


def test_alias_inside_itself_is_refused() -> None:
    """A value that contains itself ends in a mistake."""
    source = ProgramSource("stores: &a [*a]\n", "p.yaml")

    source.values()

    (mistake,) = source.mistakes.values()
    assert (mistake.field, mistake.message) == ("stores[0]", "must not contain itself")
    assert (mistake.line, mistake.column) == (1, 9)


def test_source_line_is_shown_with_a_mark() -> None:
    """A terminal can show the line and the character."""
    error = ProgramFileError("p.yaml", [Mistake(1, 8, "brand", "must be lower", "brand: Demo")])

    assert render_mistakes(error, source=True)[1:] == [
        "     1 | brand: Demo",
        "       |        ^",
    ]


def test_mistakes_beyond_the_limit_are_counted() -> None:
    """A long list can be cut, and says so."""
    with pytest.raises(ProgramFileError) as caught:
        parse_program("brand: demo\n", "p.yaml")

    assert render_mistakes(caught.value, mistakes_max=2)[2:] == ["p.yaml: 6 more mistakes"]


def test_file_with_many_unknown_keys_is_refused_at_once() -> None:
    """So many mistakes are named as anybody corrects, in a time that grows with the file alone."""
    found = mistakes("".join(f"k{n}: 1\n" for n in range(20_000)))
    assert len(found) == MISTAKES_MAX
    assert any("is unknown" in one for one in found)


def test_values_that_aliases_repeat_are_counted() -> None:
    """A small file that stands for a large one is refused before anything is checked."""
    lists = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lists += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 7)]
    (told,) = mistakes("\n".join(lists))
    assert told == f"p.yaml:1:1: must have at most {VALUES_MAX:,} values, with those of aliases"
