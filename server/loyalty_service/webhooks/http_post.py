"""
Sends one message to an address that somebody else has chosen.

The name is looked up first, and the connection goes to the very address that was found public: a
name that says something else a moment later leads nowhere. Nothing is followed, and of the answer
only its first line is read: whatever else is sent costs nobody anything.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import SplitResult, urlsplit

from loyalty_service.domain.webhooks import is_public

HEAD_BYTES_MAX = 16_384
ANSWERS_MAX = 4
"""Heads that are read, of which all but one say that the answer is still to come."""

LOOKUPS_MAX = 16
"""Names that are looked up at once: one that hangs must not hold up the others."""

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_CONTINUES = range(100, 200)


class PostError(Exception):
    """Raised when a message did not arrive, as far as is known; says why in a few words."""


@dataclass(frozen=True, slots=True)
class Poster:
    """
    Sends messages.

    Args:
        timeout_s: How long one may take, from the lookup to the answer.
        allow_private: Whether addresses of private networks, and plain HTTP, may be used.
        trusted: What certificates are checked against.
        looked_up: Names that are being looked up: one that hangs takes one place, however many
            messages wait for it and however long.
    """

    timeout_s: float
    allow_private: bool
    trusted: ssl.SSLContext
    lookups: ThreadPoolExecutor
    looked_up: dict[tuple[str, int], asyncio.Future[list[str]]] = field(default_factory=dict)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """
        Send a message; return the status of the answer.

        Raises:
            PostError: There was none.
        """
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._post(urlsplit(url), headers, body)
        except TimeoutError:
            raise PostError(f"no answer within {self.timeout_s:g} s") from None
        except ssl.SSLError as problem:
            raise PostError(f"TLS failed: {problem.reason or type(problem).__name__}") from None
        except (
            OSError,
            UnicodeError,
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
        ) as problem:
            raise PostError(_words(problem)) from None

    async def _post(self, url: SplitResult, headers: Mapping[str, str], body: bytes) -> int:
        secure = url.scheme == "https"
        host = url.hostname or ""
        port = url.port or (443 if secure else 80)
        address = await self._address_of(host, port)
        reader, writer = await asyncio.open_connection(
            address,
            port,
            limit=HEAD_BYTES_MAX,
            ssl=self.trusted if secure else None,
            server_hostname=host if secure else None,
        )
        try:
            writer.write(_request(url, headers, body))
            await writer.drain()
            for _ in range(ANSWERS_MAX):
                status = _status_of(await reader.readuntil(b"\r\n\r\n"))
                if status not in _CONTINUES:
                    return status
            raise PostError("it says without an end that an answer will come")
        finally:
            writer.transport.abort()

    async def _address_of(self, host: str, port: int) -> str:
        """Look a name up; of its addresses every one must be public, unless private ones may be."""
        name = host, port
        found = self.looked_up.get(name)
        if found is None:
            loop = asyncio.get_running_loop()
            found = self.looked_up[name] = loop.run_in_executor(self.lookups, _addresses, *name)
            found.add_done_callback(partial(self._forget, name))
        # The time of one message may be over: the others wait on.
        addresses = await asyncio.shield(found)
        if not self.allow_private and not all(map(is_public, addresses)):
            raise PostError("the host has an address of a private network")
        return addresses[0]

    def _forget(self, name: tuple[str, int], found: asyncio.Future[list[str]]) -> None:
        self.looked_up.pop(name, None)
        if not found.cancelled():
            found.exception()  # It is no news to anybody if nobody waits for it any more.


def _addresses(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def new_poster(timeout_s: float, *, allow_private: bool) -> Poster:
    """Make what sends messages, with the certificates that this machine trusts."""
    lookups = ThreadPoolExecutor(LOOKUPS_MAX, thread_name_prefix="webhook-lookup")
    return Poster(timeout_s, allow_private, ssl.create_default_context(), lookups)


def _request(url: SplitResult, headers: Mapping[str, str], body: bytes) -> bytes:
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    host = url.netloc.rpartition("@")[2]
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"Content-Length: {len(body)}",
        "Connection: close",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _status_of(head: bytes) -> int:
    found = _STATUS.match(head)
    if found is None:
        raise PostError("the answer is not HTTP/1.1")
    return int(found[1])


def _words(problem: Exception) -> str:
    # What no name server is asked for, such as a name with an empty part, is a UnicodeError.
    if isinstance(problem, (socket.gaierror, UnicodeError)):
        return "the host is unknown"
    if isinstance(problem, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(problem, asyncio.LimitOverrunError):
        return "the head of the answer is too long"
    return "the connection was lost"
