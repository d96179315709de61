"""G48: the certification finds each planted fault of a till or a host, and no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from loyalty_service.certification.host import HttpHost
from loyalty_service.certification.results import outcome
from tests.fault.goal import Goal, Trial
from tests.support import broken_tills, broken_visits
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
Outcome = Mapping[str, Any]


RUNS = 50


class Side(NamedTuple):
    """
    Who is tried: how, the right one, the broken ones by their cases, and all cases.

    Attributes:
        sandboxes: How many are used at once in the long form: a till waits for most of its time.
    """

    name: str
    attempt: Try
    right: type
    broken: Mapping[str, type]
    cases: Sequence[str]
    sandboxes: int


SIDES = (
    Side("tills", try_till, Till, broken_tills.BROKEN, TILL_CASES, 3),
    Side("hosts", try_host, HttpHost, broken_visits.BROKEN, HOST_CASES, 1),
)


async def run(trial: Trial) -> None:
    """Try right and broken tills, and right and broken hosts; at once where that takes long."""
    if trial.full:
        alone = (
            asyncio.to_thread(_share, trial, side, place)
            for side in SIDES
            for place in range(side.sandboxes)
        )
        found = await asyncio.gather(*alone)
    else:
        found = await asyncio.to_thread(_together, trial)
    for side in SIDES:
        outcomes = [one for name, own in found if name == side.name for one in own]
        differ = sum(one != outcomes[0] for one in outcomes)
        trial.require(not differ, f"{differ} of {len(outcomes)} runs of {side.name} differ")
        trial.figure(f"runs of {side.name}", len(outcomes))
        trial.figure(f"cases of {side.name}", len(outcomes[0]))
        trial.figure(f"broken {side.name} found", len(side.broken))


def _share(trial: Trial, side: Side, place: int) -> tuple[str, list[Outcome]]:
    """Try a part of a side in a sandbox of its own."""
    with box(trial.folder / f"{side.name}-{place}") as running:
        return side.name, _try(trial, side, running, slice(place, None, side.sandboxes))


def _together(trial: Trial) -> list[tuple[str, list[Outcome]]]:
    """Use one sandbox, whose start costs more than its calls."""
    with box(trial.folder / "both") as running:
        return [(side.name, _try(trial, side, running, slice(None))) for side in SIDES]


def _try(trial: Trial, side: Side, running: Box, part: slice) -> list[Outcome]:
    """Run a part of the right ones, which pass, and of the broken; tell how the first came out."""
    outcomes = []
    for number in range(trial.choose(RUNS, 1))[part]:
        trial.say(f"{side.name}: run {number + 1}")
        if number:
            running.control("POST", "/reset")
        results = side.attempt(running, side.right, ())
        trial.require(not failed(results), f"right {side.name} failed {failed(results)}")
        outcomes.append(outcome(results))
    for number, (case, kind) in [*enumerate(side.broken.items())][part]:
        trial.say(f"{side.name}: {case}")
        beside = trial.choose(len(side.cases), int(number % BESIDE_EACH == 0))
        asked = neighbours(case, side.cases, beside)
        if trial.full:
            running.control("POST", "/reset")
        found = failed(side.attempt(running, kind, asked))
        trial.require(found == [case], f"broken {side.name}, {case}: failed {found}")
    return outcomes


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
