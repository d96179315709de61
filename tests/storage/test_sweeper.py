"""What is overdue is ended, each row for itself, on every storage."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from loyalty_service.application.orders.expire_overdue import (
    OverdueTransaction,
    find_overdue_transactions,
    void_overdue,
)
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import StorageUnavailableError
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.storage.store import Store
from loyalty_service.sweeper import BATCH_MAX, sweep
from tests.support.ledger import audit, balances, execute, rows
from tests.support.orders import (
    COFFEE,
    COOKIE,
    DAY_MS,
    PENDING,
    START_MS,
    Till,
    basket,
    reward,
)
from tests.support.programs import demo_program, enroll, issue
from tests.support.stores import demo_store, open_store

GUESTS = 4


async def _abandon(till: Till, guests: list[str], number: int) -> list[str]:
    """Open transactions long ago, each with points held; return their IDs, the oldest first."""
    opened = []
    for turn in range(number):
        till.now_ms = START_MS + turn
        opened.append(await till.identify(guests[turn % len(guests)], COFFEE))
    return opened


def _break(database_url: str, transaction_id: str) -> None:
    """Make the hold of a transaction larger than what is held for its guest."""
    execute(
        database_url,
        "UPDATE hold SET points = points + 1000000 WHERE transaction_id = :transaction_id",
        transaction_id=transaction_id,
    )


def _mend(database_url: str) -> None:
    execute(database_url, "UPDATE hold SET points = points - 1000000 WHERE points > 1000000")


def _open(database_url: str) -> set[str]:
    found = rows(database_url, "SELECT transaction_id FROM loyalty_transaction WHERE status = 1")
    return {row.transaction_id for row in found}


async def test_order_that_was_just_ended_is_not_overdue(database_url: str) -> None:
    """A look that shares a batch with a sweep does not find what that has ended."""
    async with demo_store(database_url) as store:
        await _abandon(Till(store), [await enroll(store, 1000)], 1)

        def end_and_look(unit: Unit, now_ms: int) -> Sequence[OverdueTransaction]:
            (due,) = find_overdue_transactions(unit, None, GUESTS, now_ms)
            assert void_overdue(unit, due, now_ms).result
            return find_overdue_transactions(unit, None, GUESTS, now_ms)

        assert await store.write(end_and_look) == []


async def test_row_that_cannot_be_ended_keeps_no_other_from_its_end(database_url: str) -> None:
    """Broken rows are named in the log and passed over, however many and wherever they are."""
    async with demo_store(database_url) as store:
        guests = [await enroll(store, 100_000) for _ in range(GUESTS)]
        opened = await _abandon(Till(store), guests, 12)
        broken = {opened[0], opened[5], opened[11]}
        for transaction_id in broken:
            _break(database_url, transaction_id)
        with capture_logs() as logged:
            assert (await sweep(store)).count == 9
        assert _open(database_url) == broken
        said = [entry["row"] for entry in logged if entry["log_level"] == "error"]
        assert len(said) == 3
        assert all(any(one in row for row in said) for one in broken)
        _mend(database_url)
        assert (await sweep(store)).count == 3
    assert all(balances(database_url, guest) == (100_000, 0) for guest in guests)
    audit(database_url)


async def test_batch_of_broken_rows_is_passed_over(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More broken rows than a batch takes do not hide the sound ones behind them."""
    monkeypatch.setattr("loyalty_service.sweeper.BATCH_MAX", 3)
    assert BATCH_MAX > 3
    async with demo_store(database_url) as store:
        guests = [await enroll(store, 100_000)]
        opened = await _abandon(Till(store), guests, 9)
        for transaction_id in opened[:7]:
            _break(database_url, transaction_id)
        assert (await sweep(store)).count == 2
        assert _open(database_url) == set(opened[:7])


async def test_transactions_of_one_instant_are_all_found(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that ends amid rows of one time goes on with the next of them."""
    monkeypatch.setattr("loyalty_service.sweeper.BATCH_MAX", 2)
    async with demo_store(database_url) as store:
        guest = await enroll(store, 100_000)
        till = Till(store)
        for _ in range(7):
            await till.identify(guest, COFFEE)
        assert (await sweep(store)).count == 7
    assert balances(database_url, guest) == (100_000, 0)


async def test_sweepers_of_two_servers_end_each_row_once(database_url: str) -> None:
    """What two servers find at once is ended by one of them, and counted by one."""
    async with demo_store(database_url) as store, open_store(database_url) as other:
        guests = [await enroll(store, 100_000) for _ in range(GUESTS)]
        await _abandon(Till(store), guests, 30)
        counts = await asyncio.gather(*(sweep(one) for one in (store, other, store, other)))
    assert sum(swept.count for swept in counts) == 30
    assert all(balances(database_url, guest) == (100_000, 0) for guest in guests)
    audit(database_url)


async def test_transaction_that_got_more_time_is_left_alone(database_url: str) -> None:
    """A report between the look and the end keeps a transaction open."""
    async with demo_store(database_url) as store:
        guest = await enroll(store, 1000)
        till = Till(store)
        transaction_id = await till.identify(guest, COFFEE)
        late = replace(till, now_ms=START_MS + 10**9)

        async def prolong(self: Store, work: object, *args: object, **kwargs: object) -> object:
            found = await write(self, work, *args, **kwargs)  # type: ignore[arg-type]
            if isinstance(found, list) and found:
                statement = "UPDATE loyalty_transaction SET expires_ms = expires_ms + 2000000000"
                execute(database_url, statement)
            return found

        write = Store.write
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Store, "write", prolong)
            assert await late.sweep() == ()
    (row,) = rows(database_url, "SELECT transaction_id, status FROM loyalty_transaction")
    assert row == (transaction_id, TransactionStatus.PENDING)


async def test_void_tells_what_the_sweeper_gave_back(database_url: str) -> None:
    """What a report of the same millisecond gave up before is not among it."""
    async with demo_store(database_url) as store:
        till = Till(store)
        guest = await enroll(store, 1000)
        order = await till.identify(guest)
        await till.update(order, PENDING, basket(reward(COFFEE)))
        till.now_ms += demo_program().pending_days * DAY_MS
        await till.update(order, PENDING, basket(reward(COOKIE)))
        assert balances(database_url, guest) == (700, 300)
        assert await till.sweep() == (order,)

        assert (await till.void(order)).result.redeemed_points == 300
    audit(database_url)


async def test_report_of_schema_0005_is_not_given_as_the_answer_of_a_void(
    database_url: str,
) -> None:
    """The answer that an older version kept with the order goes when the sweeper cancels it."""
    async with demo_store(database_url) as store:
        till = Till(store)
        order = await till.identify(await enroll(store, 1000))
        await till.update(order, PENDING, basket(reward(COFFEE)))
        execute(
            database_url,
            "UPDATE loyalty_transaction SET answer = :answer, fingerprint = :fingerprint",
            answer=b"as reported",
            fingerprint=b"meaning",
        )
        execute(database_url, "DELETE FROM remembered_answer")
        till.now_ms += 2 * DAY_MS
        assert await till.sweep() == (order,)

        told = await till.void(order)
    assert (told.repeated, told.result.redeemed_points) == (False, 800)
    audit(database_url)


async def test_codes_past_their_time_are_expired(database_url: str) -> None:
    """An unused code is marked when its time is over, a live one is not."""
    async with demo_store(database_url) as store:
        guests = [await enroll(store, 1000) for _ in range(3)]
        for guest in guests:
            await issue(store, guest)
        execute(
            database_url,
            "UPDATE code SET expires_ms = 5 WHERE loyalty_id <> :guest",
            guest=guests[0],
        )
        assert (await sweep(store)).count == 2
        assert (await sweep(store)).count == 0
    found = rows(database_url, "SELECT loyalty_id, status FROM code")
    assert {row.loyalty_id: row.status for row in found} == {
        guests[0]: 1,
        guests[1]: 4,
        guests[2]: 4,
    }


async def test_storage_that_does_not_serve_ends_the_sweep(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When no row at all can be tried the sweep gives up, to try again later."""

    def unavailable(*_: object) -> bool:
        raise StorageUnavailableError

    async with demo_store(database_url) as store:
        await _abandon(Till(store), [await enroll(store, 10_000)], 3)
        with monkeypatch.context() as patch:
            patch.setattr("loyalty_service.sweeper.void_overdue", unavailable)
            with pytest.raises(StorageUnavailableError):
                await sweep(store)
        assert (await sweep(store)).count == 3
