"""The command that serves the console."""

from __future__ import annotations

import os
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import grpc
import typer

from loyalty_service.cli.running import run
from loyalty_service.cli.terminal import err
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.transport.addresses import authority

PROXY_KEY = "LOYALTY_CONSOLE_KEY"
"""Variable with the API key of those whom a proxy signs in."""


def console_command(
    server: Annotated[
        str, typer.Option(help="gRPC port of the server, or of Envoy before several.")
    ] = "127.0.0.1:50051",
    *,
    server_authority: Annotated[
        Path | None,
        typer.Option(help="Call the server over TLS, with a certificate of this authority (PEM)."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8100,
    certificate: Annotated[
        Path | None, typer.Option(help="Serve HTTPS with this certificate (PEM).")
    ] = None,
    private_key: Annotated[
        Path | None, typer.Option(help="Key of the certificate; in the same file if absent.")
    ] = None,
    behind_https: Annotated[
        bool,
        typer.Option("--behind-https", help="A proxy on this machine serves HTTPS before it."),
    ] = False,
    identity_header: Annotated[
        str | None,
        typer.Option(
            help="Header in which a proxy says who it has signed in, for instance "
            f"x-forwarded-email. All of them act with the key in {PROXY_KEY}."
        ),
    ] = None,
    proxy_authority: Annotated[
        Path | None, typer.Option(help="Authority of the proxy's own certificate (PEM).")
    ] = None,
    proxy_name: Annotated[
        list[str] | None, typer.Option(help="Name in the proxy's certificate; may be repeated.")
    ] = None,
) -> None:
    """
    Serve web pages for the help desk and head office, until SIGTERM or Ctrl-C.

    Whoever opens them signs in with the API key of an admin, an operator or a help desk, and can do
    what that key can.
    """
    if not all(map(find_spec, ("starlette", "uvicorn"))):
        raise OperatorError(
            "The console needs more packages: pip install 'loyalty-service[console]'"
        )
    # Imported only now: they are an extra.
    from loyalty_service.console.serve import Listening, serve_console  # noqa: PLC0415
    from loyalty_service.console.server_calls import ServerCalls  # noqa: PLC0415
    from loyalty_service.console.web import Proxy  # noqa: PLC0415

    for file in filter(None, (server_authority, certificate, private_key, proxy_authority)):
        if not file.is_file():
            raise OperatorError(f"There is no file {file}.")
    listening = Listening(
        host, port, certificate, private_key, proxy_authority, frozenset(proxy_name or ())
    )
    if not listening.is_local and certificate is None:
        raise OperatorError(
            "API keys would cross the network in plain text: give --certificate, or listen on "
            "127.0.0.1 behind a proxy that serves HTTPS, with --behind-https."
        )
    proxy = None
    if identity_header is not None:
        if certificate is None or proxy_authority is None or not proxy_name:
            raise OperatorError(
                "Anybody who reaches the port could say who they are: --identity-header needs "
                "--certificate, --proxy-authority and --proxy-name."
            )
        if not (secret := os.environ.get(PROXY_KEY, "")):
            raise OperatorError(f"Set {PROXY_KEY} to the API key that they act with.")
        proxy = Proxy(identity_header.lower(), secret)
    elif proxy_authority is not None or proxy_name:
        raise OperatorError("--proxy-authority and --proxy-name need --identity-header.")
    credentials = None
    if server_authority is not None:
        credentials = grpc.ssl_channel_credentials(server_authority.read_bytes())
    secure = behind_https or certificate is not None
    scheme = "http" if certificate is None else "https"
    calls = ServerCalls(server, credentials)
    told = partial(err.print, f"Console on {scheme}://{authority(host, port)}, of {server}")
    run(partial(serve_console, listening, calls, told, secure=secure, proxy=proxy))
