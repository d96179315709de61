"""The command that serves."""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial
from typing import Annotated

import typer

from loyalty_service.bootstrap import (
    choose_transport,
    configure_logging,
    database_of,
    open_certificates,
    require_addresses,
    serve,
)
from loyalty_service.cli.running import run, stop_at_signal, until_signal
from loyalty_service.cli.settings import read_settings
from loyalty_service.cli.terminal import err
from loyalty_service.config import Settings
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.migrate import require_current
from loyalty_service.storage.peppers import require_known
from loyalty_service.transport.addresses import authority
from loyalty_service.workers import Workers


def serve_command(
    workers: Annotated[
        int, typer.Option(min=1, max=64, help="Server processes that share the port.")
    ] = 1,
    *,
    allow_data_loss: Annotated[
        bool,
        typer.Option("--allow-data-loss", help="Serve even where acknowledged points may be lost."),
    ] = False,
) -> None:
    """Serve gRPC until SIGTERM or Ctrl-C, then finish the calls under way."""
    settings = read_settings()
    if allow_data_loss:
        settings = settings.model_copy(update={"allow_data_loss": True})
    configure_logging(settings)
    if workers == 1:
        run(partial(_serve, settings))
        return
    if database_of(settings).embedded:
        raise OperatorError(
            "SQLite has one writer: --workers needs LOYALTY_DATABASE_URL=postgresql://..."
        )
    if not settings.grpc_port:
        raise OperatorError("--workers needs a LOYALTY_GRPC_PORT to share, not 0.")
    peppers = settings.peppers()
    open_certificates(settings)
    choose_transport(settings)
    # Sharing would hide that another service holds the port.
    require_addresses(settings, workers)
    require_current(database_of(settings))
    require_known(database_of(settings), peppers)
    database_of(settings).require_durable()
    err.print(f"gRPC on {authority(settings.grpc_host, settings.grpc_port)} by {workers} workers")
    run(partial(until_signal, Workers(settings, workers).run))


async def _serve(settings: Settings) -> None:
    # A loop's own handler would wait for the start, and a start waits for the database.
    signal.signal(signal.SIGTERM, _end_start)

    async with serve(settings) as running:
        stop = asyncio.Event()
        stop_at_signal(stop)
        err.print(f"gRPC on {authority(settings.grpc_host, running.grpc_port)}")
        await stop.wait()


def _end_start(_number: int, _frame: object) -> None:
    """End a start that was not finished: nothing is served yet, so nothing need be waited for."""
    sys.exit(0)
