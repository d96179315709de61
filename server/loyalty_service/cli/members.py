"""The commands about one member: everything that is kept, and its erasure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from loyalty_service.application.members.block_member import BlockMember, block_member
from loyalty_service.application.members.erase_member import EraseMember, erase_member
from loyalty_service.application.members.export_member import (
    PAGE_SIZE_MAX,
    ExportMember,
    Part,
    export_member,
)
from loyalty_service.application.members.merge_members import MergeMembers, merge_members
from loyalty_service.application.members.unmerge_members import UnmergeMembers, unmerge_members
from loyalty_service.application.members.update_member import (
    UpdateMember,
    require_details,
    update_member,
)
from loyalty_service.application.operators.create_key import ProgramUnknownError
from loyalty_service.application.perform import Run, UseCase, perform
from loyalty_service.bootstrap import database_of
from loyalty_service.cli.grants import LoyaltyId, Reason
from loyalty_service.cli.promo_codes import ProgramId
from loyalty_service.cli.running import operator, run, with_store
from loyalty_service.cli.settings import read_settings
from loyalty_service.cli.terminal import confirm, err, out
from loyalty_service.cli.texts import text_or_none
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.clock import now_ms, rfc3339
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.peppers import require_known
from loyalty_service.storage.store import Store
from loyalty_service.sweeper import take_out_names

R = TypeVar("R")

members = typer.Typer(
    help="Members: changes, blocks, merging two, all that is kept, and erasing one.",
    no_args_is_help=True,
)

SINGLE = frozenset({Part.MEMBER, Part.GOALS})
"""What there is one of."""


@members.command("export")
def export_command(
    program_id: ProgramId,
    loyalty_id: LoyaltyId,
    *,
    file: Annotated[
        Path | None, typer.Option("--to", help="File to write; else it is printed.", dir_okay=False)
    ] = None,
    all_events: Annotated[
        bool,
        typer.Option(
            "--all-events", help="Look at every event kept, for those of codes and orders too."
        ),
    ] = False,
) -> None:
    """Write everything that is kept about a member as one JSON."""
    document = run(partial(with_store, partial(_export, program_id, loyalty_id, all_events)))
    text = json.dumps(document, ensure_ascii=False, indent=2)
    if file is None:
        # As it is: what the terminal's printer leaves out would be missing from the export.
        typer.echo(text)
        return
    try:
        # Never into one that is there, which somebody else may have made to read or to redirect it.
        file.touch(mode=0o600, exist_ok=False)
        file.write_text(f"{text}\n", encoding="utf-8")
    except FileExistsError:
        raise OperatorError(f"{file} exists already: nothing was written") from None
    except OSError as problem:
        raise OperatorError(f"{file} can't be written: {problem.strerror}") from None
    err.print(f"{file} has everything that is kept about {loyalty_id.lower()}.")


async def _export(
    program_id: str, loyalty_id: str, all_events: bool, store: Store
) -> dict[str, Any]:
    if program_id not in store.catalog.programs:
        raise ProgramUnknownError(program_id)
    document: dict[str, Any] = {"exportedTime": rfc3339(now_ms()), "programId": program_id}
    token = ""
    while True:
        command = ExportMember(program_id, loyalty_id, PAGE_SIZE_MAX, token, all_events)
        async with store.read() as reader:
            page = await export_member(reader, command)
        for record in page.records:
            _put(document, record.kind, record.values)
        token = page.next_page_token
        if not token:
            return document


def _put(document: dict[str, Any], part: Part, values: Mapping[str, Any]) -> None:
    if part in SINGLE:
        document[part.value] = values
    else:
        document.setdefault(part.value, []).append(values)


@members.command("update")
def update_command(
    program_id: ProgramId,
    loyalty_id: LoyaltyId,
    *,
    reason: Reason,
    name: Annotated[str | None, typer.Option(help="New name.", callback=text_or_none)] = None,
    email: Annotated[str | None, typer.Option(help='New address, or "" for none.')] = None,
    phone: Annotated[str | None, typer.Option(help='As +14165550123, or "" for none.')] = None,
    birth_date: Annotated[str | None, typer.Option(help='YYYY-MM-DD, or "" for none.')] = None,
    locale: Annotated[str | None, typer.Option(help='As fr-CA, or "" for none.')] = None,
    card: Annotated[str | None, typer.Option(help='Number of the card, or "" for none.')] = None,
) -> None:
    """Change what is known of a member: what is given, and nothing else."""
    values = {"email": email, "phone": phone, "birth_date": birth_date, "locale": locale}
    given = {"name": name, **values, "card": card}
    wanted = {field: value for field, value in given.items() if value is not None}
    if not wanted:
        raise typer.BadParameter("give at least one value to change")
    require_details(wanted)
    command = UpdateMember(program_id, loyalty_id, tuple(wanted.items()), reason)
    done = _done("members update", update_member, command)
    out.print(f"{done.name} was changed: {', '.join(wanted)}.")


@members.command("block")
def block_command(
    program_id: ProgramId,
    loyalty_id: LoyaltyId,
    *,
    reason: Reason,
    earn: Annotated[bool, typer.Option("--earn", help="Orders and receipts earn nothing.")] = False,
    redeem: Annotated[bool, typer.Option("--redeem", help="No rewards and offers.")] = False,
) -> None:
    """Keep a member from earning, from redeeming, or from both, in place of an earlier block."""
    blocked = Blocked(Blocked.EARN * earn | Blocked.REDEEM * redeem)
    if not blocked:
        raise typer.BadParameter("give --earn, --redeem or both; `unblock` lifts a block")
    done = _done(
        "members block", block_member, BlockMember(program_id, loyalty_id, blocked, reason)
    )
    out.print(f"{done.name} is blocked: {done.kept_from.word}.")


@members.command("unblock")
def unblock_command(program_id: ProgramId, loyalty_id: LoyaltyId, *, reason: Reason) -> None:
    """Let a member earn and redeem again."""
    command = BlockMember(program_id, loyalty_id, Blocked.NOTHING, reason)
    done = _done("members unblock", block_member, command)
    out.print(f"{done.name} may earn and redeem.")


Merged = Annotated[str, typer.Argument(metavar="MERGED_ID", help="Their other loyalty ID.")]


@members.command("merge")
def merge_command(
    program_id: ProgramId, loyalty_id: LoyaltyId, merged_id: Merged, *, reason: Reason
) -> None:
    """Merge a guest's other account into the one that goes on."""
    command = MergeMembers(program_id, loyalty_id, merged_id, reason)
    done = _done("members merge", merge_members, command)
    out.print(
        f"{done.member.name} has {done.member.spendable} points to spend. "
        f"{done.other.loyalty_id} leads to them; `unmerge` parts them until "
        f"{rfc3339(done.merge.until_ms)}."
    )


@members.command("unmerge")
def unmerge_command(
    program_id: ProgramId, loyalty_id: LoyaltyId, merged_id: Merged, *, reason: Reason
) -> None:
    """Part two accounts again that were merged by mistake."""
    command = UnmergeMembers(program_id, loyalty_id, merged_id, reason)
    done = _done("members unmerge", unmerge_members, command)
    out.print(
        f"{done.other.loyalty_id} has {done.other.spendable} points to spend, and "
        f"{done.member.loyalty_id} {done.member.spendable}."
    )


def _done(
    name: str,
    use_case: UseCase[R],
    command: BlockMember | MergeMembers | UnmergeMembers | UpdateMember,
) -> R:
    """Run a use case about members; return what it comes to."""

    async def work(store: Store) -> R:
        if command.program_id not in store.catalog.programs:
            raise ProgramUnknownError(command.program_id)
        asked = Run(use_case, command, by=operator(name))
        answer = await store.write(partial(perform, run=asked), reads=command.reads())
        done: R = answer.result
        return done

    return run(partial(with_store, work))


@members.command("erase")
def erase_command(
    program_id: ProgramId,
    loyalty_id: LoyaltyId,
    *,
    reason: Reason,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take all that names a member out of the database, for good."""
    run(partial(with_store, partial(_erase, EraseMember(program_id, loyalty_id, reason), yes)))


async def _erase(command: EraseMember, yes: bool, store: Store) -> None:
    settings = read_settings()
    if (peppers := settings.known_peppers()) is None:
        raise OperatorError(
            "Names in kept answers are encrypted: set LOYALTY_CODE_PEPPER to the servers' code "
            "pepper."
        )
    require_known(database_of(settings), peppers)
    if command.program_id not in store.catalog.programs:
        raise ProgramUnknownError(command.program_id)
    if not yes:
        async with store.read() as reader:
            member = await reader.member(command.program_id, command.loyalty_id.lower())
        name = "This member" if member is None else member.name
        confirm(f"{name} can't be brought back. Erase?")
    # What older versions kept has names in it until a server has looked through it all.
    await take_out_names(store)
    work = Run(erase_member, command, by=operator("members erase"))
    answer = await store.write(partial(perform, run=work), reads=command.reads())
    out.print(f"{command.loyalty_id.lower()} was erased {rfc3339(answer.result.erased_ms)}.")
    if not await store.rewrite():
        raise OperatorError(
            "The database's file may still hold the name in free parts: others hold it, or it is "
            "too large to be written again beside them. Run this again; of a file beyond 1 GiB, "
            "run VACUUM in a quiet hour."
        )
    if not store.embedded:
        err.print("Older row versions stay in PostgreSQL's files until they are vacuumed.")
    err.print("Backups from before still have the name: keep no longer than you must.")
