"""G8: tills whose answers are lost on the way, and who send again until they have one."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from loyalty.v1 import code_service_pb2, member_service_pb2
from loyalty.v1 import session_service_pb2 as session_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from tests.fault.goal import SQLITE, Goal, Trial
from tests.fault.goals.bank import unbalanced
from tests.fault.goals.replay import count_all
from tests.fault.proxy import Cut, Proxy
from tests.fault.senders import GrpcSender, JsonSender, LostError, Sender
from tests.fault.tills import SANDWICH
from tests.support.banks import SECRET, Bank, open_bank_on
from tests.support.ledger import all_balances, audit, rows
from tests.support.server import Caller, identify_request
from tests.support.transactions import COFFEE, line, reward_line, unclaimed_request, update_request

TILLS = 64
JSON_TILLS = 16
POINTS = 20_000
COSTS = {COFFEE: 800, SANDWICH: 1200}
LOST = {Cut.ANSWERED: 0.20, Cut.SENT: 0.04, Cut.HALFWAY: 0.02}
"""Chance of each loss, for every call that is sent, whether for the first time or again."""

ATTEMPTS_MAX = 60
LIFETIME_S = 86_400
WEIGHTS = {
    "identify": 10,
    "scan": 10,
    "pending": 20,
    "claim": 22,
    "void": 14,
    "receipt": 8,
    "unclaimed": 4,
    "enroll": 2,
    "session": 2,
}


@dataclass
class Order:
    """
    A transaction as the model has it: what it holds, and once claimed, burned and earned.

    Attributes:
        reported: What the till last made of it; absent when it never reported.
    """

    transaction_id: str
    holds: dict[str, int] = field(default_factory=dict)
    claimed: bool = False
    earned: int = 0
    reported: tuple[str, int, dict[str, int]] | None = None

    @property
    def points(self) -> int:
        """Points that its rewards cost."""
        return sum(self.holds.values())


@dataclass
class Model:
    """What a member has when no answer is ever lost, and the rows that it takes."""

    available: int = POINTS
    held: int = 0
    orders: list[Order] = field(default_factory=list)
    rows: Counter[str] = field(default_factory=Counter)

    def hold(self, order: Order, wanted: dict[str, int]) -> None:
        """Make the holds of an order those wanted; only the difference moves."""
        made = [name for name in wanted if name not in order.holds]
        change = sum(wanted.values()) - order.points
        self.available -= change
        self.held += change
        self.rows["transfer"] += change != 0
        self.rows["hold"] += len(made)
        order.holds = dict(wanted)

    def claim(self, order: Order, earned: int) -> None:
        """Burn what an order holds and earn its points."""
        self.held -= order.points
        self.available += earned
        self.rows["transfer"] += len(order.holds) + (earned > 0)
        self.rows["redemption"] += len(order.holds)
        order.claimed, order.earned = True, earned

    def void(self, order: Order) -> None:
        """Give back what an order holds or burned, and take what it earned."""
        if order.claimed:
            # What is at hand is taken first, and what is missing after the points that come back.
            at_once = min(order.earned, self.available)
            steps = (at_once, order.points, order.earned - at_once)
            self.rows["transfer"] += sum(points > 0 for points in steps)
        else:
            self.held -= order.points
            self.rows["transfer"] += order.points > 0
        self.available += order.points - order.earned
        self.orders.remove(order)


class Till:
    """A till with one guest of its own: it decides from its model, and every answer must agree."""

    def __init__(
        self, sender: Sender, proxy: Proxy, loyalty_id: str, chance: random.Random, name: str
    ) -> None:
        self.model = Model()
        self.loyalty_id = loyalty_id
        self.wrong: list[str] = []
        self.attempts = 0
        self.calls = 0
        self._sender = sender
        self.proxy = proxy
        self._chance = chance
        self._name = name

    async def run(self, calls: int) -> None:
        """Make at least so many calls, unless an answer is wrong."""
        kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
        while self.calls < calls and not self.wrong:
            kind = self._chance.choices(kinds, weights)[0]
            await getattr(self, f"_{kind}")()

    async def _send(self, method: str, request: Any) -> Any:
        """Send a call until it is answered, each time with the same key."""
        self.calls += 1
        key = f"{self._name}-{self.calls}"
        for _ in range(ATTEMPTS_MAX):
            self.attempts += 1
            self.proxy.cut = self._fate()
            try:
                sent = await self._sender.send(method, request, key)
            except LostError:
                continue
            if sent.reason:
                self.wrong.append(f"{method} under {key} was refused: {sent.reason}")
            else:
                self.model.rows["remembered_answer"] += 1
            return self._sender.read(method, sent)
        raise TimeoutError(f"{method} under {key} got no answer in {ATTEMPTS_MAX} attempts")

    def _fate(self) -> Cut | None:
        drawn = self._chance.random()
        for cut, chance in LOST.items():
            drawn -= chance
            if drawn < 0:
                return cut
        return None

    def _agree(self, answer: Any, *, redeemed: int, earned: int) -> None:
        """Hold an answer against the model."""
        told = (answer.points, answer.points_redeemed, answer.points_earned)
        due = (self.model.available, redeemed, earned)
        if told != due:
            self.wrong.append(f"{self._name} was answered {told} where {due} is due")

    def _pick(self, *, claimed: bool) -> Order | None:
        some = [order for order in self.model.orders if order.claimed is claimed]
        return self._chance.choice(some) if some else None

    def _wanted(self, order: Order) -> dict[str, int]:
        """Choose rewards that the guest can pay for."""
        left = self.model.available + order.points
        wanted = {}
        for name, cost in COSTS.items():
            if cost <= left and self._chance.random() < 0.5:
                wanted[name] = cost
                left -= cost
        return wanted

    async def _open(self, identifier: str) -> Order:
        order_number = f"{self._name}-{self.calls}"
        answer = await self._send(
            "IdentifyService/IdentifyMember", identify_request(identifier, order_number)
        )
        order = Order(answer.transaction_id)
        self.model.orders.append(order)
        self.model.rows["loyalty_transaction"] += 1
        return order

    async def _identify(self) -> None:
        await self._open(self.loyalty_id)

    async def _scan(self) -> None:
        """Show a code for what the guest can pay for."""
        wanted = self._wanted(Order(""))
        selected = [code_service_pb2.SelectedIncentive(incentive_id=name) for name in wanted]
        request = code_service_pb2.IssueCodeRequest(loyalty_id=self.loyalty_id, order=selected)
        issued = await self._send("CodeService/IssueCode", request)
        order = await self._open(issued.otp)
        for name in wanted:
            # Each of a selection is held by itself.
            self.model.hold(order, {**order.holds, name: wanted[name]})

    async def _report(self, status: str) -> None:
        order = self._pick(claimed=False)
        if order is None:
            await self._identify()
            return
        wanted = self._wanted(order)
        dollars = self._chance.randrange(40)
        if (status, dollars, wanted) == order.reported:
            dollars += 1  # The same report again would get the first answer, with points of then.
        order.reported = (status, dollars, wanted)
        lines = [line(dollars), *(reward_line(name) for name in wanted)]
        request = update_request(order.transaction_id, status, *lines)
        answer = await self._send("TransactionService/ReportOrder", request)
        self.model.hold(order, wanted)
        earned = 10 * dollars if status == "CLAIMED" else 0
        if status == "CLAIMED":
            self.model.claim(order, earned)
        self._agree(answer, redeemed=order.points, earned=earned)

    async def _pending(self) -> None:
        await self._report("PENDING")

    async def _claim(self) -> None:
        await self._report("CLAIMED")

    async def _void(self) -> None:
        """Cancel an order, unless its earned points are spent."""
        order = self._pick(claimed=bool(self._chance.getrandbits(1)))
        if order is None or self.model.available + order.points < order.earned:
            await self._identify()
            return
        request = pb.VoidTransactionRequest(loyalty_transaction_id=order.transaction_id)
        answer = await self._send("TransactionService/VoidTransaction", request)
        self.model.void(order)
        self._agree(answer, redeemed=order.points, earned=order.earned)

    async def _unclaimed(self) -> Any:
        dollars = self._chance.randrange(1, 40)
        order = unclaimed_request(line(dollars))
        answer = await self._send("TransactionService/RecordUnclaimedOrder", order)
        self.model.rows["loyalty_transaction"] += 1
        return answer, dollars

    async def _receipt(self) -> None:
        """Turn a receipt into points."""
        recorded, dollars = await self._unclaimed()
        request = pb.ClaimReceiptRequest(
            loyalty_id=self.loyalty_id, receipt_code=recorded.receipt_code
        )
        answer = await self._send("TransactionService/ClaimReceipt", request)
        self.model.available += 10 * dollars
        self.model.rows["transfer"] += 1
        told = (answer.points, answer.points_earned)
        due = (self.model.available, 10 * dollars)
        if told != due:
            self.wrong.append(f"{self._name} was answered {told} where {due} is due")
        order = Order(recorded.transaction_id, claimed=True, earned=10 * dollars)
        self.model.orders.append(order)

    async def _enroll(self) -> None:
        request = member_service_pb2.EnrollMemberRequest(name="Guest")
        await self._send("MemberService/EnrollMember", request)
        self.model.rows["member"] += 1

    async def _session(self) -> None:
        correlation_id = f"{self._name}-{self.calls}"
        request = session_pb2.StartAnonymousSessionRequest(correlation_id=correlation_id)
        await self._send("SessionService/StartAnonymousSession", request)
        self.model.rows["session"] += 1


@asynccontextmanager
async def _open_tills(trial: Trial, bank: Bank) -> AsyncIterator[list[Till]]:
    """Give each member a till with a network of its own; some speak JSON, through Envoy."""
    async with AsyncExitStack() as stack:
        ports = [int(address.rpartition(":")[2]) for address in bank.addresses]
        json_tills, http_port = 0, 0
        if trial.full:
            envoy = EnvoyProcess(
                folder=trial.folder / "envoy", grpc_port=ports[0], other_grpc_ports=ports[1:]
            )
            await stack.enter_async_context(envoy)
            json_tills, http_port = JSON_TILLS, envoy.http_port
        tills = []
        for number, loyalty_id in enumerate(bank.loyalty_ids):
            speaks_json = number < json_tills
            target = http_port if speaks_json else ports[number % len(ports)]
            proxy = await stack.enter_async_context(Proxy(target, http2=not speaks_json))
            sender = (
                stack.enter_context(_json(proxy))
                if speaks_json
                else await stack.enter_async_context(_grpc(proxy))
            )
            tills.append(Till(sender, proxy, loyalty_id, trial.chance(number), f"till-{number}"))
        yield tills


@asynccontextmanager
async def _grpc(proxy: Proxy) -> AsyncIterator[GrpcSender]:
    options = [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 5000),
        ("grpc.max_reconnect_backoff_ms", 200),
    ]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{proxy.port}", options=options) as channel:
        yield GrpcSender(Caller(channel, SECRET))


@contextmanager
def _json(proxy: Proxy) -> Iterator[JsonSender]:
    sender = JsonSender(proxy.port)
    try:
        yield sender
    finally:
        sender.close()


async def run(trial: Trial) -> None:
    """
    Lose a fifth of all answers after the server gave them, and some requests before.

    Each till sends again with the same key until it has an answer. Every answer is that of a
    model in which nothing is lost; so are all balances and the number of rows at the end.
    """
    calls = trial.choose(50_000, 200)
    tills_wanted = trial.choose(TILLS, 10)
    opened = open_bank_on(
        trial.new_database(),
        trial.folder,
        [POINTS] * tills_wanted,
        LIFETIME_S,
        servers=1 if trial.kind == SQLITE else 2,
        processes=trial.full,
    )
    async with opened as bank:
        before = count_all(bank.database_url)
        async with _open_tills(trial, bank) as tills:
            await asyncio.gather(*(till.run(-(-calls // len(tills))) for till in tills))
            cuts = sum((till.proxy.cuts for till in tills), Counter[Cut]())
        trial.problems += [problem for till in tills for problem in till.wrong][:10]
        trial.problems += bank.read(unbalanced)
    _judge(trial, bank.database_url, tills, before)
    trial.figure("calls", sum(till.calls for till in tills))
    trial.figure("sent", sum(till.attempts for till in tills))
    trial.figure("tills", len(tills))
    trial.figure("of them in JSON", JSON_TILLS if trial.full else 0)
    for cut in Cut:
        trial.figure(f"lost {cut.value}", cuts[cut])
        trial.require(cuts[cut], f"nothing was lost {cut.value}")


def _judge(trial: Trial, url: str, tills: list[Till], before: Counter[str]) -> None:
    """Hold what is stored against the models of all tills."""
    audit(url)
    points = all_balances(url)
    for till in tills:
        found = points[till.loyalty_id]
        due = (till.model.available, till.model.held)
        trial.require(found == due, f"{till.loyalty_id} has {found} where {due} is due")
    added = count_all(url)
    added.subtract(before)
    for table in ("transfer", "loyalty_transaction", "hold", "redemption", "session", "member"):
        due_rows = sum(till.model.rows[table] for till in tills)
        trial.require(
            added[table] == due_rows, f"{added[table]} rows in {table} where {due_rows} are due"
        )
    answered = sum(till.model.rows["remembered_answer"] for till in tills)
    # Others are kept under what the calls were about, of which a scope of ours tells.
    (natural,) = rows(url, "SELECT count(*) FROM remembered_answer WHERE scope LIKE '%:%'")
    kept = added["remembered_answer"] - natural[0]
    trial.require(kept == answered, f"{kept} answers are kept where {answered} were given")


GOALS = (
    Goal(
        "G8",
        "Lost answers",
        "When a fifth of all answers is lost, sending again ends as if none had been.",
        run,
    ),
)
