"""The server's own handlers, called without a network: from bytes to an answer in bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import grpc

from loyalty_service.observability.metrics import CallMetrics
from loyalty_service.observability.trail import Tracing
from loyalty_service.storage.store import Store
from loyalty_service.transport.rpcs import RPCS
from loyalty_service.transport.server import LoyaltyServer
from loyalty_service.transport.servicers.all_servicers import all_servicers
from tests.fault.doors import Rpc

TRAILERS_MAX = 64 * 1024


class AbortedError(Exception):
    """Raised where gRPC ends a call."""


class Context:
    """What gRPC gives a handler."""

    def __init__(self, message: bytes, headers: Mapping[str, str]) -> None:
        self._message = message
        self._headers = tuple(headers.items())
        self.code = "OK"

    async def read(self) -> bytes:
        """Give the message."""
        return self._message

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        """Give the headers."""
        return self._headers

    def time_remaining(self) -> None:
        """Tell that the caller set no deadline."""

    async def send_initial_metadata(self, metadata: Any) -> None:
        """Check what is sent before the answer."""
        _require_sendable(metadata)

    def set_trailing_metadata(self, metadata: Any) -> None:
        """Check what is sent after the answer."""
        _require_sendable(metadata)

    async def abort(self, code: grpc.StatusCode, details: str, trailers: Any = ()) -> None:
        """
        End the call.

        Raises:
            AbortedError: Always.
        """
        _require_sendable(trailers)
        details.encode()
        self.code = code.name
        raise AbortedError


def _require_sendable(metadata: Any) -> None:
    """Refuse what gRPC could not put on the wire."""
    for name, value in metadata:
        if not name.endswith("-bin"):
            assert isinstance(value, str), name
            assert all(" " <= sign <= "~" for sign in value), (name, value)
    size = sum(len(name) + len(value) for name, value in metadata)
    assert size <= TRAILERS_MAX, size


class Inside:
    """Calls handlers on a store, as the gRPC server would."""

    def __init__(self, store: Store) -> None:
        server = LoyaltyServer(
            store,
            servicers := all_servicers(),
            sandbox=False,
            reflection_on=False,
            calls=CallMetrics(None),
            tracing=Tracing(),
        )
        self._handlers: dict[str, Any] = {
            rpc.name: server._handling.handler(
                rpc, getattr(servicers[rpc.service], rpc.method.name)
            )
            for rpc in RPCS.values()
        }

    async def call(self, rpc: Rpc, data: bytes, headers: Mapping[str, str]) -> str:
        """Make a call; return the status by name. Anything but an abort is the handler's fault."""
        context = Context(data, headers)
        try:
            # As the server does: the task of a call is ended if its answer is not taken in time.
            answer = await asyncio.create_task(self._handlers[rpc.name](None, context))
        except AbortedError:
            return context.code
        rpc.response.FromString(answer)
        return "OK"
