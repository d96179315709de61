"""A case of a host that fails: what it has reserved or locked is given back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from loyalty_service.certification.cases import all_cases
from loyalty_service.certification.drive import Answer, Visit
from loyalty_service.certification.program import read_program
from loyalty_service.certification.requests import Request
from loyalty_service.certification.results import FAILED


class FakeHost:
    """A host that gives each call an answer of its name, and remembers the calls."""

    live = True

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.paths: list[tuple[str, str]] = []

    def call(self, request: Request, *, wait_s: float) -> Answer:  # noqa: ARG002 - nothing waits.
        """Answer by the name of the call; with nothing if it has none."""
        self.paths.append((request.method, request.path))
        return Answer(200, self.answers.get(request.call, {}), {})

    def together(self, requests: Sequence[Request], *, wait_s: float) -> list[Answer]:
        """Make calls at once."""
        return [self.call(one, wait_s=wait_s) for one in requests]

    def advance(self, by: str) -> None:
        """Leave the clock."""

    def number(self) -> str:
        """Give a number that no order has had."""
        return str(len(self.paths))


def test_reservation_of_a_failed_case_is_cancelled() -> None:
    """In a session of the same member, which the case has not closed."""
    host = FakeHost(reserve={"reservationToken": "t-1"}, purchase={"pointsEarned": -1})

    result = Visit(all_cases()["ES-8"], read_program(None), host).run()

    assert result.verdict == FAILED
    *_, (opened, _), (cancelled, path) = host.paths
    assert (opened, cancelled) == ("POST", "DELETE")
    assert path.endswith("/reservations/t-1")


def test_lock_of_a_failed_case_is_lifted() -> None:
    """So that the cases after it can redeem."""
    host = FakeHost()

    result = Visit(all_cases()["ES-13"], read_program(None), host).run()

    assert result.verdict == FAILED
    assert host.paths[-1][0] == "DELETE"
    assert host.paths[-1][1].endswith("/advices/loyalty")
