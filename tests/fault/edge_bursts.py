"""Frames of HTTP/2 in bursts, which belong to no call that a till makes."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress
from pathlib import Path

from tests.fault.edge import CLOSE, HOME, KEY, Edge, get, head, stat, worker_ms
from tests.fault.keyless_calls import IDENTIFY_RPC, PREFACE, grpc_call
from tests.support import http2

ROOT = Path(__file__).resolve().parents[2]

# POST, http, the authority x and a path, with HPACK's fixed table, and a key. Its body never comes.
HEADERS = bytes([0x83, 0x86, 0x01, 1]) + b"x" + bytes([0x04, 17]) + b"/loyalty/identify"
HEADERS += http2.literal("x-api-key", "k")
PING = http2.frame(http2.PING, 0, 0, bytes(8))

SILENT_S = 2.0
"""After which a connection counts as kept."""

RESETS_KIB_MAX = 200 * 1024
"""Envoy lets go of a stream's memory at its loop's next turn: a burst is what one turn reads."""


async def rapid_resets_are_cut(edge: Edge) -> None:
    """Who opens streams only to reset them is disconnected."""
    cancel = (8).to_bytes(4, "big")
    before = await stat(edge.front.envoy, "http.edge.downstream_rq_too_many_premature_resets")
    reader, writer = await asyncio.open_connection(HOME, edge.port)
    writer.write(PREFACE)
    async with asyncio.timeout(20):
        with suppress(ConnectionError):
            for stream in range(1, 4000, 2):
                opening = http2.frame(http2.HEADERS, http2.END_HEADERS, stream, HEADERS)
                writer.write(opening + http2.frame(http2.RESET, 0, stream, cancel))
                await writer.drain()
            while await reader.read(65536):
                pass
    writer.close()
    name = "http.edge.downstream_rq_too_many_premature_resets"
    assert await stat(edge.front.envoy, name) == before + 1


async def bursts_of_resets_take_little(edge: Edge) -> None:
    """Many connections that open streams only to reset them take little memory together."""
    cancel = (8).to_bytes(4, "big")
    burst = b"".join(
        http2.frame(http2.HEADERS, http2.END_HEADERS, stream, HEADERS)
        + http2.frame(http2.RESET, 0, stream, cancel)
        for stream in range(1, 980, 2)
    )
    before = _most_kib(edge.front.envoy.pid)
    writers = [(await asyncio.open_connection(HOME, edge.port))[1] for _ in range(100)]
    for writer in writers:
        writer.write(PREFACE)
    for writer in writers:
        with suppress(ConnectionError):
            writer.write(burst)
            await writer.drain()
    await edge.send(head("GET / HTTP/1.1", f"host: {HOME}", KEY, CLOSE))
    for writer in writers:
        writer.close()
    took = _most_kib(edge.front.envoy.pid) - before
    assert took < RESETS_KIB_MAX, f"{took} KiB"


BODIES = 20
DRIBBLE_S = 4.0
WORKER_MS_MAX = 200.0
"""Of 64 KiB read in a turn it was 300 ms, and of 16 KiB it is 110 ms."""


async def bodies_byte_by_byte_hold_up_nobody(edge: Edge) -> None:
    """Whoever sends each byte in a frame of its own keeps a till waiting for little work."""
    assert (await get(edge.port)).status == 200
    command = ("-m", "tests.fault.edge_floods", "frames of a byte, wrong key, announced")
    flood = await asyncio.create_subprocess_exec(
        sys.executable, *command, *map(str, (edge.port, BODIES, DRIBBLE_S)), cwd=ROOT
    )
    worked = []
    while flood.returncode is None:
        before = worker_ms(edge.front.envoy.pid)
        assert (await get(edge.port)).status == 200
        worked.append(worker_ms(edge.front.envoy.pid) - before)
        await asyncio.sleep(0.02)
    # Before the attack and after it a call takes next to nothing.
    assert max(worked) > 2 * min(worked), worked
    busiest = sorted(worked)[-len(worked) // 4]
    assert busiest < WORKER_MS_MAX, worked


def _most_kib(pid: int | None) -> int:
    """Give the most memory that a process ever held."""
    told = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(told.partition("VmHWM:")[2].split()[0])


PINGS, PINGS_FAIR = 900, 50
"""That one turn reads, and more than a library ever sends at once."""

CALLS = 100
"""That a library begins while it does not know how many it may."""


async def bursts_of_pings_are_cut(edge: Edge) -> None:
    """Who sends hundreds of pings at once is disconnected, though he takes each answer."""
    flooded = "http2.outbound_control_flood"
    before = await stat(edge.front.envoy, flooded)
    _, open_after = await _frames_after(edge.port, PREFACE + PING * PINGS)
    assert not open_after
    assert await stat(edge.front.envoy, flooded) == before + 1
    kinds, open_after = await _frames_after(edge.port, PREFACE + PING * PINGS_FAIR)
    assert kinds.count(http2.PING) == PINGS_FAIR
    assert open_after


async def calls_beyond_the_most_are_refused_one_by_one(edge: Edge) -> None:
    """A library that begins a hundred calls at once keeps its connection, and tries again."""
    sent = grpc_call(IDENTIFY_RPC, None, streams=CALLS)
    kinds, open_after = await _frames_after(edge.port, sent)
    assert open_after
    assert kinds.count(http2.HEADERS) + kinds.count(http2.RESET) == CALLS
    assert kinds.count(http2.HEADERS) >= 8


async def _frames_after(port: int, sent: bytes) -> tuple[list[int], bool]:
    """Send to Envoy; return the kinds of frames that come, and whether it stays connected."""
    reader, writer = await asyncio.open_connection(HOME, port)
    kinds = []
    writer.write(sent)
    try:
        # It ends a connection at once, or a second after its last word.
        async with asyncio.timeout(SILENT_S):
            while True:
                frame = await reader.readexactly(9)
                kinds.append(frame[3])
                await reader.readexactly(int.from_bytes(frame[:3], "big"))
    except TimeoutError:
        return kinds, True
    except (asyncio.IncompleteReadError, ConnectionError):
        return kinds, False
    finally:
        writer.close()


async def ping_floods_are_cut(edge: Edge) -> None:
    """Who asks for answers and never reads them is disconnected."""
    closed = "http.edge.downstream_cx_destroy_local"
    before = await stat(edge.front.envoy, closed)
    loop = asyncio.get_running_loop()
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        caller.setblocking(False)  # noqa: FBT003 - it takes no name.
        await loop.sock_connect(caller, (HOME, edge.port))
        await loop.sock_sendall(caller, PREFACE)
        cut = False
        try:
            async with asyncio.timeout(20):
                for _ in range(2000):
                    await loop.sock_sendall(caller, PING * 1000)
        except ConnectionError:
            cut = True
    assert cut, "two million pings were taken"
    assert await stat(edge.front.envoy, closed) == before + 1
