"""What carries calls between callers and the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import grpc

Handler = Callable[[object, Any], Awaitable[bytes]]
"""Serves a call: given its message, if that is there already, and its context."""


class Transport(Protocol):
    """
    Listens on one port, and gives each call to its handler as a task of the event loop.

    A handler's context tells metadata and the time left, sends initial metadata and ends the call
    with an error. A call whose caller hangs up, or whose deadline passes, is cancelled.
    """

    def serve(self, service: str, handlers: dict[str, Handler]) -> None:
        """Serve the methods of a service, by their names; before the start."""

    def serve_streams(self, handler: grpc.GenericRpcHandler[Any, Any]) -> None:
        """Serve what grpcio's own handlers are for, health and reflection; before the start."""

    async def start(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """
        Listen, with TLS only if there are credentials; return the port.

        Raises:
            RuntimeError: The address can't be listened on.
        """

    async def stop(self, grace_s: float) -> None:
        """
        Take no new calls, and end when those under way have ended, or after *grace_s*.

        May be called again while it runs, with less time.
        """
