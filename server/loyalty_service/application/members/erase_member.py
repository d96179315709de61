"""Take out of the store all that names a member, and leave the points where they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.codes.issue_code import replace_codes
from loyalty_service.application.members.enroll_member import folded_email
from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import MemberNotFoundError
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.records import Member


@dataclass(frozen=True, slots=True)
class EraseMember:
    """Whom to erase, and why."""

    program_id: str
    loyalty_id: str
    reason: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(members=((self.program_id, self.loyalty_id.lower()),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return (self.loyalty_id.lower(),)


def erase_member(unit: Unit, command: EraseMember, now_ms: int) -> Done[Member]:
    """
    Erase a member for good; whoever was erased before stays as they are.

    Name, e-mail address, day of birth, language and segments go. Codes that no till has used stop
    working. Orders, points and grants stay, and tell of nobody any more; an open order goes on.
    Those who were merged into the member go with it.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
    """
    member = unit.member(command.program_id, command.loyalty_id.lower())
    if member is None:
        raise MemberNotFoundError(command.loyalty_id.lower())
    if member.erased_ms is not None:
        return Done(member)
    replaced = replace_codes(unit, member, unit.pending_codes(member), now_ms)
    for one in (member, *unit.merged_members(member)):
        unit.erase_member(one, folded_email(one.email or "") or None, now_ms)
    erased = Event(EventKind.MEMBER_ERASED, member.program_id, member, reason=command.reason)
    return Done(member, events=(*replaced, erased))


def take_names_out(unit: Unit, nameless: Any, limit: int) -> int:
    """
    Take members' names out of answers that an older version kept; return how many were left.

    *nameless* gives the form in which the answer of a method is kept.
    """
    found = unit.named_answers(limit)
    for scope, key, method, body in found:
        unit.keep_nameless(scope, key, None if body is None else nameless(method, body))
    return len(found)
