"""The command that writes Envoy's files."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from loyalty_service.cli.terminal import err, out
from loyalty_service.edge_choices import Choices
from loyalty_service.edge_files import write_edge_files


def envoy_config_command(
    folder: Annotated[Path, typer.Argument(help="Folder to write into; made where it is missing.")],
    at: Annotated[
        str,
        typer.Option(
            help="The folder's path on the machine of Envoy, where it is another.", metavar="PATH"
        ),
    ] = "",
    *,
    listen: Annotated[
        str,
        typer.Option(help="Where tills call; 127.0.0.1:8080 unless given.", metavar="HOST:PORT"),
    ] = "",
    server: Annotated[
        list[str] | None,
        typer.Option(help="A server's gRPC; once for each server.", metavar="HOST:PORT"),
    ] = None,
    dns: Annotated[
        str,
        typer.Option(help="A name with all servers' addresses instead.", metavar="HOST:PORT"),
    ] = "",
    tls: Annotated[bool, typer.Option("--tls", help="Tills speak TLS.")] = False,
    mutual: Annotated[
        bool, typer.Option("--mutual", help="Tills speak TLS and show certificates.")
    ] = False,
    server_tls: Annotated[
        bool, typer.Option("--server-tls", help="The servers speak TLS.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write over files that are there and differ.")
    ] = False,
) -> None:
    """Write Envoy's configuration, scripts and descriptors of this release, for production."""
    place = at or str(folder.resolve())
    choices = Choices(
        listen,
        tuple(server or ()),
        dns,
        "mutual" if mutual else "tls" if tls else "plaintext",
        server_tls,
    )
    written = write_edge_files(folder, place, replace=force, choices=choices)
    out.print(f"Wrote {len(written)} files of loyalty {version('loyalty-service')} to {folder}.")
    left = [
        *([] if listen else ["--listen"]),
        *([] if server or dns else ["--server, or --dns,"]),
    ]
    if left:
        err.print(f"Without {' and '.join(left)} it is for one machine: give that, or edit it.")
    err.print(f"Check it with `envoy --mode validate -c {place.rstrip('/')}/envoy.yaml`.")
