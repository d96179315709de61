"""
Calls carried by pygrpc-native, on a plaintext port for callers on this machine.

Threads outside the interpreter's lock do HTTP/2 and hand over calls whose message is there whole.
Health and reflection are served by a grpcio server behind it, over a socket of its own.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import grpc
import structlog
from pygrpc_native import EVENT_CANCEL, NativeGrpcFront

from loyalty_service.transport.grpcio_transport import GrpcioTransport
from loyalty_service.transport.server import (
    CONCURRENT_CALLS_MAX,
    KEEPALIVE_MS,
    KEEPALIVE_TIMEOUT_MS,
    LINGER_S,
    MESSAGE_BYTES_MAX,
    METADATA_BYTES_MAX,
    STREAMS_MAX,
)
from loyalty_service.transport.transports import Handler

IO_THREADS = 2
BATCH_MAX = 256
"""Events that are handed to the event loop at once."""

CLOSE_WAIT_S = 5.0
"""The longest that a stop waits for its thread, which has nothing to do but to end."""

Metadata = Sequence[tuple[str, str | bytes]]
Refusal = tuple[int, str, Metadata]
UNKNOWN: Refusal = (grpc.StatusCode.UNKNOWN.value[0], "", ())

log = structlog.get_logger(__name__)


class NativeContext:
    """What a handler is told of its call, as by grpcio's context, and how it ends it."""

    __slots__ = ("_left_s", "_metadata", "initial_metadata", "refusal")

    def __init__(self, metadata: Metadata, left_s: float | None) -> None:
        self._metadata = metadata
        self._left_s = left_s
        self.initial_metadata: list[tuple[str, str]] | None = None
        self.refusal = UNKNOWN

    def invocation_metadata(self) -> Metadata:
        """Give what the caller sent beside its message."""
        return self._metadata

    def time_remaining(self) -> float | None:
        """Give the time that the caller left when its call came; absent without a deadline."""
        return self._left_s

    async def send_initial_metadata(self, metadata: Sequence[tuple[str, str]]) -> None:
        """Send metadata before the answer, with which it leaves."""
        self.initial_metadata = list(metadata)

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Metadata = ()
    ) -> None:
        """
        End the call with an error.

        Raises:
            AbortError: Always.
        """
        self.refusal = code.value[0], details, list(trailing_metadata)
        raise grpc.aio.AbortError


class NativeTransport:
    """pygrpc-native's front; see `Transport`."""

    def __init__(self, *, share_port: bool) -> None:
        self._share_port = share_port
        self._behind = GrpcioTransport(share_port=False)
        self._paths: list[str] = []
        self._handlers: list[Handler] = []
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._stopping = False
        self._folder: Path | None = None
        self._thread: Thread | None = None
        self._front: NativeGrpcFront
        self._loop: asyncio.AbstractEventLoop

    def serve(self, service: str, handlers: dict[str, Handler]) -> None:
        """See `Transport`."""
        self._paths += [f"/{service}/{name}" for name in handlers]
        self._handlers += handlers.values()

    def serve_streams(self, handler: grpc.GenericRpcHandler[Any, Any]) -> None:
        """See `Transport`."""
        self._behind.serve_streams(handler)

    async def start(self, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        """See `Transport`."""
        if credentials is not None:
            raise ValueError("pygrpc-native has no TLS")
        try:
            self._front = NativeGrpcFront(
                address,
                [(path, False) for path in self._paths],
                io_threads=IO_THREADS,
                call_details=True,
                keepalive_time_ms=KEEPALIVE_MS,
                keepalive_timeout_ms=KEEPALIVE_TIMEOUT_MS,
                max_concurrent_streams=STREAMS_MAX,
                max_metadata_size=METADATA_BYTES_MAX,
                reuse_port=self._share_port,
            )
        except OSError as problem:
            raise RuntimeError(f"can't listen on {address}: {problem}") from problem
        try:
            await self._open()
        except BaseException:
            await self._close()
            raise
        return self._front.bound_port

    async def _open(self) -> None:
        """Start what serves health and reflection, and then take calls."""
        # Only this user may enter it.
        self._folder = Path(tempfile.mkdtemp(prefix="loyalty-"))
        socket = str(self._folder / "grpcio")
        await self._behind.start(f"unix:{socket}")
        self._front.set_fallback(socket)
        self._loop = asyncio.get_running_loop()
        self._front.start()
        thread = Thread(target=self._hand_over, name="native-calls", daemon=True)
        thread.start()
        self._thread = thread

    async def stop(self, grace_s: float) -> None:
        """See `Transport`; what comes from here on is told that nobody serves it any more."""
        self._stopping = True
        behind = asyncio.ensure_future(self._behind.stop(grace_s))
        try:
            if self._calls:
                _, late = await asyncio.wait(self._calls.values(), timeout=grace_s)
                for call in late:
                    call.cancel()
            # The last answers are on their way out, also of calls that have just ended; what
            # closes the port cuts them off.
            await asyncio.sleep(LINGER_S)
            await behind
        finally:
            await self._close()

    async def _close(self) -> None:
        """Give back all that a start took, or the part of it that it came to; may be repeated."""
        await self._behind.stop(0)
        await asyncio.to_thread(self._front.close)
        if self._thread is not None:
            # It has handed over what came before, and ends.
            await asyncio.to_thread(self._thread.join, CLOSE_WAIT_S)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _hand_over(self) -> None:
        """Bring calls to the event loop until the front is closed; runs in a thread of its own."""
        while (events := self._front.recv_batch_details(BATCH_MAX)) is not None:
            try:
                self._loop.call_soon_threadsafe(self._take, events)
            except RuntimeError:
                # The loop is closed: whoever ended it so wants no more calls.
                self._front.close()
                return

    def _take(self, events: Sequence[Any]) -> None:
        """Begin the calls that have come, and cancel those whose callers are gone."""
        for kind, number, method, message, _, details in events:
            if kind == EVENT_CANCEL:
                # Taken out here, since a task that has not begun yet ends without doing anything.
                if call := self._calls.pop(number, None):
                    call.cancel()
            elif refusal := self._refusal(message):
                self._front.fail(number, *refusal)
            else:
                context = NativeContext(details[0], details[2])
                self._calls[number] = self._loop.create_task(
                    self._answer(number, self._handlers[method], message, context)
                )

    def _refusal(self, message: bytes) -> tuple[int, str] | None:
        """Tell what a call is refused with before its handler sees it, in grpcio's words."""
        if self._stopping:
            return grpc.StatusCode.UNAVAILABLE.value[0], "the server is shutting down"
        if len(self._calls) >= CONCURRENT_CALLS_MAX:
            code = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
            return code, "Concurrent RPC limit exceeded!"
        if len(message) > MESSAGE_BYTES_MAX:
            code = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
            words = f"SERVER: Received message larger than max ({len(message)} vs. "
            return code, f"{words}{MESSAGE_BYTES_MAX})"
        return None

    async def _answer(
        self, number: int, handler: Handler, message: bytes, context: NativeContext
    ) -> None:
        try:
            try:
                answer = await handler(message, context)
            except grpc.aio.AbortError:
                self._front.fail(number, *context.refusal)
            else:
                self._front.respond(number, answer, context.initial_metadata)
        except asyncio.CancelledError:
            # Its caller is gone, or the server's time is over.
            self._front.fail(number, grpc.StatusCode.CANCELLED.value[0], "")
        except Exception:
            log.exception("call failed outside its handler")
            self._front.fail(number, *UNKNOWN)
        finally:
            self._calls.pop(number, None)
