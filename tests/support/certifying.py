"""Runs tills and hosts through cases of the certification, on a sandbox of its own process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
KEYS = {"till": "sandbox-pos-key", "app": "sandbox-app-key", "points": "sandbox-points-key"}


def profile() -> Profile:
    """Read what the example's till has."""
    return read_profile(PROFILE)


def neighbours(case: str, cases: Sequence[str], count: int) -> list[str]:
    """Give a case and as many others at most, of those that need not wait for anything."""
    others = [one for one in cases if one.rpartition("-")[2] not in SLOW and one != case]
    at = hash_of(case) % len(others)
    return [case, *(others + others)[at : at + min(count, len(others))]]


WAIT_S = 2.0
"""How long tills wait for an answer here: longer than any good one takes on a busy machine."""

SLOW = {"late", "never", "slow", "killed", "busy"}


def hash_of(text: str) -> int:
    """Give a number of a text that is the same in every process."""
    return sum(ord(letter) * (at + 1) for at, letter in enumerate(text))


def try_till(
    box: Box, kind: type = Till, only: Sequence[str] = (), known: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    """Let a kind of the example's till go through cases by itself; return what came out."""
    return run_till(box, make(kind, f"127.0.0.1:{box.http}", wait_s=WAIT_S), only, known)


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
    till.Bench(f"http://127.0.0.1:{box.control_port}", machine).run()
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
