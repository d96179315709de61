"""G50: random histories of points in sessions, beside orders of another contract and a model."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from loyalty_service.application.accounts.redemption_locks import (
    LockRedemption,
    lock_redemption,
    unlock_redemption,
)
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.domain.limits import Limits
from loyalty_service.domain.program import Program
from loyalty_service.program_file.earning_records import earning_from_json
from loyalty_service.storage.databases import Database
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools.audit import audit
from tests.fault.goal import POSTGRESQL, SQLITE, Goal, Trial
from tests.fault.planted import planted
from tests.fault.simulation.books import DisagreementError, agree
from tests.fault.visit_bugs import VISIT_BUGS
from tests.fault.visit_model import (
    CLOSED,
    HELD,
    LIFETIME_MS,
    STEP,
    TAKEN,
    Bought,
    ExpectedRefusal,
    Purse,
)
from tests.support.ledger import rows
from tests.support.orders import CLAIMED, COFFEE, PENDING, Till, basket, item
from tests.support.orders import reward as reward_line
from tests.support.programs import add_member, demo_program, put_program
from tests.support.purchases import adjust, award, confirm, offline, pay
from tests.support.stores import demo_store
from tests.support.visits import (
    block,
    cancel,
    lower,
    open_visit,
    redeem,
    reserve,
    reward,
    sweep_reservations,
    void,
)

COST = 800
"""Points of the reward that orders hold."""

HISTORIES = {SQLITE: 1000, POSTGRESQL: 60}
HISTORIES_SHORT = {SQLITE: 20, POSTGRESQL: 1}
HISTORIES_OF_BUGS = 300
CALLS = 40
MINUTES = (0, 0, 0, 0, 1, 5, 16)


def _program(chance: random.Random) -> Program:
    limits = Limits.of(dict.fromkeys(("points_per_member_day", "points_per_key_day"), 10**9))
    spent: Any = chance.choice(("debt", "refuse"))
    return replace(
        demo_program(),
        limits=limits,
        void_spent=spent,
        earning=earning_from_json({}, {}),
        promotions={},
        goals={},
        grants={},
    )


@dataclass
class _Life:
    """
    Two members with two sessions each, lived through at random.

    Attributes:
        nobodys: Purchases of shoppers without a loyalty ID, by their sessions.
        awarded: Those that somebody has claimed.
        adjustable: Sessions whose purchases were paid at the till.
    """

    till: Till
    chance: random.Random
    seen: Counter[str] = field(default_factory=Counter)
    purses: dict[str, Purse] = field(default_factory=dict)
    visits: dict[str, list[str]] = field(default_factory=dict)
    url: str = ""
    paid: int = 0
    nobodys: dict[str, Bought] = field(default_factory=dict)
    awarded: set[str] = field(default_factory=set)
    adjustable: dict[str, None] = field(default_factory=dict)

    async def begin(self) -> None:
        """Enroll the members."""
        program = _program(self.chance)
        await put_program(self.till.store, program)
        for points in (8 * STEP + 1000, STEP):
            # Of the till's time: what is paid before a member enrolls earns nothing.
            guest = await self.till.store.write(
                lambda unit, _, had=points: add_member(unit, self.till.now_ms, had)
            )
            self.purses[guest] = Purse(points, may_owe=program.void_spent == "debt")
            self.visits[guest] = [await open_visit(self.till, guest) for _ in range(2)]

    async def step(self) -> None:
        """Make one call, and hold what it did against the model."""
        self.till.now_ms += self.chance.choice(MINUTES) * 60_000
        guest = self.chance.choice(list(self.purses))
        name = self.chance.choice(_CALLS)
        problem = await getattr(self, f"_{name}")(guest, self.purses[guest])
        self.seen[f"{name} {problem}"] += 1

    async def _both(self, model: Any, call: Any, name: str) -> tuple[Any, Any, str]:
        """Ask the model and the server; each refuses, and for the same, or none does."""
        wanted, expected = None, ""
        try:
            wanted = model()
        except ExpectedRefusal as refusal:
            expected = str(refusal)
        result, got = None, ""
        try:
            result = await call
        except LoyaltyError as refusal:
            got = type(refusal).__name__
        agree(got == expected, f"{name}: {got or 'done'} in place of {expected or 'done'}")
        return wanted, result, got

    def _visit(self, guest: str) -> str:
        return self.chance.choice(self.visits[guest])

    def _token(self, purse: Purse) -> str:
        """Choose a token: mostly one that the member may use."""
        held = [token for token, one in purse.tokens.items() if one.state == HELD]
        own = list(purse.tokens)
        every = [token for one in self.purses.values() for token in one.tokens]
        first = self.chance.choices((held, own, every), (5, 4, 1))[0]
        return self.chance.choice(first or every or ["no token"])

    def _points(self) -> int:
        return self.chance.choice((STEP, STEP, STEP, 2 * STEP, 2 * STEP, 4 * STEP, STEP + 1))

    async def _reserve(self, guest: str, purse: Purse) -> str:
        points, now_ms = self._points(), self.till.now_ms
        call = reserve(self.till, self._visit(guest), points)
        token, done, got = await self._both(lambda: purse.reserve(points, now_ms), call, "reserve")
        if done is not None:
            purse.tokens[done.reservation_token] = token
        return got

    async def _lower(self, guest: str, purse: Purse) -> str:
        token, points, now_ms = self._token(purse), self._points(), self.till.now_ms
        call = lower(self.till, self._visit(guest), token, points)
        return (await self._both(lambda: purse.lower(token, points, now_ms), call, "lower"))[2]

    async def _cancel(self, guest: str, purse: Purse) -> str:
        token, visit, now_ms = self._token(purse), self._visit(guest), self.till.now_ms
        call = cancel(self.till, visit, token)
        return (await self._both(lambda: purse.cancel(token, visit, now_ms), call, "cancel"))[2]

    async def _redeem(self, guest: str, purse: Purse) -> str:
        token, now_ms = self._token(purse), self.till.now_ms
        call = redeem(self.till, self._visit(guest), token)
        made, done, got = await self._both(lambda: purse.redeem(token, now_ms), call, "redeem")
        if done is not None:
            purse.made[done.adhoc_id] = made
        return got

    async def _reward(self, guest: str, purse: Purse) -> str:
        points = self.chance.choice((1, 500, 10_000, -1, -500, -10_000))
        if 0 < purse.available <= -min(points, 0) or self.chance.random() < 0.2:
            points = -min(max(purse.available, 1), 10_000)
        now_ms = self.till.now_ms
        call = reward(self.till, self._visit(guest), points)
        made, done, got = await self._both(lambda: purse.reward(points, now_ms), call, "reward")
        if done is not None:
            purse.made[done.adhoc_id] = made
        return got

    async def _void(self, guest: str, purse: Purse) -> str:
        if not purse.made:
            return "nothing"
        made, now_ms = self.chance.choice(list(purse.made)), self.till.now_ms
        call = void(self.till, self._visit(guest), made)
        return (await self._both(lambda: purse.void(made, now_ms), call, "void"))[2]

    async def _lock(self, guest: str, purse: Purse) -> str:
        purse.locked = True
        await self.till.call(lock_redemption, LockRedemption(self.till.key, self._visit(guest)))
        return ""

    async def _unlock(self, guest: str, purse: Purse) -> str:
        purse.locked = False
        await self.till.call(unlock_redemption, LockRedemption(self.till.key, self._visit(guest)))
        return ""

    async def _block(self, guest: str, purse: Purse) -> str:
        purse.blocked = not purse.blocked and self.chance.random() < 0.3
        purse.blocked_ms = self.till.now_ms
        await block(self.till, guest, Blocked.REDEEM if purse.blocked else Blocked.NOTHING)
        return ""

    async def _order(self, guest: str, purse: Purse) -> str:
        if not purse.redeems:
            return "nothing"
        order = await self.till.identify(guest)
        content = basket(reward_line(COFFEE), item(1000))
        call = self.till.update(order, PENDING, content)
        _, done, got = await self._both(lambda: purse.order(COST), call, "order")
        if done is not None:
            purse.orders[order] = COST
        return got

    async def _forget(self, _guest: str, purse: Purse) -> str:
        if not purse.orders:
            return "nothing"
        order = self.chance.choice(list(purse.orders))
        purse.forget(order)
        await self.till.void(order)
        return ""

    async def _close(self, guest: str, visit: str) -> None:
        """Open another session in place of one that a call has closed."""
        place = self.visits[guest].index(visit)
        self.visits[guest][place] = await open_visit(self.till, guest)

    def _price(self) -> int:
        """Choose the price of a piece, in minor units, of which each ten are a point."""
        self.paid += 1
        # No two are alike: a purchase that is told again as it was is no other one.
        return self.chance.choice((10, 990, 50_000, 300_000)) + 10 * self.paid

    async def _pay(self, guest: str, purse: Purse) -> str:
        """Pay, every other time with what is set aside."""
        token = self._token(purse) if self.chance.random() < 0.5 else None
        price, mode = self._price(), self.chance.random() < 0.4
        visit, now_ms = self._visit(guest), self.till.now_ms
        call = pay(
            self.till,
            visit,
            item(price, plu="a", quantity=2),
            reservation_token=token,
            confirmation_mode="CART" if mode else None,
        )
        made, done, got = await self._both(
            lambda: purse.pay(price // 10, token, mode, now_ms), call, "pay"
        )
        if done is not None:
            purse.bought[visit] = made
            self.adjustable[visit] = None
            agree(done.earned_points == made.points, f"earned {done.earned_points}")
            await self._close(guest, visit)
        return got

    async def _offline(self, guest: str, purse: Purse) -> str:
        """Tell of a purchase that was paid offline, sometimes in a session that is closed."""
        old = self.chance.random() < 0.3 and [one for one in self.adjustable if one in purse.bought]
        visit = self.chance.choice(old) if old else self._visit(guest)
        price, told_ms = self._price(), self.till.now_ms

        def earn() -> Bought:
            if visit in purse.bought:
                raise ExpectedRefusal(CLOSED)
            return purse.earn(Bought(price // 10))

        call = offline(self.till, visit, guest, told_ms, item(price, plu="b", quantity=2))
        made, done, got = await self._both(earn, call, "offline")
        if done is not None:
            purse.bought[visit] = made
            await self._close(guest, visit)
        return got

    async def _claim(self, guest: str, purse: Purse) -> str:
        """Claim an order of the other contract."""
        order, price = await self.till.identify(guest), self._price()
        await self.till.update(order, CLAIMED, basket(item(price, quantity=2)))
        purse.bought[order] = purse.earn(Bought(price // 10))
        return ""

    async def _award(self, guest: str, purse: Purse) -> str:
        """Claim the purchase of nobody, which somebody else may have claimed."""
        if not self.nobodys or self.chance.random() < 0.3:
            visit, price = await open_visit(self.till, None), self._price()
            await pay(self.till, visit, item(price, plu="a", quantity=2))
            self.nobodys[visit] = Bought(price // 10)
        original, current = self.chance.choice(list(self.nobodys)), self._visit(guest)

        def earn() -> None:
            if original in self.awarded:
                raise ExpectedRefusal(TAKEN)
            purse.earn(self.nobodys[original])

        _, done, got = await self._both(earn, award(self.till, original, current), "award")
        if done is not None:
            self.awarded.add(original)
            await self._close(guest, current)
        return got

    async def _confirm(self, guest: str, purse: Purse) -> str:
        visit = self._paid_in_session(purse)
        if visit is None:
            return "nothing"
        call = confirm(self.till, self._visit(guest), visit)
        return (await self._both(lambda: purse.confirm(visit), call, "confirm"))[2]

    async def _adjust(self, guest: str, purse: Purse) -> str:
        visit = self._paid_in_session(purse)
        if visit is None:
            return "nothing"
        left = purse.bought[visit].pieces
        pieces = self.chance.choice((1, left or 1))
        current = self._visit(guest)
        call = adjust(self.till, visit, current, ("a", pieces))
        _, done, got = await self._both(lambda: purse.bring_back(visit, pieces), call, "adjust")
        if done is not None:
            await self._close(guest, current)
        return got

    async def _void_bought(self, _guest: str, purse: Purse) -> str:
        """Have a till of the other contract cancel any paid order."""
        paid = [name for name, one in purse.bought.items() if one.pieces]
        if not paid:
            return "nothing"
        name = self.chance.choice(paid)
        found = rows(
            self.url,
            "SELECT transaction_id FROM loyalty_transaction "
            "WHERE pos_transaction_id = :name OR transaction_id = :name",
            name=name,
        )
        call = self.till.void(found[0].transaction_id)
        return (await self._both(lambda: purse.bring_back(name, 2), call, "cancel"))[2]

    def _paid_in_session(self, purse: Purse) -> str | None:
        """Choose what was paid at the till of a session, whatever has become of it."""
        told = [name for name in purse.bought if name in self.adjustable]
        return self.chance.choice(told) if told else None

    async def _sweep(self, _guest: str, _purse: Purse) -> str:
        await self.sweep()
        return ""

    async def sweep(self) -> None:
        """End what is past its time."""
        expected = sum(purse.sweep(self.till.now_ms) for purse in self.purses.values())
        ended = await sweep_reservations(self.till)
        agree(ended == expected, f"sweep: {ended} ended in place of {expected}")

    def compare(self, database_url: str) -> None:
        """Hold every member's accounts against the model."""
        found = rows(
            database_url,
            "SELECT loyalty_id, kind, balance FROM account JOIN member ON member_number = number",
        )
        told = {(row.loyalty_id, row.kind): row.balance for row in found}
        for guest, purse in self.purses.items():
            kinds = ((1, purse.available), (2, purse.held), (7, -purse.debt), (8, purse.waiting))
            for kind, wanted in kinds:
                got = told.get((guest, kind), 0)
                agree(got == wanted, f"account {kind} has {got} in place of {wanted}")


_CALLS = (
    *("reserve", "reserve", "reserve", "reserve", "lower", "lower", "cancel", "cancel", "redeem"),
    *("redeem", "reward", "reward", "reward", "void", "void", "lock", "unlock", "unlock", "unlock"),
    *("block", "order", "forget", "sweep", "pay", "pay", "pay", "pay", "offline", "claim"),
    *("award", "award", "confirm", "confirm", "adjust", "adjust", "void_bought"),
)


async def live(store: Store, url: str, chance: random.Random, seen: Counter[str]) -> None:
    """Live through a history, and end what is reserved in the end."""
    life = _Life(Till(store), chance, seen, url=url)
    await life.begin()
    for _ in range(CALLS):
        await life.step()
        life.compare(url)
    life.till.now_ms += LIFETIME_MS
    await life.sweep()
    life.compare(url)


async def run(trial: Trial) -> None:
    """
    Let tills, apps and partners move the points of two members in sessions, beside orders.

    After each call everybody has what a model says, and each is refused that the model refuses. In
    the end the audit finds nothing. Planted bugs must show.
    """
    seen: Counter[str] = Counter()
    url, number = trial.new_database(), 0
    async with demo_store(url) as store:
        for number in range(trial.choose(HISTORIES, HISTORIES_SHORT)[trial.kind]):
            try:
                await live(store, url, trial.chance(number), seen)
            except (DisagreementError, LoyaltyError) as problem:
                trial.require(None, f"history {number}: {problem!r}")
                break
    findings = audit(Database.from_text(url))
    trial.require(findings.all_hold, f"the audit finds {findings.problems[:3]}")
    if trial.kind == SQLITE:
        await _find_bugs(trial)
    trial.figure("histories", number + 1)
    trial.figure("calls", seen.total())
    trial.figure("refused", sum(count for name, count in seen.items() if name.endswith("Error")))
    tried = seen["redeem "] or (trial.kind == POSTGRESQL and not trial.full)
    trial.require(tried, "nothing was redeemed, so it was not tried")


async def _find_bugs(trial: Trial) -> None:
    bugs = [bug for bug in VISIT_BUGS if trial.full or bug.soon]
    for bug in bugs:
        with planted(bug):
            trial.require(await _shows(trial), f"not found: {bug.name}")
    trial.figure("planted bugs found", len(bugs))


async def _shows(trial: Trial) -> bool:
    """Tell whether a bug shows in some histories of its own."""
    url = trial.new_database()
    async with demo_store(url) as store:
        for number in range(HISTORIES_OF_BUGS):
            try:
                await live(store, url, trial.chance("bug", number), Counter())
            except Exception:  # noqa: BLE001 - a bug may show as anything.
                return True
    return False


GOALS = (
    Goal(
        "G50",
        "Points in sessions",
        "What is reserved, given and taken in sessions, beside orders of another contract: no "
        "point is spent twice, and none is lost.",
        run,
    ),
)
