"""Points that are good for longer while their member has a tier, beside a model day by day."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest

from loyalty_service.application.members.get_member import show_member
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.points import adjust, capture, hold, release, reverse
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import DAY_MS, now_ms, set_ahead_ms
from loyalty_service.domain.expiry import Activity, Expiry, ExpiryPolicy, Going, Lifetime
from loyalty_service.domain.goals import Again, Count, Goal, Tier
from loyalty_service.domain.ledger import Owner, OwnerKind
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit as find_problems
from loyalty_service.sweeper import sweep
from tests.support.doing import adjust_points
from tests.support.ledger import audit, execute, rows
from tests.support.orders import CLAIMED, Till, basket, item
from tests.support.programs import KEY, PROGRAM_ID, demo_program, enroll, put_program

Earned = tuple[int, int]
"""Day of points in the model, and the last good day that was told of them then."""

END_MS = 10**14
FOR_EVER = Lifetime()
SILVER_VISITS, GOLD_VISITS = 3, 5
SILVER_DAYS, GOLD_DAYS = 9, 14
"""After how many visits tiers are reached, and for how many days more they are kept."""


@pytest.fixture(autouse=True)
def clock() -> Iterator[None]:
    """Set the clock back."""
    yield
    set_ahead_ms(0)


def noon_in(days: int) -> None:
    """Move the clock to noon, so many days from tomorrow."""
    today = datetime.now(ZoneInfo(demo_program().time_zone))
    noon = datetime.combine(today.date() + timedelta(days + 1), datetime.min.time(), today.tzinfo)
    set_ahead_ms(round((noon.timestamp() - today.timestamp()) * 1000) + DAY_MS // 2)


def tiered(terms: Expiry, *, kept: bool = True) -> Program:
    """Describe silver after 3 visits and gold after 5, again and again, and points that go."""

    def goal(name: str, visits: int) -> Goal:
        return Goal(name, name, Count.VISITS, visits, again=Again.ALWAYS, tier=name)

    tiers = {"green": Tier("green", "Green")}
    for name, days in (("silver", SILVER_DAYS), ("gold", GOLD_DAYS)):
        tiers[name] = Tier(name, name, days=days if kept else None)
    goals = {"silver": goal("silver", SILVER_VISITS), "gold": goal("gold", GOLD_VISITS)}
    plain = replace(demo_program(), promotions={}, grants={}, incentives={})
    return replace(plain, tiers=tiers, goals=goals, expiry=terms)


@dataclass
class Lot:
    """Points of a day in the model: until when they are good, where a tier does not keep them."""

    earned: int
    good_until: int
    points: int = 0
    alive: bool = True


@dataclass
class Model:
    """
    What a guest has, by taking up one day after the other.

    Attributes:
        terms: Days for which points are good by tier; none for ever.
        rolls: Whether all points go together, some days after the last activity.
        days: The tier of each day that has one.
        away: Points that are held or burned, by what for and by lot.
    """

    terms: dict[str, int | None]
    rolls: bool = False
    today: int = 0
    tiers: dict[str, set[int]] = field(default_factory=lambda: {"silver": set(), "gold": set()})
    lots: dict[Earned, Lot] = field(default_factory=dict)
    away: dict[str, Counter[Earned]] = field(default_factory=dict)
    visits: int = 0
    given: Counter[str] = field(default_factory=Counter)

    def tier(self, day: int) -> str:
        """Name the best tier of a day."""
        return next((one for one in ("gold", "silver") if day in self.tiers[one]), "green")

    def begin_day(self) -> None:
        """Let a night go by: what is not good any more goes, and tiers keep the rest."""
        for lot in self.lots.values():
            kept = self.terms[self.tier(self.today)] is None
            if not kept and lot.good_until <= self.today:
                lot.alive, lot.points = False, 0
        left = self.tier(self.today)
        self.today += 1
        for lot in self.lots.values():
            if lot.alive and self.terms[left] is None:
                lot.earned = self.today - 1
                life = self.terms[self.tier(self.today)]
                lot.good_until = max(lot.good_until, lot.earned + (life or 0))
        self.keep()

    def keep(self) -> None:
        """Let the tier of today keep what is good today."""
        life = self.terms[self.tier(self.today)]
        for lot in self.lots.values():
            if lot.alive and self.tier(self.today) != "green" and life is not None:
                lot.good_until = max(lot.good_until, lot.earned + life)

    def promise(self) -> None:
        """Let points be good at least until the day that their guest is told."""
        for lot in self.lots.values():
            if lot.points:
                lot.good_until = max(lot.good_until, self.last_day(lot))

    def visit(self) -> Earned:
        """Earn ten points, and perhaps a tier; tell by what the points are known."""
        life = self.terms[self.tier(self.today)]
        lot = Lot(self.today, self.today + (life or 0), 10)
        earned = (0, 0) if self.rolls else (self.today, self.last_day(lot))
        known = self.lots.get(earned)
        if known is not None and known.alive:
            known.points += 10
        else:
            self.lots[earned] = lot
        self.act()
        self.promise()
        self.visits += 1
        for name, number, days in (
            ("silver", SILVER_VISITS, SILVER_DAYS),
            ("gold", GOLD_VISITS, GOLD_DAYS),
        ):
            if self.visits // number > self.given[name]:
                self.given[name] = self.visits // number
                self.tiers[name] |= {*range(self.today, self.today + days + 1)}
        self.act()
        self.keep()
        self.promise()
        return earned

    def act(self) -> None:
        """Let an activity keep all points, where they go together."""
        for lot in self.lots.values():
            if self.rolls and lot.alive:
                lot.earned = self.today
                lot.good_until = max(
                    lot.good_until, self.today + (self.terms[self.tier(self.today)] or 0)
                )

    def void(self, earned: Earned) -> None:
        """Take a visit back whose points are all there."""
        self.lots[earned].points -= 10
        self.visits -= 1
        for name, number in (("silver", SILVER_VISITS), ("gold", GOLD_VISITS)):
            self.given[name] = min(self.given[name], self.visits // number)

    def goings(self) -> list[tuple[int, int]]:
        """Tell what goes after which day if nothing else happens, by watching days go by."""
        later = Model(self.terms, self.rolls, self.today, self.tiers)
        later.lots = {day: replace(lot) for day, lot in self.lots.items() if lot.points}
        found = []
        while later.lots:
            before = sum(lot.points for lot in later.lots.values())
            later.begin_day()
            later.lots = {day: lot for day, lot in later.lots.items() if lot.alive}
            gone = before - sum(lot.points for lot in later.lots.values())
            if gone:
                found.append((later.today - 1, gone))
        return found

    def take(self, points: int) -> Counter[Earned]:
        """Spend what goes first."""
        lasts = {day: self.last_day(lot) for day, lot in self.lots.items() if lot.points}
        taken: Counter[Earned] = Counter()
        for day in sorted(lasts, key=lambda one: (lasts[one], one)):
            number = min(points, self.lots[day].points)
            taken[day] += number
            self.lots[day].points -= number
            points -= number
        return taken

    def last_day(self, lot: Lot) -> int:
        """Tell until when points are good if nothing else happens."""
        return replace(self, lots={(0, 0): lot}).goings()[0][0]

    def comes_back(self, name: str) -> None:
        """Give points back to their days, where these are not over."""
        for day, number in self.away.pop(name).items():
            if self.lots[day].alive:
                self.lots[day].points += number
        self.promise()


@dataclass
class Guest:
    """A guest with the model of what they have, and the visits that can be voided, by day."""

    loyalty_id: str
    model: Model
    orders: list[tuple[str, Earned]] = field(default_factory=list)
    names: int = 0


class Play:
    """Guests of one program who do this and that."""

    def __init__(self, till: Till, model: Model, guests: int) -> None:
        self.till, self.model, self.count = till, model, guests
        self.guests: list[Guest] = []

    async def begin(self) -> None:
        """Enroll the guests."""
        lives = {
            name: FOR_EVER if days is None else Lifetime(days=days)
            for name, days in self.model.terms.items()
        }
        base = lives.pop("green").days
        policy = ExpiryPolicy.INACTIVITY if self.model.rolls else ExpiryPolicy.ISSUE_DATE
        await put_program(self.till.store, tiered(Expiry(policy, days=base, by_tier=lives)))
        for _ in range(self.count):
            own = Model(self.model.terms, self.model.rolls)
            self.guests.append(Guest(await enroll(self.till.store), own))

    async def step(self, random: Random, guest: Guest) -> None:
        """Let a guest do something."""
        model, ask = guest.model, random.random()
        spendable = sum(lot.points for lot in model.lots.values())
        self.till.now_ms = now_ms()
        if ask < 0.4:
            opened = await self.till.identify(guest.loyalty_id)
            await self.till.update(opened, CLAIMED, basket(item(100)))
            guest.orders.append((opened, model.visit()))
        elif ask < 0.5 and guest.orders:
            opened, day = guest.orders.pop(random.randrange(len(guest.orders)))
            if model.lots[day].points >= 10:
                await self.till.void(opened)
                model.void(day)
        elif ask < 0.75 and spendable:
            guest.names += 1
            name, points = f"{guest.loyalty_id}/{guest.names}", random.randint(1, spendable)
            if ask < 0.55:
                taken = AdjustPoints(PROGRAM_ID, guest.loyalty_id, -points, "test")
                await self.till.store.write(lambda unit, now: adjust_points(unit, taken, now))
                model.act()
                model.promise()
                model.take(points)
            else:
                held = random.choice(["held", "burned"])
                await self.away(guest, name, points, burned=held == "burned")
                model.away[f"{held}/{name}"] = model.take(points)
        elif ask < 0.9 and model.away:
            told = random.choice(sorted(model.away))
            points = sum(model.away[told].values())
            held, name = told.split("/", 1)
            await self.back(guest, name, points, burned=held == "burned")
            model.comes_back(told)

    async def away(self, guest: Guest, name: str, points: int, *, burned: bool) -> None:
        """Hold points, and perhaps burn them."""
        owner = Owner(OwnerKind.TRANSACTION, name)

        def work(unit: Unit, now: int) -> None:
            member = unit.member(PROGRAM_ID, guest.loyalty_id)
            assert member is not None
            hold(unit, member, owner, points, now, expires_ms=END_MS)
            if burned:
                capture(unit, member, owner, now)

        await self.till.store.write(work)

    async def back(self, guest: Guest, name: str, points: int, *, burned: bool) -> None:
        """Give back what was held or burned."""
        owner = Owner(OwnerKind.TRANSACTION, name)

        def work(unit: Unit, now: int) -> None:
            member = unit.member(PROGRAM_ID, guest.loyalty_id)
            assert member is not None
            if burned:
                reverse(unit, member, owner, now, earned=0, burned=points, may_owe=False)
            else:
                release(unit, member, owner, now)

        await self.till.store.write(work)

    async def compare(self, guest: Guest) -> None:
        """What a guest is told is what the model says."""
        program = self.till.store.catalog.programs[PROGRAM_ID]
        async with self.till.store.read() as reader:
            shown = await show_member(reader, program, KEY, guest.loyalty_id, now_ms())
        zone = ZoneInfo(program.time_zone)
        today = datetime.fromtimestamp(now_ms() / 1000, zone).date()
        told = [
            ((date.fromisoformat(one.expiration_date) - today).days - 1, one.points)
            for one in shown.goings
        ]
        model = guest.model
        expected = [(day - model.today, points) for day, points in model.goings()]
        assert told == expected
        assert shown.member.spendable == sum(points for _, points in expected)


TERMS: list[dict[str, int | None]] = [
    {"green": 6, "silver": 15, "gold": None},
    {"green": 10, "silver": None, "gold": None},
    {"green": 12, "silver": 4, "gold": 30},
]


@pytest.mark.parametrize("rolls", [False, True])
@pytest.mark.parametrize("terms", TERMS)
async def test_points_are_good_as_long_as_a_model_day_by_day_says(
    till: Till, database_url: str, terms: dict[str, int | None], *, rolls: bool
) -> None:
    """Whatever guests earn, spend, get back and reach, each is told what goes when."""
    random = Random(17)  # noqa: S311 - it need not be secret.
    play = Play(till, Model(terms, rolls), 4)
    noon_in(0)
    await play.begin()
    days = 45 if database_url.startswith("sqlite") else 25  # Commits there take longer.
    for day in range(1, days):
        for guest in play.guests:
            for _ in range(random.choice([0, 0, 1, 1, 2, 3])):
                await play.step(random, guest)
            await play.compare(guest)
            guest.model.begin_day()
        noon_in(day)
        if not random.randrange(3):
            await sweep(till.store)
    audit(database_url)
    found = find_problems(Database.from_text(database_url)).problems
    assert [one for one in found if "is not of a transaction" not in one.what] == []


BY_TIER = {"silver": Lifetime(days=60), "gold": FOR_EVER}
ISSUE = Expiry(ExpiryPolicy.ISSUE_DATE, days=30)
ROLLING = Expiry(ExpiryPolicy.INACTIVITY, days=30)
UNTIL = (datetime.now(ZoneInfo(demo_program().time_zone)).date() + timedelta(20)).isoformat()


async def visits(till: Till, loyalty_id: str, number: int) -> None:
    """Earn ten points so many times."""
    for _ in range(number):
        till.now_ms = now_ms()
        await till.update(await till.identify(loyalty_id), CLAIMED, basket(item(100)))


async def months_of(till: Till, program: Program) -> list[tuple[str, int, int]]:
    """Ask what would go in which month by the terms of a program: points, and of how many."""
    async with till.store.read() as reader:
        known = till.store.catalog.programs[PROGRAM_ID]
        found = await reader.would_go(known, program, now_ms())
    return [(one.month, one.points, one.members) for one in found]


@pytest.mark.parametrize("carried_over", [None, UNTIL])
@pytest.mark.parametrize("policy", [ISSUE, ROLLING])
@pytest.mark.parametrize("before", [Expiry(), ISSUE, ROLLING])
async def test_terms_of_tiers_hold_at_once_as_the_dry_run_says(
    till: Till, database_url: str, before: Expiry, policy: Expiry, carried_over: str | None
) -> None:
    """Who has a tier when its terms begin keeps points by it, and months are told before."""
    noon_in(0)
    await put_program(till.store, tiered(before))
    guests = [await enroll(till.store) for _ in range(3)]
    for guest, number in zip(guests, (1, 3, 5), strict=True):
        await visits(till, guest, number)
    after = tiered(replace(policy, by_tier=BY_TIER, carried_over=carried_over))
    told = await months_of(till, after)

    await put_program(till.store, after)

    found = rows(
        database_url,
        "SELECT substr(last_day, 1, 7) AS month, sum(points) AS points, "
        "count(DISTINCT member_number) AS members FROM bucket WHERE points > 0 "
        "GROUP BY substr(last_day, 1, 7) ORDER BY 1",
    )
    assert told == [(one.month, one.points, one.members) for one in found]
    assert await months_of(till, after) == told
    lasts = {
        one.points: one.last_day
        for one in rows(
            database_url,
            "SELECT points, max(last_day) AS last_day FROM bucket WHERE points > 0 GROUP BY points",
        )
    }
    assert lasts[10] < lasts[50]
    assert find_problems(Database.from_text(database_url)).all_hold


async def test_points_that_never_go_have_no_day(till: Till) -> None:
    """Where a tier is for ever and lets points never go, nothing is told of them going."""
    terms = replace(ISSUE, by_tier=BY_TIER)
    await put_program(till.store, tiered(terms, kept=False))
    guest = await enroll(till.store)
    await visits(till, guest, 5)
    till.now_ms = now_ms()
    opened = await till.identify(guest)

    paid = (await till.update(opened, CLAIMED, basket(item(100)))).result

    assert not paid.presentation.points_expiring
    async with till.store.read() as reader:
        program = till.store.catalog.programs[PROGRAM_ID]
        shown = await show_member(reader, program, KEY, guest, now_ms())
    assert (shown.member.spendable, shown.goings) == (60, ())
    assert await months_of(till, tiered(replace(ISSUE, days=31), kept=False)) == []
    noon_in(400)
    assert (await sweep(till.store)).buckets == 0

    def take(unit: Unit, now: int) -> Sequence[Going]:
        member = unit.member(PROGRAM_ID, guest)
        assert member is not None
        return adjust(unit, member, -60, "test", now)

    assert await till.store.write(take) == ()


async def test_idle_member_of_a_tier_keeps_points_until_it_ends(
    till: Till, database_url: str
) -> None:
    """Where points go by inactivity, gold keeps them and then counts as the last activity."""
    await put_program(till.store, tiered(replace(ROLLING, by_tier={"gold": FOR_EVER})))
    noon_in(0)
    guest = await enroll(till.store)
    await visits(till, guest, 5)
    last = rows(database_url, "SELECT last_day FROM bucket")[0].last_day
    today = datetime.fromtimestamp(now_ms() / 1000, ZoneInfo(demo_program().time_zone)).date()
    assert last == (today + timedelta(GOLD_DAYS + 30)).isoformat()

    noon_in(GOLD_DAYS + 1)
    await visits(till, guest, 1)
    (bucket,) = rows(database_url, "SELECT last_day, points FROM bucket")
    assert (bucket.last_day, bucket.points) == ((today + timedelta(GOLD_DAYS + 31)).isoformat(), 60)


async def test_tier_is_an_activity_for_points_that_are_held(till: Till, database_url: str) -> None:
    """Points that an open order holds come back with the day that the tier gave all others."""
    terms = replace(ROLLING, activities=frozenset({Activity.ADJUST}), by_tier=BY_TIER)
    await put_program(till.store, tiered(terms))
    noon_in(0)
    guest = await enroll(till.store)
    await till.store.write(
        lambda u, n: adjust_points(u, AdjustPoints(PROGRAM_ID, guest, 99, ""), n)
    )

    def member(unit: Unit) -> Member:
        found = unit.member(PROGRAM_ID, guest)
        assert found is not None
        return found

    owner = Owner(OwnerKind.TRANSACTION, "open")
    await till.store.write(lambda u, n: hold(u, member(u), owner, 99, n, expires_ms=END_MS))
    noon_in(20)
    for _ in range(SILVER_VISITS):  # They earn nothing.
        till.now_ms = now_ms()
        await till.update(await till.identify(guest), CLAIMED, basket(item(1)))
    await till.store.write(lambda u, n: release(u, member(u), owner, n))

    today = datetime.fromtimestamp(now_ms() / 1000, ZoneInfo(demo_program().time_zone)).date()
    (bucket,) = rows(database_url, "SELECT last_day, points FROM bucket")
    assert (bucket.last_day, bucket.points) == ((today + timedelta(60)).isoformat(), 99)


async def test_audit_finds_points_that_go_before_their_tier_lets_them(
    till: Till, database_url: str
) -> None:
    """A bucket whose day is too soon for its member's tier is named."""
    await put_program(till.store, tiered(replace(ISSUE, by_tier=BY_TIER)))
    guest = await enroll(till.store)
    await visits(till, guest, 5)
    execute(
        database_url,
        "UPDATE bucket SET last_day = :last",
        last=(date.fromisoformat(UNTIL)).isoformat(),
    )
    found = find_problems(Database.from_text(database_url)).problems
    assert found
    assert all(f"goes after {UNTIL} where its member's tiers keep it" in str(one) for one in found)
