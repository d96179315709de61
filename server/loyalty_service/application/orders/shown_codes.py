"""What is done with a code that a guest shows, by the first scan of an order and by later ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from loyalty_service.application.codes.wrong_codes import could_be_guessed, count_wrong_code
from loyalty_service.application.grant_names import named_as_given
from loyalty_service.application.limits import count_code_gone
from loyalty_service.application.orders.order_review import business_day, judge, refusal_of
from loyalty_service.application.orders.reservations import (
    Reservations,
    as_accepted,
    still_broken,
)
from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.breaches import Breach
from loyalty_service.domain.errors import (
    CodeAlreadyUsedError,
    CodeNotFoundError,
    LoyaltyError,
    MemberBlockedError,
    RewardRefusedError,
    incentive_not_found,
)
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.guessing import Scope
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.order_limits import beyond_order_limits
from loyalty_service.domain.program import Incentive, Program, Store
from loyalty_service.domain.records import Code, CodeStatus, Member, Transaction
from loyalty_service.domain.visit import PointOfSale


@dataclass(frozen=True, slots=True)
class SelectedLine:
    """An incentive the guest selected, how many of it, and its PLU at this point of sale."""

    incentive: Incentive
    quantity: int
    plu: str


@dataclass(frozen=True, slots=True)
class Opened:
    """
    What an open order has already when a guest shows another code for it.

    Attributes:
        transaction_id: Empty for an order that is only about to be opened.
        reserved: What it was accepted with.
        held_points: What these hold.
    """

    transaction_id: str = ""
    reserved: Reservations = field(default_factory=dict)
    held_points: int = 0


NOTHING_OPEN = Opened()
"""Of an order that the code is about to open."""


def live_code(code: Code | None, now_ms: int, *, published: bool = False) -> Code:
    """
    Give a code if it can be used now.

    Raises:
        CodeAlreadyUsedError: It was used.
        CodeNotFoundError: It was never issued, was replaced or is too old.
    """
    if code is None:
        raise CodeNotFoundError
    if code.status is CodeStatus.CLAIMED:
        raise CodeAlreadyUsedError
    if code.status is not CodeStatus.PENDING or code.expires_ms <= now_ms:
        raise CodeNotFoundError
    if code.published and not published:
        # Left behind by a sandbox; everybody knows it, but here it stands for a guest.
        raise CodeNotFoundError
    return code


def refusal_of_code(
    unit: Unit,
    scopes: Sequence[Scope],
    digest: bytes,
    code: Code | None,
    error: LoyaltyError,
    now_ms: int,
) -> LoyaltyError | Refused:
    """Give the refusal of a wrong code, and count it where it could have been a guess."""
    if not could_be_guessed(code, now_ms):
        return error
    return count_wrong_code(unit, scopes, digest, now_ms, error)


def use_code(
    unit: Unit, code: Code, transaction: Transaction, member: Member, now_ms: int
) -> Event:
    """Let an order use a code; returns what is told of it."""
    unit.change(
        code,
        status=CodeStatus.CLAIMED,
        updated_ms=now_ms,
        member_number=member.number,
        store_id=transaction.store_id,
        transaction_id=transaction.transaction_id,
    )
    count_code_gone(unit, code)
    return Event(
        EventKind.CODE_USED,
        transaction.program_id,
        member,
        subject=transaction.transaction_id,
        before=CodeStatus.PENDING,
        after=CodeStatus.CLAIMED,
    )


def selected_lines(program: Program, code: Code, pos: PointOfSale) -> tuple[SelectedLine, ...]:
    """
    Give what a guest selected with a code.

    Raises:
        RewardNotFoundError: A selected reward is gone.
        OfferNotFoundError: A selected offer is gone.
    """
    return tuple(_selected_lines(program, code, pos))


def _selected_lines(program: Program, code: Code, pos: PointOfSale) -> Iterable[SelectedLine]:
    for kind, incentive_id, quantity in json.loads(code.selection):
        incentive = program.incentives.get(incentive_id)
        if incentive is None or incentive.retired:
            raise incentive_not_found(kind, incentive_id)
        yield SelectedLine(incentive, quantity, incentive.plu(pos.plu_vendors))


def as_given(
    unit: Unit,
    program: Program,
    store: Store,
    member: Member,
    selection: tuple[SelectedLine, ...],
    local_time: datetime | None,
    now_ms: int,
) -> tuple[SelectedLine, ...]:
    """Name what the member was given of a selection by the grants, as orders name them."""
    if all(line.incentive.incentive_id not in program.granted for line in selection):
        return selection
    day = date.fromisoformat(business_day(local_time, store, now_ms))
    return tuple(
        replace(line, incentive=named_as_given(unit, program, member, line.incentive, day))
        for line in selection
    )


def usable(
    unit: Unit,
    program: Program,
    store: Store,
    member: Member,
    selection: tuple[SelectedLine, ...],
    key: ApiKey,
    now_ms: int,
    *,
    local_time: datetime | None,
    opened: Opened = NOTHING_OPEN,
) -> tuple[IncentiveUse, ...]:
    """
    Tell what of a selection can be used now, in its order, beside what the order has already.

    The rest is listed and not held. The till shows the rest, and is told by ValidateOrder and
    ReportOrder why it can't be used. Most reasons pass: other points come, the guest goes to
    another store, an older transaction is voided.

    Raises:
        LoyaltyError: The program refuses a selection of which some can't be used.
    """
    accepted = {
        name: sum(one.quantity for one in reserved) for name, reserved in opened.reserved.items()
    }
    quantities: Counter[str] = Counter()
    for line in selection:
        quantities[line.incentive.incentive_id] += line.quantity
    chosen = tuple(
        _use(program, name, quantity + accepted.get(name, 0), opened)
        for name, quantity in quantities.items()
    )
    had = tuple(
        _use(program, name, quantity, opened)
        for name, quantity in accepted.items()
        if name not in quantities
    )
    if Blocked.REDEEM in member.kept_from:
        if program.refuse_unusable and chosen:
            raise MemberBlockedError(Blocked.REDEEM.word)
        return had
    takes_rewards = store.loyalty_enabled or all(use.incentive.kind == "offer" for use in chosen)
    if program.refuse_unusable and not takes_rewards:
        raise RewardRefusedError(store.store_id)
    uses = (*had, *chosen)
    failures = judge(
        unit,
        program,
        store,
        member,
        uses,
        now_ms,
        local_time=local_time,
        counts=True,
        own_holds=opened.held_points,
        besides=opened.transaction_id,
        reserving=key,
    )
    if failures and accepted:
        failures = still_broken(failures, uses, (), unchanged=True, mode_untold=True)
    if program.refuse_unusable and failures:
        cost = sum(use.point_cost for use in uses)
        raise refusal_of(failures, member.spendable + opened.held_points, cost)
    broken = {
        failure.incentive_id for failure in failures if failure.rule_id not in _OF_SEVERAL_RULES
    }
    found = list(had)
    left = member.spendable
    for use in chosen:
        beyond = beyond_order_limits((*found, use), program.order_limits)
        more = use.incentive.point_cost * (use.quantity - use.accepted)
        fits = more <= left and not any(beyond)
        taken = store.loyalty_enabled or use.incentive.kind == "offer"
        if fits and taken and use.incentive.incentive_id not in broken:
            found.append(use)
            left -= more
        elif use.accepted:
            found.append(_use(program, use.incentive.incentive_id, use.accepted, opened))
    return tuple(found)


def _use(program: Program, incentive_id: str, quantity: int, opened: Opened) -> IncentiveUse:
    use = IncentiveUse(program.incentives[incentive_id], quantity)
    return as_accepted(use, opened.reserved) if opened.reserved else use


_OF_SEVERAL_RULES = {Breach.POINT_BALANCE.value.rule_id, Breach.ORDER_LIMIT.value.rule_id}
"""Rules that an incentive breaks only together with those before it."""
