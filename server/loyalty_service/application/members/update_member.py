"""Change what is known of a member."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from loyalty_service.application.find_member import find_member
from loyalty_service.application.members.enroll_member import (
    Details,
    checked,
    folded_email,
)
from loyalty_service.application.members.identifiers import plain_card, require_free
from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import EmailTakenError, FieldViolation, RequestInvalidError
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.member_terms import MemberEmail
from loyalty_service.domain.records import Member


@dataclass(frozen=True, slots=True)
class UpdateMember:
    """
    Whose details to change, and to what.

    Attributes:
        given: New values by field; empty where there is to be none any more.
        reason: Why, for the events; it may be empty.
    """

    program_id: str
    loyalty_id: str
    given: tuple[tuple[str, str], ...]
    reason: str = ""

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(members=((self.program_id, self.loyalty_id.lower()),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.loyalty_id.lower(), [list(one) for one in self.given]


FORMS: Mapping[str, re.Pattern[str]] = {
    "email": re.compile(r"[^@\x00-\x20\x7f-\x9f]+@[^@\x00-\x20\x7f-\x9f]+"),
    "phone": re.compile(r"\+[1-9][0-9]{6,14}"),
    "card": re.compile(r"[0-9A-Za-z]{1,64}"),
}
"""The forms of values, where they are not empty."""


def require_details(given: Mapping[str, str]) -> None:
    """
    Check the forms of values that no contract has checked.

    Raises:
        RequestInvalidError: One is not of its form.
    """
    wrong = [
        FieldViolation(field, f"must be of the form {FORMS[field].pattern}, or empty")
        for field, value in given.items()
        if value and field in FORMS and not FORMS[field].fullmatch(value)
    ]
    if wrong:
        raise RequestInvalidError(tuple(wrong))


def update_member(unit: Unit, command: UpdateMember, now_ms: int) -> Done[Member]:
    """
    Change what was given, and tell in an event which fields changed, without their values.

    Raises:
        MemberNotFoundError: No member has this loyalty ID, or was erased.
        RequestInvalidError: A value is none that an enrolment takes.
        EmailTakenError: Another member has the e-mail address, and the program refuses that.
        IdentifierTakenError: Another member has the phone number or card, as above.
    """
    program = unit.catalog.programs[command.program_id]
    member = find_member(unit, program.program_id, command.loyalty_id)
    wanted = {name: value or None for name, value in command.given}
    if "card" in wanted:
        wanted["card"] = plain_card(wanted["card"])
    checked(program, Details(wanted.get("locale"), wanted.get("birth_date")), now_ms)
    changes = {name: value for name, value in wanted.items() if getattr(member, name) != value}
    if not changes:
        return Done(member)
    require_free(unit, program, changes, but=member.number)
    if "email" in changes:
        _move_email(unit, member, changes["email"], shared=program.shared_email == "take")
    unit.change_member(member, **changes)
    event = Event(
        EventKind.MEMBER_UPDATED,
        program.program_id,
        member,
        reason=command.reason,
        detail=json.dumps(sorted(changes)),
    )
    return Done(member, events=(event,))


def _move_email(unit: Unit, member: Member, email: str | None, *, shared: bool) -> None:
    """
    Let a member have another address, and others the one that it had.

    Raises:
        EmailTakenError: Another member has it, and they may not share it.
    """
    before, after = folded_email(member.email or ""), folded_email(email or "")
    if before == after:
        return
    first = unit.member_email(member.program_id, after) if after else None
    own = {member.number, *member.others}
    if first is not None and first.member_number not in own and not shared:
        raise EmailTakenError
    if before:
        unit.forget_email(member, before)
    if after and first is None:
        unit.add(MemberEmail(member.program_id, after, member.number))
