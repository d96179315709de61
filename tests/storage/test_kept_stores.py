"""Stores that older servers filled, each kept as it was: they are brought to today and go on."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict
from pydantic import SecretStr

from loyalty_service.application.orders.repeated_orders import VOID
from loyalty_service.bootstrap import serve
from loyalty_service.storage import migrate as migrations
from loyalty_service.storage.databases import Database, prepare_file
from loyalty_service.storage.migrate import migrate
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.copy import copy_store
from loyalty_service.storage.tools.restore import restore
from loyalty_service.sweeper import sweep
from tests.storage.stores.fill import ask, rpc_of
from tests.support.contents import columns_of, digests
from tests.support.databases import Backend, Sqlite
from tests.support.ledger import balances, rows
from tests.support.server import Caller, settings_in
from tests.support.transactions import line, open_transaction, update_request

KEPT = Path(__file__).with_name("stores")
REVISIONS = sorted(path.stem for path in KEPT.glob("*.sql"))


@dataclass(frozen=True, slots=True)
class KeptStore:
    """
    A kept store in a database of today's schema.

    Attributes:
        key: Secret of its partner's API key.
        pepper: What it was served with.
        calls: What was asked and answered, in that order.
    """

    database: Database
    key: str
    pepper: str
    calls: list[dict[str, Any]]

    @property
    def url(self) -> str:
        """Where it is."""
        return self.database.url.render_as_string(hide_password=False)


@dataclass(frozen=True, slots=True)
class Migrated:
    """
    A kept store in a file of today's schema, and what its migration told.

    Attributes:
        revision: The schema that it had.
        unchanged: Whether every row that its server wrote stands there as it was.
        rows: How many those are.
    """

    url: str
    revision: str | None
    unchanged: bool
    rows: int


@pytest.fixture(scope="session")
def migrated(sqlite: Sqlite) -> Callable[[str], Migrated]:
    """Bring kept stores to today's schema, each once for all tests."""
    return cache(partial(_migrate, sqlite))


def _migrate(sqlite: Sqlite, name: str) -> Migrated:
    url = sqlite.empty_database()
    database = Database.from_text(url)
    prepare_file(Path(database.url.database or ""))
    with closing(sqlite3.connect(database.url.database or "")) as connection:
        connection.executescript((KEPT / f"{name}.sql").read_text(encoding="utf-8"))
    columns = columns_of(database)
    before = digests(database, columns)
    revision, _ = migrate(database)
    unchanged = digests(database, columns) == before
    return Migrated(url, revision, unchanged, sum(rows for rows, _ in before.values()))


@pytest.fixture(params=REVISIONS)
def kept(
    request: pytest.FixtureRequest,
    backend: Backend,
    sqlite: Sqlite,
    migrated: Callable[[str], Migrated],
) -> Iterator[KeptStore]:
    """Each kept store, migrated, and copied into a database of each kind."""
    url = migrated(request.param).url
    if isinstance(backend, Sqlite):
        database = Database.from_text(sqlite.copy_database(url))
    else:
        database = Database.from_text(backend.empty_database())
        copy_store(Database.from_text(url), database)
    story = json.loads((KEPT / f"{request.param}.json").read_text(encoding="utf-8"))
    store = KeptStore(database, **story)
    yield store
    backend.drop(store.url)


def test_every_older_schema_has_a_kept_store() -> None:
    """Whoever adds a migration first keeps a store as the server before it leaves one."""
    older = [script.revision for script in migrations._scripts()][:-1]
    assert older
    assert set(older) <= set(REVISIONS)


@pytest.mark.parametrize("revision", REVISIONS)
def test_migration_changes_no_row_of_a_kept_store(
    revision: str, migrated: Callable[[str], Migrated]
) -> None:
    """Every row that an older server wrote stands in every later schema as it was."""
    found = migrated(revision)

    assert found.revision == revision
    assert found.unchanged
    assert found.rows > 100


@pytest.mark.any_database  # It is brought to today in a file, whatever it goes into.
@pytest.mark.parametrize("revision", ["0005", "0021", REVISIONS[-1]])  # Views came with 0021.
def test_backup_of_an_older_schema_is_restored(
    revision: str, backend: Backend, tmp_path: Path
) -> None:
    """What a server of an older schema saved comes back, with the views that its file has."""
    saved = tmp_path / "saved.db"
    with closing(sqlite3.connect(saved)) as connection:
        connection.executescript((KEPT / f"{revision}.sql").read_text(encoding="utf-8"))
        (transfers,) = connection.execute("SELECT count(*) FROM transfer").fetchone()
    url = backend.empty_database()
    try:
        restored = restore(saved, Database.from_text(url), None, unproved=True)
        assert restored.migrated == (revision, migrations.newest())
        assert audit(Database.from_text(url)).rows["transfer"] == transfers
        assert len(rows(url, "SELECT * FROM loyalty_report_transfers")) == transfers
    finally:
        backend.drop(url)


@pytest.mark.any_database  # PostgreSQL gets them by a copy, which has tests of its own.
async def test_kept_store_holds_and_is_served(kept: KeptStore, tmp_path: Path) -> None:
    """
    An audit finds nothing wrong with what an older server wrote, and today's server goes on.

    A call sent again is answered as then, and what was begun then can be ended today.
    """
    findings = audit(kept.database)
    assert findings.problems == []
    assert findings.rows["transfer"] > 10
    settings = settings_in(tmp_path, database_url=kept.url, code_pepper=SecretStr(kept.pepper))
    async with (
        serve(settings) as running,
        grpc.aio.insecure_channel(f"127.0.0.1:{running.grpc_port}") as channel,
    ):
        caller = Caller(channel, kept.key)
        before = _answers_under_keys(kept.url)
        for noted in kept.calls:
            again = await ask(caller, noted["method"], noted["request"], noted["key"])
            assert again == noted["answer"], noted["key"]
        assert _answers_under_keys(kept.url) == before == len(kept.calls)
        await _ask_without_the_keys(caller, kept)
        # What was left open then is overdue by now, and its points go back.
        await sweep(running.store)
        await _go_on(caller, kept)
    assert audit(kept.database).all_hold


def _answers_under_keys(url: str) -> int:
    """Count the kept answers of idempotency keys; the scopes of natural keys have a colon."""
    scopes = rows(url, "SELECT scope FROM remembered_answer")
    return sum(":" not in row.scope for row in scopes)


async def _ask_without_the_keys(caller: Caller, kept: KeptStore) -> None:
    """Cancel again what was cancelled, under other keys: it is known by what it is about."""
    voided = [noted for noted in kept.calls if rpc_of(noted["method"]).kept_as == VOID]
    assert len(voided) > 1
    for noted in voided:
        again = await ask(caller, noted["method"], noted["request"], f"natural-{noted['key']}")
        assert again == noted["answer"], noted["key"]


async def _go_on(caller: Caller, kept: KeptStore) -> None:
    """Void an order that was claimed then, and claim one for the member of then."""
    claim = next(noted for noted in kept.calls if noted["request"].get("status") == "CLAIMED")
    loyalty_id, told = claim["answer"]["loyaltyId"], claim["answer"]
    # A report is known again by what it means, also without the key of then.
    again = await ask(caller, "TransactionService/ReportOrder", claim["request"], "another")
    assert again == told
    available, held = balances(kept.url, loyalty_id)
    assert held == 0

    void = {"loyaltyTransactionId": claim["request"]["loyaltyTransactionId"]}
    voided = await ask(caller, "TransactionService/VoidTransaction", void, "void")
    opened = await open_transaction(caller, loyalty_id)
    report = MessageToDict(update_request(opened, "CLAIMED", line(10)))
    claimed = await ask(caller, "TransactionService/ReportOrder", report, "claim")

    assert voided["points"] == available + told["pointsRedeemed"] - told["pointsEarned"]
    assert claimed["pointsEarned"] > 0
    assert claimed["points"] == voided["points"] + claimed["pointsEarned"]
