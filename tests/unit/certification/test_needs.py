"""Hosts that have less than the sandbox: what is not there is not tried."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from loyalty_service.certification.cases import all_cases
from loyalty_service.certification.drive import Answer, Visit
from loyalty_service.certification.host_run import plan
from loyalty_service.certification.needs import missing
from loyalty_service.certification.program import FileError, TestProgram, read_program
from loyalty_service.certification.requests import Request
from loyalty_service.certification.results import NOT_RUN

SMALL = """
name: theirs
currency: EUR
points_per_unit: 10
stores: {open: 77}
pos_types: {pos: TheirPos}
members: {c: bbbbbbbb-0000-4000-8000-000000000001}
codes:
  reward: {digits: "700003", member: c, selects: [reward]}
products:
  item: {productId: I1, productType: item, price: 8.49}
  reward: {productId: R1, productType: reward, cost: 500, earns: false, incentiveId: r}
"""

HOST_CASES = [case for case in all_cases().values() if case.drive]


class Refusing:
    """A host that refuses every call, and notes what came."""

    live = True

    def __init__(self) -> None:
        self.calls: list[Request] = []

    def call(self, request: Request, *, wait_s: float) -> Answer:  # noqa: ARG002
        """Refuse."""
        self.calls.append(request)
        return Answer(400, {"code": "ValidationError"}, {})

    def together(self, requests: Sequence[Request], *, wait_s: float) -> list[Answer]:
        """Refuse each."""
        return [self.call(one, wait_s=wait_s) for one in requests]

    def advance(self, by: str) -> None:
        """Have no clock."""
        raise AssertionError(by)

    def number(self) -> str:
        """Give always the same."""
        return "1"


@pytest.fixture
def small(tmp_path: Path) -> TestProgram:
    """Read a program with one code, one reward and one store."""
    file = tmp_path / "small.yaml"
    file.write_text(SMALL, "utf-8")
    return read_program(file)


def test_sandbox_lacks_nothing() -> None:
    """Every case of a host can be tried on the sandbox."""
    assert [case.id for case in HOST_CASES if missing(case, read_program(None))] == []


def test_small_host_is_tried_with_what_it_has(small: TestProgram) -> None:
    """A case that names what the program does not have is not run, and nothing is sent for it."""
    tried = 0
    for case in HOST_CASES:
        host = Refusing()
        result = Visit(case, small, host).run()
        if result.verdict == NOT_RUN:
            assert host.calls == [], case.id
            assert result.note, case.id
        else:
            tried += 1
        shown = [one.body["identifier"] for one in host.calls if one.call == "identify"]
        assert set(shown).isdisjoint(read_program(None).codes), case.id
    planned = plan(tuple(HOST_CASES), small)

    assert planned["cases"] == tried > 20
    assert planned["stores"] == [77]


def test_what_is_missing_is_named(small: TestProgram) -> None:
    """The report says which names the program does not have."""
    cases = all_cases()

    assert missing(cases["PE-3"], small) == (
        "The test program does not have: codes.offer, products.offer, stores.closed."
    )
    assert missing(cases["ES-S2"], small) == "The test program does not have: session.rules."
    assert missing(cases["AGAIN-ask"], small) == "The host has no call outcome for the kit."
    assert missing(cases["AGAIN-claim"], small) == ""


def test_program_that_names_what_it_has_not_is_refused(tmp_path: Path) -> None:
    """A code of a member, or for a product, that is not there is told at once."""
    file = tmp_path / "program.yaml"
    for before, after, said in (
        ("member: c,", "member: z,", "there is no member z"),
        ("selects: [reward]", "selects: [cake]", "there is no product cake"),
    ):
        file.write_text(SMALL.replace(before, after), "utf-8")
        with pytest.raises(FileError, match=said):
            read_program(file)


def test_second_program_is_told_of_before_it_is_written_to() -> None:
    """Cases of one incentive an order are counted apart, and need a key of their own."""
    whole = read_program(None)
    lone = whole.model_copy(update={"can": tuple(one for one in whole.can if one != "single")})
    told = [missing(case, lone) for case in HOST_CASES if not missing(case, whole)]

    assert plan(tuple(HOST_CASES), whole)["single"] == 2
    assert plan(tuple(HOST_CASES), lone)["single"] == 0
    assert sum("one offer and one reward an order" in why for why in told) == 2
