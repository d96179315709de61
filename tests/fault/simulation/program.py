"""The program that every world begins with, its members, and who calls."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.unit import Unit
from loyalty_service.domain.expiry import NEVER, Expiry, ExpiryPolicy
from loyalty_service.domain.keys import Role
from loyalty_service.domain.limits import LIMITS, Limits
from loyalty_service.domain.program import Program
from loyalty_service.domain.restrictions import LimitPerOrder, MaximumRedemptions
from tests.fault.simulation import scheme as figures
from tests.fault.simulation.market import SIMULATED, with_market
from tests.fault.simulation.scheme import Scheme
from tests.support.doing import apply_program, create_key
from tests.support.orders import COFFEE, COOKIE, SANDWICH, SOUP
from tests.support.programs import PROGRAM_ID, add_member, demo_program

PARTNERS = ("tills", "apps")
GUESTS = {
    "3f0a2f2e-6f0c-4a53-8a44-5d9f6a3f1c01": 1500,
    "3f0a2f2e-6f0c-4a53-8a44-5d9f6a3f1c02": 4000,
    "3f0a2f2e-6f0c-4a53-8a44-5d9f6a3f1c03": 0,
    "3f0a2f2e-6f0c-4a53-8a44-5d9f6a3f1c04": figures.POINTS_MAX - 400,
}


def secret_of(partner: str, generation: int) -> str:
    """Name the key of a partner; each rotation makes another."""
    return f"lk_{partner}_{generation}"


def program_of(scheme: Scheme) -> Program:
    """Make a program of the figures that the model knows."""
    demo = demo_program()
    limits = (
        LimitPerOrder(figures.COOKIES_PER_ORDER),
        MaximumRedemptions(figures.COOKIES_PER_MEMBER, figures.COOKIES_IN_ALL),
    )
    incentives = {
        name: replace(
            demo.incentives[name],
            point_cost=scheme.costs[name],
            rules=limits if name == COOKIE else (),
        )
        for name in scheme.costs
        if name not in scheme.retired
    }
    if scheme.soup not in scheme.retired:
        limits_of_soup = (MaximumRedemptions(figures.SOUPS_PER_MEMBER, figures.SOUPS_IN_ALL),)
        incentives[scheme.soup] = replace(demo.incentives[scheme.soup], rules=limits_of_soup)
    program = replace(
        demo,
        stores={9999: demo.stores[9999]},
        incentives=incentives,
        earning=replace(demo.earning, points_per_unit=Fraction(scheme.points_per_unit)),
        pending_lifetime_s=scheme.pending_lifetime_s,
        code_lifetime_s=scheme.code_lifetime_s,
        void_spent=scheme.void_spent,  # type: ignore[arg-type]
        unclaimed_offers=scheme.unclaimed_offers,  # type: ignore[arg-type]
        pending_days=scheme.pending_days,
        receipt_days=scheme.receipt_days,
        void_days=scheme.void_days,
        return_days=scheme.return_days,
        late_void=scheme.late_void,  # type: ignore[arg-type]
        repeated_orders=scheme.repeated_orders,  # type: ignore[arg-type]
        expiry=(
            Expiry(ExpiryPolicy.ISSUE_DATE, days=scheme.good_days) if scheme.good_days else NEVER
        ),
        # The model knows no limits: a world's days are too short for them.
        limits=Limits.of({name: limit.most for name, limit in LIMITS.items()}),
    )
    return with_market(program, scheme.market, demo.incentives) if scheme.market else program


def first_scheme() -> Scheme:
    """Give the figures that every world begins with."""
    costs = {COFFEE: 800, SANDWICH: 1200, COOKIE: 300}
    days = {"pending_days": 1, "receipt_days": 1, "void_days": 1}
    return Scheme(
        costs, COOKIE, SOUP, pending_lifetime_s=60, void_spent="debt", market=SIMULATED, **days
    )


def begin(unit: Unit, now_ms: int) -> list[str]:
    """Apply the program, and make keys and members; return the IDs of the keys."""
    apply_program(unit, ApplyProgram(program_of(first_scheme())), now_ms)
    made = [
        create_key(
            unit, CreateKey(PROGRAM_ID, partner, Role.ADMIN, secret=secret_of(partner, 0)), now_ms
        )
        for partner in PARTNERS
    ]
    for loyalty_id, points in GUESTS.items():
        add_member(unit, now_ms, points, loyalty_id)
    return [one.key.key_id for one in made]
