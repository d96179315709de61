"""Random lives of orders, held against a model of the ledger; and what a validation promises."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty_service.application.members.enroll_member import new_member
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import (
    AppliedDiscount,
    Basket,
    BasketLine,
    Payment,
    as_catalogued,
    incentive_uses,
)
from loyalty_service.domain.clock import parse_rfc3339
from loyalty_service.domain.errors import (
    LoyaltyError,
    PointsInsufficientError,
    ReceiptAlreadyClaimedError,
    ReceiptExpiredError,
    ReceiptNotFoundError,
    RulesFailedError,
    TransactionNotClaimableError,
)
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.program import SpentPoints
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.storage.store import Store
from tests.support.databases import Backend, Sqlite, fresh_database
from tests.support.doing import adjust_points, apply_program
from tests.support.ledger import audit
from tests.support.orders import (
    CLAIMED,
    COFFEE,
    COOKIE,
    DAY_MS,
    PENDING,
    SANDWICH,
    START_MS,
    TWENTY_PERCENT,
    Till,
    basket,
    item,
    offer,
    reward,
)
from tests.support.postgres import Postgres
from tests.support.programs import PROGRAM_ID, demo_program, enroll, put_program
from tests.support.stores import open_store

MEMBERS = 3
COSTS = {COFFEE: 800, SANDWICH: 1200, COOKIE: 300, TWENTY_PERCENT: 0}
REWARDS = {COFFEE, SANDWICH, COOKIE}
COOKIES_PER_ORDER, COOKIES_PER_MEMBER = 2, 6
VOID = TransactionStatus.VOID
UNCLAIMED = TransactionStatus.UNCLAIMED


# --- The model ----------------------------------------------------------------------------------


@dataclass
class Guest:
    """What the model knows of a member."""

    loyalty_id: str
    available: int = 0
    held: int = 0
    debt: int = 0
    cookies: int = 0

    def move(self, points: int) -> None:
        """Give points, or below 0 take them: nobody has points to spend who owes some."""
        net = self.available - self.debt + points
        self.available, self.debt = max(net, 0), max(-net, 0)


@dataclass
class Visit:
    """What the model knows of a transaction."""

    transaction_id: str
    guest: Guest | None
    status: TransactionStatus
    expires_ms: int = 0
    opened_ms: int = 0
    held: int = 0
    earned: int = 0
    burned: int = 0
    swept: int = 0
    cookies: int = 0
    reserved: int = 0
    receipt_code: str = ""
    last: tuple[Any, Any] | None = None
    void_answer: Any = None


@dataclass
class World:
    """A store beside its model; each step is taken by both and compared."""

    till: Till
    void_spent: SpentPoints
    guests: list[Guest] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)

    async def step(self, name: str, *values: Any) -> None:
        """Take a step; those about a visit need one."""
        if name in {"update", "void", "receipt"} and not self.visits:
            return
        if name in {"update", "void", "receipt"}:
            values = (self.visits[-1 - values[0] % len(self.visits)], *values[1:])
        await getattr(self, f"_{name}")(*values)
        await self._compare()

    async def _adjust(self, member: int, points: int) -> None:
        guest = self.guests[member]
        points = max(points, -guest.available)
        if points:
            command = AdjustPoints(PROGRAM_ID, guest.loyalty_id, points, "step", beyond_limits=True)
            await self.till.store.write(lambda unit, now: adjust_points(unit, command, now))
            guest.move(points)

    async def _identify(self, member: int, incentives: list[str]) -> None:
        guest = self.guests[member]
        cost = cookies = 0
        for name in incentives:
            allowed = name != COOKIE or self._cookies(guest) < COOKIES_PER_MEMBER
            taken = allowed and cost + COSTS[name] <= guest.available
            cookies += taken and name == COOKIE
            cost += COSTS[name] if taken else 0
        transaction_id = await self.till.identify(guest.loyalty_id, *incentives)
        guest.available -= cost
        guest.held += cost
        expires_ms = self.till.now_ms + DAY_MS
        visit = Visit(transaction_id, guest, PENDING, expires_ms, held=cost, reserved=cookies)
        self.visits.append(visit)

    def _cookies(self, guest: Guest, besides: Visit | None = None) -> int:
        """Count a guest's cookies, those that other open orders were accepted with as well."""
        open_ones = (one for one in self.visits if one.guest is guest and one is not besides)
        return guest.cookies + sum(one.reserved for one in open_ones)

    async def _update(self, visit: Visit, status: TransactionStatus, content: Basket) -> None:
        try:
            told = await self.till.update(visit.transaction_id, status, content)
        except TransactionNotClaimableError:
            assert status not in {PENDING, CLAIMED} or visit.status is not PENDING
            assert visit.last is None or visit.last[0] != (status, content)
        except (PointsInsufficientError, RulesFailedError):
            assert self._breaks(visit, content)
        else:
            self._follow(visit, status, content, told)

    def _breaks(self, visit: Visit, content: Basket) -> bool:
        assert visit.guest is not None
        cost, cookies = _used(content)
        too_many = (
            cookies > COOKIES_PER_ORDER
            or self._cookies(visit.guest, visit) + cookies > COOKIES_PER_MEMBER
        )
        return cost > visit.guest.available + visit.held or (cookies > visit.reserved and too_many)

    def _follow(self, visit: Visit, status: TransactionStatus, content: Basket, told: Any) -> None:
        guest = visit.guest
        assert guest is not None
        if visit.last is not None and visit.last[0] == (status, content):
            if status is CLAIMED:
                assert told.repeated
                assert told.result == visit.last[1]
                return
            visit.expires_ms = self.till.now_ms + DAY_MS
            assert told.result == replace(visit.last[1], available_points=guest.available)
            return
        assert not told.repeated
        assert visit.status is PENDING
        assert not self._breaks(visit, content)
        cost, cookies = _used(content)
        guest.move(visit.held - cost)
        guest.held += cost - visit.held
        visit.held, visit.reserved = cost, cookies
        visit.expires_ms = self.till.now_ms + DAY_MS if status is PENDING else visit.expires_ms
        if status is CLAIMED:
            paid = [line for line in content.lines if line.incentive_id not in REWARDS]
            visit.earned = sum(line.price or 0 for line in paid) * 10 // 100
            visit.burned, visit.held, visit.cookies, visit.reserved = cost, 0, cookies, 0
            guest.held -= cost
            guest.cookies += cookies
            visit.status = CLAIMED
            guest.move(visit.earned)
        answer = told.result
        assert answer.available_points == guest.available
        assert (answer.earned_points, answer.redeemed_points) == (visit.earned, cost)
        visit.last = ((status, content), answer)

    async def _void(self, visit: Visit) -> None:
        guest = visit.guest
        short = 0
        if visit.status is CLAIMED and guest is not None:
            short = max(0, visit.earned - guest.available - visit.burned)
        try:
            told = await self.till.void(visit.transaction_id)
        except PointsInsufficientError:
            assert short
            assert guest is not None
            assert self.void_spent == "refuse" or guest.debt + short > POINTS_MAX
            return
        if visit.void_answer is not None:
            assert told.repeated
            assert told.result == visit.void_answer
            return
        assert not (short and self.void_spent == "refuse")
        assert guest is None or guest.debt + short <= POINTS_MAX
        back = visit.held + visit.burned if visit.status is not VOID else visit.swept
        taken = visit.earned if visit.status is CLAIMED else 0
        if guest is not None and visit.status is not VOID:
            guest.move(back - taken)
            guest.held -= visit.held
            guest.cookies -= visit.cookies
        assert (told.result.earned_points, told.result.redeemed_points) == (taken, back)
        assert told.result.available_points == (guest.available if guest else 0)
        self._end(visit)
        visit.void_answer = told.result

    def _end(self, visit: Visit) -> None:
        visit.status, visit.held, visit.reserved, visit.last = VOID, 0, 0, None

    async def _unclaimed(self, price: int) -> None:
        recorded = await self.till.unclaimed(basket(item(price)))
        self.visits.append(
            Visit(
                recorded.transaction_id,
                None,
                UNCLAIMED,
                opened_ms=self.till.now_ms,
                earned=price // 10,
                receipt_code=recorded.receipt_code,
            )
        )

    async def _receipt(self, visit: Visit, member: int) -> None:
        guest = self.guests[member]
        try:
            told = await self.till.claim_receipt(guest.loyalty_id, visit.receipt_code or "NONE")
        except ReceiptNotFoundError:
            assert not visit.receipt_code or visit.status is VOID
        except ReceiptAlreadyClaimedError:
            assert visit.status is CLAIMED
        except ReceiptExpiredError:
            assert visit.status is UNCLAIMED
            assert self.till.now_ms - visit.opened_ms > 30 * DAY_MS
        else:
            assert visit.status is UNCLAIMED
            visit.status, visit.guest = CLAIMED, guest
            guest.move(visit.earned)
            assert told.result.earned_points == visit.earned
            assert told.result.available_points == guest.available

    async def _sweep(self, later_ms: int) -> None:
        self.till.now_ms += later_ms
        ended = await self.till.sweep()
        overdue = [
            visit
            for visit in self.visits
            if visit.status is PENDING and visit.expires_ms <= self.till.now_ms
        ]
        assert sorted(ended) == sorted(v.transaction_id for v in overdue)
        for visit in overdue:
            assert visit.guest is not None
            visit.guest.move(visit.held)
            visit.guest.held -= visit.held
            visit.swept = visit.held
            self._end(visit)

    async def _compare(self) -> None:
        await self.till.store.write(self._hold_against)

    def _hold_against(self, unit: Unit, _now_ms: int) -> None:
        """Compare what is stored with the model; all is read anew."""
        for guest in self.guests:
            member = unit.member(PROGRAM_ID, guest.loyalty_id)
            assert member is not None
            assert member.available.balance == guest.available >= 0
            assert member.held.balance == guest.held
            debt = unit.debt(member)
            assert (0 if debt is None else -debt.balance) == guest.debt
        for visit in self.visits:
            transaction = unit.transaction(visit.transaction_id)
            assert transaction is not None
            assert transaction.status is visit.status
            assert sum(hold.points for hold in unit.open_holds(transaction)) == visit.held


def _used(content: Basket) -> tuple[int, int]:
    counts: Counter[str] = Counter()
    for line in content.lines:
        if line.incentive_id:
            counts[line.incentive_id] += line.quantity
    return sum(COSTS[name] * number for name, number in counts.items()), counts[COOKIE]


lines = st.one_of(
    st.builds(item, st.integers(0, 30_000)),
    st.builds(reward, st.sampled_from([COFFEE, SANDWICH, COOKIE]), st.integers(1, 2)),
    # A till may call a reward an offer and give it a price: it costs points and earns none.
    st.builds(
        lambda name, price: replace(offer(name), price=price),
        st.sampled_from([COFFEE, COOKIE]),
        st.integers(0, 30_000),
    ),
    st.just(offer(TWENTY_PERCENT)),
)
baskets = st.lists(lines, max_size=4).map(lambda some: basket(*some))
members = st.integers(0, MEMBERS - 1)
visits = st.integers(0, 3)  # The newest, so that most are still open.
reports = st.sampled_from([PENDING] * 4 + [CLAIMED] * 4 + [VOID])
selections = st.lists(st.sampled_from([*COSTS]), unique=True, max_size=3)
updates = st.tuples(st.just("update"), visits, reports, baskets)
# Few different reports, so that some are repeated and some are taken back.
repeats = st.tuples(st.just("update"), visits, reports, st.just(basket(reward(COOKIE), item(500))))
identifies = st.tuples(st.just("identify"), members, selections)
steps = st.one_of(
    identifies,
    identifies,
    *[updates] * 5,
    repeats,
    st.tuples(st.just("void"), visits),
    st.tuples(st.just("unclaimed"), st.integers(0, 20_000)),
    st.tuples(st.just("receipt"), visits, members),
    st.tuples(st.just("sweep"), st.sampled_from([0, 1, DAY_MS // 3, DAY_MS - 1])),
    st.tuples(st.just("adjust"), members, st.integers(-2000, 4000)),
)
histories = st.lists(steps, min_size=15, max_size=40)


async def _live(store: Store, void_spent: SpentPoints, history: list[Any]) -> None:
    program = replace(demo_program(), void_spent=void_spent)
    await store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    world = World(Till(store), void_spent)
    world.guests = [Guest(await enroll(store, 1500), 1500) for _ in range(MEMBERS)]
    for step in history:
        await world.step(*step)


def _run(backend: Backend, life: Any) -> None:
    async def run(url: str) -> None:
        async with open_store(url) as store:
            await life(store)

    with fresh_database(backend) as url:
        asyncio.run(run(url))
        audit(url)


@settings(max_examples=50, deadline=None)
@given(void_spent=st.sampled_from(["refuse", "debt"]), history=histories)
def test_orders_follow_the_model(
    sqlite: Sqlite, void_spent: SpentPoints, history: list[Any]
) -> None:
    """
    Identifies, reports, claims, voids, receipts and sweeps in any order keep the books.

    After every step no account is below zero, held points are those of the open holds, the
    program's accounts sum to zero, and what was answered is what the ledger says.
    """
    _run(sqlite, lambda store: _live(store, void_spent, history))


@settings(max_examples=10, deadline=None)
@given(void_spent=st.sampled_from(["refuse", "debt"]), history=histories)
def test_orders_follow_the_model_on_postgresql(
    postgres: Postgres, void_spent: SpentPoints, history: list[Any]
) -> None:
    """The same on PostgreSQL, fewer times."""
    _run(postgres, lambda store: _live(store, void_spent, history))


@settings(max_examples=40, deadline=None)
@given(points=st.integers(0, 5000), content=baskets)
def test_void_after_claim_returns_everything(sqlite: Sqlite, points: int, content: Basket) -> None:
    """Whatever an order earned and burned, its void leaves the guest as before."""

    async def life(store: Store) -> None:
        await put_program(store)
        till = Till(store)
        guest = await enroll(store, points)
        transaction = await till.identify(guest)
        try:
            await till.update(transaction, CLAIMED, content)
        except LoyaltyError:
            return
        told = await till.void(transaction)
        assert told.result.available_points == points
        again = await till.identify(guest)
        await till.validate(again, CLAIMED, content)

    _run(sqlite, life)


# --- What a validation promises -----------------------------------------------------------------

PLUS = ["1", "2001", "2002", "2101", "702", "9901"]
INCENTIVES = [
    name for name in demo_program().incentives if not demo_program().incentives[name].retired
]


@st.composite
def orders(draw: st.DrawFn, of: Sequence[str] = INCENTIVES) -> Basket:
    """Any products with one or two incentives, under their true or the other kind."""
    names = draw(st.lists(st.sampled_from(of), min_size=1, max_size=2))
    products = st.builds(
        BasketLine,
        st.just("1"),
        st.sampled_from(PLUS),
        st.sampled_from(["item", "combo"]),
        st.integers(1, 3),
        st.none() | st.integers(0, 2000),
    )
    uses = st.builds(
        BasketLine,
        st.just("2"),
        st.sampled_from(PLUS),
        st.sampled_from(["reward", "offer"]),
        st.integers(1, 3),
        st.sampled_from([0, 0, 755]),
        incentive_id=st.sampled_from(names),
    )
    discounts = st.builds(AppliedDiscount, st.sampled_from(names), st.none(), st.just("702"))
    payments = st.builds(Payment, st.sampled_from(["VISA", "CASH"]), st.integers(0, 5000))
    return Basket(
        (*draw(st.lists(products, max_size=4)), *draw(st.lists(uses, max_size=2))),
        tuple(draw(st.lists(payments, max_size=2))),
        tuple(draw(st.lists(discounts, max_size=1))),
        "CAD",
    )


@settings(max_examples=100, deadline=None)
@given(
    points=st.sampled_from([0, 500, 5000]),
    born=st.sampled_from([None, "1990-11-14", "1990-03-01"]),
    enrolled=st.sampled_from(["2021-06-01", "2022-06-01"]),
    before=st.lists(orders(), max_size=2),
    gap_ms=st.sampled_from([0, 3_599_999, 3_600_000]),
    content=orders(),
    status=st.sampled_from([PENDING, CLAIMED]),
    circumstances=st.fixed_dictionaries(
        {
            "store_id": st.sampled_from([9999, 1001, 1099]),
            "service_mode": st.sampled_from(["EAT_IN", "DRIVE_THRU"]),
            "local_time": st.none()
            | st.integers(0, 400).map(lambda days: datetime(2026, 3, 1) + timedelta(days)),  # noqa: DTZ001
        }
    ),
)
def test_clean_validation_means_that_the_claim_succeeds(
    sqlite: Sqlite,
    points: int,
    born: str | None,
    enrolled: str,
    before: list[Basket],
    gap_ms: int,
    content: Basket,
    status: TransactionStatus,
    circumstances: dict[str, Any],
) -> None:
    """
    A clean validation promises the claim, and a refused one its refusal.

    An order that is not paid yet is claimed paid by a means that every rule takes.
    """

    async def life(store: Store) -> None:
        await put_program(store)
        till = Till(store)
        guest = await _guest(store, points, born, enrolled)
        for earlier in before:
            transaction = await till.identify(guest)
            await _outcome(till.update(transaction, CLAIMED, earlier))
        till.now_ms += gap_ms
        transaction = await till.identify(guest)
        validated = await _outcome(till.validate(transaction, status, content, **circumstances))
        paid = content
        if status is PENDING and not content.payments:
            paid = replace(content, payments=(Payment("VISA", 100),))
        claimed = await _outcome(till.update(transaction, CLAIMED, paid, **circumstances))
        if isinstance(validated, RulesFailedError) and isinstance(claimed, PointsInsufficientError):
            assert {failure.rule_id for failure in validated.failures} == {"point-balance"}
        else:
            assert claimed == validated

    _run(sqlite, life)


OFFERS = [name for name in INCENTIVES if demo_program().incentives[name].kind == "offer"]


@settings(max_examples=60, deadline=None)
@given(
    born=st.sampled_from([None, "1990-11-14", "1990-03-01"]),
    enrolled=st.sampled_from(["2021-06-01", "2022-06-01"]),
    before=st.lists(orders(OFFERS), max_size=2),
    now_ms=st.integers(0, 900).map(lambda days: START_MS + days * DAY_MS),
    gap_ms=st.sampled_from([0, DAY_MS, 30 * DAY_MS]),
    content=orders(OFFERS),
    circumstances=st.fixed_dictionaries(
        {
            "store_id": st.sampled_from([9999, 1001, 1099]),
            "service_mode": st.sampled_from(["EAT_IN", "DRIVE_THRU"]),
        }
    ),
)
def test_receipt_counts_what_a_claim_would(
    sqlite: Sqlite,
    born: str | None,
    enrolled: str,
    before: list[Basket],
    now_ms: int,
    gap_ms: int,
    content: Basket,
    circumstances: dict[str, Any],
) -> None:
    """
    Offers hold for a receipt exactly where they hold for a guest who identifies for the order.

    What holds counts, what does not counts for nothing, and a receipt earns on what holds.
    """
    program = demo_program()

    async def life(store: Store) -> None:
        await put_program(store)
        till = Till(store, now_ms=now_ms)
        guest = await _guest(store, 0, born, enrolled)
        for earlier in before:
            transaction = await till.identify(guest)
            await _outcome(till.update(transaction, CLAIMED, earlier))
        transaction = await till.identify(guest)
        judged = await _outcome(till.validate(transaction, CLAIMED, content, **circumstances))
        failures = judged.failures if isinstance(judged, RulesFailedError) else ()
        broken = {failure.incentive_id for failure in failures}
        read = as_catalogued(content, program)
        recorded = await till.unclaimed(content, **circumstances)
        till.now_ms += gap_ms

        told = await till.claim_receipt(guest, recorded.receipt_code)

        def counted(unit: Unit, _now_ms: int) -> dict[str, int]:
            claimed = unit.transaction(recorded.transaction_id)
            assert claimed is not None
            return {one.incentive_id: one.quantity for one in unit.redemptions_of(claimed)}

        assert await store.write(counted) == {
            use.incentive.incentive_id: use.quantity
            for use in incentive_uses(read, program)
            if use.incentive.incentive_id not in broken
        }
        worth = sum(
            (line.price or 0) * line.quantity
            for line in read.lines
            if line.incentive_id not in broken and line.product_id != "9901"
        )
        loyalty = program.stores[circumstances["store_id"]].loyalty_enabled
        assert told.result.earned_points == worth // 10 * loyalty

    _run(sqlite, life)


async def _guest(store: Store, points: int, born: str | None, enrolled: str) -> str:
    loyalty_id = str(uuid.uuid4())
    member = new_member(PROGRAM_ID, loyalty_id, "Guest", parse_rfc3339(f"{enrolled}T12:00:00Z"))
    member.birth_date = born

    def add(unit: Unit, now_ms: int) -> None:
        unit.add_member(member)
        if points:
            adjust_points(
                unit,
                AdjustPoints(PROGRAM_ID, loyalty_id, points, "welcome", beyond_limits=True),
                now_ms,
            )

    await store.write(add)
    return loyalty_id


async def _outcome(call: Coroutine[Any, Any, Any]) -> LoyaltyError | None:
    try:
        await call
    except LoyaltyError as refused:
        return refused
    return None
