"""How one message is sent to an address that somebody else chose."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from loyalty_service.webhooks.http_post import Poster, PostError, new_poster

pytestmark = pytest.mark.any_database


async def _answered(answer: bytes, poster: Poster, *, hangs: bool = False) -> int:
    """Send a message to who answers so."""
    served = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.current_task())
        # The poster goes as soon as it knows enough, however much is still to be read.
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            try:
                await reader.readuntil(b"\r\n\r\n{}")
                writer.write(answer)
                if hangs:
                    await reader.read()
            finally:
                writer.close()
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        try:
            return await poster.post(f"http://localhost:{port}/hook", {}, b"{}")
        finally:
            # The loop of a test ends with it: no connection may be left to it.
            await asyncio.gather(*filter(None, served))


@pytest.fixture
def poster() -> Poster:
    """What sends messages to this machine."""
    return new_poster(10.0, allow_private=True)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nwhatever!", 200),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n", 202),
        (b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/\r\n\r\n", 301),
    ],
)
async def test_status_of_the_answer_is_told(poster: Poster, answer: bytes, status: int) -> None:
    """Only the first line counts, and nothing is followed."""
    assert await _answered(answer, poster) == status


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "lost"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 9000 + b"\r\n", "too long"),
    ],
)
async def test_answer_that_is_none_is_told(poster: Poster, answer: bytes, words: str) -> None:
    """Whatever else is on the port, the message did not arrive."""
    with pytest.raises(PostError, match=words):
        await _answered(answer, poster)


async def test_who_does_not_answer_is_given_up(poster: Poster) -> None:
    """The whole attempt has its time, however slowly bytes come."""
    with pytest.raises(PostError, match=r"within 0\.2 s"):
        await _answered(b"HTTP/1.1 200", replace(poster, timeout_s=0.2), hangs=True)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/", "refused"),
        ("http://nowhere.invalid/", "unknown"),
        ("http://no..where.example/", "unknown"),
        (f"http://{'n' * 64}.example/", "unknown"),
        ("https://127.0.0.1:1/", "refused"),
    ],
)
async def test_who_is_not_there_is_told(poster: Poster, url: str, words: str) -> None:
    """A few words say what was wrong."""
    with pytest.raises(PostError, match=words):
        await poster.post(url, {}, b"{}")


async def test_name_that_leads_inside_is_not_connected_to() -> None:
    """A name is looked up, and where it leads into a private network nobody is called."""
    called = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        called.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        careful = new_poster(2.0, allow_private=False)
        with pytest.raises(PostError, match="private"):
            await careful.post(f"https://localhost:{port}/", {}, b"{}")
    assert not called.is_set()
