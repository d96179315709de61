"""Take another code of the guest of an open order: a later scan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loyalty_service.application.codes.wrong_codes import count_right_code, require_no_wait
from loyalty_service.application.orders.order_review import find_transaction, guest_of
from loyalty_service.application.orders.repeated_orders import answer_of_later_use, later_use
from loyalty_service.application.orders.report_order import keep_open
from loyalty_service.application.orders.reservations import by_incentive, reserve
from loyalty_service.application.orders.shown_codes import (
    Opened,
    SelectedLine,
    live_code,
    refusal_of_code,
    selected_lines,
    usable,
    use_code,
)
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.points import hold_only
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.contracts import RBI_V2, require_served
from loyalty_service.domain.errors import (
    GuestChangedError,
    IdentifierTypeDisabledError,
    LoyaltyError,
    MemberNotFoundError,
    TransactionNotClaimableError,
)
from loyalty_service.domain.guessing import scopes_of
from loyalty_service.domain.identifiers import IdentifierKind, classify_identifier
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.meaning import Read
from loyalty_service.domain.program import Program, Store
from loyalty_service.domain.records import Code, CodeStatus, Member, Transaction, TransactionStatus
from loyalty_service.domain.visit import PointOfSale


@dataclass(frozen=True, slots=True)
class IdentifyAgain:
    """What the guest of an open transaction shows."""

    key: ApiKey
    identifier: str
    transaction_id: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        place = (self.key.program_id, self.identifier.lower())
        opened = (self.transaction_id,)
        if not self.identifier.isdigit():
            return Reads(members=(place,), transactions=opened)
        return Reads(codes=(place,), shown=((*place, self.key.key_id),), transactions=opened)

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """See `Meant`."""
        del read
        return self.identifier.lower(), self.transaction_id


@dataclass(frozen=True, slots=True)
class IdentifiedAgain:
    """The points that the guest has left, and what was selected with the code."""

    available_points: int
    selection: tuple[SelectedLine, ...] = ()


def identify_again(
    unit: Unit, command: IdentifyAgain, now_ms: int
) -> Done[IdentifiedAgain] | Repeated:
    """
    Hold what the guest of an open transaction selects besides; source: RBI's second version.

    The till names no store: days and times are those of the store where the transaction was opened.

    Raises:
        ContractNotServedError: The program does not serve this contract.
        TransactionNotFoundError: The program has no such transaction.
        StoreNotAllowedError: The key is limited to other stores.
        TransactionNotClaimableError: It is not open.
        GuestChangedError: The loyalty ID is of another guest.
        Refused: The code is of another guest, is unknown or was used; it is counted.
        LoyaltyError: What `identify_member` raises for an identifier and for a selection.
    """
    program = unit.catalog.programs[command.key.program_id]
    require_served(program.contracts, RBI_V2)
    kind = classify_identifier(command.identifier)
    if kind not in program.identifier_kinds:
        raise IdentifierTypeDisabledError(kind.value)
    transaction = find_transaction(unit, command.key, command.transaction_id)
    if transaction.status is not TransactionStatus.PENDING:
        raise TransactionNotClaimableError(command.transaction_id, transaction.status.name)
    member = guest_of(unit, transaction)
    store = program.store_of_report(transaction.store_id, transaction.store_id)
    if kind is IdentifierKind.CODE:
        return _by_code(unit, program, store, command, transaction, member, now_ms)
    loyalty_id = command.identifier.lower()
    if loyalty_id != member.loyalty_id:
        other = unit.member(program.program_id, loyalty_id)
        if other is None:
            raise MemberNotFoundError(loyalty_id)
        if other is not member:
            raise GuestChangedError
    keep_open(unit, program, transaction, now_ms)
    return Done(IdentifiedAgain(member.spendable), stores=transaction.stores)


def _by_code(
    unit: Unit,
    program: Program,
    store: Store,
    command: IdentifyAgain,
    transaction: Transaction,
    member: Member,
    now_ms: int,
) -> Done[IdentifiedAgain] | Repeated:
    key, pos = command.key, PointOfSale.of(transaction)
    scopes = scopes_of(program.program_id, key.key_id, pos.store_id, pos.terminal)
    require_no_wait(unit, scopes, now_ms)
    digest = unit.code_digest(program.program_id, command.identifier)
    code = unit.code(program.program_id, digest)
    if code is not None and code.status is CodeStatus.CLAIMED:
        answer = answer_of_later_use(unit, code, transaction, key.partner)
        if answer is not None:
            return Repeated(answer, transaction.stores)
    try:
        live = _own(live_code(code, now_ms), member)
    except LoyaltyError as error:
        raise refusal_of_code(unit, scopes, digest, code, error, now_ms) from None
    selection = selected_lines(program, live, pos)
    held = sum(one.points for one in unit.open_holds(transaction.owner))
    reserved = by_incentive(unit.reservations(transaction))
    uses = usable(
        unit,
        program,
        store,
        member,
        selection,
        key,
        now_ms,
        local_time=None,
        opened=Opened(transaction.transaction_id, reserved, held),
    )
    costs: dict[str | None, int] = {
        use.incentive.incentive_id: use.point_cost for use in uses if use.point_cost
    }
    expires_ms = program.open_until_ms(transaction.created_ms, now_ms)
    unit.change(transaction, expires_ms=expires_ms, updated_ms=now_ms, earn_only=None)
    hold_only(unit, member, transaction.owner, costs, now_ms, expires_ms=expires_ms)
    reserve(unit, transaction, key, pos.store_id, uses, now_ms)
    used = use_code(unit, live, transaction, member, now_ms)
    count_right_code(unit, scopes, member, now_ms)
    return Done(
        IdentifiedAgain(member.spendable, selection),
        kept_as=later_use(live, transaction, key.partner),
        stores=transaction.stores,
        events=(used,),
    )


def _own(code: Code, member: Member) -> Code:
    """
    Give a code of the order's own guest.

    Raises:
        GuestChangedError: It is another's, who may use it still.
    """
    if code.member_number not in {member.number, *member.others}:
        raise GuestChangedError
    return code
