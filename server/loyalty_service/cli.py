"""The command line: arguments, what is printed, and exit codes."""

from __future__ import annotations

import asyncio
import errno
import getpass
import os
import re
import shlex
import signal
import sys
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import uvloop
from pydantic import ValidationError
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TaskID
from rich.table import Table
from rich.text import Text

from loyalty_service.application.operators.adjust_points import AdjustPoints, adjust_points
from loyalty_service.application.operators.apply_program import (
    ApplyProgram,
    ProgramMovedError,
    apply_program,
)
from loyalty_service.application.operators.create_key import (
    CreatedKey,
    CreateKey,
    ProgramUnknownError,
    create_key,
)
from loyalty_service.application.operators.forgive_codes import ForgiveCodes, forgive_codes
from loyalty_service.application.operators.revoke_key import RevokeKey, revoke_key
from loyalty_service.application.operators.rotate_key import (
    KeyUnknownError,
    RotateKey,
    RotationOpenError,
    rotate_key,
)
from loyalty_service.application.perform import KEY_FORM, Answer, Run, perform, plain_key
from loyalty_service.bootstrap import (
    configure_logging,
    open_certificates,
    open_existing_store,
    open_store,
    require_addresses,
    serve,
)
from loyalty_service.config import Settings, require_known_variables
from loyalty_service.domain.clock import now_ms, rfc3339
from loyalty_service.domain.errors import (
    AmountBeyondLimitError,
    DeadlinePassedError,
    LimitExceededError,
    LoyaltyError,
    StorageUnavailableError,
)
from loyalty_service.domain.events import Actor, ActorKind
from loyalty_service.domain.guessing import Scope, ScopeKind
from loyalty_service.domain.keys import Role
from loyalty_service.domain.peppers import Peppers, check_of, name_of
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member
from loyalty_service.program_file.changes import Change, ProgramChangeError, program_changes
from loyalty_service.program_file.document import parse_program, program_file_error
from loyalty_service.program_file.source import ProgramFileError, render_mistakes
from loyalty_service.sandbox.demo_visit import DemoFailedError, play_demo
from loyalty_service.sandbox.run import reset_sandbox, run_sandbox
from loyalty_service.storage.alone import OpenElsewhereError, require_stopped
from loyalty_service.storage.connections import require_database
from loyalty_service.storage.databases import Database, UnreachableError, is_absent
from loyalty_service.storage.durability import UnsafeDatabaseError
from loyalty_service.storage.migrate import (
    DataLossError,
    SchemaError,
    downgrade,
    is_older,
    migrate,
    require_current,
    steps,
)
from loyalty_service.storage.peppers import (
    PepperError,
    accept,
    forget,
    kept_peppers,
    require_known,
    require_retired,
    reseal,
    unknown_among,
)
from loyalty_service.storage.seal import SealError
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools.audit import Report, audit
from loyalty_service.storage.tools.backup import BackupError, PepperFit, back_up, restore
from loyalty_service.storage.tools.copy import CopyError, copy_store
from loyalty_service.storage.tools.repair import (
    NOT_DERIVED,
    RepairError,
    propose,
    repair,
    why_refused,
)
from loyalty_service.transport.addresses import authority
from loyalty_service.transport.errors.rendering import message_of
from loyalty_service.workers import Workers

T = TypeVar("T")

app = typer.Typer(
    help="A loyalty service that tills and kiosks can trust with points.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(help="API keys of partners.", no_args_is_help=True)
app.add_typer(keys, name="keys")
pepper = typer.Typer(help="Code peppers of the store.", no_args_is_help=True)
app.add_typer(pepper, name="pepper")

# What members and partners are called is printed as it is, brackets and colons too.
out = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
err = Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
# Wider than any row: one that does not fit is for the terminal to wrap, not to be cut short.
tables = Console(width=4096, soft_wrap=True, highlight=False, markup=False, emoji=False)

MISTAKES_SHOWN_MAX = 50
KEPT_TEXT_MAX = 256

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class CommandError(Exception):
    """Raised to end a command with a message for the person at the terminal."""


@app.command("serve")
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
    settings = _settings()
    if allow_data_loss:
        settings = settings.model_copy(update={"allow_data_loss": True})
    configure_logging(settings)
    if workers == 1:
        _run(partial(_serve, settings))
        return
    if settings.database().embedded:
        raise CommandError(
            "SQLite has one writer: --workers needs LOYALTY_DATABASE_URL=postgresql://..."
        )
    if not settings.grpc_port:
        raise CommandError("--workers needs a LOYALTY_GRPC_PORT to share, not 0.")
    peppers = settings.peppers()
    open_certificates(settings)
    # Sharing would hide that another service holds the port.
    require_addresses(settings, workers)
    require_current(settings.database())
    require_known(settings.database(), peppers)
    settings.database().require_durable()
    err.print(f"gRPC on {authority(settings.grpc_host, settings.grpc_port)} by {workers} workers")
    _run(partial(_until_signal, Workers(settings, workers).run))


@app.command("sandbox")
def sandbox_command(
    *,
    reset: Annotated[
        bool, typer.Option("--reset", help="Delete the sandbox's store instead of serving it.")
    ] = False,
) -> None:
    """Serve the demo program over gRPC and, through Envoy, JSON; prints calls to paste."""
    settings = _settings()
    if reset:
        deleted = reset_sandbox(settings)
        out.print("There was nothing to delete." if deleted is None else f"Deleted {deleted}.")
        return
    configure_logging(settings)
    _run(partial(_until_signal, partial(run_sandbox, settings, out)))


@app.command("demo")
def demo_command(
    http: Annotated[
        str, typer.Option(help="Address of Envoy; the settings' unless given.", metavar="HOST:PORT")
    ] = "",
    grpc: Annotated[
        str, typer.Option(help="Address of gRPC; the settings' unless given.", metavar="HOST:PORT")
    ] = "",
) -> None:
    """Play a guest's whole visit on a running sandbox, through both doors, and print it."""
    settings = _settings()
    try:
        play_demo(
            http or f"127.0.0.1:{settings.http_port}",
            grpc or authority(settings.grpc_host, settings.grpc_port),
            Console(soft_wrap=True, highlight=False),
        )
    except DemoFailedError as problem:
        raise CommandError(str(problem)) from None


@app.command("migrate")
def migrate_command(
    to: Annotated[str, typer.Option(help="Revision; an older one goes back.")] = "head",
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Go back even where data is deleted by it.")
    ] = False,
) -> None:
    """Bring the database to the schema this version speaks, or back to an older one."""
    database = _settings().database()
    back = is_older(database, to)
    before, after = downgrade(database, to, lose_data=yes) if back else migrate(database, to)
    for step in steps(before, after):
        out.print(f"{'Took back' if back else 'Applied'} {step}")
    if before == after:
        out.print(f"The database has schema {after} already.")
    else:
        out.print(f"The database went from schema {before or 'none'} to {after}.")


@app.command("audit")
def audit_command() -> None:
    """Derive every balance and chain again from the transfers; exits with 1 when one differs."""
    started = time.perf_counter()
    with _progress() as report:
        findings = audit(_settings().database(), report)
    seconds = time.perf_counter() - started
    if not findings.all_hold:
        out.print(f"First bad row: {findings.problems[0]}.")
        for problem in findings.problems[1:]:
            out.print(f"  {problem}.")
        hidden = findings.problem_count - len(findings.problems)
        if hidden:
            out.print(f"  and {hidden:,} more.")
    verdict = f"{findings.problem_count:,} bad rows" if findings.problem_count else "all holds"
    counts = ", ".join(
        f"{findings.rows[table]:,} {plural}"
        for table, plural in (
            ("transfer", "transfers"),
            ("account", "accounts"),
            ("loyalty_transaction", "transactions"),
        )
    )
    out.print(f"Audited {counts} in {seconds:.1f} s: {verdict}.")
    if not findings.all_hold:
        raise typer.Exit(1)


@app.command("repair")
def repair_command(
    *,
    apply: Annotated[
        bool, typer.Option("--apply", help="Change the rows; no server may run meanwhile.")
    ] = False,
    reason: Annotated[
        str, typer.Option(help="Why, to be kept with the change; needed to apply it.")
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Apply without asking.")] = False,
) -> None:
    """Derive balances and counts again from the transfers; shows what differs, or mends it."""
    database = _settings().database()
    if apply:
        _kept_reason(reason)
    with _progress() as report:
        proposal = propose(database, report)
    for mend in proposal.mends:
        out.print(f"{mend}.")
    found = proposal.findings
    if found.all_hold and not proposal.mends:
        out.print("The audit holds: there is nothing to repair.")
        return
    out.print(
        f"The audit finds {found.problem_count:,} bad rows; "
        f"{len(proposal.mends):,} can be derived again."
    )
    if proposal.mends and not proposal.left.all_hold:
        raise CommandError(f"`--apply` would be refused: {why_refused(proposal.left)}.")
    if not apply or not proposal.mends:
        err.print(
            "Nothing was changed. Stop the servers, then `loyalty repair --apply --reason '...'`."
            if proposal.mends
            else f"{NOT_DERIVED}."
        )
        raise typer.Exit(1)
    if not yes:
        require_stopped(database)
        _confirm("Apply?")
    with _progress() as report:
        mended = repair(database, reason, report, _operator("repair"))
    out.print(f"Mended {len(mended.mends):,} rows; the audit holds.")


@app.command("copy")
def copy_command(
    source: Annotated[str, typer.Option("--from", help="sqlite:///... or postgresql://...")],
    target: Annotated[str, typer.Option("--to", help="An empty database of either kind.")],
) -> None:
    """Copy a whole store into an empty database, all or nothing, and audit the copy."""
    started = time.perf_counter()
    with _progress() as report:
        findings = copy_store(_database("--from", source), _database("--to", target), report)
    seconds = time.perf_counter() - started
    for table, rows in findings.rows.items():
        out.print(f"  {table}: {rows:,} rows")
    out.print(f"Copied {findings.rows.total():,} rows in {seconds:.1f} s; the copy's audit holds.")
    err.print(
        "Carry the code pepper along: with another LOYALTY_CODE_PEPPER, no code or receipt "
        "issued so far is known. Beside an embedded database it is the file code-pepper."
    )


@app.command("backup")
def backup_command(
    file: Annotated[Path, typer.Argument(help="File to write; its folder must be there.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Write over an older backup.")] = False,
) -> None:
    """Save the whole store beside a running server into one file, and audit what was saved."""
    settings = _settings()
    peppers = settings.known_peppers()
    started = time.perf_counter()
    with _progress() as report:
        saved = back_up(
            settings.database(), file, peppers, report, replace=force, data_dir=settings.data_dir
        )
    seconds = time.perf_counter() - started
    newest = f"the newest of {rfc3339(saved.newest_ms)}" if saved.newest_transfer else "none yet"
    out.print(
        f"Saved {saved.rows.total():,} rows, {saved.rows['transfer']:,} of them transfers, "
        f"{newest} (number {saved.newest_transfer})."
    )
    out.print(f"{file}: {saved.size / 1e6:,.1f} MB in {seconds:.1f} s; its audit holds.")
    place = "LOYALTY_CODE_PEPPER" if settings.code_pepper else settings.data_dir / "code-pepper"
    err.print(
        f"Keep the code pepper too, in another place than the backup: {place}. "
        "`loyalty restore` proves the rows with it."
        if peppers
        else "There is no code pepper here to prove the backup with: `loyalty restore` will take "
        "it only with --unproved."
    )


@app.command("restore")
def restore_command(
    file: Annotated[Path, typer.Argument(help="What `loyalty backup` wrote.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="DELETE what the database has now.")
    ] = False,
    unproved: Annotated[
        bool, typer.Option("--unproved", help="Take rows that no code pepper proves.")
    ] = False,
) -> None:
    """Bring a backup into the database, audited, all or nothing; no server may run meanwhile."""
    settings = _settings()
    database = settings.database()
    started = time.perf_counter()
    with _progress() as report:
        restored = restore(
            file, database, settings.known_peppers(), report, replace=replace, unproved=unproved
        )
    seconds = time.perf_counter() - started
    saved = restored.saved
    for step in steps(*restored.migrated):
        out.print(f"Applied {step}")
    newest = rfc3339(saved.newest_ms) if saved.newest_transfer else "never"
    out.print(
        f"Restored {saved.rows.total():,} rows in {seconds:.1f} s; the audit holds. "
        f"Points last moved: {newest}."
    )
    out.print(_told(restored.peppers))
    if restored.proved_by is None:
        err.print(
            "NOT PROVED: whoever could write this file may have changed any row. Look at `loyalty "
            "keys list`, at the programs and at the balances before you serve."
        )
    else:
        out.print(f"The rows are those that were saved: proved with {restored.proved_by}.")
    err.print("API keys revoked after the backup are live again: revoke them before serving.")


def _told(fit: PepperFit) -> str:
    """Word how the peppers here stand to those of a store that was restored."""
    if not fit.in_use:
        return "There is nothing to check the code pepper by: bring the store's."
    if fit.missing:
        return (
            f"The store's code pepper is {', '.join(fit.missing)}, which is NOT here: no server "
            "starts without it. Bring it before you serve."
        )
    if fit.current in fit.in_use:
        return "The code pepper here is the store's."
    told = f"The store's code pepper, {', '.join(fit.in_use)}, is one of the others here."
    if fit.announced:
        told += f" The current one, {fit.current}, is announced in it: servers start with it."
    return told


@app.command("apply")
def apply_command(
    file: Annotated[Path, typer.Argument(help="Program file; see docs/program-file.md.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Apply without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what changes.")] = False,
) -> None:
    """Check a program file, show what it would change, and apply it in one transaction."""
    text = _read(file)
    program = parse_program(text, file.name)
    try:
        _run(partial(_apply, program, yes=yes, dry_run=dry_run))
    except ProgramChangeError as problem:
        raise program_file_error(text, file.name, problem.refusals) from None


def _kept_text(text: str) -> str:
    """Refuse what nobody could read who later asks why or whose."""
    if not text.strip() or len(text) > KEPT_TEXT_MAX or _UNPRINTABLE.search(text):
        raise typer.BadParameter(
            f"must be 1 to {KEPT_TEXT_MAX} characters, not blank and without control characters"
        )
    return text


def _kept_reason(text: str) -> None:
    try:
        _kept_text(text)
    except typer.BadParameter as problem:
        raise typer.BadParameter(problem.message, param_hint="--reason") from None


@app.command("adjust")
def adjust_command(
    program_id: Annotated[str, typer.Argument(help="Program, for instance demo-ca.")],
    loyalty_id: Annotated[str, typer.Argument(help="The member's loyalty ID.")],
    points: Annotated[int, typer.Argument(help="Points to give; below 0 to take.")],
    reason: Annotated[str, typer.Option(help="Why, for the ledger.", callback=_kept_text)],
    key: Annotated[
        str | None,
        typer.Option(
            help="Idempotency key: with the same one the points move once. Made unless given."
        ),
    ] = None,
    *,
    beyond_limits: Annotated[
        bool,
        typer.Option(
            "--beyond-limits", help="Give more than the program's limits allow; see `limits`."
        ),
    ] = False,
) -> None:
    """Give a member points, or take some: -- before a number below 0."""
    key = str(uuid.uuid4()) if key is None else plain_key(key)
    if not KEY_FORM.fullmatch(key):
        raise typer.BadParameter(
            "must be 1 to 255 printable ASCII characters, not all blank", param_hint="--key"
        )
    more = ("--beyond-limits",) if beyond_limits else ()
    command = AdjustPoints(program_id, loyalty_id.lower(), points, reason, beyond_limits)

    async def adjust(store: Store) -> None:
        settings = _settings()
        if (peppers := settings.known_peppers()) is None:
            raise CommandError("The outcome is kept sealed: set LOYALTY_CODE_PEPPER, the servers'.")
        require_known(settings.database(), peppers)
        run = Run(
            adjust_points, command, _adjusted, keyed=command.keyed(key), by=_operator("adjust")
        )
        # Told before anything happens: whoever loses the outcome can still ask for it.
        err.print(f"Idempotency key: {key}")
        answer: Answer = await store.write(partial(perform, run=run), reads=command.reads())
        out.print(answer.body.decode())
        if answer.repeated:
            err.print("That was the outcome the first time: no points moved again.")

    try:
        _run(partial(_with_store, adjust))
    except (AmountBeyondLimitError, LimitExceededError) as problem:
        raise CommandError(
            f"{message_of(problem)}. Nothing was changed: --beyond-limits gives it all the same."
        ) from None
    except (DeadlinePassedError, StorageUnavailableError):
        again = ("--key", key, "--reason", reason, *more, "--", program_id, loyalty_id, str(points))
        raise CommandError(
            "The database did not answer in time: the points may have moved, or may still. Run "
            f"`{shlex.join(('loyalty', 'adjust', *again))}`: with this key they move once."
        ) from None


def _operator(command: str) -> Actor:
    """Name who runs a command, as far as the machine knows."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # A container may run as a user without a name.
        name = str(os.getuid())
    return Actor(ActorKind.OPERATOR, name, command)


def _adjusted(member: Member) -> bytes:
    return f"{member.name} now has {member.available.balance} points available.".encode()


@keys.command("create")
def create_key_command(
    program_id: Annotated[str, typer.Argument(help="Program, for instance demo-ca.")],
    partner: Annotated[
        str, typer.Argument(help="Vendor that will hold the key.", callback=_kept_text)
    ],
    role: Annotated[Role, typer.Option(help="What the key is for.")],
    store: Annotated[
        list[int] | None, typer.Option(help="Limit the key to a store; may be repeated.")
    ] = None,
) -> None:
    """Create an API key and print its secret, which is not kept and can't be shown again."""
    command = CreateKey(program_id, partner, role, frozenset(store or ()))

    async def create(opened: Store) -> None:
        run = Run(create_key, command, by=_operator("keys create"))
        made = await opened.write(partial(perform, run=run))
        created: CreatedKey = made.result
        err.print(f"Key {created.key.key_id} for {partner}. Its secret, shown this once:")
        out.print(created.secret)

    _run(partial(_with_store, create))


@keys.command("rotate")
def rotate_key_command(
    key_id: Annotated[str, typer.Argument(help="The key's name in `loyalty keys list`.")],
) -> None:
    """Create a second key like this one: hand it over, then revoke this one."""

    async def rotate(opened: Store) -> None:
        try:
            run = Run(rotate_key, RotateKey(key_id), by=_operator("keys rotate"))
            made = await opened.write(partial(perform, run=run))
        except KeyUnknownError:
            raise CommandError(f"No live key is called {key_id}.") from None
        except RotationOpenError as problem:
            raise CommandError(
                f"{' and '.join(problem.args)} are live already: revoke the older one first."
            ) from None
        created: CreatedKey = made.result
        err.print(
            f"Key {created.key.key_id} for {created.key.partner}. Its secret, shown this once:"
        )
        out.print(created.secret)
        err.print(f"Hand it over, then `loyalty keys revoke {key_id}`.")

    _run(partial(_with_store, rotate))


@keys.command("list")
def list_keys_command() -> None:
    """List the keys, without their secrets."""

    async def show(store: Store) -> None:
        async with store.read() as reader:
            entries = await reader.api_keys()
        table = Table("key", "program", "partner", "role", "stores", "state", box=SIMPLE)
        for entry in entries:
            stores = ", ".join(map(str, entry.stores)) or "all"
            state = "revoked" if entry.revoked_ms else "live"
            since = rfc3339(entry.revoked_ms or entry.created_ms)[:10]
            table.add_row(
                entry.key_id,
                entry.program_id,
                entry.partner,
                entry.role,
                stores,
                f"{state} since {since}",
            )
        _print_table(table, "There are no keys.")

    _run(partial(_with_store, show))


@keys.command("revoke")
def revoke_key_command(
    key_id: Annotated[str, typer.Argument(help="The key's name in `loyalty keys list`.")],
) -> None:
    """Make a key useless for good: on all servers within 5 seconds, ordinarily within one."""

    async def revoke(store: Store) -> None:
        try:
            run = Run(revoke_key, RevokeKey(key_id), by=_operator("keys revoke"))
            await store.write(partial(perform, run=run))
        except KeyUnknownError:
            raise CommandError(f"No live key is called {key_id}.") from None
        out.print(f"Key {key_id} is revoked.")

    _run(partial(_with_store, revoke))


@pepper.command("list")
def list_peppers_command() -> None:
    """List the code peppers that the store was served with, and which of them are known here."""
    settings = _settings()
    kept = kept_peppers(_current_database(settings))
    known = settings.known_peppers()
    unknown = kept if known is None else unknown_among(kept, known)
    table = Table("pepper", "known since", "in use since", "here", box=SIMPLE)
    for one in kept:
        used = "announced only" if one.current_ms is None else rfc3339(one.current_ms)
        here = "unknown" if one in unknown else "known"
        if known is not None and one.check_value == check_of(known.current):
            here = "current"
        table.add_row(one.name, rfc3339(one.known_ms), used, here)
    _print_table(table, "No server has served the store yet.")
    names = {one.name: "" if one.current_ms else " (announced only)" for one in kept}
    own = [
        name + names.get(name, " (not yet the store's)")
        for name in (() if known is None else (name_of(check_of(one)) for one in known.known))
    ]
    out.print(f"Here: {', '.join(own) or 'none'}")


@pepper.command("rotate")
def rotate_pepper_command() -> None:
    """Make a new code pepper beside the embedded database; the next start takes it up."""
    settings = _settings()
    require_database(settings.database())
    made = settings.rotate_pepper()
    name, old = (name_of(check_of(one)) for one in made.known[:2])
    out.print(f"Code pepper {name} is in {settings.pepper_file}; {old} is still known.")
    err.print(
        "Restart the server, run `loyalty pepper reseal`, take a backup, and keep both peppers in "
        f"another place. `loyalty pepper forget {old}` ends the old one when its receipts are old."
    )


@pepper.command("reseal")
def reseal_command() -> None:
    """Seal kept answers with the current code pepper, beside servers that know it."""
    settings = _settings()
    database = _current_database(settings)
    peppers = _known_peppers(settings)
    require_known(database, peppers)
    done = reseal(database, peppers)
    out.print(
        f"{done.kept:,} answers are kept: {done.resealed:,} were sealed again with "
        f"{name_of(check_of(peppers.current))}."
    )
    if done.closed:
        raise CommandError(f"{done.closed:,} answers are opened by no pepper that is known here.")


@pepper.command("forget")
def forget_pepper_command(
    name: Annotated[str, typer.Argument(help="Its name in `loyalty pepper list`.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Forget without asking.")] = False,
) -> None:
    """Let the store do without a retired code pepper: its receipts are unknown from then on."""
    settings = _settings()
    database = _current_database(settings)
    peppers = _known_peppers(settings)
    require_retired(database, name, peppers)
    question = f"Receipts that were given out under {name} will be unknown. Forget it?"
    if not yes:
        _confirm(question)
    forgotten = forget(database, name, peppers)
    if settings.other_code_peppers is None:
        kept = [one for one in peppers.others if check_of(one) != forgotten.check_value]
        settings.keep_others(kept)
    out.print(f"The store does without the code pepper {name}.")
    err.print("Take it away from every server, and keep it with the backups that it proves.")


@pepper.command("accept")
def accept_pepper_command(
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Accept without asking.")] = False,
) -> None:
    """
    Make the code pepper set here the store's, where its own is lost: no server may run.

    Codes and receipts issued so far are unknown from then on, and kept answers can't be opened.
    """
    settings = _settings()
    database = _current_database(settings)
    peppers = _known_peppers(settings)
    question = "Codes, receipts and kept answers made under another pepper are lost. Accept this?"
    if not yes:
        require_stopped(database)
        _confirm(question)
    lost = accept(database, peppers)
    out.print(f"The store's code pepper is {name_of(check_of(peppers.current))}.")
    if lost:
        err.print(f"Given up: {', '.join(one.name for one in lost)}.")


def _confirm(question: str) -> None:
    if not typer.confirm(question, err=True):
        raise CommandError("Nothing was changed.")


def _current_database(settings: Settings) -> Database:
    """Give a database that is there and has this version's schema."""
    database = settings.database()
    require_database(database)
    require_current(database)
    return database


def _known_peppers(settings: Settings) -> Peppers:
    peppers = settings.known_peppers()
    if peppers is None:
        raise CommandError(
            f"There is no code pepper: set LOYALTY_CODE_PEPPER, or bring {settings.pepper_file}."
        )
    return peppers


@app.command("guesses")
def guesses_command(
    forgive: Annotated[
        str, typer.Option(help="Let this key show codes again.", metavar="KEY")
    ] = "",
) -> None:
    """
    List who must wait because of too many wrong codes, or end the waits of a key.

    While a store or a key waits, terminals go on where regulars, members of a month with a paid
    order, earned more wrong codes than were shown there.
    """

    async def show(store: Store) -> None:
        if forgive:
            async with store.read() as reader:
                known = {entry.key_id for entry in await reader.api_keys()}
            if forgive not in known:
                raise CommandError(f"No key is called {forgive}: `loyalty keys list` names them.")
            run = Run(forgive_codes, ForgiveCodes(forgive), by=_operator("guesses"))
            ended = (await store.write(partial(perform, run=run))).result
            out.print(f"{ended} waits of key {forgive} ended.")
            return
        async with store.read() as reader:
            told = await reader.code_refusals()
        # Of keys, those whose wait is over are kept for a day.
        found = [refusal for refusal in told if refusal.until_ms > now_ms()]
        table = Table("key", "store", "terminals", "wrong", "right", "until", box=SIMPLE)
        for refusal in found:
            scope, tally = refusal.scope, refusal.tally
            place = "all" if scope.store_id is None else str(scope.store_id)
            table.add_row(
                scope.key_id,
                place,
                _waiting_terminals(scope),
                str(tally.failed),
                str(tally.matched),
                f"{rfc3339(refusal.until_ms)[:19]}Z",
            )
        _print_table(table, "Nobody must wait.")

    _run(partial(_with_store, show))


def _waiting_terminals(scope: Scope) -> str:
    """Name the terminals at which no code is looked at while a scope waits."""
    if scope.kind is not ScopeKind.TERMINAL:
        return "all without regulars"
    return scope.terminal or "those without a name"


def _print_table(table: Table, empty: str) -> None:
    """Print every cell in full, also where the terminal is narrow or the output is piped."""
    if table.rows:
        tables.print(table)
    else:
        out.print(empty)


async def _serve(settings: Settings) -> None:
    # A loop's own handler would wait for the start, and a start waits for the database.
    signal.signal(signal.SIGTERM, _end_start)

    async with serve(settings) as running:
        stop = asyncio.Event()
        _stop_at_signal(stop)
        err.print(f"gRPC on {authority(settings.grpc_host, running.grpc_port)}")
        await stop.wait()


def _end_start(_number: int, _frame: object) -> None:
    """End a start that was not finished: nothing is served yet, so nothing need be waited for."""
    sys.exit(0)


def _stop_at_signal(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


async def _until_signal(run: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run something that ends by itself soon after the first SIGINT or SIGTERM."""
    stop = asyncio.Event()
    _stop_at_signal(stop)
    await run(stop)


async def _with_store(use: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
    """Use the store that is there: a typing error in a setting must not make another one."""
    async with open_existing_store(_settings()) as store:
        return await use(store)


async def _apply(program: Program, *, yes: bool, dry_run: bool) -> None:
    async def apply(store: Store) -> None:
        known = store.catalog.programs.get(program.program_id)
        changes = program_changes(known, program)
        _show(program, changes)
        if not changes or dry_run:
            return
        if not yes:
            _confirm("Apply?")
        command = ApplyProgram(program, changes)
        run = Run(apply_program, command, by=_operator("apply"))
        await store.write(partial(perform, run=run))
        out.print(f"Applied to {program.program_id}.")

    if not dry_run:
        # The first program of a new store is what it begins with.
        async with open_store(_settings()) as store:
            await apply(store)
    elif is_absent(_settings().database()):
        _show(program, program_changes(None, program))
    else:
        await _with_store(apply)


def _show(program: Program, changes: tuple[Change, ...]) -> None:
    if not changes:
        out.print(f"{program.program_id} is as the file says: nothing to do.")
    signs = {"add": ("+", "green"), "change": ("~", "yellow")}
    for change in changes:
        sign, color = signs.get(change.kind, ("-", "red"))
        what = (f"{sign} {change.kind} {change.subject}", color)
        out.print(Text.assemble(what, f" {change.name}"))
        if change.kind == "change":
            for field in change.fields:
                out.print(f"    {field.field}: {field.old or '(none)'} -> {field.new or '(none)'}")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as problem:
        raise CommandError(f"{file}: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{file}: must be UTF-8 text.") from None


@contextmanager
def _progress() -> Iterator[Report]:
    """Draw a bar for each stage that is reported, on a terminal only."""
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bars:
        stages: dict[str, TaskID] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in stages:
                stages[stage] = bars.add_task(stage)
            bars.update(stages[stage], completed=done, total=total)

        yield report


def _database(option: str, text: str) -> Database:
    try:
        return Database.from_text(text)
    except ValueError as problem:
        raise CommandError(f"{option} {problem}.") from None


def _settings() -> Settings:
    require_known_variables(os.environ)
    return Settings()


def _run(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    return uvloop.run(start())


def _explain(problem: Exception) -> str | None:
    """Word what a person can mend; absent for a fault of ours."""
    words: str | None = None
    match problem:
        case ProgramFileError():
            lines = render_mistakes(problem, mistakes_max=MISTAKES_SHOWN_MAX, source=True)
            words = "\n".join(lines)
        case LoyaltyError():
            words = f"{message_of(problem)}."
        case ProgramMovedError():
            words = "Somebody else changed the program meanwhile: look again. Nothing was changed."
        case ProgramUnknownError():
            words = f"There is no program {problem}: `loyalty apply` brings one in."
        case ValidationError():
            words = "\n".join(
                f"LOYALTY_{'_'.join(map(str, error['loc'])).upper()}: "
                f"{error['msg'].removeprefix('Value error, ')}."
                for error in problem.errors()
            )
        case (
            CommandError()
            | SchemaError()
            | UnreachableError()
            | ValueError()
            | BackupError()
            | CopyError()
            | DataLossError()
            | OpenElsewhereError()
            | PepperError()
            | RepairError()
            | SealError()
            | UnsafeDatabaseError()
        ):
            words = str(problem)
        case OSError() if problem.errno == errno.EADDRINUSE:
            words = "A port is taken: set LOYALTY_GRPC_PORT or LOYALTY_METRICS_PORT to another."
        case OSError() if problem.filename:
            words = f"{problem.filename}: {problem.strerror}."
        case RuntimeError() if "bind" in str(problem).lower():
            words = f"The gRPC port is taken: set LOYALTY_GRPC_PORT to another. ({problem})"
    return words


def main() -> None:
    """Run the command line; exits with 1 when a command fails and 2 when it is misused."""
    try:
        app(prog_name="loyalty")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as problem:
        explanation = _explain(problem)
        if explanation is None:
            raise
        err.print(explanation)
        sys.exit(1)
