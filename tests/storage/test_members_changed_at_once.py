"""What is known of members is changed by several servers at once, and no change is lost."""

from __future__ import annotations

import asyncio
from typing import Any

from loyalty_service.application.members.block_member import BlockMember, block_member
from loyalty_service.application.members.erase_member import EraseMember, erase_member
from loyalty_service.application.members.update_member import UpdateMember, update_member
from loyalty_service.application.operators.set_segments import SetSegments, set_segments
from loyalty_service.application.perform import Run, perform
from loyalty_service.domain.blocks import Blocked
from loyalty_service.storage.store import Store
from tests.support.ledger import rows
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.stores import demo_store, open_store

ROUNDS = 12


def _write(store: Store, use_case: Any, command: Any) -> Any:
    run = Run(use_case, command)
    return store.write(lambda unit, now: perform(unit, now, run), reads=command.reads())


def _updates(store: Store, guest: str) -> list[Any]:
    given = [(("phone", f"+1416555{n:04d}"),) for n in range(4)]
    return [_write(store, update_member, UpdateMember(PROGRAM_ID, guest, one)) for one in given]


async def test_who_is_erased_stays_erased(database_url: str) -> None:
    """Whatever another server changes at the same moment, nothing of the person comes back."""
    async with demo_store(database_url) as one, open_store(database_url) as two:
        for _ in range(ROUNDS):
            guest = await enroll(one)
            erase = _write(two, erase_member, EraseMember(PROGRAM_ID, guest, "asked"))
            await asyncio.gather(*_updates(one, guest), erase, return_exceptions=True)
    left = "SELECT count(*) AS n FROM member WHERE erased_ms IS NULL OR phone IS NOT NULL"
    assert [row.n for row in rows(database_url, left)] == [0]
    assert [row.n for row in rows(database_url, "SELECT count(*) AS n FROM member_term")] == [0]


async def test_no_change_takes_another_back(database_url: str) -> None:
    """A block, segments and a phone number are all there, whichever server was last."""
    async with demo_store(database_url) as one, open_store(database_url) as two:
        for _ in range(ROUNDS):
            guest = await enroll(one)
            block = BlockMember(PROGRAM_ID, guest, Blocked.REDEEM, "Phone stolen")
            segments = SetSegments(PROGRAM_ID, guest, ("student",), "card shown")
            await asyncio.gather(
                *_updates(one, guest),
                _write(two, block_member, block),
                _write(two, set_segments, segments),
            )
    whole = (
        "SELECT count(*) AS n FROM member "
        "WHERE blocked IS NOT NULL AND segments IS NOT NULL AND phone IS NOT NULL"
    )
    assert [row.n for row in rows(database_url, whole)] == [ROUNDS]
