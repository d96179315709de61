"""Keys that are made from a file, and changed."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from loyalty_service.application.key_uses import HOUR_MS
from loyalty_service.application.operators.create_key import CreateKey, create_key
from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.keys import LESS, Role
from loyalty_service.storage.repositories.unit_of_work import UnitOfWork
from loyalty_service.sweeper import note_keys_used
from loyalty_service.transport.rpcs import RPCS
from tests.support.commands import Commands
from tests.support.ledger import rows
from tests.support.programs import PROGRAM_ID, put_program
from tests.support.server import run_server
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

    # The last two would make keys for all stores.
    for head, wrong, told in (
        ("partner,role,stores", "acme,king,", "line 3"),
        ("partner,role,stores", "acme,till,4", "Store 4"),
        ("partner,role,stores", "acme,till", "line 3: has 2 cells"),
        ("partner,role,store", "acme,till,9999", "may name partner, role, stores, label"),
    ):
        file.write_text(f"{head}\nacme,till,\n{wrong}\n", encoding="utf-8")
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


def test_key_has_a_label_that_its_events_and_list_tell(
    loyalty: Commands, database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Keys alike but for their labels are rotated apart, and each event keeps the reason."""
    file = tmp_path / "keys.csv"
    file.write_text("partner,role,label\nacme,till,north\nacme,till,south\n", encoding="utf-8")
    assert loyalty("keys", "import", PROGRAM_ID, str(file), "--reason", "two regions") == 0
    north, south = (one["key"] for one in csv.DictReader(io.StringIO(capsys.readouterr().out)))
    for key in (north, south):
        assert loyalty("keys", "rotate", key, "--reason", "yearly") == 0
    assert loyalty("keys", "rotate", north) == 1
    assert loyalty("keys", "revoke", north, "--reason", "replaced") == 0
    change = ("keys", "change", south, "--label", "", "--reason", "one region")
    assert loyalty(*change) == 0
    capsys.readouterr()

    assert loyalty("keys", "list") == 0
    told = capsys.readouterr().out
    assert told.count("north") == 2
    assert told.count("south") == 1
    events = rows(
        database_url,
        "SELECT kind, reason, detail FROM event WHERE kind BETWEEN 42 AND 45 ORDER BY event_id",
    )
    told = [(one.kind, one.reason, json.loads(one.detail).get("label")) for one in events]
    assert told == [
        (42, "two regions", "north"),
        (42, "two regions", "south"),
        (43, "yearly", "north"),
        (43, "yearly", "south"),
        (44, "replaced", "north"),
        (45, "one region", None),
    ]
    assert json.loads(events[-1].detail)["before"]["label"] == "south"


async def test_list_tells_the_hour_in_which_a_key_was_last_used(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred calls are one write; a key of which nobody makes use is told apart."""
    async with run_server(tmp_path, database_url=database_url, sandbox=True) as server:
        store = server.store
        writes: list[frozenset[str]] = []
        note = UnitOfWork.note_keys_used

        def watched(unit: UnitOfWork, key_ids: Collection[str], used_ms: int) -> None:
            writes.append(frozenset(key_ids))
            note(unit, key_ids, used_ms)

        await note_keys_used(store)
        monkeypatch.setattr(UnitOfWork, "note_keys_used", watched)
        guest = await server.admin.enroll()
        for _ in range(3):
            for _ in range(10):
                await server.admin.balances(guest)
            await note_keys_used(store)
        async with store.read() as reader:
            used = {entry.key_id: entry.used_ms for entry in await reader.api_keys()}

    (written,) = writes
    assert {key for key, used_ms in used.items() if used_ms is not None} == written
    (used_ms,) = (used[key] for key in written)
    assert used_ms is not None
    assert used_ms % HOUR_MS == 0
    assert 0 <= now_ms() - used_ms < 2 * HOUR_MS


async def test_later_use_is_kept_whichever_server_writes_last(database_url: str) -> None:
    """A server that is behind does not make a key look unused for longer."""
    async with open_store(database_url) as store:
        await put_program(store)
        command = CreateKey(PROGRAM_ID, "acme", Role.TILL)
        made = await store.write(lambda unit, now: create_key(unit, command, now))
        key_id = made.result.key.key_id
        for hour in (2, 3, 1):
            await store.write(
                lambda unit, _now, hour=hour: unit.note_keys_used([key_id], hour * HOUR_MS)
            )
        async with store.read() as reader:
            (entry,) = await reader.api_keys()
    assert entry.used_ms == 3 * HOUR_MS
