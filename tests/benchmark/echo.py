"""The limit: a bare grpc.aio server that decodes a request and gives a fixed answer."""

from __future__ import annotations

import asyncio
import signal
import sys

import grpc
import uvloop
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health  # type: ignore[attr-defined]

from loyalty.v1 import identify_service_pb2, identify_service_pb2_grpc
from tests.benchmark.loads import CANNED


class EchoServicer(identify_service_pb2_grpc.IdentifyServiceServicer):
    """Answers, and does nothing else."""

    async def IdentifyMember(  # noqa: N802 - the contract's name.
        self, request: identify_service_pb2.IdentifyMemberRequest, _context: object
    ) -> identify_service_pb2.IdentifyMemberResponse:
        """See the contract."""
        if not request.identifier:
            raise ValueError("the request is empty")
        return CANNED


async def main(port: int) -> None:
    """Serve until SIGTERM."""
    server = grpc.aio.server()
    add_servicer = identify_service_pb2_grpc.add_IdentifyServiceServicer_to_server
    add_servicer(EchoServicer(), server)  # type: ignore[no-untyped-call]
    healthy = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await healthy.set("", health_pb2.HealthCheckResponse.SERVING)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(0)


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
