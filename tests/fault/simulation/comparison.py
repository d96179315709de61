"""What a database holds, beside what the model expects of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine

from loyalty_service.domain.events import EventKind
from loyalty_service.storage.tools.audit import audit_state
from tests.fault.simulation.books import (
    CLAIMED,
    PENDING,
    UNCLAIMED,
    VOID,
    Books,
    Told,
    agree,
    reserved_by,
)
from tests.fault.simulation.market_rules import awards_of, plain_origin

Execute = Callable[..., Any]
"""Runs a statement on the database."""

_STATUS = {PENDING: 1, CLAIMED: 2, VOID: 3, UNCLAIMED: 4}
_AVAILABLE, _HELD, _DEBT = 1, 2, 7
_ACCOUNTS = (
    "SELECT loyalty_id, kind, balance FROM account JOIN member ON member.number = member_number"
)
_HOLDS = "SELECT transaction_id, sum(points) FROM hold WHERE status = 1 GROUP BY transaction_id"
_ENDS = "SELECT transaction_id, expires_ms FROM loyalty_transaction WHERE status = 1"
_STATES = "SELECT transaction_id, status FROM loyalty_transaction"
_BUCKETS = (
    "SELECT loyalty_id, last_day, gone_ms, sum(points) FROM bucket "
    "JOIN member ON member.number = member_number WHERE points > 0 "
    "GROUP BY loyalty_id, last_day, gone_ms"
)
_GRANTS = (
    "SELECT loyalty_id, origin, uses, used, first_day, last_day, activated_ms, withdrawn_ms "
    "FROM member_grant JOIN member ON member.number = member_number"
)
_AWARDS = (
    "SELECT transaction_id, goal_id, rounds - lost_rounds, points - lost_points FROM goal_award"
)
_EVENTS = (
    "SELECT event_id, kind, loyalty_id, available, held, debt FROM event "
    "LEFT JOIN member ON number = member_number WHERE event_id > ? ORDER BY event_id"
)
_LAST_EVENT = "SELECT coalesce(max(event_id), 0) FROM event"
_KEPT = "SELECT count(*) FROM remembered_answer WHERE scope NOT LIKE '%:%'"
RESERVED = (
    "SELECT transaction_id, incentive_id, point_cost, quantity FROM reservation WHERE quantity > 0"
)


def agree_on_points(execute: Execute, books: Books) -> None:
    """
    Hold accounts, open holds and what open orders were accepted with against the model.

    Raises:
        DisagreementError: The database holds something else.
    """
    due = {}
    for name, guest in books.guests.items():
        due[name, _AVAILABLE], due[name, _HELD] = guest.available, guest.held
        if guest.debt:
            due[name, _DEBT] = -guest.debt
    rows = execute(_ACCOUNTS)
    found = {(name, kind): points for name, kind, points in rows if kind != _DEBT or points}
    if books.scheme.good_days:
        _agree_on_days(execute, books, found)
    agree(found == due, f"accounts differ: {sorted(found.items() ^ due.items())}")
    holds = {name: order.held for name, order in books.orders.items() if order.held}
    agree(dict(map(tuple, execute(_HOLDS))) == holds, f"open holds differ from {holds}")
    reserved = {tuple(row[:3]): row[3] for row in execute(RESERVED)}
    expected = reserved_by(books.orders)
    agree(reserved == expected, f"orders were accepted with {reserved}, though {expected}")


def _agree_on_days(execute: Execute, books: Books, found: dict[tuple[Any, Any], Any]) -> None:
    """Hold buckets against purses; what is over counts for nothing, booked or not."""
    kept: dict[str, dict[str, int]] = {name: {} for name in books.guests}
    for name, last_day, gone_ms, points in execute(_BUCKETS):
        if gone_ms > books.now_ms:
            kept[name][last_day] = int(points)
        else:
            found[name, _AVAILABLE] -= int(points)
    due = {
        name: {day.isoformat(): points for day, points in guest.purse.days.items() if points}
        for name, guest in books.guests.items()
        if guest.purse is not None
    }
    agree(kept == due, f"buckets have {kept}, though {due}")


def agree_on_market(execute: Execute, books: Books) -> None:
    """
    Hold what members were given, by whatever, and what counts for limits against the model.

    Raises:
        DisagreementError: The database holds something else.
    """
    awards = awards_of(execute)
    found = {
        (name, plain_origin(origin, awards)): (*told[:2], *told[2:4], bool(told[4]), bool(told[5]))
        for name, origin, *told in execute(_GRANTS)
    }
    due = {
        (name, one.origin): (
            *(one.uses, one.used, one.first.isoformat(), one.last.isoformat()),
            *(one.active, one.withdrawn),
        )
        for name, guest in books.guests.items()
        for one in guest.card.grants.values()
    }
    agree(found == due, f"members were given {_unlike(found, due)}")
    gave = {tuple(row[:2]): tuple(map(int, row[2:])) for row in execute(_AWARDS)}
    given: dict[Any, Any] = {}
    for guest in books.guests.values():
        for one in guest.card.awards:
            rounds, points = given.get((one.order, one.goal), (0, 0))
            left = one.rounds - one.lost_rounds, one.points - one.lost_points
            given[one.order, one.goal] = rounds + left[0], points + left[1]
    agree(gave == given, f"goals have given {_unlike(gave, given)}")


def _unlike(found: dict[Any, Any], due: dict[Any, Any]) -> str:
    places = sorted(one for one in found.keys() | due.keys() if found.get(one) != due.get(one))
    return "; ".join(f"{one}: {found.get(one)}, though {due.get(one)}" for one in places)


def agree_on_ends(execute: Execute, books: Books) -> None:
    """
    Hold the times until which orders are open against the model.

    Raises:
        DisagreementError: The database has others.
    """
    ends = {name: one.expires_ms for name, one in books.orders.items() if one.status == PENDING}
    agree(dict(execute(_ENDS)) == ends, "orders are open until other times")


def agree_on_orders(execute: Execute, books: Books) -> None:
    """
    Hold the orders that there are, and how far each is, against the model.

    Raises:
        DisagreementError: The database has others.
    """
    states = {name: _STATUS[order.status] for name, order in books.orders.items()}
    found = dict(map(tuple, execute(_STATES)))
    agree(found == states, f"orders have {found}, though {states}")


def last_event(execute: Execute) -> int:
    """Name the newest event."""
    (event_id,) = execute(_LAST_EVENT).fetchone()
    return int(event_id)


def agree_on_events(execute: Execute, books: Books, after: int) -> int:
    """
    Hold the events kept *after* one against those expected; return the newest.

    Raises:
        DisagreementError: Others were kept, or in another order.
    """
    due, books.events = books.events, []
    found = []
    for event_id, kind, name, available, held, debt in execute(_EVENTS, (after,)):
        after = event_id
        owed = None if debt is None else -debt
        balances = None if available is None else (available, held, owed)
        found.append(Told(EventKind(kind).name, name, balances))
    same = len(found) == len(due) and all(map(Told.goes_with, due, found))
    agree(same, f"events differ: {found} were kept, though {due}")
    return after


def agree_at_end(execute: Execute, books: Books) -> None:
    """
    Hold a database in which nothing is open any more against the model.

    Raises:
        DisagreementError: Something is otherwise.
    """
    agree_on_orders(execute, books)
    agree(not list(execute(_HOLDS)), "points are held for ever")
    (kept,) = execute(_KEPT).fetchone()
    agree(kept == len(books.kept), f"{kept} kept answers, not {len(books.kept)}")
    (total,) = execute("SELECT sum(balance) FROM account").fetchone()
    agree(total == 0, f"all accounts sum to {total}")


def agree_with_audit(engine: Engine) -> None:
    """
    Audit a database.

    Raises:
        DisagreementError: The audit finds something.
    """
    with engine.connect() as connection:
        findings = audit_state(connection)
    agree(findings.all_hold, f"the audit found {findings.problems}")
