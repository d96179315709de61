"""Runs tills and hosts through cases of the certification, on a sandbox of its own process."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from loyalty_service.certification.cases import all_cases, cases_of, newest_revision
from loyalty_service.certification.host import HttpHost
from loyalty_service.certification.host_run import HostRun, HostSubject
from loyalty_service.certification.program import Profile, read_profile, read_program
from loyalty_service.certification.results import PASSED
from tests.support.broken_tills import Till, make, till
from tests.support.roots import ROOT
from tests.support.sandbox_box import Box

PROFILE = ROOT / "examples" / "till-python" / "my-till.yaml"
TILL_CASES = tuple(case.id for case in all_cases().values() if case.watch)
HOST_CASES = tuple(case.id for case in all_cases().values() if case.drive)
KEYS = {
    "till": "sandbox-pos-key",
    "app": "sandbox-app-key",
    "points": "sandbox-points-key",
    "single": "sandbox-single-key",
}


def profile() -> Profile:
    """Read what the example's till has."""
    return read_profile(PROFILE)


def neighbours(case: str, cases: Sequence[str], count: int) -> list[str]:
    """Give a case and as many others at most, of those that need not wait for anything."""
    others = [one for one in cases if ending(one) not in WAITING and one != case]
    at = hash_of(case) % len(others)
    return [case, *(others + others)[at : at + min(count, len(others))]]


WAIT_S = 2.0
"""How long tills wait for an answer here: longer than any good one takes on a busy machine."""

SHORT_WAIT_S = 0.3
"""
How long in a case whose answer is not to come in time.

A good answer that is missed there as well changes no verdict: the till sends the same again.
"""

DELAYED = {"late", "never", "slow"}
"""How the names of those cases end."""

WAITING = {*DELAYED, "busy"}
"""How the names of all cases end that take longer than their calls do."""


def ending(case: str) -> str:
    """Give the last part of a case's name: of those with a fault, which."""
    return case.rpartition("-")[2]


def hash_of(text: str) -> int:
    """Give a number of a text that is the same in every process."""
    return sum(ord(letter) * (at + 1) for at, letter in enumerate(text))


def try_till(
    box: Box, kind: type = Till, only: Sequence[str] = (), known: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    """Let a kind of the example's till go through cases by itself; return what came out."""
    return run_till(box, make(kind, f"127.0.0.1:{box.http}"), only, known)


class QuickBench(till.Bench):  # type: ignore[name-defined, misc]
    """
    Tries a till without waiting where no case asks for it.

    What a case judges is the machine's time, so a till that was told 429 waits as long as it says.
    Every other wait between two tries goes by the sandbox's clock, and a till waits shortly for
    an answer that is not to come.
    """

    def __init__(self, box: Box, machine: Any) -> None:
        super().__init__(f"http://127.0.0.1:{box.control_port}", machine)
        self._box = box

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call the control port, and learn which case is next."""
        told = super().ask(method, path, body)
        if "now" in told:
            end, calls = ending(told["now"]["id"]), self.till.loyalty
            calls.wait_s = SHORT_WAIT_S if end in DELAYED else WAIT_S
            calls.sleep = time.sleep if end == "busy" else self._sleep
        return told

    def _sleep(self, seconds: float) -> None:
        """Let the sandbox's clock go on, which moves by whole seconds."""
        if seconds < 1:
            time.sleep(seconds)
            return
        moved = self._box.control("POST", "/clock", {"advance": f"{ceil(seconds)}s"})
        assert moved.status == 200


def run_till(
    box: Box, machine: Any, only: Sequence[str] = (), known: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    """Let a till go through cases by itself; return what came out."""
    asked = {
        "profile": profile().model_dump(mode="json"),
        "only": list(only),
        "settle_s": 0,
        "limit_s": 60,
        "known_failures": known or {},
    }
    told = box.control("POST", "/certification", asked)
    assert told.status == 200, told.body
    QuickBench(box, machine).run()
    results: Mapping[str, Any] = box.control("GET", "/certification/results").body
    return results


def host_of(box: Box, kind: type[HttpHost] = HttpHost) -> HttpHost:
    """Give the sandbox as a host, right or with the faults of a kind."""
    control = f"http://127.0.0.1:{box.control_port}"
    return kind(f"http://127.0.0.1:{box.http}", KEYS, control=control)


def try_host(
    box: Box, kind: type[HttpHost] = HttpHost, only: Sequence[str] = ()
) -> Mapping[str, Any]:
    """Drive the sandbox through cases; return what came out."""
    host = host_of(box, kind)
    # New codes of a member are limited in a minute, and another run may just have made some.
    host.advance("2m")
    subject = HostSubject("sandbox", "http://127.0.0.1")
    return HostRun(subject, read_program(None), host, only=tuple(only)).run(lambda *_: None)


def failed(results: Mapping[str, Any]) -> list[str]:
    """Name the cases that did not pass."""
    return [case["case"] for case in results["cases"] if case["verdict"] != PASSED]


def all_of(side: str) -> list[str]:
    """Name every case of a side in the newest revision."""
    return [case.id for case in cases_of(newest_revision(), side)]  # type: ignore[arg-type]
