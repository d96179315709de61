"""
The offers of an order without a guest: judged twice, and counted once.

The order is paid when it is recorded, so an offer that does not hold is flagged and not refused.
What can be known without a guest is judged then, and stays so: a receipt is not worth less because
the program changes. The rest is judged when the receipt is claimed. An offer that does not hold
earns nothing itself and is not counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from loyalty_service.application.orders.order_review import judge
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket
from loyalty_service.domain.breaches import Breach, RuleFailure
from loyalty_service.domain.flags import OFFER_UNKNOWN
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
    channels: tuple[str, ...],
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
        channels=channels,
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
        store_of(program, transaction),
        member,
        uses if refused_before is None else tuple(map(asking_about_member, uses)),
        transaction.created_ms,
        local_time=None,
        service_mode=transaction.service_mode,
        channels=transaction.channels,
        basket=basket,
        claiming=True,
        counts=True,
    )
    if refused_before is not None:
        together = Breach.ORDER_LIMIT.value.rule_id
        failures = tuple(failure for failure in failures if failure.rule_id != together)
    return _split(basket, program, uses, failures, unknown, refused_before or ())


def store_of(program: Program, transaction: Transaction) -> Store:
    """Find the store of an order without a guest; one that nobody remembers takes part."""
    return program.past_store(transaction.store_id) or Store(
        transaction.store_id, "", program.time_zone, loyalty_enabled=True
    )


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
    not_held = lines_sold_as(basket, program, {*refused, *refused_before})
    holding = tuple(use for use in uses if use.incentive.incentive_id not in refused)
    return JudgedOffers(holding, refused, broken, not_held)
