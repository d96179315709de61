"""The report in the form that build servers read."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from loyalty_service.certification.program import read_program
from loyalty_service.certification.report import junit, summed_up, verdict_of_run


def test_counts_are_those_of_the_entries() -> None:
    """A known failure is skipped, one that passes fails, and the sums say so too."""
    cases = [
        {"case": name, "title": "It", "verdict": verdict, "note": note, "known_failure": known}
        for name, verdict, note, known in (
            ("A", "passed", "", ""),
            ("B", "failed", "wrong", ""),
            ("C", "failed", "wrong", "we wait for \x00 our vendor"),
            ("D", "passed", "", "we wait for our vendor"),
            ("E", "not run", "no clock", ""),
        )
    ]
    told = {"side": "till", "revision": "2026-11", "began": "2026-11-29T00:00:00Z", "cases": cases}
    suite = ET.fromstring(junit(told))  # noqa: S314 - our own.
    kinds = [[entry.tag for entry in case] for case in suite]

    assert kinds == [[], ["failure"], ["skipped"], ["failure"], ["skipped"]]
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "2", "2")


@pytest.mark.parametrize(("has", "verdict"), [(["validates"], "passed"), ([], "incomplete")])
def test_till_that_has_more_than_it_says_is_not_passed(has: list[str], verdict: str) -> None:
    """A call of a till shows what it has: the cases of that were not tried, and the sums say so."""
    case = {"case": "RBI-1.1a", "verdict": "passed", "known_failure": ""}
    cases: list[dict[str, Any]] = [case | {"trace": [{"call": "identify"}, {"call": "validate"}]}]
    subject = {"name": "x", "has": has}
    totals = {"passed": 1, "failed": 0, "not run": 0}
    results = {"side": "till", "subject": subject, "cases": cases, "totals": totals}

    assert verdict_of_run(cases, "till", subject, read_program(None)) == verdict
    said = "; the till has validates, which its profile does not say"
    assert (said in summed_up(results)) is (verdict == "incomplete")
