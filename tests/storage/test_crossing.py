"""How much of the source a newcomer meets who follows one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from loyalty.v1 import identify_service_pb2, member_service_pb2
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.domain.keys import Role
from tests.fault.handlers import FakeContext, handlers
from tests.support.crossing import Crossing, Tracer
from tests.support.databases import Sqlite
from tests.support.doing import create_key
from tests.support.programs import PROGRAM_ID, enroll, issue
from tests.support.server import identify_request
from tests.support.stores import demo_store
from tests.support.transactions import COFFEE, line, reward_line, update_request

SECRET = "lk_crossing"
IDENTIFY, CLAIM = "IdentifyService/IdentifyMember", "TransactionService/ReportOrder"
ENROLL = "MemberService/EnrollMember"
"""A call that has nothing to do with orders: what it crosses as well is the way of every write."""

WRITER = "loyalty-writer"


@dataclass(frozen=True)
class Reach:
    """
    What a call crosses: no more than what is reached, so that a change says why it needs more.

    Attributes:
        moves: Changes of folder from each call or return to the next one.
        first_moves: Changes of folder from each function to the next one that had its first call.
    """

    files: int
    moves: int
    first_moves: int


REACHED = {
    (IDENTIFY, ""): Reach(files=73, moves=210, first_moves=112),
    (IDENTIFY, WRITER): Reach(files=54, moves=122, first_moves=71),
    (CLAIM, ""): Reach(files=81, moves=350, first_moves=166),
    (CLAIM, WRITER): Reach(files=62, moves=241, first_moves=111),
}
"""
By the call and the thread, for the whole call none.

There is room for one batch more on the writer, 8 moves and 2 first moves, and as much and more for
threads that take turns otherwise each time.
"""

OWN = {IDENTIFY: 21, CLAIM: 30}
"""
Files that a call crosses beyond the way of every write.

They are what a newcomer opens for this call, once the way is known: record 31 lists both.
"""


async def test_call_crosses_few_files_and_folders(
    sqlite: Sqlite, capsys: pytest.CaptureFixture[str]
) -> None:
    """An Identify by code and the claim after it go through no more of the source than told."""
    tracer = Tracer()
    found = {}
    with tracer.on():
        async with demo_store(sqlite.new_database()) as store:
            command = CreateKey(PROGRAM_ID, "partner", Role.ADMIN, secret=SECRET)
            await store.write(lambda unit, now_ms: create_key(unit, command, now_ms))
            handle = handlers(store)

            async def call(method: str, request: Any) -> bytes:
                metadata = {"x-api-key": SECRET, "idempotency-key": f"key of {method}"}
                context = FakeContext(metadata, left_s=4.0)
                crossings = {(method, thread): Crossing(thread) for thread in ("", WRITER)}
                with tracer.watching(*crossings.values()):
                    answer = await handle[method](request.SerializeToString(), context)
                found.update(crossings)
                return answer

            guest = await enroll(store, 5000)
            shown = identify_request(await issue(store, guest, COFFEE))
            answer = identify_service_pb2.IdentifyMemberResponse.FromString(
                await call(IDENTIFY, shown)
            )
            order = update_request(answer.transaction_id, "CLAIMED", reward_line(), line(8.49))
            await call(CLAIM, order)
            await call(ENROLL, member_service_pb2.EnrollMemberRequest(name="Guest"))

    files = {method: set(found[method, ""].files) for method in (IDENTIFY, CLAIM, ENROLL)}
    own = {method: files[method] - files[ENROLL] for method in OWN}
    with capsys.disabled():
        for method, its in own.items():
            print(  # noqa: T201 - its figures are looked at.
                f"\n{method} crosses {len(its)} files beyond the way of every write", end=""
            )
        for (method, thread), crossing in found.items():
            print(  # noqa: T201 - its figures are looked at.
                f"\n{method} in {thread or 'all threads'}: {crossing.functions} functions of "
                f"{len(crossing.files)} files, {crossing.moves} moves, "
                f"{crossing.first_moves} at first calls",
                end="",
            )
    for method, its in own.items():
        assert len(its) <= OWN[method], (method, sorted(its))
    for place, reach in REACHED.items():
        crossing = found[place]
        assert len(crossing.files) <= reach.files, (place, crossing.files)
        assert crossing.moves <= reach.moves, place
        assert crossing.first_moves <= reach.first_moves, place
