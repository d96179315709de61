"""How much of the source a newcomer meets who follows one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from loyalty.v1 import identify_service_pb2
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
    (IDENTIFY, ""): Reach(files=68, moves=300, first_moves=130),
    (IDENTIFY, WRITER): Reach(files=49, moves=215, first_moves=90),
    (CLAIM, ""): Reach(files=72, moves=390, first_moves=146),
    (CLAIM, WRITER): Reach(files=52, moves=265, first_moves=92),
}
"""
By the call and the thread, for the whole call none.

Two threads take turns a little otherwise each time, so that the moves of a whole call have room.
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

    with capsys.disabled():
        for (method, thread), crossing in found.items():
            print(  # noqa: T201 - its figures are looked at.
                f"\n{method} in {thread or 'all threads'}: {crossing.functions} functions of "
                f"{len(crossing.files)} files, {crossing.moves} moves, "
                f"{crossing.first_moves} at first calls",
                end="",
            )
    for place, crossing in found.items():
        assert len(crossing.files) <= REACHED[place].files, (place, crossing.files)
        assert crossing.moves <= REACHED[place].moves, place
        assert crossing.first_moves <= REACHED[place].first_moves, place
