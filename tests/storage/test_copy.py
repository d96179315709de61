"""Copying a store: every row arrives, in either direction, or none does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete, insert, select
from sqlmodel import SQLModel

from loyalty_service.cli import main
from loyalty_service.storage.connections import reading, writing
from loyalty_service.storage.databases import Database, UnreachableError
from loyalty_service.storage.migrate import SchemaError, require_current
from loyalty_service.storage.tables import (
    DERIVED,
    KeptAnswerTable,
    MemberTable,
    TransferTable,
)
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.copy import CopyError, copy_store
from tests.support.databases import Backend, Sqlite, fresh_database
from tests.support.ledger import execute
from tests.support.lived_store import copy_lived, lived_database
from tests.support.postgres import Postgres
from tests.support.programs import enroll
from tests.support.stores import open_store

_ODD_TEXT = "tab\t newline\n return\r back\\slash \\N \\. quote' \"é 漢 🍟"


@pytest.fixture
def source_url(backend: Backend) -> Iterator[str]:
    """A store of each kind in which everything has happened that can, and odd values stand."""
    with lived_database(backend) as url:
        odd = {
            "scope": "",
            "idempotency_key": _ODD_TEXT,
            "method": "\\N",
            "fingerprint": bytes(range(256)),
            "answer": b"",
            "created_ms": 2**63 - 1,
        }
        with writing(Database.from_text(url)) as connection:
            connection.execute(insert(KeptAnswerTable), [odd])
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database without tables, of each kind."""
    kind: Backend = request.getfixturevalue("sqlite" if request.param == "sqlite" else "postgres")
    url = kind.empty_database()
    yield Database.from_text(url)
    kind.drop(url)


def _content(database: Database) -> dict[str, list[Any]]:
    with reading(database) as connection:
        return {
            table.name: sorted(map(repr, connection.execute(select(table))))
            for table in SQLModel.metadata.sorted_tables
            if table.name not in DERIVED
        }


def _row_count(database: Database) -> int:
    return sum(len(found) for table, found in _content(database).items() if "revision" not in table)


def test_copy_has_every_row(source_url: str, target: Database) -> None:
    """From either kind to either kind, what arrives is what was there, and it is audited."""
    source = Database.from_text(source_url)

    findings = copy_store(source, target)

    assert _content(target) == _content(source)
    assert all(_content(target)[table] for table in ("hold", "redemption", "code", "api_key"))
    assert findings.all_hold
    assert findings.rows.total() == _row_count(source) + 1


def test_round_trip_is_equal(source_url: str, target: Database, sqlite: Sqlite) -> None:
    """There and back again, nothing has changed."""
    back = Database.from_text(sqlite.empty_database())

    copy_store(Database.from_text(source_url), target)
    copy_store(target, back)

    assert _content(back) == _content(Database.from_text(source_url))


async def test_copy_goes_on_where_the_source_ended(sqlite: Sqlite, target: Database) -> None:
    """New members, accounts and transfers get numbers of their own in the copy."""
    copy_store(Database.from_text(await copy_lived(sqlite)), target)
    before = _row_count(target)

    async with open_store(target.url.render_as_string(hide_password=False)) as store:
        await enroll(store, 10)

    assert _row_count(target) == before + 7  # With two events and a term of the name.
    assert audit(target).all_hold


def test_copy_of_a_migrated_empty_store_is_taken(database_url: str, target: Database) -> None:
    """A store in which nothing happened can be copied too, and copied over."""
    copy_store(Database.from_text(database_url), target)
    copy_store(Database.from_text(database_url), target)

    require_current(target)
    assert _row_count(target) == 0


def test_target_with_rows_is_refused(source_url: str, target: Database) -> None:
    """A store is never copied over another; the refusal names a table that has rows."""
    copy_store(Database.from_text(source_url), target)
    before = _content(target)

    with pytest.raises(CopyError, match=r"is not empty: table \w+ has rows"):
        copy_store(Database.from_text(source_url), target)

    assert _content(target) == before


def test_copy_onto_itself_is_refused(source_url: str) -> None:
    """A database is no target of its own."""
    source = Database.from_text(source_url)

    with pytest.raises(CopyError, match="is not empty"):
        copy_store(source, source)


def test_target_of_another_schema_is_refused(sqlite: Sqlite, database_url: str) -> None:
    """A target that a newer version migrated is left alone."""
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    with fresh_database(sqlite) as source_url, pytest.raises(SchemaError, match="newer"):
        copy_store(Database.from_text(source_url), Database.from_text(database_url))


def test_source_of_another_schema_is_refused(source_url: str, target: Database) -> None:
    """A source that is not migrated is not guessed at."""
    execute(source_url, "DELETE FROM alembic_version")

    with pytest.raises(SchemaError, match="loyalty migrate"):
        copy_store(Database.from_text(source_url), target)


def test_missing_source_is_refused(sqlite: Sqlite, target: Database) -> None:
    """A file that is not there is not an empty store."""
    source = Database.from_text(sqlite.empty_database())

    with pytest.raises(UnreachableError, match="there is no database"):
        copy_store(source, target)


def test_broken_source_leaves_the_target_empty(source_url: str, target: Database) -> None:
    """A ledger that does not hold is not copied; the refusal names the first bad row."""
    execute(source_url, "UPDATE transfer SET note = 'changed' WHERE transfer_id = 2")

    with pytest.raises(CopyError, match="transfer 2 does not have the hash"):
        copy_store(Database.from_text(source_url), target)

    assert _row_count(target) == 0


def test_row_that_does_not_fit_leaves_the_target_empty(sqlite: Sqlite, postgres: Postgres) -> None:
    """What only SQLite takes is refused with its table named, and nothing else stays."""
    target = Database.from_text(postgres.empty_database())
    with lived_database(sqlite) as url:
        execute(url, "UPDATE member SET name = 'a' || char(0) WHERE number = 1")

        with pytest.raises(CopyError, match="table member was not accepted"):
            copy_store(Database.from_text(url), target)

    assert _row_count(target) == 0


def test_interrupted_copy_leaves_the_target_empty(source_url: str, target: Database) -> None:
    """Ctrl-C while the last table is copied takes all of it back."""

    def interrupt(stage: str, done: int, _total: int) -> None:
        if stage == "transfer" and done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_store(Database.from_text(source_url), target, interrupt)

    assert _row_count(target) == 0


def test_copy_is_of_one_state(source_url: str, target: Database) -> None:
    """What the source takes up after the copy began is not in the copy, nor half of it."""
    before = _content(Database.from_text(source_url))

    def change(stage: str, done: int, _total: int) -> None:
        if stage == "program" and not done:
            with writing(Database.from_text(source_url)) as connection:
                connection.execute(delete(TransferTable))
                connection.execute(delete(MemberTable).where(MemberTable.number > 10**6))

    copy_store(Database.from_text(source_url), target, change)

    assert _content(target) == before


def test_command_copies_and_reminds_of_the_pepper(
    source_url: str,
    target: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`loyalty copy` prints the rows of each table; a second time it refuses with exit code 1."""
    to = target.url.render_as_string(hide_password=False)
    monkeypatch.setattr("sys.argv", ["loyalty", "copy", "--from", source_url, "--to", to])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    printed = capsys.readouterr()
    assert "  transfer: " in printed.out
    assert "the copy's audit holds" in printed.out
    assert "LOYALTY_CODE_PEPPER" in printed.err

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 1
    assert "is not empty" in capsys.readouterr().err
