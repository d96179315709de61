"""G12: offline orders, in any order and sent again and again."""

from __future__ import annotations

from loyalty_service.domain.clock import set_ahead_ms
from tests.fault.goal import SQLITE, Goal, Trial
from tests.fault.planted import Bug, planted
from tests.support.late_purchases import History, state
from tests.support.ledger import audit

ORDERS, MEMBERS = 10_000, 1_000
ORDERS_SHORT, MEMBERS_SHORT = 60, 4
ORDERS_OF_BUGS, MEMBERS_OF_BUGS = 40, 2

BUGS = (
    Bug(
        "orders that were paid later keep what they earned",
        "take_offline",
        "judge_later(...)",
        "()",
    ),
    Bug(
        "a late order is judged among those that were paid after it",
        "take_offline",
        "take_out_later(...)",
        "NOTHING_LATER",
    ),
    Bug(
        "what a late order earns goes as if it were earned today",
        "bring",
        "_day(_1, _2, _)",
        "_today(_1, _2)",
    ),
    Bug("a late order that comes again earns again", "answer_of_close", "_ is None or _", "True"),
    Bug(
        "orders are counted again in the order in which they came",
        "_place",
        "(_1.claimed_ms or 0, _1.pos_transaction_id)",
        "(_1.updated_ms, _1.transaction_id)",
    ),
)


async def run(trial: Trial) -> None:
    """
    Pay purchases of 29 days one by one, and send the same ones at the end of the month.

    They come in an order that chance draws, and a tenth twice, to a program with a bonus for the
    first order, limits of the day, caps, goals and points that go. Members, orders, counts, goals
    and buckets must be the same. Planted bugs must show.
    """
    try:
        orders, members = trial.choose((ORDERS, MEMBERS), (ORDERS_SHORT, MEMBERS_SHORT))
        history = History(trial.chance("history"), members, orders)
        for name in await _different(trial, history):
            trial.require(False, f"{name} differ")  # noqa: FBT003 - what is found is a problem.
        trial.figure("orders", len(history.sales))
        trial.figure("sent late", history.sent)
        for bug in BUGS if trial.kind == SQLITE else ():
            with planted(bug):
                trial.require(await _shows(trial, bug), f"not found: {bug.name}")
        trial.figure("planted bugs", len(BUGS))
    finally:
        set_ahead_ms(0)


async def _different(trial: Trial, history: History) -> list[str]:
    """Name what differs between purchases in time and late ones."""
    in_time, late = trial.new_database(), trial.new_database()
    await history.pay_in_time(in_time)
    await history.send_late(late)
    expected, found = state(in_time), state(late)
    audit(in_time)
    audit(late)
    return [name for name, told in expected.items() if found[name] != told]


async def _shows(trial: Trial, bug: Bug) -> bool:
    """Tell whether a bug is seen, be it that a call fails."""
    try:
        history = History(trial.chance(bug.name), MEMBERS_OF_BUGS, ORDERS_OF_BUGS)
        return bool(await _different(trial, history))
    except Exception:  # noqa: BLE001 - whatever a bug breaks shows it.
        return True


GOALS = (
    Goal(
        "G12",
        "Offline orders",
        "Ten thousand orders of up to 30 days ago, shuffled and a tenth of them sent twice, leave "
        "what the same orders leave that were paid on-line and in order.",
        run,
    ),
)
