"""Keys that are made from a file, and changed."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from loyalty_service.domain.keys import LESS
from loyalty_service.transport.rpcs import RPCS
from tests.support.commands import Commands
from tests.support.ledger import rows
from tests.support.programs import PROGRAM_ID, put_program
from tests.support.stores import open_store


@pytest.fixture
def loyalty(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commands]:
    """Commands on a store that has the demo program."""

    async def fill() -> None:
        async with open_store(database_url) as store:
            await put_program(store)

    asyncio.run(fill())
    return Commands(monkeypatch, database_url)


def test_role_that_may_do_less_makes_no_call_that_the_other_may_not() -> None:
    """A key whose secret somebody may know never comes to do more."""
    for role, fewer in LESS.items():
        for less in fewer:
            for rpc in RPCS.values():
                assert less not in rpc.roles or role in rpc.roles, rpc.name


def test_keys_of_a_file_are_made_together(
    loyalty: Commands, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line has a key with its own secret; a line that can't be made leaves none behind."""
    file = tmp_path / "keys.csv"
    file.write_text("partner,role,stores\nacme,till,9999 1001\ndesk,help_desk,\n", encoding="utf-8")
    assert loyalty("keys", "import", PROGRAM_ID, str(file)) == 0
    made = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(one["partner"], one["role"], one["stores"]) for one in made] == [
        ("acme", "till", "1001 9999"),
        ("desk", "help_desk", ""),
    ]
    assert len({one["secret"] for one in made}) == 2

    for wrong, told in (("acme,king,", "line 3"), ("acme,till,4", "Store 4")):
        file.write_text(f"partner,role,stores\nacme,till,\n{wrong}\n", encoding="utf-8")
        assert loyalty("keys", "import", PROGRAM_ID, str(file)) == 1
        assert told in capsys.readouterr().err
    assert len(rows(database_url, "SELECT key_id FROM api_key")) == 2


def test_key_is_changed_where_that_is_safe(
    loyalty: Commands, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its stores change, its role only to one that may do less, and an event tells who and why."""
    assert loyalty("keys", "create", PROGRAM_ID, "desk", "--role", "admin") == 0
    (key,) = rows(database_url, "SELECT key_id FROM api_key")
    change = ("keys", "change", key.key_id, "--reason", "new job")
    assert loyalty(*change, "--store", "9999", "--role", "operator") == 0
    assert loyalty(*change, "--role", "admin") == 1
    assert "can't become admin" in capsys.readouterr().err
    assert loyalty(*change, "--all-stores") == 0
    assert loyalty(*change) == 2
    assert loyalty(*change, "--store", "4") == 1

    (kept,) = rows(database_url, "SELECT role, stores FROM api_key")
    assert tuple(kept) == ("operator", "[]")
    first, second = rows(
        database_url,
        "SELECT reason, actor, detail FROM event WHERE kind = 45 ORDER BY event_id",
    )
    assert first.reason == "new job"
    assert first.actor
    assert json.loads(first.detail) == {
        "partner": "desk",
        "role": "operator",
        "stores": [9999],
        "before": {"role": "admin", "stores": []},
    }
    assert json.loads(second.detail)["before"]["stores"] == [9999]
