"""The sandbox's control port: JSON over HTTP, on loopback alone."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import structlog

from loyalty_service.domain.operator_error import OperatorError

HOST = "127.0.0.1"
BODY_MAX = 65536
READ_S = 5.0
WRITE_S = 5.0

Action = Callable[[Any], Awaitable[object]]
Routes = Mapping[tuple[str, str], Action]
"""
What is done, by method and path.

It gets the body, or the query of a call without a body, and returns what is told: a `Page`, or what
is JSON.
"""

_LENGTH = re.compile(r"[0-9]{1,9}", re.ASCII)
_OWN = re.compile(r"(?:https?://)?(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?", re.ASCII)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """What is told otherwise than as JSON."""

    kind: str
    content: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class ConflictError(OperatorError):
    """Raised when what is asked for can't be done as the sandbox stands."""


class ControlPort:
    """
    Serves the routes.

    Attributes:
        port: Where it listens, once it is started.
    """

    def __init__(self, routes: Routes) -> None:
        self.port = 0
        self._routes = routes
        self._calls: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server

    async def start(self, port: int) -> None:
        """Listen; port 0 picks one."""
        self._server = await asyncio.start_server(self._serve, HOST, port)
        self.port = self._server.sockets[0].getsockname()[1]

    def serves(self, method: str, path: str) -> bool:
        """Tell whether there is a route."""
        return (method, path) in self._routes

    async def stop(self) -> None:
        """Listen no more, and hang up on who waits for news: there is none any more."""
        self._server.close()
        calls = list(self._calls)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a callback of the server's has one.
        self._calls.add(task)
        try:
            async with asyncio.timeout(READ_S):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                headers = _headers(head)
                length = headers.get("content-length", "0")
                refused = _LENGTH.fullmatch(length) is None or int(length) > BODY_MAX
                body = b"" if refused else await reader.readexactly(int(length))
            status, told = (
                (HTTPStatus.BAD_REQUEST, {"error": f"content-length must be at most {BODY_MAX}"})
                if refused
                else await self._answer(head, headers, body)
            )
            writer.write(_worded(status, told))
            async with asyncio.timeout(WRITE_S):
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # Whoever asked has hung up, does not take the answer, or is no HTTP.
        except asyncio.CancelledError:
            pass  # The port has stopped; Python 3.11 would log whatever leaves from here.
        finally:
            self._calls.discard(task)
            writer.transport.abort()

    async def _answer(
        self, head: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[HTTPStatus, object]:
        # A page of elsewhere must not control the sandbox of whoever reads it.
        if not all(_OWN.fullmatch(headers.get(name, HOST)) for name in ("host", "origin")):
            return HTTPStatus.FORBIDDEN, {"error": "only this machine may call"}
        # Such a page may show it to a person, but not load parts of it without an origin.
        elsewhere = headers.get("sec-fetch-site") == "cross-site"
        if elsewhere and headers.get("sec-fetch-mode") != "navigate":
            return HTTPStatus.FORBIDDEN, {"error": "only pages of this machine may call"}
        method, path = [*head.split(" ", 2), "", ""][:2]
        path, _, query = path.partition("?")
        action = self._routes.get((method, path))
        if action is not None:
            return await _outcome(action, body, dict(parse_qsl(query)) or None)
        if any(path == known for _, known in self._routes):
            return HTTPStatus.METHOD_NOT_ALLOWED, {"error": f"{path} does not take {method}"}
        there = ", ".join(" ".join(route) for route in self._routes)
        return HTTPStatus.NOT_FOUND, {"error": f"there is {there}"}


def _worded(status: HTTPStatus, told: object) -> bytes:
    """Word an answer."""
    if not isinstance(told, Page):
        told = Page("application/json", json.dumps(told).encode())
    headers = {
        "content-type": told.kind,
        "content-length": str(len(told.content)),
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "connection": "close",
        **told.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{lines}\r\n".encode() + told.content


async def _outcome(
    action: Action, body: bytes, query: Mapping[str, str] | None
) -> tuple[HTTPStatus, object]:
    try:
        told = json.loads(body) if body.strip() else query
    except (ValueError, RecursionError):
        return HTTPStatus.BAD_REQUEST, {"error": "the body is not JSON"}
    try:
        return HTTPStatus.OK, await action(told)
    except ConflictError as problem:
        status, error = HTTPStatus.CONFLICT, str(problem)
    except OperatorError as problem:
        status, error = HTTPStatus.BAD_REQUEST, str(problem)
    except Exception:
        log.exception("control failed")
        status, error = HTTPStatus.INTERNAL_SERVER_ERROR, "the sandbox failed: see its log"
    return status, {"error": error}


def _headers(head: str) -> dict[str, str]:
    lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
    return {name.strip().lower(): value.strip() for name, _, value in lines}
