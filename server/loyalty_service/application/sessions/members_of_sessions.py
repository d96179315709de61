"""Find the member whom a till of the ES contract names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loyalty_service.application.codes.wrong_codes import (
    count_right_code,
    count_wrong_code,
    require_no_wait,
)
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import (
    IdentificationFailedError,
    LoyaltyError,
    MemberNotFoundError,
)
from loyalty_service.domain.es_errors import AccountNotFoundError
from loyalty_service.domain.es_identifiers import EsIdentifier
from loyalty_service.domain.guessing import scopes_by_sight
from loyalty_service.domain.identifiers import IdentifierKind, card_of, is_uuid, phone_of
from loyalty_service.domain.keys import ApiKey, Role
from loyalty_service.domain.member_terms import folded_address
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member


@dataclass(frozen=True, slots=True)
class Named:
    """
    A member, and how far the caller may go with them.

    Attributes:
        earn_only: 1 where the member may only earn; otherwise absent.
    """

    member: Member
    earn_only: int | None


def find_named(
    unit: Unit, program: Program, key: ApiKey, kind: EsIdentifier, shown: str, now_ms: int
) -> Named:
    """
    Find a member by what names them, and lock it.

    By a phone number, a card or an e-mail address, which others may know, a member only earns,
    and one that nobody has is counted like a wrong code. What two members have is nobody's.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        IdentificationFailedError: It is no loyalty ID, nor a card that a member has.
        AccountNotFoundError: No member has this account ID, phone number or e-mail address.
        TooManyWrongCodesError: Too many that nobody has were shown; this one was not looked at.
        Refused: Nobody has it, and that is counted.
    """
    shown = shown.strip()
    if kind.is_id and is_uuid(shown):
        member = unit.member(program.program_id, shown.lower())
        if member is None or member.erased_ms is not None:
            raise _not_an_id(kind, shown)
        redeems = program.redeem_by_loyalty_id or key.role is not Role.TILL
        return Named(member, None if redeems else 1)
    if kind is EsIdentifier.ACCOUNT_ID:
        raise AccountNotFoundError
    return Named(_by_sight(unit, program, key, kind, shown, now_ms), 1)


def _not_an_id(kind: EsIdentifier, shown: str) -> LoyaltyError:
    if kind is EsIdentifier.LOYALTY_ID:
        return MemberNotFoundError(shown.lower())
    return AccountNotFoundError()


def _by_sight(
    unit: Unit, program: Program, key: ApiKey, kind: EsIdentifier, shown: str, now_ms: int
) -> Member:
    wrong: LoyaltyError = AccountNotFoundError()
    if kind is EsIdentifier.LOYALTY_ID:
        wrong = IdentificationFailedError()
        if IdentifierKind.CARD not in program.identifier_kinds:
            raise wrong
    store_id = program.es.store_of(key.stores, program.stores)
    scopes = scopes_by_sight(program.program_id, key.key_id, store_id, None)
    require_no_wait(unit, scopes, now_ms)
    numbers = _known_by(unit, program, kind, shown)
    if len(numbers) == 1:
        member = unit.member_by_number(numbers[0])
        if member.erased_ms is None:
            count_right_code(unit, scopes, member, now_ms)
            return member
    digest = unit.code_digest(program.program_id, f"by sight {kind} {shown}")
    raise count_wrong_code(unit, scopes, digest, now_ms, wrong)


def _known_by(unit: Unit, program: Program, kind: EsIdentifier, shown: str) -> Sequence[int]:
    """Give the numbers of the members who have what is shown."""
    place = program.program_id
    if kind is EsIdentifier.EMAIL:
        return unit.members_known_by(place, "email", folded_address(shown))
    if kind is EsIdentifier.LOYALTY_ID:
        card = card_of(shown)
        return unit.members_known_by(place, "card", card) if card else ()
    phone = phone_of(shown, program.phone_prefix)
    return unit.members_known_by(place, "phone", phone) if phone else ()
