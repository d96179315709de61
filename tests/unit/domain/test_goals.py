"""What counts for goals, day by day, whatever comes late or is taken back."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from random import Random

import pytest

from loyalty_service.domain.expiry import PeriodEnd
from loyalty_service.domain.goal_cards import (
    Counts,
    GoalCard,
    HeldTier,
    tier_on,
    tiers_of,
    with_tier,
)
from loyalty_service.domain.goals import LAST_DAY, Again, Calendar, Count, Days, Goal, Tier, Window

FIRST = date(2026, 1, 1)
WINDOWS = (
    Window(),
    Window(days=1),
    Window(days=7),
    Window(months=1),
    *(Window(calendar=calendar) for calendar in Calendar),
)


def a_goal(window: Window, again: Again, target: int = 5, goal_id: str = "goal") -> Goal:
    """Count points."""
    return Goal(goal_id, "Goal", Count.POINTS, target, window=window, again=again, points=1)


def starts(window: Window, day: date) -> date:
    """Tell in words of its own where a window begins that ends with a day."""
    if window.days:
        return day - timedelta(window.days - 1)
    if window.months:
        month = day.replace(day=1) - timedelta(1)
        return month.replace(day=min(day.day, month.day)) + timedelta(1)
    return {
        None: date.min,
        Calendar.DAY: day,
        Calendar.WEEK: day - timedelta(day.weekday()),
        Calendar.MONTH: day.replace(day=1),
        Calendar.QUARTER: date(day.year, {0: 1, 1: 4, 2: 7, 3: 10}[(day.month - 1) // 3], 1),
        Calendar.YEAR: date(day.year, 1, 1),
    }[window.calendar]


def reached(goal: Goal, orders: Counter[date]) -> int:
    """Tell how often a goal was reached: point by point, the oldest are used up first."""
    waiting: list[date] = []
    times: list[date] = []
    for day in sorted(orders):
        for _ in range(orders[day]):
            start = starts(goal.window, day)
            waiting = [one for one in (*waiting, day) if one >= start]
            if len(waiting) < goal.target:
                continue
            if goal.again is Again.NEVER and times:
                continue
            if goal.again is Again.WINDOW and any(one >= start for one in times):
                continue
            times.append(day)
            waiting = []
    return len(times)


@pytest.mark.parametrize("window", WINDOWS, ids=repr)
@pytest.mark.parametrize("again", Again)
def test_goal_is_reached_as_often_as_its_points_say(window: Window, again: Again) -> None:
    """In any order of the days, with what is taken back, and however often a card is written."""
    if again is Again.WINDOW and window.calendar is None:
        return
    for seed in range(60):
        random = Random(seed)  # noqa: S311 - a case that can be tried again.
        goal = a_goal(window, again)
        orders: Counter[date] = Counter()
        counts, given = Counts(), Counter[int]()
        for _ in range(random.randint(1, 25)):
            day = FIRST + timedelta(random.randint(0, random.choice((3, 20, 90))))
            paid = [one for one in orders if orders[one]]
            if paid and random.random() < 0.3:
                day = random.choice(paid)
                amount = -random.randint(1, orders[day])
            else:
                amount = random.randint(1, 12)
            orders[day] += amount
            for due in counts.change((goal,), day.toordinal(), {goal.measure: amount}):
                assert due.before == given[due.period]
                given[due.period] = due.after
            counts = Counts(counts.text())
        assert sum(given.values()) == reached(goal, orders), seed


def test_old_days_are_settled_and_change_nothing() -> None:
    """A goal without a window keeps its sum, and one of a year its days."""
    ever = a_goal(Window(), Again.ALWAYS, 40, "ever")
    year = a_goal(Window(calendar=Calendar.YEAR), Again.WINDOW, 90, "year")
    counts, given = Counts(), Counter[str]()
    first = FIRST.toordinal()
    for day in range(first, first + 460):
        for due in counts.change((ever, year), day, {"points": 1}):
            given[due.goal.goal_id] += due.after - due.before
        counts.settle((ever, year), 30)
        counts = Counts(counts.text())
    assert given == {"ever": 11, "year": 2}
    assert len(counts.days["points"].amounts) < 100
    assert counts.change((ever, year), first, {"points": -1}) == ()


@pytest.mark.parametrize("ended", [False, True])
def test_nothing_is_given_again_for_a_period_that_is_settled(*, ended: bool) -> None:
    """A late order, and one for another goal after this one ended, bring no week back."""
    first = date(2026, 1, 5)
    week = a_goal(Window(calendar=Calendar.WEEK), Again.ALWAYS, 5, "week")
    week = replace(week, end=first + timedelta(6)) if ended else week
    goals = week, a_goal(Window(), Again.ALWAYS, 1000, "ever")
    counts, given = Counts(), Counter[int]()
    for day in (0, 70, 71, 70, 140, 141, 140):
        for due in counts.change(goals, first.toordinal() + day, {"points": 6}):
            missing = due.after - counts.given.get(due.goal.goal_id, {}).get(due.period, 0)
            if missing:
                given[day] += missing
                counts.give(due, missing)
        counts.settle(goals, 30)

    assert given == ({0: 1} if ended else {0: 1, 70: 2, 71: 1, 140: 2, 141: 1})


def test_goal_that_is_new_counts_from_its_first_order_on() -> None:
    """What other goals have counted before is not its own."""
    old, new = a_goal(Window(), Again.ALWAYS, 5, "old"), a_goal(Window(), Again.ALWAYS, 5, "new")
    counts = Counts()
    counts.change((old,), 10, {"points": 7})
    dues = counts.change((old, new), 11, {"points": 4})
    assert [(due.goal.goal_id, due.after - due.before) for due in dues] == [("old", 1)]


@pytest.mark.parametrize("most", [9, 1 << 31, 1 << 61])
def test_days_are_those_of_a_plain_table_however_they_are_changed(most: int) -> None:
    """Written down and read again at any time, in order and late, up and down to nothing."""
    for seed in range(60):
        random = Random(seed)  # noqa: S311 - cases, not secrets.
        table, days = Counter[int](), Days()
        for _ in range(40):
            day, amount = 739_000 + random.randrange(60), random.randrange(-most // 9, most // 40)
            if random.random() < 0.4:
                day = max(table, default=day) + random.randrange(3)
            amount = -table[day] if random.random() < 0.2 else amount
            table[day] += amount
            days.add(day, amount)
            if random.random() < 0.1:
                table = Counter({one: table[one] for one in table if one >= day - 20})
                days.forget(day - 20)
            days = Days(days.told()) if random.random() < 0.5 else days
            kept = {one: table[one] for one in sorted(table) if table[one]}
            first, last = sorted((day + random.randrange(-9, 9), day + random.randrange(-9, 9)))
            within = [one for one in kept if first <= one <= last]
            assert days.amounts == kept
            assert days.between(first, last) == sum(kept[one] for one in within)
            assert days.first_from(first, last) == next(iter(within), None)


def test_card_of_an_earlier_version_is_read() -> None:
    """Its days stand in the document: days since the one before and amounts, in turns."""
    counts = Counts('{"d":{"points":[739000,5,2,7]},"l":739002}')
    assert counts.days["points"].amounts == {739_000: 5, 739_002: 7}
    assert Counts(counts.text()).days["points"].amounts == {739_000: 5, 739_002: 7}


def test_tier_is_the_best_of_the_day_and_kept_for_longer_by_reaching_it_again() -> None:
    """The first tier is everybody's where nothing gives it."""
    card = GoalCard(1, "demo", "{}")
    card.tiers = with_tier(card, HeldTier("gold", 100, 200), 0)
    card.tiers = with_tier(card, HeldTier("gold", 150, 250), 0)
    card.tiers = with_tier(card, HeldTier("top", 160, 170), 0)
    tiers = {name: Tier(name, name) for name in ("base", "gold", "top")}
    held = tiers_of(card, tiers, {})
    days = (99, 100, 165, 171, 250, 251)
    best = [tier_on(held, day) for day in days]
    assert [one and one.tier_id for one in best] == ["base", "gold", "top", "gold", "gold", "base"]
    assert tiers_of(None, {}, {}) == ()


def test_tier_that_is_reached_again_after_a_gap_was_had_before_it_as_well() -> None:
    """A late order counts by the tier of its day; a tier that is over for long is forgotten."""
    card = GoalCard(1, "demo", "{}")
    card.tiers = with_tier(card, HeldTier("gold", 100, 200), 0)
    card.tiers = with_tier(card, HeldTier("gold", 300, 400), 0)
    tiers = {"gold": Tier("gold", "gold"), "top": Tier("top", "top")}
    goals = {"gold": replace(a_goal(Window(), Again.ALWAYS), tier="gold")}

    held = tiers_of(card, tiers, goals)

    assert [bool(tier_on(held, day)) for day in (150, 250, 350)] == [True, False, True]
    assert json.loads(with_tier(card, HeldTier("gold", 390, 500), 201)) == [["gold", 300, 500]]


def test_tier_ends_with_its_term() -> None:
    """Months are those of the calendar; the end of the next year is twelve of them later."""
    day = date(2026, 3, 31)
    ends = {
        Tier("t", "T"): LAST_DAY,
        Tier("t", "T", days=9): date(2026, 4, 9).toordinal(),
        Tier("t", "T", months=3): date(2026, 6, 30).toordinal(),
        Tier("t", "T", months=12, end_of=PeriodEnd.YEAR): date(2027, 12, 31).toordinal(),
        Tier("t", "T", end_of=PeriodEnd.QUARTER): day.toordinal(),
    }
    assert {tier: tier.last_day(day.toordinal()) for tier in ends} == ends
