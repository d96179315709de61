"""
Small worlds of two members and two orders, explored whole: every history of a few calls.

The use cases run on the real unit of work over SQLite in memory, or on PostgreSQL. Histories that
leave the same store behind, but for times and names, go on in the same way: each such state is left
once by each call, however many histories lead to it, and the histories are counted.
"""

from __future__ import annotations

import pickle
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import starmap
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import create_engine, pool

from loyalty.v1.order_pb2 import OrderLine
from loyalty_service.application.codes.issue_code import issue_code
from loyalty_service.application.operators.adjust_points import AdjustPoints, adjust_points
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.orders.claim_receipt import ClaimReceipt, claim_receipt
from loyalty_service.application.orders.expire_overdue import (
    expire_bucket,
    expire_code,
    find_overdue_buckets,
    find_overdue_codes,
    find_overdue_transactions,
    void_overdue,
)
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.application.orders.order_review import Order
from loyalty_service.application.orders.record_unclaimed_order import (
    RecordUnclaimedOrder,
    record_unclaimed_order,
)
from loyalty_service.application.orders.report_order import report_order
from loyalty_service.application.orders.return_lines import ReturnLines, return_lines
from loyalty_service.application.orders.void_transaction import VoidTransaction, void_transaction
from loyalty_service.application.perform import Answer, Run, perform
from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.basket import BasketLine, basket_to_json
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.domain.ledger import LedgerBrokenError
from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.program import Catalog
from loyalty_service.domain.returns import ReturnedLine
from loyalty_service.domain.visit import PointOfSale
from loyalty_service.storage.databases import Database
from loyalty_service.storage.prefetch import prefetch
from loyalty_service.storage.repositories.seal import Seal
from loyalty_service.storage.repositories.statements import dialect_of
from loyalty_service.storage.repositories.unit_of_work import UnitOfWork
from loyalty_service.transport.errors.catalogue import CATALOGUE
from loyalty_service.transport.persons import nameless
from loyalty_service.transport.rpcs import RPCS
from loyalty_service.transport.servicers import code as code_servicer
from loyalty_service.transport.servicers import identify as identify_servicer
from loyalty_service.transport.servicers import transaction as transaction_servicer
from tests.fault.simulation.books import (
    VOID,
    Asked,
    DisagreementError,
    Guest,
    agree,
    day_of,
    read_nothing,
)
from tests.fault.simulation.comparison import (
    RESERVED,
    agree_on_orders,
    agree_on_points,
    agree_with_audit,
)
from tests.fault.simulation.model import Model
from tests.fault.simulation.program import first_scheme, program_of
from tests.fault.simulation.purses import Purse
from tests.fault.simulation.scheme import POINTS_MAX, Scheme
from tests.support.databases import Sqlite
from tests.support.doing import apply_program
from tests.support.orders import (
    CLAIMED,
    COFFEE,
    COOKIE,
    DAY_MS,
    PENDING,
    START_MS,
    basket,
    item,
    report,
    reward,
)
from tests.support.programs import KEY, PROGRAM_ID, add_member, identify_command, issue_command
from tests.support.stores import PEPPER, statements_once
from tests.support.transactions import line, unclaimed_request, update_request

ANNA, BEN = "3f0a2f2e-6f0c-4a53-8a44-5d9f6a3f1c01", "3f0a2f2e-6f0c-4a53-8a44-5d9f6a3f1c02"
START_POINTS = {ANNA: 0, BEN: 800}
RECEIPT_PRICE = 8000
"""That of `earning` below: the receipt may be for the order that a guest claims."""

MODES: Mapping[str, Mapping[str, str]] = {
    "debt": {"void_spent": "debt", "repeated_orders": "flag"},
    "refuse": {"void_spent": "refuse", "repeated_orders": "refuse"},
}
"""What programs say about voids of spent points, and orders that look like claimed ones."""

IDENTIFY = RPCS["IdentifyService/IdentifyMember"].kept_as

AGING: Mapping[str, Any] = {"void_spent": "debt", "repeated_orders": "flag", "good_days": 1}
"""The same of a program whose points go."""

Baskets = Mapping[str, tuple[tuple[int, ...], Counter[str]]]
"""What orders are about, by name: prices in minor units, and rewards."""

FEW: Baskets = {
    "earning": ((8000,), Counter()),
    "burning": ((), Counter({COFFEE: 1})),
    "both": ((9000,), Counter({COOKIE: 1})),
}
MORE: Baskets = FEW | {
    "with return": ((8000, -3000), Counter({COOKIE: 2})),
    "return": ((-3000,), Counter()),
    "nothing": ((), Counter()),
}

PLU = "1"
"""What orders sell, as lines are named by it; rewards are named otherwise."""

MANY: Baskets = MORE | {"two": ((129, 7871), Counter()), "odd": ((99, 99, -50), Counter())}
"""The same of orders of which some comes back."""

AUDITED_EACH = 50
"""Of so many states one is audited, which takes ten times as long as a call."""

Call = tuple[str, ...]
"""A call by its name, with what tells it from others of that name."""


@dataclass
class State:
    """
    What a history has come to, beside the store itself.

    Attributes:
        orders: Transactions opened so far; *receipted* is that of the receipt.
        granted: Points that operators gave or took, by member.
    """

    model: Model
    now_ms: int = START_MS
    orders: list[str] = field(default_factory=list)
    digits: str = ""
    receipt: str = ""
    receipted: str = ""
    granted: Counter[str] = field(default_factory=Counter)


class SmallWorld:
    """
    A store, in memory unless on PostgreSQL, the model of what it should be, and all possible calls.

    Attributes:
        state: Where it has come to.
        calls: Calls made so far, of replayed histories as well.
    """

    def __init__(
        self,
        orders: int = 2,
        baskets: Baskets = FEW,
        database_url: str = "",
        *,
        returns: bool = False,
        **scheme: Any,
    ) -> None:
        self._orders = orders
        self._returns = returns
        self._baskets = baskets
        self.scheme = Scheme(
            **(
                vars(first_scheme())
                | {"market": None, "pending_days": 30, "receipt_days": 30, "void_days": 90}
                | scheme
            )
        )
        self._raw: Any
        self._embedded = not database_url
        if database_url:
            self._raw = Database.from_text(database_url).connect_writer()
        else:
            self._raw = sqlite3.connect(":memory:", isolation_level=None, cached_statements=512)
            self._raw.deserialize(_migrated())
        kind = "postgresql+psycopg" if database_url else "sqlite"
        self._auditor = create_engine(
            f"{kind}://", creator=lambda: self._raw, poolclass=pool.StaticPool
        )
        # An audit looks into the transaction that all of the world happens in.
        self._auditor.dialect.do_rollback = lambda _connection: None  # type: ignore[method-assign]
        self._statements = statements_once(dialect_of(kind))
        self._seal = Seal(PEPPER)
        self._catalog = Catalog(revision=-1)
        self.calls = 0
        self.state = State(
            Model(
                self.scheme,
                {name: self._guest(points, name) for name, points in START_POINTS.items()},
            )
        )
        self._raw.execute("BEGIN")
        self._catalog = self._do(self._begin)
        self._raw.execute("COMMIT")
        self._first = pickle.dumps(self.state)
        self._raw.execute("BEGIN")

    def _begin(self, unit: Unit, now_ms: int) -> Catalog:
        apply_program(unit, ApplyProgram(program_of(self.scheme)), now_ms)
        for loyalty_id, points in START_POINTS.items():
            add_member(unit, now_ms, points, loyalty_id)
        return unit.catalog

    def _guest(self, points: int, _name: str) -> Guest:
        purse = None
        if self.scheme.good_days:
            purse = Purse(self.scheme.good_days, day_of(START_MS))
            purse.bring(points)
        return Guest(points, purse=purse)

    def _execute(self, sql: str, *values: Any) -> Any:
        return self._raw.execute(sql if self._embedded else sql.replace("?", "%s"), *values)

    def close(self) -> None:
        """Let go of the store."""
        self._auditor.dispose()
        self._raw.close()

    # Histories.

    def begin(self, history: tuple[Call, ...]) -> None:
        """Begin again, and live through a history."""
        self._raw.execute("ROLLBACK")
        self._raw.execute("BEGIN")
        self.state = pickle.loads(self._first)  # noqa: S301 - our own.
        for call in history:
            self.make(call)
        # Undoing goes through all that was ever undone in a transaction, so it is kept short.
        self._raw.execute("SAVEPOINT here")

    def mark(self) -> bytes:
        """Keep what it has come to, for `go_back`."""
        return pickle.dumps(self.state)

    def go_back(self, mark: bytes) -> None:
        """Undo the calls made since `begin`, which was where this mark was made."""
        for statement in ("ROLLBACK TO here", "RELEASE here", "SAVEPOINT here"):
            self._raw.execute(statement)
        self.state = pickle.loads(mark)  # noqa: S301 - our own.

    def void_all(self) -> bool:
        """Void whatever can be voided; return whether that is all."""
        state = self.state
        places = [*map(str, range(len(state.orders))), *(["receipt"] if state.receipted else [])]
        while True:
            before = self._unvoided()
            for place in places:
                self.make(("void", place))
            if self._unvoided() == before:
                return before == 0

    def _unvoided(self) -> int:
        return sum(order.status != VOID for order in self.state.model.orders.values())

    def possible(self) -> Iterator[Call]:
        """Give the calls that may be made now: as many as leave the world small."""
        state = self.state
        if len(state.orders) < self._orders:
            yield from (("identify", ANNA), ("identify", BEN))
            if state.digits:
                yield ("show",)
        elif state.digits and state.model.codes[state.digits].claimed_by:
            yield ("show",)
        if not state.digits:
            yield from (("issue", ANNA), ("issue", BEN))
        for number in map(str, range(len(state.orders))):
            for name in self._baskets:
                yield from (("report", number, name), ("claim", number, name))
            yield ("void", number)
            if self._returns:
                yield from (("return", number, name) for name in ("one", "rest", "again"))
        if state.receipt:
            yield from (("receipt", ANNA), ("receipt", BEN), ("void", "receipt"))
        else:
            yield ("unclaimed",)
        yield from (("sweep",), ("give", ANNA), ("take", ANNA))
        if self.scheme.good_days:
            yield from (("wait",), ("give", BEN))
        else:
            yield ("fill", BEN)

    def make(self, call: Call) -> None:
        """
        Make a call, and hold its answer against the model.

        Raises:
            DisagreementError: It is another than the rules call for.
        """
        self.calls += 1
        getattr(self, f"_{call[0]}")(*call[1:])

    # Calls.

    def _identify(self, loyalty_id: str) -> None:
        self._open(loyalty_id, f"order-{len(self.state.orders)}")

    def _show(self) -> None:
        self._open(self.state.digits, "order-code")

    def _open(self, identifier: str, order: str) -> None:
        values = {"identifier": identifier, "till": "", "order": order}
        asked = Asked("identify", values, by=KEY.key_id)
        command = identify_command(identifier, order)
        known = set(self.state.model.orders)
        self._call(asked, identify_member, command, identify_servicer._render)
        self.state.orders += set(self.state.model.orders) - known

    def _issue(self, loyalty_id: str) -> None:
        asked = Asked("issue", {"loyalty_id": loyalty_id, "selection": (COFFEE,)})
        command = issue_command(loyalty_id, COFFEE)
        self._call(asked, issue_code, command, code_servicer._render_issued)
        (self.state.digits,) = self.state.model.codes

    def _report(self, place: str, name: str, *, claiming: bool = False) -> None:
        prices, uses = self._baskets[name]
        content = basket(*map(item, prices), *starmap(reward, uses.items()))
        status = CLAIMED if claiming else PENDING
        self._tell(report(self.state.orders[int(place)], status, content))

    def _tell(self, order: Order, **values: Any) -> None:
        """Report an order; *values* are what the model is told besides."""
        transaction_id, lines = order.transaction_id, order.basket.lines
        uses: Counter[str] = Counter()
        for one in lines:
            if one.incentive_id is not None:
                uses[one.incentive_id] += one.quantity
        values |= {
            "transaction_id": transaction_id,
            "status": order.status.name,
            "uses": uses,
            "price": sum(one.price * one.quantity for one in lines),
            "sold": tuple((one.product_id, one.price, one.quantity) for one in lines),
        }
        body = _sent(update_request(transaction_id, order.status.name, *map(_line, lines)))
        asked = Asked("update", values, body, by=KEY.key_id)
        self._call(asked, report_order, order, transaction_servicer._render_reported)

    def _claim(self, place: str, name: str) -> None:
        self._report(place, name, claiming=True)

    def _return(self, number: str, name: str) -> None:
        """Bring back one of a line, the rest of an order, or the last thing once more."""
        transaction_id = self.state.orders[int(number)]
        order = self.state.model.orders[transaction_id]
        lines: tuple[tuple[str, int | None], ...] = ((PLU, 1),)
        if name == "rest":
            lines = tuple(
                (one, None) for one in order.sold if any(left for _, left in order.sold[one])
            ) or (("x", None),)
        created = str(len(order.returns))
        if name == "again" and order.returns:
            created, lines = list(order.returns)[-1]
        asked = Asked(
            "return", {"transaction_id": transaction_id, "lines": lines, "created": created}
        )
        returned = tuple(ReturnedLine(*line) for line in lines)
        command = ReturnLines(KEY, transaction_id, returned, created, keyed=False)
        self._call(asked, return_lines, command, transaction_servicer._render_returned)

    def _void(self, number: str) -> None:
        state = self.state
        transaction_id = state.receipted if number == "receipt" else state.orders[int(number)]
        asked = Asked("void", {"transaction_id": transaction_id})
        command = VoidTransaction(KEY, transaction_id)
        self._call(asked, void_transaction, command, transaction_servicer._render_voided)

    def _unclaimed(self) -> None:
        values = {"price": RECEIPT_PRICE, "soups": 0, "soup_price": 0, "rewards": 0}
        pos = PointOfSale("1", 9999, "Partner", None, None, None)
        content = basket(item(RECEIPT_PRICE))
        command = RecordUnclaimedOrder(
            KEY, "RESTAURANT", "EAT_IN", pos, content, basket_to_json(content)
        )
        asked = Asked("unclaimed", values, _sent(unclaimed_request(*map(_line, content.lines))))
        self._call(asked, record_unclaimed_order, command, transaction_servicer._render_unclaimed)
        ((self.state.receipt, self.state.receipted),) = self.state.model.receipts.items()

    def _receipt(self, loyalty_id: str) -> None:
        code = self.state.receipt
        asked = Asked("receipt", {"loyalty_id": loyalty_id, "receipt_code": code})
        command = ClaimReceipt(KEY, loyalty_id, code)
        self._call(asked, claim_receipt, command, transaction_servicer._render_claimed)

    def _give(self, loyalty_id: str) -> None:
        self._adjust(loyalty_id, 500)

    def _take(self, loyalty_id: str) -> None:
        self._adjust(loyalty_id, -self.state.model.guests[loyalty_id].available)

    def _fill(self, loyalty_id: str) -> None:
        guest = self.state.model.guests[loyalty_id]
        self._adjust(loyalty_id, POINTS_MAX - guest.available - guest.held + guest.debt)

    def _adjust(self, loyalty_id: str, points: int) -> None:
        asked = Asked("adjust", {"loyalty_id": loyalty_id, "points": points})
        command = AdjustPoints(PROGRAM_ID, loyalty_id, points, "small", beyond_limits=True)
        if self._settle(asked, partial(_no_answer, adjust_points, command)):
            self.state.granted[loyalty_id] += points

    def _wait(self, days: int = 1) -> None:
        """Let a day go by, and nothing happen."""
        self.state.now_ms += days * DAY_MS
        self.state.model.now_ms = self.state.now_ms
        for guest in self.state.model.guests.values():
            guest.turn(day_of(self.state.now_ms))

    def _sweep(self) -> None:
        """Let two days go by, and end what is overdue."""
        self._wait(2)
        now_ms = self.state.now_ms
        orders = self._do(lambda unit, _: find_overdue_transactions(unit, None, 10, now_ms))
        for order in orders:
            asked = Asked("void_overdue", {"transaction_id": order.transaction_id})
            self._settle(asked, partial(_result_of, void_overdue, order), order.reads())
        for code in self._do(lambda unit, _: find_overdue_codes(unit, None, 10, now_ms)):
            asked = Asked("expire_code", {"digits": self.state.digits})
            self._settle(asked, partial(_result_of, expire_code, code), code.reads())
        for bucket in self._do(lambda unit, _: find_overdue_buckets(unit, None, 50, now_ms)):
            asked = Asked("expire_bucket", {})
            self._settle(asked, partial(_result_of, expire_bucket, bucket), bucket.reads())

    def _call(
        self, asked: Asked, use_case: Any, command: Any, render: Callable[[Any], bytes]
    ) -> None:
        # As the server keeps it: without what names the guest.
        kept = partial(nameless, IDENTIFY) if asked.kind == "identify" else None
        run = Run(use_case, command, render, caller=KEY, nameless=kept)
        self._settle(asked, partial(perform, run=run), command.reads())

    def _settle(self, asked: Asked, work: Callable[[Unit, int], Any], *reads: Reads) -> bool:
        """Do a call and take it up in the model; return whether it was not refused."""
        self._raw.execute("SAVEPOINT call")
        told: Any = None
        repeated, reason, flags = False, "", Counter[tuple[str, str]]()
        try:
            told = self._do(work, *reads)
        except LedgerBrokenError as broken:
            raise DisagreementError(str(broken)) from broken
        except LoyaltyError as refusal:
            self._raw.execute("ROLLBACK TO call")
            reason = CATALOGUE[type(refusal)].reason
        except Refused as refused:
            reason = CATALOGUE[type(refused.error)].reason
        self._raw.execute("RELEASE call")
        if isinstance(told, Answer):
            flags.update((flag.kind.value, flag.reason) for flag in told.flags)
            told, repeated = told.body, told.repeated
        self.state.model.settle(
            asked,
            self.state.now_ms,
            told,
            reason,
            repeated=repeated,
            flags=flags,
            execute=self._execute,
        )
        self.state.model.execute = read_nothing  # The state is kept as bytes.
        self.state.model.events.clear()
        return not reason

    def _do(self, work: Callable[[Unit, int], Any], *reads: Reads) -> Any:
        unit = UnitOfWork(
            self._raw,
            self._statements,
            self._catalog,
            Peppers(PEPPER),
            self._seal,
            as_of_ms=self.state.now_ms,
        )
        if self._statements.bulk and reads:
            prefetch(unit, self._raw, self._statements, reads)
        try:
            outcome = work(unit, self.state.now_ms)
        except Refused:
            unit.flush()
            raise
        unit.flush()
        return outcome

    # What has become of it.

    def signature(self) -> str:
        """Describe all that can matter to a later call, but for times and names."""
        names = {name: f"order {place}" for place, name in enumerate(self.state.orders)}
        names[self.state.receipted] = "receipt"
        today = {"today": day_of(self.state.now_ms).isoformat()}
        plain = [
            sorted(
                repr([names.get(value, value) for value in row])
                for row in self._raw.execute(statement, today)
            )
            for statement in _STATE
        ]
        granted = sorted(self.state.granted.items())
        # They are sealed in the store, each time otherwise.
        model = self.state.model
        orders = sorted((names.get(name, name), one.answer) for name, one in model.orders.items())
        codes = [code.answer for code in model.codes.values()]
        text = repr((plain, granted, orders, codes))
        for name, place in names.items():
            if name:  # In kept answers, too.
                text = text.replace(name, place)
        return text

    def compare(self) -> None:
        """
        Hold the store against the model, and against what holds in every state.

        Raises:
            DisagreementError: It does not.
        """
        model = self.state.model
        agree_on_points(self._raw.execute, model)
        agree_on_orders(self._raw.execute, model)
        for name, guest in model.guests.items():
            available, owed = guest.available, guest.debt
            agree(not (available and owed), f"{name} may spend {available} and owes {owed}")
        self._require_start()

    def _require_start(self) -> None:
        """With all orders void, members have what they began with and operators gave."""
        orders = self.state.model.orders.values()
        if any(order.status != VOID for order in orders if order.guest is not None):
            return
        for name, due in self.left().items():
            guest = self.state.model.guests[name]
            net = guest.available - guest.debt, guest.held
            agree(net == (due, 0), f"all is void, and {name} has {net}, though {due}")

    def left(self) -> dict[str, int]:
        """Tell what each member should have once all orders are void."""
        orders = self.state.model.orders.values()
        return {
            name: START_POINTS.get(name, 0)
            + self.state.granted[name]
            - sum(order.lost for order in orders if order.guest is guest)
            - guest.gone
            - guest.card.paid
            + sum(award.points - award.lost_points for award in guest.card.awards)
            for name, guest in self.state.model.guests.items()
        }

    def audit(self) -> None:
        """
        Audit the store.

        Raises:
            DisagreementError: The audit finds something.
        """
        agree_with_audit(self._auditor)


_ACCOUNTS = (
    "SELECT member_number, kind, balance FROM account WHERE member_number IS NOT NULL ORDER BY 1, 2"
)
# A fingerprint hashes the transaction's name with the basket and status.
_ORDERS = (
    "SELECT transaction_id, member_number, status, points_earned, points_redeemed, "
    "kept.method, CASE WHEN length(kept.fingerprint) > 0 THEN basket END, "
    "CASE WHEN status IN (2, 4) THEN business_day = :today END FROM loyalty_transaction "
    "LEFT JOIN remembered_answer AS kept ON kept.idempotency_key = transaction_id "
    "AND kept.scope LIKE 'transaction:%'"
)
_HOLDS = (
    "SELECT hold.transaction_id, incentive_id, points, hold.status FROM hold "
    "JOIN loyalty_transaction AS owner ON owner.transaction_id = hold.transaction_id "
    "WHERE hold.status = 1 OR ended_ms = updated_ms"
)
_STATE = (
    _ACCOUNTS,
    _ORDERS,
    _HOLDS,
    RESERVED,
    "SELECT transaction_id, incentive_id, quantity FROM redemption WHERE voided_ms IS NULL",
    "SELECT member_number, status, transaction_id FROM code",
)


def _line(one: BasketLine) -> OrderLine:
    """Write a line as a till does: the model reads of it what an order is known by."""
    return line(
        one.price / 100,
        product_id=one.product_id,
        product_type=one.product_type,
        quantity=one.quantity,
        incentive_id=one.incentive_id or "",
    )


def _sent(request: Message) -> bytes:
    return request.SerializeToString(deterministic=True)


def _no_answer(use_case: Any, command: Any, unit: Unit, now_ms: int) -> None:
    perform(unit, now_ms, Run(use_case, command))


def _result_of(use_case: Any, command: Any, unit: Unit, now_ms: int) -> Any:
    return perform(unit, now_ms, Run(use_case, command)).result


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory(prefix="small-worlds-") as folder:
        return Path(Sqlite(Path(folder)).new_database().removeprefix("sqlite:///")).read_bytes()


@dataclass
class Explored:
    """
    What an exploration has seen.

    Attributes:
        states: Different states, the first one included.
        histories: Histories of at most so many calls.
        calls: Calls that were made.
        problem: The first history that is not as it should be, and why; empty where none.
    """

    states: int = 0
    histories: int = 0
    calls: int = 0
    problem: str = ""


def explore(world: SmallWorld, first: tuple[Call, ...], depth: int) -> Explored:
    """Go through every history of at most *depth* calls after the *first* ones, the short first."""
    seen = Explored()
    history = first
    try:
        world.begin(first)
        paths = {world.signature(): first}
        leads: dict[str, Counter[str]] = {}
        frontier = list(paths)
        for _ in range(depth):
            found = []
            for state in frontier:
                leads[state] = Counter()
                world.begin(paths[state])
                mark = world.mark()
                for call in list(world.possible()):
                    history = (*paths[state], call)
                    world.make(call)
                    after = world.signature()
                    leads[state][after] += 1
                    if after not in paths:
                        paths[after] = history
                        found.append(after)
                        world.compare()
                        if not len(paths) % AUDITED_EACH:
                            world.audit()
                    world.go_back(mark)
            frontier = found
    except DisagreementError as problem:
        seen.problem = f"{problem}, after {history}"
    else:
        seen.states = len(paths)
        ends = Counter({next(iter(paths)): 1})
        for _ in range(depth):
            ends = _step(ends, leads)
            seen.histories += ends.total()
    seen.calls = world.calls
    return seen


def _step(ends: Counter[str], leads: Mapping[str, Counter[str]]) -> Counter[str]:
    """Count the histories that are one call longer, by the state that they end in."""
    longer: Counter[str] = Counter()
    for state, histories in ends.items():
        for after, calls in leads[state].items():
            longer[after] += histories * calls
    return longer
