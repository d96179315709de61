"""Tills that enroll one guest after the other through Envoy, each call at its moment."""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.benchmark.http_connection import HttpConnection
from tests.support.banks import SECRET

PATIENCE_S = 10.0
RESEND_MAX_S = 60.0
BUSY_WAIT_S = 0.5


@dataclass(frozen=True, slots=True)
class Failure:
    """When a call that failed was sent, when that was known, and how it failed."""

    sent: float
    ended: float
    what: str


@dataclass
class Enrolling:
    """
    What the tills see.

    Attributes:
        port: Where Envoy listens.
        late_s: When an answer is late.
        waits_when_busy: Whether a call that is told 429 is sent again by itself: a machine that
            has too much to do is another matter then.
        served: Numbers of the calls that were answered with 200.
        failed: The others, by number.
        slow: When each call was sent that was served late.
        busy: Calls that were sent again because the server had too much to do.
    """

    port: int
    late_s: float = math.inf
    waits_when_busy: bool = False
    served: set[int] = field(default_factory=set)
    failed: dict[int, Failure] = field(default_factory=dict)
    slow: list[float] = field(default_factory=list)
    busy: int = 0
    _next: int = 0

    @asynccontextmanager
    async def at(self, rate: float, tills: int) -> AsyncIterator[None]:
        """Let so many tills make so many calls a second, all the time."""
        started = time.monotonic()
        done = asyncio.Event()

        async def till() -> None:
            connection = await HttpConnection.open(self.port)
            while not done.is_set():
                number, self._next = self._next, self._next + 1
                await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
                connection = await self._enroll(connection, number)
            connection.close()

        calling = [asyncio.create_task(till()) for _ in range(tills)]
        try:
            yield
        finally:
            done.set()
            await asyncio.gather(*calling)

    async def resend(self) -> None:
        """Send what failed again, under the same keys, until all of it is served."""
        connection = await HttpConnection.open(self.port)
        async with asyncio.timeout(RESEND_MAX_S):
            while self.failed:
                for number in sorted(self.failed):
                    connection = await self._enroll(connection, number)
        connection.close()

    async def _enroll(self, connection: HttpConnection, number: int) -> HttpConnection:
        sent = time.monotonic()
        try:
            answer = await asyncio.wait_for(connection.send(_request(number)), PATIENCE_S)
        except (OSError, TimeoutError) as problem:
            self.failed[number] = Failure(sent, time.monotonic(), repr(problem))
            return await HttpConnection.open(self.port)
        status = answer.split(b" ", 2)[1].decode()
        if status == "429" and self.waits_when_busy:
            self.busy += 1
            await asyncio.sleep(BUSY_WAIT_S)
            return await self._enroll(connection, number)
        ended = time.monotonic()
        if status == "200":
            self.served.add(number)
            self.failed.pop(number, None)
            self.slow += [sent] * (ended - sent > self.late_s)
        else:
            self.failed[number] = Failure(sent, ended, f"{status} {answer[-200:]!r}")
        return connection


def key_of(number: int) -> str:
    """Give the idempotency key of a call."""
    return f"member-{number}"


def _request(number: int) -> bytes:
    body = json.dumps({"name": f"Guest {number}"}).encode()
    head = (
        f"POST /loyalty/members HTTP/1.1\r\nhost: loyalty\r\nx-api-key: {SECRET}\r\n"
        f"idempotency-key: {key_of(number)}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
