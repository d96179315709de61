"""Events: kept with what they tell of, and read without a gap while others write."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial

import pytest

from loyalty_service.application.members.enroll_member import EnrollMember, enroll_member
from loyalty_service.application.operators.adjust_points import AdjustPoints, adjust_points
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.operators.revoke_key import RevokeKey
from loyalty_service.application.operators.rotate_key import RotateKey
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.application.perform import Run, perform
from loyalty_service.domain.errors import PointsInsufficientError, StorageUnavailableError
from loyalty_service.domain.events import (
    LANE_BITS,
    OPERATOR,
    Actor,
    ActorKind,
    Balance,
    Event,
    EventKind,
    FeedPosition,
    RecordedEvent,
    lane_of,
)
from loyalty_service.domain.keys import Role
from loyalty_service.storage.databases import Database
from loyalty_service.storage.repositories.event_log import EventLog
from loyalty_service.storage.store import Store
from tests.support.doing import create_key, revoke_key, rotate_key
from tests.support.ledger import audit, count_rows, rows
from tests.support.orders import COFFEE
from tests.support.programs import (
    KEY,
    PROGRAM_ID,
    demo_program,
    enroll,
    identify_command,
    issue,
    put_program,
)
from tests.support.stores import PEPPER, demo_store

SORRY = 'a "late", {cold} \\ null coffee'
CALLER = Actor(ActorKind.KEY, "key", "MemberService/EnrollMember", "request-1")


async def _all(store: Store) -> list[RecordedEvent]:
    async with store.read() as reader:
        return list((await reader.events(FeedPosition(), 1000)).events)


async def test_event_tells_who_did_what_and_the_balance_after(database_url: str) -> None:
    """An event carries the actor, the request, the reason, both times and the balances."""
    async with demo_store(database_url) as store:
        command = EnrollMember(KEY, "A Guest", "guest@example.com", None, "1990-02-28")
        run = Run(enroll_member, command, by=CALLER)
        member = (await store.write(partial(perform, run=run))).result
        operator = Actor(ActorKind.OPERATOR, "jo", "adjust")
        gift = AdjustPoints(PROGRAM_ID, member.loyalty_id, 900, SORRY)
        await store.write(partial(perform, run=Run(adjust_points, gift, by=operator)))
        shown = identify_command(await issue(store, member.loyalty_id, COFFEE))
        await store.write(partial(perform, run=Run(identify_member, shown, by=CALLER)))
        applied, enrolled, adjusted, issued, used, opened = await _all(store)

    assert [one.kind for one in (applied, enrolled, adjusted, issued, used, opened)] == [
        EventKind.PROGRAM_APPLIED,
        EventKind.MEMBER_ENROLLED,
        EventKind.POINTS_ADJUSTED,
        EventKind.CODE_ISSUED,
        EventKind.CODE_USED,
        EventKind.ORDER_OPENED,
    ]
    assert (enrolled.by, enrolled.loyalty_id) == (CALLER, member.loyalty_id)
    assert (enrolled.available, enrolled.held, enrolled.debt) == (
        Balance(0, 0),
        Balance(0, 0),
        None,
    )
    assert (adjusted.by, adjusted.reason) == (operator, SORRY)
    assert adjusted.available == Balance(900, 1)
    assert (opened.available, opened.held) == (Balance(100, 2), Balance(800, 1))
    assert used.subject == opened.subject != ""
    assert (used.before, used.after, opened.before, opened.after) == (1, 2, None, 1)
    assert used.unit == opened.unit != adjusted.unit
    assert all(one.effective_ms == one.recorded_ms > 0 for one in (adjusted, opened))
    kept = repr(rows(database_url, "SELECT * FROM event"))
    assert not any(text in kept for text in ("A Guest", "guest@example", "1990-02-28"))


async def test_refused_call_leaves_no_event(database_url: str) -> None:
    """Nothing happened, so nothing is told."""
    async with demo_store(database_url) as store:
        guest = await enroll(store, 5)
        before = count_rows(database_url, "event")
        taken = Run(adjust_points, AdjustPoints(PROGRAM_ID, guest, -6, "more than there is"))
        with pytest.raises(PointsInsufficientError):
            await store.write(partial(perform, run=taken))
    assert count_rows(database_url, "event") == before


async def test_readers_miss_none_while_others_write(database_url: str) -> None:
    """Events that are read while several servers write are all of them, and none twice."""
    database = Database.from_text(database_url)
    seen: list[int] = []
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(Store(database, PEPPER, writers=4)) for _ in range(2)
        ]
        await put_program(one)
        written = asyncio.Event()

        async def read() -> None:
            position = FeedPosition()
            while True:
                last = written.is_set()
                async with one.read() as reader:
                    page = await reader.events(position, 7)
                seen.extend(event.event_id for event in page.events)
                position = page.position
                if last and not page.events:
                    return

        async def write(store: Store) -> None:
            left = 15
            while left:
                # A serializable unit may meet others too often: sent again, it is done.
                with suppress(StorageUnavailableError):
                    await enroll(store, 1)
                    left -= 1

        reading = asyncio.create_task(read())
        await asyncio.gather(*(write(store) for store in (one, other) for _ in range(5)))
        written.set()
        await reading

    assert len(seen) == count_rows(database_url, "event") == 301
    lanes: defaultdict[int, list[int]] = defaultdict(list)
    for event_id in seen:
        lanes[lane_of(event_id)].append(event_id % (1 << LANE_BITS))
    for numbers in lanes.values():
        assert numbers == list(range(1, len(numbers) + 1))
    audit(database_url)


async def test_event_proves_that_its_unit_was_committed(database_url: str) -> None:
    """What an event was asked for by is there once its unit is committed, and else is not."""
    database = Database.from_text(database_url)
    async with demo_store(database_url):
        pass
    if database.embedded:
        assert EventLog(bulk=False, lane=0).proof is None
        return
    connection = database.connect_writer()
    proofs = []
    for end in ("COMMIT", "ROLLBACK"):
        connection.execute("BEGIN")
        events = EventLog(bulk=True, lane=3)
        events.append(Event(EventKind.CODES_FORGIVEN, None), OPERATOR, 1)
        events.write(connection.cursor())
        connection.execute(end)
        assert events.proof is not None
        found = connection.execute(events.proof.sql, events.proof.values).fetchone()
        proofs.append(found is not None)
    connection.close()

    assert proofs == [True, False]


async def test_rules_of_a_day_can_be_asked(database_url: str) -> None:
    """Each version of a program is kept with when it was applied."""
    first = demo_program()
    second = replace(first, receipt_days=first.receipt_days + 1)
    async with demo_store(database_url) as store:
        await asyncio.sleep(0.01)
        await put_program(store, second)
        await put_program(store, second)  # Nothing changes, so that it is no version.
        applied = [one for one in await _all(store) if one.kind is EventKind.PROGRAM_APPLIED]
        early, late = (one.recorded_ms for one in applied)
        async with store.read() as reader:
            found = [
                await reader.program_at(PROGRAM_ID, time_ms)
                for time_ms in (early - 1, early, late - 1, late, late + 1)
            ]
    assert found == [None, first, first, second, second]
    assert [(one.before, one.after) for one in applied] == [(None, 1), (1, 2)]
    field = [["receipt_days", str(first.receipt_days), str(second.receipt_days)]]
    assert json.loads(applied[1].detail) == [["change", "program", field]]


async def test_keys_are_told_of(database_url: str) -> None:
    """A key that is created, rotated or revoked is an event with what the key may do."""
    async with demo_store(database_url) as store:
        command = CreateKey(PROGRAM_ID, "tills", Role.TILL, frozenset({9999}))
        old = await store.write(lambda unit, now: create_key(unit, command, now))
        new = await store.write(lambda unit, now: rotate_key(unit, RotateKey(old.key.key_id), now))
        await store.write(lambda unit, now: revoke_key(unit, RevokeKey(old.key.key_id), now))
        told = [(one.kind.name, one.subject, one.detail) for one in (await _all(store))[1:]]
    about = '"partner":"tills","role":"till","stores":[9999]'
    assert told == [
        ("KEY_CREATED", old.key.key_id, f"{{{about}}}"),
        ("KEY_ROTATED", new.key.key_id, f'{{{about},"replaces":"{old.key.key_id}"}}'),
        ("KEY_REVOKED", old.key.key_id, f"{{{about}}}"),
    ]
