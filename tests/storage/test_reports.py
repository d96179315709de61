"""Reports about money and fraud: exact against the ledger, on every database."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.domain.ledger import AccountKind
from tests.support.commands import Commands
from tests.support.doing import adjust_points
from tests.support.ledger import execute, rows
from tests.support.orders import (
    CLAIMED,
    COFFEE,
    DAY_MS,
    PENDING,
    START_MS,
    Till,
    basket,
    item,
    reward,
)
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.stores import open_store, put_program

ZONE = ZoneInfo("America/Toronto")
FIRST_DAY = datetime.fromtimestamp(START_MS / 1000, ZONE).date().isoformat()
DAYS = ("--from", FIRST_DAY, "--until", "2023-11-30")
MINE = (
    "SELECT t.points, t.recorded_ms, s.kind AS source, d.kind AS destination,"
    " s.member_number AS giver, d.member_number AS taker"
    " FROM transfer t JOIN account s ON s.account_id = t.source_id"
    " JOIN account d ON d.account_id = t.destination_id"
)


@dataclass
class World:
    """A store in which something has happened, and commands on it."""

    url: str
    loyalty: Commands
    guests: tuple[str, str]


@pytest.fixture
def world(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[World]:
    """A week at a store: orders, rewards, cancelled ones, adjustments, an open order."""

    async def live() -> tuple[str, str]:
        async with open_store(database_url) as store:
            await put_program(store)
            till = Till(store)
            guests = (await enroll(store), await enroll(store))
            for day in range(4):
                till.now_ms = START_MS + day * DAY_MS
                for guest in guests:
                    order = await till.identify(guest)
                    sold = basket(item(20_000 + 100 * day), paid=("VISA",))
                    await till.update(order, CLAIMED, sold)
            for points in (500, -300, -99_000):
                await _adjust(till, guests[0], points)
                till.now_ms += 3_600_000
            burned = await till.identify(guests[1])
            await till.update(burned, CLAIMED, basket(reward(COFFEE), item(100), paid=("VISA",)))
            back = await till.identify(guests[1])
            await till.update(back, CLAIMED, basket(reward(COFFEE), item(900), paid=("VISA",)))
            till.now_ms += DAY_MS
            await till.void(back)
            await till.update(await till.identify(guests[1]), PENDING, basket(reward(COFFEE)))
        return guests

    guests = asyncio.run(live())
    yield World(database_url, Commands(monkeypatch, database_url), guests)
    capsys.readouterr()


async def _adjust(till: Till, guest: str, points: int) -> None:
    command = AdjustPoints(PROGRAM_ID, guest, points, "sorry", allow_debt=True)
    now_ms = till.now_ms
    await till.store.write(lambda unit, _: adjust_points(unit, command, now_ms))


def _by_day(url: str) -> dict[str, Counter[str]]:
    """Sum up the ledger transfer by transfer, without the report's statements."""
    words = {
        (AccountKind.ISSUED, True): "issued",
        (AccountKind.ISSUED, False): "taken_back",
        (AccountKind.REDEEMED, False): "redeemed",
        (AccountKind.REDEEMED, True): "given_back",
        (AccountKind.ADJUSTED, True): "adjusted_up",
        (AccountKind.ADJUSTED, False): "adjusted_down",
    }
    days: dict[str, Counter[str]] = {}
    for row in rows(url, MINE):
        day = datetime.fromtimestamp(row.recorded_ms / 1000, UTC).astimezone(ZONE).date()
        sums = days.setdefault(day.isoformat(), Counter())
        if row.giver is None:
            sums[words[AccountKind(row.source), True]] += row.points
        elif row.taker is None:
            sums[words[AccountKind(row.destination), False]] += row.points
    return days


def _outstanding(url: str, day: str) -> int:
    """Sum up what members had at the end of a day."""
    end = datetime.fromisoformat(f"{day}T23:59:59.999").replace(tzinfo=ZONE).timestamp() * 1000
    return sum(
        row.points * ((row.taker is not None) - (row.giver is not None))
        for row in rows(url, MINE)
        if row.recorded_ms <= end
    )


def _json(world: World, capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    capsys.readouterr()
    assert world.loyalty("report", *arguments, "--format", "json") == 0
    return json.loads(capsys.readouterr().out)


def test_points_of_each_day_are_those_of_the_ledger(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each day has what its transfers sum to, and what all members had at its end."""
    told = _json(world, capsys, "points", PROGRAM_ID, *DAYS)

    expected = _by_day(world.url)
    assert any(row["given_back"] for row in told["rows"])
    assert any(row["taken_back"] for row in told["rows"])
    for row in told["rows"]:
        day = row.pop("period")
        assert row.pop("outstanding") == _outstanding(world.url, day)
        assert {name: points for name, points in row.items() if points} == dict(
            expected.get(day, {})
        )


def test_months_are_their_days_together(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A month's row has the sums of its days, and the balance of its last."""
    days = _json(world, capsys, "points", PROGRAM_ID, *DAYS)["rows"]
    (month,) = _json(world, capsys, "points", PROGRAM_ID, *DAYS, "--by", "month")["rows"]

    assert month["period"] == "2023-11"
    for name in ("issued", "redeemed", "given_back", "adjusted_down"):
        assert month[name] == sum(day[name] for day in days)
    assert month["outstanding"] == days[-1]["outstanding"]


def test_period_in_the_past_ends_with_its_own_balance(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """What happened after the last day does not change what is told of it."""
    whole = _json(world, capsys, "points", PROGRAM_ID, *DAYS)["rows"]
    cut = _json(world, capsys, "points", PROGRAM_ID, "--from", FIRST_DAY, "--until", "2023-11-15")

    assert cut["rows"] == whole[: len(cut["rows"])]


def test_liability_is_what_members_have(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The sums are those of the accounts, and the months sum up to all that is had."""
    (told,) = _json(world, capsys, "liability", PROGRAM_ID)

    has = {
        AccountKind(row.kind): int(row.points)
        for row in rows(
            world.url,
            "SELECT kind, sum(balance) AS points FROM account WHERE member_number IS NOT NULL"
            " GROUP BY kind",
        )
    }
    assert told["available"] == has[AccountKind.AVAILABLE]
    assert told["held"] == has[AccountKind.HELD] > 0
    assert told["debt"] == -has[AccountKind.DEBT] > 0
    assert told["total"] == told["available"] + told["held"] == sum(told["came"].values())
    assert told["net"] == sum(has.values())
    assert told["cameNotKnown"] == 0
    assert told["members"] == 1


def test_what_came_last_is_there_longest(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Of what a member has, the newest is unspent: what was spent came earlier."""
    now_ms = START_MS + 40 * DAY_MS

    async def more() -> None:
        async with open_store(world.url) as store:
            till = Till(store, now_ms=now_ms)
            order = await till.identify(world.guests[1])
            await till.update(order, CLAIMED, basket(item(1000), paid=("VISA",)))

    before = _json(world, capsys, "liability", PROGRAM_ID)[0]["came"]
    asyncio.run(more())

    after = _json(world, capsys, "liability", PROGRAM_ID)[0]["came"]
    assert list(after) == ["2023-11", "2023-12"]
    assert after["2023-11"] == before["2023-11"]
    assert after["2023-12"] > 0


def test_report_as_csv_has_the_same_rows(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A spreadsheet gets what the JSON has."""
    told = _json(world, capsys, "points", PROGRAM_ID, *DAYS)["rows"]
    assert world.loyalty("report", "points", PROGRAM_ID, *DAYS, "--format", "csv") == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))

    assert [{name: str(value) for name, value in row.items()} for row in told] == lines


def test_honest_week_shows_no_fraud(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """One cancelled order, a few adjustments of one guest and paid orders: only what is unusual."""
    found = _json(world, capsys, "fraud", PROGRAM_ID, *DAYS, "--often", "4")

    assert found == []


def test_fraud_report_names_who_and_why(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Claims for one member, unpaid ones, cancelled rewards, large adjustments: each is named."""

    async def steal() -> None:
        async with open_store(world.url) as store:
            till = Till(store, now_ms=START_MS + 7 * DAY_MS)
            guest = world.guests[0]
            for _ in range(5):
                order = await till.identify(guest)
                await till.update(order, CLAIMED, basket(item(90_000)))
            for _ in range(2):
                order = await till.identify(world.guests[1])
                sold = basket(reward(COFFEE), item(100), paid=("VISA",))
                await till.update(order, CLAIMED, sold)
                await till.void(order)
            for _ in range(10):
                await _adjust(till, world.guests[1], 10)
            await _adjust(till, guest, 50_000)

    asyncio.run(steal())
    execute(
        world.url,
        "UPDATE loyalty_transaction SET operator = '7' WHERE claimed_ms > :after",
        after=START_MS + 6 * DAY_MS,
    )

    found = _json(world, capsys, "fraud", PROGRAM_ID, *DAYS)

    kinds = Counter(one["kind"] for one in found)
    assert set(kinds) >= {"many_claims", "not_paid", "void_of_redemption", "adjusted_often"}
    (claims,) = [one for one in found if one["kind"] == "many_claims"]
    assert claims["who"] == {"store": "9999", "operator": "7", "partner": "partner"}
    assert (claims["loyalty_id"], claims["count"]) == (world.guests[0], 5)
    (unpaid,) = [one for one in found if one["kind"] == "not_paid"]
    assert unpaid["count"] == 5
    assert sorted(unpaid["orders"]) == sorted(claims["orders"])
    (voids,) = [one for one in found if one["kind"] == "void_of_redemption"]
    assert (voids["count"], len(voids["orders"])) == (2, 2)
    (large,) = [
        one for one in found if one["kind"] == "large_adjustment" and one["points"] == 50_000
    ]
    assert large["loyalty_id"] == world.guests[0]
    assert "50,000 points at once" in large["why"]
    assert "sorry" in large["why"]


def test_operator_of_a_till_beyond_the_limit_is_named(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cashier by whose orders more is earned than the program calls usual is in the report."""

    async def give() -> None:
        async with open_store(world.url) as store:
            till = Till(store, now_ms=START_MS + 7 * DAY_MS)
            for _ in range(6):
                order = await till.identify(await enroll(store))
                await till.update(order, CLAIMED, basket(item(990_000), paid=("VISA",)))

    asyncio.run(give())
    execute(world.url, "UPDATE loyalty_transaction SET operator = '9' WHERE points_earned > 90000")

    found = _json(world, capsys, "fraud", PROGRAM_ID, *DAYS)

    (day,) = [one for one in found if one["kind"] == "operator_day"]
    assert day["who"]["operator"] == "9"
    assert (day["day"], day["count"]) == ("2023-11-21", 6)


def test_till_that_never_tells_payments_is_named_once(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no order names a payment, that is told of the store, and not of each order."""

    async def sell() -> None:
        async with open_store(world.url) as store:
            till = Till(store, now_ms=START_MS + 10 * DAY_MS)
            for _ in range(10):
                order = await till.identify(await enroll(store))
                await till.update(order, CLAIMED, basket(item(1000)))

    asyncio.run(sell())

    found = _json(
        world, capsys, "fraud", PROGRAM_ID, "--from", "2023-11-23", "--until", "2023-11-25"
    )

    assert [one["kind"] for one in found] == ["no_payments_told"]
    assert found[0]["count"] == 10


def test_reports_read_only(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A report changes no row, and one of a program that is not there is told as such."""
    before = rows(world.url, "SELECT count(*) AS n FROM event")
    _json(world, capsys, "liability")

    assert rows(world.url, "SELECT count(*) AS n FROM event") == before
    assert world.loyalty("report", "points", "nope") == 1
    assert "There is no program nope" in capsys.readouterr().err
