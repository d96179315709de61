"""The commands that try the service out: the sandbox, and a guest's visit to it."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer
from rich.console import Console

from loyalty_service.bootstrap import configure_logging
from loyalty_service.cli.running import run, until_signal
from loyalty_service.cli.settings import read_settings
from loyalty_service.cli.terminal import out
from loyalty_service.sandbox.demo_visit import play_demo
from loyalty_service.sandbox.run import reset_sandbox, run_sandbox
from loyalty_service.transport.addresses import authority


def sandbox_command(
    *,
    reset: Annotated[
        bool, typer.Option("--reset", help="Delete the sandbox's store instead of serving it.")
    ] = False,
) -> None:
    """Serve the demo program over gRPC and, through Envoy, JSON; prints calls to paste."""
    settings = read_settings()
    if reset:
        deleted = reset_sandbox(settings)
        out.print("There was nothing to delete." if deleted is None else f"Deleted {deleted}.")
        return
    configure_logging(settings)
    run(partial(until_signal, partial(run_sandbox, settings, out)))


def demo_command(
    http: Annotated[
        str, typer.Option(help="Address of Envoy; the settings' unless given.", metavar="HOST:PORT")
    ] = "",
    grpc: Annotated[
        str, typer.Option(help="Address of gRPC; the settings' unless given.", metavar="HOST:PORT")
    ] = "",
) -> None:
    """Play a guest's whole visit on a running sandbox, through both doors, and print it."""
    settings = read_settings()
    play_demo(
        http or f"127.0.0.1:{settings.http_port}",
        grpc or authority(settings.grpc_host, settings.grpc_port),
        Console(soft_wrap=True, highlight=False),
    )
