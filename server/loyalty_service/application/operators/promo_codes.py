"""Make promo codes that give points or grants, and take back that one was used."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from loyalty_service.application.operators.create_key import program_of
from loyalty_service.application.operators.grants import require_granted
from loyalty_service.application.perform import Done
from loyalty_service.application.reads import NOTHING, Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.codes import digested_promo, new_promo_code, plain_promo_code
from loyalty_service.domain.errors import MemberNotFoundError, PromoCodeNotFoundError
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.gifts import PromoCode
from loyalty_service.domain.program import Program


class PromoCodeTakenError(Exception):
    """Raised when there is such a promo code already."""


class PromoCodeUnusedError(Exception):
    """Raised when a promo code was not used by the member, so that nothing is released."""


@dataclass(frozen=True, slots=True)
class CreatePromoCodes:
    """
    The codes to make.

    Attributes:
        codes: As people type them; those that are to be made at random are empty.
        most_uses: How often each can be used by all members together.
        most_per_member: How often each can be used by one member.
        begins_ms: When they can be used at first; absent for at once.
        ends_ms: When they can be used no more; absent for never.
        stores: Where they can be used; empty for all stores.
        incentive_id: What they give besides points, of which there may be none then.
        grant_uses: How often that may be used.
        grant_days: For how many days; absent for good.
        reason: What the operator says why; empty where nothing is said.
    """

    program_id: str
    label: str
    codes: tuple[str, ...]
    points: int
    most_uses: int = 1
    most_per_member: int = 1
    begins_ms: int | None = None
    ends_ms: int | None = None
    stores: frozenset[int] = frozenset()
    incentive_id: str | None = None
    grant_uses: int | None = None
    grant_days: int | None = None
    reason: str = ""

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return NOTHING


@dataclass(frozen=True, slots=True)
class ReleasePromoCode:
    """A code, the member who used it, and why; empty where nothing is said."""

    program_id: str
    code: str
    loyalty_id: str
    reason: str = ""

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads(members=((self.program_id, self.loyalty_id),))


def create_promo_codes(unit: Unit, command: CreatePromoCodes, now_ms: int) -> Done[tuple[str, ...]]:
    """
    Keep codes by their digests; the codes themselves exist only in what is returned.

    Raises:
        ProgramUnknownError: No program of this name was applied.
        StoreNotFoundError: The program has no such store.
        PromoCodeTakenError: There is one of the codes already.
        IncentiveNotGrantedError: The program has no such incentive with the rule `granted`.
    """
    program = program_of(unit, command.program_id)
    if command.incentive_id is not None:
        require_granted(program, command.incentive_id)
    for store_id in command.stores:
        program.store(store_id)
    made = tuple(_made(unit, program, command, now_ms))
    about = {"codes": len(made), "points": command.points, "most_uses": command.most_uses}
    event = Event(
        EventKind.PROMO_CODES_CREATED,
        program.program_id,
        subject=command.label,
        reason=command.reason,
        detail=json.dumps(about, separators=(",", ":")),
    )
    return Done(made, events=(event,))


def _made(unit: Unit, program: Program, command: CreatePromoCodes, now_ms: int) -> Iterator[str]:
    for wanted in command.codes:
        code = plain_promo_code(wanted) or new_promo_code()
        digest = unit.code_digest(program.program_id, digested_promo(code))
        if unit.promo_code(program.program_id, digest) is not None:
            raise PromoCodeTakenError(code)
        unit.add(
            PromoCode(
                program_id=program.program_id,
                digest=digest,
                label=command.label,
                points=command.points,
                most_uses=command.most_uses,
                most_per_member=command.most_per_member,
                uses=0,
                begins_ms=command.begins_ms,
                ends_ms=command.ends_ms,
                stores=json.dumps(sorted(command.stores)),
                created_ms=now_ms,
                incentive_id=command.incentive_id,
                grant_uses=command.grant_uses,
                grant_days=command.grant_days,
            )
        )
        yield code


def release_promo_code(unit: Unit, command: ReleasePromoCode, _: int) -> Done[PromoCode]:
    """
    Let a member use a code once more, who keeps the points that it gave.

    Raises:
        ProgramUnknownError: No program of this name was applied.
        MemberNotFoundError: No member has this loyalty ID.
        PromoCodeNotFoundError: There is no such code.
        PromoCodeUnusedError: The member has not used it, or that was released already.
    """
    program = program_of(unit, command.program_id)
    member = unit.member(program.program_id, command.loyalty_id)
    if member is None:
        raise MemberNotFoundError(command.loyalty_id)
    digest = unit.code_digest(program.program_id, digested_promo(plain_promo_code(command.code)))
    code = unit.promo_code(program.program_id, digest)
    if code is None:
        raise PromoCodeNotFoundError
    used = (unit.promo_redemption(code, number) for number in (member.number, *member.others))
    redemption = next((one for one in used if one is not None and one.uses), None)
    if redemption is None:
        raise PromoCodeUnusedError
    unit.change(redemption, uses=redemption.uses - 1)
    unit.change(code, uses=code.uses - 1)
    event = Event(
        EventKind.PROMO_CODE_RELEASED,
        program.program_id,
        member,
        subject=code.label,
        reason=command.reason,
        detail=json.dumps({"uses": redemption.uses}),
    )
    return Done(code, events=(event,))
