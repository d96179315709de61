"""Enroll a guest in a program."""

from __future__ import annotations

import unicodedata
import uuid
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from loyalty_service.application.grants import give_for
from loyalty_service.application.limits import (
    count_points,
    key_scope,
    require_one_more,
    require_points,
)
from loyalty_service.application.members.identifiers import plain_card, require_free
from loyalty_service.application.perform import Done
from loyalty_service.application.points import adjust
from loyalty_service.application.reads import NOTHING, Reads
from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.errors import (
    EmailTakenError,
    FieldViolation,
    IdentifierTakenError,
    RequestInvalidError,
)
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.grants import GivenOn
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.ledger import GENESIS, MEMBER_KINDS, Account
from loyalty_service.domain.limits import LIMITS, LimitName
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.member_terms import MemberEmail
from loyalty_service.domain.presentation import TEXTS
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member

_ENROLMENTS = LIMITS[LimitName.ENROLMENTS_PER_KEY_MINUTE]


INITIAL_POINTS = "initial points"
"""Why a new member has points: the note of the transfer."""


@dataclass(frozen=True, slots=True)
class EnrollMember:
    """The guest as the app describes them."""

    key: ApiKey
    name: str
    email: str | None
    locale: str | None
    birth_date: str | None
    phone: str | None = None
    card: str | None = None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return NOTHING

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        told = self.name, self.email, self.locale, self.birth_date
        # An enrolment without them means what it meant before there were any.
        return (*told, self.phone, plain_card(self.card)) if self.phone or self.card else told


def enroll_member(unit: Unit, command: EnrollMember, now_ms: int) -> Done[Member]:
    """
    Enroll a guest, with as many points as the program begins with.

    Raises:
        Refused: A member has the e-mail address already and the program refuses that, with
            `EmailTakenError`; or the phone number or card, with `IdentifierTakenError`. It counts
            as one more, or a key could ask for every address.
        RequestInvalidError: The day of birth is no day of the calendar, or is still to come and
            the program refuses that.
        LimitExceededError: The key has enrolled as many as it may in a minute, or members were
            given a day's worth of points by it.
        AmountBeyondLimitError: The program begins with more points than its orders may earn.
    """
    key = command.key
    scope = key_scope(key.key_id)
    program = unit.catalog.programs[key.program_id]
    checked(program, Details(command.locale, command.birth_date), now_ms)
    require_one_more(unit, program, _ENROLMENTS, scope, now_ms)
    email = folded_email(command.email or "")
    first = unit.member_email(program.program_id, email) if email else None
    if first is not None and program.shared_email == "refuse":
        unit.count(_ENROLMENTS, scope, 1, now_ms)
        raise Refused(EmailTakenError())
    card = plain_card(command.card)
    try:
        require_free(unit, program, {"phone": command.phone, "card": card})
    except IdentifierTakenError as taken:
        unit.count(_ENROLMENTS, scope, 1, now_ms)
        raise Refused(taken) from None
    # Scanned as it stands, a loyalty ID is a credential: all of it is random.
    member = new_member(key.program_id, str(uuid.uuid4()), command.name, now_ms)
    member.email = command.email
    member.locale = command.locale
    member.birth_date = command.birth_date
    member.phone = command.phone
    member.card = card
    initial = program.earning.initial_points
    if initial:
        require_points(unit, program, key, member, initial, now_ms)
    unit.add_member(member)
    if email and first is None:
        # Kept whatever the program says today, for it may say otherwise tomorrow. Of two that
        # enroll at once, the database lets one keep it, and the other runs again and meets it.
        unit.add(MemberEmail(program.program_id, email, member.number))
    unit.count(_ENROLMENTS, scope, 1, now_ms)
    events: tuple[Event, ...] = (enrolled(member),)
    if initial:
        adjust(unit, member, initial, INITIAL_POINTS, now_ms)
        count_points(unit, key, member, initial, now_ms)
        given = Event(EventKind.POINTS_ADJUSTED, program.program_id, member, reason=INITIAL_POINTS)
        events = (*events, given)
    events += give_for(unit, program, member, GivenOn.ENROLMENT, now_ms)
    return Done(member, events=events)


@dataclass(frozen=True, slots=True)
class Details:
    """What a program checks of a member besides the contract; absent where it is not told."""

    locale: str | None
    birth_date: str | None


def checked(program: Program, details: Details, now_ms: int) -> None:
    """
    Check what is told of a member.

    Raises:
        RequestInvalidError: The language is none that the program writes, or the day of birth is
            no day of the calendar, or is still to come and the program refuses that.
    """
    if details.locale is not None and details.locale not in _locales(program):
        words = f"must be one of {', '.join(sorted(_locales(program)))}"
        raise RequestInvalidError((FieldViolation("locale", words),))
    if details.birth_date is not None:
        born_on = _require_day(details.birth_date)
        if program.future_birth_date == "refuse" and born_on > _today(program, now_ms):
            raise _birth_date_invalid("must not be a day to come")


def enrolled(member: Member) -> Event:
    """Tell of a new member."""
    return Event(EventKind.MEMBER_ENROLLED, member.program_id, member)


def folded_email(email: str) -> str:
    """Write an e-mail address so that those of one mailbox are equal, whatever their case."""
    return unicodedata.normalize("NFC", email.strip().casefold())


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
        segments=None,
        accounts={kind: Account(0, kind, 0, 0, GENESIS) for kind in MEMBER_KINDS},
    )


def _locales(program: Program) -> frozenset[str]:
    """Give the languages that a member may prefer."""
    own = program.receipts.locales if program.receipts else frozenset()
    return own | set(TEXTS)


def _require_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _birth_date_invalid("must be a day of the calendar, as YYYY-MM-DD") from None


def _birth_date_invalid(message: str) -> RequestInvalidError:
    return RequestInvalidError((FieldViolation("birth_date", message),))


def _today(program: Program, now_ms: int) -> date:
    return datetime.fromtimestamp(now_ms / 1000, ZoneInfo(program.time_zone)).date()
