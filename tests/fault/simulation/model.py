"""
What should be: members' points, orders, codes, receipts and kept answers, in plain Python.

It is written from the rules, not from the server's code, and takes up one settled call after the
other. For each it says what had to come of it, and disagrees by name when something else did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from loyalty.v1 import (
    code_service_pb2,
    identify_service_pb2,
    member_service_pb2,
    session_service_pb2,
)
from loyalty.v1 import transaction_service_pb2 as pb

POINTS_MAX = 2_147_483_647
COOKIES_PER_ORDER = 2
COOKIES_PER_MEMBER = 3
COOKIES_IN_ALL = 8
SOUPS_PER_MEMBER = 2
SOUPS_IN_ALL = 4
DAY_MS = 86_400_000
PLACE = ZoneInfo("America/Toronto")
WRONG_CODES_FREE = 7

PENDING, CLAIMED, VOID, UNCLAIMED, REPLACED, EXPIRED = (
    "PENDING",
    "CLAIMED",
    "VOID",
    "UNCLAIMED",
    "REPLACED",
    "EXPIRED",
)


class DisagreementError(Exception):
    """Raised when the server did what the rules forbid."""


def agree(holds: object, problem: str) -> None:
    """
    Insist on a rule.

    Raises:
        DisagreementError: It does not hold.
    """
    if not holds:
        raise DisagreementError(problem)


@dataclass(frozen=True)
class Scheme:
    """
    The program's figures that operators change.

    Attributes:
        costs: Points that each reward costs.
        cookie: The reward that is limited for an order, a member and all members.
        soup: The offer that is limited for a member and all members.
    """

    costs: dict[str, int]
    cookie: str
    soup: str
    points_per_unit: int = 10
    pending_lifetime_s: int = 86_400
    code_lifetime_s: int = 300
    void_spent: str = "refuse"
    retired: frozenset[str] = frozenset()
    unclaimed_offers: str = "flag"
    pending_days: int = 30
    receipt_days: int = 30
    void_days: int = 90
    late_void: str = "flag"
    repeated_orders: str = "flag"

    def open_until_ms(self, opened_ms: int, now_ms: int) -> int:
        """Tell until when an order is open that is reported now."""
        return min(now_ms + self.pending_lifetime_s * 1000, opened_ms + self.pending_days * DAY_MS)


@dataclass
class Guest:
    """A member's points."""

    available: int = 0
    held: int = 0
    debt: int = 0

    def earn(self, points: int) -> int:
        """Give points, no more than an account carries; answers how many."""
        earned = max(0, min(points, POINTS_MAX - self.available - self.held))
        self.move(earned)
        return earned

    def move(self, points: int) -> None:
        """Give points or below 0 take them: nobody has points to spend who owes some."""
        net = self.available - self.debt + points
        self.available, self.debt = max(net, 0), max(-net, 0)


@dataclass
class Order:
    """
    A loyalty transaction.

    Attributes:
        paid_ms: When it was paid: recorded without a guest, else claimed.
        plain: Minor units that an order without a guest earns on without its soups.
        soups: Soups of an order without a guest that held when it was recorded.
        soup_price: Minor units that all of them cost.
        released: Points that the sweeper gave back.
        lost: Burned points that were not given back, because no more fitted.
        looks: What it is known by once it is paid, with its day.
        accepted: How many of an incentive it was accepted with at which price while it is open, and
            by whose key.
    """

    guest: Guest | None
    status: str
    expires_ms: int = 0
    opened_ms: int = 0
    paid_ms: int = 0
    plain: int = 0
    soups: int = 0
    soup_price: int = 0
    holds: dict[str, int] = field(default_factory=dict)
    earned: int = 0
    burned: int = 0
    released: int = 0
    lost: int = 0
    uses: Counter[str] = field(default_factory=Counter)
    looks: tuple[Any, ...] | None = None
    accepted: dict[tuple[str, int], tuple[int, str]] = field(default_factory=dict)
    reported: bytes | None = None
    answer: bytes | None = None

    @property
    def held(self) -> int:
        """Points that it holds."""
        return sum(self.holds.values())

    def reserved(self, name: str, by: str = "") -> int:
        """Count how many of an incentive it was accepted with, by one key or by any."""
        return sum(
            number
            for (one, _), (number, key) in self.accepted.items()
            if one == name and by in {"", key}
        )

    def prices(self, name: str, number: int, today: int) -> Counter[int]:
        """Tell how many of so many cost what: accepted ones as then, the cheapest first."""
        found: Counter[int] = Counter()
        for (one, price), (most, _) in sorted(self.accepted.items()):
            if one == name:
                found[price] += min(most, number - found.total())
        found[today] += number - found.total()
        return +found


@dataclass
class Code:
    """A one-time code."""

    loyalty_id: str
    status: str
    selection: tuple[str, ...]
    expires_ms: int
    claimed_by: tuple[str, str] | None = None
    order: Order | None = None
    answer: bytes | None = None


@dataclass(frozen=True)
class Asked:
    """
    A call or an operator's or sweeper's deed.

    Attributes:
        kind: Which rule applies.
        values: What it is about.
        body: The request as it is sent; empty where nothing is sent.
        scope: Whose idempotency keys these are.
        key: Idempotency key; empty without one.
        by: API key that it came with; empty where it came with none.
    """

    kind: str
    values: dict[str, Any]
    body: bytes = b""
    scope: str = ""
    key: str = ""
    by: str = ""


Verdict = str | bytes | bool | Callable[[Any], None]
"""A reason to refuse; the bytes of an earlier answer; a plain answer; or a check with effect."""


def looks(request: Any, now_ms: int) -> tuple[Any, ...]:
    """Tell what an order is known by: the lines of its one till, and the day in its place."""
    lines = (
        (one.product_id, one.product_type, one.quantity, one.price, one.incentive_id)
        for one in request.transaction_details.order
    )
    return *sorted(lines), day_of(now_ms)


def day_of(now_ms: int) -> date:
    """Tell which day it is in the place of the store."""
    return datetime.fromtimestamp(now_ms / 1000, PLACE).date()


def reserved_by(orders: dict[str, Order]) -> dict[tuple[Any, ...], int]:
    """Count what open orders were accepted with: by order, incentive and the price of one."""
    return {
        (order, name, price): number
        for order, one in orders.items()
        for (name, price), (number, _) in one.accepted.items()
    }


@dataclass(frozen=True)
class Told:
    """
    An event as it should be kept.

    Attributes:
        guest: Loyalty ID of whom it is about; absent where that is nobody.
        balances: Points to spend, held and owed after it; absent where it does not tell. What is
            owed is absent where nobody looked.
    """

    kind: str
    guest: str | None = None
    balances: tuple[int, int, int | None] | None = None

    def goes_with(self, kept: Told) -> bool:
        """Tell whether an event that was kept is this one, as far as it tells."""
        if self.balances and kept.balances and kept.balances[2] is None:
            return replace(self, balances=(*self.balances[:2], None)) == kept
        return self == kept


class Model:
    """Takes up what was settled, in the order in which it was."""

    def __init__(self, scheme: Scheme, guests: dict[str, Guest]) -> None:
        self.scheme = scheme
        self.guests = guests
        self.orders: dict[str, Order] = {}
        self.codes: dict[str, Code] = {}
        self.receipts: dict[str, str] = {}
        self.kept: dict[tuple[str, str], tuple[tuple[str, bytes], bytes]] = {}
        self.events: list[Told] = []
        """What should have been told of since somebody looked."""
        self.wrong_codes = 0
        self.flags: Counter[tuple[str, str]] = Counter()

    def settle(
        self,
        asked: Asked,
        now_ms: int,
        told: Any,
        reason: str,
        *,
        repeated: bool,
        flags: Counter[tuple[str, str]],
    ) -> None:
        """
        Take up a settled call: *told* is its answer, or *reason* why it was refused.

        *flags* are what operators are told of it, by kind and reason.

        Raises:
            DisagreementError: The rules call for another outcome.
        """
        place = (asked.scope, asked.key)
        kept = self.kept.get(place) if asked.key else None
        meaning = (asked.kind, asked.body)
        if kept is None:
            verdict = self._verdict(asked, now_ms)
        else:
            verdict = kept[1] if kept[0] == meaning else "IDEMPOTENCY_KEY_REUSED"
            if kept[0] == meaning:
                self._again(asked, now_ms)
        if self._waits(asked, reason):
            return
        self.flags = Counter()
        self._compare(verdict, told, reason, repeated=repeated)
        agree(flags == self.flags, f"flagged {dict(flags)}, though {dict(self.flags)}")
        if asked.key and kept is None and not reason:
            self.kept[place] = (meaning, told)

    def _again(self, asked: Asked, now_ms: int) -> None:
        """Keep an open order open whose report comes again under its key."""
        order = self.orders.get(asked.values.get("transaction_id", ""))
        report = asked.kind == "update" and asked.values["status"] == PENDING
        if report and order is not None and order.status == PENDING:
            order.expires_ms = self.scheme.open_until_ms(order.opened_ms, now_ms)

    def _waits(self, asked: Asked, reason: str) -> bool:
        """
        Take a refusal for wrong codes as it is, if there were as many as anybody may show.

        How long is waited is the server's arithmetic, which has tests of its own.
        """
        if reason == "TOO_MANY_WRONG_CODES":
            agree(self.wrong_codes >= WRONG_CODES_FREE, f"{asked.kind} must wait for nothing")
            return True
        self.wrong_codes += reason in {"CODE_NOT_FOUND", "CODE_ALREADY_USED"}
        return False

    def _compare(self, verdict: Verdict, told: Any, reason: str, *, repeated: bool) -> None:
        if isinstance(verdict, str):
            agree(reason == verdict, f"{reason or 'done'}, though {verdict}")
            return
        agree(not reason, f"refused for {reason}")
        if isinstance(verdict, bytes):
            agree(told == verdict, "another answer than the first time")
            agree(repeated, "done again, though it was done before")
        elif isinstance(verdict, bool):
            agree(told is verdict, f"answered {told}")
        else:
            agree(not repeated, "answered as before, though it never was")
            verdict(told)

    def _verdict(self, asked: Asked, now_ms: int) -> Verdict:
        rule: Callable[..., Verdict] = getattr(self, f"_{asked.kind}")
        return rule(now_ms=now_ms, asked=asked, **asked.values)

    def _tell(self, kind: str, guest: Guest | None = None) -> None:
        """Take note of an event that must be kept, with the balances of now."""
        if guest is None:
            self.events.append(Told(kind))
            return
        name = next(name for name, one in self.guests.items() if one is guest)
        self.events.append(Told(kind, name, (guest.available, guest.held, guest.debt)))

    # --- Guests and codes -----------------------------------------------------------------------

    def _enroll(self, *, now_ms: int, asked: Asked) -> Verdict:
        del now_ms, asked

        def done(body: bytes) -> None:
            member = member_service_pb2.EnrollMemberResponse.FromString(body).member
            agree(member.loyalty_id not in self.guests, "a loyalty ID twice")
            agree(member.available_points == 0, "points for enrolling")
            self.guests[member.loyalty_id] = Guest()
            self._tell("MEMBER_ENROLLED", self.guests[member.loyalty_id])

        return done

    def _session(self, *, now_ms: int, asked: Asked, correlation_id: str) -> Verdict:
        del now_ms, asked

        def done(body: bytes) -> None:
            answer = session_service_pb2.StartAnonymousSessionResponse.FromString(body)
            agree(answer.session_correlation_id == correlation_id, "another session")
            agree(answer.points_balance == 0, "points for nobody")

        return done

    def _issue(
        self, *, now_ms: int, asked: Asked, loyalty_id: str, selection: tuple[str, ...]
    ) -> Verdict:
        del asked
        if loyalty_id not in self.guests:
            return "MEMBER_NOT_FOUND"
        if any(self._gone(name) for name in selection):
            return "REQUEST_INVALID"

        def done(body: bytes) -> None:
            digits = code_service_pb2.IssueCodeResponse.FromString(body).otp
            earlier = self.codes.get(digits)
            agree(earlier is None or earlier.expires_ms <= now_ms, "a live code given out again")
            for code in self.codes.values():
                if code.loyalty_id == loyalty_id and code.status == PENDING:
                    code.status = REPLACED
                    self._tell("CODE_REPLACED", self.guests[loyalty_id])
            if earlier is not None and earlier.status == PENDING:
                self.events.append(Told("CODE_EXPIRED", earlier.loyalty_id))
            self._tell("CODE_ISSUED", self.guests[loyalty_id])
            expires_ms = now_ms + self.scheme.code_lifetime_s * 1000
            self.codes[digits] = Code(loyalty_id, PENDING, selection, expires_ms)

        return done

    def _gone(self, incentive_id: str) -> bool:
        known = {*self.scheme.costs, self.scheme.soup}
        return incentive_id not in known or incentive_id in self.scheme.retired

    def _identify(
        self, *, now_ms: int, asked: Asked, identifier: str, till: str, order: str
    ) -> Verdict:
        if identifier.isdigit():
            return self._identify_by_code(now_ms, identifier, (till, order), asked.by)
        if identifier not in self.guests:
            return "MEMBER_NOT_FOUND"
        return lambda body: self._opened(body, self.guests[identifier], {}, now_ms, None)

    def _identify_by_code(
        self, now_ms: int, digits: str, order: tuple[str, str], by: str
    ) -> Verdict:
        code = self.codes.get(digits)
        if code is not None and code.status == CLAIMED:
            return self._claimed_before(code, order)
        if code is None or code.status != PENDING or code.expires_ms <= now_ms:
            return "CODE_NOT_FOUND"
        if any(self._gone(name) for name in code.selection):
            return "REWARD_NOT_FOUND"
        guest = self.guests[code.loyalty_id]
        holds = self._usable(guest, code.selection, by)

        def done(body: bytes) -> None:
            code.status, code.claimed_by, code.answer = CLAIMED, order, body
            code.order = self._opened(body, guest, holds, now_ms, code)
            code.order.accepted = dict.fromkeys(holds.items(), (1, by))

        return done

    def _usable(self, guest: Guest, selection: tuple[str, ...], by: str) -> dict[str, int]:
        """Tell what each of a selection costs that can be had now."""
        usable: dict[str, int] = {}
        for name in selection:
            left = guest.available - sum(usable.values())
            if not self._broken(guest, Counter([name]), left, None, by):
                usable[name] = self._cost(name)
        return usable

    def _claimed_before(self, code: Code, order: tuple[str, str]) -> Verdict:
        """Give a retry of the same till and order the first answer while the order is open."""
        still_open = code.order is not None and code.order.status == PENDING
        if code.claimed_by == order and still_open and code.answer is not None:
            return code.answer
        return "CODE_ALREADY_USED"

    def _opened(
        self, body: bytes, guest: Guest, holds: dict[str, int], now_ms: int, code: Code | None
    ) -> Order:
        answer = identify_service_pb2.IdentifyMemberResponse.FromString(body)
        agree(answer.transaction_id not in self.orders, "a transaction opened twice")
        holds = {name: points for name, points in holds.items() if points}
        guest.available -= sum(holds.values())
        guest.held += sum(holds.values())
        agree(answer.balances[0].amount == guest.available, "another balance at identify")
        chosen = len(code.selection) if code else 0
        agree(len(answer.order) == chosen, "another selection at identify")
        expires_ms = self.scheme.open_until_ms(now_ms, now_ms)
        order = Order(guest, PENDING, expires_ms, now_ms, holds=holds)
        self.orders[answer.transaction_id] = order
        if code is not None:
            self._tell("CODE_USED", guest)
        self._tell("ORDER_OPENED", guest)
        return order

    def _broken(
        self, guest: Guest, uses: Counter[str], spendable: int, order: Order | None, by: str
    ) -> str:
        """
        Judge rewards; a lack of points alone has a name of its own.

        What the open *order* was accepted with is fine. *by* is the key that reserves the uses.
        """
        cost = sum(self._cost_in(order, name, number) for name, number in uses.items())
        cookie, soup = self.scheme.cookie, self.scheme.soup
        accepted = {name for name in uses if order and order.reserved(name) >= uses[name]}
        caps = (
            (cookie, COOKIES_PER_MEMBER, COOKIES_IN_ALL),
            (soup, SOUPS_PER_MEMBER, SOUPS_IN_ALL),
        )
        for name, each, total in caps:
            if not uses[name] or name in accepted:
                continue
            mine, everybody = self._used(name, guest, order)
            ours = self._reserved_by(name, by, order)
            if (
                (name == cookie and uses[name] > COOKIES_PER_ORDER)
                or mine + uses[name] > each
                or everybody + uses[name] > total
                or (by and ours + uses[name] > (total - everybody + ours + 1) // 2)
            ):
                return "RULES_FAILED"
        return "POINTS_INSUFFICIENT" if cost > spendable else ""

    def _cost(self, name: str) -> int:
        return 0 if name == self.scheme.soup else self.scheme.costs[name]

    def _cost_in(self, order: Order | None, name: str, number: int) -> int:
        if order is None:
            return self._cost(name) * number
        prices = order.prices(name, number, self._cost(name))
        return sum(price * count for price, count in prices.items())

    def _used(
        self, name: str, guest: Guest | None, besides: Order | None = None
    ) -> tuple[int, int]:
        """Count an incentive's uses by a guest, and by everybody, with what is reserved."""
        others = [order for order in self.orders.values() if order is not besides]
        counts = [(order, order.uses[name] + order.reserved(name)) for order in others]
        mine = sum(number for order, number in counts if order.guest is guest)
        return mine, sum(number for _, number in counts)

    def _reserved_by(self, name: str, by: str, besides: Order | None) -> int:
        others = (order for order in self.orders.values() if order is not besides)
        return sum(order.reserved(name, by) for order in others) if by else 0

    def _too_many_soups(self, guest: Guest | None, soups: int) -> bool:
        mine, everybody = self._used(self.scheme.soup, guest)
        mine = mine if guest else 0
        limits = mine + soups > SOUPS_PER_MEMBER, everybody + soups > SOUPS_IN_ALL
        return soups > 0 and (limits[1] or (guest is not None and limits[0]))

    # --- Orders ---------------------------------------------------------------------------------

    def _twin(self, order: Order, known_by: tuple[Any, ...] | None) -> str:
        """Tell how far another paid order is that looks the same, if there is one."""
        found = {
            one.status
            for one in self.orders.values()
            if one is not order and one.looks == known_by and one.status in {CLAIMED, UNCLAIMED}
        }
        return CLAIMED if CLAIMED in found else "".join(found)

    def _reviewed(self, order: Order, uses: Counter[str], by: str = "") -> str:
        for name in uses:
            if self._gone(name) and order.reserved(name) < uses[name]:
                return "OFFER_NOT_FOUND" if name == self.scheme.soup else "REWARD_NOT_FOUND"
        guest = order.guest
        agree(guest is not None, "an order without a guest is judged")
        assert guest is not None
        return self._broken(guest, uses, guest.available + order.held, order, by)

    def _validate(
        self,
        *,
        now_ms: int,
        asked: Asked,
        transaction_id: str,
        status: str,
        uses: Counter[str],
        price: int,
    ) -> Verdict:
        del asked, status, price
        order = self.orders.get(transaction_id)
        if order is None:
            return "TRANSACTION_NOT_FOUND"
        if order.status != PENDING:
            return "TRANSACTION_NOT_CLAIMABLE"
        broken = self._reviewed(order, uses)
        if not broken.endswith("NOT_FOUND"):
            order.expires_ms = self.scheme.open_until_ms(order.opened_ms, now_ms)
        if broken:
            return "RULES_FAILED" if broken == "POINTS_INSUFFICIENT" else broken
        return lambda body: agree(
            pb.ValidateOrderResponse.FromString(body).transaction_id == transaction_id,
            "another order",
        )

    def _update(
        self,
        *,
        now_ms: int,
        asked: Asked,
        transaction_id: str,
        status: str,
        uses: Counter[str],
        price: int,
    ) -> Verdict:
        order = self.orders.get(transaction_id)
        if order is None:
            return "TRANSACTION_NOT_FOUND"
        again = order.reported == asked.body and order.answer is not None
        if again and order.status == PENDING:
            return lambda body: self._repeat(order, now_ms, body)
        if order.status != PENDING:
            again = again and order.status == CLAIMED
            return order.answer or b"" if again else "TRANSACTION_NOT_CLAIMABLE"
        broken = self._reviewed(order, uses, asked.by if status == PENDING else "")
        if broken:
            return broken
        twin = self._twin(order, looks(pb.ReportOrderRequest.FromString(asked.body), now_ms))
        if status == CLAIMED and twin == CLAIMED and self.scheme.repeated_orders == "refuse":
            return "ORDER_ALREADY_CLAIMED"
        by = asked.by
        return lambda body: self._report(order, asked.body, status, uses, price, now_ms, body, by)

    def _repeat(self, order: Order, now_ms: int, body: bytes) -> None:
        """Tell a till that reports the same once more what the guest has by now."""
        assert order.guest is not None
        order.expires_ms = self.scheme.open_until_ms(order.opened_ms, now_ms)
        answer = pb.ReportOrderResponse.FromString(body)
        seen = (answer.points, answer.points_earned, answer.points_redeemed)
        due = (order.guest.available, 0, order.held)
        agree(seen == due, f"told {seen} of an open order that makes {due}")
        order.answer = body

    def _report(
        self,
        order: Order,
        reported: bytes,
        status: str,
        uses: Counter[str],
        price: int,
        now_ms: int,
        body: bytes,
        by: str,
    ) -> None:
        guest = order.guest
        agree(guest is not None, "nobody's order is reported")
        assert guest is not None
        wanted = {name: self._cost_in(order, name, number) for name, number in uses.items()}
        order.accepted = {
            (name, price): (count, order.accepted.get((name, price), (0, by))[1])
            for name, number in uses.items()
            for price, count in order.prices(name, number, self._cost(name)).items()
        }
        cost = sum(wanted.values())
        guest.move(order.held - cost)
        guest.held += cost - order.held
        order.holds = {name: points for name, points in wanted.items() if points}
        if status == PENDING:
            order.expires_ms = self.scheme.open_until_ms(order.opened_ms, now_ms)
        else:
            guest.held -= cost
            order.holds, order.burned, order.uses = {}, cost, Counter(uses)
            order.accepted = {}
            order.earned = guest.earn(self._points(price))
            order.looks = looks(pb.ReportOrderRequest.FromString(reported), now_ms)
            if self._twin(order, order.looks) == CLAIMED:
                self.flags["order_repeated", "claimed"] += 1
            order.status, order.paid_ms = CLAIMED, now_ms
        answer = pb.ReportOrderResponse.FromString(body)
        seen = (answer.points, answer.points_earned, answer.points_redeemed)
        due = (guest.available, order.earned if status == CLAIMED else 0, cost)
        agree(seen == due, f"told {seen} of an order that makes {due}")
        order.reported, order.answer = reported, body
        self._tell("ORDER_REPORTED" if status == PENDING else "ORDER_CLAIMED", guest)

    def _points(self, price: int) -> int:
        return price * self.scheme.points_per_unit // 100

    def _void(self, *, now_ms: int, asked: Asked, transaction_id: str) -> Verdict:
        del asked
        order = self.orders.get(transaction_id)
        if order is None:
            return "TRANSACTION_NOT_FOUND"
        if order.status == VOID and order.answer is not None:
            return order.answer
        paid = order.status in {CLAIMED, UNCLAIMED}
        late = paid and now_ms - order.paid_ms > self.scheme.void_days * DAY_MS
        if late and self.scheme.late_void == "refuse":
            return "VOID_TOO_LATE"
        guest = order.guest
        back, taken = order.held, 0
        if order.status == CLAIMED and guest is not None:
            back, taken = self._undone(order, guest), order.earned
            short = max(0, taken - guest.available - order.burned)
            refused = self.scheme.void_spent == "refuse" or guest.debt + short > POINTS_MAX
            if short and refused:
                return "POINTS_INSUFFICIENT"

        def done(body: bytes) -> None:
            if guest is not None:
                guest.move(back - taken)
                guest.held -= order.held
                if order.status == CLAIMED:
                    order.lost = order.burned - back
            answer = pb.VoidTransactionResponse.FromString(body)
            seen = (answer.points, answer.points_earned, answer.points_redeemed)
            # What the sweeper gave back, when it came first, is told as if it had not.
            due = (guest.available if guest else 0, taken, back + order.released)
            agree(seen == due, f"told {seen} of a cancellation that makes {due}")
            self._end(order)
            order.answer = body
            if late:
                self.flags["void_late", "days"] += 1

        return done

    def _undone(self, order: Order, guest: Guest) -> int:
        """Tell how many burned points come back: what does not fit in the end is lost."""
        net = guest.available - guest.debt - order.earned + order.burned
        return order.burned - max(0, net + guest.held - POINTS_MAX)

    def _end(self, order: Order) -> None:
        if order.status != VOID:
            self._tell("ORDER_VOIDED", order.guest)
        order.status, order.reported, order.answer = VOID, None, None
        order.holds, order.uses, order.accepted = {}, Counter(), {}

    def _unclaimed(
        self, *, now_ms: int, asked: Asked, price: int, soups: int, soup_price: int, rewards: int
    ) -> Verdict:
        if rewards:
            return "RULES_FAILED"
        gone = soups > 0 and self._gone(self.scheme.soup)
        too_many = not gone and self._too_many_soups(None, soups)
        if self.scheme.unclaimed_offers == "refuse" and (gone or too_many):
            return "OFFER_NOT_FOUND" if gone else "RULES_FAILED"
        if gone or too_many:
            soups = soup_price = 0

        def done(body: bytes) -> None:
            answer = pb.RecordUnclaimedOrderResponse.FromString(body)
            agree(answer.transaction_id not in self.orders, "a transaction opened twice")
            agree(answer.receipt_code not in self.receipts, "a receipt given out twice")
            order = Order(None, UNCLAIMED, opened_ms=now_ms, paid_ms=now_ms, plain=price)
            order.soups, order.soup_price = soups, soup_price
            order.looks = looks(pb.RecordUnclaimedOrderRequest.FromString(asked.body), now_ms)
            if twin := self._twin(order, order.looks):
                reason = "claimed" if twin == CLAIMED else "recorded"
                self.flags["order_repeated", reason] += 1
            order.earned = self._points(price + soup_price)
            self.orders[answer.transaction_id] = order
            self.receipts[answer.receipt_code] = answer.transaction_id
            self._tell("ORDER_RECORDED")
            if gone:
                self.flags["offer_invalid", "unknown"] += 1
            elif too_many:
                self.flags["offer_invalid", "exceeds-max-redemption"] += 1

        return done

    def _receipt(self, *, now_ms: int, asked: Asked, loyalty_id: str, receipt_code: str) -> Verdict:
        del asked
        if loyalty_id not in self.guests:
            return "MEMBER_NOT_FOUND"
        order = self.orders.get(self.receipts.get(receipt_code, ""))
        if order is None or order.status == VOID:
            return "RECEIPT_NOT_FOUND"
        if order.status != UNCLAIMED:
            return "RECEIPT_ALREADY_CLAIMED"
        if now_ms - order.opened_ms > self.scheme.receipt_days * DAY_MS:
            return "RECEIPT_EXPIRED"
        twice = self._twin(order, order.looks) == CLAIMED
        if twice and self.scheme.repeated_orders == "refuse":
            return "ORDER_ALREADY_CLAIMED"
        return self._claimed_receipt(order, self.guests[loyalty_id], twice=twice)

    def _claimed_receipt(self, order: Order, guest: Guest, *, twice: bool) -> Verdict:
        too_many = self._too_many_soups(guest, order.soups)
        worth = order.earned
        if too_many and (whole := self._points(order.plain + order.soup_price)):
            # What the receipt promised, less the part of it that the soups make.
            worth = worth * self._points(order.plain) // whole

        def done(body: bytes) -> None:
            order.guest, order.status = guest, CLAIMED
            if twice:
                self.flags["order_repeated", "claimed"] += 1
            if too_many:
                self.flags["offer_invalid", "exceeds-max-redemption"] += 1
            elif order.soups:
                order.uses = Counter({self.scheme.soup: order.soups})
            order.earned = guest.earn(worth)
            answer = pb.ClaimReceiptResponse.FromString(body)
            seen = (answer.points, answer.points_earned)
            due = (guest.available, order.earned)
            agree(seen == due, f"told {seen} of a receipt that makes {due}")
            self._tell("RECEIPT_CLAIMED", guest)

        return done

    # --- Operators and the sweeper --------------------------------------------------------------

    def _adjust(self, *, now_ms: int, asked: Asked, loyalty_id: str, points: int) -> Verdict:
        del now_ms, asked
        guest = self.guests[loyalty_id]
        if points == 0 or guest.available + guest.held + points - guest.debt > POINTS_MAX:
            return "REQUEST_INVALID"
        if guest.available + points < 0:
            return "POINTS_INSUFFICIENT"

        def done(_: Any) -> None:
            guest.move(points)
            self._tell("POINTS_ADJUSTED", guest)

        return done

    def _change(self, *, now_ms: int, asked: Asked, scheme: dict[str, Any]) -> Verdict:
        del now_ms, asked

        def done(changes: Any) -> None:
            self.scheme = replace(self.scheme, **scheme)
            if changes:
                self._tell("PROGRAM_APPLIED")

        return done

    def _key(self, *, now_ms: int, asked: Asked, revoke: bool, **_: Any) -> Verdict:
        del now_ms, asked
        return lambda _told: self._tell("KEY_REVOKED" if revoke else "KEY_CREATED")

    def _look(self, *, now_ms: int, asked: Asked) -> Verdict:
        del asked

        def done(found: Any) -> None:
            if not found or hasattr(found[0], "transaction_id"):
                due = {name for name, order in self.orders.items() if self._overdue(order, now_ms)}
                seen = {row.transaction_id for row in found}
                agree(seen == due or not seen, f"found {len(seen)} of {len(due)} overdue orders")
            else:
                live = sum(self._overdue(code, now_ms) for code in self.codes.values())
                agree(len(found) == live, f"found {len(found)} of {live} overdue codes")

        return done

    def _overdue(self, one: Order | Code, now_ms: int) -> bool:
        return one.status == PENDING and one.expires_ms <= now_ms

    def _void_overdue(self, *, now_ms: int, asked: Asked, transaction_id: str) -> Verdict:
        del asked
        order = self.orders[transaction_id]
        if not self._overdue(order, now_ms):
            return False
        guest = order.guest
        agree(guest is not None, "nobody's order is open")
        guest.move(order.held)  # type: ignore[union-attr]
        guest.held -= order.held  # type: ignore[union-attr]
        order.released = order.held
        self._end(order)
        return True

    def _expire_code(self, *, now_ms: int, asked: Asked, digits: str) -> Verdict:
        del asked
        code = self.codes[digits]
        if not self._overdue(code, now_ms):
            return False
        code.status = EXPIRED
        self.events.append(Told("CODE_EXPIRED", code.loyalty_id))
        return True
