"""Issue a one-time code for a member, with the incentives selected in the app."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from loyalty_service.application.limits import require_one_more
from loyalty_service.application.meaning import Read
from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain import clock
from loyalty_service.domain.codes import new_code
from loyalty_service.domain.errors import (
    FieldViolation,
    MemberNotFoundError,
    RequestInvalidError,
    ServerBusyError,
)
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.limits import LIMITS, LimitName, key_scope, member_scope
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Code, CodeStatus

ATTEMPTS_MAX = 50
"""Codes tried before giving up; even with 900,000 of the million live, 50 nearly always do."""

_CODES_OF_MEMBER = LIMITS[LimitName.CODES_PER_MEMBER_MINUTE]
_CODES_OF_KEY = LIMITS[LimitName.CODES_PER_KEY_MINUTE]


@dataclass(frozen=True, slots=True)
class IssueCode:
    """The member, and the selection as pairs of incentive ID and quantity."""

    key: ApiKey
    loyalty_id: str
    selection: tuple[tuple[str, int], ...]
    user_datetime: str | None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        now_ms = clock.now_ms()
        return Reads(
            members=((self.key.program_id, self.loyalty_id.lower()),),
            counts=((key_scope(self.key.key_id), _CODES_OF_KEY.since_ms(now_ms)),),
            counts_of_members=((self.key.partner, _CODES_OF_MEMBER.since_ms(now_ms)),),
        )

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.loyalty_id.lower(), self.selection


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """The code's record, and its digits, which are kept at most in a sealed answer."""

    code: Code
    digits: str


def issue_code(unit: Unit, command: IssueCode, now_ms: int) -> Done[IssuedCode]:
    """
    Issue a code; the member's earlier one stops working.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        RequestInvalidError: The selection names what the program does not offer.
        LimitExceededError: The partner for the member, or the key, had its codes of the minute.
        ServerBusyError: Nearly all codes are live.
    """
    program = unit.catalog.programs[command.key.program_id]
    loyalty_id = command.loyalty_id.lower()
    member = unit.member(program.program_id, loyalty_id)
    if member is None:
        raise MemberNotFoundError(loyalty_id)
    selection = _selection_json(program, command)
    counts = (
        # By partner, or one that is not the guest's could use up what the guest's app may have.
        (_CODES_OF_MEMBER, member_scope(member.number, command.key.partner)),
        (_CODES_OF_KEY, key_scope(command.key.key_id)),
    )
    for limit, scope in counts:
        require_one_more(unit, program, limit, scope, now_ms)
    digits, digest, earlier = _free_code(unit, program, now_ms)
    events = []
    for code in unit.pending_codes(member):
        unit.change(code, status=CodeStatus.REPLACED, updated_ms=now_ms)
        events.append(
            Event(
                EventKind.CODE_REPLACED,
                program.program_id,
                member,
                before=CodeStatus.PENDING,
                after=CodeStatus.REPLACED,
            )
        )
    if earlier is not None and earlier.status is CodeStatus.PENDING:
        events.append(expired(earlier))  # The sweeper has not come yet, and will not find it.
    code = Code(
        program_id=program.program_id,
        digest=digest,
        member_number=member.number,
        loyalty_id=loyalty_id,
        status=CodeStatus.PENDING,
        selection=selection,
        lifetime_s=program.code_lifetime_s,
        user_datetime=command.user_datetime,
        created_ms=now_ms,
        updated_ms=now_ms,
        expires_ms=now_ms + program.code_lifetime_s * 1000,
        partner=command.key.partner,
    )
    unit.put_code(code, earlier)
    for limit, scope in counts:
        unit.count(limit, scope, 1, now_ms)
    issued = Event(EventKind.CODE_ISSUED, program.program_id, member, after=CodeStatus.PENDING)
    return Done(IssuedCode(code, digits), events=(*events, issued))


def expired(code: Code) -> Event:
    """Tell of a code whose time went by before a till used it."""
    return Event(
        EventKind.CODE_EXPIRED,
        code.program_id,
        member_number=code.member_number,
        before=CodeStatus.PENDING,
        after=CodeStatus.EXPIRED,
    )


def _selection_json(program: Program, command: IssueCode) -> str:
    violations = []
    selection = {}
    for index, (incentive_id, quantity) in enumerate(command.selection):
        place = f"order[{index}].incentive_id"
        incentive = program.find_incentive(incentive_id, None)
        if incentive is None or incentive.retired:
            violations.append(FieldViolation(place, "must name an incentive of the program"))
        elif incentive.incentive_id in selection:
            violations.append(FieldViolation(place, "must name each incentive once"))
        else:
            name = incentive.incentive_id
            selection[name] = (incentive.kind, name, quantity)
    if violations:
        raise RequestInvalidError(tuple(violations))
    return json.dumps(list(selection.values()), separators=(",", ":"))


def _free_code(unit: Unit, program: Program, now_ms: int) -> tuple[str, bytes, Code | None]:
    """Draw codes until one is neither live nor of late; its old record, if any, is reused."""
    for _ in range(ATTEMPTS_MAX):
        digits = new_code()
        digest = unit.code_digest(program.program_id, digits)
        earlier = unit.code(program.program_id, digest)
        if earlier is None or earlier.expires_ms <= now_ms:
            return digits, digest, earlier
    raise ServerBusyError
