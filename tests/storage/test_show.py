"""What a file leaves out is shown and bounded, and what is live can be read back."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from loyalty_service.sandbox.demo_data import PROGRAM_FILE
from tests.support.commands import Commands
from tests.support.ledger import rows
from tests.support.orders import CLAIMED, Till, basket, item
from tests.support.programs import PROGRAM_ID, enroll, put_program
from tests.support.stores import open_store

TEXT = PROGRAM_FILE.read_text(encoding="utf-8")


@pytest.fixture
def loyalty(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """Commands on a store that has the demo program, a member and an open order."""

    async def fill() -> None:
        async with open_store(database_url) as store:
            await put_program(store)
            await Till(store).identify(await enroll(store, 100))

    asyncio.run(fill())
    return Commands(monkeypatch, database_url)


def _written(tmp_path: Path, text: str) -> str:
    file = tmp_path / "program.yaml"
    file.write_text(text, encoding="utf-8")
    return str(file)


def _without_store(text: str, store_id: int) -> str:
    return re.sub(rf"  - id: {store_id}\n(?:    .*\n)*", "", text)


def test_apply_tells_counts_first(loyalty: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    """Stores, incentives, members and open orders are counted before anything else is told."""
    assert loyalty("apply", str(PROGRAM_FILE), "--yes") == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert re.fullmatch(
        r"demo-ca: \d+ stores \(0 added, 0 removed\), \d+ incentives \(0 added, 0 retired\), "
        r"1 members, 1 open orders\.",
        first,
    )


@pytest.mark.parametrize("part", ["stores", "incentives"])
def test_more_than_a_tenth_goes_only_when_told(
    loyalty: Commands,
    database_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    part: str,
) -> None:
    """A file that lost some of its lines does not close stores or end offers."""
    text = _without_store(TEXT, 9999)
    if part == "incentives":
        text = re.sub(r"\nincentives:\n.*", "\nincentives: []\n", TEXT, flags=re.DOTALL)
        text = re.sub(r"\ngrants:\n.*?\nvoid_spent", "\nvoid_spent", text, flags=re.DOTALL)
    file = _written(tmp_path, text)
    before = rows(database_url, "SELECT count(*) AS n FROM program_version")

    assert loyalty("apply", file, "--dry-run") == 0
    assert loyalty("apply", file, "--yes") == 1

    assert re.search(rf"leaves out \d+ of \d+ {part}, more than a tenth", capsys.readouterr().err)
    assert rows(database_url, "SELECT count(*) AS n FROM program_version") == before
    assert loyalty("apply", file, "--yes", "--allow-removals") == 0
    assert rows(database_url, "SELECT count(*) AS n FROM program_version") != before


def test_order_of_a_removed_store_is_honoured(
    loyalty: Commands, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever closes a store is told of its open order, whose claim still earns."""
    file = _written(tmp_path, _without_store(TEXT, 9999))
    assert loyalty("apply", file, "--yes", "--allow-removals") == 0
    assert "1 order is open at store 9999" in capsys.readouterr().out

    async def pay() -> None:
        async with open_store(database_url) as store:
            (order,) = rows(database_url, "SELECT transaction_id FROM loyalty_transaction")
            till = Till(store)
            await till.update(order.transaction_id, CLAIMED, basket(item(1000)))

    asyncio.run(pay())
    (earned,) = rows(database_url, "SELECT points_earned FROM loyalty_transaction")
    assert earned.points_earned > 0


def test_what_is_shown_is_applied_without_a_change(
    loyalty: Commands, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The YAML that is live is a program file of the same program."""
    assert loyalty("show", PROGRAM_ID) == 0
    file = _written(tmp_path, capsys.readouterr().out)

    assert loyalty("apply", file, "--yes") == 0
    assert "demo-ca is as the file says: nothing to do." in capsys.readouterr().out


def test_history_and_difference_tell_who_changed_what(
    loyalty: Commands, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each version has its time, person and reason, and can be compared with what is live."""
    renamed = _written(tmp_path, TEXT.replace("name: Demo Rewards", "name: Better Rewards"))
    assert loyalty("apply", renamed, "--yes", "--reason", "a better name") == 0
    capsys.readouterr()

    assert loyalty("show", PROGRAM_ID, "--history") == 0
    newest, first = [
        line.split() for line in capsys.readouterr().out.splitlines() if line[2:3].isdigit()
    ]
    assert (newest[0], newest[3:]) == ("2", ["a", "better", "name"])
    assert newest[2]
    assert first[0] == "1"

    assert loyalty("show", PROGRAM_ID, "--diff") == 0
    told = capsys.readouterr().out.splitlines()
    assert "-name: Demo Rewards" in told
    assert "+name: Better Rewards" in told
    assert loyalty("show", PROGRAM_ID, "--version", "1") == 0
    assert "name: Demo Rewards" in capsys.readouterr().out
    assert loyalty("show", PROGRAM_ID, "--version", "9") == 1
