"""
The command line: which commands there are, and how one ends.

An operator's mistake is an `OperatorError`: its text is printed, and the exit code is 1, or 2 where
the command was misused. Whatever else ends a command is a fault of ours: a traceback tells it.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Annotated

import typer

from loyalty_service.cli.adjusting import adjust_command
from loyalty_service.cli.certify import certify
from loyalty_service.cli.console import console_command
from loyalty_service.cli.edge import envoy_config_command
from loyalty_service.cli.explanations import explain
from loyalty_service.cli.find import find
from loyalty_service.cli.grants import grants
from loyalty_service.cli.guesses import guesses_command
from loyalty_service.cli.health import health_command
from loyalty_service.cli.keys import keys
from loyalty_service.cli.members import members
from loyalty_service.cli.pepper import pepper
from loyalty_service.cli.programs import apply_command
from loyalty_service.cli.promo_codes import promo_codes
from loyalty_service.cli.report import report
from loyalty_service.cli.retention import archive_command, checkpoint_command, prune_command
from loyalty_service.cli.sandbox import demo_command, sandbox_commands
from loyalty_service.cli.segments import segments_command
from loyalty_service.cli.serving import serve_command
from loyalty_service.cli.show import show_command
from loyalty_service.cli.stores import (
    audit_command,
    backup_command,
    copy_command,
    migrate_command,
    repair_command,
    restore_command,
)
from loyalty_service.cli.terminal import err, out
from loyalty_service.cli.webhooks import webhooks
from loyalty_service.release import told_version

app = typer.Typer(
    help="A loyalty service that tills and kiosks can trust with points.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(sandbox_commands, name="sandbox")
app.add_typer(certify, name="certify")
app.add_typer(keys, name="keys")
app.add_typer(pepper, name="pepper")
app.add_typer(promo_codes, name="promo-codes")
app.add_typer(grants, name="grants")
app.add_typer(report, name="report")
app.add_typer(find, name="find")
app.add_typer(members, name="members")
app.add_typer(webhooks, name="webhooks")

# In the order that `loyalty --help` lists them in.
COMMANDS: dict[str, Callable[..., None]] = {
    "serve": serve_command,
    "console": console_command,
    "health": health_command,
    "demo": demo_command,
    "migrate": migrate_command,
    "audit": audit_command,
    "repair": repair_command,
    "copy": copy_command,
    "backup": backup_command,
    "restore": restore_command,
    "prune": prune_command,
    "checkpoint": checkpoint_command,
    "archive": archive_command,
    "envoy-config": envoy_config_command,
    "apply": apply_command,
    "show": show_command,
    "adjust": adjust_command,
    "segments": segments_command,
    "guesses": guesses_command,
}
for name, command in COMMANDS.items():
    app.command(name)(command)


def _tell_version(asked: bool) -> None:
    if asked:
        out.print(f"loyalty {told_version(of_checkout=True)}")
        raise typer.Exit


@app.callback()
def _every_command(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; exits with 1 when a command fails and 2 when it is misused."""
    try:
        app(prog_name="loyalty")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as problem:  # noqa: BLE001 - It is told, and ends the process.
        explanation = explain(problem)
        if explanation is None:
            traceback.print_exception(problem)
            explanation = (
                f"This is a fault in loyalty {told_version(of_checkout=True)} itself, "
                "not a mistake of yours: please report it with the lines above."
            )
        err.print(explanation)
        sys.exit(1)
