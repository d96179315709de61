"""A program's own words for broken rules are read from the file, kept, and told at the edge."""

from __future__ import annotations

import pytest

from loyalty_service.domain.breaches import Breach, OwnWords, RuleFailure, in_own_words
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
stores: [{{id: 1, name: One}}]
incentives: []
rule_words: {0}
"""

SPEND = Breach.MINIMUM_SPEND.value
FAILED = RuleFailure(SPEND.code, SPEND.rule_id, SPEND.message, 900, 901, "coffee")


def test_program_words_a_broken_rule() -> None:
    """What it names is replaced, and the rest, with all values, is ours."""
    text = FILE.format("{minimum_spend: {code: min-spend-invalid, rule_id: minSpend}}")
    program = parse_program(text, "program.yaml")
    assert program.rule_words == {"minimum_spend": OwnWords("min-spend-invalid", "minSpend")}
    assert program_from_json(program_to_json(program)) == program

    told = in_own_words(FAILED, program.rule_words)
    assert (told.code, told.rule_id, told.message) == (
        "min-spend-invalid",
        "minSpend",
        SPEND.message,
    )
    assert (told.current_value, told.target_value, told.incentive_id) == (900, 901, "coffee")
    assert in_own_words(FAILED, {}) == FAILED


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{minimum_spent: {code: a}}", "did you mean `minimum_spend`?"),
        ("{minimum_spend: {}}", "must have code, rule_id or message"),
        ("{minimum_spend: {code: a b}}", "must be printable ASCII without blanks"),
    ],
)
def test_mistake_is_named(words: str, message: str) -> None:
    """A rule that is none is told with the nearest that is one."""
    with pytest.raises(ProgramFileError) as refused:
        parse_program(FILE.format(words), "program.yaml")
    assert message in str(refused.value)
