"""The report in the form that build servers read."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from loyalty_service.certification.report import junit


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
