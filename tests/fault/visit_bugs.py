"""Bugs that points in sessions could have; random histories must find each of them."""

from __future__ import annotations

from tests.fault.planted import Bug

VISIT_BUGS = (
    Bug(
        "what is set aside can be reserved again",
        "reserve_points",
        "_1.spendable",
        "_1.spendable + _1.held.balance",
        soon=True,
    ),
    Bug(
        "a reservation past its time keeps its points from the next one",
        "reserve_points",
        "end_overdue(...)",
        "()",
    ),
    Bug(
        "a locked member can reserve", "reserve_points", "require_redeemer(...)", "pass", soon=True
    ),
    Bug("points between two steps can be reserved", "is_redeemable", "_ % _ == 0", "True"),
    Bug("more than the most can be reserved", "most_redeemable", "min(_, _1)", "_1"),
    Bug(
        "a lock does not keep a token from being used",
        "redeemable",
        "require_redeemer(...)",
        "pass",
    ),
    Bug(
        "a token past its time can be used",
        "held_reservation",
        "_1.holds_at(_)",
        "_1.status == 1",
        soon=True,
    ),
    Bug(
        "a token can be used twice",
        "spend_reserved",
        "unit.change(_1, ..., status=ReservationStatus.USED)",
        "pass",
        soon=True,
    ),
    Bug("a reservation that ends gives nothing back", "end", "release(...)", "pass"),
    Bug(
        "a lowered reservation gives nothing back",
        "lower_reservation",
        "hold_only(...)",
        "pass",
    ),
    Bug(
        "a reservation can be raised",
        "lower_reservation",
        "if _ > _:\n    raise _",
        "pass",
    ),
    Bug(
        "a cancellation is answered again for ever",
        "cancel_reservation",
        "_ <= REPEATED_WITHIN_MS",
        "True",
    ),
    Bug(
        "a cancellation in another session is answered again",
        "cancel_reservation",
        "_.ended_in == _",
        "True",
    ),
    Bug(
        "more can be taken than is there",
        "issue_reward",
        "_1.spendable < -_2",
        "_1.spendable + 100_000 < -_2",
    ),
    Bug(
        "a negative reward takes nothing",
        "issue_reward",
        "capture(...)",
        "pass",
    ),
    Bug("a void can be done twice", "void_adhoc", "_.change(_, voided_ms=_)", "pass", soon=True),
    Bug("a void of what was taken gives nothing back", "void_adhoc", "max(0, -_)", "0"),
    Bug(
        "a purchase is paid with points that stay reserved",
        "spend_reserved",
        "capture(...)",
        "pass",
    ),
    Bug(
        "a lock does not keep a purchase from being paid with points",
        "reserved_for",
        "_.earn_only or _",
        "False",
    ),
    Bug(
        "a purchase is told at the till and offline",
        "report_offline_purchase",
        "_ is not None and _.status is SessionStatus.CLOSED",
        "False",
    ),
    Bug(
        "a purchase of nobody is awarded to two",
        "award_purchase",
        "_.status is not TransactionStatus.UNCLAIMED",
        "False",
        soon=True,
    ),
    Bug(
        "points that wait can be spent",
        "claim_order",
        "earn(_1, _2, _3, _4, _5, confirmed=_, effective_ms=_6)",
        "earn(_1, _2, _3, _4, _5, effective_ms=_6)",
        soon=True,
    ),
    Bug(
        "what comes back is taken from what can be spent, though it waits",
        "return_lines",
        "min(_, _.points_waiting)",
        "0",
    ),
    Bug("a void forgets that points wait", "void", "_1 = _.points_waiting", "_1 = 0"),
    Bug("a void takes what an adjustment has taken", "void", "_1.points_left", "_1.points_earned"),
    Bug(
        "a purchase can be confirmed again",
        "confirm_purchase",
        "_.confirmation == CONFIRMED",
        "False",
    ),
    Bug("what is confirmed goes on waiting", "confirm_purchase", "confirm(...)", "pass"),
    Bug(
        "a void lets owe where the program refuses it",
        "void_adhoc",
        "_.void_spent == 'debt'",
        "True",
    ),
)
