"""The gRPC server: its port, its limits, its health, and how it starts and stops."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from time import perf_counter
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_reflection.v1alpha import reflection

from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.observability.metrics import CallMetrics
from loyalty_service.observability.trail import Tracing
from loyalty_service.transport.addresses import authority
from loyalty_service.transport.call import Storage
from loyalty_service.transport.handling import Handling
from loyalty_service.transport.keyless import Health, Reflection
from loyalty_service.transport.rpcs import RPCS, SERVICES, STREAMS
from loyalty_service.transport.streams import Streams
from loyalty_service.transport.transports import Handler, Transport

MESSAGE_BYTES_MAX = 512 * 1024
"""Largest request: 500 lines, each text as long as it may be, fit as JSON. Envoy has the same."""

METADATA_BYTES_MAX = 16 * 1024
"""
More than Envoy lets in, 8 KiB in 100 headers, of which each counts for 32 bytes more here: what it
took for good headers must not be refused as too many calls.
"""
CONCURRENT_CALLS_MAX = 8192
PENDING_CALLS_MAX = 2 * CONCURRENT_CALLS_MAX
"""
Calls whose turn to be looked at has not come. Beyond it gRPC's core cancels any call unseen, a
till's as well, so that it is more than the server can look at in the time that a till waits.
"""

UNSEEN_S = 5
"""
Time after which gRPC's core cancels a call whose turn has not come. Without it calls wait for 30 s
in a flood, and are served when their callers have gone. It is as long as Envoy waits for a call: a
till that waits 10 s may call again, and a server that stood still for some seconds loses no call.
"""

STREAMS_MAX = 128
"""
Calls of one connection at once; a caller's library lets more wait. Who resets his calls has no more
before those of others either: one that was reset counts until its turn has come. HTTP/2 advises
against fewer than 100.
"""

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

LOOK_S = 1.0
"""Seconds in which a database must answer a process that stood still, before balancers are told."""

QUIET_S = 0.25
"""Time without a new call after which nobody is taken to send any more."""

LINGER_S = 0.25
"""Time in which the last answers leave the server."""

HEALTH_NAMES = ("", *(service.full_name for service in SERVICES))
"""What balancers ask for: whether calls are let in."""

log = structlog.get_logger(__name__)


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
    ) -> None:
        self._store = store
        self._handling = Handling(store, sandbox=sandbox, calls=calls, tracing=tracing)
        self._streams = Streams(
            store,
            sandbox=sandbox,
            admission=self._handling.admission,
            calls=calls,
            tracing=tracing,
        )
        self._health = Health()
        self._watching: asyncio.Task[None] | None = None
        self.serving: bool | None = None
        """What balancers are told; nothing before the start."""
        self._servicers = servicers
        self._reflection_on = reflection_on
        self._transport: Transport

    async def start(
        self,
        transport: Transport,
        host: str,
        port: int,
        credentials: grpc.ServerCredentials | None = None,
    ) -> int:
        """
        Listen and report SERVING; return the port, chosen freely when *port* is 0.

        Args:
            transport: What carries the calls.
            host: Address to listen on.
            port: Where; 0 picks one.
            credentials: What makes the port speak TLS only; without them it speaks plaintext.

        Raises:
            RuntimeError: The port is taken.
        """
        self._transport = transport
        for service in SERVICES:
            transport.serve(service.full_name, self._handlers(service))
            if streams := self._stream_handlers(service):
                transport.serve_streams(
                    grpc.method_handlers_generic_handler(service.full_name, streams)
                )
        transport.serve_streams(self._health.handler())
        if self._reflection_on:
            names = [service.full_name for service in SERVICES]
            names += [HEALTH_SERVICE, reflection.SERVICE_NAME]
            transport.serve_streams(Reflection(names).handler())
        bound = await transport.start(authority(host, port), credentials)
        self._health.show((LIVENESS,), serves=True)
        self._show_health(serves=self._store.refuses() is None)
        self._watching = asyncio.create_task(self._watch_health())
        return bound

    def _show_health(self, *, serves: bool) -> None:
        """Tell balancers whether calls are let in."""
        if serves is self.serving:
            return
        self.serving = serves
        self._health.show(HEALTH_NAMES, serves=serves)

    async def _watch_health(self) -> None:
        """
        Report NOT_SERVING while no call would be let in, and SERVING after.

        Whoever is let in by another server need not be refused by this one.
        """
        while True:
            await asyncio.sleep(HEALTH_S)
            reason = self._store.refuses()
            if reason is not None and self.serving:
                # A process that stood still for seconds, with its machine maybe, has not looked
                # since. Its first call would look, and be served: so does this.
                with suppress(LoyaltyError, TimeoutError):
                    await asyncio.wait_for(self._store.require_fresh_catalog(), LOOK_S)
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
                self._show_health(serves=serves)

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
        self._show_health(serves=False)
        if notice_s:
            await asyncio.sleep(notice_s)
            grace_s -= await self._until_quiet(grace_s / 2)
        await self._streams.close()
        stopped = asyncio.create_task(self._transport.stop(grace_s))
        # No new calls come in from here on. Whoever still watches the health would hold the
        # server for all of its grace: only the calls under way are waited for.
        if self._handling.under_way:
            idle = asyncio.create_task(self._handling.idle())
            await asyncio.wait((stopped, idle), return_when=asyncio.FIRST_COMPLETED)
            idle.cancel()
        await self._transport.stop(LINGER_S)
        await stopped

    async def _until_quiet(self, longest_s: float) -> float:
        """
        Serve on until no new calls come; return how long that took.

        A call that reaches a port which is about to close is CANCELLED by gRPC before we see it,
        and its caller can't know that it had no effect.
        """
        began = perf_counter()
        # Calls come by themselves; there is nothing else to be told by.
        while (  # noqa: ASYNC110
            now := perf_counter()
        ) - self._handling.last_call_s < QUIET_S and now - began < longest_s:
            await asyncio.sleep(QUIET_S / 5)
        return perf_counter() - began

    def _handlers(self, service: ServiceDescriptor) -> dict[str, Handler]:
        servicer = self._servicers[service.name]
        return {
            method.name: self._handling.handler(
                RPCS[f"{service.name}/{method.name}"], getattr(servicer, method.name)
            )
            for method in service.methods
            if not method.server_streaming
        }

    def _stream_handlers(self, service: ServiceDescriptor) -> dict[str, Any]:
        servicer = self._servicers[service.name]
        return {
            rpc.method.name: self._streams.handler(rpc, getattr(servicer, rpc.method.name))
            for rpc in STREAMS.values()
            if rpc.service == service.name
        }
