"""How a message is sent to an address that somebody else has chosen."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from loyalty_service.webhooks.http_post import LOOKUPS_MAX, Poster, PostError

PLACE = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]


@pytest.fixture
def poster() -> Iterator[Poster]:
    """What sends to this machine, too."""
    with ThreadPoolExecutor(LOOKUPS_MAX) as lookups:
        trusted = ssl.create_default_context()
        yield Poster(5.0, allow_private=True, trusted=trusted, lookups=lookups)


@pytest.mark.parametrize(("interim", "arrives"), [(0, True), (3, True), (4, False), (2_000, False)])
async def test_answers_that_say_wait_have_an_end(
    poster: Poster, interim: int, *, arrives: bool
) -> None:
    """Who says again and again that an answer will come takes no time of the server's."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n" * interim + b"HTTP/1.1 204 x\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        if arrives:
            assert await poster.post(url, {}, b"") == 204
        else:
            with pytest.raises(PostError, match="without an end"):
                await poster.post(url, {}, b"")


async def test_name_that_is_never_found_takes_one_place(
    poster: Poster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many messages wait for it and give up, another name is looked up at once."""
    asked: list[str] = []
    free = threading.Event()

    def look_up(host: str, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        if host == "hangs.example":
            free.wait(30)
        return PLACE

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    impatient = replace(poster, timeout_s=0.05)
    posts = (impatient.post("http://hangs.example/", {}, b"") for _ in range(3 * LOOKUPS_MAX))
    outcomes = await asyncio.gather(*posts, return_exceptions=True)
    assert {str(outcome) for outcome in outcomes} == {"no answer within 0.05 s"}
    assert asked == ["hangs.example"]
    with pytest.raises(PostError, match="refused"):
        await poster.post("http://well.example/", {}, b"")
    free.set()
