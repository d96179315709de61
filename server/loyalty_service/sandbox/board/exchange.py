"""One call as it was seen on its way, and the calls that are kept to be shown."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from loyalty_service.domain.clock import now_ms

CALLS_MAX = 200
BODY_MAX = 32 * 1024
"""Bytes that are kept of each body."""

Fields = list[tuple[str, str]]


@dataclass(slots=True)
class Side:
    """What one side sent of a call; the body is cut at BODY_MAX, *size* is its whole length."""

    fields: Fields = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    size: int = 0

    def add(self, data: bytes) -> None:
        """Take a part of the body."""
        self.size += len(data)
        self.body += data[: BODY_MAX - len(self.body)]

    def field(self, name: str) -> str:
        """Give a header or pseudo-header; empty where there is none."""
        return next((value for known, value in self.fields if known == name), "")

    @property
    def cut(self) -> bool:
        """Whether a part of the body is missing."""
        return self.size > len(self.body)


@dataclass(slots=True)
class Exchange:
    """
    A call and its answer.

    Attributes:
        number: Its place among all that were seen.
        name: As the relay calls it.
        door: `http` before Envoy, `grpc` before the server.
        at_ms: When it began, by the sandbox's clock.
        revision: Of the calls, when it last changed.
        answer: Its status is the field `:status`.
        trailers: What came after the body.
        took_s: Until the server had answered; absent before.
        fault: What was done to it on purpose; empty for nothing.
        broken: Whether the connection ended before the answer did.
    """

    number: int
    name: str
    door: str
    at_ms: int
    began_s: float
    revision: int = 0
    request: Side = field(default_factory=Side)
    answer: Side = field(default_factory=Side)
    trailers: Fields = field(default_factory=list)
    took_s: float | None = None
    fault: str = ""
    broken: bool = False


class Calls:
    """
    The newest calls.

    Attributes:
        revision: Grows with each change of what the board shows.
        ended: Is told of each call that has its answer.
    """

    def __init__(self) -> None:
        self.revision = 1
        self.ended: Callable[[Exchange], None] | None = None
        self._count = 0
        self._kept: deque[Exchange] = deque(maxlen=CALLS_MAX)
        self._open: dict[str, Exchange] = {}
        self._changed = asyncio.Event()

    def begin(self, name: str, door: str) -> Exchange:
        """Take note of a call that begins."""
        self._count += 1
        call = Exchange(self._count, name, door, now_ms(), time.monotonic())
        self._kept.append(call)
        self._open[name] = call
        self.change(call)
        return call

    def end(self, call: Exchange, *, broken: bool = False) -> None:
        """Take note that a call has its answer, or that none comes."""
        if self._open.pop(call.name, None) is None:
            return
        call.took_s, call.broken = time.monotonic() - call.began_s, broken
        self.change(call)
        if self.ended is not None:
            self.ended(call)

    def play(self, name: str, fault: str) -> None:
        """Take note of a fault of a call."""
        call = self._open.get(name)
        if call is not None:
            call.fault = fault
            self.change(call)

    def change(self, call: Exchange | None = None) -> None:
        """Wake whoever waits for a change."""
        self.revision += 1
        if call is not None:
            call.revision = self.revision
        self._changed.set()
        self._changed = asyncio.Event()

    def clear(self) -> None:
        """Forget the calls that were seen."""
        self._kept.clear()
        self.change()

    @property
    def oldest(self) -> int:
        """Number of the oldest call that is kept."""
        return self._kept[0].number if self._kept else self._count + 1

    def after(self, revision: int) -> Iterable[Exchange]:
        """Give the calls that changed since."""
        return [call for call in self._kept if call.revision > revision]

    async def wait(self, revision: int, longest_s: float) -> None:
        """Return once something has changed since, or after a time."""
        if self.revision > revision:
            return
        try:
            async with asyncio.timeout(longest_s):
                await self._changed.wait()
        except TimeoutError:
            return
