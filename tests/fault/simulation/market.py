"""What programs give besides their rate, in the words of a program file, and some by chance."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from loyalty_service.domain.earning_rules import Caps, Rounding
from loyalty_service.domain.program import Program
from loyalty_service.domain.restrictions import MaximumRedemptions
from loyalty_service.program_file.earning_records import (
    earning_from_json,
    earning_to_json,
    group_from_json,
    promotions_from_json,
)
from loyalty_service.program_file.goal_records import goals_from_json, tier_from_json
from loyalty_service.program_file.grant_records import grants_from_json
from loyalty_service.program_file.rule_records import rules_from_json

Words = Mapping[str, Any]
"""What a program file says of one thing."""

TREAT = "b8d3f7a1-46c2-4e95-8a0b-2f7c9d51e364"
"""An offer for those alone who were given it."""

CAKE = "633a50ee-e0f9-4038-ab8f-624fb804d820"
"""An offer around a birthday, once for each."""

OFFERS = frozenset({TREAT, CAKE})
CAKE_RULES: Words = {"birthday": {"from": -1, "until": 1}, "max_redemptions": {"per_occasion": 1}}
DRINKS = "drinks"
"""A group: all products whose PLU begins with a d."""


@dataclass(frozen=True)
class Market:
    """
    What a program gives besides its rate.

    Attributes:
        caps: Most points of an order, of a day, and of a balance.
        limits: How often a member may use an incentive, by its ID and the words of periods.
        initial: Points of a new member.
    """

    goals: tuple[Words, ...] = ()
    tiers: tuple[Words, ...] = ()
    grants: tuple[Words, ...] = ()
    promotions: tuple[Words, ...] = ()
    rates: tuple[Words, ...] = ()
    caps: Words = field(default_factory=dict)
    limits: Mapping[str, Words] = field(default_factory=dict)
    rounding: str = "down"
    stack: str = "best"
    initial: int = 0

    def terms(self, name: str) -> Words:
        """Give what is said of a grant."""
        return next(one for one in self.grants if one["id"] == name)


def with_market(program: Program, market: Market, offers: Mapping[str, Any]) -> Program:
    """Let a program give what a market does; *offers* are the incentives that it may have."""
    groups = {**program.groups, DRINKS: group_from_json(DRINKS, {"prefixes": ["d"]})}
    incentives = {
        **program.incentives,
        TREAT: replace(offers[TREAT], rules=rules_from_json({"granted": True}, groups)),
        CAKE: replace(offers[CAKE], rules=rules_from_json(CAKE_RULES, groups)),
    }
    for name, limits in market.limits.items():
        incentives[name] = replace(incentives[name], rules=(MaximumRedemptions(**limits),))
    told = earning_to_json(program.earning) | {"rates": list(market.rates)}
    return replace(
        program,
        groups=groups,
        incentives=incentives,
        promotions=promotions_from_json(list(map(dict, market.promotions)), groups),
        tiers={one["id"]: tier_from_json(one) for one in market.tiers},
        goals=goals_from_json(list(map(dict, market.goals)), groups),
        grants=grants_from_json(list(map(dict, market.grants))),
        earning=replace(
            earning_from_json(told, groups),
            caps=Caps(**market.caps),
            rounding=Rounding(market.rounding),
            stack="add" if market.stack == "add" else "best",
            initial_points=market.initial,
        ),
    )


SIMULATED = Market(
    goals=(
        {
            "id": "two",
            "name": "Two visits",
            "count": "visits",
            "target": 2,
            "window": {"days": 2},
            "again": "always",
            "rules": {},
            "gives": {"points": 40, "grant": "won"},
        },
        {
            "id": "day",
            "name": "A day's points",
            "count": "points",
            "target": 120,
            "window": {"calendar": "day"},
            "again": "window",
            "rules": {},
            "gives": {"points": 25},
        },
    ),
    grants=(
        {"id": "won", "incentive": TREAT, "given_on": "goal", "days": 2},
        {"id": "first", "incentive": TREAT, "given_on": "first_order", "days": 1, "uses": 2},
        {"id": "weekly", "incentive": TREAT, "given_on": "week", "activate": True},
        {"id": "bought", "incentive": TREAT, "points": 120, "days": 3},
    ),
    promotions=(
        {"id": "cup", "name": "Own cup", "bonus": 30, "rules": {}, "at_most": {"per_day": 2}},
    ),
)
"""What the program of a simulated world gives; nothing of it asks what an order buys."""


def any_market(chance: random.Random, coffee: str) -> Market:
    """Describe a market by chance; a member's uses of *coffee* may be limited."""
    tiers = chance.choice(((), TIERS, TIERS))
    grants = tuple(
        _good_for(chance, terms) for terms in chance.sample(GRANTS, chance.randint(1, 4))
    )
    won = any(terms.get("given_on") == "goal" for terms in grants)
    goals = [_goal(chance, f"g{number}", tiers, won=won) for number in range(chance.randint(1, 3))]
    if chance.random() < 0.6:
        goals[0] |= {"rules": {}}
        goals.append(_ended(chance, goals[0]))
    promotions = [_promotion(chance, f"p{number}", tiers) for number in range(chance.randint(0, 3))]
    rates = ({"points_per_unit": "20", "when": {"tiers": ["gold"]}},) if tiers else ()
    limits = chance.choice(({}, {"per_day": 1}, {"per_day": 2, "per_week": 3}, {"per_month": 2}))
    return Market(
        goals=tuple(goals),
        tiers=tiers,
        grants=grants,
        promotions=tuple(promotions),
        rates=chance.choice((rates, ())),
        caps=chance.choice(({}, {}, {"per_order": 250}, {"per_day": 300}, {"balance": 1500})),
        limits={coffee: limits} if limits else {},
        rounding=chance.choice(("down", "nearest", "up")),
        stack=chance.choice(("best", "add")),
        initial=chance.choice((0, 100)),
    )


TIERS: tuple[Words, ...] = (
    {"id": "green", "name": "Green"},
    {"id": "silver", "name": "Silver", "kept": {"days": 2}},
    {"id": "gold", "name": "Gold", "kept": {"months": 1, "end_of": "month"}},
)
GRANTS: tuple[Words, ...] = (
    {"id": "hello", "incentive": TREAT, "given_on": "enrolment"},
    {"id": "first", "incentive": TREAT, "given_on": "first_order"},
    {"id": "born", "incentive": TREAT, "given_on": "birthday"},
    {"id": "weekly", "incentive": TREAT, "given_on": "week"},
    {"id": "won", "incentive": TREAT, "given_on": "goal"},
    {"id": "bought", "incentive": TREAT, "points": 120},
    {"id": "auto", "incentive": TREAT, "points": 350, "by_itself": True},
)
_CALENDAR = {"week", "month", "year"}
_WINDOWS: tuple[Words, ...] = (
    {},
    {"days": 1},
    {"days": 2},
    {"days": 4},
    {"months": 1},
    {"calendar": "day"},
    {"calendar": "week"},
    {"calendar": "month"},
)
_TARGETS = {"visits": (1, 2, 3), "spend": (900, 2500), "points": (150, 400), "items": (2, 3)}
_RULES: tuple[Words, ...] = (
    {},
    {},
    {"minimum_spend": 800},
    {"cart_has": [{"any_of": DRINKS, "quantity": 2}]},
)
_AT_MOST: tuple[Words, ...] = (
    {},
    {"per_order": 2},
    {"per_day": 1},
    {"per_week": 2},
    {"per_member": 3},
    {"per_order": 1, "per_day": 2},
)


def _good_for(chance: random.Random, terms: Words) -> Words:
    days = chance.choice(({}, {"days": 1}, {"days": 3}, {"months": 1}, {"end_of": "month"}))
    own = {"uses": chance.choice((1, 1, 2)), "activate": chance.random() < 0.25}
    if terms.get("given_on") in _CALENDAR:
        days = {}
    return {**terms, **days, **own}


def _goal(chance: random.Random, name: str, tiers: tuple[Words, ...], *, won: bool) -> Words:
    count = chance.choice(list(_TARGETS))
    window = dict(chance.choice(_WINDOWS))
    again = ["never", "always", "always"] + (["window"] if "calendar" in window else [])
    if chance.random() < 0.15:
        window |= {"from": "2023-11-15", "until": "2023-11-20"}
    gives: dict[str, Any] = {}
    if tiers and chance.random() < 0.4:
        gives["tier"] = chance.choice(("silver", "gold"))
    if won and chance.random() < 0.6:
        gives["grant"] = "won"
    if not gives or chance.random() < 0.6:
        gives["points"] = chance.choice((40, 150))
    rules = {"tiers": ["green"]} if tiers and chance.random() < 0.15 else chance.choice(_RULES)
    of = {"of": chance.choice((DRINKS, ["d1"]))} if count == "items" else {}
    return {
        "id": name,
        "name": name,
        "count": count,
        "target": chance.choice(_TARGETS[count]),
        "window": window,
        "again": chance.choice(again),
        "rules": rules,
        "gives": gives,
        **of,
    }


def _ended(chance: random.Random, goal: Words) -> Words:
    """Describe a goal that counts the same as another and ends long before it."""
    calendar = chance.choice(("day", "week", "month"))
    window = {"calendar": calendar, "from": "2023-11-14", "until": "2023-11-20"}
    again = chance.choice(("window", "always"))
    target = min(_TARGETS[goal["count"]])
    own = {"id": "ended", "name": "ended", "target": target, "window": window, "again": again}
    return {**goal, **own}


def _promotion(chance: random.Random, name: str, tiers: tuple[Words, ...]) -> Words:
    more = chance.choice(({"multiplier": "2"}, {"multiplier": "3/2"}, {"bonus": 30}, {"bonus": 25}))
    rules = {"tiers": ["gold"]} if tiers and chance.random() < 0.2 else chance.choice(_RULES)
    on = {"on": DRINKS} if chance.random() < 0.4 else {}
    at_most, coupon = chance.choice(_AT_MOST), {}
    if chance.random() < 0.2:
        coupon = {"granted": TREAT}
    told = {"id": name, "name": name, "rules": rules, "at_most": at_most}
    return {**told, **more, **on, **coupon}


def multiplier_of(promotion: Words) -> Fraction | None:
    """Give what a promotion multiplies by; None where it gives a bonus."""
    return Fraction(promotion["multiplier"]) if "multiplier" in promotion else None
