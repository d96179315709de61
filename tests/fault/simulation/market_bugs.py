"""Bugs of goals, grants, promotions and limits; histories of markets must show each of them."""

from __future__ import annotations

from tests.fault.planted import Bug

MARKET_BUGS = (
    Bug(
        "a goal gives once more what it has given",
        "count_order",
        "due.after - counts.given.get(due.goal.goal_id, {}).get(due.period, 0)",
        "due.after",
        soon=True,
    ),
    Bug(
        "a void leaves counted what its order counts",
        "recount",
        "transaction.counted is None or _",
        "True",
        soon=True,
    ),
    Bug("a lost goal keeps its points", "take_back_given", "if loss.points:\n    ...", "pass"),
    Bug("a lost goal keeps its grant", "_ungrant", "events += take_back(...)", "pass"),
    Bug(
        "a used grant comes back though its goal is lost",
        "take_back",
        "unit.change(grant, withdrawn_ms=now_ms)",
        "pass",
    ),
    Bug(
        "late orders count on the day when they are told",
        "count_order",
        "day_of(order.paid_ms, _1)",
        "day_of(now_ms, _1)",
        soon=True,
    ),
    Bug(
        "a goal knows late orders from its own first one on",
        "Counts.change",
        "goal.goal_id not in self.states",
        "_0 and goal.measure in amounts",
    ),
    Bug(
        "a period that is settled gives again",
        "Counts.change",
        "not _is_over(due.goal, due.period, self.settled)",
        "True",
    ),
    Bug(
        "a rolling window has a day more",
        "Window.first_day",
        "day - self.days + 1",
        "day - self.days",
    ),
    Bug("what is left over of a target is forgotten", "advance", "divmod(_1, _2)", "(_1 // _2, 0)"),
    Bug(
        "what reached a goal counts again",
        "advance",
        "State(state.period, state.rounds + _, day, _1, _2)",
        "State(state.period, state.rounds + rounds, 0, _1, _2)",
    ),
    Bug(
        "a goal of a period is reached in no other",
        "advance",
        "state.period != on.period",
        "False",
    ),
    Bug("a tier never ends", "Tier.last_day", "self.days is None and _ and _", "True"),
    Bug("a grant is good for good", "Grant.covers", "_1 <= _2 <= self.last_day", "_1 <= _2"),
    Bug("a void gives no grant back", "return_grant", "unit.change(...)", "pass"),
    Bug(
        "a grant is promised to two open orders",
        "granted",
        "given.usable - given.reserved",
        "given.usable",
    ),
    Bug(
        "what waits to be activated can be used",
        "grants_left",
        "grant.activated_ms is None",
        "False",
    ),
    Bug(
        "what came with the first order stays without it",
        "take_back_without_order",
        "...",
        "return ()",
    ),
    Bug(
        "what an order bought by itself stays without it", "bought_unused", "...", "return Bought()"
    ),
    Bug("a birthday before the enrolment counts", "GrantTerms.due", "first < enrolled", "False"),
    Bug(
        "nobody counts how often a promotion was earned",
        "count_earned",
        "promotion.at_most.counts_member",
        "False",
    ),
    Bug(
        "a return does not lower what limits count",
        "return_lines",
        "_count_less(...)",
        "pass",
    ),
    Bug("the worse multiplier counts", "_covered", "max(_1, key=_2)", "min(_1, key=_2)"),
    Bug(
        "a day's cap counts each order alone",
        "_most",
        "limit - unit.redeemed_between(member, POINTS_OF_DAYS, since, until)",
        "limit",
    ),
    Bug(
        "limits of a period forget open orders",
        "used_in_periods",
        "_.member_reserved + _1",
        "_1",
    ),
    Bug(
        "a birthday can be had twice",
        "counted_spans",
        "found is not None",
        "False",
    ),
)

_SIMULATED = {
    "a goal gives once more what it has given",
    "a void leaves counted what its order counts",
    "a lost goal keeps its points",
    "a lost goal keeps its grant",
    "what reached a goal counts again",
}
SIMULATED_BUGS = tuple(bug for bug in MARKET_BUGS if bug.name in _SIMULATED)
"""Those that simulated worlds must show as well, in which nobody is late and nothing comes back."""
