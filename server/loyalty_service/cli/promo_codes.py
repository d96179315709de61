"""The commands about promo codes."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.box import SIMPLE
from rich.table import Table

from loyalty_service.application.operators.create_key import ProgramUnknownError
from loyalty_service.application.operators.grants import IncentiveNotGrantedError
from loyalty_service.application.operators.promo_codes import (
    CreatePromoCodes,
    PromoCodeTakenError,
    PromoCodeUnusedError,
    ReleasePromoCode,
    create_promo_codes,
    release_promo_code,
)
from loyalty_service.application.perform import Run, perform
from loyalty_service.cli.running import operator, run, with_pepper, with_store
from loyalty_service.cli.terminal import err, out, print_table
from loyalty_service.cli.texts import Why, kept_text
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.errors import MemberNotFoundError, PromoCodeNotFoundError
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.program import Program
from loyalty_service.storage.store import Store

CODES_MAX = 10_000
POINTS_MAX = 1_000_000_000
USES_MAX = 1_000_000_000
GRANT_USES_MAX = 1_000
DAYS_MAX = 36_500
_FORM = re.compile("[A-Za-z0-9-]{4,32}")

promo_codes = typer.Typer(help="Promo codes that give points or incentives.", no_args_is_help=True)

ProgramId = Annotated[str, typer.Argument(help="Program, for instance demo-ca.")]


def day_from(text: str | None, option: str | None = None) -> date | None:
    """Read an option that is a day; its name is told where it is none."""
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("must be a day, as 2026-12-31", param_hint=option) from None


@promo_codes.command("create")
def create_promo_codes_command(
    program_id: ProgramId,
    label: Annotated[
        str, typer.Option(help="What you call these codes, for lists.", callback=kept_text)
    ],
    points: Annotated[
        int, typer.Option(help="Points that a code gives.", min=0, max=POINTS_MAX)
    ] = 0,
    incentive: Annotated[
        str | None,
        typer.Option(help="What it gives besides: an incentive that has the rule `granted`."),
    ] = None,
    uses: Annotated[
        int, typer.Option(help="How often that may be used.", min=1, max=GRANT_USES_MAX)
    ] = 1,
    days: Annotated[
        int | None, typer.Option(help="For how many days that is good.", min=1, max=DAYS_MAX)
    ] = None,
    code: Annotated[
        str | None, typer.Option(help="The code itself: 4 to 32 letters, digits and dashes.")
    ] = None,
    count: Annotated[
        int, typer.Option(help="How many codes to make at random.", min=1, max=CODES_MAX)
    ] = 1,
    most_uses: Annotated[
        int,
        typer.Option(help="How often each can be used by all members.", min=1, max=USES_MAX),
    ] = 1,
    per_member: Annotated[
        int,
        typer.Option(help="How often each can be used by one member.", min=1, max=USES_MAX),
    ] = 1,
    first_day: Annotated[
        str | None, typer.Option("--from", help="First day, in the program's time zone.")
    ] = None,
    last_day: Annotated[
        str | None, typer.Option("--until", help="Last day, in the program's time zone.")
    ] = None,
    store: Annotated[
        list[int] | None, typer.Option(help="Limit the codes to a store; may be repeated.")
    ] = None,
    reason: Why = "",
) -> None:
    """Create promo codes and print them: they are not kept and can't be shown again."""
    if code is not None and not _FORM.fullmatch(code):
        raise typer.BadParameter("must be 4 to 32 letters, digits and dashes", param_hint="--code")
    if code is not None and count > 1:
        raise typer.BadParameter("must be left out beside --code", param_hint="--count")
    if not points and incentive is None:
        raise typer.BadParameter("must be above 0 without --incentive", param_hint="--points")
    first, last = day_from(first_day), day_from(last_day)
    if first is not None and last is not None and last < first:
        raise typer.BadParameter("must not be before --from", param_hint="--until")
    gives = f"{points:,} points" if points else ""
    if incentive is not None:
        good = "for good" if days is None else f"for {days:,} days"
        gives += f"{' and ' if gives else ''}{incentive}, {uses:,} times, {good}"

    async def create(opened: Store) -> None:
        program = opened.catalog.programs.get(program_id)
        if program is None:
            raise ProgramUnknownError(program_id)
        command = CreatePromoCodes(
            program_id,
            label,
            ("",) * count if code is None else (code,),
            points,
            most_uses,
            per_member,
            _midnight(program, first),
            _midnight(program, None if last is None else last + timedelta(days=1)),
            frozenset(store or ()),
            incentive,
            uses if incentive else None,
            days if incentive else None,
            reason,
        )
        work = Run(create_promo_codes, command, by=operator("promo-codes create"))
        try:
            made = await opened.write(partial(perform, run=work))
        except PromoCodeTakenError as problem:
            raise OperatorError(f"There is a code {problem} already.") from None
        except IncentiveNotGrantedError as problem:
            raise OperatorError(
                f"{program_id} has no incentive {problem} with the rule granted."
            ) from None
        err.print(f"{len(made.result):,} codes of {gives}, shown this once:")
        out.print("\n".join(made.result))

    with_pepper(create)


@promo_codes.command("list")
def list_promo_codes_command(program_id: ProgramId) -> None:
    """List the promo codes of a program by their labels, without the codes."""

    async def show(store: Store) -> None:
        async with store.read() as reader:
            entries = await reader.promo_codes(program_id)
        table = Table("label", "codes", "points", "used", "of", "from", "until", box=SIMPLE)
        for entry in entries:
            begins, ends = (
                "" if time_ms is None else f"{rfc3339(time_ms)[:16]}Z"
                for time_ms in (entry.begins_ms, entry.ends_ms)
            )
            counts = (entry.codes, entry.points, entry.uses, entry.most_uses)
            table.add_row(entry.label, *(f"{count:,}" for count in counts), begins, ends)
        print_table(table, "There are no promo codes.")

    run(partial(with_store, show))


@promo_codes.command("release")
def release_promo_code_command(
    program_id: ProgramId,
    code: Annotated[str, typer.Argument(help="The code, as it was typed.")],
    loyalty_id: Annotated[str, typer.Argument(help="The member who used it.")],
    *,
    reason: Why = "",
) -> None:
    """Let a member use a code again. The points that it gave stay: see `loyalty adjust`."""
    command = ReleasePromoCode(program_id, code, loyalty_id.lower(), reason)

    async def release(opened: Store) -> None:
        work = Run(release_promo_code, command, by=operator("promo-codes release"))
        try:
            await opened.write(partial(perform, run=work), reads=command.reads())
        except MemberNotFoundError:
            raise OperatorError(f"{program_id} has no member {loyalty_id}.") from None
        except PromoCodeNotFoundError:
            raise OperatorError(f"{program_id} has no such code.") from None
        except PromoCodeUnusedError:
            raise OperatorError("The member has not used this code.") from None
        out.print("The member can use the code again.")

    with_pepper(release)


def _midnight(program: Program, day: date | None) -> int | None:
    """Give the moment at which a day begins in the program's time zone."""
    if day is None:
        return None
    zone = ZoneInfo(program.time_zone)
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp() * 1000)
