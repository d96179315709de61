"""An idempotency key takes effect once, whatever happens in between."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from loyalty_service.application.operators.adjust_points import (
    Adjusted,
    AdjustPoints,
    adjust_points,
)
from loyalty_service.application.perform import Answer, Done, Keyed, Run, perform
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import now_ms as wall_clock_ms
from loyalty_service.domain.errors import IdempotencyKeyReusedError, PointsInsufficientError
from loyalty_service.domain.records import Member
from loyalty_service.storage.store import Store
from tests.support.ledger import audit, balances, count_rows
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.stores import demo_store, open_store, writers_busy

KEYED = Keyed("scope", "key-1", "Adjust", b"the meaning of the first request")


def _adjust(
    loyalty_id: str, points: int, keyed: Keyed | None, use_case: Any = adjust_points
) -> Callable[[Unit, int], Answer]:
    def run(unit: Unit, now_ms: int) -> Answer:
        command = AdjustPoints(PROGRAM_ID, loyalty_id, points, "test", beyond_limits=True)
        return perform(unit, now_ms, Run(use_case, command, _render, keyed))

    return run


def _render(adjusted: Adjusted) -> bytes:
    return f"{adjusted.after.available}".encode()


async def test_same_request_again_gets_the_first_answer(database_url: str) -> None:
    """A repeated request is answered with the first bytes and changes nothing."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 100)
        first = await store.write(_adjust(loyalty_id, 5, KEYED))
        await store.write(_adjust(loyalty_id, 1, None))
        again = await store.write(_adjust(loyalty_id, 5, KEYED))
    assert first == Answer(b"105", repeated=False)
    assert again == Answer(b"105", repeated=True)
    assert balances(database_url, loyalty_id) == (106, 0)


async def test_same_key_with_another_request_is_refused(database_url: str) -> None:
    """A key that comes with another request is refused, by name, and changes nothing."""
    other = Keyed(KEYED.scope, KEYED.key, KEYED.method, b"the meaning of a later request..")
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 100)
        await store.write(_adjust(loyalty_id, 5, KEYED))
        with pytest.raises(IdempotencyKeyReusedError) as refusal:
            await store.write(_adjust(loyalty_id, 7, other))
    assert refusal.value.idempotency_key == "key-1"
    assert balances(database_url, loyalty_id) == (105, 0)


async def test_same_key_of_another_partner_is_another_key(database_url: str) -> None:
    """Keys of one partner mean nothing to another."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 100)
        await store.write(_adjust(loyalty_id, 5, KEYED))
        other = replace(KEYED, scope="another scope")
        answer = await store.write(_adjust(loyalty_id, 5, other))
    assert answer == Answer(b"110", repeated=False)


async def test_key_of_a_refused_request_stays_free(database_url: str) -> None:
    """A refused request leaves its key free, for the same request or another."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 100)
        with pytest.raises(PointsInsufficientError):
            await store.write(_adjust(loyalty_id, -101, KEYED))
        answer = await store.write(_adjust(loyalty_id, -100, KEYED))
    assert answer == Answer(b"0", repeated=False)
    assert count_rows(database_url, "remembered_answer") == 1


async def test_two_at_once_take_effect_once(database_url: str) -> None:
    """Of requests that come at once with one key, one takes effect and all get its answer."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 100)
        async with writers_busy(store):
            tasks = [
                asyncio.create_task(store.write(_adjust(loyalty_id, 5, KEYED))) for _ in range(20)
            ]
            await asyncio.sleep(0)
        answers = await asyncio.gather(*tasks)
    assert {answer.body for answer in answers} == {b"105"}
    assert [answer.repeated for answer in answers].count(False) == 1
    assert balances(database_url, loyalty_id) == (105, 0)
    audit(database_url)


async def test_two_writers_at_once_take_effect_once(database_url: str) -> None:
    """Two stores that meet the same unused key at the same instant give one answer."""
    async with demo_store(database_url) as store, open_store(database_url) as other:
        loyalty_id = await enroll(store, 100)
        gate = _Gate(1 if store._database.embedded else 2)

        def meet(unit: Unit, command: AdjustPoints, now_ms: int) -> Done[Member]:
            # Both have looked the key up and found nothing.
            gate.pass_through()
            return adjust_points(unit, command, now_ms)

        write = partial(_write_adjustment, loyalty_id=loyalty_id, use_case=meet)
        answers = await asyncio.gather(write(store), write(other))
    assert [answer.body for answer in answers] == [b"105", b"105"]
    assert sorted(answer.repeated for answer in answers) == [False, True]
    assert balances(database_url, loyalty_id) == (105, 0)
    audit(database_url)


async def _write_adjustment(store: Store, loyalty_id: str, use_case: Any) -> Answer:
    return await store.write(_adjust(loyalty_id, 5, KEYED, use_case))


class _Gate:
    """Lets nobody through before all have come, once."""

    def __init__(self, parties: int) -> None:
        self._barrier = threading.Barrier(parties)
        self._opened = False

    def pass_through(self) -> None:
        """Wait for the others, the first time."""
        if not self._opened:
            self._barrier.wait(timeout=10)
            self._opened = True


async def test_key_is_known_after_reopening(database_url: str) -> None:
    """A request that comes again after a restart gets the first answer."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 100)
        await store.write(_adjust(loyalty_id, 5, KEYED))
    async with open_store(database_url) as store:
        answer = await store.write(_adjust(loyalty_id, 5, KEYED))
    assert answer == Answer(b"105", repeated=True)
    assert balances(database_url, loyalty_id) == (105, 0)


async def test_key_is_known_years_later(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that comes again 400 days later changes nothing."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 100)
        first = await store.write(_adjust(loyalty_id, 5, KEYED))
        now = wall_clock_ms()
        monkeypatch.setattr("loyalty_service.storage.writer.now_ms", lambda: now + 400 * 86_400_000)
        again = await store.write(_adjust(loyalty_id, 5, KEYED))
    assert again.body == first.body
    assert balances(database_url, loyalty_id) == (105, 0)
