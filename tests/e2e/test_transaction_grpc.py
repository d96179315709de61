"""The order's calls over gRPC: codes, reasons and details, as a kiosk reads them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import grpc
import pytest

from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.keys import Role, key_digest
from tests.support.doing import apply_program, create_key
from tests.support.programs import demo_program
from tests.support.server import PROGRAM_ID, Caller, Refusal, Server, give_points
from tests.support.transactions import (
    COFFEE,
    line,
    open_transaction,
    reward_line,
    transactions,
    unclaimed_request,
    update_request,
    validate_request,
)

Code = grpc.StatusCode
COOKIE = "21636369-8b52-4b4a-97b7-50923ceb3ffd"
BAGEL = "ed038db4-de38-4784-a6d0-b944a2863a7f"
NOBODY = "00000000-0000-4000-8000-000000000000"


async def _guest(server: Server, points: int = 1000) -> str:
    loyalty_id = await server.admin.enroll()
    if points:
        await give_points(server.store, loyalty_id, points)
    return loyalty_id


async def _opened(server: Server, points: int = 1000) -> str:
    return await open_transaction(server.till, await _guest(server, points))


async def _key(server: Server, program_id: str, partner: str, *stores: int) -> Caller:
    """Make a till's key; return a caller with it."""
    secret = f"lk_{program_id}_{partner}_{len(stores)}"

    def add(unit: Unit, now_ms: int) -> None:
        if program_id not in unit.catalog.programs:
            other = replace(demo_program(), program_id=program_id, region="US")
            apply_program(unit, ApplyProgram(other), now_ms)
        if key_digest(secret) not in unit.catalog.keys:
            command = CreateKey(program_id, partner, Role.TILL, frozenset(stores), secret)
            create_key(unit, command, now_ms)

    await server.store.write(add)
    await server.store.refresh_catalog()
    return server.admin.with_key(secret)


async def test_whole_life_of_an_order(server: Server) -> None:
    """Validate, report, claim and void answer the points that the member then has."""
    till, stub = server.till, transactions(server.till)
    guest = await _guest(server)
    opened = await open_transaction(till, guest)
    lines = (reward_line(), line(5))
    validated = await till.call(stub.ValidateOrder, validate_request(opened, "PENDING", *lines))
    assert (validated.loyalty_id, validated.transaction_id) == (guest, opened)
    held = await till.call(stub.ReportOrder, update_request(opened, "PENDING", *lines))
    assert (held.points, held.points_earned, held.points_redeemed) == (200, 0, 800)
    assert not held.HasField("presentation")
    assert await till.balances(guest) == (200, 800)
    claimed = await till.call(stub.ReportOrder, update_request(opened, "CLAIMED", *lines))
    assert (claimed.points, claimed.points_earned, claimed.points_redeemed) == (250, 50, 800)
    assert claimed.presentation.points_earned == "Earned: 50"
    assert await till.balances(guest) == (250, 0)
    voided = await till.call(
        stub.VoidTransaction, pb.VoidTransactionRequest(loyalty_transaction_id=opened)
    )
    assert (voided.points, voided.points_earned, voided.points_redeemed) == (1000, 50, 800)
    assert await till.balances(guest) == (1000, 0)


async def test_two_partners_share_an_order(server: Server) -> None:
    """A kiosk's transaction is claimed and voided at the counter by another partner's till."""
    counter = await _key(server, PROGRAM_ID, "counter")
    opened = await _opened(server)
    lines = (reward_line(), line(5))
    held = update_request(opened, "PENDING", *lines)
    await server.till.call(transactions(server.till).ReportOrder, held)
    claim = update_request(opened, "CLAIMED", *lines, payments=[{"type": "CASH", "amount": 500}])
    claimed = await counter.call(transactions(counter).ReportOrder, claim)
    assert (claimed.points_redeemed, claimed.points_earned) == (800, 50)
    voided = await counter.call(
        transactions(counter).VoidTransaction,
        pb.VoidTransactionRequest(loyalty_transaction_id=opened),
    )
    assert voided.points == 1000


CALLS: dict[str, Any] = {
    "ValidateOrder": lambda stub, opened: (stub.ValidateOrder, validate_request(opened, "PENDING")),
    "ReportOrder": lambda stub, opened: (stub.ReportOrder, update_request(opened, "PENDING")),
    "VoidTransaction": lambda stub, opened: (
        stub.VoidTransaction,
        pb.VoidTransactionRequest(loyalty_transaction_id=opened),
    ),
    "GetTransaction": lambda stub, opened: (
        stub.GetTransaction,
        pb.GetTransactionRequest(loyalty_transaction_id=opened),
    ),
}


async def _refused(caller: Caller, name: str, opened: str) -> Refusal:
    return await caller.refused(*CALLS[name](transactions(caller), opened))


@pytest.mark.parametrize("name", CALLS)
async def test_transaction_of_another_program_looks_absent(server: Server, name: str) -> None:
    """Another program's key reads the same of a transaction that is there and of none."""
    stranger = await _key(server, "demo-us", "stranger")
    opened = await _opened(server)
    there = await _refused(stranger, name, opened)
    absent = await _refused(server.till, name, NOBODY)
    assert (there.code, there.reason) == (Code.NOT_FOUND, "TRANSACTION_NOT_FOUND")
    assert there.message.replace(opened, NOBODY) == absent.message
    assert there.metadata == {"transaction_id": opened}


@pytest.mark.parametrize("name", CALLS)
async def test_key_of_another_store_is_refused(server: Server, name: str) -> None:
    """A key that is limited to other stores may neither change nor see the transaction."""
    limited = await _key(server, PROGRAM_ID, "limited", 1001)
    refusal = await _refused(limited, name, await _opened(server))
    assert (refusal.code, refusal.reason) == (Code.PERMISSION_DENIED, "STORE_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("lines", "other", "code", "reason", "metadata"),
    [
        (
            (reward_line(),),
            {},
            Code.FAILED_PRECONDITION,
            "POINTS_INSUFFICIENT",
            {"available_points": "0", "required_points": "800"},
        ),
        (
            (reward_line(),),
            {"store_id": 1099},
            Code.FAILED_PRECONDITION,
            "REWARD_REFUSED",
            {"store_id": "1099"},
        ),
        ((), {"store_id": 404}, Code.NOT_FOUND, "STORE_NOT_FOUND", {"store_id": "404"}),
        (
            (reward_line("none"),),
            {},
            Code.NOT_FOUND,
            "REWARD_NOT_FOUND",
            {"incentive_id": "none"},
        ),
        (
            (line(0, product_type="offer", incentive_id="none"),),
            {},
            Code.NOT_FOUND,
            "OFFER_NOT_FOUND",
            {"incentive_id": "none"},
        ),
    ],
)
async def test_refusal_carries_its_reason(
    server: Server,
    lines: tuple[Any, ...],
    other: dict[str, Any],
    code: grpc.StatusCode,
    reason: str,
    metadata: dict[str, str],
) -> None:
    """Each refusal of a report has its code, its reason and every value it speaks of."""
    opened = await _opened(server, 0)
    stub = transactions(server.till)
    refusal = await server.till.refused(
        stub.ReportOrder, update_request(opened, "PENDING", *lines, **other)
    )
    assert (refusal.code, refusal.reason, refusal.metadata) == (code, reason, metadata)


async def test_claimed_and_void_transactions_take_no_report(server: Server) -> None:
    """The refusal names the transaction and its state."""
    opened = await _opened(server)
    stub = transactions(server.till)
    await server.till.call(stub.ReportOrder, update_request(opened, "CLAIMED", line(5)))
    late = update_request(opened, "PENDING", line(5))
    refusal = await server.till.refused(stub.ReportOrder, late)
    assert (refusal.code, refusal.reason) == (Code.FAILED_PRECONDITION, "TRANSACTION_NOT_CLAIMABLE")
    assert refusal.metadata == {"transaction_id": opened, "status": "CLAIMED"}
    await server.till.call(
        stub.VoidTransaction, pb.VoidTransactionRequest(loyalty_transaction_id=opened)
    )
    refusal = await server.till.refused(stub.ReportOrder, late)
    assert refusal.metadata["status"] == "VOID"


async def test_failed_rules_are_all_told(server: Server) -> None:
    """A validation lists every broken rule as a precondition, too few points among them."""
    opened = await _opened(server, 0)
    bagel = line(0, product_type="offer", incentive_id=BAGEL)
    lines = (reward_line(COOKIE, quantity=3), bagel)
    refusal = await server.till.refused(
        transactions(server.till).ValidateOrder, validate_request(opened, "PENDING", *lines)
    )
    assert (refusal.code, refusal.reason) == (Code.FAILED_PRECONDITION, "RULES_FAILED")
    assert refusal.rules == [
        ("exceeds-limit-per-order", f"limit-per-order/{COOKIE}"),
        ("invalid-store-id", f"store-restrictions/{BAGEL}"),
        ("insufficient-point-balance", f"point-balance/{COOKIE}"),
    ]


async def test_wrong_amounts_are_all_named(server: Server) -> None:
    """Every price that is not an amount of the currency is named by its field."""
    opened = await _opened(server)
    request = update_request(
        opened, "PENDING", line(1.999), line(1, tax=0.001), line(float("nan")), line(1e9)
    )
    refusal = await server.till.refused(transactions(server.till).ReportOrder, request)
    assert (refusal.code, refusal.reason) == (Code.INVALID_ARGUMENT, "REQUEST_INVALID")
    assert refusal.violations == {
        "transaction_details.order[0].price": "must have at most 2 digits after the point",
        "transaction_details.order[2].price": "must be a number",
        "transaction_details.order[3].price": "must be at most 1,000,000,000 minor units",
    }


@pytest.mark.parametrize(("field", "value"), [("loyalty_id", ""), ("transaction_id", NOBODY)])
async def test_body_that_speaks_of_others_is_refused(
    server: Server, field: str, value: str
) -> None:
    """Another guest or transaction in the body is named as the wrong field."""
    opened = await _opened(server)
    request = update_request(opened, "PENDING", line(5))
    setattr(request, field, value or await _guest(server, 0))
    refusal = await server.till.refused(transactions(server.till).ReportOrder, request)
    assert refusal.reason == "REQUEST_INVALID"
    assert set(refusal.violations) == {field}


async def test_other_currency_is_refused(server: Server) -> None:
    """Points are never earned in another currency than the program's."""
    opened = await _opened(server)
    request = update_request(opened, "CLAIMED", line(5), currency="USD")
    refusal = await server.till.refused(transactions(server.till).ReportOrder, request)
    assert refusal.violations == {"transaction_details.currency": "must be CAD"}


async def test_receipt_turns_into_points_once(server: Server) -> None:
    """The code may be typed carelessly; a second member is told that it is too late."""
    guest = await _guest(server, 0)
    till, app = transactions(server.till), transactions(server.app)
    recorded = await server.till.call(till.RecordUnclaimedOrder, unclaimed_request(line(12.34)))
    code = recorded.receipt_code.lower()
    typed = f"{code[:4]}-{code[4:8]} {code[8:]}"
    request = pb.ClaimReceiptRequest(loyalty_id=guest, receipt_code=typed)
    claimed = await server.app.call(app.ClaimReceipt, request)
    assert (claimed.points, claimed.points_earned) == (123, 123)
    assert claimed.transaction_id == recorded.transaction_id
    refusal = await server.app.refused(app.ClaimReceipt, request)
    assert (refusal.code, refusal.reason) == (Code.FAILED_PRECONDITION, "RECEIPT_ALREADY_CLAIMED")
    never = pb.ClaimReceiptRequest(loyalty_id=guest, receipt_code="23456789ABCD")
    refusal = await server.app.refused(app.ClaimReceipt, never)
    assert (refusal.code, refusal.reason) == (Code.NOT_FOUND, "RECEIPT_NOT_FOUND")


async def test_lost_answer_is_told_by_key(server: Server) -> None:
    """A key tells the answer it was given, is never seen before, and is its partner's own."""
    opened = await _opened(server)
    till = server.till
    stub = transactions(till)
    ask = pb.GetOutcomeRequest(idempotency_key=f"lost-{opened}")
    unseen = await till.call(stub.GetOutcome, ask)
    assert unseen.outcome == pb.GetOutcomeResponse.OUTCOME_NEVER_SEEN
    request = update_request(opened, "CLAIMED", reward_line(COFFEE), line(5))
    answer = await till.call(stub.ReportOrder, request, idempotency_key=f"lost-{opened}")
    told = await till.call(stub.GetOutcome, ask)
    assert told.outcome == pb.GetOutcomeResponse.OUTCOME_COMMITTED
    assert (told.update, told.transaction.transaction_id) == (answer, opened)
    counter = await _key(server, PROGRAM_ID, "counter")
    other = await counter.call(transactions(counter).GetOutcome, ask)
    assert other.outcome == pb.GetOutcomeResponse.OUTCOME_NEVER_SEEN


async def test_kept_answer_is_for_keys_of_its_stores(server: Server) -> None:
    """A key of the same partner for another store gets neither the answer nor word of it."""
    opened = await _opened(server)
    wide = await _key(server, PROGRAM_ID, "wall")
    narrow = await _key(server, PROGRAM_ID, "wall", 1001)
    near = await _key(server, PROGRAM_ID, "wall", 1001, 9999)
    claim = update_request(opened, "CLAIMED", reward_line(COFFEE), line(5))
    paid = unclaimed_request(line(5))
    calls: list[tuple[str, Any]] = [("ReportOrder", claim), ("RecordUnclaimedOrder", paid)]
    calls.append(("VoidTransaction", pb.VoidTransactionRequest(loyalty_transaction_id=opened)))
    for name, request in calls:
        key = f"{name}-{opened}"
        ask = pb.GetOutcomeRequest(idempotency_key=key)
        answer = await wide.call(getattr(transactions(wide), name), request, idempotency_key=key)
        refusals = [
            await narrow.refused(getattr(transactions(narrow), name), request, idempotency_key=key),
            await narrow.refused(transactions(narrow).GetOutcome, ask),
        ]
        for refusal in refusals:
            assert (refusal.code, refusal.reason) == (
                Code.PERMISSION_DENIED,
                "STORE_NOT_ALLOWED",
            )
            assert refusal.metadata == {"store_id": "9999"}
        again = await near.call(getattr(transactions(near), name), request, idempotency_key=key)
        told = await near.call(transactions(near).GetOutcome, ask)
        assert again == answer == getattr(told, str(told.WhichOneof("answer")))


async def _age(server: Server, transaction_id: str, days: int) -> None:
    """Let an order be some days older."""

    def age(unit: Unit, _: int) -> None:
        transaction = unit.transaction(transaction_id)
        assert transaction is not None
        unit.change(transaction, created_ms=transaction.created_ms - days * DAY_MS)

    await server.store.write(age)


async def test_old_receipt_is_refused_by_name_and_its_order_cancelled(server: Server) -> None:
    """The refusal tells how many days a receipt lives; cancelling the order is not too late."""
    guest = await _guest(server, 0)
    till, app = transactions(server.till), transactions(server.app)
    recorded = await server.till.call(till.RecordUnclaimedOrder, unclaimed_request(line(12.34)))
    await _age(server, recorded.transaction_id, 31)
    request = pb.ClaimReceiptRequest(loyalty_id=guest, receipt_code=recorded.receipt_code)
    refusal = await server.app.refused(app.ClaimReceipt, request)
    assert (refusal.code, refusal.reason) == (Code.FAILED_PRECONDITION, "RECEIPT_EXPIRED")
    assert refusal.metadata == {"days": "30"}
    voided = await server.till.call(
        till.VoidTransaction,
        pb.VoidTransactionRequest(loyalty_transaction_id=recorded.transaction_id),
    )
    assert voided.transaction_id == recorded.transaction_id
