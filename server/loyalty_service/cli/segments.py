"""The command that puts a member into segments."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from loyalty_service.application.operators.set_segments import SetSegments, set_segments
from loyalty_service.application.perform import Answer, Run, perform
from loyalty_service.cli.running import operator, run, with_store
from loyalty_service.cli.terminal import out
from loyalty_service.cli.texts import kept_text
from loyalty_service.domain.records import Member
from loyalty_service.domain.restrictions import SEGMENT_FORM
from loyalty_service.storage.store import Store


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
