"""What operators change is seen by every running store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from loyalty_service.application.operators.apply_program import ApplyProgram, ProgramMovedError
from loyalty_service.application.operators.create_key import (
    CreatedKey,
    CreateKey,
    ProgramUnknownError,
)
from loyalty_service.application.operators.rotate_key import RotateKey, RotationOpenError
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import StoreNotFoundError
from loyalty_service.domain.keys import Role, key_digest
from loyalty_service.domain.program import Store as Shop
from loyalty_service.program_file.changes import ProgramChangeError, program_changes
from loyalty_service.storage.store import Store
from tests.support.databases import fresh_database
from tests.support.doing import apply_program, create_key, rotate_key
from tests.support.ledger import audit, rows
from tests.support.postgres import Postgres, Serializable
from tests.support.programs import PROGRAM_ID, demo_program, enroll, other_program, put_program
from tests.support.stores import demo_store, open_store

NEW_SHOP = Shop(4242, "New shop", "America/Toronto", loyalty_enabled=True)


async def _new_key(store: Store, role: Role = Role.TILL) -> CreatedKey:
    command = CreateKey(PROGRAM_ID, "partner", role, frozenset({9999}))
    return await store.write(lambda unit, now_ms: create_key(unit, command, now_ms))


@pytest.fixture(params=["postgresql", "serializable"])
def shared_url(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[str]:
    """A database that several write to at once, as only a server's has."""
    backend = postgres if request.param == "postgresql" else Serializable(postgres)
    with fresh_database(backend) as url:
        yield url


async def _at_once(first: Store, second: Store, *works: Callable[[Unit, int], Any]) -> list[Any]:
    """Run two units of work, of which the second begins before the first is committed."""
    decided, begun = threading.Event(), threading.Event()
    one, other = works

    def lead(unit: Unit, now_ms: int) -> Any:
        outcome = one(unit, now_ms)
        decided.set()
        assert begun.wait(10)
        return outcome

    def follow(unit: Unit, now_ms: int) -> Any:
        begun.set()
        return other(unit, now_ms)

    leading = asyncio.create_task(first.write(lead))
    assert await asyncio.to_thread(decided.wait, 10)
    return await asyncio.gather(leading, second.write(follow), return_exceptions=True)


async def test_rotations_at_once_make_one_key(shared_url: str) -> None:
    """Of two who replace a key at once the second is told of the first one's key."""
    async with demo_store(shared_url) as store, open_store(shared_url) as other:
        old = await _new_key(store)

        def rotate(unit: Unit, now_ms: int) -> CreatedKey:
            return rotate_key(unit, RotateKey(old.key.key_id), now_ms)

        made, refused = await _at_once(store, other, rotate, rotate)

        assert isinstance(refused, RotationOpenError)
        live = {old.key.key_id, made.key.key_id}
        assert set(refused.args) == live
        await other.refresh_catalog()
        assert {key.key_id for key in other.catalog.keys.values()} == live


async def test_programs_applied_at_once_do_not_overwrite_one_another(shared_url: str) -> None:
    """Who agreed to changes of a program that somebody changes meanwhile is told to look again."""
    async with demo_store(shared_url) as store, open_store(shared_url) as other:

        def renaming(name: str) -> Callable[[Unit, int], Any]:
            program = replace(demo_program(), name=name)
            command = ApplyProgram(program, program_changes(demo_program(), program))
            return lambda unit, now_ms: apply_program(unit, command, now_ms)

        _, refused = await _at_once(store, other, renaming("First"), renaming("Second"))

        assert isinstance(refused, ProgramMovedError)
        await other.refresh_catalog()
        assert other.catalog.programs[PROGRAM_ID].name == "First"


async def test_key_is_not_made_for_a_store_that_leaves(shared_url: str) -> None:
    """A key is limited to the stores that the program has when the key is made."""
    program = demo_program()
    rest = {number: shop for number, shop in program.stores.items() if number != 9999}
    async with demo_store(shared_url) as store, open_store(shared_url) as other:
        remove = ApplyProgram(replace(program, stores=rest))
        create = CreateKey(PROGRAM_ID, "partner", Role.TILL, frozenset({9999}))

        _, refused = await _at_once(
            store,
            other,
            lambda unit, now_ms: apply_program(unit, remove, now_ms),
            lambda unit, now_ms: create_key(unit, create, now_ms),
        )

        assert refused == StoreNotFoundError(9999)


async def test_program_survives_the_database(database_url: str) -> None:
    """A program is read back exactly as it was described."""
    async with demo_store(database_url) as store:
        assert store.catalog.programs == {PROGRAM_ID: demo_program()}
    async with open_store(database_url) as store:
        assert store.catalog.programs == {PROGRAM_ID: demo_program()}


async def test_writing_sees_a_change_of_another_server_at_once(database_url: str) -> None:
    """The first write after another server's change decides by the changed program."""
    program = demo_program()
    changed = replace(program, stores={**program.stores, 4242: NEW_SHOP})
    async with demo_store(database_url) as running, open_store(database_url) as operator:
        await put_program(operator, changed)
        seen = await running.write(lambda unit, _now: unit.catalog.programs[PROGRAM_ID])
        assert seen.stores[4242] == NEW_SHOP
        assert running.catalog.programs[PROGRAM_ID] == changed


async def test_idle_store_takes_up_a_change_by_itself(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server without calls sees a revoked key and a changed program soon after."""
    monkeypatch.setattr("loyalty_service.storage.fresh_catalog.CATALOG_POLL_S", 0.01)
    async with demo_store(database_url) as running, open_store(database_url) as operator:
        created = await _new_key(operator)
        digest = key_digest(created.secret)
        async with asyncio.timeout(10):
            while digest not in running.catalog.keys:  # noqa: ASYNC110 - what is tested.
                await asyncio.sleep(0.005)
        assert running.catalog.keys[digest] == created.key
        await operator.write(lambda unit, now: unit.revoke_key(created.key.key_id, now))
        async with asyncio.timeout(10):
            while digest in running.catalog.keys:  # noqa: ASYNC110 - what is tested.
                await asyncio.sleep(0.005)


async def test_revoked_key_is_gone_for_good(database_url: str) -> None:
    """A key is revoked once, whoever asks again, and stays so after a restart."""
    async with demo_store(database_url) as store:
        key = await _new_key(store)
        kept = await _new_key(store, Role.APP)
        revoke = [
            await store.write(lambda unit, now: unit.revoke_key(key.key.key_id, now))
            for _ in range(2)
        ]
        assert revoke == [True, False]
        assert key_digest(key.secret) not in store.catalog.keys
    async with open_store(database_url) as store:
        assert set(store.catalog.keys) == {key_digest(kept.secret)}
        async with store.read() as reader:
            listed = {entry.key_id: entry.revoked_ms for entry in await reader.api_keys()}
    assert listed[kept.key.key_id] is None
    assert listed[key.key.key_id] is not None


async def test_key_for_nobody_is_refused(database_url: str) -> None:
    """A key is not created for an unknown program or store."""
    async with demo_store(database_url) as store:
        unknown = CreateKey("demo-xx", "partner", Role.TILL)
        with pytest.raises(ProgramUnknownError):
            await store.write(lambda unit, now: create_key(unit, unknown, now))
        elsewhere = CreateKey(PROGRAM_ID, "partner", Role.TILL, frozenset({9999, 5}))
        with pytest.raises(StoreNotFoundError):
            await store.write(lambda unit, now: create_key(unit, elsewhere, now))
        assert store.catalog.keys == {}


async def test_program_that_stays_the_same_changes_nothing(database_url: str) -> None:
    """Applying a program again writes nothing, not even a revision."""
    async with demo_store(database_url) as store:
        before = store.catalog.revision
        changes = await store.write(
            lambda unit, now: apply_program(unit, ApplyProgram(demo_program()), now)
        )
        await store.refresh_catalog()
        assert changes == ()
        assert store.catalog.revision == before


async def test_refused_program_changes_nothing(database_url: str) -> None:
    """A program that may not change so, or has moved since it was shown, stays as it was."""
    program = demo_program()
    async with demo_store(database_url) as store:
        before = store.catalog
        moved_away = ApplyProgram(replace(program, region="US"))
        with pytest.raises(ProgramChangeError):
            await store.write(lambda unit, now: apply_program(unit, moved_away, now))
        moved = ApplyProgram(replace(program, name="Renamed"), expected=())
        with pytest.raises(ProgramMovedError):
            await store.write(lambda unit, now: apply_program(unit, moved, now))
        await store.refresh_catalog()
        assert store.catalog == before


async def test_removed_incentive_is_kept_retired(database_url: str) -> None:
    """An incentive that left the file stays known, retired, so that its codes can say so."""
    program = demo_program()
    gone = next(name for name, incentive in program.incentives.items() if not incentive.retired)
    rest = {name: value for name, value in program.incentives.items() if name != gone}
    async with demo_store(database_url) as store:
        await put_program(store, replace(program, incentives=rest))
        kept = store.catalog.programs[PROGRAM_ID].incentives
    assert kept[gone] == replace(program.incentives[gone], retired=True)
    assert kept.keys() == program.incentives.keys()


async def test_each_program_has_accounts_of_its_own(database_url: str) -> None:
    """A second program brings its own accounts, and the first one's members are not in it."""
    async with demo_store(database_url) as store:
        await put_program(store, other_program())
        loyalty_id = await enroll(store, 10)
        found = await store.write(lambda unit, _now: unit.member("demo-us", loyalty_id))
        assert found is None
        async with store.read() as reader:
            assert await reader.member("demo-us", loyalty_id) is None
            assert await reader.imbalance() == 0
    counts = rows(
        database_url,
        "SELECT program_id, count(*) AS number FROM account "
        "WHERE member_number IS NULL GROUP BY program_id",
    )
    assert len({row.number for row in counts}) == 1
    assert {row.program_id for row in counts} == {"demo-ca", "demo-us"}
    audit(database_url)
