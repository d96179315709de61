"""Programs of real markets, as files in docs/programs, give what their terms say."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from loyalty_service.application.incentives.take_grant import TakeGrant, take_grant
from loyalty_service.application.members.enroll_member import EnrollMember, enroll_member
from loyalty_service.application.operators.grants import GiveGrants, give_grants
from loyalty_service.application.operators.set_segments import SetSegments, set_segments
from loyalty_service.application.orders.identify_member import IdentifyMember, identify_member
from loyalty_service.application.orders.order_review import Order
from loyalty_service.application.orders.report_order import report_order
from loyalty_service.application.orders.return_lines import ReturnLines, return_lines
from loyalty_service.domain.basket import Basket, BasketLine, Payment, basket_to_json
from loyalty_service.domain.errors import RulesFailedError
from loyalty_service.domain.goal_cards import HeldTier
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.returns import ReturnedLine
from loyalty_service.domain.taken_off import taken_off
from loyalty_service.domain.tier_expiry import last_good_day
from loyalty_service.domain.visit import PointOfSale
from loyalty_service.program_file.document import parse_program
from tests.support.ledger import audit
from tests.support.orders import CLAIMED, Till
from tests.support.programs import KEY, put_program
from tests.support.stores import open_store

pytestmark = pytest.mark.any_database

PROGRAMS = Path(__file__).resolve().parents[2] / "docs" / "programs"
NOON = datetime(2026, 10, 8, 16, tzinfo=UTC)
"""A Thursday, by the clocks of all these places."""

NUMBERS = count(1)


@dataclass(frozen=True)
class Paid:
    """
    An order that a guest pays, with the points that it earns.

    Attributes:
        lines: PLU, price in minor units and perhaps the category, of each line.
        paid: Minor units by type of payment.
        day: Of October 2026.
        born: The guest's birthday, where they told it.
        student: Whether an operator knows the guest as a student.
        brings: Points that goals give besides.
        offers: What the order uses.
        refused: Whether it is refused, because the guest was not given these.
        takes: What the guest activates or buys before.
        given: What an operator gives the guest before.
        back: Points that go when the last line comes back; absent where it does not.
    """

    points: int
    lines: tuple[tuple[Any, ...], ...]
    paid: dict[str, int] = field(default_factory=dict)
    channel: str = "RESTAURANT"
    store_id: int = 1
    day: int = NOON.day
    born: str | None = None
    student: bool = False
    brings: int = 0
    offers: tuple[str, ...] = ()
    refused: bool = False
    takes: str | None = None
    given: str | None = None
    back: int | None = None


def uses(offer: str, **other: Any) -> Paid:
    """Use an offer alone."""
    return Paid(0, (), offers=(offer,), **other)


def dollars(points: int, cents: int, **other: Any) -> Paid:
    """Pay for one product that no group has."""
    return Paid(points, (("1", cents),), **other)


EXAMPLES: dict[str, tuple[str, tuple[Paid, ...]]] = {
    "a dollar is a point": ("coffee-house", (dollars(7, 745),)),
    "double day": ("coffee-house", (dollars(14, 745, day=9),)),
    "own cup, three times a day": (
        "coffee-house",
        tuple(Paid(points, (("1", 500), ("OWNCUP", 0))) for points in (10, 10, 10, 5)),
    ),
    "no points on wine": ("coffee-house", (Paid(5, (("1", 500), ("7", 900, "Wine"))),)),
    "drinks double, after the welcome": (
        "burger-chain",
        (dollars(5100, 100), Paid(1749, (("301", 600), ("101", 549)))),
    ),
    "no welcome for less than a pound": ("burger-chain", (dollars(99, 99), dollars(100, 100))),
    "bags earn nothing": ("burger-chain", (Paid(5500, (("1", 500), ("BAG", 10))),)),
    "birthday month of the grill": (
        "burger-grill",
        (dollars(200, 1000, born="1990-10-30"), dollars(100, 1000, born="1990-11-01")),
    ),
    "to the nearest point": (
        "doughnuts-and-coffee",
        (dollars(57, 572), dollars(58, 578), dollars(36, 358)),
    ),
    "cards earn nothing": (
        "doughnuts-and-coffee",
        (Paid(58, (("1", 578), ("2", 2500, "gift cards"))),),
    ),
    "gold from 500 points": (
        "coffee-house",
        (dollars(500, 50_000), dollars(8, 745), dollars(17, 745, day=9)),
    ),
    "three visits in a week": (
        "burger-grill",
        (
            dollars(100, 1000, day=8),
            dollars(100, 1000, day=11),
            dollars(100, 1000, day=14, brings=500),
            dollars(100, 1000, day=21),
        ),
    ),
    "11, 12 and 13 a dollar": (
        "chicken-sandwiches",
        (
            dollars(1000, 10_000),
            dollars(81, 745),
            dollars(3300, 30_000),
            dollars(89, 745),
            dollars(12_000, 100_000),
            dollars(96, 745),
        ),
    ),
    "captains by the app": (
        "sandwich-maker",
        (dollars(2000, 20_000), dollars(142, 1240, channel="APP"), dollars(2200, 20_000)),
    ),
    "after the twelfth visit of a month": (
        "doughnut-chain",
        (*(dollars(100, 1000, day=day) for day in range(1, 13)), dollars(120, 1000, day=13)),
    ),
    "ten a dollar": ("fried-chicken", (dollars(123, 1234),)),
    "ten a dollar for a sandwich": ("chicken-sandwiches", (dollars(74, 745),)),
    "5 % more by the app": (
        "sandwich-maker",
        (dollars(124, 1240), dollars(130, 1240, channel="APP")),
    ),
    "three times in the birthday month": (
        "doughnut-chain",
        (dollars(300, 1000, born="1990-10-01"), dollars(100, 1000)),
    ),
    "a part comes back in the birthday month": (
        "doughnut-chain",
        (Paid(300, (("1", 600), ("2", 400)), born="1990-10-01", back=120),),
    ),
    "ten a dollar of burritos": (
        "burrito-bar",
        (dollars(124, 1245), dollars(149, 1245, student=True)),
    ),
    "one order a day": (
        "pizza-delivery",
        (dollars(0, 499), dollars(10, 1200), dollars(0, 1200), dollars(10, 1200, day=9)),
    ),
    "the linked card": (
        "drugstore",
        (dollars(1400, 4000, paid={"CASH": 1500, "LINKED_CARD": 2500}),),
    ),
    "a part of what the linked card paid comes back": (
        "drugstore",
        (
            Paid(
                1400,
                (("1", 3000), ("2", 1000)),
                paid={"CASH": 1500, "LINKED_CARD": 2500},
                back=350,
            ),
        ),
    ),
    "vitamins and lottery": (
        "drugstore",
        (Paid(100 + 500, (("1", 1000), ("7701", 1000), ("8", 500, "Lottery"))),),
    ),
    "whole dollars of a drugstore": ("grocers-and-drugstores", (dollars(300, 2015),)),
    "20 times the points": (
        "grocers-and-drugstores",
        (dollars(15_600, 5260, day=10), dollars(735, 4900, day=10)),
    ),
    "what points pay": (
        "grocers-and-drugstores",
        (dollars(300, 3000, paid={"VISA": 2000, "POINTS": 1000}),),
    ),
    "grocers give what is on offer": (
        "grocers-and-drugstores",
        (
            dollars(0, 5000, store_id=2),
            Paid(1000, (("1", 499, "cereals"), ("2", 549, "cereals")), store_id=2),
        ),
    ),
    "gift cards double": (
        "supermarket-fuel",
        (Paid(180, (("1", 8040), ("2", 5000, "gift cards"))),),
    ),
    "prescriptions": (
        "supermarket-fuel",
        (Paid(120, (("1", 2000), ("2", 999, "prescriptions"), ("3", 1, "prescriptions"))),),
    ),
    "two drinks, one of them in an own cup": (
        "coffee-bar",
        (Paid(3, (("31", 350), ("32", 400), ("OWNCUP", 0))), Paid(0, (("OWNCUP", 0),))),
    ),
    "half up, tax in the price": (
        "burger-chain-tax-in-price",
        (dollars(1125, 1500), dollars(131, 175), dollars(139, 185)),
    ),
    "a point for each two euros": (
        "coalition",
        (dollars(0, 199), dollars(4, 840), dollars(8, 840, store_id=2)),
    ),
    "birthday treat": (
        "coffee-house",
        tuple(
            uses("birthday-treat", born="1990-10-08", day=day, refused=refused)
            for day, refused in ((7, True), (8, False), (8, True))
        ),
    ),
    "birthday treat is over": (
        "coffee-house",
        (uses("birthday-treat", born="1990-10-08", day=9, refused=True),),
    ),
    "birthday treat for 30 days": (
        "chicken-sandwiches",
        tuple(
            uses("birthday-treat", born="1990-10-01", day=day, refused=refused)
            for day, refused in ((30, False), (30, True))
        ),
    ),
    "chips after the first order": (
        "burrito-bar",
        (
            uses("chips", refused=True),
            dollars(124, 1245),
            uses("chips"),
            uses("chips", refused=True),
        ),
    ),
    "a burrito is bought": (
        "burrito-bar",
        (
            dollars(1625, 16_250),
            uses("burrito", refused=True),
            uses("burrito", takes="burrito"),
            uses("burrito", refused=True),
        ),
    ),
    "400 points become 2 dollars": (
        "sandwich-maker",
        (
            dollars(149, 1499),
            uses("two-dollars", refused=True),
            dollars(1, 10),
            uses("two-dollars"),
            uses("two-dollars", refused=True),
        ),
    ),
    "an offer to one guest": (
        "drugstore",
        (
            Paid(0, (("1", 2500),), offers=("for-you",), refused=True),
            Paid(250, (("1", 2500),), offers=("for-you",), given="for-you"),
        ),
    ),
    "the offer of the week is loaded": (
        "grocers-and-drugstores",
        (
            uses("coffee-off", refused=True),
            uses("coffee-off", takes="offer-of-the-week"),
            uses("coffee-off", day=11, refused=True),
            uses("coffee-off", day=12, refused=True),
            uses("coffee-off", day=12, takes="offer-of-the-week"),
        ),
    ),
    "points are worth more on some days": (
        "grocers-and-drugstores",
        (
            dollars(50_100, 16_700, day=10),
            uses("better-days", day=14, refused=True),
            uses("better-days", day=15),
            dollars(50_100, 16_700, day=10),
            uses("better-days", day=19, refused=True),
            uses("fifty-dollars", day=19),
        ),
    ),
    "a treat each month": ("coffee-bar", (uses("treat"), uses("treat", day=31, refused=True))),
    "a coupon is activated": (
        "coalition",
        (uses("ten-percent", refused=True), uses("ten-percent", takes="coupon")),
    ),
    "a coupon for more points": (
        "coalition",
        (
            dollars(10, 2000),
            dollars(0, 199, takes="coupon-for-points"),
            dollars(50, 2000),
            dollars(10, 2000),
            dollars(10, 2000, day=31),
        ),
    ),
    "a coupon for more points comes back": (
        "coalition",
        (dollars(50, 2000, takes="coupon-for-points", back=50), dollars(50, 2000)),
    ),
    "a coupon for more points beside ten times": (
        "coalition",
        (
            Paid(100, (("2", 2000, "baby"),), takes="coupon-for-points"),
            Paid(150, (("1", 2000), ("2", 2000, "baby"))),
        ),
    ),
    "ten times on baby care": (
        "coalition",
        (Paid(100 + 5, (("1", 1000), ("2", 2000, "baby"))),),
    ),
}


def test_every_program_has_an_example() -> None:
    """No file is there that nothing is tried with."""
    assert {name for name, _ in EXAMPLES.values()} == {
        path.stem for path in PROGRAMS.glob("*.yaml")
    }


@pytest.mark.parametrize("example", EXAMPLES)
async def test_order_earns_what_the_terms_of_its_program_say(
    database_url: str, example: str
) -> None:
    """Whole visits with the program's own file; guests with another birthday are others."""
    name, orders = EXAMPLES[example]
    program = parse_program((PROGRAMS / f"{name}.yaml").read_text("utf-8"), name)
    key = replace(KEY, program_id=program.program_id, region=program.region)
    async with open_store(database_url) as store:
        await put_program(store, program)
        till = Till(store, key)
        guests: dict[str | None, str] = {}
        earned = []
        for paid in orders:
            if paid.born not in guests:
                command = EnrollMember(key, "Guest", None, None, paid.born)
                member = (await till.call(enroll_member, command)).result
                assert member.available.balance == program.earning.initial_points
                guests[paid.born] = member.loyalty_id
            if paid.student:
                student = SetSegments(
                    program.program_id, guests[paid.born], ("student",), "card shown"
                )
                await store.write(lambda unit, now, put=student: set_segments(unit, put, now))
            earned.append(await _pay(till, guests[paid.born], paid, program.currency))
    audit(database_url)

    assert earned == [(paid.points, paid.brings) for paid in orders]


TAKEN_OFF = {
    "doughnuts-and-coffee": ("lunch", BasketLine("1", "41", "item", 1, 6200), 5000),
    "supermarket-fuel": ("fuel-30", BasketLine("1", "5", "item", 12, 349, category="fuel"), 360),
    "sandwich-maker": ("two-dollars", BasketLine("1", "1", "item", 1, 1240), 200),
    "grocers-and-drugstores": ("better-days", BasketLine("1", "1", "item", 1, 10_000), 6500),
}
"""A reward of a program, what is bought with it, and what is taken off in minor units."""


@pytest.mark.parametrize("name", TAKEN_OFF)
def test_reward_takes_off_what_its_program_says(name: str) -> None:
    """By the program's own file, for one use of the reward."""
    incentive_id, bought, amount = TAKEN_OFF[name]
    program = parse_program((PROGRAMS / f"{name}.yaml").read_text("utf-8"), name)
    use = IncentiveUse(program.incentives[incentive_id], 1)

    (found,) = taken_off(Basket((bought,), (), (), program.currency), program, [use])

    assert found.allowed == amount


def test_page_tells_when_points_go() -> None:
    """Each row is what the file's terms come to, and no file is left out."""
    page = (PROGRAMS / "README.md").read_text("utf-8")
    rows = re.findall(
        r"^\| ([a-z, -]+) \| (\d+ \w+ \d{4}) \| (?:gone on|good until) (\d+ \w+ \d{4})",
        page,
        re.MULTILINE,
    )
    told = {}
    for files, earned, day in rows:
        for name in files.split(", "):
            terms = parse_program((PROGRAMS / f"{name}.yaml").read_text("utf-8"), name).expiry
            last = terms.last_day(_written(earned)).isoformat()
            told[name] = terms.told_day(last)
            assert told[name] == _written(day).isoformat(), name
    aging = {
        path.stem for path in PROGRAMS.glob("*.yaml") if "\nexpiry:" in path.read_text("utf-8")
    }
    assert told.keys() == aging


def test_page_tells_when_points_of_a_tier_go() -> None:
    """What the page says of gold, by the file's terms for a member who has it from the earning."""
    page = (PROGRAMS / "README.md").read_text("utf-8")
    ((name, *days),) = re.findall(
        r"^\| ([a-z-]+) \| (\d+ \w+ \d{4}) \| .*; with gold until (\d+ \w+ \d{4}), on (\d+ .*) \|",
        page,
        re.MULTILINE,
    )
    earned, until, gone = map(_written, days)
    terms = parse_program((PROGRAMS / f"{name}.yaml").read_text("utf-8"), name).expiry
    gold = HeldTier("gold", earned.toordinal(), until.toordinal())

    last = last_good_day(terms, (gold,), earned)

    assert terms.told_day(last.isoformat()) == gone.isoformat()


def _written(day: str) -> date:
    return datetime.strptime(day, "%d %B %Y").replace(tzinfo=UTC).date()


async def _pay(till: Till, guest: str, paid: Paid, currency: str) -> tuple[int, int]:
    """Identify, claim, and tell what the order earned, and what goals gave besides."""
    till.now_ms = int(NOON.replace(day=paid.day).timestamp() * 1000)
    place = PointOfSale(f"order-{next(NUMBERS)}", paid.store_id, "Till", None, None, None)
    if paid.takes is not None:
        await till.call(take_grant, TakeGrant(till.key, guest, paid.takes))
    if paid.given is not None:
        given = GiveGrants(till.key.program_id, paid.given, (guest,), "case 17", "a good guest")
        await till.store.write(lambda unit, _: give_grants(unit, given, till.now_ms))
    identified = await till.call(identify_member, IdentifyMember(till.key, guest, place))
    lines = tuple(
        BasketLine(str(number), plu, "item", 1, price, category=told[0] if told else None)
        for number, (plu, price, *told) in enumerate(paid.lines)
    ) + tuple(BasketLine(name, name, "offer", 1, 0, incentive_id=name) for name in paid.offers)
    payments = tuple(Payment(kind, amount) for kind, amount in paid.paid.items())
    basket = Basket(lines, payments, (), currency)
    order = Order(
        key=till.key,
        transaction_id=identified.result.transaction_id,
        loyalty_id=None,
        repeated_id=None,
        status=CLAIMED,
        channel=paid.channel,
        service_mode="TAKEOUT",
        point_of_sale=place,
        basket=basket,
        basket_json=basket_to_json(basket),
        local_time=None,
    )
    if paid.refused:
        with pytest.raises(RulesFailedError):
            await till.call(report_order, order)
        return paid.points, paid.brings
    done = (await till.call(report_order, order)).result
    if paid.back is not None:
        last = (ReturnedLine(lines[-1].reference_id),)
        command = ReturnLines(till.key, order.transaction_id, last, None, keyed=False)
        assert (await till.call(return_lines, command)).result.returned_points == paid.back
    return done.earned_points, done.reached.points
