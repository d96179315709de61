"""
The offers of an order without a guest: judged twice, and counted once.

The order is paid when it is recorded, so that an offer in it that does not hold is flagged rather
than refused. What can be known without a guest is judged then, and stays so: a receipt is worth
no less when the program changes. The rest is judged when the receipt is claimed. An offer that
does not hold earns nothing of its own and is not counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from loyalty_service.application.orders.order_review import judge
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket
from loyalty_service.domain.breaches import Breach, RuleFailure
from loyalty_service.domain.flags import LISTED_MAX, OFFER_UNKNOWN, Flag, FlagKind
from loyalty_service.domain.incentive_uses import (
    IncentiveUse,
    incentive_names,
    incentive_uses,
    lines_sold_as,
    without_incentives,
)
from loyalty_service.domain.program import Program, Store
from loyalty_service.domain.records import Member, Transaction
from loyalty_service.domain.rules import asking_about_member


@dataclass(frozen=True, slots=True)
class JudgedOffers:
    """
    The offers of an order.

    Attributes:
        uses: The offers that hold.
        refused: Those that do not, by the name of `incentive_names`, each with its reason.
        failures: The rules that they break.
        not_held: Lines of the order that sell what does not hold, now or before, by their places.
    """

    uses: tuple[IncentiveUse, ...]
    refused: Mapping[str, str]
    failures: tuple[RuleFailure, ...]
    not_held: frozenset[int]


def judge_recorded(
    unit: Unit,
    program: Program,
    store: Store,
    basket: Basket,
    now_ms: int,
    *,
    local_time: datetime | None,
    service_mode: str,
) -> JudgedOffers:
    """Judge what can be known while nobody is logged in."""
    unknown = {
        name: OFFER_UNKNOWN
        for name in incentive_names(basket, program)
        if name not in program.incentives or program.incentives[name].retired
    }
    known = without_incentives(basket, program, unknown)
    uses = incentive_uses(known, program)
    failures = judge(
        unit,
        program,
        store,
        None,
        uses,
        now_ms,
        local_time=local_time,
        service_mode=service_mode,
        basket=basket,
        claiming=True,
    )
    return _split(basket, program, uses, failures, unknown)


def judge_claimed(
    unit: Unit,
    program: Program,
    transaction: Transaction,
    member: Member,
    basket: Basket,
    refused_before: frozenset[str] | None,
) -> JudgedOffers:
    """
    Judge what an order without a guest left open, as of the moment when it was recorded.

    *refused_before* are the offers that did not hold then; absent where none was judged.
    """
    unknown = {
        name: OFFER_UNKNOWN
        for name in incentive_names(basket, program)
        if name not in program.incentives and name not in (refused_before or ())
    }
    known = without_incentives(basket, program, {*unknown, *(refused_before or ())})
    # What has been retired since was not when it was used.
    uses = incentive_uses(known, program, frozenset(program.incentives))
    failures = judge(
        unit,
        program,
        program.past_store(transaction.store_id)
        or Store(transaction.store_id, "", program.time_zone, loyalty_enabled=True),
        member,
        uses if refused_before is None else tuple(map(asking_about_member, uses)),
        transaction.created_ms,
        local_time=None,
        service_mode=transaction.service_mode,
        basket=basket,
        claiming=True,
        counts=True,
    )
    if refused_before is not None:
        several = Breach.SEVERAL_INCENTIVES.value.rule_id
        failures = tuple(failure for failure in failures if failure.rule_id != several)
    return _split(basket, program, uses, failures, unknown, refused_before or ())


def _split(
    basket: Basket,
    program: Program,
    uses: tuple[IncentiveUse, ...],
    failures: tuple[RuleFailure, ...],
    unknown: Mapping[str, str],
    refused_before: Collection[str] = (),
) -> JudgedOffers:
    """Tell the offers that hold from those that do not."""
    broken = tuple(failure for failure in failures if failure.incentive_id is not None)
    refused = dict(unknown)
    for failure in broken:
        refused.setdefault(failure.incentive_id or "", failure.code)
        if failure.rule_id == Breach.SEVERAL_INCENTIVES.value.rule_id:
            # It names the second; the third is as much in the way of the first.
            for use in uses[1:]:
                refused.setdefault(use.incentive.incentive_id, failure.code)
    not_held = lines_sold_as(basket, program, {*refused, *refused_before})
    holding = tuple(use for use in uses if use.incentive.incentive_id not in refused)
    return JudgedOffers(holding, refused, broken, not_held)


def offer_flags(
    program: Program, refused: Mapping[str, str], transaction: Transaction
) -> tuple[Flag, ...]:
    """
    Flag the offers that do not hold, together by reason.

    What the program does not have is the caller's own text, which is never logged.
    """
    by_reason: dict[str, list[str]] = {}
    for name, reason in refused.items():
        by_reason.setdefault(reason, []).append(name)
    return tuple(
        Flag(
            FlagKind.OFFER_INVALID,
            reason,
            {
                "program_id": transaction.program_id,
                "store_id": transaction.store_id,
                "partner": transaction.partner,
                "transaction_id": transaction.transaction_id,
                "status": transaction.status.name,
                "offers": [name for name in names if name in program.incentives][:LISTED_MAX],
                "offer_count": len(names),
            },
        )
        for reason, names in by_reason.items()
    )
