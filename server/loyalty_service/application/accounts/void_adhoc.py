"""Take back an ad hoc reward, or give back what an ad hoc redemption took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.accounts.references import (
    VOID,
    answer_to,
    reference_key,
    reference_place,
)
from loyalty_service.application.accounts.visits import visit
from loyalty_service.application.limits import uncount_points
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.points import reverse
from loyalty_service.application.reads import Reads
from loyalty_service.application.reserved_points import end_overdue, member_of
from loyalty_service.application.unit import Unit
from loyalty_service.domain.account_errors import (
    AlreadyVoidedError,
    VoidNotAllowedError,
)
from loyalty_service.domain.adhoc import AdhocKind, AdhocTransaction
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.errors import TransactionNotFoundError, VoidTooLateError
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.flags import VOIDED_BY_OTHER, Flag, FlagKind
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program
from loyalty_service.domain.purchase_errors import OriginalOfAnotherMemberError
from loyalty_service.domain.records import Member


@dataclass(frozen=True, slots=True)
class VoidAdhoc:
    """
    The transaction to take back.

    Attributes:
        reference: The partner's own name for the void, under which it is done once.
    """

    key: ApiKey
    correlation_id: str
    original_id: str
    channel: str | None = None
    reference: str | None = None

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        kept = () if self.reference is None else (reference_place(self.key, self.reference),)
        return Reads(sessions=((self.key.program_id, self.correlation_id),), kept_answers=kept)

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return (self.correlation_id, self.reference, *self.what)

    @property
    def what(self) -> tuple[Any, ...]:
        """Give what is to be done, wherever."""
        return self.channel, self.original_id


def void_adhoc(unit: Unit, command: VoidAdhoc, now_ms: int) -> Done[AdhocTransaction] | Repeated:
    """
    Reverse the points of an ad hoc reward or redemption, once.

    What is given back has its old day; what that day is over for is gone at once.

    Raises:
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
        RedemptionNotAllowedError: The session is of a shopper without a loyalty ID.
        ReferenceReusedError: The partner has used the reference for something else.
        TransactionNotFoundError: There is no such transaction, or another partner has made it and
            the program refuses that.
        OriginalOfAnotherMemberError: It is another member's.
        VoidNotAllowedError: It is an order, or a void.
        StoreNotAllowedError: It or the session is in a store that the key is not for.
        AlreadyVoidedError: It was taken back before.
        VoidTooLateError: It is older than the program lets be taken back.
        PointsInsufficientError: The points are spent, and the program lets nobody owe them.
    """
    program, session = visit(unit, command.key, command.correlation_id, now_ms)
    member = member_of(unit, session)
    named = reference_key(command.key, command.reference, VOID, member, *command.what)
    if earlier := answer_to(unit, named, command.reference):
        return earlier
    original = _voidable(unit, program, command.key, member, command.original_id, now_ms)
    flags = _flags_of_another(program, command, member, original)
    void = AdhocTransaction(
        adhoc_id=new_id(now_ms),
        program_id=program.program_id,
        member_number=member.number,
        kind=AdhocKind.VOID,
        points=-original.points,
        correlation_id=session.correlation_id,
        partner=command.key.partner,
        store_id=session.store_id,
        created_ms=now_ms,
        channel=command.channel,
        business_unit=original.business_unit,
        reference=command.reference,
        original_id=original.adhoc_id,
    )
    # What is past its time can be taken: it goes first, and comes back if this is refused.
    ended = end_overdue(unit, member, now_ms)
    _reverse(unit, program, member, original, now_ms)
    unit.change(original, voided_ms=now_ms)
    unit.add(void)
    event = Event(EventKind.ADHOC_VOIDED, program.program_id, member, subject=original.adhoc_id)
    return Done(void, kept_as=named, flags=flags, stores=session.stores, events=(*ended, event))


def _flags_of_another(
    program: Program, command: VoidAdhoc, member: Member, original: AdhocTransaction
) -> tuple[Flag, ...]:
    """
    Flag the void of what another partner gave or took, as that of another partner's order.

    Raises:
        TransactionNotFoundError: The program refuses it.
    """
    key = command.key
    if key.partner == original.partner:
        return ()
    if program.void_by_other_partner == "refuse":
        raise TransactionNotFoundError(command.original_id)
    about = {
        "program_id": program.program_id,
        "store_id": original.store_id,
        "partner": key.partner,
        "key_id": key.key_id,
        "transaction_id": original.adhoc_id,
        "order_partner": original.partner,
        "points_earned": max(0, original.points),
        "points_redeemed": max(0, -original.points),
        "loyalty_id": member.loyalty_id,
    }
    return (Flag(FlagKind.OTHER_PARTNER, VOIDED_BY_OTHER, about),)


def _voidable(
    unit: Unit, program: Program, key: ApiKey, member: Member, named: str, now_ms: int
) -> AdhocTransaction:
    """Find the transaction to take back; see `void_adhoc`."""
    found = unit.member_of_paid(program.program_id, named)
    if found is None:
        found = unit.member_of_paid(program.program_id, named.lower())
    if found is None:
        raise TransactionNotFoundError(named)
    number, is_order = found
    if number != member.number:
        raise OriginalOfAnotherMemberError(named)
    original = None if is_order else unit.adhoc(named.lower())
    if original is None or original.kind is AdhocKind.VOID:
        raise VoidNotAllowedError(named)
    if original.store_id is not None:
        key.require_store(original.store_id)
    if original.voided_ms is not None:
        raise AlreadyVoidedError(named)
    if now_ms - original.created_ms > program.void_days * DAY_MS:
        raise VoidTooLateError(original.adhoc_id, program.void_days)
    return original


def _reverse(
    unit: Unit, program: Program, member: Member, original: AdhocTransaction, now_ms: int
) -> None:
    came = max(0, original.points)
    went = max(0, -original.points)
    may_owe = program.void_spent == "debt"
    reverse(unit, member, original.owner, now_ms, earned=came, burned=went, may_owe=may_owe)
    uncount_points(unit, member, came, original.created_ms, now_ms)
