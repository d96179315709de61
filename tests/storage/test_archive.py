"""Archives: transfers that left the ledger audit alone, join it, and are missed by nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from loyalty_service.application.members.export_member import ExportMember, Part, export_member
from loyalty_service.application.members.list_transfers import ListTransfers, list_transfers
from loyalty_service.application.orders.get_transaction import ShownOrder, show_order
from loyalty_service.application.orders.void_transaction import VoidTransaction, void_transaction
from loyalty_service.application.perform import Run, perform
from loyalty_service.cli import main
from loyalty_service.domain.clock import DAY_MS, now_ms
from loyalty_service.domain.events import EventKind
from loyalty_service.domain.expiry import Expiry, ExpiryPolicy
from loyalty_service.domain.peppers import Peppers
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools import archive as archiving
from loyalty_service.storage.tools.archive import Archived, archive
from loyalty_service.storage.tools.archive_file import ArchiveError, audit_archive
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.backup import back_up
from loyalty_service.storage.tools.copy import copy_store
from loyalty_service.storage.tools.make_checkpoint import make_checkpoint
from loyalty_service.storage.tools.repair import propose
from loyalty_service.storage.tools.restore import restore
from tests.support.databases import Backend
from tests.support.ledger import execute, rows
from tests.support.lived_store import live_on, lived_database
from tests.support.orders import CLAIMED, COFFEE, Till, basket, reward
from tests.support.programs import KEY, PROGRAM_ID, demo_program, enroll
from tests.support.stores import PEPPER, demo_store, open_store

PEPPERS = Peppers(PEPPER)


@pytest.fixture(autouse=True)
def _settled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sum up what has just happened; nothing else is under way."""
    monkeypatch.setattr("loyalty_service.storage.tools.make_checkpoint.SETTLED_MS", -DAY_MS)


@pytest.fixture
def lived_url(backend: Backend) -> Iterator[str]:
    """A store of each kind in which everything has happened that can."""
    with lived_database(backend) as url:
        yield url


def _archive(url: str, file: Path) -> Archived:
    """Sum up all transfers but the last, and archive them."""
    database = Database.from_text(url)
    make_checkpoint(database, PEPPERS, before_ms=now_ms() + DAY_MS)
    return archive(database, file, PEPPERS)


def _problems(url: str, since: int | None = None) -> list[str]:
    findings = audit(Database.from_text(url), peppers=PEPPERS, since=since)
    return [str(one) for one in findings.problems]


def test_archived_ledger_holds_and_the_file_audits_alone(lived_url: str, tmp_path: Path) -> None:
    """All transfers but the last are in the file, and both parts hold, alone and together."""
    count = rows(lived_url, "SELECT count(*) FROM transfer")[0][0]

    done = _archive(lived_url, tmp_path / "first")

    assert done.transfers == done.removed == count - 1
    assert rows(lived_url, "SELECT count(*) FROM transfer") == [(1,)]
    assert _problems(lived_url) == []
    assert _problems(lived_url, since=0) == []
    database = Database.from_text(lived_url)
    for store in (None, database):
        findings = audit_archive(tmp_path / "first", PEPPERS, database=store)
        assert findings.problems == []
        assert findings.rows["transfer"] == count - 1


def test_second_archive_follows_the_first(lived_url: str, tmp_path: Path) -> None:
    """Life goes on, and the next archive begins where the one before ended."""
    _archive(lived_url, tmp_path / "first")
    asyncio.run(live_on(lived_url))
    assert _problems(lived_url) == []

    done = _archive(lived_url, tmp_path / "second")

    assert done.transfers > 10
    assert _problems(lived_url) == []
    database = Database.from_text(lived_url)
    for name in ("first", "second"):
        assert audit_archive(tmp_path / name, PEPPERS, database=database).problems == []
    with pytest.raises(ArchiveError, match="no checkpoint after the last archive"):
        archive(database, tmp_path / "third", PEPPERS)


def test_order_whose_transfers_are_archived_can_be_voided(lived_url: str, tmp_path: Path) -> None:
    """Its points come back as if nothing had been archived, and the audit knows what it earned."""
    order = "SELECT transaction_id FROM loyalty_transaction WHERE status = 2 AND points_earned > 0"
    claimed = rows(lived_url, f"{order} AND points_redeemed > 0")[0][0]
    _archive(lived_url, tmp_path / "first")

    async def void() -> None:
        async with open_store(lived_url) as store:
            work = Run(void_transaction, VoidTransaction(KEY, claimed))
            await store.write(partial(perform, run=work))

    asyncio.run(void())

    assert _problems(lived_url) == []
    assert _problems(lived_url, since=0) == []
    execute(
        lived_url,
        "UPDATE archived_owner SET earned = earned + 1 WHERE owner_id = :order",
        order=claimed,
    )
    assert f"loyalty_transaction {claimed} is void" in _problems(lived_url)[0]


def test_points_that_go_are_compared_with_what_is_archived(
    database_url: str, tmp_path: Path
) -> None:
    """What orders have in buckets is what the ledger and the archives say together."""
    aging = replace(demo_program(), expiry=Expiry(ExpiryPolicy.ISSUE_DATE, days=30))

    async def live() -> None:
        async with demo_store(database_url, aging) as store:
            till = Till(store)
            transaction = await till.identify(await enroll(store, 1600))
            await till.update(transaction, CLAIMED, basket(reward(COFFEE)))
            await enroll(store, 1600)

    asyncio.run(live())
    assert rows(database_url, "SELECT count(*) FROM bucket_part WHERE burned > 0")[0][0] > 0

    _archive(database_url, tmp_path / "first")

    assert _problems(database_url) == []
    assert _problems(database_url, since=0) == []
    execute(database_url, "UPDATE bucket_part SET burned = burned + 1")
    assert "bucket_part" in _problems(database_url)[0]


def test_history_of_a_member_tells_where_it_is_cut(lived_url: str, tmp_path: Path) -> None:
    """The last page says until when transfers are in an archive and not listed."""
    member = rows(lived_url, "SELECT loyalty_id FROM member ORDER BY number LIMIT 1")[0][0]
    command = ListTransfers(KEY, member, page_size=3, page_token="", account=None)

    async def look() -> tuple[int, int | None]:
        async with open_store(lived_url) as store, store.read() as reader:
            page = await list_transfers(reader, command)
            return len(page.transfers), page.archived_until_ms

    assert asyncio.run(look()) == (3, None)
    done = _archive(lived_url, tmp_path / "first")

    count, until_ms = asyncio.run(look())

    assert count < 3
    assert until_ms == done.checkpoint.recorded_ms


@pytest.mark.parametrize(
    ("tampering", "what"),
    [
        ("UPDATE transfer SET points = points + 1 WHERE transfer_id = 5", "was changed since"),
        ("DELETE FROM transfer WHERE transfer_id = 5", "was changed since"),
        ("UPDATE account_after SET balance = balance + 1", "was changed since"),
        ("UPDATE archive SET first_transfer = 1", "was changed since"),
    ],
)
def test_changed_file_is_found(lived_url: str, tmp_path: Path, tampering: str, what: str) -> None:
    """Its proof tells whatever was changed in it."""
    file = tmp_path / "first"
    _archive(lived_url, file)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(tampering)

    findings = audit_archive(file, PEPPERS)

    assert what in str(findings.problems[0])


def test_file_of_another_ledger_does_not_join(lived_url: str, tmp_path: Path) -> None:
    """A file that holds alone, and is not the one that was written here, is named."""
    _archive(lived_url, tmp_path / "first")
    execute(lived_url, "UPDATE checkpoint SET archive_digest = digest")

    findings = audit_archive(tmp_path / "first", PEPPERS, database=Database.from_text(lived_url))

    assert "is not the one that this database was told of" in str(findings.problems[0])


def test_removal_that_was_cut_short_goes_on(
    lived_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger of which half has left holds; the rest leaves later, if it is in the file still."""
    monkeypatch.setattr("loyalty_service.storage.tools.batches.ROWS_MAX", 3)
    monkeypatch.setattr("loyalty_service.storage.tools.batches.ROWS_FIRST", 3)
    batches = 0
    remove = archiving._remove_some

    def cut_short(*arguments: object) -> int:
        nonlocal batches
        batches += 1
        if batches > 3:
            raise KeyboardInterrupt
        return remove(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(archiving, "_remove_some", cut_short)
    with pytest.raises(KeyboardInterrupt):
        _archive(lived_url, tmp_path / "first")
    assert rows(lived_url, "SELECT count(*) FROM archived_owner")[0][0] > 0
    assert rows(lived_url, "SELECT count(*) FROM transfer")[0][0] > 1
    assert _problems(lived_url) == []
    monkeypatch.setattr(archiving, "_remove_some", remove)

    file, database = tmp_path / "first", Database.from_text(lived_url)
    left = rows(lived_url, "SELECT count(*) FROM transfer")
    written = file.read_bytes()
    file.unlink()
    with pytest.raises(ArchiveError, match="first is not in"):
        archive(database, tmp_path / "second", PEPPERS)
    file.write_bytes(b"something else")
    with pytest.raises(ArchiveError, match="no archive"):
        archive(database, tmp_path / "second", PEPPERS)
    file.write_bytes(written)
    with closing(sqlite3.connect(file)) as changed:
        changed.execute("UPDATE transfer SET note = 'changed'")
        changed.commit()
    with pytest.raises(ArchiveError, match="does not hold"):
        archive(database, tmp_path / "second", PEPPERS)
    assert rows(lived_url, "SELECT count(*) FROM transfer") == left
    file.write_bytes(written)

    with pytest.raises(ArchiveError, match="no checkpoint after"):
        archive(database, tmp_path / "second", PEPPERS)

    assert rows(lived_url, "SELECT count(*) FROM transfer") == [(1,)]
    assert _problems(lived_url) == []


def test_backup_copy_and_repair_of_an_archived_ledger(
    lived_url: str, backend: Backend, tmp_path: Path
) -> None:
    """They go on from where the archive ends, and lose nothing of what is left."""
    _archive(lived_url, tmp_path / "first")
    asyncio.run(live_on(lived_url))
    source = Database.from_text(lived_url)
    balances = "SELECT account_id, balance, head FROM account ORDER BY account_id"

    back_up(source, tmp_path / "saved", PEPPERS)
    for number, bring in enumerate(
        (
            lambda target: restore(tmp_path / "saved", target, PEPPERS),
            lambda target: copy_store(source, target),
        )
    ):
        url = backend.empty_database() if number else backend.new_database()
        bring(Database.from_text(url))
        assert rows(url, balances) == rows(lived_url, balances)
        assert _problems(url) == []
        database = Database.from_text(url)
        assert audit_archive(tmp_path / "first", PEPPERS, database=database).problems == []
    assert propose(source).mends == []
    execute(lived_url, "UPDATE account SET balance = balance + 1 WHERE kind = 1")
    assert len(propose(source).mends) > 1


def test_commands_archive_and_audit_a_file(
    lived_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`loyalty archive` tells what left; `audit --archive` says whether the file holds."""
    monkeypatch.setenv("LOYALTY_DATABASE_URL", lived_url)
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", PEPPER.decode())
    file = str(tmp_path / "first")
    for arguments, code in (
        (["archive", "--to", file, "--yes"], 1),
        (["checkpoint", "--before", "2100-01-01"], 0),
        (["archive", "--to", file, "--yes"], 0),
        (["audit", "--archive", file], 0),
        (["audit"], 0),
        (["report", "points", PROGRAM_ID, "--from", "2000-01-01", "--by", "month"], 0),
    ):
        monkeypatch.setattr("sys.argv", ["loyalty", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == code, arguments

    told = capsys.readouterr()
    assert "there is no checkpoint after the last archive: make one first" in told.err
    assert "transfers left the ledger" in told.out
    assert told.out.count("all holds") == 2
    assert "are in an archive: days until then lack them" in told.err


async def test_what_is_archived_is_told_where_transfers_are_shown(
    lived_url: str, tmp_path: Path
) -> None:
    """An export counts what left each account, and an order says until when its own left."""
    (order, member) = rows(
        lived_url,
        "SELECT transaction_id, loyalty_id FROM loyalty_transaction JOIN member"
        " ON number = member_number WHERE status = 2 AND points_redeemed > 0",
    )[0]

    async def told() -> tuple[int, int, ShownOrder]:
        async with open_store(lived_url) as store, store.read() as reader:
            page = await export_member(reader, ExportMember(PROGRAM_ID, member, 200))
            shown = await show_order(reader, KEY, order)
        kept = [one.values for one in page.records if one.kind is Part.ACCOUNTS]
        left = sum(one.get("archivedTransfers", 0) for one in kept)
        listed = sum(one.kind is Part.TRANSFERS for one in page.records)
        return left, listed, shown

    left, listed, before = await told()
    assert left == 0
    assert listed
    assert before.transfers
    assert before.archived_until_ms is None
    touched = rows(
        lived_url,
        "SELECT count(*) FROM transfer JOIN account ON account_id IN (source_id, destination_id)"
        " JOIN member ON member_number = number WHERE loyalty_id = :member",
        member=member,
    )[0][0]
    last_ms = rows(lived_url, "SELECT max(recorded_ms) FROM transfer")[0][0]

    await asyncio.to_thread(_archive, lived_url, tmp_path / "first")

    left, listed, after = await told()
    assert left == touched
    assert listed == 0
    assert after.transfers == []
    assert after.archived_until_ms is not None
    assert after.archived_until_ms <= last_ms


@pytest.mark.parametrize("whole", [False, True])
async def test_export_has_every_event_about_a_member(lived_url: str, *, whole: bool) -> None:
    """Those that repeat what codes and orders say come with the whole log."""
    who = rows(lived_url, "SELECT number, loyalty_id FROM member")
    async with open_store(lived_url) as store:
        for number, loyalty_id in who:
            told: list[str] = []
            token = ""
            while True:
                command = ExportMember(PROGRAM_ID, loyalty_id, 200, token, whole)
                async with store.read() as reader:
                    page = await export_member(reader, command)
                told += [one.values["kind"] for one in page.records if one.kind is Part.EVENTS]
                token = page.next_page_token
                if not token:
                    break
            kept = rows(
                lived_url,
                "SELECT kind FROM event WHERE member_number = :number ORDER BY event_id",
                number=number,
            )
            wanted = [EventKind(one.kind) for one in kept if whole or not 10 < one.kind < 30]
            assert told == [kind.name for kind in wanted]
