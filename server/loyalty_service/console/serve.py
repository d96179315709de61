"""Serves the console over HTTP, or over HTTPS with certificates of its own or of one proxy."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn

from loyalty_service.console.app import make_app
from loyalty_service.console.connections import ARRIVES_S, protocol_for
from loyalty_service.console.server_calls import ServerCalls
from loyalty_service.console.sign_ins import SignIns
from loyalty_service.console.web import Desk, Proxy
from loyalty_service.domain.operator_error import OperatorError

HANDSHAKE_S = 5.0
"""Time for a handshake of TLS: each takes an open file, and 256 KiB."""


@dataclass(frozen=True, slots=True)
class Listening:
    """
    Where the console listens.

    Attributes:
        certificate: File of its certificate; absent for plain HTTP.
        private_key: File of the certificate's key.
        proxy_authority: File of the authority whose certificates the proxy has; absent where
            there is none.
        proxy_names: Names of which the proxy's certificate has one.
    """

    host: str
    port: int
    certificate: Path | None = None
    private_key: Path | None = None
    proxy_authority: Path | None = None
    proxy_names: frozenset[str] = frozenset()

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host in {"127.0.0.1", "::1", "localhost"}


async def serve_console(
    listening: Listening,
    calls: ServerCalls,
    serving: Callable[[], None],
    *,
    secure: bool,
    proxy: Proxy | None = None,
) -> None:
    """Serve the console until SIGTERM or Ctrl-C; tell once it is served."""
    async with calls:
        desk = Desk(calls, SignIns(), secure, proxy)
        server = _Server(_config(listening, desk), serving)
        running = asyncio.create_task(server.serve())
        try:
            await asyncio.shield(running)
        finally:
            # Where the caller is cancelled, the sockets are closed all the same.
            server.should_exit = True
            await running


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, serving: Callable[[], None]) -> None:
        super().__init__(config)
        self._serving = serving

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, as uvicorn does, but let no handshake of TLS last for its minute."""
        del sockets
        config = self.config
        browsers: Any = config.http_protocol_class
        state = self.lifespan.state
        try:
            server = await asyncio.get_running_loop().create_server(
                lambda: browsers(config=config, server_state=self.server_state, app_state=state),
                config.host,
                config.port,
                ssl=config.ssl,
                backlog=config.backlog,
                ssl_handshake_timeout=HANDSHAKE_S if config.ssl else None,
            )
        except OSError as problem:
            raise OperatorError(f"The console can't listen: {problem.strerror}.") from None
        self.servers = [server]
        self.started = True
        self._serving()


def _config(listening: Listening, desk: Desk) -> uvicorn.Config:
    options: dict[str, Any] = {"http": protocol_for(listening.proxy_names)}
    if listening.certificate is not None:
        options["ssl_certfile"] = str(listening.certificate)
        options["ssl_keyfile"] = str(listening.private_key or listening.certificate)
    if listening.proxy_authority is not None:
        options["ssl_ca_certs"] = str(listening.proxy_authority)
        options["ssl_cert_reqs"] = ssl.CERT_REQUIRED
    return uvicorn.Config(
        make_app(desk),
        host=listening.host,
        port=listening.port,
        lifespan="off",
        ws="none",
        server_header=False,
        access_log=False,
        log_config=None,
        proxy_headers=False,
        limit_concurrency=256,
        timeout_keep_alive=round(ARRIVES_S),
        h11_max_incomplete_event_size=16 * 1024,
        **options,
    )
