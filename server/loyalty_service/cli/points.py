"""The commands that give a member points, or take some, and that put it into segments."""

from __future__ import annotations

import shlex
import uuid
from functools import partial
from typing import Annotated

import typer

from loyalty_service.application.operators.adjust_points import AdjustPoints, adjust_points
from loyalty_service.application.operators.set_segments import SetSegments, set_segments
from loyalty_service.application.perform import KEY_FORM, Answer, Run, perform, plain_key
from loyalty_service.bootstrap import database_of
from loyalty_service.cli.running import operator, run, with_store
from loyalty_service.cli.settings import read_settings
from loyalty_service.cli.terminal import err, out
from loyalty_service.cli.texts import kept_text
from loyalty_service.domain.errors import (
    AmountBeyondLimitError,
    DeadlinePassedError,
    LimitExceededError,
    StorageUnavailableError,
)
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.records import Member
from loyalty_service.domain.restrictions import SEGMENT_FORM
from loyalty_service.storage.peppers import require_known
from loyalty_service.storage.store import Store
from loyalty_service.transport.errors.rendering import message_of
from loyalty_service.transport.persons import ADJUST, nameless


def adjust_command(
    program_id: Annotated[str, typer.Argument(help="Program, for instance demo-ca.")],
    loyalty_id: Annotated[str, typer.Argument(help="The member's loyalty ID.")],
    points: Annotated[int, typer.Argument(help="Points to give; below 0 to take.")],
    reason: Annotated[str, typer.Option(help="Why, for the ledger.", callback=kept_text)],
    key: Annotated[
        str | None,
        typer.Option(
            help="Idempotency key: under one key the points move once. Made if not given."
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
    try:
        run(partial(with_store, partial(_adjust, command=command, key=key)))
    except (AmountBeyondLimitError, LimitExceededError) as problem:
        raise OperatorError(
            f"{message_of(problem)}. Nothing was changed: --beyond-limits allows it."
        ) from None
    except (DeadlinePassedError, StorageUnavailableError):
        again = ("--key", key, "--reason", reason, *more, "--", program_id, loyalty_id, str(points))
        raise OperatorError(
            "The database did not answer in time: the points may have moved or still move. Run "
            f"`{shlex.join(('loyalty', 'adjust', *again))}`: with this key they move once."
        ) from None


def segments_command(
    program_id: Annotated[str, typer.Argument(help="Program, for instance demo-ca.")],
    loyalty_id: Annotated[str, typer.Argument(help="The member's loyalty ID.")],
    segments: Annotated[
        list[str] | None, typer.Argument(help="All segments that the member is in from now on.")
    ] = None,
    *,
    reason: Annotated[str, typer.Option(help="Why, for the events.", callback=kept_text)],
) -> None:
    """Put a member into segments, for rates and rules, and out of all others."""
    for name in segments or ():
        if not SEGMENT_FORM.fullmatch(name):
            raise typer.BadParameter(
                f"{name} must have lower-case letters and digits in groups joined by single dashes"
            )
    command = SetSegments(program_id, loyalty_id.lower(), tuple(segments or ()), reason)
    run(partial(with_store, partial(_segment, command=command)))


async def _segment(store: Store, command: SetSegments) -> None:
    work = Run(set_segments, command, _segmented, by=operator("segments"))
    answer: Answer = await store.write(partial(perform, run=work), reads=command.reads())
    out.print(answer.body.decode())


def _segmented(member: Member) -> bytes:
    told = ", ".join(member.in_segments) or "none"
    return f"{member.name} is in segments: {told}.".encode()


async def _adjust(store: Store, command: AdjustPoints, key: str) -> None:
    settings = read_settings()
    if (peppers := settings.known_peppers()) is None:
        raise OperatorError(
            "The outcome is kept encrypted: set LOYALTY_CODE_PEPPER to the servers' code pepper."
        )
    require_known(database_of(settings), peppers)
    work = Run(
        adjust_points,
        command,
        _adjusted,
        keyed=command.keyed(key),
        by=operator("adjust"),
        nameless=partial(nameless, ADJUST),
    )
    # Told before anything happens: whoever loses the outcome can still ask for it.
    err.print(f"Idempotency key: {key}")
    answer: Answer = await store.write(partial(perform, run=work), reads=command.reads())
    if not answer.repeated:
        out.print(answer.body.decode())
    else:
        async with store.read() as reader:
            member = await reader.member(command.program_id, command.loyalty_id)
        name = command.loyalty_id if member is None else member.name
        out.print(f"{name} {nameless(ADJUST, answer.body).decode()}")
        err.print("That was the outcome the first time: no points moved again.")


def _adjusted(member: Member) -> bytes:
    return f"{member.name} now has {member.spendable} points available.".encode()
