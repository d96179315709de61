"""What a key is counted to write is what the database grows by, whatever it calls."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from loyalty.v1 import code_service_pb2, session_service_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from tests.support.server import Caller, identify_request, new_order, run_server
from tests.support.transactions import (
    line,
    open_transaction,
    transactions,
    unclaimed_request,
    update_request,
)

CALLS = 150
AT_MOST = 1.5
"""Times that a count may be more or less than the growth."""


def _size(file: Path) -> tuple[int, int, int]:
    """Give the bytes in use, and what is counted of rows and bytes; counts are counted in none."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        query = "SELECT sum(pgsize - unused) FROM dbstat WHERE name NOT LIKE '%limit_tally%'"
        (used,) = connection.execute(query).fetchone()
        counted = dict(
            connection.execute(
                "SELECT name, sum(amount) FROM limit_tally WHERE scope LIKE 'program/%' GROUP BY 1"
            )
        )
    return used, counted.get("rows_per_program_day", 0), counted.get("bytes_per_program_day", 0)


async def test_count_of_each_call_is_near_what_it_adds(tmp_path: Path) -> None:
    """Events, kept answers and indexes included, each writing call is counted as it grows."""
    async with run_server(tmp_path) as server:
        caller = server.admin
        guests = [await caller.enroll() for _ in range(CALLS)]
        file = tmp_path / "loyalty.db"
        calls = _calls(caller, guests)
        told = {}
        for name, call in calls.items():
            before = _size(file)
            for n in range(CALLS):
                await call(n)
            after = _size(file)
            used, _, size = (new - old for new, old in zip(after, before, strict=True))
            told[name] = size / used
    assert {
        name: ratio for name, ratio in told.items() if not 1 / AT_MOST <= ratio <= AT_MOST
    } == {}, told


def _calls(caller: Caller, guests: list[str]) -> dict[str, Callable[[int], Awaitable[Any]]]:
    orders = transactions(caller)

    async def session(n: int) -> None:
        request = session_service_pb2.StartAnonymousSessionRequest(
            correlation_id=f"00000000-0000-4000-8000-{n:012}", channel="STORE"
        )
        await caller.call(caller.sessions.StartAnonymousSession, request)

    async def enroll(_: int) -> None:
        await caller.enroll()

    async def issue(n: int) -> None:
        request = code_service_pb2.IssueCodeRequest(loyalty_id=guests[n])
        await caller.call(caller.codes.IssueCode, request)

    async def identify(n: int) -> None:
        await caller.call(caller.identifies.IdentifyMember, identify_request(guests[n]))

    async def record(_: int) -> str:
        request = unclaimed_request(line(8.49))
        request.transaction_details.pos_vendor.transaction_id = new_order()
        answer = await caller.call(orders.RecordUnclaimedOrder, request)
        code: str = answer.receipt_code
        return code

    async def record_and_void(_: int) -> None:
        request = unclaimed_request(line(8.49))
        request.transaction_details.pos_vendor.transaction_id = new_order()
        answer = await caller.call(orders.RecordUnclaimedOrder, request)
        void = pb.VoidTransactionRequest(loyalty_transaction_id=answer.transaction_id)
        await caller.call(orders.VoidTransaction, void)

    async def claim(n: int) -> None:
        transaction = await open_transaction(caller, guests[n])
        request = update_request(transaction, "CLAIMED", line(8.49))
        await caller.call(orders.ReportOrder, request)

    async def claim_receipt(n: int) -> None:
        code = await record(n)
        request = pb.ClaimReceiptRequest(loyalty_id=guests[n], receipt_code=code)
        await caller.call(orders.ClaimReceipt, request)

    return {
        "session": session,
        "enroll": enroll,
        "issue a code": issue,
        "identify": identify,
        "record": record,
        "record and void": record_and_void,
        "identify and claim": claim,
        "record and claim the receipt": claim_receipt,
    }
