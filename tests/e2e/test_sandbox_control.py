"""The sandbox's clock, its reset and its control port."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest

from loyalty.v1 import identify_service_pb2, identify_service_pb2_grpc
from loyalty_service.sandbox.fixed_codes import ODILE
from tests.support.sandbox_box import Box, box, new_order


def test_code_is_too_old_when_the_clock_has_moved(fresh: Box) -> None:
    """A code that an app made is refused once the clock has moved past its lifetime."""
    app = {"x_api_key": "sandbox-app-key"}
    made = fresh.call("/otp", {"loyaltyId": ODILE, "order": []}, **app)
    assert fresh.identify(made.body["otp"]).status == 200
    made = fresh.call("/otp", {"loyaltyId": ODILE, "order": []}, **app)
    moved = fresh.control("POST", "/clock", {"advance": "6m"})

    assert moved.body["ahead"] == "6m"
    assert moved.body["ended"]["codes"] >= 1
    refused = fresh.identify(made.body["otp"])
    assert (refused.status, refused.body["code"]) == (404, "HashSetNotFoundError")


def test_open_order_is_voided_and_its_points_are_back_when_a_day_has_passed(fresh: Box) -> None:
    """What an order held is available again after 61 hours."""
    opened = fresh.identify("123456").body
    assert opened["balances"][0]["amount"] == 14464

    said = fresh.run("clock", "advance", "61h")

    assert said.returncode == 0, said.stderr
    assert "61h ahead" in said.stdout
    assert "Ended: 1 open orders" in said.stdout
    refused = fresh.claim(opened["transactionId"])
    assert refused.body["code"] == "TRANSACTION_NOT_CLAIMABLE"


def test_points_of_the_second_program_go_after_half_a_year(fresh: Box) -> None:
    """A receipt tells the day, and from then on no balance counts them."""
    second = {"x_api_key": "sandbox-single-key"}
    opened = fresh.identify(ODILE, **second).body
    claimed = fresh.claim(opened["transactionId"], **second).body
    assert claimed["presentation"]["pointsExpiring"].startswith("20050 points go on 20")

    fresh.control("POST", "/clock", {"advance": "220d"})

    assert opened["balances"][0]["amount"] == 20000
    assert fresh.identify(ODILE, **second).body["balances"][0]["amount"] == 0


def test_every_answer_tells_the_time(fresh: Box) -> None:
    """JSON answers, refusals, Envoy's own answers and gRPC answers all say what time it is."""
    fresh.control("POST", "/clock", {"advance": "400d"})
    year = fresh.control("GET", "/clock").body["now"][:7]

    for answer in (fresh.identify("123456"), fresh.identify("900404"), fresh.call("/nowhere")):
        assert answer.headers["sandbox-clock"].startswith(year)
    for port in (fresh.http, fresh.grpc):
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = identify_service_pb2_grpc.IdentifyServiceStub(channel)  # type: ignore[no-untyped-call]
            _, call = stub.IdentifyMember.with_call(
                identify_service_pb2.IdentifyMemberRequest(
                    identifier="123456",
                    pos_vendor={  # type: ignore[arg-type]
                        "store_id": 9999,
                        "pos_type": "Partner",
                        "transaction_id": new_order(),
                    },
                ),
                metadata=[("x-api-key", "sandbox-pos-key")],
            )
            assert dict(call.initial_metadata())["sandbox-clock"].startswith(year)


def test_reset_brings_the_first_day_back(running: Box) -> None:
    """Clock, orders and points are as after the first start."""
    running.control("POST", "/clock", {"advance": "61h"})
    opened = running.identify("123456").body

    said = running.run("reset")

    assert said.returncode == 0, said.stderr
    assert running.control("GET", "/clock").body["ahead"] == "0s"
    assert running.claim(opened["transactionId"]).status == 404
    assert running.identify("123456").body["balances"][0]["amount"] == 14464


@pytest.mark.parametrize("by", ["-1h", "soon", "", "1w", "99999d"])
def test_clock_moves_forward_by_times_only(running: Box, by: str) -> None:
    """What is no time to go forward by is refused, and the clock stays."""
    before = running.control("GET", "/clock").body["aheadMs"]
    refused = running.control("POST", "/clock", {"advance": by})

    assert refused.status == 400
    assert refused.body["error"]
    assert running.control("GET", "/clock").body["aheadMs"] == before


def test_clock_goes_on_after_a_restart(tmp_path: Path) -> None:
    """A sandbox that is started again is as far ahead as it was."""
    with box(tmp_path) as first:
        first.control("POST", "/clock", {"advance": "3d"})
    with box(tmp_path) as second:
        assert second.control("GET", "/clock").body["ahead"] == "72h"
        assert second.identify("123456").status == 200


@pytest.mark.parametrize("header", [{"origin": "https://example.org"}, {"host": "example.org"}])
def test_pages_of_elsewhere_do_not_control_it(running: Box, header: dict[str, str]) -> None:
    """A web page that somebody reads on this machine can't reset the sandbox."""
    assert running.control("POST", "/reset", **header).status == 403


def test_control_says_what_there_is(running: Box) -> None:
    """A wrong path, method or body is told in words."""
    assert "POST /reset" in running.control("GET", "/nowhere").body["error"]
    assert running.control("DELETE", "/clock").status == 405
    assert running.control("POST", "/clock", "1h").status == 400
