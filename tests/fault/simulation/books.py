"""What the model writes down: guests, orders, codes and events; and what all rules ask of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Any, Protocol

from tests.fault.simulation.cards import Card
from tests.fault.simulation.market import OFFERS
from tests.fault.simulation.purses import Brought, Purse
from tests.fault.simulation.scheme import (
    COOKIES_IN_ALL,
    COOKIES_PER_MEMBER,
    COOKIES_PER_ORDER,
    PLACE,
    POINTS_MAX,
    SOUPS_IN_ALL,
    SOUPS_PER_MEMBER,
    Scheme,
)

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


def agree_on(what: str, answer: Any, *due: int) -> None:
    """
    Insist on the points that an answer tells: those of the guest, earned and redeemed ones.

    Raises:
        DisagreementError: They are others.
    """
    seen = tuple(getattr(answer, name) for name in _POINTS[: len(due)])
    agree(seen == due, f"told {seen} of {what} that makes {due}")


_POINTS = ("points", "points_earned", "points_redeemed")


class Brings(Protocol):
    """Whatever has points of a guest by their day: an order, what a goal gave, what was bought."""

    brought: Brought


@dataclass
class Guest:
    """
    A member's points.

    Attributes:
        purse: Those to spend by their day, where points go.
        gone: Those that went.
        card: What goals count, and what the guest was given.
    """

    available: int = 0
    held: int = 0
    debt: int = 0
    purse: Purse | None = None
    gone: int = 0
    card: Card = field(default_factory=Card)

    def earn(self, points: int, order: Brings) -> int:
        """Give points, no more than an account carries; return how many."""
        earned = max(0, min(points, POINTS_MAX - self.available - self.held))
        owed = self.debt
        self.move(earned)
        if self.purse is not None:
            self.purse.bring(earned - (owed - self.debt), order.brought)
        return earned

    def turn(self, today: date) -> None:
        """Let the day come: what is over is gone."""
        if self.purse is not None:
            over = self.purse.turn(today)
            self.available -= over
            self.gone += over

    def adjust(self, points: int) -> None:
        """Take points on an operator's word, or above zero get them."""
        owed = self.debt
        self.move(points)
        if self.purse is not None and points < 0:
            self.purse.take(-points)
        elif self.purse is not None:
            self.purse.bring(points - (owed - self.debt))

    def set_aside(self, order: Order, points: int) -> None:
        """Hold so many points for an order, which holds others so far."""
        more, owed = points - order.held, self.debt
        self.move(-more)
        self.held += more
        if self.purse is None:
            return
        if more > 0:
            self.purse.hold(more, order.brought)
        else:
            self.purse.let_go(order.brought.held, -more, owed - self.debt)
            self.turn(self.purse.today)

    def spend(self, points: int, on: Brings) -> None:
        """Burn points at once."""
        self.move(-points)
        if self.purse is not None:
            on.brought.burned += self.purse.take(points)

    def burn(self, order: Order) -> None:
        """Let what an order holds be burned."""
        self.held -= order.held
        order.brought.burned += order.brought.held
        order.brought.held.clear()

    def end(self, order: Order, back: int, taken: int) -> None:
        """Give back what an order holds, or has burned, and take what it earned."""
        if order.status == PENDING:
            self.set_aside(order, 0)
        else:
            self.undo(order, back, taken)

    def undo(self, order: Brings, back: int, taken: int) -> None:
        """Take what an order, or a goal, earned, and give back what it burned."""
        had = self.available
        owed = self.debt
        self.move(back - taken)
        purse = self.purse
        if purse is None:
            return
        # First from what is there, then from what has come back; what comes back pays debts first.
        purse.give_up(min(taken, had), order.brought)
        purse.let_go(order.brought.burned, back, min(owed, back))
        purse.give_up(min(taken - min(taken, had), back - min(owed, back)), order.brought)
        self.turn(purse.today)

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
        partner: Who opened or recorded it.
        sold: Price of one and how many are left, of each line by its name; *off* is what is taken
            off besides.
        rate: Points for a major unit when it was claimed.
        returned: Points that were taken back for what came back.
        returns: The answer to each return, by what it said.
        name: That of the transaction.
        day: The day that its till names.
        tier: That of its guest when it was claimed.
        gave: Of each promotion that gave some: its name, how often, and points.
        won: How often it has earned each promotion.
        by_rate: Points for a major unit, where the program has more than one rate.
        accepted_on: Since when it is accepted with an incentive.
        paid_by: What its guest was given that paid for uses, and how many.
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
    partner: str = ""
    brought: Brought = field(default_factory=Brought)
    sold: dict[str, list[list[int]]] = field(default_factory=dict)
    off: int = 0
    rate: int = 0
    returned: int = 0
    returns: dict[tuple[Any, ...], bytes] = field(default_factory=dict)
    name: str = ""
    day: date | None = None
    tier: str = ""
    gave: tuple[tuple[str, int, int], ...] = ()
    won: dict[str, int] = field(default_factory=dict)
    by_rate: Fraction = Fraction(0)
    accepted_on: dict[str, date] = field(default_factory=dict)
    paid_by: list[tuple[str, int]] = field(default_factory=list)

    def gave_times(self, promotion: str) -> int:
        """Tell how often a promotion has given points."""
        return sum(times for name, times, _ in self.gave if name == promotion)

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
    partner: str
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


def read_nothing(*_: object) -> tuple[Any, ...]:
    """Read nothing: where nothing is asked for whose name the server makes up."""
    return ()


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


class Books:
    """
    What has come of all settled calls, and what the rules ask of it.

    Attributes:
        asked, now_ms: The call that is being settled, and when it came.
        events: What should have been told of since somebody looked.
        flags: What operators should be told of the call, by kind and reason.
        day: The day by which rules are judged.
        promo_uses: How often each member has used the promo code.
        execute: Reads names that the server made up.
        later: Events that come after those of the call itself.
    """

    def __init__(self, scheme: Scheme, guests: dict[str, Guest]) -> None:
        self.scheme = scheme
        self.guests = guests
        self.orders: dict[str, Order] = {}
        self.codes: dict[str, Code] = {}
        self.receipts: dict[str, str] = {}
        self.kept: dict[tuple[str, str], tuple[tuple[str, bytes], bytes]] = {}
        self.events: list[Told] = []
        self.flags: Counter[tuple[str, str]] = Counter()
        self.wrong_codes = 0
        self.asked = Asked("", {})
        self.now_ms = 0
        self.day = date.min
        self.promo_uses: Counter[str] = Counter()
        self.execute: Callable[..., Any] = read_nothing
        self.later: list[tuple[str, Guest]] = []

    def _tell(self, kind: str, guest: Guest | None = None) -> None:
        """Take note of an event that must be kept, with the balances of now."""
        if guest is None:
            self.events.append(Told(kind))
            return
        name = next(name for name, one in self.guests.items() if one is guest)
        self.events.append(Told(kind, name, (guest.available, guest.held, guest.debt)))

    def _tell_rest(self) -> None:
        """Take note of the events that come last."""
        for kind, guest in self.later:
            self._tell(kind, guest)
        self.later = []

    def _tell_cut(self, reason: str, guest: Guest) -> None:
        """Expect that operators are told of points that a guest did not get."""
        self.flags["points_cut", reason] += 1
        self._tell("POINTS_CUT", guest)

    def _new_guest(self, points: int = 0) -> Guest:
        """Make a member of today, with points."""
        today = day_of(self.now_ms)
        guest = Guest(card=Card(enrolled=today))
        if self.scheme.good_days:
            guest.purse = Purse(self.scheme.good_days, today)
        if points:
            guest.adjust(points)
        return guest

    def _gone(self, incentive_id: str) -> bool:
        known = {*self.scheme.costs, self.scheme.soup}
        if self.scheme.market is not None:
            known |= OFFERS
        return incentive_id not in known or incentive_id in self.scheme.retired

    def _points(self, price: int) -> int:
        return price * self.scheme.points_per_unit // 100

    def _cost(self, name: str) -> int:
        return self.scheme.costs.get(name, 0)

    def _cost_in(self, order: Order | None, name: str, number: int) -> int:
        if order is None:
            return self._cost(name) * number
        prices = order.prices(name, number, self._cost(name))
        return sum(price * count for price, count in prices.items())

    def _overdue(self, one: Order | Code) -> bool:
        return one.status == PENDING and one.expires_ms <= self.now_ms

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
        for name in uses.keys() - accepted if self.scheme.market else ():
            if self._limited(name, uses[name], guest, order):
                return "RULES_FAILED"
        return "POINTS_INSUFFICIENT" if cost > spendable else ""

    def _twin(self, order: Order, known_by: tuple[Any, ...] | None) -> str:
        """Tell how far another paid order is that looks the same, if there is one."""
        found = {
            one.status
            for one in self.orders.values()
            if one is not order and one.looks == known_by and one.status in {CLAIMED, UNCLAIMED}
        }
        return CLAIMED if CLAIMED in found else "".join(found)

    def _refused_twin(self, order: Order, known_by: tuple[Any, ...] | None) -> bool:
        """Tell whether an order is refused for one of its partner that looks the same."""
        return self.scheme.repeated_orders == "refuse" and any(
            one is not order
            and (one.looks, one.status, one.partner) == (known_by, CLAIMED, order.partner)
            for one in self.orders.values()
        )

    def _end(self, order: Order) -> None:
        if order.status != VOID:
            self._tell("ORDER_VOIDED", order.guest)
            self._tell_rest()
            if order.lost and order.guest is not None:
                self._tell_cut("refund", order.guest)
        order.status, order.reported, order.answer = VOID, None, None
        order.holds, order.uses, order.accepted = {}, Counter(), {}
