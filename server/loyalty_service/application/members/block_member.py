"""Keep a member from earning, from redeeming or from both, and let it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.find_member import find_member
from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.records import Member


@dataclass(frozen=True, slots=True)
class BlockMember:
    """Whom to keep from what, in place of what was said before, and why; from nothing to lift."""

    program_id: str
    loyalty_id: str
    blocked: Blocked
    reason: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(members=((self.program_id, self.loyalty_id.lower()),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.loyalty_id.lower(), int(self.blocked)


def block_member(unit: Unit, command: BlockMember, now_ms: int) -> Done[Member]:
    """
    Block a member, or lift its block.

    Raises:
        MemberNotFoundError: No member has this loyalty ID, or was erased.
    """
    member = find_member(unit, command.program_id, command.loyalty_id)
    before, after = Blocked(member.blocked or 0), command.blocked
    if before == after and (after is Blocked.NOTHING or member.block_reason == command.reason):
        return Done(member)
    reason = command.reason if after else None
    unit.change_member(
        member,
        blocked=int(after) or None,
        block_reason=reason,
        blocked_ms=now_ms if after else None,
    )
    event = Event(
        EventKind.MEMBER_BLOCKED if after else EventKind.MEMBER_UNBLOCKED,
        member.program_id,
        member,
        before=int(before),
        after=int(after),
        reason=command.reason,
    )
    return Done(member, events=(event,))
