"""The commands about grants: incentives that members are given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.table import Table

from loyalty_service.application.grants import due_grants
from loyalty_service.application.operators.create_key import ProgramUnknownError
from loyalty_service.application.operators.grants import (
    GiveGrants,
    GrantNotFoundError,
    IncentiveNotGrantedError,
    WithdrawGrant,
    give_grants,
    withdraw_grant,
)
from loyalty_service.application.perform import Run, perform
from loyalty_service.cli.promo_codes import ProgramId, day_from
from loyalty_service.cli.running import operator, run, with_store
from loyalty_service.cli.terminal import err, out, print_table
from loyalty_service.cli.texts import kept_text, text_or_none
from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.errors import MemberNotFoundError
from loyalty_service.domain.expiry import day_of
from loyalty_service.domain.grants import FOR_GOOD
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.store import Store

USES_MAX = 1_000
GRANTS_SHOWN_MAX = 500

grants = typer.Typer(help="Incentives that members are given.", no_args_is_help=True)

LoyaltyId = Annotated[str, typer.Argument(help="The member's loyalty ID.")]
Reason = Annotated[str, typer.Option(help="Why, for the events.", callback=kept_text)]


@grants.command("give")
def give_command(
    program_id: ProgramId,
    incentive_id: Annotated[str, typer.Argument(help="The incentive's id in the program file.")],
    loyalty_ids: Annotated[list[str], typer.Argument(help="The members' loyalty IDs.")],
    *,
    reason: Reason,
    origin: Annotated[
        str | None,
        typer.Option(
            "--for", help="What it is for: a member gets it once for this.", callback=text_or_none
        ),
    ] = None,
    uses: Annotated[int, typer.Option(help="How often each may use it.", min=1, max=USES_MAX)] = 1,
    first_day: Annotated[
        str | None, typer.Option("--from", help="First day; today if absent.")
    ] = None,
    last_day: Annotated[
        str | None, typer.Option("--until", help="Last day; none if absent.")
    ] = None,
    activate: Annotated[
        bool, typer.Option("--activate", help="The member has to activate it first.")
    ] = False,
) -> None:
    """Give members an incentive that has the rule `granted`: to all of them, or to none."""
    first, last = day_from(first_day), day_from(last_day)
    if first and last and last < first:
        raise typer.BadParameter("must not be before --from", param_hint="--until")
    command = GiveGrants(
        program_id,
        incentive_id,
        tuple(name.lower() for name in loyalty_ids),
        origin or new_id(now_ms()),
        reason,
        uses,
        first,
        last,
        activate,
    )
    given = _done("grants give", give_grants, command)
    err.print(f"{len(given):,} members have it:")
    for grant in given:
        out.print(grant.grant_id)


@grants.command("withdraw")
def withdraw_command(
    program_id: ProgramId,
    loyalty_id: LoyaltyId,
    grant_id: Annotated[str, typer.Argument(help="The grant, as `loyalty grants list` tells it.")],
    *,
    reason: Reason,
) -> None:
    """Take back what is left of a grant. What the program gives by itself comes again."""
    command = WithdrawGrant(program_id, loyalty_id.lower(), grant_id.lower(), reason)
    _done("grants withdraw", withdraw_grant, command)
    out.print("What was left of it is taken back.")


@grants.command("list")
def list_command(program_id: ProgramId, loyalty_id: LoyaltyId) -> None:
    """List what a member was given, and has by the calendar."""

    async def show(store: Store) -> None:
        program = store.catalog.programs.get(program_id)
        if program is None:
            raise ProgramUnknownError(program_id)
        async with store.read() as reader:
            member = await reader.member(program_id, loyalty_id.lower())
            if member is None:
                raise OperatorError(f"{program_id} has no member {loyalty_id}.")
            found = list(await reader.grants_of(member, GRANTS_SHOWN_MAX))
        now = store.clock.believed_ms(now_ms())
        today = day_of(now, program.time_zone)
        known = {grant.grant_id for grant in found}
        found += [
            due
            for due in due_grants(program, member, program.granted, today, now)
            if due.grant_id not in known
        ]
        table = Table(
            "grant", "incentive", "state", "used", "of", "from", "until", "for", box=SIMPLE
        )
        for grant in found:
            until = "" if grant.last_day == FOR_GOOD else grant.last_day
            counts = f"{grant.used:,}", f"{grant.uses:,}"
            told = (grant.grant_id, grant.incentive_id, grant.state(today).value, *counts)
            table.add_row(*told, grant.first_day, until, grant.origin)
        print_table(table, "The member was given nothing.")

    run(partial(with_store, show))


def _done(name: str, use_case: Callable[..., Any], command: GiveGrants | WithdrawGrant) -> Any:
    """Run what an operator wants, and word what keeps it from being done."""
    found: list[Any] = []

    async def do(store: Store) -> None:
        work = Run(use_case, command, by=operator(name))
        answer = await store.write(partial(perform, run=work), reads=command.reads())
        found.append(answer.result)

    try:
        run(partial(with_store, do))
    except MemberNotFoundError as problem:
        raise OperatorError(f"{command.program_id} has no member {problem.loyalty_id}.") from None
    except IncentiveNotGrantedError as problem:
        raise OperatorError(
            f"{command.program_id} has no incentive {problem} with the rule granted."
        ) from None
    except GrantNotFoundError as problem:
        raise OperatorError(f"The member has no grant {problem} with anything left.") from None
    return found[0]
