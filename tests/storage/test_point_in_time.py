"""A PostgreSQL is brought back to the moment before a mistake, by its own tools."""

from __future__ import annotations

from pathlib import Path

from loyalty_service.domain.ledger import AccountKind
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.backup import back_up
from tests.support.archived import run_archived
from tests.support.contents import columns_of, digests
from tests.support.ledger import audit, execute
from tests.support.orders import COFFEE, Till, basket, item
from tests.support.postgres import Postgres
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.stores import demo_store


async def test_mistake_is_undone_by_a_recovery_to_the_moment_before(
    postgres: Postgres, tmp_path: Path
) -> None:
    """
    All that was acknowledged until then is there, row for row, and nothing of what came after.

    The ledger holds, the server goes on, and a backup of our own can be taken.
    """
    assert postgres.address  # It makes the user that the server runs as.
    with run_archived() as server:
        database = Database.from_text(server.url)
        async with demo_store(server.url) as store:
            till = Till(store)
            early = await enroll(store, 100_000)
            server.back_up()
            late = await enroll(store, 100_000)
            for guest in (early, late):
                opened = await till.identify(guest, COFFEE)
                await till.update(opened, TransactionStatus.CLAIMED, basket(item(500)))
        before = digests(database, columns_of(database))
        moment = server.moment()
        async with demo_store(server.url) as store:
            gone = await enroll(store, 7)
        execute(server.url, "DELETE FROM remembered_answer; DELETE FROM transfer")
        server.lose(with_log=True)

        server.recover(moment)

        recovered = Database.from_text(server.recovered_url)
        assert digests(recovered, columns_of(recovered)) == before
        audit(server.recovered_url)
        async with demo_store(server.recovered_url) as store:
            more = await enroll(store, 10)
            async with store.read() as reader:
                assert await reader.member(PROGRAM_ID, gone) is None
                found = await reader.member(PROGRAM_ID, more)
        assert found is not None
        assert found.accounts[AccountKind.AVAILABLE].balance == 10
        saved = back_up(recovered, tmp_path / "saved.db", None)
        assert saved.newest_transfer
        audit(server.recovered_url)
