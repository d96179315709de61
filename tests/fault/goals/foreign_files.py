"""G42: files that somebody else wrote or changed, given to a restore as if they were backups."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from random import Random

from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import SchemaError
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.backup import back_up
from loyalty_service.storage.tools.backup_file import BackupError
from loyalty_service.storage.tools.copy import CopyError
from loyalty_service.storage.tools.proof import PROOF_TABLE
from loyalty_service.storage.tools.restore import restore
from tests.fault.goal import Goal, Trial
from tests.support.contents import columns_of, digests
from tests.support.doing import adjust_points
from tests.support.ledger import execute, rows
from tests.support.lived_store import copy_lived
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.stores import PEPPER, demo_store

Content = Mapping[str, tuple[int, str]]

_KEY = (
    "INSERT INTO api_key (key_id, digest, program_id, partner, role, stores, created_ms) "
    "SELECT 'planted', randomblob(32), program_id, 'thief', 'admin', '[]', 1 FROM program LIMIT 1"
)
_GIFT = "UPDATE account SET balance = balance + 1000 WHERE kind = 1"
_OF_A_MODULE = (
    "UPDATE sqlite_master SET rootpage = 0, sql = 'CREATE VIRTUAL TABLE wrong_code USING "
    "fts5(scope, digest, failed_ms)' WHERE name = 'wrong_code'"
)

SCHEMAS: Mapping[str, tuple[str, ...]] = {
    "trigger on transfers": (f"CREATE TRIGGER gift AFTER INSERT ON transfer BEGIN {_GIFT}; END",),
    "trigger on keys": (
        f"CREATE TRIGGER plant AFTER UPDATE ON catalog_revision BEGIN {_KEY}; END",
    ),
    "view": ("CREATE VIEW gifts AS SELECT * FROM account",),
    "view in place of a table": (
        "ALTER TABLE wrong_code RENAME TO kept_code",
        "CREATE VIEW wrong_code AS SELECT * FROM kept_code",
    ),
    "another table": ("CREATE TABLE gifts (points INTEGER)",),
    "another index": ("CREATE INDEX gifts ON account (abs(balance))",),
    "another column": ("ALTER TABLE member ADD COLUMN gift TEXT",),
    "generated column": (
        "ALTER TABLE member ADD COLUMN gift TEXT GENERATED ALWAYS AS (upper(name)) VIRTUAL",
    ),
    "table of a module": (
        "PRAGMA writable_schema = ON",
        _OF_A_MODULE,
    ),
    "missing table": ("DROP TABLE wrong_code",),
    "missing column": ("ALTER TABLE code DROP COLUMN partner",),
    "older schema in name": ("UPDATE alembic_version SET version_num = '0001'",),
    "newer schema": ("UPDATE alembic_version SET version_num = '9999'",),
    "no schema": ("DELETE FROM alembic_version",),
}
"""Files that have something else than the rows of a schema: refused however they are asked for."""

ROWS: Mapping[str, tuple[str, ...]] = {
    "planted admin key": (_KEY,),
    "key that is live again": ("UPDATE api_key SET revoked_ms = NULL",),
    "key that may do more": ("UPDATE api_key SET role = 'admin'",),
    "changed balance": (_GIFT,),
    "changed name": ("UPDATE member SET name = 'Thief' WHERE number = 1",),
    "changed program": ("UPDATE program SET document = replace(document, 'CAD', 'USD')",),
    "row deleted": ("DELETE FROM code WHERE rowid = (SELECT max(rowid) FROM code)",),
    "row of another type": ("UPDATE member SET created_ms = 'soon' WHERE number = 1",),
    "proof taken away": (f"DROP TABLE {PROOF_TABLE}",),
    "proof of nothing": ("UPDATE backup_proof SET digest = zeroblob(32)",),
    "proof twice": ("INSERT INTO backup_proof SELECT * FROM backup_proof",),
    "proof of another form": ("UPDATE backup_proof SET format = 2",),
}
"""Files whose rows are not those that were saved: refused unless asked for as unproved."""


async def run(trial: Trial) -> None:
    """
    Give a restore files with hidden schema objects, changed rows, flipped bytes and false proofs.

    Each is refused and changes nothing, or only the rows that were saved come in: with a byte
    flipped where no row lies, or with a log of somebody else's beside the file. What is asked for
    as unproved brings rows, and never a schema object.
    """
    source, target = await copy_lived(trial.databases), trial.new_database()
    execute(source, "UPDATE api_key SET revoked_ms = 1")
    async with demo_store(target) as store:
        await enroll(store, 10)
    place = Database.from_text(target)
    good = trial.folder / "good.db"
    await asyncio.to_thread(back_up, Database.from_text(source), good, PEPPER)
    saved = await asyncio.to_thread(_content, Database.from_text(f"sqlite:///{good}"))
    before = await asyncio.to_thread(_content, place)
    forgeries = [await _rewritten(trial, good), *_forged(trial, good), await _other(trial)]
    for what, file, unproved in forgeries[:: trial.choose(1, 5)]:
        await asyncio.to_thread(_refuse, trial, what, file, place, unproved=unproved)
    trial.figure("forged files", len(forgeries[:: trial.choose(1, 5)]))
    trial.require(
        await asyncio.to_thread(_content, place) == before, "a refused file changed the store"
    )
    await asyncio.to_thread(_try_unproved, trial, good)
    for what, file in _with_logs(trial, good):
        await asyncio.to_thread(_take_rows_alone, trial, what, file, saved)
    flips = list(_flips(good.read_bytes(), trial.chance("flips"), trial.choose(60, 1)))
    refused = 0
    for kind, damaged in flips:
        file = trial.folder / "flipped.db"
        file.write_bytes(damaged)
        refused += await asyncio.to_thread(
            _take_rows_alone, trial, f"a byte of a {kind}", file, saved
        )
    trial.figure("flipped bytes", len(flips))
    trial.figure("of them refused", refused)
    await asyncio.to_thread(restore, good, place, PEPPER, replace=True)
    same = await asyncio.to_thread(_content, place) == saved
    trial.require(same, "the file as it was saved was not restored as it was")


def _content(database: Database) -> Content:
    columns = columns_of(database)
    columns.pop(PROOF_TABLE, None)
    return digests(database, columns)


def _change(good: Path, file: Path, statements: tuple[str, ...]) -> Path:
    shutil.copyfile(good, file)
    before = good.read_bytes()
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(statement)
    if file.read_bytes() == before:
        raise LookupError(f"nothing was changed by {statements}")
    return file


def _forged(trial: Trial, good: Path) -> Iterator[tuple[str, Path, bool]]:
    """Give files that must be refused, and whether to ask for them as unproved."""
    for number, (what, statements) in enumerate(SCHEMAS.items()):
        file = _change(good, trial.folder / f"schema-{number}.db", statements)
        yield what, file, False
        yield f"{what}, unproved", file, True
    for number, (what, statements) in enumerate(ROWS.items()):
        yield what, _change(good, trial.folder / f"rows-{number}.db", statements), False
    data = good.read_bytes()
    for what, damaged in (
        ("empty file", b""),
        ("half of a file", data[: len(data) // 2]),
        ("file without its last page", data[:-4096]),
        ("file without its header", data[100:]),
        ("text", b"INSERT INTO api_key" * 1000),
    ):
        file = trial.folder / f"{what.replace(' ', '-')}.db"
        file.write_bytes(damaged)
        yield what, file, False


async def _rewritten(trial: Trial, good: Path) -> tuple[str, Path, bool]:
    """Give a member points as a server would, so that the audit of the file holds."""
    file = Path(shutil.copyfile(good, trial.folder / "rewritten.db"))
    url = f"sqlite:///{file}"
    (guest,) = rows(url, "SELECT loyalty_id FROM member LIMIT 1")
    gift = AdjustPoints(PROGRAM_ID, guest.loyalty_id, 100, "gift")
    async with Store(Database.from_text(url), PEPPER) as store:
        await store.write(lambda unit, now_ms: adjust_points(unit, gift, now_ms))
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    findings = await asyncio.to_thread(audit, Database.from_text(url))
    trial.require(findings.all_hold, "the forged history does not hold, so it tries nothing")
    return "history written again", file, False


async def _other(trial: Trial) -> tuple[str, Path, bool]:
    """Save another store, with a pepper of its own."""
    file = trial.folder / "other.db"
    other = Database.from_text(trial.new_database())
    await asyncio.to_thread(back_up, other, file, b"the pepper of another store.....")
    return "file of another store", file, False


def _refuse(trial: Trial, what: str, file: Path, place: Database, *, unproved: bool) -> None:
    try:
        restore(file, place, PEPPER, replace=True, unproved=unproved)
    except (BackupError, CopyError, SchemaError) as refusal:
        trial.require(file.name in str(refusal), f"{what}: the refusal names no file: {refusal}")
    else:
        trial.problems.append(f"{what}: was restored")


def _try_unproved(trial: Trial, good: Path) -> None:
    """Ask for a file without a proof: its rows come, and it is said that nothing proves them."""
    file = _change(good, trial.folder / "unproved.db", (f"DROP TABLE {PROOF_TABLE}",))
    place = Database.from_text(f"sqlite:///{trial.folder / 'unproved' / 'loyalty.db'}")
    restored = restore(file, place, PEPPER, unproved=True)
    trial.require(restored.proved_by is None, "unproved rows were said to be proved")
    trial.require(audit(place).all_hold, "what was restored as unproved fails its audit")


def _with_logs(trial: Trial, good: Path) -> Iterator[tuple[str, Path]]:
    """Put logs beside a backup that plant a key in whoever opens it with them."""
    for what, mode, suffix in (("log", "WAL", "-wal"), ("journal", "PERSIST", "-journal")):
        file = Path(shutil.copyfile(good, trial.folder / f"with-{what}.db"))
        copy = trial.folder / f"{what}.db"
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA journal_mode = {mode}")
            connection.execute(_KEY)
            connection.execute("DELETE FROM api_key WHERE key_id = 'planted'")
            connection.execute("BEGIN")
            connection.execute(_KEY)
            connection.execute("COMMIT" if mode == "WAL" else "ROLLBACK")
            shutil.copyfile(f"{file}{suffix}", f"{copy}{suffix}")
        shutil.copyfile(good, copy)
        if mode == "WAL":
            # The header tells SQLite to look for a log.
            data = bytearray(copy.read_bytes())
            data[18:20] = b"\x02\x02"
            copy.write_bytes(data)
        yield f"a {what} beside the file", copy


def _take_rows_alone(trial: Trial, what: str, file: Path, saved: Content) -> bool:
    """Restore a file into a fresh store: refused, or with the very rows that were saved."""
    folder = trial.folder / "taken"
    place = Database.from_text(f"sqlite:///{folder / 'loyalty.db'}")
    try:
        restore(file, place, PEPPER)
    except (BackupError, CopyError, SchemaError) as refusal:
        trial.require(file.name in str(refusal), f"{what}: the refusal names no file: {refusal}")
        return True
    trial.require(_content(place) == saved, f"{what}: other rows came in than were saved")
    trial.require(audit(place).all_hold, f"{what}: what came in fails its audit")
    shutil.rmtree(folder)
    return False


_PAGE_KINDS = {
    2: "page within an index",
    5: "page within a table",
    10: "last page of an index",
    13: "last page of a table",
}


def _flips(data: bytes, chance: Random, each: int) -> Iterator[tuple[str, bytes]]:
    """Flip one bit of a byte, so many times in the header and in each kind of page."""
    size = int.from_bytes(data[16:18]) or 65536
    pages: dict[str, list[int]] = {"header": [0]}
    for start in range(size, len(data), size):
        kind = _PAGE_KINDS.get(data[start], "page of another kind")
        pages.setdefault(kind, []).append(start)
    for kind, starts in sorted(pages.items()):
        for _ in range(each):
            place = chance.choice(starts) + chance.randrange(100 if kind == "header" else size)
            flipped = bytearray(data)
            flipped[place] ^= 1 << chance.randrange(8)
            yield kind, bytes(flipped)


GOALS = (
    Goal(
        "G42",
        "Foreign files",
        "A restore takes exactly the rows that were saved, or refuses the file by name and "
        "changes nothing.",
        run,
        any_database=True,
    ),
)
