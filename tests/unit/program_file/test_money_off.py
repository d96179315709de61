"""What incentives take off is read from the file, kept, and corrected."""

from __future__ import annotations

import pytest

from loyalty_service.domain.money_off import MoneyOff, Pick
from loyalty_service.domain.program import Program
from loyalty_service.program_file.document import parse_program
from loyalty_service.program_file.records import program_from_json, program_to_json
from loyalty_service.program_file.source import ProgramFileError

FILE = """
brand: demo
region: CA
name: Demo
currency: CAD
time_zone: America/Toronto
contracts: []
groups: {{mugs: {{prefixes: ["94"]}}}}
stores: [{{id: 1, name: One}}]
incentives:
  - {{id: mug, kind: reward, name: Mug, points: 400, plus: "9400", takes_off: {0}}}
"""


def program(takes_off: str) -> Program:
    """Read a program with such a reward."""
    return parse_program(FILE.format(takes_off), "program.yaml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", MoneyOff()),
        ("{amount: 2.00}", MoneyOff(amount=200)),
        ("{on: ['9400'], buy: 1, quantity: 2, percentage: 50}", None),
        ("{on: mugs, pick: guest, up_to: 20.00}", None),
    ],
)
def test_file_says_what_is_taken_off(text: str, expected: MoneyOff | None) -> None:
    """It is kept as it is read, amounts in cents, groups with their products."""
    read = program(text)
    rule = read.incentives["mug"].takes_off
    assert rule is not None
    assert expected in {None, rule}
    if "mugs" in text:
        assert (rule.pick, rule.up_to) == (Pick.GUEST, 2000)
        assert rule.on is not None
        assert rule.on.has("9401")
    assert program_from_json(program_to_json(read)) == read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{percentage: 10, amount: 1.00}", "must have percentage or amount, not both"),
        ("{buy: 1}", "must have on beside pick, buy and quantity"),
        ("{on: mug}", "did you mean `mugs`?"),
        ("{on: mugs, pick: dearest}", "must be cheapest or guest"),
    ],
)
def test_mistake_is_named(text: str, message: str) -> None:
    """What makes no sense is not applied."""
    with pytest.raises(ProgramFileError, match="takes_off") as refused:
        program(text)
    assert message in str(refused.value)
