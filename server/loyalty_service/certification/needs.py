"""What a case needs of a host and of its test program, and what of that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from loyalty_service.certification.cases import Case, Step
from loyalty_service.certification.program import TestProgram, read_program
from loyalty_service.certification.visit_requests import VISIT_MAKERS

OWN_CALLS = {
    **dict.fromkeys(("outcome", "order"), "outcome"),
    **dict.fromkeys(("issue", "code", "member", "receipt"), "app"),
    **dict.fromkeys(("user", "search"), "users"),
    **dict.fromkeys(("incentives", "content"), "incentives"),
    "promo": "promo_codes",
    "points": "points",
    "return": "returns",
    **dict.fromkeys(("rescan", "status"), "v2"),
    **dict.fromkeys(VISIT_MAKERS, "visits"),
}
"""Calls that other hosts may not have, with what they can then."""
SINGLE = "single"
"""The role of a till's key in the second program, and how a test program says that there is one."""

_PATH = re.compile(r"[a-z_]+(?:\.[A-Za-z_]+)*")
_REFERENCE = re.compile(r"\{(" + _PATH.pattern + r")\}")


def missing(case: Case, program: TestProgram) -> str:
    """Say why a case can't be tried on a host; empty where it can."""
    steps = [one for step in case.drive for one in (step, *step.at_once)]
    for step in steps:
        if step.fault and "faults" not in program.can:
            return "The host can't play the fault that the case needs."
        if step.advance and "clock" not in program.can:
            return "The host's clock can't be moved."
        if step.api_key == SINGLE and SINGLE not in program.can:
            return "The host has no program for the kit with one offer and one reward an order."
    lacks = sorted({name for step in steps for name in _names(step, case) if _lacks(name, program)})
    if lacks:
        return f"The test program does not have: {', '.join(lacks)}."
    for step in steps:
        code = program.codes.get(step.show)
        issues = code is not None and code.issue and bool(step.call)
        for call in ("issue" if issues else "", step.call):
            if call in OWN_CALLS and OWN_CALLS[call] not in program.can:
                return f"The host has no call {call} for the kit."
    return ""


def _lacks(name: str, program: TestProgram) -> bool:
    """Tell whether a test program does not have what `part.name` stands for."""
    part, _, rest = name.partition(".")
    held = getattr(program, part)
    return rest not in held


@cache
def _whole() -> TestProgram:
    """Give the sandbox's test program, which has everything that cases name."""
    return read_program(None)


def _names(step: Step, case: Case) -> Iterator[str]:
    """Give what a step names of a test program, as `products.item`."""
    whole = _whole()
    if step.call:
        yield f"stores.{step.store}"
        yield f"pos_types.{'kiosk' if step.kiosk else 'pos'}"
    for part in ("codes", "members"):
        if step.show in getattr(whole, part):
            yield f"{part}.{step.show}"
    yield from (f"products.{name}" for name in (*step.lines, *step.discounts))
    if step.promo in whole.promo_codes:
        yield f"promo_codes.{step.promo}"
    labels = {one.name for drive in case.drive for one in (drive, *drive.at_once)}
    said = [step.answer, list(step.answers), dict(step.body), step.show, step.query]
    for path in _paths(said):
        first, _, rest = path.partition(".")
        if first in labels:
            continue
        if first in whole.products:
            yield f"products.{first}"
        elif f"{first}s" in _PARTS and rest:
            yield f"{first}s.{rest.partition('.')[0]}"
        elif first == "session" and rest:
            yield f"session.{rest}"


_PARTS = ("stores", "pos_types", "members", "codes", "promo_codes")


def _paths(value: Any) -> Iterator[str]:
    """Find the names in a pattern: of `{reward.cost}` and of `=t.points + earn(item)`."""
    if isinstance(value, str):
        if value.startswith("="):
            yield from _PATH.findall(value)
        else:
            yield from _REFERENCE.findall(value)
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _paths(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _paths(part)
