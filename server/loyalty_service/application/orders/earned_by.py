"""By what an order earned, kept with it: what of it comes back later is counted by the same."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from loyalty_service.application.orders.earnings import PaidOrder
from loyalty_service.application.unit import Unit
from loyalty_service.domain.earning import Earned, Won
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Transaction


@dataclass(frozen=True, slots=True)
class EarnedBy:
    """
    By what an order earned.

    Attributes:
        program: The program as it was then.
        worth: Its rate and promotions; its points are not those of the order.
        not_held: Lines that earned nothing, by their places.
    """

    program: Program
    worth: Earned
    not_held: frozenset[int]


def earned_fields(unit: Unit, order: PaidOrder, worth: Earned) -> dict[str, Any]:
    """Give the fields of an order that keep by what it earned."""
    told: dict[str, Any] = {}
    if worth.rate is not None:
        told["rate"] = str(worth.rate)
    if worth.won:
        told["won"] = [[one.promotion.promotion_id, one.times] for one in worth.won]
    if order.not_held:
        told["not_held"] = sorted(order.not_held)
    return {
        "program_version": unit.catalog.versions.get(order.program.program_id),
        "earned_by": json.dumps(told, separators=(",", ":")) if told else None,
    }


def claimed_fields(
    unit: Unit, order: PaidOrder, transaction: Transaction, worth: Earned
) -> dict[str, Any]:
    """
    Give the same fields of a receipt that is claimed.

    Only what its member brought is by the program of now; else all is as it was recorded, but for
    lines that do not hold for this member.
    """
    if worth.rate is not None or worth.won or transaction.program_version is None:
        return earned_fields(unit, order, worth)
    if not order.not_held:
        return {}
    told = json.loads(transaction.earned_by or "{}") | {"not_held": sorted(order.not_held)}
    return {"earned_by": json.dumps(told, separators=(",", ":"))}


def earned_by(unit: Unit, transaction: Transaction) -> EarnedBy | None:
    """Find by what an order earned; None where that is not known, as of an older version."""
    version = transaction.program_version
    if version is None:
        return None
    program = unit.program_of(transaction.program_id, version)
    if program is None:
        return None
    told = json.loads(transaction.earned_by or "{}")
    won = tuple(
        Won(program.promotions[name], times)
        for name, times in told.get("won", ())
        if name in program.promotions
    )
    rate = told.get("rate")
    worth = Earned(0, rate=None if rate is None else Fraction(rate), won=won)
    return EarnedBy(program, worth, frozenset(told.get("not_held", ())))
