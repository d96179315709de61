"""The commands that work on a whole database: schema, audit, repair, copies and backups."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from loyalty_service.bootstrap import database_of
from loyalty_service.cli.running import operator
from loyalty_service.cli.settings import database_of_option, read_settings
from loyalty_service.cli.terminal import confirm, err, out, progress
from loyalty_service.cli.texts import require_kept_reason
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.alone import require_stopped
from loyalty_service.storage.migrate import downgrade, is_older, migrate, steps
from loyalty_service.storage.tools.archive_file import audit_archive
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.backup import back_up
from loyalty_service.storage.tools.copy import copy_store
from loyalty_service.storage.tools.repair import NOT_DERIVED, propose, repair, why_refused
from loyalty_service.storage.tools.restore import PepperFit, restore


def migrate_command(
    to: Annotated[str, typer.Option(help="Revision; an older one goes back.")] = "head",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Go back even if that deletes data.")] = False,
) -> None:
    """Bring the database to this version's schema, or back to an older one."""
    database = database_of(read_settings())
    back = is_older(database, to)
    before, after = downgrade(database, to, lose_data=yes) if back else migrate(database, to)
    for step in steps(before, after):
        out.print(f"{'Took back' if back else 'Applied'} {step}")
    if before == after:
        out.print(f"The database has schema {after} already.")
    else:
        out.print(f"The database went from schema {before or 'none'} to {after}.")


def audit_command(
    since: Annotated[
        str | None,
        typer.Option(help="Number of a checkpoint, or `last`: what came after it, in minutes."),
    ] = None,
    archive: Annotated[
        Path | None, typer.Option(help="Audit this file of archived transfers instead.")
    ] = None,
    *,
    alone: Annotated[
        bool, typer.Option("--alone", help="Do not compare the archive with the database.")
    ] = False,
) -> None:
    """Compute every balance and hash chain again from the transfers; exit with 1 if one differs."""
    settings = read_settings()
    number = None if since is None else _checkpoint_number(since)
    if archive is not None and number is not None:
        raise typer.BadParameter("can't go with --archive", param_hint="--since")
    peppers = settings.known_peppers()
    database = database_of(settings)
    started = time.perf_counter()
    with progress() as report:
        if archive is None:
            findings = audit(database, report, peppers, since=number)
        else:
            findings = audit_archive(archive, peppers, report, None if alone else database)
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
        if archive is None or table in findings.rows
    )
    out.print(f"Audited {counts} in {seconds:.1f} s: {verdict}.")
    if (platform := database.platform) is not None:
        out.print(
            f"Commits rest on {platform} ({platform.title}), as LOYALTY_DURABILITY says: "
            f"{' and '.join(sorted(platform.makes_up_for))} of PostgreSQL need not be on."
        )
    if not findings.all_hold:
        raise typer.Exit(1)


def _checkpoint_number(told: str) -> int:
    """Read which checkpoint an audit is to begin at; 0 is the last one."""
    if told == "last":
        return 0
    if not told.isdecimal() or int(told) == 0:
        raise typer.BadParameter("must be `last`, or the number of a checkpoint")
    return int(told)


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
    """Compute balances and counts again from the transfers; show what differs, or repair it."""
    database = database_of(read_settings())
    if apply:
        require_kept_reason(reason)
    with progress() as report:
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
        raise OperatorError(f"`--apply` would be refused: {why_refused(proposal.left)}.")
    if not apply or not proposal.mends:
        err.print(
            "Nothing was changed. Stop the servers, then `loyalty repair --apply --reason '...'`."
            if proposal.mends
            else f"{NOT_DERIVED}."
        )
        raise typer.Exit(1)
    if not yes:
        require_stopped(database)
        confirm("Apply?")
    with progress() as report:
        mended = repair(database, reason, report, operator("repair"))
    out.print(f"Repaired {len(mended.mends):,} rows; the audit holds.")


def copy_command(
    source: Annotated[str, typer.Option("--from", help="sqlite:///... or postgresql://...")],
    target: Annotated[str, typer.Option("--to", help="An empty database of either kind.")],
) -> None:
    """Copy a whole database into an empty one, all or nothing, and audit the copy."""
    started = time.perf_counter()
    with progress() as report:
        findings = copy_store(
            database_of_option("--from", source), database_of_option("--to", target), report
        )
    seconds = time.perf_counter() - started
    for table, rows in findings.rows.items():
        out.print(f"  {table}: {rows:,} rows")
    out.print(f"Copied {findings.rows.total():,} rows in {seconds:.1f} s; the copy's audit holds.")
    err.print(
        "Take the code pepper along: with another LOYALTY_CODE_PEPPER, no code or receipt "
        "issued so far is known. Beside an embedded database it is the file code-pepper."
    )


def backup_command(
    file: Annotated[Path, typer.Argument(help="File to write; its folder must exist.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Replace an older backup.")] = False,
) -> None:
    """Save the whole database into one file while servers run, and audit what was saved."""
    settings = read_settings()
    peppers = settings.known_peppers()
    started = time.perf_counter()
    with progress() as report:
        saved = back_up(
            database_of(settings), file, peppers, report, replace=force, data_dir=settings.data_dir
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
        else "There is no code pepper here to prove the backup with: `loyalty restore` will accept "
        "it only with --unproved."
    )


def restore_command(
    file: Annotated[Path, typer.Argument(help="What `loyalty backup` wrote.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="DELETE what the database has now.")
    ] = False,
    unproved: Annotated[
        bool, typer.Option("--unproved", help="Accept rows that no code pepper proves.")
    ] = False,
) -> None:
    """Bring a backup into the database, audited, all or nothing; no server may run meanwhile."""
    settings = read_settings()
    database = database_of(settings)
    started = time.perf_counter()
    with progress() as report:
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
    """Say whether the peppers here are those of the database that was restored."""
    if not fit.in_use:
        return "The code pepper can't be checked: bring the database's own."
    if fit.missing:
        return (
            f"The database's code pepper is {', '.join(fit.missing)}, which is NOT here: no server "
            "starts without it. Bring it before you serve."
        )
    if fit.current in fit.in_use:
        return "The code pepper here is the database's."
    told = f"The database's code pepper, {', '.join(fit.in_use)}, is one of the others here."
    if fit.announced:
        told += f" The current one, {fit.current}, is announced in it: servers start with it."
    return told
