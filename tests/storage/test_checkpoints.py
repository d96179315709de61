"""Checkpoints: signed sums of all accounts, from which audits begin."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from loyalty_service.cli import main
from loyalty_service.domain.clock import DAY_MS, now_ms
from loyalty_service.domain.peppers import Peppers
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.checkpoints import Checkpoint, CheckpointError
from loyalty_service.storage.tools.findings import Findings
from loyalty_service.storage.tools.make_checkpoint import make_checkpoint
from tests.support.databases import Backend
from tests.support.ledger import execute, rows
from tests.support.lived_store import live_on, lived_database
from tests.support.stores import PEPPER

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


def checkpoint(url: str) -> Checkpoint:
    """Sum up all transfers but the last."""
    return make_checkpoint(Database.from_text(url), PEPPERS, before_ms=now_ms() + DAY_MS)


def _audit(url: str, since: int | None = None) -> Findings:
    return audit(Database.from_text(url), peppers=PEPPERS, since=since)


def test_audit_since_a_checkpoint_reads_what_came_after_it(lived_url: str) -> None:
    """It computes the hashes of later transfers alone, and holds where all holds."""
    made = checkpoint(lived_url)
    asyncio.run(live_on(lived_url))
    after = "SELECT count(*) FROM transfer WHERE transfer_id > :last"
    later = rows(lived_url, after, last=made.transfer_id)[0][0]

    findings = _audit(lived_url, since=made.checkpoint_id)

    assert findings.problems == []
    assert findings.rows["transfer"] == later > 10
    assert findings.rows["loyalty_transaction"] >= 3
    assert _audit(lived_url).problems == []


def test_young_transfers_wait_for_the_next_checkpoint(
    lived_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever day is asked for, nothing is summed up that may still be under way."""
    monkeypatch.setattr("loyalty_service.storage.tools.make_checkpoint.SETTLED_MS", DAY_MS)

    with pytest.raises(CheckpointError, match="no transfer since the last checkpoint is old"):
        checkpoint(lived_url)


def test_second_checkpoint_goes_on_from_the_first(lived_url: str) -> None:
    """It has all transfers up to it, and sums up what a single one would."""
    first = checkpoint(lived_url)
    asyncio.run(live_on(lived_url))

    second = checkpoint(lived_url)

    assert (second.checkpoint_id, first.checkpoint_id) == (2, 1)
    count = "SELECT count(*) FROM transfer WHERE transfer_id <= :last"
    assert second.transfers == rows(lived_url, count, last=second.transfer_id)[0][0]
    sums = "SELECT sum(balance) FROM checkpoint_account WHERE checkpoint_id = 2"
    assert rows(lived_url, sums)[0][0] == 0
    with pytest.raises(CheckpointError, match="no transfer since the last checkpoint"):
        checkpoint(lived_url)


@pytest.mark.parametrize(
    ("tampering", "table"),
    [
        ("UPDATE account SET balance = balance + 1 WHERE account_id = :account", "account"),
        ("UPDATE transfer SET points = points + 1 WHERE transfer_id = :last", "transfer"),
        ("DELETE FROM transfer WHERE transfer_id = :last", "account"),
        (
            """
            UPDATE loyalty_transaction SET points_earned = points_earned + 1 WHERE transaction_id
              = (SELECT max(transaction_id) FROM loyalty_transaction WHERE points_earned > 0)
            """,
            "loyalty_transaction",
        ),
        (
            "UPDATE checkpoint_account SET balance = balance + 1 WHERE account_id = :account",
            "checkpoint",
        ),
        ("UPDATE checkpoint SET transfers = transfers + 1", "checkpoint"),
    ],
)
def test_what_is_changed_after_a_checkpoint_is_found(
    lived_url: str, tampering: str, table: str
) -> None:
    """An audit since a checkpoint finds a bad account, transfer or order, and a bad checkpoint."""
    made = checkpoint(lived_url)
    asyncio.run(live_on(lived_url))
    account = rows(lived_url, "SELECT min(account_id) FROM checkpoint_account")[0][0]
    last = rows(lived_url, "SELECT max(transfer_id) FROM transfer")[0][0]
    names = {"account": account, "last": last}
    used = {name: value for name, value in names.items() if f":{name}" in tampering}
    execute(lived_url, tampering, **used)

    findings = _audit(lived_url, since=made.checkpoint_id)

    assert table in {problem.table for problem in findings.problems}


def test_checkpoint_of_a_changed_ledger_is_refused(lived_url: str) -> None:
    """Nothing is signed that does not hold."""
    execute(lived_url, "UPDATE transfer SET points = points + 1 WHERE transfer_id = 5")

    with pytest.raises(CheckpointError, match="transfer 5 does not have the hash"):
        checkpoint(lived_url)

    assert rows(lived_url, "SELECT count(*) FROM checkpoint") == [(0,)]


def test_checkpoint_of_another_pepper_is_named(lived_url: str) -> None:
    """Without the pepper that signed it, an audit can't begin there."""
    made = checkpoint(lived_url)

    with pytest.raises(CheckpointError, match="which is not known here"):
        audit(Database.from_text(lived_url), peppers=Peppers(b"x" * 32), since=made.checkpoint_id)


def test_command_makes_one_and_audits_since_it(
    lived_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`loyalty checkpoint` tells what it summed up, `audit --since last` begins there."""
    monkeypatch.setenv("LOYALTY_DATABASE_URL", lived_url)
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", PEPPER.decode())
    for arguments in (["checkpoint", "--before", "2100-01-01"], ["audit", "--since", "last"]):
        monkeypatch.setattr("sys.argv", ["loyalty", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0

    told = capsys.readouterr().out
    assert "Checkpoint 1: " in told
    assert "Audited 1 transfers" in told
    assert "all holds" in told
