"""How much of the source a newcomer reads to follow one call."""

from __future__ import annotations

from typing import Any

import pytest

from loyalty.v1 import identify_service_pb2
from loyalty_service.application.operators.create_key import CreateKey, create_key
from loyalty_service.domain.keys import Role
from tests.fault.handlers import FakeContext, handlers
from tests.support.crossing import Crossing, Tracer
from tests.support.databases import Sqlite
from tests.support.programs import PROGRAM_ID, enroll, issue
from tests.support.server import identify_request
from tests.support.stores import demo_store
from tests.support.transactions import COFFEE, line, reward_line, update_request

SECRET = "lk_crossing"

CLAIM_FILES_MAX, CLAIM_MOVES_MAX = 29, 60
IDENTIFY_FILES_MAX, IDENTIFY_MOVES_MAX = 35, 51
"""What is reached; a change that crosses more says why."""


def _transaction_of(answer: bytes) -> str:
    told: str = identify_service_pb2.IdentifyResponse.FromString(answer).transaction_id
    return told


async def test_call_crosses_few_files_and_folders(
    sqlite: Sqlite, capsys: pytest.CaptureFixture[str]
) -> None:
    """An Identify by code and the claim after it go through no more of the source than told."""
    tracer = Tracer()
    with tracer.on():
        async with demo_store(sqlite.new_database()) as store:
            command = CreateKey(PROGRAM_ID, "partner", Role.ADMIN, secret=SECRET)
            await store.write(lambda unit, now_ms: create_key(unit, command, now_ms))
            handle = handlers(store)

            async def call(method: str, request: Any) -> tuple[bytes, Crossing]:
                metadata = {"x-api-key": SECRET, "idempotency-key": f"key of {method}"}
                context = FakeContext(metadata, left_s=4.0)
                with tracer.watching() as crossing:
                    answer = await handle[method](request.SerializeToString(), context)
                with capsys.disabled():
                    print(  # noqa: T201 - its figures are looked at.
                        f"\n{method}: {crossing.functions} calls, {len(crossing.files)} files, "
                        f"{crossing.moves} moves"
                    )
                return answer, crossing

            guest = await enroll(store, 5000)
            shown = identify_request(await issue(store, guest, COFFEE))
            answer, identified = await call("IdentifyService/Identify", shown)
            opened = _transaction_of(answer)
            order = update_request(opened, "CLAIMED", reward_line(), line(8.49))
            _, claimed = await call("TransactionService/Update", order)

    assert len(identified.files) <= IDENTIFY_FILES_MAX, identified.files
    assert identified.moves <= IDENTIFY_MOVES_MAX
    assert len(claimed.files) <= CLAIM_FILES_MAX, claimed.files
    assert claimed.moves <= CLAIM_MOVES_MAX
