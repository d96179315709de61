"""The command that asks a server whether it serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from loyalty_service.cli.settings import read_settings
from loyalty_service.cli.terminal import err, out
from loyalty_service.transport.addresses import authority
from loyalty_service.transport.health_check import LIVENESS, READINESS, Credentials, ask_health

_OF_THIS_MACHINE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104


def health_command(
    address: Annotated[
        str, typer.Option(help="HOST:PORT of its gRPC; that of the settings unless given.")
    ] = "",
    *,
    liveness: Annotated[
        bool, typer.Option("--liveness", help="Ask whether the process lives, and no more.")
    ] = False,
    ca: Annotated[
        Path | None, typer.Option(help="PEM of who signs the server's certificate, with TLS.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(help="PEM chain to show where the server asks for one.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="PEM key of that certificate.")] = None,
    name: Annotated[
        str, typer.Option(help="Name in the server's certificate, if not the address.")
    ] = "",
    timeout: Annotated[
        float, typer.Option(min=0.1, max=60, help="Seconds to wait for the answer.")
    ] = 2.0,
) -> None:
    """Ask a running server whether it serves; one line, and 1 where it does not."""
    if not address:
        settings = read_settings()
        host = _OF_THIS_MACHINE.get(settings.grpc_host, settings.grpc_host)
        address = authority(host, settings.grpc_port)
    credentials = Credentials(ca, certificate, key, name)
    serves, said = ask_health(address, LIVENESS if liveness else READINESS, credentials, timeout)
    if not serves:
        err.print(f"{address}: {said}")
        raise typer.Exit(1)
    out.print(f"{address}: {said}")
