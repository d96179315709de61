"""
The limits: bare servers that decode a request and give a fixed answer, and do nothing else.

Of three kinds: grpcio's for asyncio, grpcio's with threads, and pygrpc-native's in its place.
"""

from __future__ import annotations

import asyncio
import importlib
import signal
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import grpc
import uvloop
from google.protobuf.message import Message

from loyalty.v1 import identify_service_pb2 as pb
from tests.benchmark.names import NAME, loyalty_id, order_id

AIO, THREADED, NATIVE = "aio", "threaded", "native"
KINDS = (AIO, THREADED, NATIVE)
THREADS = 16
"""More threads only wait for one another's lock."""

SERVICE = pb.DESCRIPTOR.services_by_name["IdentifyService"].full_name

CANNED = pb.IdentifyMemberResponse(
    balances=[pb.Balance(amount=14464, currency="points")],
    loyalty_user=pb.LoyaltyUser(created="2021-08-10T12:18:39.180Z", id=loyalty_id(0), name=NAME),
    transaction_id=order_id(0),
)
"""An answer to an identify by loyalty ID, of the same size."""


def _echo(request: pb.IdentifyMemberRequest, _context: object) -> pb.IdentifyMemberResponse:
    if not request.identifier:
        raise ValueError("the request is empty")
    return CANNED


async def _echo_async(
    request: pb.IdentifyMemberRequest, context: object
) -> pb.IdentifyMemberResponse:
    return _echo(request, context)


def _handlers(echo: Callable[..., Message | Awaitable[Message]]) -> dict[str, Any]:
    # Not from generated code, which refuses to be served by an older grpcio.
    return {
        "IdentifyMember": grpc.unary_unary_rpc_method_handler(
            echo,
            request_deserializer=pb.IdentifyMemberRequest.FromString,
            response_serializer=pb.IdentifyMemberResponse.SerializeToString,
        )
    }


async def _serve_async(kind: str, address: str) -> None:
    handlers = _handlers(_echo_async)
    if kind == NATIVE:
        # Imported by its name because a library that is not measured must not be loaded.
        server = importlib.import_module("pygrpc_native.aio").server()
        server.add_registered_method_handlers(SERVICE, handlers)
    else:
        server = grpc.aio.server()
        generic = grpc.method_handlers_generic_handler(SERVICE, handlers)
        server.add_generic_rpc_handlers((generic,))
    server.add_insecure_port(address)
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(0)


def _serve_by_threads(address: str) -> None:
    server = grpc.server(ThreadPoolExecutor(THREADS))
    generic = grpc.method_handlers_generic_handler(SERVICE, _handlers(_echo))
    server.add_generic_rpc_handlers((generic,))
    server.add_insecure_port(address)
    server.start()
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    stop.wait()
    server.stop(0).wait()


def main(port: int, kind: str) -> None:
    """
    Serve until SIGTERM.

    Raises:
        ValueError: There is no such kind.
    """
    address = f"127.0.0.1:{port}"
    if kind not in KINDS:
        raise ValueError(f"there is no echo {kind}")
    if kind == THREADED:
        _serve_by_threads(address)
    else:
        uvloop.run(_serve_async(kind, address))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
