"""Backups: one audited state of a store in a file, and back from it into either kind."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loyalty_service.bootstrap import database_of
from loyalty_service.cli import main
from loyalty_service.config import Settings
from loyalty_service.domain.peppers import Peppers, check_of, name_of
from loyalty_service.storage.alone import OpenElsewhereError
from loyalty_service.storage.databases import Database, UnreachableError
from loyalty_service.storage.migrate import SchemaError
from loyalty_service.storage.peppers import PepperError, register, require_known
from loyalty_service.storage.tools import restore as restore_module
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.backup import FailedAuditError, back_up
from loyalty_service.storage.tools.backup_file import BackupError, Saved
from loyalty_service.storage.tools.copy import CopyError
from loyalty_service.storage.tools.proof import PROOF_TABLE
from loyalty_service.storage.tools.restore import restore
from tests.support.contents import columns_of, digests
from tests.support.databases import Backend, Sqlite
from tests.support.ledger import count_rows, execute, rows
from tests.support.lived_store import lived_database
from tests.support.programs import enroll
from tests.support.silence import listening
from tests.support.stores import PEPPER, open_store


@pytest.fixture
def source(backend: Backend) -> Iterator[Database]:
    """A store of each kind in which everything has happened that can."""
    with lived_database(backend) as url:
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
    with lived_database(sqlite) as url:
        back_up(Database.from_text(url), file, PEPPER)
    return file


@pytest.fixture
def saved(saved_once: Path, tmp_path: Path) -> Path:
    """A backup of a store in which everything has happened that can."""
    return Path(shutil.copy(saved_once, tmp_path))


def _content(database: Database) -> dict[str, tuple[int, str]]:
    columns = columns_of(database)
    columns.pop(PROOF_TABLE, None)
    return digests(database, columns)


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
    assert not restored.peppers.missing
    assert restored.proved_by == name_of(check_of(PEPPER))


def test_names_of_files_may_hold_what_a_url_may_not(source: Database, tmp_path: Path) -> None:
    """A folder or a backup with a question mark in its name is that one and no other."""
    odd = tmp_path / "a?mode=ro#b %41"
    odd.mkdir()
    file = odd / "saved?x=1&y#%2e.db"
    target = database_of(Settings(data_dir=odd))

    back_up(source, file, PEPPER)
    restore(file, target, PEPPER)

    assert _left(odd) == ["loyalty.db", file.name]
    assert _left(tmp_path) == [odd.name]
    assert _content(target) == _content(source)
    assert audit(target).all_hold


def test_full_disk_is_told_from_a_damaged_backup(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody may throw a good backup away because there is no room to restore it."""
    take_rows = restore_module.take_rows

    def fill_the_disk(own: sqlite3.Connection, *rest: Any) -> None:
        own.execute("PRAGMA max_page_count = 1")
        take_rows(own, *rest)

    monkeypatch.setattr(restore_module, "take_rows", fill_the_disk)
    place = tmp_path / "full"
    place.mkdir()
    with pytest.raises(BackupError, match=r"too little room in .*full: .* nothing was changed"):
        restore(saved, Database.of_file(place / "loyalty.db"), PEPPER)
    assert _left(place) == []


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
    with pytest.raises(BackupError, match="exists already: nothing was written; --force"):
        back_up(source, file, PEPPER)
    with pytest.raises(BackupError, match="is not a backup: --force replaces nothing else"):
        back_up(source, file, PEPPER, replace=True)
    assert file.read_text() == "mine"

    file.write_text("")
    back_up(source, file, PEPPER, replace=True)
    assert back_up(source, file, PEPPER, replace=True).size == file.stat().st_size

    if source.embedded:
        with pytest.raises(BackupError, match="belongs to the database itself"):
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


def test_copy_that_a_killed_restore_left_goes_with_the_next(
    saved: Path, target: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of all rows no copy stays in the folder for temporary files, but for one that is in use."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left, used, young = (tmp_path / f"loyalty-restore-{name}" for name in ("a", "b", "c"))
    for folder in (left, used, young):
        folder.mkdir()
        (folder / "saved.db").touch()
    for folder in (left, used):
        os.utime(folder, (0, 0))
    holding = os.open(used, os.O_RDONLY)
    fcntl.flock(holding, fcntl.LOCK_EX)

    restore(saved, target, PEPPER)
    os.close(holding)

    kept = [used, young] if not target.embedded else [left, used, young]
    assert sorted(tmp_path.glob("loyalty-restore-*")) == kept


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


def test_bad_store_is_saved_under_a_name_that_says_so(source: Database, tmp_path: Path) -> None:
    """One bad row leaves nobody without a copy: it is kept, proved, and the first row is named."""
    execute(_url(source), "UPDATE account SET sequence = sequence + 1 WHERE account_id = 1")
    file = tmp_path / "saved.db"
    for _ in range(2):
        with pytest.raises(FailedAuditError, match=r"failed-audit.*: account 1 counts"):
            back_up(source, file, PEPPER)
    assert _left(tmp_path) == ["saved.db.failed-audit", "saved.db.failed-audit-2"]

    failed = tmp_path / "saved.db.failed-audit"
    assert _content(Database.from_text(f"sqlite:///{failed}")) == _content(source)
    _refused(failed, source, "fails its audit.*account 1 counts")


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
        with listening(), pytest.raises(OpenElsewhereError, match="is open elsewhere"):
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
    _refused(text, source, "is not a backup, or is damaged: file is not a database")
    text.write_bytes(b"")
    _refused(text, source, "is not a backup: it has no ledger")
    data = saved.read_bytes()
    text.write_bytes(data[: len(data) // 2])
    _refused(text, source, "is damaged|is not a backup|can't be restored")
    url = f"sqlite:///{saved}"
    execute(url, "UPDATE transfer SET points = points + 1 WHERE transfer_id = 2")
    _refused(saved, source, "was changed after it was saved: its rows do not fit its proof")
    with pytest.raises((BackupError, CopyError), match="transfer 2 does not have the hash"):
        restore(saved, source, PEPPER, replace=True, unproved=True)
    execute(url, "UPDATE alembic_version SET version_num = '9999'")
    _refused(saved, source, "saved.db: .*newer than this version's")
    # A schema that SQLite quotes in its refusal, and that is no text.
    text.write_bytes(data.replace(b"receipt_digest)", b"r\xe5ceipt_digest)"))
    _refused(text, source, "is not a backup, or is damaged: malformed database schema")


def test_newer_store_is_never_replaced(source: Database, saved: Path) -> None:
    """A store of a newer schema stays, whatever is to be restored over it."""
    execute(_url(source), "UPDATE alembic_version SET version_num = '9999'")
    _refused(saved, source, "newer than this version's")


def test_file_that_is_no_database_is_not_replaced(saved: Path, tmp_path: Path) -> None:
    """What stands in the store's place and is no database is left to its owner."""
    text = tmp_path / "loyalty.db"
    text.write_text("not a database, and longer than the header of one would be" * 20)
    before = text.read_text()
    with pytest.raises(BackupError, match="is not a database: move it"):
        restore(saved, Database.from_text(f"sqlite:///{text}"), PEPPER, replace=True)
    assert text.read_text() == before


def test_backup_without_a_proof_must_be_asked_for(
    source: Database, sqlite: Sqlite, tmp_path: Path
) -> None:
    """Rows that nothing proves are taken only when told, and said to be unproved."""
    file = tmp_path / "saved.db"
    assert not back_up(source, file, None).proved
    target = Database.from_text(sqlite.empty_database())
    with pytest.raises(BackupError, match=r"has no proof of its rows.*--unproved"):
        restore(file, target, PEPPER)
    assert not Path(target.url.database or "").exists()

    restored = restore(file, target, PEPPER, unproved=True)

    assert restored.proved_by is None
    assert restored.saved.rows["transfer"] > 0


def test_backup_is_proved_by_a_retired_pepper_too(
    source: Database, sqlite: Sqlite, tmp_path: Path
) -> None:
    """Only who knows the pepper of then proves a backup; it is in no file."""
    file = tmp_path / "saved.db"
    assert back_up(source, file, PEPPER).proved
    assert PEPPER not in file.read_bytes()
    other = b"x" * 32
    for peppers in (other, None):
        with pytest.raises(BackupError, match=r"was proved with the code pepper .*not known here"):
            restore(file, Database.from_text(sqlite.empty_database()), peppers)

    both = Peppers(other, (PEPPER,))
    restored = restore(file, Database.from_text(sqlite.empty_database()), both)

    assert restored.proved_by == name_of(check_of(PEPPER))


def test_restored_store_takes_the_pepper_of_after_a_rotation(
    source: Database,
    target: Database,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Servers start with what they had when they were stopped, be the backup of before or not."""
    new, before = b"n" * 32, b"o" * 32
    old_name, new_name = name_of(check_of(PEPPER)), name_of(check_of(new))
    register(source, Peppers(PEPPER))
    file = tmp_path / "saved.db"
    back_up(source, file, PEPPER)
    monkeypatch.setenv("LOYALTY_DATABASE_URL", _url(target))
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", new.decode())

    assert _command(monkeypatch, "restore", str(file), "--unproved") == 0

    told = capsys.readouterr().out
    assert f"The database's code pepper is {old_name}, which is NOT here" in told
    assert "nothing to check" not in told
    monkeypatch.setenv("LOYALTY_OTHER_CODE_PEPPERS", f"{PEPPER.decode()},{before.decode()}")
    assert _command(monkeypatch, "restore", str(file), "--replace") == 0

    told = capsys.readouterr().out
    assert f"The database's code pepper, {old_name}, is one of the others here." in told
    assert f"The current one, {new_name}, is announced" in told
    assert "The code pepper here is the database's" not in told
    require_known(target, Peppers(new, (PEPPER, before)))
    register(target, Peppers(new, (PEPPER, before)))
    for name in ("LOYALTY_CODE_PEPPER", "LOYALTY_OTHER_CODE_PEPPERS"):
        monkeypatch.delenv(name)
    assert _command(monkeypatch, "restore", str(file), "--replace", "--unproved") == 0
    assert f"The database's code pepper is {old_name}, which is NOT here" in capsys.readouterr().out


def test_damaged_proof_is_told_from_a_missing_pepper(source: Database, tmp_path: Path) -> None:
    """Who has the pepper is not sent to look for it."""
    file = tmp_path / "saved.db"
    back_up(source, file, PEPPER)
    damaged = check_of(PEPPER)[:-1] + b"\0"
    change = "UPDATE backup_proof SET check_value = :value"
    execute(f"sqlite:///{file}", change, value=damaged)
    _refused(file, source, "has a damaged proof: it names the code pepper")


def test_backup_with_another_pepper_is_refused(source: Database, tmp_path: Path) -> None:
    """What nobody with the store's pepper could prove is not saved as if it could."""
    register(source, Peppers(PEPPER))
    with pytest.raises(PepperError):
        back_up(source, tmp_path / "saved.db", b"x" * 32)
    assert _left(tmp_path) == []


def test_backup_replaces_nothing_of_a_store(sqlite: Sqlite, tmp_path: Path) -> None:
    """--force leaves alone what lies in the data folder, under whatever name it is reached."""
    data, other = tmp_path / "data", tmp_path / "other"
    for folder in (data, other):
        folder.mkdir()
    store = data / "loyalty.db"
    source = Database.from_text(f"sqlite:///{store}")
    shutil.copy(sqlite.new_database().removeprefix("sqlite:///"), store)
    for name in ("code-pepper", "loyalty.db-wal", "kept.db"):
        (data / name).write_bytes(b"")
    hard, link, folder_link = other / "hard.db", other / "link.db", other / "data"
    os.link(data / "kept.db", hard)
    link.symlink_to(data / "code-pepper")
    folder_link.symlink_to(data)
    served = other / "served.db"
    served.write_bytes(store.read_bytes()[:18] + b"\x02\x02")
    refused = {
        store: "belongs to the database",
        data / "code-pepper": "code peppers",
        data / "loyalty.db-wal": "belongs to the database",
        data / "loyalty.db-shm": "belongs to the database",
        data / "kept.db": "where the database is",
        hard: "where the database is",
        link: "symbolic link",
        folder_link / "kept.db": "where the database is",
        folder_link / "loyalty.db-journal": "belongs to the database",
        served: "is not a backup",
    }
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for file, why in refused.items():
        with pytest.raises(BackupError, match=why):
            back_up(source, file, PEPPER, replace=True, data_dir=data)
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


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
        f"{file} exists already: nothing was written; --force replaces it\n"
    )

    monkeypatch.setenv("LOYALTY_DATABASE_URL", sqlite.empty_database())
    assert _command(monkeypatch, "restore", str(file)) == 0
    told = capsys.readouterr().out
    assert f"those that were saved: proved with {name_of(check_of(PEPPER))}." in told
    assert _command(monkeypatch, "restore", str(file)) == 1
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", "x" * 32)
    assert _command(monkeypatch, "restore", str(file), "--replace") == 1
    assert "--unproved restores it all the same" in capsys.readouterr().err
    assert _command(monkeypatch, "restore", str(file), "--replace", "--unproved") == 0
    assert "NOT PROVED: whoever could write this file" in capsys.readouterr().err
