"""A greedy caller: a process of its own that sends the same calls as fast as it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

import uvloop

from tests.benchmark.http_connection import HttpConnection
from tests.support.roots import PYTHONPATH, ROOT

PATIENCE_S = 20.0
LASTS_MAX_S = 300.0
"""However it is left behind, it ends by itself."""

STARTED = b"started"
LINE_MAX = 64 * 1024 * 1024
_STATUS = slice(9, 12)


@dataclass(frozen=True, slots=True)
class Greed:
    """
    What to send.

    Attributes:
        port: Where; Envoy's for ready HTTP requests, a server's for gRPC.
        connections: How many are opened, each with one call at a time.
        calls: Ready requests, or paths and messages of gRPC, in base64.
        key: The API key of gRPC calls; HTTP requests have theirs.
    """

    port: int
    connections: int
    calls: Sequence[tuple[str, str]]
    key: str | None = None


def ready(path: str, data: bytes) -> tuple[str, str]:
    """Make a call of a path and a message, or of no path and a whole HTTP request."""
    return path, b64encode(data).decode()


@asynccontextmanager
async def greedy(greed: Greed) -> AsyncIterator[Counter[str]]:
    """Let a greedy caller run; counts what it was answered, once it has ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.fault.greedy"),
        cwd=ROOT,
        env={"PYTHONPATH": PYTHONPATH},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    answers: Counter[str] = Counter()
    try:
        process.stdin.write(json.dumps(asdict(greed)).encode() + b"\n")
        async with asyncio.timeout(PATIENCE_S):
            while not (line := await process.stdout.readline()).startswith(STARTED):
                assert line, "the greedy caller ended before it began"
        yield answers
        process.stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            answers.update(json.loads(await process.stdout.readline()))
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _send_over_http(greed: Greed, number: int, answers: Counter[str]) -> None:
    requests = [b64decode(data) for _, data in greed.calls]
    while True:
        try:
            connection = await HttpConnection.open(greed.port)
            while True:
                answer = await connection.send(requests[number % len(requests)])
                answers[answer[_STATUS].decode()] += 1
                number += 1
        except OSError as problem:
            answers[type(problem).__name__] += 1
            await asyncio.sleep(0.01)


async def _send_over_grpc(greed: Greed, number: int, answers: Counter[str]) -> None:
    import grpc  # noqa: PLC0415 - it takes longer to load than all the rest.

    messages = [(path, b64decode(data)) for path, data in greed.calls]
    metadata = (("x-api-key", greed.key or ""),)
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{greed.port}", options=options) as channel:
        methods: list[Any] = [channel.unary_unary(path, None, None) for path, _ in messages]
        while True:
            turn = number % len(messages)
            number += 1
            try:
                await methods[turn](messages[turn][1], metadata=metadata, timeout=10.0)
                answers["OK"] += 1
            except grpc.aio.AioRpcError as error:
                answers[error.code().name] += 1


async def _run() -> None:
    reader = asyncio.StreamReader(limit=LINE_MAX)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    greed = Greed(**json.loads(await reader.readline()))
    send = _send_over_http if greed.key is None else _send_over_grpc
    answers: Counter[str] = Counter()
    tasks = [
        asyncio.create_task(send(greed, number, answers)) for number in range(greed.connections)
    ]
    sys.stdout.write(f"{STARTED.decode()}\n")
    sys.stdout.flush()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(reader.read(), LASTS_MAX_S)
    for task in tasks:
        task.cancel()
    sys.stdout.write(f"{json.dumps(answers)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    uvloop.run(_run())
