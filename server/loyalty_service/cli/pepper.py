"""The commands about the code peppers of a database."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.table import Table

from loyalty_service.bootstrap import database_of
from loyalty_service.cli.running import operator, run, with_store
from loyalty_service.cli.settings import current_database, known_peppers, read_settings
from loyalty_service.cli.terminal import confirm, err, out, print_table
from loyalty_service.cli.texts import Why
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.peppers import check_of, name_of
from loyalty_service.storage.alone import require_stopped
from loyalty_service.storage.connections import require_database
from loyalty_service.storage.peppers import (
    accept,
    forget,
    kept_peppers,
    require_known,
    require_retired,
    unknown_among,
)
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools.reseal import reseal

pepper = typer.Typer(help="Code peppers of the database.", no_args_is_help=True)


@pepper.command("list")
def list_peppers_command() -> None:
    """List the code peppers that the database was served with, and which are known here."""
    settings = read_settings()
    kept = kept_peppers(current_database(settings))
    known = settings.known_peppers()
    unknown = kept if known is None else unknown_among(kept, known)
    table = Table("pepper", "known since", "in use since", "here", box=SIMPLE)
    for one in kept:
        used = "announced only" if one.current_ms is None else rfc3339(one.current_ms)
        here = "unknown" if one in unknown else "known"
        if known is not None and one.check_value == check_of(known.current):
            here = "current"
        table.add_row(one.name, rfc3339(one.known_ms), used, here)
    print_table(table, "No server has served the database yet.")
    names = {one.name: "" if one.current_ms else " (announced only)" for one in kept}
    own = [
        name + names.get(name, " (not yet the database's)")
        for name in (() if known is None else (name_of(check_of(one)) for one in known.known))
    ]
    out.print(f"Here: {', '.join(own) or 'none'}")


@pepper.command("rotate")
def rotate_pepper_command(*, reason: Why = "") -> None:
    """Make a new code pepper beside the embedded database; the next start uses it."""
    settings = read_settings()
    require_database(database_of(settings))
    made = settings.rotate_pepper()
    name, old = (name_of(check_of(one)) for one in made.known[:2])
    detail = json.dumps({"before": old, "after": name})
    rotated = Event(EventKind.PEPPER_ROTATED, None, subject=name, reason=reason, detail=detail)
    _note(rotated, "pepper rotate")
    out.print(f"Code pepper {name} is in {settings.pepper_file}; {old} is still known.")
    err.print(
        "Restart the server, run `loyalty pepper reseal`, take a backup, and keep both peppers in "
        f"another place. `loyalty pepper forget {old}` ends the old one when its receipts are old."
    )


@pepper.command("reseal")
def reseal_command(*, reason: Why = "") -> None:
    """Seal kept answers with the current code pepper, beside servers that know it."""
    settings = read_settings()
    database = current_database(settings)
    peppers = known_peppers(settings)
    require_known(database, peppers)
    done = reseal(database, peppers)
    name = name_of(check_of(peppers.current))
    counts = {"kept": done.kept, "resealed": done.resealed, "closed": done.closed}
    sealed = Event(
        EventKind.PEPPER_RESEALED, None, subject=name, reason=reason, detail=json.dumps(counts)
    )
    _note(sealed, "pepper reseal")
    out.print(f"{done.kept:,} answers are kept: {done.resealed:,} were sealed again with {name}.")
    if done.closed:
        raise OperatorError(
            f"{done.closed:,} answers can't be opened by any pepper that is known here."
        )


@pepper.command("forget")
def forget_pepper_command(
    name: Annotated[str, typer.Argument(help="Its name in `loyalty pepper list`.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Forget without asking.")] = False,
    reason: Why = "",
) -> None:
    """Forget a retired code pepper: receipts given out under it are unknown from then on."""
    settings = read_settings()
    database = current_database(settings)
    peppers = known_peppers(settings)
    require_retired(database, name, peppers)
    question = f"Receipts that were given out under {name} will be unknown. Forget it?"
    if not yes:
        confirm(question)
    forgotten = forget(database, name, peppers)
    if settings.other_code_peppers is None:
        kept = [one for one in peppers.others if check_of(one) != forgotten.check_value]
        settings.keep_others(kept)
    _note(Event(EventKind.PEPPER_FORGOTTEN, None, subject=name, reason=reason), "pepper forget")
    out.print(f"The database no longer needs the code pepper {name}.")
    err.print("Remove it from every server, and keep it with the backups that it proves.")


@pepper.command("accept")
def accept_pepper_command(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Accept without asking.")] = False,
    reason: Why = "",
) -> None:
    """
    Make the code pepper set here the store's, where its own is lost: no server may run.

    Codes and receipts issued so far are unknown from then on, and kept answers can't be opened.
    """
    settings = read_settings()
    database = current_database(settings)
    peppers = known_peppers(settings)
    question = "Codes, receipts and kept answers made under another pepper are lost. Accept this?"
    if not yes:
        require_stopped(database)
        confirm(question)
    lost = accept(database, peppers)
    name = name_of(check_of(peppers.current))
    detail = json.dumps({"given_up": [one.name for one in lost]})
    accepted = Event(EventKind.PEPPER_ACCEPTED, None, subject=name, reason=reason, detail=detail)
    _note(accepted, "pepper accept")
    out.print(f"The database's code pepper is {name}.")
    if lost:
        err.print(f"Given up: {', '.join(one.name for one in lost)}.")


def _note(event: Event, command: str) -> None:
    """Keep who changed what the database knows of peppers, and why."""
    by = operator(command)

    async def note(store: Store) -> None:
        await store.write(lambda unit, now: unit.append(event, by, now))

    run(partial(with_store, note))
