"""Says which cases a till or a host can't be tried with, by what it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loyalty_service.certification.cases import Case, Side
from loyalty_service.certification.needs import missing
from loyalty_service.certification.program import TestProgram


def why_not(case: Case, side: Side, subject: Mapping[str, Any], program: TestProgram) -> str:
    """Say why a case is not for a subject, as its report names it; empty where it is."""
    if side == "till":
        return till_lacks(case, subject.get("has", ()))
    return missing(case, program)


def till_lacks(case: Case, has: object) -> str:
    """Say what a till lacks for a case; empty where it has all."""
    there = set(has) if isinstance(has, list | tuple) else set()
    lacks = [one for one in case.needs if one not in there]
    return f"The till does not have: {', '.join(lacks)}." if lacks else ""
