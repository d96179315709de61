"""Put a member into segments: groups of members that rates and rules know."""

from __future__ import annotations

import json
from dataclasses import dataclass

from loyalty_service.application.find_member import find_member
from loyalty_service.application.operators.create_key import program_of
from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.records import Member


@dataclass(frozen=True, slots=True)
class SetSegments:
    """The member, and all segments that it is in from now on."""

    program_id: str
    loyalty_id: str
    segments: tuple[str, ...]
    reason: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(members=((self.program_id, self.loyalty_id),))


def set_segments(unit: Unit, command: SetSegments, _now_ms: int) -> Done[Member]:
    """
    Put a member into segments, and out of all others.

    Raises:
        ProgramUnknownError: No program of this name was applied.
        MemberNotFoundError: No member has this loyalty ID.
    """
    program = program_of(unit, command.program_id)
    member = find_member(unit, program.program_id, command.loyalty_id)
    segments = ",".join(sorted(set(command.segments))) or None
    if segments == member.segments:
        return Done(member)
    before = sorted(member.in_segments)
    unit.change_member(member, segments=segments)
    event = Event(
        EventKind.MEMBER_SEGMENTED,
        command.program_id,
        member,
        reason=command.reason,
        detail=json.dumps({"before": before, "after": sorted(member.in_segments)}),
    )
    return Done(member, events=(event,))
