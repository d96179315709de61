"""G48: the certification finds each planted fault of a till or a host, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from loyalty_service.certification.host import HttpHost
from loyalty_service.certification.results import outcome
from tests.fault.goal import Goal, Trial
from tests.support import broken_hosts, broken_tills
from tests.support.broken_tills import Till
from tests.support.certifying import (
    HOST_CASES,
    TILL_CASES,
    failed,
    neighbours,
    try_host,
    try_till,
)
from tests.support.sandbox_box import Box, box

BESIDE_EACH = 4
"""Of how many broken ones one is tried with another case as well, in the short form."""

Try = Callable[[Box, type, Sequence[str]], Mapping[str, Any]]


class Side(NamedTuple):
    """Who is tried: how, the right one, the broken ones by their cases, and all cases."""

    name: str
    attempt: Try
    right: type
    broken: Mapping[str, type]
    cases: Sequence[str]


SIDES = (
    Side("tills", try_till, Till, broken_tills.BROKEN, TILL_CASES),
    Side("hosts", try_host, HttpHost, broken_hosts.BROKEN, HOST_CASES),
)


async def run(trial: Trial) -> None:
    """Try right and broken tills, and right and broken hosts; at once where that takes long."""
    if trial.full:
        await asyncio.gather(*(asyncio.to_thread(_alone, trial, side) for side in SIDES))
        return
    await asyncio.to_thread(_together, trial)


def _alone(trial: Trial, side: Side) -> None:
    with box(trial.folder / side.name) as running:
        _try(trial, side, running)


def _together(trial: Trial) -> None:
    """Use one sandbox, whose start costs more than its calls."""
    with box(trial.folder / "both") as running:
        for side in SIDES:
            _try(trial, side, running)


def _try(trial: Trial, side: Side, running: Box) -> None:
    name, attempt, cases = side.name, side.attempt, side.cases
    _repeat(trial, running, name, attempt, side.right)
    for number, (case, kind) in enumerate(side.broken.items()):
        trial.say(f"{name}: {case}")
        beside = trial.choose(len(cases), int(number % BESIDE_EACH == 0))
        asked = neighbours(case, cases, beside)
        if trial.full:
            running.control("POST", "/reset")
        found = failed(attempt(running, kind, asked))
        trial.require(found == [case], f"broken {name}, {case}: failed {found}")
    trial.figure(f"broken {name} found", len(side.broken))


def _repeat(trial: Trial, running: Box, name: str, attempt: Try, right: type) -> None:
    """Run the right one several times: it passes, and each run comes out as the first."""
    runs = trial.choose(50, 1)
    first: dict[str, Any] | None = None
    differ = 0
    for number in range(runs):
        trial.say(f"{name}: run {number + 1} of {runs}")
        if number:
            running.control("POST", "/reset")
        results = attempt(running, right, ())
        trial.require(not failed(results), f"the right one of {name} failed {failed(results)}")
        first = first or outcome(results)
        differ += outcome(results) != first
    trial.require(not differ, f"{differ} of {runs} runs of {name} came out otherwise")
    trial.figure(f"runs of {name}", runs)
    trial.figure(f"cases of {name}", len(first or {}))


GOALS = (
    Goal(
        "G48",
        "Certification",
        "The certification passes a right till and this host, and names each planted fault by its "
        "own case alone.",
        run,
        databases=(),
    ),
)
