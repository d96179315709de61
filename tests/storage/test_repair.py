"""Repairs: what the transfers prove is derived again from them, and nothing else is touched."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import pytest

from loyalty_service.cli import main
from loyalty_service.storage.alone import OpenElsewhereError
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.repair import RepairError, propose, repair
from tests.support.contents import columns_of, digests
from tests.support.databases import Backend
from tests.support.ledger import execute, rows
from tests.support.lived_store import copy_lived, lived_database
from tests.support.programs import enroll
from tests.support.server import give_points
from tests.support.silence import listening
from tests.support.stores import open_store

REASON = "a hand in the database, case 17"
USES = (
    "SELECT program_id, incentive_id, sum(quantity) FROM incentive_usage "
    "GROUP BY program_id, incentive_id ORDER BY program_id, incentive_id"
)


@pytest.fixture
def lived_url(backend: Backend) -> Iterator[str]:
    """A store of each kind in which everything has happened that can."""
    with lived_database(backend) as url:
        yield url


def _content(url: str) -> dict[str, object]:
    database = Database.from_text(url)
    columns = columns_of(database)
    # A repair is kept and told of besides; uses may be counted in several rows, which it adds up.
    for table in ("repair", "event", "incentive_usage"):
        columns.pop(table)
    return digests(database, columns) | {"uses": rows(url, USES)}


ANOTHER_HASH = "(SELECT max(digest) FROM api_key)"
LAST = "(SELECT max(destination_id) FROM transfer)"
LONE_HOLD = (
    "(SELECT min(hold_id) FROM hold WHERE status = 1 GROUP BY transaction_id HAVING count(*) = 1)"
)


ADDED_TERM = (
    "INSERT INTO member_term (member_number, kind, term, program_id) "
    "SELECT min(number), 1, 'hushhush', min(program_id) FROM member"
)


@pytest.mark.parametrize(
    ("table", "change", "which"),
    [
        ("account", "balance = balance + 5", "kind = 1"),
        ("account", "balance = balance - 5", "kind = 3"),
        ("account", "sequence = sequence + 1", f"account_id = {LAST}"),
        ("account", f"head = {ANOTHER_HASH}", f"account_id = {LAST}"),
        ("account", "moved_ms = moved_ms + 1", "kind = 1 AND sequence > 0"),
        ("hold", "points = points + 1", f"hold_id IN {LONE_HOLD}"),
        ("loyalty_transaction", "points_earned = points_earned + 1", "status = 2"),
        ("incentive_usage", "quantity = quantity + 1", "shard >= 0"),
        ("member_term", "term = 'somebody'", "kind = 1"),
        ("member_term", "program_id = 'another'", "kind = 1"),
        ("member_term", "kind = 4", "kind = 1"),
    ],
)
def test_what_the_transfers_prove_is_mended(
    lived_url: str, table: str, change: str, which: str
) -> None:
    """A row that was changed by hand is shown, then set to what it was, with the reason kept."""
    database = Database.from_text(lived_url)
    before = _content(lived_url)
    execute(lived_url, f"UPDATE {table} SET {change} WHERE {which}")  # noqa: S608 - ours.
    broken = _content(lived_url)
    assert broken != before

    proposal = propose(database)

    assert {mend.table for mend in proposal.mends} == {table}
    assert not proposal.findings.all_hold
    assert proposal.left.all_hold
    assert _content(lived_url) == broken

    repair(database, REASON)

    assert audit(database).all_hold
    assert _content(lived_url) == before
    (kept,) = rows(lived_url, "SELECT repair_id, reason, changes FROM repair")
    assert kept.reason == REASON
    (told,) = rows(lived_url, "SELECT subject, reason FROM event WHERE kind = 51")
    assert told == (kept.repair_id, REASON)
    assert {one["table"] for one in json.loads(kept.changes)} == {table}


@pytest.mark.parametrize(
    "changes",
    [
        ("DELETE FROM transfer WHERE transfer_id = (SELECT max(transfer_id) FROM transfer)",),
        ("DELETE FROM transfer WHERE transfer_id = 2",),
        ("UPDATE transfer SET points = points + 1 WHERE transfer_id = 2",),
        (
            "UPDATE account SET balance = balance + 5 WHERE kind = 1",
            "UPDATE loyalty_transaction SET status = 3 WHERE status = 2",
        ),
        ("UPDATE account SET head = (SELECT max(digest) FROM api_key) WHERE sequence > 0",),
    ],
)
def test_what_the_transfers_do_not_prove_is_left(lived_url: str, changes: tuple[str, ...]) -> None:
    """After a deleted or changed transfer nothing is guessed, and the words say what to do."""
    database = Database.from_text(lived_url)
    for statement in changes:
        execute(lived_url, statement)
    broken = _content(lived_url)

    with pytest.raises(RepairError, match="restore the last backup whose audit holds"):
        repair(database, REASON)

    assert _content(lived_url) == broken
    assert rows(lived_url, "SELECT * FROM repair") == []


def test_forged_transfer_is_not_made_good(lived_url: str) -> None:
    """A transfer put in with the right hashes, past both accounts, proves nothing to them."""
    execute(
        lived_url,
        "UPDATE account SET balance = balance + 1, sequence = sequence - 1, head = "
        "(SELECT max(digest) FROM api_key) WHERE account_id IN (SELECT source_id FROM transfer "
        "WHERE transfer_id = (SELECT max(transfer_id) FROM transfer) UNION SELECT destination_id "
        "FROM transfer WHERE transfer_id = (SELECT max(transfer_id) FROM transfer))",
    )
    assert propose(Database.from_text(lived_url)).mends == []


async def test_store_that_is_served_is_not_mended(
    lived_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server would go on with rows that it has read; what is wrong is shown beside it."""
    execute(lived_url, "UPDATE incentive_usage SET quantity = quantity + 1")
    database = Database.from_text(lived_url)
    monkeypatch.setenv("LOYALTY_DATABASE_URL", lived_url)
    asked = ("repair", "--apply", "--reason", REASON)
    async with open_store(lived_url):
        assert (await asyncio.to_thread(propose, database)).mends
        with listening():
            with pytest.raises(OpenElsewhereError):
                await asyncio.to_thread(repair, database, REASON)
            assert await asyncio.to_thread(_command, monkeypatch, *asked) == 1
    told = capsys.readouterr().err
    assert "stop the servers first" in told
    assert "Apply?" not in told


async def test_balance_that_an_event_told_since_is_mended(backend: Backend) -> None:
    """A wrong balance does not stay for good because a member ordered before anybody noticed."""
    async with open_store(url := await copy_lived(backend)) as store:
        loyalty_id = await enroll(store, 500)
        execute(
            url,
            "UPDATE account SET balance = balance + 777 WHERE kind = 1 AND member_number = "
            "(SELECT number FROM member WHERE loyalty_id = :one)",
            one=loyalty_id,
        )
        await give_points(store, loyalty_id, 100)
    database = Database.from_text(url)
    assert not audit(database).all_hold

    proposal = propose(database)

    assert [mend.table for mend in proposal.mends] == ["account", "event"]
    assert proposal.mends[1].new == {"available": 600}
    assert proposal.left.all_hold

    repair(database, REASON)

    assert audit(database).all_hold
    backend.drop(url)


def _command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["loyalty", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_command_shows_then_mends(
    lived_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`loyalty repair` ends with 1 while something is wrong, and mends only with a reason."""
    monkeypatch.setenv("LOYALTY_DATABASE_URL", lived_url)
    assert _command(monkeypatch, "repair") == 0
    assert "there is nothing to repair" in capsys.readouterr().out
    (one,) = rows(lived_url, "SELECT account_id, balance FROM account WHERE kind = 1 LIMIT 1")
    execute(
        lived_url, "UPDATE account SET balance = balance + 5 WHERE account_id = :one", one=one[0]
    )

    assert _command(monkeypatch, "repair") == 1

    told = capsys.readouterr()
    assert f"account {one[0]}: balance {one[1] + 5} -> {one[1]}, as its " in told.out
    assert "Stop the servers, then `loyalty repair --apply" in told.err
    assert _command(monkeypatch, "repair", "--apply", "--yes") == 2
    assert "--reason" in capsys.readouterr().err
    assert _command(monkeypatch, "repair", "--apply", "--reason", REASON, "--yes") == 0
    assert "the audit holds" in capsys.readouterr().out
    assert audit(Database.from_text(lived_url)).all_hold


def test_preview_tells_of_a_refusal(
    lived_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `--apply` would refuse, the preview says already, and why, before anybody stops."""
    monkeypatch.setenv("LOYALTY_DATABASE_URL", lived_url)
    execute(lived_url, "UPDATE account SET balance = balance + 5 WHERE kind = 1")
    execute(lived_url, "UPDATE loyalty_transaction SET status = 3 WHERE status = 2")
    broken = _content(lived_url)

    assert _command(monkeypatch, "repair") == 1

    told = capsys.readouterr()
    assert "can be derived again" in told.out
    assert "`--apply` would be refused: " in told.err
    assert "restore the last backup whose audit holds" in told.err
    assert "Stop the servers, then" not in told.err
    with pytest.raises(RepairError) as refused:
        repair(Database.from_text(lived_url), REASON)
    assert str(refused.value) in told.err
    assert _content(lived_url) == broken


@pytest.mark.parametrize("change", ["DELETE FROM member_term", ADDED_TERM])
def test_words_by_which_members_are_found_are_made_again(lived_url: str, change: str) -> None:
    """A row that is gone, or one that is nobody's, is told without the word, and mended."""
    database = Database.from_text(lived_url)
    before = _content(lived_url)
    execute(lived_url, change)

    problems = audit(database).problems

    assert {problem.table for problem in problems} == {"member_term"}
    assert "hushhush" not in " ".join(map(str, [*problems, *propose(database).mends]))
    repair(database, REASON)
    assert audit(database).all_hold
    assert _content(lived_url) == before
    assert "hushhush" not in rows(lived_url, "SELECT changes FROM repair")[0].changes
