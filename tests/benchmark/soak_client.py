"""
A gRPC client that costs as little as one in Python can: raw HTTP/2, many calls in each write.

It asks the server to write headers without its table, so that the same bytes always mean the same.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import cast

from hpack import Decoder

from tests.benchmark.soak_calls import BUSY, LATE_CODE, OK, Calls, Sent
from tests.support.http2 import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GO_AWAY,
    HEADERS,
    MAGIC,
    PING,
    RESET,
    SETTINGS,
    WINDOW,
    WINDOW_UPDATE,
    frame,
)

WINDOW_MOST = 2**31 - 1
WINDOW_RENEWED = 2**29
_SETTINGS = {1: 0, 2: 0, 4: WINDOW_MOST}
"""No table for headers, nothing pushed, and answers whenever the server has them."""

HELLO = (
    MAGIC
    + frame(
        SETTINGS,
        0,
        0,
        b"".join(
            name.to_bytes(2, "big") + value.to_bytes(4, "big") for name, value in _SETTINGS.items()
        ),
    )
    + frame(WINDOW_UPDATE, 0, 0, (WINDOW_MOST - WINDOW).to_bytes(4, "big"))
)
CANCEL = (8).to_bytes(4, "big")
KNOWN_MAX = 256
FAILURES_KEPT = 20
PUT_OFF = "put off"
"""How a call ends for which a busy server has no time: whether it was done may be open."""


class Tally:
    """What became of calls: ended rightly by kind and status, and wrong ones."""

    def __init__(self) -> None:
        self.ended: Counter[tuple[str, str]] = Counter()
        self.done = 0
        self.wrong = 0
        self.failures: list[str] = []

    def end(self, kind: str, how: str) -> None:
        """Count a call that ended as it should."""
        self.ended[kind, how] += 1
        self.done += 1

    def fail(self, kind: str, why: str) -> None:
        """Count a call that did not."""
        self.done += 1
        self.wrong += 1
        if len(self.failures) < FAILURES_KEPT:
            self.failures.append(f"{kind}: {why[:300]}")


class Connection(asyncio.Protocol):
    """
    One connection, which keeps some calls in flight.

    Args:
        calls: Gives them.
        tally: Counts them.
        flight: How many at once.
        may_send: Whether another may be sent now.
    """

    def __init__(
        self, calls: Calls, tally: Tally, flight: int, may_send: Callable[[], bool]
    ) -> None:
        self._calls = calls
        self._tally = tally
        self._flight = flight
        self._may_send = may_send
        self._transport: asyncio.Transport
        self._buffer = b""
        self._stream = 1
        self._window = WINDOW
        self._taken = 0
        self._waiting: deque[Sent] = deque(maxlen=1)
        self._known: dict[bytes, int | None] = {}
        self._decoder = Decoder()
        self.closing = False
        self.lost = asyncio.get_running_loop().create_future()
        self.open: dict[int, Sent] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(HELLO)

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio."""
        if not self.closing:
            for sent in self.open.values():
                self._tally.fail(sent.kind, f"the connection was lost: {error}")
        self.open.clear()
        self.lost.set_result(None)

    def close(self) -> None:
        """Disconnect; no call is under way."""
        self.closing = True
        self._transport.close()

    def fill(self) -> None:
        """Send calls until as many are in flight as should be."""
        out: list[bytes] = []
        while len(self.open) < self._flight and (self._waiting or self._may_send()):
            sent = self._waiting.pop() if self._waiting else self._calls.next()
            if len(sent.data) > self._window:
                self._waiting.append(sent)
                break
            self._window -= len(sent.data)
            stream, self._stream = self._stream, self._stream + 2
            out.append(frame(HEADERS, END_HEADERS, stream, sent.block))
            out.append(frame(DATA, END_STREAM, stream, sent.data))
            if sent.hang_up:
                out.append(frame(RESET, 0, stream, CANCEL))
                self._tally.end(sent.kind, "hung up")
            else:
                self.open[stream] = sent
        if out:
            self._transport.write(b"".join(out))

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        buffer = self._buffer + data if self._buffer else data
        at, end = 0, len(buffer)
        while end - at >= 9:
            stop = at + 9 + int.from_bytes(buffer[at : at + 3], "big")
            if stop > end:
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big")
            self._take(kind, flags, stream, buffer[at + 9 : stop])
            at = stop
        self._buffer = buffer[at:]
        if self._taken > WINDOW_RENEWED:
            self._transport.write(
                frame(WINDOW_UPDATE, 0, 0, self._taken.to_bytes(4, "big")),
            )
            self._taken = 0
        self.fill()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            self._taken += len(payload)
            if stream in self.open:
                self.open[stream].answer += payload
        elif kind == HEADERS:
            if flags & END_STREAM and (sent := self.open.pop(stream, None)) is not None:
                self._end(sent, payload)
        elif kind == RESET:
            if (sent := self.open.pop(stream, None)) is not None:
                self._fail(sent, f"reset with {payload.hex()}")
        else:
            self._obey(kind, flags, stream, payload)

    def _obey(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Take what is about the connection."""
        if kind == WINDOW_UPDATE and not stream:
            self._window += int.from_bytes(payload, "big")
        elif kind == GO_AWAY:
            self._transport.close()
        elif kind in {SETTINGS, PING} and not flags & ACK:
            self._transport.write(frame(kind, ACK, 0, payload if kind == PING else b""))

    def _end(self, sent: Sent, block: bytes) -> None:
        if block in self._known:
            status = self._known[block]
        else:
            fields = dict(self._decoder.decode(block, raw=True))
            status = int(fields[b"grpc-status"]) if b"grpc-status" in fields else None
            if status == OK and len(self._known) < KNOWN_MAX:
                self._known[block] = status
            busy = status == BUSY and b"loyalty-busy" in fields
            if status not in sent.right and (busy or status == LATE_CODE):
                # The machine has other work to do; its caller is told so, and may come again.
                self._tally.end(sent.kind, PUT_OFF)
                return
            if status not in sent.right:
                self._fail(sent, f"{fields}")
                return
        if status in sent.right and (status != OK or sent.marker in sent.answer):
            self._tally.end(sent.kind, str(status))
            if sent.right == (OK,):
                self._calls.ended(sent)
            sent.answer = b""
        else:
            self._fail(sent, f"status {status}, {sent.answer!r}")

    def _fail(self, sent: Sent, why: str) -> None:
        self._tally.fail(sent.kind, why)
