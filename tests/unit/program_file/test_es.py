"""How the calls of the ES contract are served is read, kept and written as it stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loyalty_service.domain.es_terms import PLAIN_ES, EsTerms, SuppressedPrompts
from loyalty_service.program_file.changes import program_changes
from loyalty_service.program_file.document import parse_program
from loyalty_service.program_file.records import program_from_json, program_to_json
from loyalty_service.program_file.source import ProgramFileError
from loyalty_service.program_file.writing import program_text
from tests.unit.program_file.test_document import VALID

WRITTEN = """
es:
  session_lifetime_s: 300
  business_units: [RETAIL, ONLINE]
  adhoc_rewards: [WELCOME_500]
  membership_type: GOLD
  suppress_prompts: {partners: [quiet-tills], pos_types: [KIOSK]}
"""
TERMS = EsTerms(
    session_lifetime_s=300,
    business_units=("ONLINE", "RETAIL"),
    adhoc_rewards=("WELCOME_500",),
    membership_type="GOLD",
    suppress_prompts=SuppressedPrompts(("quiet-tills",), ("KIOSK",)),
)


def test_program_without_the_section_has_the_defaults() -> None:
    """What an older program was is what it is, and what is stored is as before."""
    program = parse_program(VALID, "file.yaml")

    assert program.es == PLAIN_ES
    assert "es" not in program_to_json(program).program
    assert "\nes:" not in program_text(program)


def test_section_is_kept_and_written_as_it_stands() -> None:
    """What is read is stored, and written again as a file that changes nothing."""
    program = parse_program(VALID + WRITTEN, "file.yaml")

    assert program.es == TERMS
    assert program_from_json(program_to_json(program)) == program
    assert parse_program(program_text(program), "again.yaml") == program


def test_changes_name_the_fields_of_the_file() -> None:
    """What applying a file changes is told by the paths of the file."""
    old = parse_program(VALID + WRITTEN, "file.yaml")
    new = replace(old, es=replace(TERMS, session_lifetime_s=600, business_units=("RETAIL",)))

    (change,) = program_changes(old, new)

    told = {one.field: (one.old, one.new) for one in change.fields}
    assert told["es.session_lifetime_s"] == ("300", "600")
    assert set(told) == {"es.session_lifetime_s", "es.business_units"}


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("es: {session_lifetime_s: 299}", "must be a whole number from 300 to 2,592,000"),
        ("es: {reservation_lifetime_s: 86401}", "must be a whole number from 60 to 86,400"),
        ("es: {store_id: 77777}", "is not a store of this file"),
        ("es: {business_units: [A, A]}", "must not name anything twice"),
        ("es: {nearly: 1}", "is unknown"),
    ],
)
def test_mistake_in_the_section_is_named(text: str, mistake: str) -> None:
    """What can't be is told with its place."""
    with pytest.raises(ProgramFileError) as problem:
        parse_program(VALID + text + "\n", "file.yaml")

    assert mistake in str(problem.value)


def test_drafts_of_es_need_es() -> None:
    """Paths of ES without its sessions would serve nobody."""
    with pytest.raises(ProgramFileError) as problem:
        parse_program(VALID + "contracts: [es-drafts]\n", "file.yaml")

    assert "needs `es` beside it" in str(problem.value)


def test_prompts_are_suppressed_by_partner_or_channel() -> None:
    """A till stays silent for its partner, or in sessions of a channel in any case."""
    silent = TERMS.suppress_prompts

    assert silent.silences("quiet-tills", "STORE")
    assert silent.silences("other", "kiosk")
    assert not silent.silences("other", "STORE")
