"""Two real PostgreSQL servers: the primary is found, and lost points are warned of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing

import pytest
from structlog.testing import capture_logs

from loyalty_service.domain.errors import StorageUnavailableError
from loyalty_service.domain.ledger import AccountKind
from loyalty_service.domain.platforms import PLATFORMS
from loyalty_service.storage.databases import Database
from loyalty_service.vitals import watch_forever
from tests.support.ledger import audit
from tests.support.postgres import Postgres
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.standby import Pair, run_pair
from tests.support.stores import demo_store
from tests.support.vital_signs import Watch, until

WARNING = "a failover could lose acknowledged points"


@pytest.fixture
def pair(postgres: Postgres) -> Iterator[Pair]:
    """A primary and a synchronous standby, on a network."""
    assert postgres.address  # It makes the user that both run as.
    with run_pair(network=True) as made:
        yield made


def forms(pair: Pair) -> list[str]:
    """Name both servers in every form that people write, the standby first."""
    primary, standby = pair.ports
    both = f"127.0.0.1:{standby},127.0.0.1:{primary}"
    ports = f"{standby},{primary}"
    return [
        f"postgresql://postgres@{both}/postgres",
        f"postgresql://postgres@{both}/postgres?target_session_attrs=read-write",
        f"postgresql://postgres@{both}/postgres?target_session_attrs=primary",
        f"postgresql://postgres@/postgres?host=127.0.0.1,127.0.0.1&port={ports}",
        f"postgresql://postgres@/postgres?host=127.0.0.1:{standby}&host=127.0.0.1:{primary}",
        f"host=127.0.0.1,127.0.0.1 port={ports} user=postgres dbname=postgres",
    ]


async def served_by(database: Database) -> set[int]:
    """Tell which ports a writer, a reader, a beat and a command were led to."""
    asked = "SELECT current_setting('port')::int"
    found = set()
    with closing(database.connect_writer()) as writer:
        found |= {writer.execute(asked).fetchone()[0]}
    with closing(database.connect_answering()) as command:
        found |= {row[0] for row in command.execute(asked)}
    async with await database.connect_beside("test") as beat:
        found |= {row[0] async for row in await beat.execute(asked)}
    engine = database.connect_readers()
    async with engine.connect() as reader:
        found |= {(await reader.exec_driver_sql(asked)).scalar_one()}
    await engine.dispose()
    return found


async def test_every_form_of_the_url_leads_to_the_primary_before_and_after_a_promotion(
    pair: Pair,
) -> None:
    """Writers, readers, beats and commands alike; a store that is open goes on with what it had."""
    primary, standby = pair.ports
    databases = [Database.from_text(form) for form in forms(pair)]
    for database in databases:
        assert await served_by(database) == {primary}, database
    async with demo_store(forms(pair)[0]) as store:
        before = await enroll(store, 100)
        await asyncio.to_thread(pair.promote)
        async with asyncio.timeout(20):
            while True:
                try:
                    after = await enroll(store, 10)
                    break
                except StorageUnavailableError:
                    await asyncio.sleep(0.05)
        async with store.read() as reader:
            for loyalty_id, points in ((before, 100), (after, 10)):
                found = await reader.member(PROGRAM_ID, loyalty_id)
                assert found is not None
                assert found.accounts[AccountKind.AVAILABLE].balance == points
    for database in databases:
        assert await served_by(database) == {standby}, database
    audit(pair.standby_url)


async def test_asynchronous_standby_is_warned_of_and_lacks_what_it_did_not_get(
    postgres: Postgres,
) -> None:
    """The warning is true: what was acknowledged and not sent is gone after the promotion."""
    assert postgres.address
    with run_pair(synchronous=False) as pair:
        async with demo_store(pair.url) as store:
            watch = Watch()
            with capture_logs() as logs:
                await until(lambda: watch.standing, watch_forever(store, watch))
            assert [line["standbys"] for line in logs if line["event"] == WARNING] == [1]
            assert watch.standing["waits"] is False
            assert watch.standing["lossy"] is True
            pair.stall()
            lost = await enroll(store, 100)
        pair.promote()
        async with demo_store(pair.url) as store, store.read() as reader:
            assert await reader.member(PROGRAM_ID, lost) is None


async def test_synchronous_standby_is_not_warned_of(pair: Pair) -> None:
    """Nor is a platform that keeps every commit on several machines by itself."""
    async with demo_store(pair.url) as store:
        watch = Watch()
        with capture_logs() as logs:
            await until(lambda: watch.standing, watch_forever(store, watch))
        assert WARNING not in [line["event"] for line in logs]
        assert watch.standing["waits"] is True
        assert watch.standing["lossy"] is False


@pytest.mark.parametrize(("name", "warned"), [("neon", 0), ("zfs", 1)])
async def test_platform_that_copies_commits_is_not_warned_of(
    postgres: Postgres, name: str, warned: int
) -> None:
    """One that only writes pages as a whole says nothing about another machine."""
    assert postgres.address
    with run_pair(synchronous=False) as pair:
        async with demo_store(pair.url) as store:
            store._database = Database.from_text(pair.url, platform=PLATFORMS[name])
            watch = Watch()
            with capture_logs() as logs:
                await until(lambda: watch.standing, watch_forever(store, watch))
            assert [line["event"] for line in logs].count(WARNING) == warned
            assert watch.standing["lossy"] is bool(warned)
