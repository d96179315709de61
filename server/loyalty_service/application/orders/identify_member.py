"""Identify a guest at a till and open a loyalty transaction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from loyalty_service.application.codes.wrong_codes import (
    could_be_guessed,
    count_right_code,
    count_wrong_code,
    require_no_wait,
)
from loyalty_service.application.limits import count_code_gone
from loyalty_service.application.orders.order_review import judge, refusal_of
from loyalty_service.application.orders.repeated_orders import answer_of_use, use_of_code
from loyalty_service.application.orders.reservations import reserve
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.points import hold
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.breaches import Breach
from loyalty_service.domain.errors import (
    CodeAlreadyUsedError,
    CodeNotFoundError,
    IdentifierTypeDisabledError,
    LoyaltyError,
    MemberNotFoundError,
    RewardRefusedError,
    incentive_not_found,
)
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.guessing import Scope, scopes_of
from loyalty_service.domain.identifiers import IdentifierKind, classify_identifier, new_id
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.order_limits import beyond_order_limits
from loyalty_service.domain.program import Incentive, Program, Store
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
        if not self.identifier.isdigit():
            return Reads(members=(place,))
        return Reads(codes=(place,), shown=((*place, self.key.key_id),))

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        pos = self.point_of_sale
        vendors = pos.pos_type, pos.supporting_pos
        return self.identifier.lower(), pos.store_id, pos.transaction_id, *vendors


@dataclass(frozen=True, slots=True)
class SelectedLine:
    """An incentive the guest selected, how many of it, and its PLU at this point of sale."""

    incentive: Incentive
    quantity: int
    plu: str


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
    kind = classify_identifier(command.identifier)
    if kind not in program.identifier_kinds:
        raise IdentifierTypeDisabledError(kind.value)
    store = program.store(command.point_of_sale.store_id)
    command.key.require_store(store.store_id)
    if kind is IdentifierKind.CODE:
        return _identify_by_code(unit, program, store, command, now_ms)
    loyalty_id = command.identifier.lower()
    member = unit.member(program.program_id, loyalty_id)
    if member is None:
        raise MemberNotFoundError(loyalty_id)
    transaction = _open_transaction(unit, program, member, command, now_ms)
    return Done(
        Identified(program, member, transaction.transaction_id, member.spendable, ()),
        stores=frozenset({transaction.store_id}),
        events=(_opened(transaction, member),),
    )


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
        raise _refusal(unit, command, scopes, code, CodeAlreadyUsedError(), now_ms)
    if code is None or code.status is not CodeStatus.PENDING or code.expires_ms <= now_ms:
        raise _refusal(unit, command, scopes, code, CodeNotFoundError(), now_ms)
    if code.published and not command.published:
        # Left behind by a sandbox; everybody knows it, but here it stands for a guest.
        raise _refusal(unit, command, scopes, code, CodeNotFoundError(), now_ms)
    selection = tuple(_selected_lines(program, code, pos))
    member = unit.member_by_number(code.member_number)
    uses = _usable(unit, program, store, member, selection, command, now_ms)
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
    unit.change(
        code,
        status=CodeStatus.CLAIMED,
        updated_ms=now_ms,
        store_id=pos.store_id,
        transaction_id=transaction.transaction_id,
    )
    count_right_code(unit, scopes, member, now_ms)
    count_code_gone(unit, code)
    return Done(
        Identified(program, member, transaction.transaction_id, member.spendable, selection),
        kept_as=use_of_code(transaction, pos),
        stores=frozenset({pos.store_id}),
        events=(_used(transaction, member), _opened(transaction, member)),
    )


def _used(transaction: Transaction, member: Member) -> Event:
    return Event(
        EventKind.CODE_USED,
        transaction.program_id,
        member,
        subject=transaction.transaction_id,
        before=CodeStatus.PENDING,
        after=CodeStatus.CLAIMED,
    )


def _opened(transaction: Transaction, member: Member) -> Event:
    return Event(
        EventKind.ORDER_OPENED,
        transaction.program_id,
        member,
        subject=transaction.transaction_id,
        after=TransactionStatus.PENDING,
    )


def _refusal(
    unit: Unit,
    command: IdentifyMember,
    scopes: Sequence[Scope],
    code: Code | None,
    error: LoyaltyError,
    now_ms: int,
) -> LoyaltyError | Refused:
    """Give the refusal of a wrong code, and count it where it could have been a guess."""
    if command.published or not could_be_guessed(code, now_ms):
        return error
    digest = unit.code_digest(command.key.program_id, command.identifier)
    return count_wrong_code(unit, scopes, digest, now_ms, error)


def _earlier_claim(unit: Unit, code: Code, command: IdentifyMember) -> Repeated | None:
    """Answer a network retry as the first time, so that it does not cost the guest the code."""
    transaction = unit.transaction(code.transaction_id) if code.transaction_id else None
    if transaction is None or transaction.status is not TransactionStatus.PENDING:
        return None
    pos, partner = command.point_of_sale, command.key.partner
    answer = answer_of_use(unit, code, transaction, pos, partner)
    return None if answer is None else Repeated(answer, frozenset({transaction.store_id}))


def _selected_lines(program: Program, code: Code, pos: PointOfSale) -> Iterable[SelectedLine]:
    for kind, incentive_id, quantity in json.loads(code.selection):
        incentive = program.incentives.get(incentive_id)
        if incentive is None or incentive.retired:
            raise incentive_not_found(kind, incentive_id)
        yield SelectedLine(incentive, quantity, incentive.plu(pos.plu_vendors))


def _open_transaction(
    unit: Unit, program: Program, member: Member, command: IdentifyMember, now_ms: int
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
    )
    unit.add(transaction)
    return transaction


def _usable(
    unit: Unit,
    program: Program,
    store: Store,
    member: Member,
    selection: tuple[SelectedLine, ...],
    command: IdentifyMember,
    now_ms: int,
) -> tuple[IncentiveUse, ...]:
    """
    Tell what of a selection can be used now, in its order; the rest is listed and not held.

    The till shows the rest, and is told by ValidateOrder and ReportOrder why it can't be used. Most
    reasons pass: other points come, the guest goes to another store, an older transaction is
    voided.

    Raises:
        LoyaltyError: The program refuses a selection of which some can't be used.
    """
    quantities: Counter[str] = Counter()
    for line in selection:
        quantities[line.incentive.incentive_id] += line.quantity
    uses = tuple(
        IncentiveUse(program.incentives[incentive_id], quantity)
        for incentive_id, quantity in quantities.items()
    )
    takes_rewards = store.loyalty_enabled or all(use.incentive.kind == "offer" for use in uses)
    if program.refuse_unusable and not takes_rewards:
        raise RewardRefusedError(store.store_id)
    failures = judge(
        unit,
        program,
        store,
        member,
        uses,
        now_ms,
        local_time=command.local_time,
        counts=True,
        reserving=command.key,
    )
    if program.refuse_unusable and failures:
        cost = sum(use.point_cost for use in uses)
        raise refusal_of(failures, member.spendable, cost)
    broken = {
        failure.incentive_id for failure in failures if failure.rule_id not in _OF_SEVERAL_RULES
    }
    usable: list[IncentiveUse] = []
    left = member.spendable
    for use in uses:
        beyond = beyond_order_limits((*usable, use), program.order_limits)
        fits = use.point_cost <= left and not any(beyond)
        taken = store.loyalty_enabled or use.incentive.kind == "offer"
        if fits and taken and use.incentive.incentive_id not in broken:
            usable.append(use)
            left -= use.point_cost
    return tuple(usable)


_OF_SEVERAL_RULES = {Breach.POINT_BALANCE.value.rule_id, Breach.ORDER_LIMIT.value.rule_id}
"""Rules that an incentive breaks only together with those before it."""
