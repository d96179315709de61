"""Give members incentives on an operator's word, and take them back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from loyalty_service.application.grants import give, withdraw
from loyalty_service.application.operators.create_key import program_of
from loyalty_service.application.perform import Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import MemberNotFoundError
from loyalty_service.domain.events import Event
from loyalty_service.domain.expiry import day_of
from loyalty_service.domain.grants import Grant
from loyalty_service.domain.program import Program


class IncentiveNotGrantedError(Exception):
    """Raised when a program has no incentive of a name that is used by those who were given it."""


class GrantNotFoundError(Exception):
    """Raised when a member has no such grant, or nothing is left of it."""


@dataclass(frozen=True, slots=True)
class GiveGrants:
    """
    What to give, and to whom.

    Attributes:
        first_day: Today, in the program's place, where it is absent.
        last_day: Absent where it is good for good.
        origin: What it is for: each member gets it for this once.
        activate: Whether the member has to do that first.
    """

    program_id: str
    incentive_id: str
    loyalty_ids: tuple[str, ...]
    origin: str
    reason: str
    uses: int = 1
    first_day: date | None = None
    last_day: date | None = None
    activate: bool = False

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(members=tuple((self.program_id, name) for name in self.loyalty_ids))


@dataclass(frozen=True, slots=True)
class WithdrawGrant:
    """A grant of a member."""

    program_id: str
    loyalty_id: str
    grant_id: str
    reason: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(members=((self.program_id, self.loyalty_id),))


def give_grants(unit: Unit, command: GiveGrants, now_ms: int) -> Done[tuple[Grant, ...]]:
    """
    Give an incentive to members, or to none of them; who has it for the same gets nothing more.

    Raises:
        ProgramUnknownError: No program of this name was applied.
        IncentiveNotGrantedError: The program has no such incentive with the rule `granted`.
        MemberNotFoundError: No member has one of the loyalty IDs.
    """
    program = program_of(unit, command.program_id)
    require_granted(program, command.incentive_id)
    members = []
    for loyalty_id in sorted(set(command.loyalty_ids)):
        member = unit.member(program.program_id, loyalty_id)
        if member is None:
            raise MemberNotFoundError(loyalty_id)
        members.append(member)
    given, events = [], []
    for member in members:
        grant, told = give(
            unit,
            member,
            command.incentive_id,
            uses=command.uses,
            first_day=command.first_day or day_of(now_ms, program.time_zone),
            last_day=command.last_day,
            origin=f"operator/{command.origin}",
            now_ms=now_ms,
            activated=not command.activate,
        )
        given.append(grant)
        events += [_with_reason(event, command.reason) for event in told]
    return Done(tuple(given), events=tuple(events))


def require_granted(program: Program, incentive_id: str) -> None:
    """
    Check that an incentive can be given.

    Raises:
        IncentiveNotGrantedError: The program has no such incentive with the rule `granted`.
    """
    incentive = program.incentives.get(incentive_id)
    if incentive is None or incentive.retired or incentive_id not in program.granted:
        raise IncentiveNotGrantedError(incentive_id)


def withdraw_grant(unit: Unit, command: WithdrawGrant, now_ms: int) -> Done[Grant]:
    """
    Take back what is left of a grant; what an open order was accepted with is honoured.

    Raises:
        ProgramUnknownError: No program of this name was applied.
        MemberNotFoundError: No member has this loyalty ID.
        GrantNotFoundError: The member has no such grant, or nothing is left of it.
    """
    program = program_of(unit, command.program_id)
    member = unit.member(program.program_id, command.loyalty_id)
    if member is None:
        raise MemberNotFoundError(command.loyalty_id)
    grant = unit.grant(command.grant_id)
    if grant is None or grant.member_number != member.number or not grant.left:
        raise GrantNotFoundError(command.grant_id)
    events = withdraw(unit, member, grant, now_ms)
    return Done(grant, events=tuple(_with_reason(event, command.reason) for event in events))


def _with_reason(event: Event, reason: str) -> Event:
    return event._replace(reason=reason)
