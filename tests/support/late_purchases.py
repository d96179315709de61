"""Purchases of weeks, paid one by one or sent late and shuffled, and the state that they leave."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from loyalty_service.application.points import book_past
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import now_ms, set_ahead_ms
from loyalty_service.domain.expiry import Expiry, ExpiryPolicy
from loyalty_service.program_file.goal_records import goals_from_json
from tests.support.ledger import rows
from tests.support.orders import DAY_MS, Till, item
from tests.support.programs import PROGRAM_ID, add_member
from tests.support.purchases import describe, offline, pay, start
from tests.support.stores import demo_store

DAYS = 29
MINUTES = DAYS * 24 * 60

FIRST = {"id": "first", "bonus": 1000, "rules": {"first_order": True}}
THIRD = {"id": "third", "bonus": 33, "rules": {"transactions": {"on": 3}}}
DAILY = {"id": "daily", "multiplier": 2, "at_most": {"per_day": 1}}
GOALS: list[dict[str, Any]] = [
    {"id": "four", "name": "Four", "count": "visits", "target": 4, "again": "always"}
    | {"window": {"days": 7}, "gives": {"points": 300}},
    {"id": "spend", "name": "Spend", "count": "points", "target": 2000, "again": "always"}
    | {"gives": {"points": 50}},
]
RULES: dict[str, Any] = {
    "earning": {"caps": {"per_day": 700, "balance": 30_000}, "cooldown_s": 1800},
    "expiry": Expiry(ExpiryPolicy.ISSUE_DATE, days=60, version=1),
}
ASKED = {
    "orders": "SELECT pos_transaction_id, points_earned, promotions, counted, claimed_ms, "
    "status FROM loyalty_transaction",
    "counts": "SELECT loyalty_id, incentive_id, redeemed_ms, quantity FROM redemption "
    "JOIN member ON number = member_number WHERE voided_ms IS NULL",
    "usage": "SELECT incentive_id, sum(quantity) FROM incentive_usage GROUP BY 1 "
    "HAVING sum(quantity) <> 0",
    "goals": "SELECT loyalty_id, goal_id, day, sum(points - lost_points), "
    "sum(rounds - lost_rounds) FROM goal_award JOIN member ON number = member_number "
    "WHERE rounds <> lost_rounds GROUP BY 1, 2, 3",
    "buckets": "SELECT loyalty_id, earned_day, last_day, points, expired FROM bucket "
    "JOIN member ON number = member_number WHERE points <> 0 OR expired <> 0",
    "points": "SELECT loyalty_id, kind, balance FROM account JOIN member "
    "ON number = member_number WHERE balance <> 0",
}
"""What purchases leave, by names that chance does not draw."""


@dataclass(frozen=True, slots=True)
class Sale:
    """A purchase."""

    name: str
    guest: str
    paid_ms: int
    cents: int


@dataclass
class History:
    """
    Purchases of some weeks, in a program in which earlier orders matter.

    Attributes:
        began_ms: When the first day begins: whoever moves the clock goes on from now.
        sales: In the order of their payment.
        sent: How many were sent late, those that were sent twice counted twice.
    """

    chance: random.Random
    members: int
    count: int
    began_ms: int = field(default_factory=now_ms)
    sales: list[Sale] = field(default_factory=list)
    sent: int = 0

    def __post_init__(self) -> None:
        """Draw the purchases."""
        moments = sorted(self.chance.sample(range(MINUTES), self.count))
        for number, minute in enumerate(moments):
            guest = self.guest(self.chance.randrange(self.members))
            paid_ms = self.began_ms + minute * 60_000
            cents = self.chance.randrange(100, 9000)
            self.sales.append(Sale(f"sale-{number:05d}", guest, paid_ms, cents))

    @staticmethod
    def guest(number: int) -> str:
        """Give the loyalty ID of a member."""
        return f"00000000-0000-4000-8000-{number:012d}"

    @property
    def end_ms(self) -> int:
        """When the last day is over."""
        return self.began_ms + DAYS * DAY_MS

    async def pay_in_time(self, database_url: str) -> None:
        """Pay each purchase when it is due."""
        async with demo_store(database_url) as store:
            till = Till(store)
            await self._begin(till)
            for sale in self.sales:
                self._move_to(sale.paid_ms)
                till.now_ms = sale.paid_ms
                visit = await start(till, sale.guest, correlation_id=sale.name)
                await pay(till, visit, item(sale.cents))
            await self._end(till)

    async def send_late(self, database_url: str) -> None:
        """Send all purchases at the end, in an order that chance draws, and a tenth twice."""
        self._move_to(self.end_ms)
        async with demo_store(database_url) as store:
            till = Till(store, now_ms=self.end_ms)
            await self._begin(till)
            sales = [*self.sales, *self.chance.sample(self.sales, len(self.sales) // 10)]
            self.chance.shuffle(sales)
            for sale in sales:
                await offline(till, sale.name, sale.guest, sale.paid_ms, item(sale.cents))
            self.sent = len(sales)
            await self._end(till)

    async def _begin(self, till: Till) -> None:
        words = dict(RULES, goals=goals_from_json(GOALS, {}))
        await describe(till, FIRST, THIRD, DAILY, **words)

        def enroll(unit: Unit, _now_ms: int) -> None:
            for number in range(self.members):
                add_member(unit, self.began_ms - DAY_MS, loyalty_id=self.guest(number))

        await till.store.write(enroll, timeout_s=60)

    async def _end(self, till: Till) -> None:
        """Book all points as gone whose day is over."""
        self._move_to(self.end_ms)

        def book(unit: Unit, moment_ms: int) -> None:
            for number in range(self.members):
                member = unit.member(PROGRAM_ID, self.guest(number))
                if member is not None:
                    book_past(unit, member, moment_ms)

        await till.store.write(book, timeout_s=60)

    def _move_to(self, moment_ms: int) -> None:
        set_ahead_ms(0)
        set_ahead_ms(moment_ms - now_ms())


def state(database_url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Give all that purchases leave."""
    return {name: sorted(map(tuple, rows(database_url, sql))) for name, sql in ASKED.items()}
