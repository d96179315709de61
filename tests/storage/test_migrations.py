"""Migrations: every step up and down on every backend, and what the operator is told."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect
from sqlmodel import SQLModel

from loyalty_service.cli import main
from loyalty_service.storage import migrate as migrations
from loyalty_service.storage.alone import OpenElsewhereError
from loyalty_service.storage.connections import reading
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import (
    BASE,
    DataLossError,
    SchemaError,
    downgrade,
    is_older,
    migrate,
    require_current,
    steps,
)
from loyalty_service.storage.tools.audit import audit
from tests.support.databases import Backend, Sqlite, fresh_database
from tests.support.ledger import count_rows, execute, rows
from tests.support.lived_store import lived_database
from tests.support.orders import COOKIE, PENDING, Till, basket, item, reward
from tests.support.programs import demo_program, enroll, put_program
from tests.support.silence import listening
from tests.support.stores import demo_store, open_store

FIRST = "0001"
NEXT = "9001"

_NEXT_REVISION = '''"""A table and a column that only tests have."""

import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{newest}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the change."""
    op.create_table("extra", sa.Column("extra_id", sa.Integer(), primary_key=True))
    with op.batch_alter_table("member") as batch_op:
        batch_op.add_column(sa.Column("nickname", sa.Text(), nullable=True))
    {more}


def downgrade() -> None:
    """Take the change back."""
    with op.batch_alter_table("member") as batch_op:
        batch_op.drop_column("nickname")
    op.drop_table("extra")
'''


@pytest.fixture
def database(backend: Backend) -> Iterator[Database]:
    """A database of each kind without tables."""
    url = backend.empty_database()
    yield Database.from_text(url)
    backend.drop(url)


def _newest() -> str:
    return migrations._revision("head")


def _revisions() -> list[str]:
    return [script.revision for script in migrations._scripts()]


def _url(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


def _schema(database: Database) -> dict[str, Any]:
    """Describe every table by what the database itself says of it."""
    with reading(database) as connection:
        inspector = inspect(connection)
        # Of all tables at once: asked for each, a PostgreSQL is asked hundreds of times.
        columns = inspector.get_multi_columns()
        indexes = inspector.get_multi_indexes()
        checks = inspector.get_multi_check_constraints()
    return {
        table[1] or "": [
            [(c["name"], str(c["type"]), c["nullable"]) for c in columns[table]],
            sorted(map(_index, indexes[table])),
            sorted(str(check["name"]) for check in checks[table]),
        ]
        for table in sorted(columns, key=str)
    }


def _index(index: Any) -> tuple[Any, ...]:
    return index["name"], bool(index["unique"]), *index["column_names"]


def _extend(monkeypatch: pytest.MonkeyPatch, folder: Path, more: str = "pass") -> None:
    """Let this version know one more revision than it does."""
    copied = folder / "migrations"
    shutil.copytree(migrations.MIGRATIONS, copied)
    text = _NEXT_REVISION.format(newest=_newest(), more=more)
    (copied / "versions" / "v9001_extra.py").write_text(text, encoding="utf-8")
    monkeypatch.setattr(migrations, "MIGRATIONS", copied)


def test_every_revision_goes_up_and_down(database: Database) -> None:
    """Each revision taken back leaves the schema before it, and the newest is the models'."""
    schemas: list[dict[str, Any]] = []
    for revision in _revisions():
        migrate(database, revision)
        schemas.append(_schema(database))
    with reading(database) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []
    require_current(database)

    for revision, schema in reversed([*zip(_revisions(), schemas, strict=True)]):
        assert _schema(database) == schema, revision
        downgrade(database, _before(revision), lose_data=True)

    assert set(_schema(database)) == {"alembic_version"}
    migrate(database)
    assert _schema(database) == schemas[-1]


def _before(revision: str) -> str:
    place = _revisions().index(revision)
    return _revisions()[place - 1] if place else BASE


def test_failing_migration_changes_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A migration that fails half way leaves the schema from before, on either kind."""
    migrate(database)
    before, newest = _schema(database), _newest()
    _extend(monkeypatch, tmp_path, more='raise RuntimeError("half way")')

    with pytest.raises(RuntimeError, match="half way"):
        migrate(database)

    assert _schema(database) == before
    assert rows(_url(database), "SELECT version_num FROM alembic_version") == [(newest,)]


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        ("INSERT INTO extra (extra_id) VALUES (1)", "extra"),
        ("UPDATE member SET nickname = 'x' WHERE number = 1", "member.nickname"),
    ],
)
def test_way_back_that_deletes_data_is_refused(
    backend: Backend,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    statement: str,
    lost: str,
) -> None:
    """What an older schema has no place for is named and kept, unless it may be deleted."""
    with lived_database(backend) as url:
        database = Database.from_text(url)
        older = _newest()
        _extend(monkeypatch, tmp_path)
        migrate(database)
        execute(url, statement)

        with pytest.raises(DataLossError, match=f"no place for what is in {lost}: nothing"):
            downgrade(database, older)
        require_current(database)

        members = count_rows(url, "member")
        assert downgrade(database, older, lose_data=True) == (NEXT, older)
        assert count_rows(url, "member") == members
        assert set(_schema(database)) == {*SQLModel.metadata.tables, "alembic_version"}


def test_way_back_from_newer_code_works_with_newer_code_only(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A version refuses a newer schema in every command, and says what to do."""
    with monkeypatch.context() as patch:
        _extend(patch, tmp_path)
        migrate(database)

    for work in (migrate, require_current, audit):
        with pytest.raises(SchemaError, match="9001, which is newer than this version's"):
            work(database)
    with pytest.raises(SchemaError, match="run a newer version"):
        downgrade(database, FIRST, lose_data=True)


async def test_way_back_is_refused_while_a_server_is_there(backend: Backend) -> None:
    """A server would fail on the older schema, and say that it serves."""
    with fresh_database(backend) as url:
        database = Database.from_text(url)
        async with open_store(url):
            with listening(), pytest.raises(OpenElsewhereError, match="stop the servers first"):
                await asyncio.to_thread(downgrade, database, "0002", lose_data=True)
        require_current(database)
        assert downgrade(database, "0002", lose_data=True) == (_newest(), "0002")


def test_way_back_forgets_counts_of_wrong_codes(backend: Backend) -> None:
    """What nobody misses a day later is no reason to refuse the way back."""
    with lived_database(backend) as url:
        execute(url, "INSERT INTO wrong_code VALUES ('key', :digest, 1)", digest=b"digest")
        database = Database.from_text(url)

        execute(url, "DELETE FROM event")
        assert downgrade(database, "0001") == (_newest(), "0001")

        assert migrate(database) == ("0001", _newest())
        assert count_rows(url, "wrong_code") == 0
        assert audit(database).all_hold


@pytest.mark.parametrize("price", [150, 400])
async def test_open_orders_keep_their_quantity_and_price(sqlite: Sqlite, price: int) -> None:
    """What an older version held points for is reserved as reported, whatever it costs today."""
    url = sqlite.new_database()
    async with demo_store(url) as store:
        till = Till(store)
        reported = await till.identify(await enroll(store, 1000))
        await till.update(reported, PENDING, basket(item(1000), reward(COOKIE, 2)))
        scanned = await till.identify(await enroll(store, 1000), COOKIE)
        program = demo_program()
        dearer = replace(program.incentives[COOKIE], point_cost=price)
        await put_program(
            store, replace(program, incentives={**program.incentives, COOKIE: dearer})
        )
    database = Database.from_text(url)
    downgrade(database, "0004", lose_data=True)
    migrate(database)

    kept = rows(url, "SELECT transaction_id, quantity, point_cost FROM reservation")
    assert sorted(map(tuple, kept)) == sorted([(reported, 2, 300), (scanned, 1, 300)])
    assert audit(database).all_hold


def test_way_back_past_other_owners_is_refused(backend: Backend) -> None:
    """The older version would look for the transactions of their holds and transfers."""
    with lived_database(backend) as url:
        database = Database.from_text(url)
        execute(url, "UPDATE hold SET owner_kind = 2, incentive_id = NULL WHERE status = 2")
        execute(url, "DELETE FROM event")

        with pytest.raises(
            DataLossError,
            match="3 holds and transfers belong to something other than a transaction",
        ):
            downgrade(database, "0005")
        require_current(database)

        assert downgrade(database, "0005", lose_data=True) == (_newest(), "0005")
        assert rows(url, "SELECT DISTINCT incentive_id FROM hold WHERE status = 2") == [("",)]


def test_tables_built_again_keep_their_indexes(sqlite: Sqlite) -> None:
    """What SQLite builds again for a constraint has its indexes as before, conditions too."""
    url = sqlite.empty_database()
    database = Database.from_text(url)
    indexes = "SELECT name, sql FROM sqlite_master WHERE tbl_name IN ('hold', 'account') "
    indexes += "AND type = 'index' AND sql IS NOT NULL ORDER BY name"
    migrate(database, "0005")
    before = rows(url, indexes)

    migrate(database, "0006")
    after = rows(url, indexes)
    downgrade(database, "0005")

    assert [row.name for row in before] == [
        "account_of_member",
        "account_of_program",
        "hold_of_transaction",
    ]
    assert after == before == rows(url, indexes)


def test_unknown_revision_is_refused(database: Database) -> None:
    """A revision that does not exist is named, with those that do."""
    for work in (migrate, downgrade, is_older):
        with pytest.raises(SchemaError, match=f"no schema 7777: this version knows {FIRST}"):
            work(database, "7777")


def test_wrong_direction_is_refused(database: Database) -> None:
    """Going up never takes a revision back, and going back applies none."""
    with pytest.raises(SchemaError, match=f"has schema base, which is older than {FIRST}"):
        downgrade(database, FIRST)
    migrate(database)
    with pytest.raises(SchemaError, match="which is newer than base"):
        migrate(database, BASE)


def test_steps_are_named_in_their_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was applied is told oldest first, what was taken back newest first."""
    _extend(monkeypatch, tmp_path)

    up = steps(None, NEXT)

    assert up[0] == "0001: First schema."
    assert up[-1] == "9001: A table and a column that only tests have."
    assert steps(NEXT, BASE) == up[::-1]
    assert steps(NEXT, NEXT) == []


def _command(monkeypatch: pytest.MonkeyPatch, database: Database, *arguments: str) -> int:
    monkeypatch.setenv("LOYALTY_DATABASE_URL", _url(database))
    monkeypatch.setattr("sys.argv", ["loyalty", "migrate", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_command_prints_what_it_did(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`loyalty migrate` names each revision it applied or took back, and both ends."""
    assert _command(monkeypatch, database) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("Applied 0001: First schema.\n")
    assert printed.endswith(f"The database went from schema none to {_newest()}.\n")

    assert _command(monkeypatch, database) == 0
    assert capsys.readouterr().out == f"The database has schema {_newest()} already.\n"

    assert _command(monkeypatch, database, "--to", BASE) == 1
    assert "catalog_revision: nothing was changed" in capsys.readouterr().err
    assert _command(monkeypatch, database, "--to", BASE, "--yes") == 0
    assert "Took back 0001: First schema." in capsys.readouterr().out


def test_command_refuses_a_newer_schema(
    database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`loyalty migrate` on a newer schema ends with 1 and one clear line."""
    migrate(database)
    execute(_url(database), "UPDATE alembic_version SET version_num = '9999'")

    assert _command(monkeypatch, database) == 1

    assert capsys.readouterr().err == (
        f"the database has schema 9999, which is newer than this version's {_newest()}: "
        "run a newer version\n"
    )
