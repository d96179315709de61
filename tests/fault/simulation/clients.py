"""Simulated tills and apps: they call, lose patience, and call again with the same key."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from loyalty.v1 import (
    code_service_pb2,
    identify_service_pb2,
    incentive_service_pb2,
    member_service_pb2,
    session_service_pb2,
)
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty.v1.order_pb2 import OrderLine
from tests.fault.simulation.books import PENDING, Asked, Order
from tests.fault.simulation.market import TREAT
from tests.fault.simulation.program import PARTNERS, secret_of
from tests.fault.simulation.world import PATIENCE_S, World
from tests.support.orders import COFFEE, COOKIE, SANDWICH, SOUP
from tests.support.programs import PROGRAM_ID
from tests.support.server import identify_request
from tests.support.transactions import (
    line,
    unclaimed_request,
    update_request,
    validate_request,
)

CLIENTS = 6
ERRANDS = 8
TRIES = 4
TRY_AGAIN = {
    "TIMEOUT",
    "UNAVAILABLE",
    "SERVER_BUSY",
    "DEADLINE_PASSED",
    "STORAGE_UNAVAILABLE",
    "SERVER_FAILED",
    "API_KEY_INVALID",
}
METHODS = {
    "identify": "IdentifyService/IdentifyMember",
    "issue": "CodeService/IssueCode",
    "validate": "TransactionService/ValidateOrder",
    "update": "TransactionService/ReportOrder",
    "void": "TransactionService/VoidTransaction",
    "unclaimed": "TransactionService/RecordUnclaimedOrder",
    "receipt": "TransactionService/ClaimReceipt",
    "take_grant": "IncentiveService/TakeGrant",
    "enroll": "MemberService/EnrollMember",
    "session": "SessionService/StartAnonymousSession",
}
ERRAND_WEIGHTS = {
    "identify": 4,
    "issue": 5,
    "code": 6,
    "validate": 1,
    "update": 9,
    "void": 5,
    "unclaimed": 3,
    "receipt": 4,
    "grant": 2,
    "enroll": 1,
    "session": 1,
    "reuse": 1,
    "operate": 8,
}
PAUSES_S = (0.0, 0.0, 0.001, 0.3, 2.0, 40.0, 300.0, 20_000.0)


@dataclass
class Known:
    """What the clients have been told, and meet at."""

    orders: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    sold: list[tuple[Counter[str], int, tuple[OrderLine, ...]]] = field(default_factory=list)


class Client:
    """A till or an app of one partner."""

    def __init__(self, world: World, number: int, known: Known) -> None:
        self._world = world
        self._number = number
        self._known = known
        self._chance = random.Random(f"client/{world.seed}/{number}")  # noqa: S311
        self._partner = PARTNERS[number % len(PARTNERS)]
        self._errands = 0
        self._unresolved: list[Asked] = []

    async def run(self) -> None:
        """Run some errands, with pauses in between."""
        kinds, weights = list(ERRAND_WEIGHTS), list(ERRAND_WEIGHTS.values())
        for _ in range(ERRANDS):
            longest = 4 if self._world.hurried else len(PAUSES_S)
            await asyncio.sleep(self._chance.choice(PAUSES_S[:longest]))
            kind = self._chance.choices(kinds, weights)[0]
            if kind == "operate":
                await self._world.operators.operate()
                continue
            asked = getattr(self, f"_{kind}")()
            if asked is not None:
                await self._carry_out(asked)

    async def resolve(self) -> None:
        """Find out, now that nothing goes wrong, what became of what was never answered."""
        for asked in self._unresolved:
            for _ in range(TRIES):
                reason = await self._send(asked, calm=True)
                if reason not in TRY_AGAIN:
                    break
                await self._wait_for_key()
            else:
                self._world.disagree(f"{asked.kind} {asked.key} is never answered: {reason}")

    async def _wait_for_key(self) -> None:
        for server in self._world.serving():
            await server.store.refresh_catalog()
        await asyncio.sleep(1.0)

    async def _carry_out(self, asked: Asked) -> None:
        self._known.asked.append(asked)
        for attempt in range(TRIES):
            reason = await self._send(asked)
            if reason not in TRY_AGAIN:
                return
            await asyncio.sleep(self._chance.random() * 2**attempt)
        self._unresolved.append(asked)

    async def _send(self, asked: Asked, *, calm: bool = False) -> str:
        """Send a request; return why it was refused, or nothing."""
        world = self._world
        reply: asyncio.Future[tuple[bytes, str]] = world.loop.create_future()

        def tell(told: bytes, reason: str) -> None:
            if not reply.done():
                reply.set_result((told, reason))

        self._travel(asked, tell, calm=calm)
        alarm = world.loop.call_later(PATIENCE_S, tell, b"", "TIMEOUT")
        told, reason = await reply
        alarm.cancel()
        world.tell(f"client {self._number}: {asked.kind} {asked.key} {reason or 'answered'}")
        if not reason:
            self._learn(asked.kind, told)
        return reason

    def _travel(self, asked: Asked, tell: Any, *, calm: bool) -> None:
        world = self._world
        delays = [world.latency_s()]
        if world.faults.strikes("call lost"):
            world.note("call lost")
            delays.clear()
        if world.faults.strikes("duplicate"):
            world.note("duplicate")
            delays.append(world.latency_s())
        if world.faults.strikes("late by days"):
            world.note("late by days")
            delays.append(world.chance.choice((1, 3, 31, 400)) * 86_400.0)
        for delay_s in delays:
            world.loop.call_later(delay_s, self._arrive, asked, tell, calm)

    def _arrive(self, asked: Asked, tell: Any, calm: bool) -> None:  # noqa: FBT001
        world = self._world
        secret = secret_of(self._partner, world.generation[self._partner])
        world.deliver(METHODS[asked.kind], asked, secret, tell, calm=calm)

    def _learn(self, kind: str, told: bytes) -> None:
        if kind == "identify":
            found = identify_service_pb2.IdentifyMemberResponse.FromString(told).transaction_id
            self._known.orders.append(found)
        elif kind == "issue":
            self._known.codes.append(code_service_pb2.IssueCodeResponse.FromString(told).otp)
        elif kind == "unclaimed":
            answer = pb.RecordUnclaimedOrderResponse.FromString(told)
            self._known.receipts.append(answer.receipt_code)
            if self._chance.random() < 0.2:
                self._known.orders.append(answer.transaction_id)

    def _order(self, worth: Callable[[Order], int]) -> str | None:
        """Choose an order, most often by what it is *worth* to choose it."""
        if self._chance.random() < 0.6:
            orders = self._world.model.orders
            weights = {name: worth(orders[name]) for name in self._known.orders if name in orders}
            if any(weights.values()):
                return self._chance.choices(list(weights), list(weights.values()))[0]
        return self._of(self._known.orders)

    # Errands.

    def _ask(self, kind: str, request: Message, *, keyed: float = 0.85, **values: Any) -> Asked:
        self._errands += 1
        # Clients of different partners use the same keys, which mean nothing to one another.
        key = f"{self._number // 2}-{self._errands}" if self._chance.random() < keyed else ""
        body = request.SerializeToString(deterministic=True)
        return Asked(kind, values, body, f"{PROGRAM_ID}/{self._partner}", key)

    def _guest(self) -> str:
        return self._chance.choice(list(self._world.model.guests))

    def _of(self, some: list[str]) -> str | None:
        """Choose among the newest, so that clients meet."""
        newest = some if self._chance.random() < 0.2 else some[-4:]
        return self._chance.choice(newest) if newest else None

    def _identify(self) -> Asked:
        return self._identify_as(self._guest(), f"{self._number}-{self._errands}")

    def _code(self) -> Asked | None:
        digits = self._of(self._known.codes)
        orders = (f"{self._number}-{self._errands}", "one", "other")
        till = self._chance.choice(("1", "1", "2"))
        return digits and self._identify_as(digits, self._chance.choice(orders), till, keyed=0.6)  # type: ignore[return-value]

    def _identify_as(
        self, identifier: str, order: str, till: str = "1", keyed: float = 0.85
    ) -> Asked:
        request = identify_request(identifier, order, terminal=till)
        values = {"identifier": identifier, "till": f"{self._partner}/{till}", "order": order}
        return self._ask("identify", request, keyed=keyed, **values)

    def _issue(self) -> Asked:
        names = self._chance.sample((COFFEE, SANDWICH, COOKIE), self._chance.choice((0, 1, 1, 2)))
        guest = self._guest()
        selected = [code_service_pb2.SelectedIncentive(incentive_id=name) for name in names]
        request = code_service_pb2.IssueCodeRequest(loyalty_id=guest, order=selected)
        return self._ask("issue", request, loyalty_id=guest, selection=tuple(names))

    def _basket(self, *more: str) -> tuple[Counter[str], int]:
        names = self._chance.choices(
            (COFFEE, SANDWICH, COOKIE, SOUP, *more), k=self._chance.choice((0, 1, 1, 2))
        )
        return Counter(names), self._chance.choice((0, 99, 1000, 2550, 9000))

    def _line(self, name: str, number: int, price: int = 0) -> OrderLine:
        """Use an incentive at *price* minor units each; the till may call it what it is not."""
        kind = self._chance.choice(("reward", "offer", "item", "combo"))
        named = {"product_type": kind, "incentive_id": name, "quantity": number}
        return line(price / 100, **named)

    def _sold(self, price: int) -> tuple[OrderLine, ...]:
        """Sell something for *price* minor units in all, as one till or another reports it."""
        whole = line(price / 100)
        other = {"product_id": "2", "reference_id": "2"}
        deposit = {"product_id": "9901", "reference_id": "3"}
        return self._chance.choice(
            (
                (whole,),
                # A combo whose parts are priced as well.
                (
                    line(price / 100, product_type="combo", reference_id="meal"),
                    line(price // 3 / 100, parent_reference_id="meal"),
                    line((price - price // 3) / 100, parent_reference_id="meal"),
                ),
                # A line that was voided, and one that adding up left its noise on.
                (line((price / 100 + 0.7) - 0.7), line(7, **other), line(7, quantity=-1, **other)),
                (whole, line(0.25, **deposit), line(-0.5, **deposit)),
            )
        )

    def _reported(self, kind: str, make: Any) -> Asked | None:
        transaction_id = self._order(
            lambda order: (order.status == PENDING) + 3 * bool(order.accepted)
        )
        if transaction_id is None:
            return None
        uses, price = self._basket(TREAT)
        order = self._world.model.orders.get(transaction_id)
        if order is not None and order.accepted and self._chance.random() < 0.6:
            # Most guests pay for what the till was told of before, some for one more.
            more = int(self._chance.random() < 0.3)
            uses = Counter({name: order.reserved(name) + more for name, _ in order.accepted})
        elif order is not None and order.guest is not None and self._chance.random() < 0.4:
            # Most guests use what they were given.
            given = sum(one.left > 0 for one in order.guest.card.grants.values())
            uses = Counter([TREAT] * min(given, 1)) or uses
        status = self._chance.choice(("PENDING", "CLAIMED"))
        if self._known.sold and self._chance.random() < 0.15:
            # One check for two guests.
            uses, price, lines = self._chance.choice(self._known.sold[-4:])
        else:
            prices = {name: self._chance.choice((0, 0, 500)) for name in uses}
            used = [self._line(name, number, prices[name]) for name, number in uses.items()]
            lines = (*used, *self._sold(price))
            # Only what the catalogue calls an offer earns.
            price += sum(prices.get(name, 0) * uses[name] for name in (SOUP, TREAT))
            if status == "CLAIMED":
                self._known.sold.append((uses, price, lines))
        request = make(transaction_id, status, *lines)
        values = {"transaction_id": transaction_id, "status": status, "uses": uses, "price": price}
        return self._ask(kind, request, **values)

    def _update(self) -> Asked | None:
        return self._reported("update", update_request)

    def _validate(self) -> Asked | None:
        asked = self._reported("validate", validate_request)
        # A validation changes nothing, so that a key protects nothing there.
        return asked and Asked(asked.kind, asked.values, asked.body)

    def _void(self) -> Asked | None:
        # Whoever spends what an order has earned is short when that order is cancelled.
        transaction_id = self._order(
            lambda order: int(order.guest is not None and order.earned > order.guest.available)
        )
        if transaction_id is None:
            return None
        request = pb.VoidTransactionRequest(loyalty_transaction_id=transaction_id)
        return self._ask("void", request, transaction_id=transaction_id)

    def _unclaimed(self) -> Asked:
        uses, price = self._basket()
        if self._chance.random() < 0.8:
            uses = Counter({SOUP: uses.total()})
        soup_price = self._chance.choice((0, 500))
        lines = [self._line(name, number, soup_price) for name, number in uses.items() if number]
        request = unclaimed_request(*self._sold(price), *lines)
        return self._ask(
            "unclaimed",
            request,
            price=price,
            soups=uses[SOUP],
            soup_price=soup_price * uses[SOUP],
            rewards=uses.total() - uses[SOUP],
        )

    def _receipt(self) -> Asked | None:
        code = self._of(self._known.receipts)
        if code is None:
            return None
        guest = self._guest()
        request = pb.ClaimReceiptRequest(loyalty_id=guest, receipt_code=code)
        return self._ask("receipt", request, loyalty_id=guest, receipt_code=code)

    def _grant(self) -> Asked:
        guest, grant = self._guest(), self._chance.choice(("bought", "weekly"))
        request = incentive_service_pb2.TakeGrantRequest(loyalty_id=guest, grant=grant)
        return self._ask("take_grant", request, loyalty_id=guest, grant=grant)

    def _enroll(self) -> Asked:
        return self._ask("enroll", member_service_pb2.EnrollMemberRequest(name="Guest"))

    def _session(self) -> Asked:
        name = f"visit-{self._number}"
        request = session_service_pb2.StartAnonymousSessionRequest(correlation_id=name)
        return self._ask("session", request, correlation_id=name)

    def _reuse(self) -> Asked | None:
        """Send another request with a key that was used, or the same request once more."""
        mine = [asked for asked in self._known.asked if asked.scope.endswith(self._partner)]
        earlier = self._chance.choice(mine[-6:]) if mine else None
        if earlier is None or not earlier.key or self._chance.random() < 0.5:
            return earlier
        other = self._chance.choice((self._identify, self._enroll, self._issue))()
        return Asked(other.kind, other.values, other.body, other.scope, earlier.key)


def live(seed: object) -> World:
    """Live through the world of a seed; return it as it ended."""
    world = World(seed)
    known = Known()
    world.run([Client(world, number, known) for number in range(CLIENTS)])
    return world
