"""
The commands that try the service out: the sandbox, and a guest's visit to it.

What they run is imported when they run: a command that serves never loads it.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console

from loyalty_service.bootstrap import configure_logging
from loyalty_service.cli.running import run, until_signal
from loyalty_service.cli.settings import read_settings
from loyalty_service.cli.terminal import out
from loyalty_service.transport.addresses import authority

sandbox_commands = typer.Typer(
    help="Serve the demo program, or control the sandbox that runs.", invoke_without_command=True
)


@sandbox_commands.callback()
def sandbox_command(
    context: typer.Context,
    *,
    reset: Annotated[
        bool, typer.Option("--reset", help="Delete the sandbox's database instead of serving it.")
    ] = False,
) -> None:
    """Serve the demo program over gRPC and, through Envoy, JSON; prints calls to paste."""
    from loyalty_service.sandbox.run import run_sandbox

    if context.invoked_subcommand is not None:
        return
    settings = read_settings()
    if reset:
        _delete()
        return
    configure_logging(settings)
    run(partial(until_signal, partial(run_sandbox, settings, out)))


@sandbox_commands.command("reset")
def reset_command() -> None:
    """Bring the first day back: in the sandbox that runs, or for the next start."""
    from loyalty_service.sandbox.remote import NotRunningError, control

    try:
        told = control(read_settings(), "POST", "/reset")
    except NotRunningError:
        _delete()
    else:
        out.print(f"The first day is back: it is {told['now']}.")


@sandbox_commands.command("clock")
def clock_command(
    action: Annotated[
        str, typer.Argument(help="advance, to move the clock; without it the time is told.")
    ] = "",
    by: Annotated[str, typer.Argument(help="How far: 3d, 61h, 90m, 45s or 2d13h.")] = "",
) -> None:
    """Tell the time of the sandbox that runs, or move its clock forward: `clock advance 61h`."""
    from loyalty_service.sandbox.remote import control

    if action not in {"", "advance"} or bool(action) is not bool(by):
        raise typer.BadParameter("it is `clock`, or `clock advance 61h`")
    settings = read_settings()
    told: dict[str, Any] = (
        control(settings, "POST", "/clock", {"advance": by})
        if by
        else control(settings, "GET", "/clock")
    )
    out.print(f"It is {told['now']}, {told['ahead']} ahead of this machine.")
    if by:
        ended = told["ended"]
        out.print(f"Ended: {ended['transactions']} open orders, {ended['codes']} codes.")


def _delete() -> None:
    from loyalty_service.sandbox.demo_data import reset_sandbox

    deleted = reset_sandbox(read_settings())
    out.print("There was nothing to delete." if deleted is None else f"Deleted {deleted}.")


def demo_command(
    http: Annotated[
        str, typer.Option(help="Address of Envoy; the settings' unless given.", metavar="HOST:PORT")
    ] = "",
    grpc: Annotated[
        str, typer.Option(help="Address of gRPC; the settings' unless given.", metavar="HOST:PORT")
    ] = "",
) -> None:
    """Play whole visits on a running sandbox, through both doors and as an ES till."""
    from loyalty_service.sandbox.es_visit import play_visits

    settings = read_settings()
    play_visits(
        http or f"127.0.0.1:{settings.http_port}",
        grpc or authority(settings.grpc_host, settings.grpc_port),
        Console(soft_wrap=True, highlight=False),
    )
