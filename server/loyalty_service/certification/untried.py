"""Says which cases a till or a host can't be tried with, by what it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loyalty_service.certification.cases import Case, Feature, Side
from loyalty_service.certification.needs import missing
from loyalty_service.certification.program import TestProgram


def why_not(case: Case, side: Side, subject: Mapping[str, Any], program: TestProgram) -> str:
    """Say why a case is not for a subject, as its report names it; empty where it is."""
    if side == "till":
        return till_lacks(case, subject.get("has", ()))
    return missing(case, program)


FEATURES_BY_CALL: Mapping[str, Feature] = {
    "validate": "validates",
    "unclaimed": "receipts",
    "session": "sessions",
    "visit": "sessions",
    "purchase": "purchases",
    "reserve": "points_as_payment",
    "promo": "promo_codes",
    "incentives": "lists",
}
"""What a till has that makes a call."""


def not_in_profile(results: Mapping[str, Any]) -> list[str]:
    """Name what a till was seen to have although its profile does not say so: cases were missed."""
    if results["side"] != "till":
        return []
    calls = {call["call"] for case in results["cases"] for call in case["trace"]}
    seen = {FEATURES_BY_CALL[call] for call in calls & FEATURES_BY_CALL.keys()}
    return sorted(seen - set(results["subject"].get("has", ())))


def till_lacks(case: Case, has: object) -> str:
    """Say what a till lacks for a case; empty where it has all."""
    there = set(has) if isinstance(has, list | tuple) else set()
    lacks = [one for one in case.needs if one not in there]
    return f"The till does not have: {', '.join(lacks)}." if lacks else ""
