"""Pruning: what nobody needs goes, and the ledger, the keys and the audit stay."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from loyalty.v1 import transaction_service_pb2 as transactions
from loyalty_service.application.orders.return_lines import ReturnLines, return_lines
from loyalty_service.cli import main
from loyalty_service.domain.clock import DAY_MS, now_ms
from loyalty_service.domain.errors import ReturnTooLateError
from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.retention import Retention
from loyalty_service.domain.returns import ReturnedLine
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit as audit_database
from loyalty_service.storage.tools.prune import Cutoffs, Pruned, prune
from loyalty_service.transport.rpcs import RPCS
from loyalty_service.transport.shortened import shorten
from tests.fault.senders import GrpcSender, Sent
from tests.support.banks import SECRET, prepare_bank, run_here
from tests.support.databases import Backend
from tests.support.ledger import audit, execute, rows
from tests.support.lived_store import lived_database
from tests.support.programs import KEY, PROGRAM_ID, demo_program, put_program
from tests.support.server import Caller
from tests.support.stores import PEPPER, open_store
from tests.support.writings import CALLS, Desk

ACCOUNTS = "SELECT account_id, balance, sequence, head FROM account ORDER BY account_id"


@dataclass(frozen=True, slots=True)
class _Made:
    """A call that was made, and what it was answered."""

    name: str
    requests: tuple[Message, Message]
    answer: Sent

    @property
    def key(self) -> str:
        return f"key-{self.name}"


def _everything(before_ms: int | None = None) -> Cutoffs:
    """Let everything go that has ended before a time, by default all that has ended."""
    before = {PROGRAM_ID: now_ms() + DAY_MS if before_ms is None else before_ms}
    return Cutoffs(orders=before, answers=before, events=before, visits=before)


def _prune(url: str, cutoffs: Cutoffs, *, dry_run: bool = False) -> Pruned:
    database = Database.from_text(url)
    return prune(database, cutoffs, Peppers(PEPPER), shorten, dry_run=dry_run)


def _identifiers(message: Any) -> Mapping[str, str]:
    """Give the identifiers that an answer names, by their path."""
    return {
        path: value
        for path, value in _texts(message, "")
        if path.endswith("id") and not path.endswith("sanity_id")
    }


def _texts(message: Any, path: str) -> Any:
    for field, value in message.ListFields():
        if field.is_repeated:
            continue
        if field.message_type is not None:
            yield from _texts(value, f"{path}{field.name}.")
        elif isinstance(value, str):
            yield f"{path}{field.name}", value


async def _make_all(url: str, folder: Path) -> list[_Made]:
    """Make every call that writes, each under a key of its own."""
    members = itertools.cycle(await prepare_bank(url, [100_000] * 64))
    made = []
    async with run_here(url, folder) as address, grpc.aio.insecure_channel(address) as channel:
        caller = Caller(channel, SECRET)
        desk, door = Desk(caller, members), GrpcSender(caller)
        for name, call in CALLS.items():
            requests = await call.prepare(desk)
            sent = await door.send(call.method, requests[0], f"key-{name}")
            assert not sent.reason, name
            made.append(_Made(name, requests, sent))
    return made


@pytest.mark.asyncio
async def test_call_whose_answer_is_gone_moves_nothing(database_url: str, tmp_path: Path) -> None:
    """Sent again after pruning, each call that writes tells what it did, and does nothing."""
    made = await _make_all(database_url, tmp_path)

    pruned = await asyncio.to_thread(_prune, database_url, _everything())

    assert pruned.rows["answers shortened"] > len(made) / 2
    before = rows(database_url, ACCOUNTS)
    async with (
        run_here(database_url, tmp_path) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        door = GrpcSender(Caller(channel, SECRET))
        for one in made:
            method = CALLS[one.name].method
            again = await door.send(method, one.requests[0], one.key)
            other = await door.send(method, one.requests[1], one.key)
            assert (again.reason, again.repeated) == ("", True), one.name
            assert other.reason == "IDEMPOTENCY_KEY_REUSED", one.name
            read = RPCS[method].answer_class.FromString
            assert _identifiers(read(again.body)) == _identifiers(read(one.answer.body))
    assert rows(database_url, ACCOUNTS) == before
    audit(database_url)


@pytest.mark.asyncio
async def test_outcome_of_a_shortened_answer_names_its_order(
    database_url: str, tmp_path: Path
) -> None:
    """Asked by key, the server tells that the call took effect, and of its order as of now."""
    made = await _make_all(database_url, tmp_path)
    claim = next(one for one in made if CALLS[one.name].method.endswith("/ReportOrder"))
    await asyncio.to_thread(_prune, database_url, _everything())

    async with (
        run_here(database_url, tmp_path) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        request = transactions.GetOutcomeRequest(idempotency_key=claim.key)
        desk = Desk(Caller(channel, SECRET), iter(()))
        told = await desk.ask("TransactionService/GetOutcome", request)

    asked: Any = claim.requests[0]
    assert told.outcome == told.OUTCOME_COMMITTED
    assert told.update.transaction_id == asked.loyalty_transaction_id
    assert told.transaction.transaction_id == asked.loyalty_transaction_id


def test_pruned_store_holds_and_tells_what_went(backend: Backend) -> None:
    """All that has ended is emptied, nothing of the ledger, and the audit still knows of it."""
    with lived_database(backend) as url:
        transfers = rows(url, "SELECT * FROM transfer ORDER BY transfer_id")
        counted = _prune(url, _everything(), dry_run=True)
        assert rows(url, "SELECT count(*) FROM event_pruned")[0][0] == 0

        pruned = _prune(url, _everything())

        assert pruned.rows == counted.rows
        assert pruned.bytes == counted.bytes
        assert pruned.rows["orders emptied"] > 3
        assert pruned.rows["events deleted"] > 10
        over = "SELECT count(*) FROM loyalty_transaction WHERE basket IS NOT NULL AND status > 1"
        assert rows(url, over)[0][0] == 0
        assert rows(url, "SELECT * FROM transfer ORDER BY transfer_id") == transfers
        assert audit_database(Database.from_text(url)).problems == []
        assert not +_prune(url, _everything()).rows


def test_what_is_young_or_open_stays(backend: Backend) -> None:
    """Nothing of after the day goes, and an open order keeps all that it has."""
    with lived_database(backend) as url:
        assert not +_prune(url, _everything(now_ms() - DAY_MS)).rows

        _prune(url, _everything())

        held = rows(url, "SELECT count(*) FROM hold WHERE status = 1")[0][0]
        reserved = rows(url, "SELECT count(*) FROM reservation WHERE quantity > 0")[0][0]
        assert held > 0
        assert reserved > 0
        assert rows(url, "SELECT count(*) FROM code WHERE status = 1")[0][0] > 0


def test_deleted_event_is_found_in_a_pruned_store(backend: Backend) -> None:
    """Only what pruning deleted is known to be gone, and later events are numbered after it."""
    with lived_database(backend) as url:
        _prune(url, _everything())
        lanes = rows(url, "SELECT count(*) FROM event_lane")[0][0]
        assert rows(url, "SELECT count(DISTINCT event_id / 281474976710656) FROM event") == [
            (lanes,)
        ]
        first = "SELECT min(event_id) FROM event WHERE event_id > 0"
        execute(url, f"DELETE FROM event WHERE event_id = ({first})")  # noqa: S608 - ours.

        findings = audit_database(Database.from_text(url))

        assert [problem.table for problem in findings.problems] == ["event_lane"]


def test_receipt_and_return_without_a_basket_are_too_late(backend: Backend) -> None:
    """A program that is given more days after its orders were pruned gives nothing for them."""
    with lived_database(backend) as url:
        _prune(url, _everything())
        waiting = rows(url, "SELECT transaction_id FROM loyalty_transaction WHERE status = 4")
        claimed = rows(url, "SELECT transaction_id FROM loyalty_transaction WHERE status = 2")

        async def come_back() -> None:
            async with open_store(url) as store:
                back = ReturnLines(
                    KEY, claimed[0][0], (ReturnedLine("1", None),), None, keyed=False
                )
                with pytest.raises(ReturnTooLateError):
                    await store.write(lambda unit, now: return_lines(unit, back, now))

        asyncio.run(come_back())
        assert waiting


def test_day_within_a_window_is_refused_by_name(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command names the program and the window that still needs what would go."""
    with lived_database(backend) as url:
        monkeypatch.setenv("LOYALTY_DATABASE_URL", url)
        monkeypatch.setenv("LOYALTY_CODE_PEPPER", PEPPER.decode())
        day = (datetime.now(UTC) - timedelta(days=60)).date().isoformat()
        monkeypatch.setattr("sys.argv", ["loyalty", "prune", "--before", day, "--yes"])

        with pytest.raises(SystemExit) as ended:
            main()

        told = capsys.readouterr().err
        assert ended.value.code == 1
        assert f"{PROGRAM_ID} needs what it keeps for void_days (90 days)" in told


def test_command_tells_what_is_freed_and_who_pruned(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says how many rows of each kind went and how large the database is, and keeps an event."""
    with lived_database(backend) as url:
        execute(url, f"UPDATE loyalty_transaction SET updated_ms = updated_ms - {200 * DAY_MS}")  # noqa: S608
        monkeypatch.setenv("LOYALTY_DATABASE_URL", url)
        monkeypatch.setenv("LOYALTY_CODE_PEPPER", PEPPER.decode())
        day = (datetime.now(UTC) - timedelta(days=120)).date().isoformat()
        monkeypatch.setattr("sys.argv", ["loyalty", "prune", "--before", day, "--yes"])

        with pytest.raises(SystemExit) as ended:
            main()

        told = capsys.readouterr().out
        assert ended.value.code == 0
        kept = "SELECT count(*) FROM loyalty_transaction WHERE status > 1 AND operator IS NOT NULL"
        assert "orders: 6 emptied" in told
        assert rows(url, kept) == [(0,)]
        assert "The database has" in told
        assert rows(url, "SELECT count(*) FROM event WHERE kind = 52") == [(1,)]


def _run(monkeypatch: pytest.MonkeyPatch, url: str, *arguments: str) -> int:
    """Run a command with the settings of a store; return its exit code."""
    monkeypatch.setenv("LOYALTY_DATABASE_URL", url)
    monkeypatch.setenv("LOYALTY_CODE_PEPPER", PEPPER.decode())
    monkeypatch.setattr("sys.argv", ["loyalty", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_program_says_what_goes(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a day, only the parts go that a program's retention names, once they are as old."""
    with lived_database(backend) as url:
        execute(url, f"UPDATE loyalty_transaction SET updated_ms = updated_ms - {200 * DAY_MS}")  # noqa: S608
        assert _run(monkeypatch, url, "prune", "--yes") == 1
        assert "No program has a `retention`" in capsys.readouterr().err
        kept = replace(demo_program(), retention=Retention(orders_days=150))

        async def apply() -> None:
            async with open_store(url) as store:
                await put_program(store, kept)

        asyncio.run(apply())
        events = rows(url, "SELECT count(*) FROM event")

        assert _run(monkeypatch, url, "prune", "--yes") == 0

        assert "orders: 6 emptied" in capsys.readouterr().out
        # Who applied the program, and who pruned, are events too.
        assert rows(url, "SELECT count(*) FROM event")[0][0] >= events[0][0]
        assert _run(monkeypatch, url, "prune", "--yes") == 0
        assert "orders: 0 emptied" in capsys.readouterr().out
