"""A till's line to its server: calls are sent again until they are answered, and all is noted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import Message

PATIENCE_S = 120.0
TRY_S = 10.0
PAUSE_S = 0.02
UNANSWERED = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}
"""What says to send again: it is open whether the call took effect, or there was no room for it."""


class HungUpError(Exception):
    """Raised when a call is made on a line that was hung up."""


@dataclass(frozen=True, slots=True)
class Answered:
    """
    An answer under an idempotency key.

    Attributes:
        method: The call, by its short name.
        sent_ns: When it was sent for the first time, by the monotonic clock.
        answered_ns: When the answer was there.
        repeated: Whether the server said that it had answered before.
        tries: How often it was sent.
    """

    method: str
    request: Any
    answer: Any
    metadata: Sequence[tuple[str, str]]
    call: Any
    sent_ns: int
    answered_ns: int
    repeated: bool
    tries: int

    @property
    def body(self) -> bytes:
        """Give the bytes of the answer."""
        content: bytes = self.answer.SerializeToString(deterministic=True)
        return content


class Line:
    """
    Passes for a channel, to whichever server runs now.

    Attributes:
        answers: The first answer under each idempotency key.
        changed: Keys that were answered another way, in other bytes.
    """

    def __init__(self, calls_per_s: float = 0.0) -> None:
        self.answers: dict[str, Answered] = {}
        self.changed: list[str] = []
        self._gap_s = 1 / calls_per_s if calls_per_s else 0.0
        self._next = 0.0
        self._channels: list[grpc.aio.Channel] = []
        self._connected = asyncio.Event()
        self._more = asyncio.Event()
        self._open = True

    def connect(self, address: str) -> None:
        """Speak to this server from now on."""
        # One pool of subchannels would keep the pause that the server before has earned.
        options = [("grpc.use_local_subchannel_pool", 1)]
        self._channels.append(grpc.aio.insecure_channel(address, options=options))
        self._connected.set()

    def hang_up(self) -> None:
        """Make no more calls; those under way are still answered."""
        self._open = False

    def take_up(self) -> None:
        """Call again."""
        self._open = True

    async def close(self) -> None:
        """Let go of all connections."""
        for channel in self._channels:
            await channel.close(None)

    def unary_unary(self, name: str, *serializers: Any, **options: Any) -> Any:
        """See `grpc.aio.Channel.unary_unary`."""
        return _Method(self, name, serializers, options)

    async def until_answered(self, count: int) -> None:
        """Wait until so many keys have been answered."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.answers) < count:
                self._more.clear()
                await self._more.wait()

    async def _turn(self) -> None:
        """Wait until the next call is due."""
        if not self._open:
            raise HungUpError
        now = time.monotonic()
        self._next = max(now, self._next + self._gap_s)
        if self._next > now:
            await asyncio.sleep(self._next - now)

    async def _channel(self) -> grpc.aio.Channel:
        await self._connected.wait()
        return self._channels[-1]

    def _note(self, key: str, answered: Answered) -> None:
        first = self.answers.setdefault(key, answered)
        self._more.set()
        if first.body != answered.body:
            self.changed.append(key)

    async def repeat(self, key: str) -> str | None:
        """Send an answered call again; return what is wrong with what comes back."""
        first = self.answers[key]
        try:
            again = await first.call.send(first.request, first.metadata)
        except grpc.aio.AioRpcError as error:
            return f"{first.method} {key} was answered and is now refused: {error.details()}"
        if not again.repeated:
            return f"{first.method} {key} was answered and is now done again"
        if again.body != first.body:
            return f"{first.method} {key} was answered and is now answered in other bytes"
        return None


class _Method:
    """One method of a stub."""

    def __init__(self, line: Line, name: str, serializers: Any, options: Any) -> None:
        self._method = name.encode()
        self._line = line
        self._name = name
        self._serializers = serializers
        self._options = options

    async def __call__(
        self, request: Message, *, metadata: Sequence[tuple[str, str]] = (), **options: Any
    ) -> Any:
        await self._line._turn()
        answered = await self.send(request, metadata, options.get("timeout", TRY_S))
        key = dict(metadata).get("idempotency-key")
        if key is not None:
            self._line._note(key, answered)
        return answered.answer

    async def send(
        self, request: Message, metadata: Sequence[tuple[str, str]], timeout_s: float = TRY_S
    ) -> Answered:
        """Send a call until it is answered or refused."""
        sent = time.monotonic_ns()
        tries = 0
        while True:
            channel = await self._line._channel()
            method = channel.unary_unary(self._name, *self._serializers, **self._options)
            tries += 1
            try:
                call = method(request, metadata=metadata, timeout=timeout_s)
                answer = await call
                told = dict(await call.initial_metadata())
            except grpc.aio.AioRpcError as error:
                waited_s = (time.monotonic_ns() - sent) / 1e9
                if error.code() not in UNANSWERED or waited_s > PATIENCE_S:
                    raise
                await asyncio.sleep(PAUSE_S)
                continue
            return Answered(
                method=self._name.rpartition("/")[2],
                request=request,
                answer=answer,
                metadata=metadata,
                call=self,
                sent_ns=sent,
                answered_ns=time.monotonic_ns(),
                repeated=told.get("idempotent-replayed") == "true",
                tries=tries,
            )
