"""Enroll a guest in a program."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import date

from server.application.idempotency import Done
from server.application.limits import require_one_more
from server.application.reads import NOTHING, Reads
from server.application.unit import Unit
from server.domain.errors import FieldViolation, RequestInvalidError
from server.domain.keys import ApiKey
from server.domain.ledger import GENESIS, Account, AccountKind
from server.domain.limits import LIMITS, LimitName, key_scope
from server.domain.records import Member

_ENROLMENTS = LIMITS[LimitName.ENROLMENTS_PER_KEY_MINUTE]


@dataclass(frozen=True, slots=True)
class EnrollMember:
    """The guest as the app describes them."""

    key: ApiKey
    name: str
    email: str | None
    locale: str | None
    birth_date: str | None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return NOTHING


def enroll_member(unit: Unit, command: EnrollMember, now_ms: int) -> Done[Member]:
    """
    Enroll a guest with no points.

    Raises:
        RequestInvalidError: The day of birth is no day of the calendar.
        LimitExceededError: The key has enrolled as many as it may in a minute.
    """
    if command.birth_date is not None:
        _require_day("birth_date", command.birth_date)
    key = command.key
    scope = key_scope(key.key_id)
    program = unit.catalog.programs[key.program_id]
    require_one_more(unit, program, _ENROLMENTS, scope, now_ms)
    # Scanned as it stands, a loyalty ID is a credential: all of it is random.
    member = new_member(key.program_id, str(uuid.uuid4()), command.name, now_ms)
    member.email = command.email
    member.locale = command.locale
    member.birth_date = command.birth_date
    unit.add_member(member)
    unit.count(_ENROLMENTS, scope, 1, now_ms)
    return Done(member)


def new_member(program_id: str, loyalty_id: str, name: str, created_ms: int) -> Member:
    """Make a member without points, who has no numbers until the unit of work keeps them."""
    return Member(
        number=0,
        program_id=program_id,
        loyalty_id=loyalty_id,
        name=name,
        email=None,
        locale=None,
        birth_date=None,
        created_ms=created_ms,
        available=Account(0, AccountKind.AVAILABLE, 0, 0, GENESIS),
        held=Account(0, AccountKind.HELD, 0, 0, GENESIS),
    )


def _require_day(field: str, text: str) -> None:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise RequestInvalidError(
            (FieldViolation(field, "must be a day of the calendar, as YYYY-MM-DD"),)
        ) from None
