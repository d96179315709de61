"""Goals count claimed orders by their days, give once for each time, and are recounted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest

from loyalty_service.application.members.get_member import show_member
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.orders.return_lines import ReturnLines, return_lines
from loyalty_service.domain.errors import PointsInsufficientError, RulesFailedError
from loyalty_service.domain.grants import GivenOn, GrantTerms
from loyalty_service.domain.products import Products
from loyalty_service.domain.returns import ReturnedLine
from loyalty_service.program_file.earning_records import earning_from_json
from loyalty_service.program_file.goal_records import goals_from_json, tier_from_json
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit as audit_store
from tests.support.doing import apply_program
from tests.support.ledger import audit, execute
from tests.support.orders import CLAIMED, COOKIE, DAY_MS, Till, basket, item, offer
from tests.support.programs import KEY, PROGRAM_ID, demo_program, enroll

DRINKS = {"drinks": Products(prefixes=("d",), group="drinks")}
CROISSANT = "b8d3f7a1-46c2-4e95-8a0b-2f7c9d51e364"
MAY_1 = int(datetime.fromisoformat("2026-05-01T12:00-04:00").timestamp() * 1000)
THREE: dict[str, Any] = {"count": "visits", "target": 3, "gives": {"points": 500}}
WEEK = {"window": {"days": 7}}


@pytest.fixture(autouse=True)
def _audited(database_url: str) -> Iterator[None]:
    """Let cards and awards agree with orders and transfers after each test."""
    yield
    audit(database_url)
    findings = audit_store(Database.from_text(database_url))
    assert findings.all_hold, findings.problems


def goal(goal_id: str, **words: Any) -> dict[str, Any]:
    """Describe a goal in the words of a program file."""
    return {"id": goal_id, "name": goal_id.title()} | words


async def apply(
    till: Till, *goals: dict[str, Any], tiers: tuple[dict[str, Any], ...] = (), **other: Any
) -> None:
    """Let an operator describe goals."""
    program = replace(
        demo_program(),
        groups=DRINKS,
        promotions={},
        goals=goals_from_json(list(goals), DRINKS),
        tiers={tier["id"]: tier_from_json(tier) for tier in tiers},
        **other,
    )
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))


async def pay(till: Till, guest: str, day: int, *lines: Any, **other: Any) -> Any:
    """Pay an order on a day of May 2026, from 1 on."""
    till.now_ms = MAY_1 + (day - 1) * DAY_MS
    transaction = await till.identify(guest)
    return (
        await till.update(transaction, CLAIMED, basket(*(lines or (item(100),))), **other)
    ).result


async def told(till: Till, guest: str, day: int) -> list[tuple[int, int, str | None]]:
    """Read what counts for each goal on a day: how many, of how many, and until when."""
    program = till.store.catalog.programs[PROGRAM_ID]
    async with till.store.read() as reader:
        shown = await show_member(reader, program, KEY, guest, MAY_1 + (day - 1) * DAY_MS)
    return [
        (one.counts, one.goal.target, date.fromordinal(one.until).isoformat())
        for one in shown.goals
    ]


async def test_third_visit_in_seven_days_gives_points_and_a_void_takes_them(till: Till) -> None:
    """They come with the claim that reaches the goal, and go as a whole: then it is 2 of 3."""
    await apply(till, goal("three", **THREE, **WEEK))
    guest = await enroll(till.store)

    first, second, third = [await pay(till, guest, day) for day in (1, 4, 7)]
    assert [one.reached.points for one in (first, second, third)] == [0, 0, 500]
    assert third.earned_points == 10
    assert third.available_points == 30 + 500

    till.now_ms = MAY_1 + 7 * DAY_MS
    voided = (await till.void(second.transaction_id)).result
    assert (voided.earned_points, voided.available_points) == (10, 20)
    assert await told(till, guest, 7) == [(2, 3, "2026-05-07")]
    assert await told(till, guest, 8) == [(1, 3, "2026-05-13")]


@pytest.mark.parametrize("others", [(), (goal("other", **THREE, again="always"),)])
async def test_void_takes_what_a_goal_gave_that_the_file_has_no_more(
    till: Till, others: tuple[dict[str, Any], ...]
) -> None:
    """It is judged by the goal of the order's day, whether any goals are left or not."""
    await apply(till, goal("three", **THREE, **WEEK), *others)
    guest = await enroll(till.store)
    _, second, third = [await pay(till, guest, day) for day in (1, 4, 7)]
    await apply(till, *others)

    reached = [(await till.void(one.transaction_id)).result.reached for one in (second, third)]

    assert [one.given.get("three", 0) for one in reached] == [-500, 0]


async def test_goal_is_reached_again_only_where_it_says_so(till: Till) -> None:
    """Whatever reached it is used up; once is once, also after it was taken back and reached."""
    await apply(
        till, goal("once", **THREE), goal("always", **THREE, again="always"), void_spent="debt"
    )
    guest = await enroll(till.store)

    orders = [await pay(till, guest, day) for day in range(1, 8)]
    given = [one.reached.points for one in orders]
    assert given == [0, 0, 1000, 0, 0, 500, 0]

    # Of seven visits one goes: six are still two times.
    assert (await till.void(orders[0].transaction_id)).result.available_points == 60 + 1500
    assert (await till.void(orders[1].transaction_id)).result.available_points == 50 + 1000
    again = await pay(till, guest, 9)
    assert again.reached.points == 500


@pytest.mark.parametrize(("target", "more"), [(5, 5), (2, 2)])
async def test_changed_target_counts_nothing_that_was_used_up(
    till: Till, target: int, more: int
) -> None:
    """What a goal gave for is used up: by another target so many more orders are needed."""
    cards = {"count": "visits", "again": "always", "gives": {"points": 500}}
    await apply(till, goal("stamps", target=3, **cards))
    guest = await enroll(till.store)
    assert [(await pay(till, guest, 0)).reached.points for _ in range(3)] == [0, 0, 500]
    await apply(till, goal("stamps", target=target, **cards))

    given = [(await pay(till, guest, day)).reached.points for day in range(1, more + 1)]

    assert given == [0] * (more - 1) + [500]


async def test_windows_are_of_the_calendar_or_roll(till: Till) -> None:
    """May ends with May; seven days end with the eighth."""
    await apply(
        till,
        goal("month", **THREE, window={"calendar": "month"}, again="window"),
        goal("roll", **THREE, **WEEK, again="always"),
    )
    guest = await enroll(till.store)

    days = (1, 9, 17, 18, 33, 34, 41)
    given = [(await pay(till, guest, day)).reached.points for day in days]

    assert given == [0, 0, 500, 0, 0, 0, 500]
    assert await told(till, guest, 41) == [(3, 3, "2026-06-30"), (1, 3, "2026-06-16")]


async def test_late_order_counts_on_its_own_day(till: Till) -> None:
    """A till that was offline brings Monday's order on Wednesday: the goal is reached with it."""
    await apply(
        till, goal("three", count="visits", target=3, window={"days": 3}, gives={"points": 5})
    )
    guest = await enroll(till.store)

    for day in (3, 4):
        await pay(till, guest, day)
    late = datetime(2026, 5, 2, 12)  # noqa: DTZ001 - the till's own clock.
    assert (await pay(till, guest, 4, local_time=late)).reached.points == 5


async def test_what_is_counted_may_be_money_points_or_products(till: Till) -> None:
    """Points without those that goals give, and products less what is taken back."""
    await apply(
        till,
        goal("spend", count="spend", target=2000, gives={"points": 1}, again="always"),
        goal("points", count="points", target=200, gives={"points": 10}, again="always"),
        goal("items", count="items", of="drinks", target=5, gives={"points": 100}, again="always"),
        goal(
            "big",
            count="visits",
            target=1,
            gives={"points": 1000},
            again="always",
            rules={"minimum_spend": 1000},
        ),
    )
    guest = await enroll(till.store)

    done = await pay(till, guest, 1, item(500, plu="d1", quantity=2))
    assert done.reached.points == 1000
    done = await pay(till, guest, 2, item(300, plu="d2", quantity=3), item(100))
    assert done.reached.points == 1000 + 1 + 10 + 100
    done = await pay(till, guest, 3, item(999))
    assert done.reached.points == 0


async def test_tier_gives_a_rate_from_the_next_order_and_stays_after_a_void(till: Till) -> None:
    """It ends with its term, and is kept longer by whoever reaches it again."""
    rates = [{"points_per_unit": "12", "when": {"tiers": ["gold"]}}]
    await apply(
        till,
        goal("gold", count="points", target=100, again="always", gives={"tier": "gold"}),
        tiers=(
            {"id": "green", "name": "Green"},
            {"id": "gold", "name": "Gold", "kept": {"days": 9}},
        ),
        earning=earning_from_json({"rates": rates}, {}),
    )
    guest = await enroll(till.store)

    first = await pay(till, guest, 1, item(1000))
    assert first.earned_points == 100
    await till.void(first.transaction_id)
    assert (await pay(till, guest, 10, item(500))).earned_points == 60
    assert (await pay(till, guest, 11, item(500))).earned_points == 50
    assert (await pay(till, guest, 12, item(500))).earned_points == 60
    program = till.store.catalog.programs[PROGRAM_ID]
    async with till.store.read() as reader:
        shown = await show_member(reader, program, KEY, guest, MAY_1 + 11 * DAY_MS)
    assert shown.tier is not None
    assert (shown.tier.tier_id, date.fromordinal(shown.tier.last_day)) == (
        "gold",
        date(2026, 5, 20),
    )


async def test_receipt_counts_on_the_day_of_its_order(till: Till) -> None:
    """Whoever claims it later has visited then."""
    await apply(till, goal("three", **THREE, **WEEK))
    guest = await enroll(till.store)
    till.now_ms = MAY_1
    recorded = await till.unclaimed(basket(item(100)))

    for day in (6, 7):
        await pay(till, guest, day)
    till.now_ms = MAY_1 + 20 * DAY_MS
    claimed = (await till.claim_receipt(guest, recorded.receipt_code)).result

    assert claimed.reached.points == 500
    assert claimed.available_points == 30 + 500


async def test_lines_that_come_back_count_no_more(till: Till) -> None:
    """What is left of the order still does; a goal that it does not reach takes back as a whole."""
    await apply(
        till,
        goal("spend", count="spend", target=1000, gives={"points": 50}),
        goal("visits", count="visits", target=1, gives={"points": 7}),
        goal("big", count="visits", target=1, gives={"points": 9}, rules={"minimum_spend": 900}),
    )
    guest = await enroll(till.store)
    lines = (item(600), replace(item(500, plu="2"), reference_id="2"))
    paid = await pay(till, guest, 1, *lines)
    assert paid.available_points == 110 + 50 + 7 + 9

    command = ReturnLines(KEY, paid.transaction_id, (ReturnedLine("2"),), None, keyed=False)
    back = (await till.call(return_lines, command)).result
    assert (back.returned_points, back.reached.points) == (50, -50 - 9)
    assert back.available_points == 60 + 7
    command = ReturnLines(KEY, paid.transaction_id, (ReturnedLine("1"),), None, keyed=False)
    assert (await till.call(return_lines, command)).result.available_points == 0


async def test_goal_gives_something_to_use_and_a_void_takes_back_what_is_not_used(
    till: Till,
) -> None:
    """It can be used once it was given, and no more when the goal is not reached without it."""
    terms = GrantTerms("treat", CROISSANT, GivenOn.GOAL, days=30)
    await apply(
        till,
        goal("two", count="visits", target=2, gives={"grant": "treat"}, again="always"),
        grants={"treat": terms},
    )
    guest = await enroll(till.store)
    first = await pay(till, guest, 1)
    with pytest.raises(RulesFailedError):
        await pay(till, guest, 1, item(500), offer(CROISSANT))
    second = await pay(till, guest, 2)
    assert second.reached.incentives == {"two": CROISSANT}
    await till.void(first.transaction_id)
    with pytest.raises(RulesFailedError):
        await pay(till, guest, 2, item(500), offer(CROISSANT))
    await pay(till, guest, 3)
    assert (await pay(till, guest, 4, item(500), offer(CROISSANT))).earned_points == 50


async def test_grant_of_a_lost_goal_is_gone_once_the_order_that_used_it_is_void(till: Till) -> None:
    """What was used stays used, but does not come back when nothing calls for it any more."""
    terms = GrantTerms("treat", CROISSANT, given_on=GivenOn.GOAL)
    await apply(
        till,
        goal("two", count="visits", target=2, gives={"grant": "treat"}),
        grants={"treat": terms},
    )
    guest = await enroll(till.store)
    first, second = [await pay(till, guest, day) for day in (1, 2)]
    third = await pay(till, guest, 3, item(500), offer(CROISSANT))

    await till.void(first.transaction_id)  # Two are left.
    await till.void(second.transaction_id)
    await till.void(third.transaction_id)
    with pytest.raises(RulesFailedError):
        await pay(till, guest, 4, item(500), offer(CROISSANT))


async def test_late_order_counts_for_goals_that_the_first_order_did_not_count_for(
    till: Till,
) -> None:
    """Whether an order is late has nothing to do with what other goals have counted before."""
    drinks = goal("drinks", count="items", of="drinks", target=2, gives={"points": 70})
    await apply(till, goal("three", **THREE), drinks)
    guest = await enroll(till.store)
    await pay(till, guest, 5)
    await pay(till, guest, 6, item(100, plu="d1"))

    late = datetime(2026, 5, 4, 12)  # noqa: DTZ001 - the till's own time.
    told = await pay(till, guest, 7, item(100, plu="d1"), local_time=late)
    assert told.reached.given == {"three": 500, "drinks": 70}


async def test_void_is_refused_where_a_goal_s_points_are_spent_and_none_may_be_owed(
    till: Till,
) -> None:
    """Nothing of it is done then."""
    await apply(till, goal("three", **THREE, **WEEK), void_spent="refuse")
    guest = await enroll(till.store)
    orders = [await pay(till, guest, day) for day in (1, 2, 3)]
    assert await till.identify(guest, COOKIE)

    with pytest.raises(PointsInsufficientError):
        await till.void(orders[0].transaction_id)


async def test_old_days_are_forgotten_and_counted_no_more(till: Till, database_url: str) -> None:
    """A card stays short, a total for ever stays whole, and an audit finds what is wrong."""
    await apply(
        till,
        goal("ever", count="visits", target=100, gives={"points": 7}),
        goal("year", count="visits", target=61, window={"calendar": "year"}, gives={"points": 9}),
        void_days=30,
    )
    guest = await enroll(till.store)
    paid = [await pay(till, guest, day) for day in range(1, 402, 4)]

    given = {place: one.reached.points for place, one in enumerate(paid) if one.reached.points}
    assert given == {60: 9, 99: 7}
    await till.void(paid[0].transaction_id)
    async with till.store.read() as reader:
        member = await reader.member(PROGRAM_ID, guest)
        assert member is not None
        card = await reader.goal_card(member)
    assert card is not None
    assert len(card.counts) < 3000

    execute(database_url, "UPDATE goal_card SET counts = replace(counts, ',1]', ',2]')")
    wrong = audit_store(Database.from_text(database_url))
    assert {problem.table for problem in wrong.problems} == {"goal_card"}
    execute(database_url, "UPDATE goal_card SET counts = replace(counts, ',2]', ',1]')")
