"""The texts of receipts are read from the file, kept, and shown before they take effect."""

from __future__ import annotations

import pytest

from loyalty_service.domain.prompt_catalogue import Prompts
from loyalty_service.domain.receipts import ReceiptTexts
from loyalty_service.program_file.changes import program_changes
from loyalty_service.program_file.document import parse_program
from loyalty_service.program_file.records import program_from_json, program_to_json
from loyalty_service.program_file.source import ProgramFileError, render_mistakes

CROATIAN = """\
brand: demo
region: HR
name: Demo
currency: EUR
time_zone: Europe/Zagreb
locale: hr-HR
contracts: []
stores: [{id: 9999, name: One}]
incentives: []
receipts:
  claimed:
    hr-HR: {points_earned: "Ostvareno:", total_points: "Stanje {total}"}
  unclaimed:
    hr-HR: {marketing: "Kod {code}"}
  pos_types:
    Kiosk: {claimed: {hr-HR: {footer: Hvala}}}
"""


def test_file_of_one_language_has_no_other() -> None:
    """A program that does not serve es needs neither redemption nor prompts in its languages."""
    program = parse_program(CROATIAN, "p.yaml")

    assert (program.locale, program.contracts) == ("hr-HR", frozenset())
    assert (program.redemption, program.prompts) == (None, Prompts({}, {}))
    assert program.receipts is not None
    assert program.receipts.locales == {"hr-HR"}
    own = program.receipts.pos_types["kiosk"].claimed["hr-HR"]
    assert own == ReceiptTexts(footer="Hvala")
    assert program_from_json(program_to_json(program)) == program


def test_texts_are_shown_before_they_take_effect() -> None:
    """`loyalty apply` tells each text that differs, by its place in the file."""
    before = parse_program(CROATIAN, "p.yaml")
    after = parse_program(CROATIAN.replace("Hvala", "Bok"), "p.yaml")

    (change,) = program_changes(before, after)

    assert [(one.old, one.new) for one in change.fields] == [("Hvala", "Bok")]
    assert all("kiosk" in one.field for one in change.fields)


@pytest.mark.parametrize(
    ("written", "instead", "mistake"),
    [
        ("{total}", "{sum}", "{sum}, which stands for nothing"),
        ("hr-HR: {marketing", "hr_HR: {marketing", "must be"),
        ("hr-HR: {marketing", "xx-XX: {marketing", "must be a locale"),
        ("marketing:", "advert:", "advert: is unknown; did you mean `header`?"),
        ('{marketing: "Kod {code}"}', "{}", "hr-HR: must have at least one text"),
        ("locale: hr-HR", "locale: croatian", "locale: must be a locale"),
        ("contracts: []", "contracts: [rbi]", "contracts[0]: must be es"),
        ("contracts: []\n", "", "redemption: is required"),
    ],
)
def test_mistake_is_named(written: str, instead: str, mistake: str) -> None:
    """What is written wrongly is told at its place."""
    with pytest.raises(ProgramFileError) as caught:
        parse_program(CROATIAN.replace(written, instead), "p.yaml")

    assert mistake in "\n".join(render_mistakes(caught.value))
