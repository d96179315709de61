"""
Calls whose answer is a stream: they last for as long as their caller listens.

They stand beside the calls under way: no place of a till is theirs, and their number is bounded by
itself. What a caller does not take is not made either: at most one message waits for it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any, cast

import grpc
import structlog
from google.protobuf.message import Message

from loyalty_service.application.under_way import ARRIVAL
from loyalty_service.domain.errors import LoyaltyError, ServerBusyError, ServerFailedError
from loyalty_service.domain.keys import ApiKey
from loyalty_service.observability.access_log import AccessLog
from loyalty_service.observability.metrics import CallMetrics
from loyalty_service.observability.outcomes import CANCELLED, OK
from loyalty_service.observability.trail import Tracing
from loyalty_service.transport.admission import Admission
from loyalty_service.transport.authentication import authenticate, require_role
from loyalty_service.transport.call import Storage
from loyalty_service.transport.errors.catalogue import CATALOGUE, GRPC_CODES
from loyalty_service.transport.errors.rendering import refuse
from loyalty_service.transport.handling import plain_metadata
from loyalty_service.transport.headers import require_key_once, require_spelling
from loyalty_service.transport.messages import SEND_S, Context, end_within, ending, receive
from loyalty_service.transport.parsing import parse
from loyalty_service.transport.rpcs import Rpc

STREAMS_MAX = 32
"""Streams that a server has at once."""

STREAMS_OF_KEY_MAX = 8
"""Those of one API key."""

STREAM_S = 3600.0
"""Time after which a stream ends, so that its caller comes to a server that has less to do."""

HEARTBEAT_S = 5.0
"""Time without an event after which a message shows that the stream lives. Envoy waits for 15 s."""

CLOSE_S = 1.0
"""Time in which streams end by themselves when the server does."""

RETRY_AFTER_MS = 5000

log = structlog.get_logger(__name__)


class Stream:
    """
    A stream that is open.

    Attributes:
        key: Whose it is.
        method: `Service/Method`.
    """

    def __init__(
        self, context: Context, storage: Storage, key: ApiKey, method: str, closing: asyncio.Event
    ) -> None:
        self.key = key
        self.method = method
        self.storage = storage
        self._context = context
        self._closing = closing
        self._until_s = asyncio.get_running_loop().time() + STREAM_S
        self._sent_s = 0.0
        self._cut = ending()

    @property
    def over(self) -> bool:
        """Whether it is to end: its time is over, or that of the server."""
        return self._closing.is_set() or asyncio.get_running_loop().time() > self._until_s

    @property
    def silent(self) -> bool:
        """Whether nothing was sent for so long that its caller may take it for lost."""
        return asyncio.get_running_loop().time() - self._sent_s >= HEARTBEAT_S

    async def send(self, message: Message) -> None:
        """Send a message once the last one is taken; a caller who takes none is hung up on."""
        timer = asyncio.get_running_loop().call_later(SEND_S, self._cut)
        try:
            await self._context.write(message.SerializeToString())
        finally:
            timer.cancel()
        self._sent_s = asyncio.get_running_loop().time()

    async def events_after(self, count: int) -> int:
        """Wait for more events than *count*, or for the next heartbeat, or the end."""
        left_s = self._sent_s + HEARTBEAT_S - asyncio.get_running_loop().time()
        more = asyncio.ensure_future(self.storage.feed.more_than(count, max(left_s, 0.0)))
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait((more, closing), return_when=asyncio.FIRST_COMPLETED)
            return more.result() if more.done() else count
        finally:
            more.cancel()
            closing.cancel()


Endpoint = Callable[[Any, Stream], Awaitable[None]]


class Streams:
    """
    Takes calls whose answer is a stream from their arrival to their end.

    Args:
        store: Runs units of work.
        sandbox: Whether the published sandbox keys are taken.
        admission: Counts the calls of a key.
        calls: Counts calls and streams.
        tracing: Names calls.
    """

    def __init__(
        self,
        store: Storage,
        *,
        sandbox: bool,
        admission: Admission,
        calls: CallMetrics,
        tracing: Tracing,
    ) -> None:
        self._store = store
        self._sandbox = sandbox
        self._admission = admission
        self._calls = calls
        self._tracing = tracing
        self._access_log = AccessLog()
        self._closing = asyncio.Event()
        self._open: Counter[str] = Counter()
        self._running: set[asyncio.Task[Any]] = set()

    async def close(self) -> None:
        """End all streams: their callers go on at another server."""
        self._closing.set()
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_S)

    def handler(self, rpc: Rpc, endpoint: Endpoint) -> grpc.RpcMethodHandler[Any, Any]:
        """Build what serves the calls of an RPC with its endpoint."""

        async def handle(_requests: object, context: Context) -> None:
            began_s = perf_counter()
            outcome, key = OK, None
            metadata, sent_twice = plain_metadata(context)
            ARRIVAL.set(None)
            trail = self._tracing.begin(rpc.name, metadata)
            task = cast("asyncio.Task[Any]", asyncio.current_task())
            self._running.add(task)
            try:
                require_spelling(metadata)
                await self._store.require_fresh_catalog()
                key = authenticate(metadata, self._store, sandbox=self._sandbox)
                self._store.key_uses.note(key.key_id)
                require_role(key, rpc.name)
                require_key_once(sent_twice)
                limits = self._store.catalog.programs[key.program_id].limits
                self._admission.count(key, limits)
                request = parse(rpc.request_class, await receive(context))
                with self._place(key):
                    await self._run(endpoint, request, context, key, rpc.name, metadata)
            except LoyaltyError as error:
                outcome = CATALOGUE[type(error)].reason
                self._calls.limits.refused(error, key)
                end_within(SEND_S)
                await refuse(context, error, None, trail.request_id, rpc.name)
            except asyncio.CancelledError:
                outcome = CANCELLED
                raise
            except Exception:
                outcome = "SERVER_FAILED"
                log.exception("stream failed", method=rpc.name, request_id=trail.request_id)
                failed = ServerFailedError(trail.request_id)
                await refuse(context, failed, None, trail.request_id, rpc.name)
            finally:
                self._running.discard(task)
                seconds = perf_counter() - began_s
                code = GRPC_CODES[outcome]
                if trail.span is not None:
                    self._tracing.end(trail, outcome, code)
                self._calls.events.ended(outcome)
                self._access_log.write(rpc.name, outcome, code, seconds, key)

        return grpc.stream_stream_rpc_method_handler(handle)

    async def _run(
        self,
        endpoint: Endpoint,
        request: Message,
        context: Context,
        key: ApiKey,
        method: str,
        metadata: dict[str, str],
    ) -> None:
        """Serve a stream, and end it when its key is revoked."""
        stream = Stream(context, self._store, key, method, self._closing)
        serving = asyncio.ensure_future(endpoint(request, stream))
        try:
            while not serving.done():
                await asyncio.wait((serving,), timeout=HEARTBEAT_S)
                await self._store.require_fresh_catalog()
                self._store.key_uses.note(key.key_id)
                authenticate(metadata, self._store, sandbox=self._sandbox)
            serving.result()
        finally:
            serving.cancel()
            await asyncio.wait((serving,))

    @contextmanager
    def _place(self, key: ApiKey) -> Iterator[None]:
        """
        Hold a place for a stream.

        Raises:
            ServerBusyError: There is none left for this key, or at all, or the server shuts down.
        """
        mine = self._open[key.key_id]
        if (
            mine >= STREAMS_OF_KEY_MAX
            or self._open.total() >= STREAMS_MAX
            or self._closing.is_set()
        ):
            raise ServerBusyError(RETRY_AFTER_MS)
        self._open[key.key_id] += 1
        self._calls.events.opened()
        try:
            yield
        finally:
            self._calls.events.closed()
            self._open[key.key_id] -= 1
            if not self._open[key.key_id]:
                del self._open[key.key_id]
