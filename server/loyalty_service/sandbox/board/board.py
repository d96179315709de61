"""What the board's page gets: its files, and the state of the sandbox as it changes."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.errors import StorageUnavailableError
from loyalty_service.domain.program import Catalog
from loyalty_service.sandbox.board.exchange import CALLS_MAX, Calls, Exchange
from loyalty_service.sandbox.board.telling import told
from loyalty_service.sandbox.clock import told as told_clock
from loyalty_service.sandbox.control import Page
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools.newest import Newest, newest

SHOWN_MAX = 40
"""Orders, transfers and members that are shown."""

WAIT_S = 10.0
SETTLE_S = 0.15
"""Calls come in bursts: what follows within this time is told together."""

REVISION = re.compile(r"[0-9]{1,15}")

FOLDER = Path(__file__).with_name("page")
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
}

Action = Callable[[object], Awaitable[object]]


class Board:
    """
    The board.

    Args:
        calls: What passes through the sandbox.
        store: Gives the store of the server that runs; absent while none does.
        faults: Tells the codes with a fault.
        code_of: Gives the code with which a transaction was opened; empty where that is not known.
        doors: Gives the ports of HTTP and gRPC.
        certifies: Tells whether the control port has a run of the certification to tell of.

    Attributes:
        reading: Held while the store is read, which must not be closed meanwhile.
    """

    def __init__(
        self,
        calls: Calls,
        store: Callable[[], Store | None],
        faults: Callable[[], Mapping[str, object]],
        code_of: Callable[[str], str],
        doors: Callable[[], tuple[int, int]],
        certifies: Callable[[], bool],
    ) -> None:
        self.reading = asyncio.Lock()
        self._calls = calls
        self._store = store
        self._faults = faults
        self._code_of = code_of
        self._doors = doors
        self._certifies = certifies
        self._run = uuid.uuid4().hex
        self._next: asyncio.Task[Mapping[str, object]] | None = None
        self._words: dict[int, tuple[int, Mapping[str, object]]] = {}

    def routes(self) -> dict[tuple[str, str], Action]:
        """Give what the control port serves of it."""
        files = {("GET", f"/board/{path.name}"): _file(path) for path in FOLDER.iterdir()}
        return {
            ("GET", "/"): files.pop(("GET", "/board/index.html")),
            **files,
            ("GET", "/board/state"): self._tell,
            ("POST", "/board/clear"): self._clear,
        }

    async def _tell(self, asked: object) -> object:
        """Tell what has changed, as soon as something has."""
        query = asked if isinstance(asked, dict) else {}
        after = query.get("after", "0")
        same = query.get("run") == self._run and REVISION.fullmatch(after)
        revision = int(after) if same else 0
        if revision and self._calls.revision <= revision:
            await self._calls.wait(revision, WAIT_S)
            await asyncio.sleep(SETTLE_S)
        now = self._calls.revision
        calls = [self._worded(call) for call in self._calls.after(revision)]
        http, grpc = self._doors()
        return {
            "run": self._run,
            "revision": now,
            "oldest": self._calls.oldest,
            "clock": told_clock(),
            "doors": {"http": http, "grpc": grpc},
            "faults": self._faults(),
            "certifies": self._certifies(),
            "calls": calls,
            **await self._standing(),
        }

    async def _clear(self, _body: object) -> object:
        self._calls.clear()
        return {}

    def _worded(self, call: Exchange) -> Mapping[str, object]:
        """Word a call, once for all who read."""
        known = self._words.get(call.number)
        if known is None or known[0] != call.revision:
            known = self._words[call.number] = call.revision, told(call)
            if len(self._words) > CALLS_MAX:
                del self._words[min(self._words)]
        return known[1]

    async def _standing(self) -> Mapping[str, object]:
        """Tell orders and points as they are from now on; whoever waits for them shares a read."""
        if self._next is None:
            self._next = asyncio.create_task(self._read())
        return await asyncio.shield(self._next)

    async def _read(self) -> Mapping[str, object]:
        """Read orders and points; nothing while no server runs."""
        async with self.reading:
            self._next = None  # Who asks from here on may have seen more.
            store = self._store()
            if store is None:
                return {"serving": False}
            try:
                async with store.read("board") as reader:
                    found = await newest(reader.session, SHOWN_MAX)
            except StorageUnavailableError:
                return {"serving": False}
        return {"serving": True, **standing(found, store.catalog, self._code_of)}


def standing(found: Newest, catalog: Catalog, code_of: Callable[[str], str]) -> dict[str, object]:
    """Word orders and points."""
    names = {
        one.incentive_id: one.display_name
        for program in catalog.programs.values()
        for one in program.incentives.values()
    }
    orders = [
        {
            "id": order.transaction_id,
            "status": order.status.name,
            "code": code_of(order.transaction_id),
            "member": order.member,
            "store": order.store_id,
            "till": order.pos_transaction_id,
            "channel": order.channel,
            "opened": rfc3339(order.created_ms),
            "changed": rfc3339(order.updated_ms),
            "expires": rfc3339(order.expires_ms),
            "earned": order.points_left,
            "returned": order.points_returned,
            "redeemed": order.points_redeemed,
            "holds": [
                {"name": names.get(incentive, incentive), "points": points, "status": status.name}
                for incentive, points, status in order.holds
            ],
        }
        for order in found.orders
    ]
    transfers = [
        {
            "id": one.transfer_id,
            "at": rfc3339(one.recorded_ms),
            "points": one.points,
            "cause": one.cause.name,
            "order": one.transaction_id,
            "note": one.note,
            "from": {"member": one.source[0], "account": one.source[1].name},
            "to": {"member": one.destination[0], "account": one.destination[1].name},
        }
        for one in found.transfers
    ]
    accounts = [
        {"member": name, "balances": {kind.name: points for kind, points in balances.items()}}
        for name, balances in found.accounts
    ]
    program = {kind.name: points for kind, points in found.program.items()}
    return {"orders": orders, "transfers": transfers, "accounts": accounts, "program": program}


def _file(path: Path) -> Action:
    page = Page(f"{KINDS[path.suffix]}; charset=utf-8", path.read_bytes(), HEADERS)

    async def serve(_asked: object) -> Page:
        return page

    return serve
