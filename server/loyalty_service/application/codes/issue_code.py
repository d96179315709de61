"""Issue a one-time code for a member, with the incentives selected in the app."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from loyalty_service.application.blocks import require_may
from loyalty_service.application.find_member import find_member
from loyalty_service.application.grant_names import granted_by
from loyalty_service.application.limits import (
    count_code_gone,
    key_scope,
    member_scope,
    partner_scope,
    require_one_more,
)
from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain import clock
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.codes import new_code
from loyalty_service.domain.errors import (
    FieldViolation,
    RequestInvalidError,
    ServerBusyError,
)
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.expiry import day_of
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.limits import LIMITS, Limit, LimitName
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Code, CodeStatus, Member

ATTEMPTS_MAX = 50
"""Codes tried before giving up; even with 900,000 of the million live, 50 nearly always do."""

_CODES_OF_MEMBER = LIMITS[LimitName.CODES_PER_MEMBER_MINUTE]
_CODES_OF_KEY = LIMITS[LimitName.CODES_PER_KEY_MINUTE]
_CODES_LIVE = LIMITS[LimitName.CODES_LIVE_PER_PARTNER]


class Selected(NamedTuple):
    """
    One selected incentive, as the app names it.

    Attributes:
        engine_id: Its name in the loyalty engine; empty where only the catalogue's is told.
    """

    incentive_id: str
    quantity: int
    engine_id: str = ""


@dataclass(frozen=True, slots=True)
class IssueCode:
    """
    The member, and the selection.

    Attributes:
        store_id: Store that the guest is in; absent where the app does not tell one of the program.
    """

    key: ApiKey
    loyalty_id: str
    selection: tuple[Selected, ...]
    user_datetime: str | None
    store_id: int | None = None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        now_ms = clock.now_ms()
        return Reads(
            members=((self.key.program_id, self.loyalty_id.lower()),),
            counts=tuple((scope, limit.since_ms(now_ms)) for limit, scope in _counts(self.key)),
            counts_of_members=((self.key.partner, _CODES_OF_MEMBER.since_ms(now_ms)),),
        )

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        # As this was first told: of an incentive without a name in the engine its other two.
        selection = [tuple(one) if one.engine_id else tuple(one[:2]) for one in self.selection]
        return self.loyalty_id.lower(), selection


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """The code's record, and its digits, which are kept at most in a sealed answer."""

    code: Code
    digits: str


def issue_code(unit: Unit, command: IssueCode, now_ms: int) -> Done[IssuedCode]:
    """
    Issue a code; the member's earlier one of the same partner stops working.

    Those of other partners go on: with a key of another partner a thief could else end, again and
    again, the code that the guest's own app shows.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        RequestInvalidError: The selection names what the program does not offer.
        LimitExceededError: The partner for the member, or the key, had its codes of the minute,
            or the partner has as many codes that no till has used as it may.
        ServerBusyError: Nearly all codes are live.
    """
    program = unit.catalog.programs[command.key.program_id]
    loyalty_id = command.loyalty_id.lower()
    member = find_member(unit, program.program_id, loyalty_id)
    require_may(member, Blocked.REDEEM if command.selection else Blocked.BOTH)
    today = day_of(now_ms, program.time_zone)
    selection = _selection_json(unit, program, member, command, today)
    counts = (
        # By partner, or one that is not the guest's could use up what the guest's app may have.
        (_CODES_OF_MEMBER, member_scope(member.number, command.key.partner)),
        *_counts(command.key),
    )
    replaced = [
        code for code in unit.pending_codes(member) if code.partner in {command.key.partner, None}
    ]
    renews = any(
        _CODES_LIVE.since_ms(code.created_ms) == _CODES_LIVE.since_ms(now_ms) for code in replaced
    )
    for limit, scope in counts:
        # A guest who asks for another code in place of the last adds none to those that are live.
        if not (renews and limit is _CODES_LIVE):
            require_one_more(unit, program, limit, scope, now_ms)
    digits, digest, earlier = _free_code(unit, program, now_ms)
    events = replace_codes(unit, member, replaced, now_ms)
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
        store_id=command.store_id,
        partner=command.key.partner,
    )
    unit.put_code(code, earlier)
    for limit, scope in counts:
        unit.count(limit, scope, 1, now_ms)
    issued = Event(EventKind.CODE_ISSUED, program.program_id, member, after=CodeStatus.PENDING)
    return Done(IssuedCode(code, digits), events=(*events, issued))


def replace_codes(unit: Unit, member: Member, codes: Sequence[Code], now_ms: int) -> list[Event]:
    """Have codes of a member that no till has used stop working; tell of each."""
    for code in codes:
        unit.change(code, status=CodeStatus.REPLACED, updated_ms=now_ms)
        count_code_gone(unit, code)
    gone = Event(
        EventKind.CODE_REPLACED,
        member.program_id,
        member,
        before=CodeStatus.PENDING,
        after=CodeStatus.REPLACED,
    )
    return [gone for _ in codes]


def _counts(key: ApiKey) -> Iterator[tuple[Limit, str]]:
    """Tell what is counted of a key's codes, whosever they are."""
    yield _CODES_OF_KEY, key_scope(key.key_id)
    # Every live code is one that a guest may mistype into.
    yield _CODES_LIVE, partner_scope(key.program_id, key.partner)


def expired(code: Code) -> Event:
    """Tell of a code whose time went by before a till used it."""
    return Event(
        EventKind.CODE_EXPIRED,
        code.program_id,
        member_number=code.member_number,
        before=CodeStatus.PENDING,
        after=CodeStatus.EXPIRED,
    )


def _selection_json(
    unit: Unit, program: Program, member: Member, command: IssueCode, today: date
) -> str:
    violations = []
    selection = {}
    for index, (incentive_id, quantity, engine_id) in enumerate(command.selection):
        place = f"order[{index}].incentive_id"
        # Where an incentive has no name in the engine, apps put the catalogue's there too.
        incentive = (
            program.find_incentive(incentive_id, engine_id)
            or program.find_incentive(engine_id, None)
            or granted_by(unit, program, engine_id, member, today)
        )
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
