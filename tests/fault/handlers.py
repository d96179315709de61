"""The transport's real handlers, called without a socket: a call is a coroutine that can be led."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2

from loyalty_service.observability.metrics import CallMetrics
from loyalty_service.observability.trail import Tracing
from loyalty_service.transport.call import Storage
from loyalty_service.transport.rpcs import RPCS
from loyalty_service.transport.server import LoyaltyServer
from loyalty_service.transport.servicers.all_servicers import all_servicers


class Refused(grpc.aio.AbortError):  # type: ignore[misc]
    """Raised where grpc would end a call with an error."""

    def __init__(self, code: grpc.StatusCode, trailers: Sequence[tuple[str, Any]]) -> None:
        super().__init__()
        self.code = code
        self.trailers = tuple(trailers)

    @property
    def reason(self) -> str:
        """Reason that the error's details give."""
        info = error_details_pb2.ErrorInfo()
        packed = dict(self.trailers)["grpc-status-details-bin"]
        for detail in status_pb2.Status.FromString(packed).details:
            if detail.Unpack(info):
                return str(info.reason)
        return self.code.name


class FakeContext:
    """What the handlers use of grpc's context; it gives way to others wherever grpc's does."""

    def __init__(self, metadata: Mapping[str, str], left_s: float | None = None) -> None:
        self._metadata = tuple(metadata.items())
        self._left_s = left_s
        self.message = b""
        self.sent: tuple[tuple[str, str], ...] = ()

    @property
    def repeated(self) -> bool:
        """Whether the answer was said to be an earlier call's."""
        return ("idempotent-replayed", "true") in self.sent

    async def read(self) -> bytes:
        """Give the message."""
        await asyncio.sleep(0)
        return self.message

    def invocation_metadata(self) -> Sequence[tuple[str, str]]:
        """Give what the caller sent beside the request."""
        return self._metadata

    def time_remaining(self) -> float | None:
        """Give the time that the caller will wait."""
        return self._left_s

    async def send_initial_metadata(self, metadata: Sequence[tuple[str, str]]) -> None:
        """Keep what is sent before the answer."""
        await asyncio.sleep(0)
        self.sent += tuple(metadata)

    async def abort(
        self, code: grpc.StatusCode, _details: str = "", trailers: Sequence[tuple[str, Any]] = ()
    ) -> None:
        """End the call."""
        await asyncio.sleep(0)
        raise Refused(code, trailers)


Handler = Callable[[bytes, Any], Awaitable[bytes]]


def handlers(storage: Storage) -> dict[str, Handler]:
    """Give the handler of every RPC that the server has, by `Service/Method`."""
    servicers = all_servicers()
    server = LoyaltyServer(
        storage,
        servicers,
        sandbox=False,
        reflection_on=False,
        calls=CallMetrics(None),
        tracing=Tracing(),
    )
    return {
        rpc.name: _with_message(
            server._handling.handler(rpc, getattr(servicers[rpc.service], rpc.method.name))
        )
        for rpc in RPCS.values()
    }


def _with_message(handle: Callable[[object, Any], Awaitable[bytes]]) -> Handler:
    """Let a handler that reads its message from its context be called with the message."""

    async def call(data: bytes, context: FakeContext) -> bytes:
        context.message = data
        return await handle(None, context)

    return call
