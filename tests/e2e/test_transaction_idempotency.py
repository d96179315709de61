"""
Every call that writes, sent again with its idempotency key.

The table of docs/sending-again.md names these tests.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.message import Message

from loyalty.v1 import order_pb2
from loyalty_service.bootstrap import database_of
from tests.support.databases import Backend, fresh_database
from tests.support.ledger import rows
from tests.support.server import Server, give_points, refusal_of, run_server
from tests.support.transactions import line, open_transaction, update_request
from tests.support.writings import CALLS, Desk, Requests, unlisted_calls

TABLES = ("transfer", "loyalty_transaction", "hold", "redemption", "code", "session", "member")
COUNTS = f"SELECT {', '.join(f'(SELECT count(*) FROM {name})' for name in TABLES)}"  # noqa: S608
GUESTS = 2
"""As many as any call needs."""

ROOT = Path(__file__).resolve().parents[2]


async def _prepare(server: Server, name: str) -> Requests:
    guests = [await server.admin.enroll() for _ in range(GUESTS)]
    for loyalty_id in guests:
        await give_points(server.store, loyalty_id, 1000)
    return await CALLS[name].prepare(Desk(server.admin, iter(guests)))


class Keyed:
    """Sends requests of one method with one idempotency key, and reads answers as bytes."""

    def __init__(self, name: str) -> None:
        self._path = f"/loyalty.v1.{CALLS[name].method}"
        self._key = str(uuid.uuid4())

    def start(self, server: Server, request: Message) -> Any:
        """Send a request."""
        unary: Any = server.admin.channel.unary_unary
        metadata = server.admin.metadata(idempotency_key=self._key)
        return unary(self._path)(request.SerializeToString(), metadata=metadata)

    async def send(self, server: Server, request: Message) -> tuple[bytes, bool]:
        """Send a request; return the response and whether it repeats an earlier one."""
        call = self.start(server, request)
        body: bytes = await call
        headers = tuple(await call.initial_metadata() or ())
        return body, ("idempotent-replayed", "true") in headers


def _counts(server: Server) -> list[int]:
    url = database_of(server.settings).url.render_as_string(hide_password=False)
    return list(*rows(url, COUNTS))


async def test_claim_built_anew_is_a_repeat_with_its_key_and_without(server: Server) -> None:
    """Another time, card token, amount, cashier, terminal or text makes no other claim."""
    guest = await server.admin.enroll()
    opened = await open_transaction(server.admin, guest)
    paid = [order_pb2.Payment(type="VISA", amount=849)]
    request = update_request(opened, "CLAIMED", line(8.49), payments=paid)
    keyed = Keyed("ReportOrderClaimed")
    first, _ = await keyed.send(server, request)

    request.created = "2026-11-14T12:00:00Z"
    request.loyalty_id = guest.upper()
    details = request.transaction_details
    details.payments[0].MergeFrom(order_pb2.Payment(amount=900, cc_token="tok"))
    details.order[0].name = "Coffee"
    details.pos_vendor.terminal, details.pos_vendor.operator = "2", "Ann"

    assert await keyed.send(server, request) == (first, True)
    assert await Keyed("ReportOrderClaimed").send(server, request) == (first, True)
    details.order[0].price = 8.5
    await _refused(keyed, server, request)


async def same_body(name: str, server: Server) -> None:
    """The same request again has no effect and gets the same bytes."""
    keyed = Keyed(name)
    request, _ = await _prepare(server, name)
    first, repeated = await keyed.send(server, request)
    assert not repeated
    counts = _counts(server)
    for _ in range(3):
        assert await keyed.send(server, request) == (first, True)
    assert _counts(server) == counts


async def other_body(name: str, server: Server) -> None:
    """Another request under the key is refused and has no effect."""
    keyed = Keyed(name)
    request, other = await _prepare(server, name)
    first, _ = await keyed.send(server, request)
    counts = _counts(server)
    await _refused(keyed, server, other)
    assert _counts(server) == counts
    assert await keyed.send(server, request) == (first, True)


async def two_at_once(name: str, server: Server) -> None:
    """Requests that meet have the effect of one, and all get its bytes."""
    request, _ = await _prepare(server, name)
    before = _counts(server)
    await Keyed(name).send(server, request)
    effect = _difference(before, _counts(server))
    keyed = Keyed(name)
    request, _ = await _prepare(server, name)
    before = _counts(server)
    answers = await asyncio.gather(*(keyed.send(server, request) for _ in range(8)))
    assert len({body for body, _ in answers}) == 1
    assert sorted(repeated for _, repeated in answers) == [False] + [True] * 7
    assert _difference(before, _counts(server)) == effect


@dataclass(frozen=True, slots=True)
class Sent:
    """A call that was answered before the server was restarted, and another under its key."""

    keyed: Keyed
    request: Message
    other: Message
    answer: bytes


async def _send_first(server: Server, name: str) -> Sent:
    keyed = Keyed(name)
    request, other = await _prepare(server, name)
    answer, _ = await keyed.send(server, request)
    return Sent(keyed, request, other, answer)


async def _refused(keyed: Keyed, server: Server, request: Message) -> None:
    refusal = await refusal_of(keyed.start(server, request))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "IDEMPOTENCY_KEY_REUSED"


def _difference(before: list[int], after: list[int]) -> list[int]:
    return [late - early for early, late in zip(before, after, strict=True)]


CASES: dict[str, Callable[[str, Server], Awaitable[None]]] = {
    "same_body": same_body,
    "other_body": other_body,
    "two_at_once": two_at_once,
}
IDS = [f"{name}-{case}" for name in CALLS for case in CASES]
IDS_AFTER_RESTART = [f"{name}-after_restart" for name in CALLS]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def restarted(
    backend: Backend, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Server, dict[str, Sent]]]:
    """A server after a restart, and what each call was answered before it."""
    folder = tmp_path_factory.mktemp("restarted")
    with fresh_database(backend) as url:
        async with run_server(folder, database_url=url) as server:
            sent = {name: await _send_first(server, name) for name in CALLS}
        async with run_server(folder, database_url=url) as server:
            yield server, sent


@pytest.mark.parametrize("cell", IDS)
async def test_key_has_one_effect(server: Server, cell: str) -> None:
    """Whatever is sent again under a key, its first request has one effect and one answer."""
    name, _, case = cell.partition("-")
    await CASES[case](name, server)


@pytest.mark.parametrize("cell", IDS_AFTER_RESTART)
async def test_key_outlives_a_restart(restarted: tuple[Server, dict[str, Sent]], cell: str) -> None:
    """A server that was restarted knows what the one before it answered."""
    server, sent = restarted
    first = sent[cell.partition("-")[0]]
    counts = _counts(server)
    assert await first.keyed.send(server, first.request) == (first.answer, True)
    await _refused(first.keyed, server, first.other)
    assert _counts(server) == counts


def test_every_call_that_writes_is_listed() -> None:
    """A new call is either known to change nothing or sent again like all others."""
    assert unlisted_calls() == set()


def test_document_names_every_case() -> None:
    """The page's table has a row for every call and a cell for every case."""
    text = (ROOT / "docs" / "sending-again.md").read_text(encoding="utf-8")
    cells = IDS + IDS_AFTER_RESTART
    named = [word for word in text.replace("`", " ").split() if word in cells]
    assert sorted(named) == sorted(cells)
