"""The command that writes Envoy's files."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from loyalty_service.cli.terminal import err, out
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
    force: Annotated[
        bool, typer.Option("--force", help="Write over files that are there and differ.")
    ] = False,
) -> None:
    """Write Envoy's configuration, scripts and descriptors of this release, for production."""
    place = at or str(folder.resolve())
    written = write_edge_files(folder, place, replace=force)
    out.print(f"Wrote {len(written)} files of loyalty {version('loyalty-service')} to {folder}.")
    err.print(
        "Set the addresses of the listener and of the cluster in envoy.yaml, then check with "
        f"`envoy --mode validate -c {place.rstrip('/')}/envoy.yaml`."
    )
