"""Identify a guest at a till and open a loyalty transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from loyalty_service.application.codes.wrong_codes import (
    count_right_code,
    count_wrong_code,
    require_no_wait,
)
from loyalty_service.application.find_member import find_member
from loyalty_service.application.orders.repeated_orders import answer_of_use, use_of_code
from loyalty_service.application.orders.reservations import reserve
from loyalty_service.application.orders.shown_codes import (
    SelectedLine,
    as_given,
    live_code,
    refusal_of_code,
    selected_lines,
    usable,
    use_code,
)
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.points import hold
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import (
    IdentificationFailedError,
    IdentifierTypeDisabledError,
    LoyaltyError,
)
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.guessing import scopes_by_sight, scopes_of
from loyalty_service.domain.identifiers import (
    BY_SIGHT,
    IdentifierKind,
    card_of,
    classify_identifier,
    is_code,
    is_uuid,
    new_id,
    phone_of,
)
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program, Store
from loyalty_service.domain.records import (
    Code,
    CodeStatus,
    Member,
    Transaction,
    TransactionStatus,
)
from loyalty_service.domain.visit import PointOfSale


@dataclass(frozen=True, slots=True)
class IdentifyMember:
    """
    What the guest showed, and who asks.

    Attributes:
        local_time: The till's, in the store's place; absent where none is believed.
        published: Whether everybody knows the code, so that showing it is no guess.
    """

    key: ApiKey
    identifier: str
    point_of_sale: PointOfSale
    local_time: datetime | None = None
    published: bool = False

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        place = (self.key.program_id, self.identifier.lower())
        if not is_code(self.identifier):
            return Reads(members=(place,))
        return Reads(codes=(place,), shown=((*place, self.key.key_id),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        pos = self.point_of_sale
        vendors = pos.pos_type, pos.supporting_pos
        return self.identifier.lower(), pos.store_id, pos.transaction_id, *vendors


@dataclass(frozen=True, slots=True)
class Identified:
    """The guest, the transaction just opened, and what was selected in the app."""

    program: Program
    member: Member
    transaction_id: str
    available_points: int
    selection: tuple[SelectedLine, ...]


def identify_member(
    unit: Unit, command: IdentifyMember, now_ms: int
) -> Done[Identified] | Repeated:
    """
    Recognise a guest by a code or a loyalty ID.

    Raises:
        Refused: The code is unknown, with `CodeNotFoundError`, or was used, with
            `CodeAlreadyUsedError`; it is counted.
        IdentificationFailedError: The identifier looks like a loyalty ID but is not one.
        IdentifierInvalidError: The identifier is of no known kind.
        IdentifierTypeDisabledError: The program has switched its kind off.
        StoreNotFoundError: The program has no such store.
        StoreNotAllowedError: The key is limited to other stores.
        MemberNotFoundError: No member has this loyalty ID.
        TooManyWrongCodesError: Too many wrong codes were shown; this one was not looked at.
        RewardNotFoundError: A selected reward is gone; the code stays unclaimed.
        OfferNotFoundError: A selected offer is gone; the code stays unclaimed.
        PointsInsufficientError: The rewards cost too much; the code stays unclaimed. This and
            what follows only where the program refuses what can't be used now.
        RewardRefusedError: The store takes no rewards; the code stays unclaimed.
        RulesFailedError: The selection breaks rules; the code stays unclaimed.
    """
    program = unit.catalog.programs[command.key.program_id]
    if program.identifier_kinds & BY_SIGHT and may_be_known_by_sight(program, command.identifier):
        return _identify_by_sight(unit, program, command, now_ms)
    kind = classify_identifier(command.identifier)
    if kind not in program.identifier_kinds:
        raise IdentifierTypeDisabledError(kind.value)
    store = program.store(command.point_of_sale.store_id)
    command.key.require_store(store.store_id)
    if kind is IdentifierKind.CODE:
        return _identify_by_code(unit, program, store, command, now_ms)
    member = find_member(unit, program.program_id, command.identifier)
    return _opened_for(unit, program, member, command, now_ms, redeems=program.redeem_by_loyalty_id)


def _opened_for(
    unit: Unit,
    program: Program,
    member: Member,
    command: IdentifyMember,
    now_ms: int,
    *,
    redeems: bool,
) -> Done[Identified]:
    transaction = _open_transaction(unit, program, member, command, now_ms, redeems=redeems)
    return Done(
        Identified(program, member, transaction.transaction_id, member.spendable, ()),
        stores=frozenset({transaction.store_id}),
        events=(_opened(transaction, member),),
    )


def _identify_by_sight(
    unit: Unit, program: Program, command: IdentifyMember, now_ms: int
) -> Done[Identified]:
    """
    Recognise a guest by a phone number or card: they earn and do not redeem.

    One that nobody has is counted like a wrong code, apart from codes. What two members have is
    nobody's: it can't be told whose order it is.
    """
    pos = command.point_of_sale
    store = program.store(pos.store_id)
    command.key.require_store(store.store_id)
    scopes = scopes_by_sight(program.program_id, command.key.key_id, pos.store_id, pos.terminal)
    require_no_wait(unit, scopes, now_ms)
    for kind, value in known_by_sight(program, command.identifier):
        numbers = unit.members_known_by(program.program_id, kind.value, value)
        if len(numbers) == 1:
            member = unit.member_by_number(numbers[0])
            count_right_code(unit, scopes, member, now_ms)
            return _opened_for(unit, program, member, command, now_ms, redeems=False)
    digest = unit.code_digest(program.program_id, f"by sight {command.identifier}")
    raise count_wrong_code(unit, scopes, digest, now_ms, IdentificationFailedError())


def _identify_by_code(
    unit: Unit, program: Program, store: Store, command: IdentifyMember, now_ms: int
) -> Done[Identified] | Repeated:
    pos = command.point_of_sale
    scopes = scopes_of(program.program_id, command.key.key_id, pos.store_id, pos.terminal)
    if not command.published:
        require_no_wait(unit, scopes, now_ms)
    digest = unit.code_digest(program.program_id, command.identifier)
    code = unit.code(program.program_id, digest)
    if code is not None and code.status is CodeStatus.CLAIMED:
        answer = _earlier_claim(unit, code, command)
        if answer is not None:
            return answer
    try:
        live = live_code(code, now_ms, published=command.published)
    except LoyaltyError as error:
        if command.published:
            raise
        raise refusal_of_code(unit, scopes, digest, code, error, now_ms) from None
    selection = selected_lines(program, live, pos)
    member = unit.member_by_number(live.member_number)
    uses = usable(
        unit,
        program,
        store,
        member,
        selection,
        command.key,
        now_ms,
        local_time=command.local_time,
    )
    transaction = _open_transaction(unit, program, member, command, now_ms)
    for use in uses:
        if use.point_cost:
            hold(
                unit,
                member,
                transaction.owner,
                use.point_cost,
                now_ms,
                expires_ms=transaction.expires_ms,
                incentive_id=use.incentive.incentive_id,
            )
    reserve(unit, transaction, command.key, pos.store_id, uses, now_ms)
    used = use_code(unit, live, transaction, member, now_ms)
    count_right_code(unit, scopes, member, now_ms)
    told = as_given(unit, program, store, member, selection, command.local_time, now_ms)
    return Done(
        Identified(program, member, transaction.transaction_id, member.spendable, told),
        kept_as=use_of_code(transaction, pos),
        stores=frozenset({pos.store_id}),
        events=(used, _opened(transaction, member)),
    )


def _opened(transaction: Transaction, member: Member) -> Event:
    return Event(
        EventKind.ORDER_OPENED,
        transaction.program_id,
        member,
        subject=transaction.transaction_id,
        after=TransactionStatus.PENDING,
    )


def _earlier_claim(unit: Unit, code: Code, command: IdentifyMember) -> Repeated | None:
    """Answer a network retry as the first time, so that it does not cost the guest the code."""
    transaction = unit.transaction(code.transaction_id) if code.transaction_id else None
    if transaction is None or transaction.status is not TransactionStatus.PENDING:
        return None
    pos, partner = command.point_of_sale, command.key.partner
    answer = answer_of_use(unit, code, transaction, pos, partner)
    return None if answer is None else Repeated(answer, frozenset({transaction.store_id}))


def may_be_known_by_sight(program: Program, identifier: str) -> bool:
    """Tell whether an identifier has the form of a phone number or card of the program."""
    return bool(known_by_sight(program, identifier))


def known_by_sight(program: Program, identifier: str) -> list[tuple[IdentifierKind, str]]:
    """Give what an identifier may be that others may know, as it is kept; a code is no such."""
    if is_uuid(identifier) or is_code(identifier):
        return []
    found = []
    card, phone = card_of(identifier), phone_of(identifier, program.phone_prefix)
    if card is not None and IdentifierKind.CARD in program.identifier_kinds:
        found.append((IdentifierKind.CARD, card))
    if phone is not None and IdentifierKind.PHONE in program.identifier_kinds:
        found.append((IdentifierKind.PHONE, phone))
    return found


def _open_transaction(
    unit: Unit,
    program: Program,
    member: Member,
    command: IdentifyMember,
    now_ms: int,
    *,
    redeems: bool = True,
) -> Transaction:
    pos = command.point_of_sale
    transaction = Transaction(
        transaction_id=new_id(now_ms),
        program_id=program.program_id,
        member_number=member.number,
        status=TransactionStatus.PENDING,
        store_id=pos.store_id,
        pos_transaction_id=pos.transaction_id,
        pos_type=pos.pos_type,
        supporting_pos=pos.supporting_pos,
        terminal=pos.terminal,
        operator=pos.operator,
        partner=command.key.partner,
        created_ms=now_ms,
        updated_ms=now_ms,
        expires_ms=program.open_until_ms(now_ms, now_ms),
        earn_only=None if redeems else 1,
    )
    unit.add(transaction)
    return transaction
