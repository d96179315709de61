"""
What the servers of one PostgreSQL database tell each other.

That is: that they are there, which keyed calls they have under way, by how much their clocks
differ from the database's, and which code peppers they know.

Each server has a row in the table `server`, which it writes again every quarter of a second: a
*beat*. A beat and a look at all rows are one transaction on a connection of its own.

Why a server may say that no call with a key is under way anywhere, asked at a moment M:

1. A server that has a call under way which had arrived by M had its row committed before that
   (`Arrival.registration`), so a look that begins after M finds the row, or the row was taken
   away.
2. Of each row found, a later beat is waited for whose sample of calls was taken after M. A server
   takes the sample of beat n + 1 only when it knows that beat n is committed. The first look does
   not find beat n + 1 yet, so the sample of beat n + 2 was taken after that look, and so after M.
   (A beat that fails keeps its number, so this holds for failed ones too.)
3. A call that is in no such sample had been settled when it was taken. If it had been committed,
   a reader that begins after that finds the kept answer; else it has no effect any more. So who
   asks reads the kept answer once more, last.
4. A row is taken away by its own server, which has settled everything then, or by another because
   it has not beaten for long. That deletion waits for every transaction that does keyed calls
   registered by the row, because each holds the row (`FOR KEY SHARE`); and those that begin later
   find no row and do nothing. The server registers again under another name, and its calls that
   arrived before are refused.

The table is unlogged: after a crash of the database it is empty, so no row that was taken away
comes back, and every server registers again.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg
import structlog

from loyalty_service.application.under_way import Arrival, UnderWay, is_among
from loyalty_service.domain.clock import ClockCheck, ClockState, ahead_ms, now_ms
from loyalty_service.domain.peppers import Peppers, check_of
from loyalty_service.observability.paced import Paced
from loyalty_service.storage.databases import Database, UnreachableError
from loyalty_service.storage.postgresql import IS_OVER

BEAT_S = 0.25
"""Seconds between two beats."""

ASKED_S = 0.05
"""The same, while somebody waits for other servers' beats."""

LOOK_MAX_S = 2.0
"""A look that takes longer is given up, and its connection with it."""

ASK_MAX_S = 1.5
"""Longer than this nobody waits for other servers: what is not known by then is open."""

SILENT_S = 5.0
SILENT_LOOKS = 20
"""A server counts as gone when so many looks in a row, over this time, found no new beat."""

_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED"
_REGISTER = (
    "INSERT INTO server (server_id, clock, beat, heard_ms, offset_ms, under_way, peppers) "
    "VALUES (%s, %s, 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint, NULL, %s, %s) "
    "RETURNING heard_ms"
)
_BEAT = (
    "UPDATE server SET beat = %s, offset_ms = %s, under_way = %s, "
    "heard_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint "
    "WHERE server_id = %s AND beat <= %s RETURNING heard_ms"
)
_LOOK = "SELECT server_id, clock, beat, offset_ms, under_way FROM server"
_LEAVE = "DELETE FROM server WHERE server_id = %s"
# Who is in the middle of a transaction is not gone: never wait for it.
_FORGET = (
    "DELETE FROM server WHERE server_id IN "
    "(SELECT server_id FROM server WHERE server_id = %s AND beat = %s FOR UPDATE SKIP LOCKED)"
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Peer:
    """
    A server's row as a look found it.

    Attributes:
        clock: Whose clock it goes by: servers of one machine share theirs.
        beat: Number of its last beat.
        offset_ms: How far its clock is ahead of the database's; absent while it does not know.
        under_way: Digests of its keyed calls, one after the other.
    """

    clock: str
    beat: int
    offset_ms: int | None
    under_way: bytes


Look = Mapping[str, Peer]
"""The rows of all servers by name, in one state of the table."""


@dataclass(slots=True)
class _Silence:
    """How long a server has not beaten."""

    beat: int
    since_s: float
    looks: int = 0


class Presence:
    """
    One server's part of what the servers of a database tell each other.

    Open it with `async with`: then it is registered, and its clock compared.

    Args:
        database: Not an embedded one, which has one server.
        under_way: The server's own calls.
        clock: Told what the database's clock shows.
        peppers: Those that the server knows, for whoever wants to use another.

    Attributes:
        server_id: What the server is registered as; empty while it is not.
    """

    def __init__(
        self, database: Database, under_way: UnderWay, clock: ClockCheck, peppers: Peppers
    ) -> None:
        self.server_id = ""
        self._database = database
        self._under_way = under_way
        self._clock = clock
        self._clock_name = _clock_name()
        self._peppers = b"".join(check_of(pepper) for pepper in peppers.known)
        self._beat = 1
        self._silent: dict[str, _Silence] = {}
        self._unheard = Paced()
        self._askers: list[asyncio.Future[Look | None]] = []
        self._asked = asyncio.Event()
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        """
        Register.

        Raises:
            UnreachableError: The database does not answer, or does not take it.
        """
        self._under_way.registration = None
        try:
            async with asyncio.timeout(2 * LOOK_MAX_S):
                await self._register()
        except (psycopg.Error, TimeoutError) as problem:
            await self._disconnect()
            place = self._database.shown
            raise UnreachableError(f"{place} does not register a server: {problem}") from None
        self._task = asyncio.create_task(self._beat_forever())
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Take the row away; where calls are not settled, others must find out that we are gone."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        _tell(self._askers, None)
        if self.server_id and not self._under_way.sample():
            # A beat that was cut off may have left its connection within a transaction.
            await self._disconnect()
            with contextlib.suppress(Exception):
                async with asyncio.timeout(LOOK_MAX_S):
                    connection = await self._connect()
                    await connection.execute(_LEAVE, (self.server_id,))
        await self._disconnect()

    async def is_under_way(self, digests: tuple[bytes, ...], longest_s: float) -> bool:
        """
        Tell whether another server has such a call under way, or may have.

        See the module for why it can be relied on when it says no.

        Args:
            digests: See `digests_of`.
            longest_s: How long to wait for the other servers.
        """
        try:
            async with asyncio.timeout(min(longest_s, ASK_MAX_S)):
                return await self._ask(digests)
        except TimeoutError:
            return True

    async def _ask(self, digests: tuple[bytes, ...]) -> bool:
        first: Look | None = None
        waited: dict[str, int] = {}
        while True:
            look = await self._next_look()
            if look is None:
                return True
            if first is None:
                first = look
                waited = {name: peer.beat for name, peer in look.items() if name != self.server_id}
            for name, beat in tuple(waited.items()):
                peer = look.get(name)
                if peer is None:
                    del waited[name]
                    continue
                if is_among(digests, peer.under_way):
                    return True
                if peer.beat >= beat + 2:
                    del waited[name]
            if not waited:
                return False

    async def _next_look(self) -> Look | None:
        """Wait for a look that begins after this; absent when it fails."""
        asker: asyncio.Future[Look | None] = asyncio.get_running_loop().create_future()
        self._askers.append(asker)
        self._asked.set()
        return await asker

    async def _beat_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            self._asked.clear()
            askers, self._askers = self._askers, []
            look: Look | None = None
            try:
                async with asyncio.timeout(LOOK_MAX_S):
                    look = await self._look()
                    await self._forget_the_silent(look)
                    await self._settle()
            except Exception as problem:  # noqa: BLE001 - tried again with the next beat.
                if (told := self._unheard.due()) is not None:
                    why = self._database.why(problem)
                    log.warning("database does not answer a beat", reason=why, **told)
                # Nobody could be heard meanwhile, so nobody was silent.
                self._silent.clear()
                await self._disconnect()
            finally:
                _tell(askers, look)
            await self._until_next(began)

    async def _until_next(self, began: float) -> None:
        """Wait for the next beat's time, which is sooner when somebody asks."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(began + BEAT_S):
                await self._asked.wait()
        await asyncio.sleep(max(0.0, began + ASKED_S - loop.time()))

    async def _look(self) -> Look:
        """Beat and see all rows; registers again when the own row was taken away."""
        connection = await self._connect()
        if not self.server_id:
            await self._register()
        # Sampled when the beat before is known to be committed, whatever became of this one so far.
        number = self._beat + 1
        sample = self._under_way.sample()
        offset_ms = self._clock.offset_ms if self._clock.compared else None
        before_ms = now_ms()
        async with connection.pipeline():
            await connection.execute(_BEGIN)
            beaten = await connection.execute(
                _BEAT, (number, offset_ms, sample, self.server_id, number)
            )
            seen = await connection.execute(_LOOK)
            await connection.execute("COMMIT")
            row = await beaten.fetchone()
            after_ms = now_ms()
            rows = await seen.fetchall()
        look = {
            name: Peer(clock, beat, their_ms, bytes(under_way))
            for name, clock, beat, their_ms, under_way in rows
        }
        if row is None:
            log.warning("server was taken to be gone", server_id=self.server_id)
            self.server_id = ""
            self._under_way.registration = None
            await self._register()
            return look
        self._beat = number
        self._compare(before_ms, row[0], after_ms, look)
        return look

    async def _register(self) -> None:
        """Make a row under a new name; calls that arrive from then on are registered by it."""
        connection = await self._connect()
        name = uuid.uuid4().hex
        before_ms = now_ms()
        cursor = await connection.execute(
            _REGISTER, (name, self._clock_name, self._under_way.sample(), self._peppers)
        )
        row = await cursor.fetchone()
        after_ms = now_ms()
        self.server_id, self._beat = name, 1
        self._under_way.registration = name
        if row is not None:
            self._compare(before_ms, row[0], after_ms, {})

    def _compare(self, before_ms: int, database_ms: int, after_ms: int, look: Look) -> None:
        """Compare clocks; of the servers of one machine, which share a clock, one is heard."""
        others = {
            peer.clock: peer.offset_ms
            for peer in look.values()
            if peer.clock != self._clock_name and peer.offset_ms is not None
        }
        before = self._clock.state
        # The database has no sandbox's clock: it is compared as if it had been moved as well.
        database_ms += ahead_ms()
        state = self._clock.compare(before_ms, database_ms, after_ms, others.values())
        if state is before:
            return
        told = {
            "state": state.value,
            "ahead_s": self._clock.offset_ms / 1000,
            "uncertain_s": self._clock.error_ms / 1000,
        }
        if state is ClockState.RIGHT:
            log.info("clock is right again", **told)
        else:
            log.error("clock differs from the database's", **told)

    async def _forget_the_silent(self, look: Look) -> None:
        """Take away the rows of servers that have not beaten for long."""
        now_s = time.monotonic()
        silent: dict[str, _Silence] = {}
        for name, peer in look.items():
            known = self._silent.get(name)
            if name == self.server_id or known is None or known.beat != peer.beat:
                known = _Silence(peer.beat, now_s)
            known.looks += 1
            silent[name] = known
            if known.looks > SILENT_LOOKS and now_s - known.since_s > SILENT_S:
                cursor = await (await self._connect()).execute(_FORGET, (name, peer.beat))
                if cursor.rowcount:
                    log.warning("server is gone", server_id=name)
        self._silent = silent

    async def _settle(self) -> None:
        """Let go of calls whose commit had an unknown outcome, once it can't come any more."""
        settled: list[Arrival] = []
        outcomes: dict[int, bool] = {}
        for arrival in self._under_way.unsettled:
            mark = arrival.mark
            if mark is None:
                continue
            if mark not in outcomes:
                outcomes[mark] = await self._is_over(mark)
            if outcomes[mark]:
                settled.append(arrival)
        self._under_way.settle(settled)

    async def _is_over(self, mark: int) -> bool:
        connection = await self._connect()
        row = await (await connection.execute(IS_OVER, (mark,))).fetchone()
        return row is not None and bool(row[0])

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None:
            self._connection = await self._database.connect_beside("loyalty-presence")
        return self._connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(Exception):
                await connection.close()


def _tell(askers: list[asyncio.Future[Look | None]], look: Look | None) -> None:
    for asker in askers:
        if not asker.done():
            asker.set_result(look)


def _clock_name() -> str:
    """Name the clock of this machine, whichever of its containers asks."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    with contextlib.suppress(OSError):
        return boot.read_text(encoding="utf-8").strip()
    return socket.gethostname()
