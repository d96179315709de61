"""What the sandbox's control port says of a body that it can't take, and of its own faults."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio

from loyalty_service.sandbox.control import HOST, ControlPort


async def _fail(_body: object) -> object:
    raise ValueError


async def _repeat(body: object) -> object:
    return {"told": body}


@pytest_asyncio.fixture(loop_scope="session")
async def control() -> AsyncIterator[ControlPort]:
    """A port with an action that fails, and one that tells what it was sent."""
    port = ControlPort({("POST", "/fail"): _fail, ("POST", "/repeat"): _repeat})
    await port.start(0)
    yield port
    await port.stop()


def _ask(port: int, path: str, body: str) -> tuple[int, object]:
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    connection.request("POST", path, body)
    answer = connection.getresponse()
    try:
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def _raw(port: int, head: bytes) -> bytes:
    with socket.create_connection((HOST, port), timeout=10) as caller:
        caller.sendall(b"POST /repeat HTTP/1.1\r\n" + head + b"\r\n")
        return caller.recv(65536).partition(b"\r\n")[0]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"content-length: \xb2\r\n", b"400"),
        (b"content-length: " + b"9" * 5000 + b"\r\n", b"400"),
        (b"content-length: -1\r\n", b"400"),
        (b"host: 127.0.0.1.example.com\r\n", b"403"),
        (b"origin: null\r\n", b"403"),
        (b"sec-fetch-site: cross-site\r\nsec-fetch-mode: no-cors\r\n", b"403"),
        (b"sec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\n", b"200"),
        (b"sec-fetch-site: same-origin\r\nsec-fetch-mode: cors\r\n", b"200"),
    ],
)
async def test_odd_heads_get_an_answer(control: ControlPort, head: bytes, status: bytes) -> None:
    """Whatever stands in a head, it is answered; a page of elsewhere loads nothing."""
    assert status in await asyncio.to_thread(_raw, control.port, head)


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/repeat", '{"a": 1}', (200, {"told": {"a": 1}})),
        ("/repeat", "", (200, {"told": None})),
        ("/repeat", "{", (400, {"error": "the body is not JSON"})),
        ("/repeat", "[" * 50_000, (400, {"error": "the body is not JSON"})),
        ("/fail", "{}", (500, {"error": "the sandbox failed: see its log"})),
        ("/fail", "{", (400, {"error": "the body is not JSON"})),
    ],
)
async def test_only_a_body_that_is_not_json_is_told_so(
    control: ControlPort, path: str, body: str, told: tuple[int, object]
) -> None:
    """A fault of the sandbox's own is not blamed on who asked."""
    assert await asyncio.to_thread(_ask, control.port, path, body) == told


async def test_who_waits_for_news_is_hung_up_on_at_the_end() -> None:
    """A page that asks the board for what is new keeps no sandbox up, and leaves no traceback."""
    asked, told = asyncio.Event(), list[object]()

    async def wait(_body: object) -> object:
        asked.set()
        return await asyncio.Event().wait()

    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    port = ControlPort({("GET", "/news"): wait})
    await port.start(0)
    reader, writer = await asyncio.open_connection(HOST, port.port)
    writer.write(b"GET /news HTTP/1.1\r\n\r\n")
    await asked.wait()

    await port.stop()

    with suppress(ConnectionError):
        assert await reader.read() == b""
    writer.transport.abort()
    asyncio.get_running_loop().set_exception_handler(None)
    assert told == []
