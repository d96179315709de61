"""The longest refusal that an order can meet, as both doors tell it."""

from __future__ import annotations

from dataclasses import replace

import grpc
import pytest
from google.protobuf import json_format

from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.domain.restrictions import LimitPerOrder, Stores
from tests.support.longest_errors import WIDE_ID
from tests.support.orders import COFFEE
from tests.support.programs import demo_program, put_program
from tests.support.server import POS_KEY, Caller, Front, open_channel
from tests.support.transactions import (
    open_transaction,
    reward_line,
    transactions,
    validate_request,
)

pytestmark = pytest.mark.any_database

REWARDS = [f"{number:02}".rjust(len(WIDE_ID), WIDE_ID[0]) for number in range(20)]
BROKEN = [
    rule
    for name in REWARDS
    for rule in (
        ("exceeds-limit-per-order", f"limit-per-order/{name}"),
        ("invalid-store-id", f"store-restrictions/{name}"),
    )
] + [("insufficient-point-balance", f"point-balance/{REWARDS[0]}")]
TRAILER_BYTES_MAX = 4096
BODY_BYTES_MAX = 40_000


async def _order_that_breaks_all(front: Front) -> pb.ValidateOrderRequest:
    """Put rewards of the longest names into the program, and into an order that may have none."""
    program = demo_program()
    rules = (LimitPerOrder(1), Stores((1001,)))
    long = {
        name: replace(program.incentives[COFFEE], incentive_id=name, engine_id=None, rules=rules)
        for name in REWARDS
    }
    await put_program(front.server.store, replace(program, incentives=program.incentives | long))
    await front.server.store.refresh_catalog()
    opened = await open_transaction(front.server.till, await front.server.admin.enroll())
    return validate_request(opened, "PENDING", *(reward_line(name, quantity=2) for name in REWARDS))


async def test_longest_refusal_reaches_a_grpc_caller_through_envoy(own_front: Front) -> None:
    """Broken rules with the longest names arrive as sent, counted, in at most 4 KiB."""
    request = await _order_that_breaks_all(own_front)
    straight = await own_front.server.till.refused(
        transactions(own_front.server.till).ValidateOrder, request, x_request_id="r" * 128
    )
    async with open_channel(f"127.0.0.1:{own_front.envoy.http_port}") as channel:
        kiosk = Caller(channel, POS_KEY)
        refusal = await kiosk.refused(transactions(kiosk).ValidateOrder, request)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "RULES_FAILED")
    assert refusal.metadata["violations"] == str(len(BROKEN))
    assert len(refusal.rules) > 1
    assert refusal.rules == BROKEN[: len(refusal.rules)]
    assert (refusal.rules, refusal.metadata) == (straight.rules, straight.metadata)
    assert straight.request_id == "r" * 128
    assert straight.trailer_bytes <= TRAILER_BYTES_MAX


async def test_longest_refusal_reaches_a_json_caller_as_its_body(own_front: Front) -> None:
    """Broken rules fill the body up to 40,000 bytes, and the body is whole."""
    request = await _order_that_breaks_all(own_front)
    content = json_format.MessageToDict(request)
    transaction_id = content.pop("loyaltyTransactionId")
    answer = await own_front.post(f"/loyalty/transaction/pos/validate/{transaction_id}", content)
    assert answer.status == 400
    assert BODY_BYTES_MAX / 2 < len(answer.body) <= BODY_BYTES_MAX
    told = answer.json()
    assert told["code"] == "RulesError"
    listed = [
        (rule["code"], f"{rule['ruleId']}/{rule['incentiveId']}")
        for rule in told["details"]["ruleEvaluation"]
    ]
    assert listed == BROKEN[: len(listed)]
