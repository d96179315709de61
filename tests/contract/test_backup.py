"""Backups: one audited state of a store in a file, and back from it into either kind."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.cli import main
from server.storage.alone import OpenElsewhereError
from server.storage.audit import audit
from server.storage.backup import BackupError, Restored, Saved, back_up, restore
from server.storage.copy import CopyError
from server.storage.databases import Database, UnreachableError
from server.storage.migrate import SchemaError
from tests.support.contents import columns_of, digests
from tests.support.databases import Backend, Sqlite, fresh_database
from tests.support.ledger import count_rows, execute, rows
from tests.support.lived_store import live
from tests.support.programs import enroll
from tests.support.stores import PEPPER, open_store


@pytest.fixture
def source(backend: Backend) -> Iterator[Database]:
    """A store of each kind in which everything has happened that can."""
    with fresh_database(backend) as url:
        asyncio.run(live(url))
        yield Database.from_text(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database without tables, of each kind."""
    kind: Backend = request.getfixturevalue("sqlite" if request.param == "sqlite" else "postgres")
    url = kind.empty_database()
    yield Database.from_text(url)
    kind.drop(url)


@pytest.fixture(scope="module")
def saved_once(sqlite: Sqlite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup that no test may change."""
    file = tmp_path_factory.mktemp("saved") / "saved.db"
    with fresh_database(sqlite) as url:
        asyncio.run(live(url))
        back_up(Database.from_text(url), file, PEPPER)
    return file


@pytest.fixture
def saved(saved_once: Path, tmp_path: Path) -> Path:
    """A backup of a store in which everything has happened that can."""
    return Path(shutil.copy(saved_once, tmp_path))


def _content(database: Database) -> dict[str, tuple[int, str]]:
    return digests(database, columns_of(database))


def _url(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_backup_comes_back_as_it_was(source: Database, target: Database, tmp_path: Path) -> None:
    """From either kind, by way of one file that only its owner reads, into either kind."""
    file = tmp_path / "saved.db"
    before = _content(source)

    saved = back_up(source, file, PEPPER)
    restored = restore(file, target, PEPPER)

    assert _content(target) == before
    assert _content(source) == before
    assert _left(tmp_path) == ["saved.db"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert saved.size == file.stat().st_size
    assert saved.rows == {name: count for name, (count, _) in before.items()}
    (newest,) = rows(_url(source), "SELECT max(transfer_id), max(recorded_ms) FROM transfer")
    assert (saved.newest_transfer, saved.newest_ms) == tuple(newest)
    assert restored.saved.rows == saved.rows
    assert restored.pepper_fits


async def test_restored_store_goes_on(saved: Path, target: Database) -> None:
    """What is written after a restore joins the ledger as if nothing had been."""
    restore(saved, target, PEPPER)
    members = count_rows(_url(target), "member")
    async with open_store(_url(target)) as store:
        await enroll(store, 10)
    assert count_rows(_url(target), "member") == members + 1
    assert audit(target).all_hold


def test_backup_is_never_written_over_another(source: Database, tmp_path: Path) -> None:
    """A file that is there stays, unless it may be replaced; the store itself always stays."""
    file = tmp_path / "saved.db"
    file.write_text("mine")
    with pytest.raises(BackupError, match="exists: nothing was written; --force"):
        back_up(source, file, PEPPER)
    assert file.read_text() == "mine"

    back_up(source, file, PEPPER, replace=True)
    assert back_up(source, file, PEPPER, replace=True).size == file.stat().st_size

    if source.embedded:
        with pytest.raises(BackupError, match="is the store itself"):
            back_up(source, Path(source.url.database or ""), PEPPER, replace=True)
    with pytest.raises(BackupError, match="no folder"):
        back_up(source, tmp_path / "nowhere" / "saved.db", PEPPER)
    with pytest.raises(BackupError, match="is not a file"):
        back_up(source, tmp_path, PEPPER)
    assert _left(tmp_path) == ["saved.db"]


def test_what_a_killed_command_left_is_tidied_away(
    source: Database, saved: Path, sqlite: Sqlite, tmp_path: Path
) -> None:
    """A draft that nobody works on any more blocks neither a backup nor a restore, and goes."""
    store = Path(sqlite.empty_database().removeprefix("sqlite:///"))
    file = tmp_path / "again.db"
    left = [
        place.with_name(f".{place.name}.{named}.partial{suffix}")
        for place in (file, store)
        for named in (os.getpid(), "x7_k2")
        for suffix in ("", "-journal")
    ]
    other = tmp_path / ".other.db.1.partial"
    for draft in (*left, other):
        draft.touch()

    back_up(source, file, PEPPER)
    restore(saved, Database.from_text(f"sqlite:///{store}"), PEPPER)

    assert not [draft for draft in left if draft.exists()]
    assert other.exists()


def test_backups_at_once_leave_one_another_alone(source: Database, tmp_path: Path) -> None:
    """A backup that begins beside another of the same name takes nothing of it away."""
    file = tmp_path / "saved.db"
    began: list[Saved] = []

    def report(_stage: str, _done: int, _total: int) -> None:
        if not began:
            began.append(back_up(source, file, PEPPER, replace=True))

    saved = back_up(source, file, PEPPER, report, replace=True)

    assert began[0].rows == saved.rows
    assert _left(tmp_path) == ["saved.db"]
    assert audit(Database.from_text(f"sqlite:///{file}")).all_hold


def test_bad_store_is_not_saved(source: Database, tmp_path: Path) -> None:
    """What fails its audit leaves no file, and the first bad row is named."""
    execute(_url(source), "UPDATE account SET sequence = sequence + 1 WHERE account_id = 1")
    with pytest.raises((BackupError, CopyError), match=r"fails its audit.*account 1 counts"):
        back_up(source, tmp_path / "saved.db", PEPPER)
    assert _left(tmp_path) == []


def test_store_of_another_schema_or_none_is_not_saved(
    source: Database, sqlite: Sqlite, tmp_path: Path
) -> None:
    """Only a store of this version's schema is saved, and none is created to be saved."""
    execute(_url(source), "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaError, match="newer than this version's"):
        back_up(source, tmp_path / "saved.db", PEPPER)
    with pytest.raises(UnreachableError, match="there is no database"):
        back_up(Database.from_text(sqlite.empty_database()), tmp_path / "saved.db", PEPPER)
    assert _left(tmp_path) == []


def _refused(file: Path, target: Database, why: str, *, replace: bool = True) -> None:
    """Restore in vain: whatever the target has, stays."""
    before = _content(target)
    with pytest.raises((BackupError, CopyError, SchemaError), match=why):
        restore(file, target, PEPPER, replace=replace)
    assert _content(target) == before


def test_store_with_rows_is_replaced_only_when_told(source: Database, saved: Path) -> None:
    """A restore refuses a store that has rows, and deletes them only on demand."""
    _refused(saved, source, "is not empty: table", replace=False)

    restored = restore(saved, source, PEPPER, replace=True)

    assert _content(source) == _content(Database.from_text(f"sqlite:///{saved}"))
    assert restored.saved.rows["member"] == count_rows(_url(source), "member")
    if source.embedded:
        assert not Path(f"{source.url.database}-wal").exists()


async def test_store_that_is_served_is_not_replaced(source: Database, saved: Path) -> None:
    """While a server is connected nothing is restored, and the server goes on."""
    async with open_store(_url(source)) as store:
        members = count_rows(_url(source), "member")
        with pytest.raises(OpenElsewhereError, match="is open elsewhere"):
            await asyncio.to_thread(restore, saved, source, PEPPER, replace=True)
        await enroll(store, 10)
        assert count_rows(_url(source), "member") == members + 1
    restore(saved, source, PEPPER, replace=True)


def test_what_is_no_sound_backup_is_not_restored(
    source: Database, saved: Path, tmp_path: Path
) -> None:
    """Damaged, foreign, newer and absent files are told apart, and change nothing."""
    _refused(tmp_path / "absent.db", source, "there is no file")
    text = tmp_path / "text.db"
    text.write_text("not a database, and longer than the header of one would be" * 20)
    _refused(text, source, "is no backup: file is not a database")
    text.write_bytes(b"")
    _refused(text, source, "is no backup: it has no ledger")
    data = saved.read_bytes()
    text.write_bytes(data[: len(data) // 2])
    _refused(text, source, "malformed|fails its audit|was not read|disk image")
    url = f"sqlite:///{saved}"
    execute(url, "UPDATE transfer SET points = points + 1 WHERE transfer_id = 2")
    _refused(saved, source, "fails its audit.*transfer 2 does not have the hash")
    execute(url, "UPDATE alembic_version SET version_num = '9999'")
    _refused(saved, source, "saved.db: .*newer than this version's")


def test_newer_store_is_never_replaced(source: Database, saved: Path) -> None:
    """A store of a newer schema stays, whatever is to be restored over it."""
    execute(_url(source), "UPDATE alembic_version SET version_num = '9999'")
    _refused(saved, source, "newer than this version's")


def test_file_that_is_no_database_is_not_replaced(saved: Path, tmp_path: Path) -> None:
    """What stands in the store's place and is no database is left to its owner."""
    text = tmp_path / "loyalty.db"
    text.write_text("not a database, and longer than the header of one would be" * 20)
    before = text.read_text()
    with pytest.raises(BackupError, match="is no database: move it"):
        restore(saved, Database.from_text(f"sqlite:///{text}"), PEPPER, replace=True)
    assert text.read_text() == before


@pytest.mark.parametrize(
    ("then", "now", "fits"),
    [
        (PEPPER, PEPPER, True),
        (PEPPER, b"x" * 32, False),
        (None, PEPPER, None),
        (PEPPER, None, None),
    ],
)
def test_pepper_is_checked_without_being_kept(
    source: Database, sqlite: Sqlite, tmp_path: Path, then: bytes, now: bytes, fits: object
) -> None:
    """A restore tells a right pepper from a wrong one; neither file has it."""
    file = tmp_path / "saved.db"
    saved = back_up(source, file, then)
    with fresh_database(sqlite) as url:
        restored: Restored = restore(file, Database.from_text(url), now)
        assert rows(url, "PRAGMA user_version") == [(0,)]
    assert restored.pepper_fits is fits
    assert saved.pepper_known is (then is not None)
    assert PEPPER not in file.read_bytes()


def _command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["loyalty", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_commands_print_what_they_did(
    source: Database,
    sqlite: Sqlite,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Rows, size, time, the newest transfer and the pepper; a refusal is one line and a 1."""
    file = tmp_path / "saved.db"
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", PEPPER.decode())
    monkeypatch.setenv("LOYALTY_DATABASE_URL", _url(source))
    assert _command(monkeypatch, "backup", str(file)) == 0
    printed = capsys.readouterr()
    assert "of them transfers, the newest of 20" in printed.out
    assert f"{file}: " in printed.out
    assert "its audit holds" in printed.out
    assert "LOYALTY_CODE_PEPPER" in printed.err
    assert _command(monkeypatch, "backup", str(file)) == 1
    assert capsys.readouterr().err == (
        f"{file} exists: nothing was written; --force writes over it\n"
    )

    monkeypatch.setenv("LOYALTY_DATABASE_URL", sqlite.empty_database())
    assert _command(monkeypatch, "restore", str(file)) == 0
    assert "The code pepper here is the one of the backup." in capsys.readouterr().out
    assert _command(monkeypatch, "restore", str(file)) == 1
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", "x" * 32)
    assert _command(monkeypatch, "restore", str(file), "--replace") == 0
    assert "NOT the one of the backup" in capsys.readouterr().out
