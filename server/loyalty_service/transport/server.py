"""The gRPC server: one path for every call, from bytes to an answer or a refusal in bytes."""

from __future__ import annotations

import asyncio
import contextlib
import math
import resource
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any, cast

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_reflection.v1alpha import reflection

from loyalty_service.application.perform import idempotency_scope, plain_key
from loyalty_service.application.under_way import ARRIVAL, Arrival
from loyalty_service.domain.errors import (
    ApiKeyInvalidError,
    ApiKeyMissingError,
    LoyaltyError,
    ServerFailedError,
    StorageUnavailableError,
)
from loyalty_service.domain.keys import ApiKey
from loyalty_service.observability.access_log import AccessLog
from loyalty_service.observability.metrics import CallMetrics
from loyalty_service.observability.outcomes import CANCELLED, OK
from loyalty_service.observability.tracing import Tracing
from loyalty_service.observability.trail import Trail
from loyalty_service.transport.addresses import authority
from loyalty_service.transport.admission import Admission, Place
from loyalty_service.transport.arrival import Context, receive
from loyalty_service.transport.authentication import authenticate, require_role
from loyalty_service.transport.call import (
    DEADLINE_MAX_S,
    Call,
    Storage,
    require_key_once,
    require_spelling,
)
from loyalty_service.transport.errors.catalogue import CATALOGUE, GRPC_CODES
from loyalty_service.transport.errors.dialects import Dialect
from loyalty_service.transport.errors.rendering import refuse
from loyalty_service.transport.keyless import Health, Reflection
from loyalty_service.transport.paid_orders import mends_told
from loyalty_service.transport.parsing import parse
from loyalty_service.transport.rpcs import RPCS, SERVICES, Effect, Rpc
from loyalty_service.transport.sending import KEYLESS_SEND_S, SEND_S, end_within, know_calls

MESSAGE_BYTES_MAX = 512 * 1024
"""Largest request: 500 lines, each text as long as it may be, fit as JSON. Envoy has the same."""

METADATA_BYTES_MAX = 16 * 1024
"""
More than Envoy lets in, 8 KiB in 100 headers, of which each counts for 32 bytes more here: what it
took for good headers must not be refused as too many calls.
"""
DIALECTS: Mapping[str, Dialect] = {dialect.value: dialect for dialect in Dialect}
CONCURRENT_CALLS_MAX = 8192
PENDING_CALLS_MAX = 2 * CONCURRENT_CALLS_MAX
"""
Calls whose turn to be looked at has not come. Beyond it gRPC's core cancels any call unseen, a
till's as well, so that it is more than the server can look at in the time that a till waits.
"""

STREAMS_MAX = 256
"""Calls of one connection at once; a caller's library lets more wait."""

CONNECTIONS_MAX = 4096
"""Connections at once, of 15 KiB each; or half of the files that the process may open."""

HANDSHAKE_MS = 3000
"""Time in which a connection must speak TLS, if it has to, and then HTTP/2."""

IDLE_MS = 300_000
"""Time without a call after which a connection is closed; the next call opens another."""

KEEPALIVE_MS = 60_000
KEEPALIVE_TIMEOUT_MS = 10_000
"""How often a peer is asked whether it is still there, and how long it may take to tell."""

PING_MS = 5_000
"""
How often a peer may ask: kiosks do every 10 s, and a network may delay one question and not the
next. Whoever asks sooner for the third time is hung up on.
"""
LIVENESS = "liveness"
"""Health of the process itself, which serves while it lives: what may restart it asks for this."""

HEALTH_S = 0.25
"""Seconds between two looks at whether calls are let in."""

QUIET_S = 0.25
"""Time without a new call after which nobody is taken to send any more."""

LINGER_S = 0.25
"""Time in which the last answers leave the server."""

HEALTH_NAMES = ("", *(service.full_name for service in SERVICES))
"""What balancers ask for: whether calls are let in."""

log = structlog.get_logger(__name__)

Endpoint = Callable[[Any, Call], Awaitable[bytes]]


class LoyaltyServer:
    """
    Serves the contract over gRPC.

    Args:
        store: Runs units of work.
        servicers: One for each service, by the service's name.
        sandbox: Whether the published sandbox keys are taken.
        reflection_on: Whether callers may ask for the contract itself.
        calls: Counts and times calls.
        tracing: Names and traces calls.
        share_port: Whether other servers may listen on the same port.
    """

    def __init__(
        self,
        store: Storage,
        servicers: Mapping[str, object],
        *,
        sandbox: bool,
        reflection_on: bool,
        calls: CallMetrics,
        tracing: Tracing,
        share_port: bool = False,
    ) -> None:
        self._store = store
        self._sandbox = sandbox
        self._calls = calls
        self._tracing = tracing
        self._access_log = AccessLog()
        self._under_way = 0
        self._admission = Admission()
        self._last_call = 0.0
        self._stopping: asyncio.Event | None = None
        self._health = Health()
        self._watching: asyncio.Task[None] | None = None
        self.serving: bool | None = None
        """What balancers are told; nothing before the start."""
        self._server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
                ("grpc.max_metadata_size", METADATA_BYTES_MAX),
                ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
                ("grpc.max_concurrent_streams", STREAMS_MAX),
                # Above the first some calls are cancelled by chance, above the second every one.
                ("grpc.server.max_pending_requests", PENDING_CALLS_MAX),
                ("grpc.server.max_pending_requests_hard_limit", PENDING_CALLS_MAX),
                # Two servers on one port by accident would share its calls: refuse the second.
                ("grpc.so_reuseport", int(share_port)),
                ("grpc.max_allowed_incoming_connections", _connections_max()),
                ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
                ("grpc.http2.settings_timeout", HANDSHAKE_MS),
                ("grpc.max_connection_idle_ms", IDLE_MS),
                ("grpc.keepalive_time_ms", KEEPALIVE_MS),
                ("grpc.keepalive_timeout_ms", KEEPALIVE_TIMEOUT_MS),
                # A kiosk may ask an idle connection, too, whether it is still there.
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", PING_MS),
            ),
            maximum_concurrent_rpcs=CONCURRENT_CALLS_MAX,
        )
        self._server.add_generic_rpc_handlers(
            tuple(self._handlers(service, servicers[service.name]) for service in SERVICES)
        )
        self._server.add_generic_rpc_handlers((self._health.handler(),))
        if reflection_on:
            names = [service.full_name for service in SERVICES]
            names += [HEALTH_SERVICE, reflection.SERVICE_NAME]
            self._server.add_generic_rpc_handlers((Reflection(names).handler(),))

    async def start(
        self, host: str, port: int, credentials: grpc.ServerCredentials | None = None
    ) -> int:
        """
        Listen and report SERVING; answers the port, chosen freely when *port* is 0.

        Args:
            host: Address to listen on.
            port: Where; 0 picks one.
            credentials: What makes the port speak TLS only; without them it speaks plaintext.

        Raises:
            RuntimeError: The port is taken.
        """
        know_calls(asyncio.get_running_loop())
        address = authority(host, port)
        bound = (
            self._server.add_insecure_port(address)
            if credentials is None
            else self._server.add_secure_port(address, credentials)
        )
        await self._server.start()
        await self._health.show((LIVENESS,), serves=True)
        await self._show_health(serves=self._store.refuses() is None)
        self._watching = asyncio.create_task(self._watch_health())
        return bound

    async def _show_health(self, *, serves: bool) -> None:
        """Tell balancers whether calls are let in."""
        if serves is self.serving:
            return
        self.serving = serves
        await self._health.show(HEALTH_NAMES, serves=serves)

    async def _watch_health(self) -> None:
        """
        Report NOT_SERVING while no call would be let in, and SERVING after.

        Whoever is let in by another server need not be refused by this one.
        """
        while True:
            await asyncio.sleep(HEALTH_S)
            reason = self._store.refuses()
            serves = reason is None
            if serves is not self.serving:
                if serves:
                    log.warning("serving again")
                else:
                    log.error(
                        "not serving: the catalogue is too old, or the clock is wrong",
                        reason=reason,
                    )
                await self._show_health(serves=serves)

    async def stop(self, notice_s: float, grace_s: float) -> None:
        """
        Report NOT_SERVING, let balancers notice, then finish the calls under way.

        Args:
            notice_s: Time in which new calls are still served, at least: while more come, some
                balancer has not noticed yet, and they are served for up to half of the grace.
            grace_s: Time the calls under way may take after that.
        """
        if self._watching is not None:
            self._watching.cancel()
        # Not by the servicer's own shutdown: that would call a server dead that is ending well.
        await self._show_health(serves=False)
        if notice_s:
            await asyncio.sleep(notice_s)
            grace_s -= await self._until_quiet(grace_s / 2)
        stopped = asyncio.create_task(self._server.stop(grace_s))
        # No new calls come in from here on. Whoever still watches the health would hold the
        # server for all of its grace: only the calls under way are waited for.
        if self._under_way:
            self._stopping = asyncio.Event()
            idle = asyncio.create_task(self._stopping.wait())
            await asyncio.wait((stopped, idle), return_when=asyncio.FIRST_COMPLETED)
            idle.cancel()
        await self._server.stop(LINGER_S)
        await stopped

    async def _until_quiet(self, longest_s: float) -> float:
        """
        Serve on until no new calls come; answers how long that took.

        A call that reaches a port which is about to close is CANCELLED by gRPC before we see it,
        and its caller can't know that it had no effect.
        """
        began = perf_counter()
        # Calls come by themselves; there is nothing else to be told by.
        while (  # noqa: ASYNC110
            now := perf_counter()
        ) - self._last_call < QUIET_S and now - began < longest_s:
            await asyncio.sleep(QUIET_S / 5)
        return perf_counter() - began

    def _handlers(
        self, service: ServiceDescriptor, servicer: object
    ) -> grpc.GenericRpcHandler[bytes, bytes]:
        handlers = {
            # As a stream the handler starts with the headers, and waits for the message itself.
            method.name: grpc.stream_unary_rpc_method_handler(
                self._handler(RPCS[f"{service.name}/{method.name}"], getattr(servicer, method.name))
            )
            for method in service.methods
        }
        return grpc.method_handlers_generic_handler(service.full_name, handlers)

    def _handler(
        self, rpc: Rpc, endpoint: Endpoint
    ) -> Callable[[object, Context], Awaitable[bytes]]:
        name, request_class = rpc.name, rpc.request_class
        self._calls.expect(name, rpc.expected)
        writes = rpc.effect is not Effect.READS

        async def handle(_messages: object, context: Context) -> bytes:
            started = self._last_call = perf_counter()
            loop = asyncio.get_running_loop()
            until_s = loop.time() + DEADLINE_MAX_S
            metadata, sent_twice = _plain(context)
            # First of all: from here on nobody may be told that no such call is under way.
            arrival = self._arrive(metadata, writes=writes)
            trail = self._tracing.begin(name, metadata)
            key: ApiKey | None = None
            outcome = OK
            self._under_way += 1
            place: Place | None = None
            try:
                key = await self._caller(metadata)
                _require_registered(arrival, key)
                # Only now, so that the log names the caller that is refused.
                require_role(key, name)
                require_key_once(sent_twice)
                limits = self._store.catalog.programs[key.program_id].limits
                # Refusing must cost next to nothing: before the call's message is waited for.
                self._admission.count(key, limits)
                if writes:
                    self._store.require_room(key.key_id)
                data = await receive(context)
                # Who sends no message never takes the place of who does.
                place = self._admission.enter(key)
                await place.turn()
                mends = list(mends_told(metadata.get("loyalty-mended")))
                request = place.do(parse, request_class, data, mends)
                until_s = min(until_s, loop.time() + _left_s(context))
                call = Call(
                    key,
                    name,
                    request,
                    metadata,
                    until_s,
                    self._store,
                    self._calls.tills,
                    mends=tuple(dict.fromkeys(mends)),
                )
                answer = await place.watch(endpoint(request, call))
            except LoyaltyError as error:
                outcome = CATALOGUE[type(error)].reason
                self._calls.limits.refused(error, key)
                return await _refuse(context, error, metadata, trail, key, name)
            except asyncio.CancelledError:
                outcome = CANCELLED
                raise
            except Exception:
                outcome = "SERVER_FAILED"
                log.exception("call failed", method=name, request_id=trail.request_id)
                return await _refuse(
                    context, ServerFailedError(trail.request_id), metadata, trail, key, name
                )
            finally:
                now = perf_counter()
                if place is not None:
                    place.leave()
                self._end(name, outcome, now - started, trail, key, arrival)
            if call.repeated:
                await context.send_initial_metadata((("idempotent-replayed", "true"),))
            return answer

        return handle

    async def _caller(self, metadata: Mapping[str, str]) -> ApiKey:
        """
        Tell who calls.

        Raises:
            LoyaltyError: Nobody who may, or who sends what it believes to be a key.
        """
        await self._store.require_fresh_catalog()
        require_spelling(metadata)
        return authenticate(metadata, self._store.catalog, sandbox=self._sandbox)

    def _arrive(self, metadata: Mapping[str, str], *, writes: bool) -> Arrival | None:
        """Take note of a call that has arrived, if it writes and has an idempotency key."""
        text = metadata.get("idempotency-key") if writes else None
        if text is None:
            ARRIVAL.set(None)
            return None
        scope = None
        with contextlib.suppress(ApiKeyMissingError, ApiKeyInvalidError):
            # The caller may be known only once the catalogue has been looked at.
            key = authenticate(metadata, self._store.catalog, sandbox=self._sandbox)
            scope = idempotency_scope(key)
        arrival = self._store.under_way.enter(scope, plain_key(text))
        ARRIVAL.set(arrival)
        return arrival

    def _end(
        self,
        method: str,
        outcome: str,
        seconds: float,
        trail: Trail,
        key: ApiKey | None,
        arrival: Arrival | None,
    ) -> None:
        """Let go of a call, whose answer is to leave now, and tell everyone who keeps count."""
        if outcome == OK:
            end_within(SEND_S)
        if arrival is not None:
            arrival.release()
        self._under_way -= 1
        if self._stopping is not None and not self._under_way:
            self._stopping.set()
        self._calls.record(method, outcome, seconds)
        code = GRPC_CODES[outcome]
        if trail.span is not None:
            self._tracing.end(trail, outcome, code)
        self._access_log.write(method, outcome, code, seconds, key)


def _connections_max() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(CONNECTIONS_MAX, files // 2)


def _require_registered(arrival: Arrival | None, key: ApiKey) -> None:
    """
    Take note of whose call with an idempotency key it is, and refuse it if no server knows of us.

    Raises:
        StorageUnavailableError: This server is not registered with the others.
    """
    if arrival is None:
        return
    arrival.belongs_to(idempotency_scope(key))
    if arrival.registration is None:
        raise StorageUnavailableError


def _left_s(context: Context) -> float:
    """Give the time that the caller leaves, without end where it sets no deadline."""
    left_s = cast("float | None", context.time_remaining())
    return math.inf if left_s is None else left_s


def _plain(context: Context) -> tuple[dict[str, str], list[str]]:
    """Give the call's text metadata, and the names sent more than once, of which the last wins."""
    plain: dict[str, str] = {}
    sent_twice = []
    for name, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            if name in plain:
                sent_twice.append(name)
            plain[name] = value
    return plain, sent_twice


async def _refuse(
    context: Context,
    error: LoyaltyError,
    metadata: Mapping[str, str],
    trail: Trail,
    key: ApiKey | None,
    rpc: str,
) -> bytes:
    end_within(KEYLESS_SEND_S if key is None else SEND_S)
    # Envoy sets one of ours; whatever a caller invents is not one.
    dialect = DIALECTS.get(metadata.get("loyalty-dialect", ""))
    await refuse(context, error, dialect, trail.request_id, rpc)
    return b""
