"""Calls carried by grpcio, on any port."""

from __future__ import annotations

import asyncio
import resource
from typing import Any

import grpc

from loyalty_service.transport.messages import know_calls
from loyalty_service.transport.server import (
    CONCURRENT_CALLS_MAX,
    CONNECTIONS_MAX,
    HANDSHAKE_MS,
    IDLE_MS,
    KEEPALIVE_MS,
    KEEPALIVE_TIMEOUT_MS,
    MESSAGE_BYTES_MAX,
    METADATA_BYTES_MAX,
    PENDING_CALLS_MAX,
    PING_MS,
    STREAMS_MAX,
    UNSEEN_S,
)
from loyalty_service.transport.transports import Handler


class GrpcioTransport:
    """grpcio's server; see `Transport`."""

    def __init__(self, *, share_port: bool) -> None:
        self._server = grpc.aio.server(
            options=(
                ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
                ("grpc.max_metadata_size", METADATA_BYTES_MAX),
                ("grpc.absolute_max_metadata_size", METADATA_BYTES_MAX),
                ("grpc.max_concurrent_streams", STREAMS_MAX),
                # Above the first some calls are cancelled by chance, above the second every one.
                ("grpc.server.max_pending_requests", PENDING_CALLS_MAX),
                ("grpc.server.max_pending_requests_hard_limit", PENDING_CALLS_MAX),
                ("grpc.server_max_unrequested_time_in_server", UNSEEN_S),
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

    def serve(self, service: str, handlers: dict[str, Handler]) -> None:
        """See `Transport`."""
        methods = {
            # As a stream the handler starts with the headers, and waits for the message itself.
            name: grpc.stream_unary_rpc_method_handler(handler)
            for name, handler in handlers.items()
        }
        self.serve_streams(grpc.method_handlers_generic_handler(service, methods))

    def serve_streams(self, handler: grpc.GenericRpcHandler[Any, Any]) -> None:
        """See `Transport`."""
        self._server.add_generic_rpc_handlers((handler,))

    async def start(self, address: str, credentials: grpc.ServerCredentials | None = None) -> int:
        """See `Transport`."""
        know_calls(asyncio.get_running_loop())
        bound = (
            self._server.add_insecure_port(address)
            if credentials is None
            else self._server.add_secure_port(address, credentials)
        )
        await self._server.start()
        return bound

    async def stop(self, grace_s: float) -> None:
        """See `Transport`."""
        await self._server.stop(grace_s)


def _connections_max() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(CONNECTIONS_MAX, files // 2)
