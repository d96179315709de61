"""The cases, the list of requirements, and the sets that are frozen."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from loyalty_service.certification import cases, host_run, requests
from loyalty_service.certification.cases import (
    REVISIONS,
    CaseFile,
    all_cases,
    all_demands,
    digest,
    newest_revision,
    revisions,
)
from loyalty_service.certification.patterns import SHAPES
from loyalty_service.certification.phrases import actions_of, said
from loyalty_service.certification.program import read_program
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.sandbox import call_watch
from loyalty_service.sandbox.errors_on_purpose import is_reason
from loyalty_service.sandbox.kinds import KINDS

SCHEMA = REVISIONS.with_name("case.schema.json")


def test_there_are_enough_cases() -> None:
    """At least sixty cases are there, for both sides."""
    every = all_cases().values()

    assert len(every) >= 60
    assert sum(bool(case.watch) for case in every) >= 30
    assert all(case.drive or case.watch for case in every)


def test_newest_revision_has_every_case() -> None:
    """A case that is new, or has changed, needs a new revision."""
    frozen = revisions()[newest_revision()]

    assert frozen == {name: digest(case) for name, case in all_cases().items()}


def test_every_must_has_its_case_or_a_reason() -> None:
    """Each MUST of both contracts names cases that there are, or says why it has none."""
    demands = all_demands()
    known = all_cases()

    assert len({demand.id for demand in demands}) == len(demands)
    assert {demand.contract for demand in demands} == {"RBI", "ES"}
    for demand in demands:
        assert bool(demand.cases) != bool(demand.reason), demand.id
        assert [name for name in demand.cases if name not in known] == [], demand.id


def test_every_must_of_a_case_is_in_the_list() -> None:
    """A case of level MUST is the case of some requirement in the list."""
    named = {name for demand in all_demands() for name in demand.cases}
    must = {name for name, case in all_cases().items() if case.requirement.level == "MUST"}

    assert must - named == set()


def test_cashier_s_part_can_be_said() -> None:
    """What a cashier does can be told to people and to tills that drive themselves."""
    program = read_program(None)
    for case in all_cases().values():
        if case.watch is not None:
            assert said(case, program), case.id
            assert actions_of(case, program), case.id


def test_watched_cases_say_what_must_be_there() -> None:
    """A case of a till asks for at least one call, and its labels are made before they are used."""
    for case in all_cases().values():
        if case.watch is None:
            continue
        assert any(one.call for one in case.must), case.id
        known: set[str] = set()
        for one in (*case.must, *case.never):
            used = {one.of, one.after, one.before, one.same_as, one.another_than, *one.wait}
            assert used - {""} <= known, case.id
            known.add(one.name)


def test_faults_of_cases_can_be_played() -> None:
    """Each fault is a kind or the reason of an error, and a code has one of them in a case."""
    for case in all_cases().values():
        faults = case.watch.faults if case.watch else ()
        assert len({one.code for one in faults}) == len(faults), case.id
        for one in faults:
            assert one.kind in KINDS or is_reason(one.kind), case.id
        steps = [one for step in case.drive for one in (step, *step.at_once) if one.fault]
        assert all(one.fault in KINDS or is_reason(one.fault) for one in steps), case.id


def test_every_call_can_be_made_and_seen() -> None:
    """A name of a call has what builds it; those of tills have what recognises them."""
    calls = set(get_args(cases.CallName))
    tills = calls - set(requests.CALLERS)

    assert calls == set(requests.MAKERS)
    assert set(call_watch.NAMES.values()) | {"claim", "pending"} == tills
    assert set(host_run.WRITING) <= calls


def test_shapes_in_cases_are_known() -> None:
    """No case has a shape that the judge does not know."""
    text = json.dumps([case.model_dump(mode="json") for case in all_cases().values()])
    shapes = {part.split('"')[0] for part in text.split('"~')[1:]}

    assert shapes <= set(SHAPES)


def test_case_that_is_gone_is_told() -> None:
    """A report of a set that had a case which is no more is refused in words, not with a trace."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cases, "revisions", lambda: {"2020-01": {"GONE-1": "0"}})
        with pytest.raises(OperatorError, match="Changed since revision 2020-01: GONE-1"):
            cases.cases_of("2020-01", "till")


def test_schema_is_the_one_of_the_code() -> None:
    """The schema for editors is in step with what is read."""
    assert json.loads(SCHEMA.read_text("utf-8")) == CaseFile.model_json_schema()
