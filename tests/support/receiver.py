"""Somebody's end of a webhook: takes messages over HTTP, checks signatures, and keeps all."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.support.listening import Listening

HANGS = 0
"""In place of a status: the connection stays open and nothing is answered."""

LOSES = 1
"""In place of a status: the message is taken, and the connection breaks before the answer."""

Answering = Callable[["Message"], int]


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def name(self) -> str:
        """What names it, the same each time that it comes."""
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        """The event that it tells of."""
        found: dict[str, Any] = json.loads(self.body)
        return found

    def is_signed(self, secret: str) -> bool:
        """Tell whether one of its signatures is made with a secret."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signed = f"{self.name}.{self.headers['webhook-timestamp']}.".encode() + self.body
        own = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return f"v1,{own}" in self.headers["webhook-signature"].split(" ")


class Receiver(Listening):
    """
    Takes messages on a port of this machine.

    Attributes:
        came: All messages, refused ones too.
        taken: Those that were answered with success.
    """

    def __init__(self, answering: Answering = lambda _message: 204) -> None:
        super().__init__()
        self.came: list[Message] = []
        self.taken: list[Message] = []
        self._answering = answering
        self._more = asyncio.Event()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}/hook?of=me"

    async def wait_for(self, enough: Callable[[Sequence[Message]], bool], seconds: float) -> None:
        """Wait until what was taken is enough."""
        async with asyncio.timeout(seconds):
            while not enough(self.taken):
                self._more.clear()
                await self._more.wait()

    async def wait_for_any(self, count: int, seconds: float) -> None:
        """Wait until so many messages came, taken or not."""
        async with asyncio.timeout(seconds):
            while len(self.came) < count:
                self._more.clear()
                await self._more.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """See `Listening`."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._answer(reader, writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        assert first == "POST /hook?of=me HTTP/1.1"
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        message = Message(headers, await reader.readexactly(int(headers["content-length"])))
        self.came.append(message)
        status = self._answering(message)
        if status == HANGS:
            self._more.set()
            await reader.read()
            return
        if status == LOSES or 200 <= status < 300:
            self.taken.append(message)
        self._more.set()
        if status == LOSES:
            return
        writer.write(f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
