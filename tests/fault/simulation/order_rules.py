"""The rules of orders: asking about them, reporting, claiming and voiding them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

from loyalty.v1 import transaction_service_pb2 as pb
from tests.fault.simulation.books import (
    CLAIMED,
    PENDING,
    UNCLAIMED,
    VOID,
    Guest,
    Order,
    Verdict,
    agree,
    agree_on,
    day_of,
    looks,
)
from tests.fault.simulation.cards import counts_on
from tests.fault.simulation.market_rules import Cart, MarketRules, progress_of
from tests.fault.simulation.scheme import DAY_MS, POINTS_MAX


class OrderRules(MarketRules):
    """Judges what becomes of a guest's order."""

    def _reviewed(self, order: Order, uses: Counter[str], by: str = "") -> str:
        for name in uses:
            if self._gone(name) and order.reserved(name) < uses[name]:
                return "OFFER_NOT_FOUND" if name == self.scheme.soup else "REWARD_NOT_FOUND"
        guest = order.guest
        agree(guest is not None, "an order without a guest is judged")
        assert guest is not None
        return self._broken(guest, uses, guest.available + order.held, order, by)

    def _validate(self, transaction_id: str, uses: Counter[str], **_: Any) -> Verdict:
        order = self.orders.get(transaction_id)
        if order is None:
            return "TRANSACTION_NOT_FOUND"
        if order.status != PENDING:
            return "TRANSACTION_NOT_CLAIMABLE"
        broken = self._reviewed(order, uses)
        if not broken.endswith("NOT_FOUND"):
            order.expires_ms = self.scheme.open_until_ms(order.opened_ms, self.now_ms)
        if broken:
            return "RULES_FAILED" if broken == "POINTS_INSUFFICIENT" else broken
        return lambda body: agree(
            pb.ValidateOrderResponse.FromString(body).transaction_id == transaction_id,
            "another order",
        )

    def _update(
        self,
        transaction_id: str,
        status: str,
        uses: Counter[str],
        price: int,
        sold: tuple[tuple[str, int, int], ...] = (),
        day: date | None = None,
    ) -> Verdict:
        """Judge a report; one that has a number of its own tells the *day* of its till."""
        self.day = day or self.day
        order = self.orders.get(transaction_id)
        if order is None:
            return "TRANSACTION_NOT_FOUND"
        again = order.reported == self.asked.body and order.answer is not None
        if again and order.status == PENDING:
            return lambda body: self._repeat(order, body)
        if order.status != PENDING:
            again = again and order.status == CLAIMED
            return order.answer or b"" if again else "TRANSACTION_NOT_CLAIMABLE"
        broken = self._reviewed(order, uses, self.asked.by if status == PENDING else "")
        if broken:
            return broken
        known_by: tuple[Any, ...] = (transaction_id,)
        if day is None:
            known_by = looks(pb.ReportOrderRequest.FromString(self.asked.body), self.now_ms)
        if status == CLAIMED and self._refused_twin(order, known_by):
            return "ORDER_ALREADY_CLAIMED"

        def done(body: bytes) -> None:
            self._report(order, known_by, status, uses, (price, sold or (("", price, 1),)), body)
            if status == CLAIMED:
                self._sell(order, sold)

        return done

    def _sell(self, order: Order, sold: tuple[tuple[str, int, int], ...]) -> None:
        """Take note of what can come back: name, price of one and number of each line."""
        order.rate = self.scheme.points_per_unit
        for name, each, number in sold:
            if each < 0:
                order.off += each * number
            else:
                order.sold.setdefault(name, []).append([each, number])

    def _repeat(self, order: Order, body: bytes) -> None:
        """Tell a till that reports the same once more what the guest has by now."""
        assert order.guest is not None
        order.expires_ms = self.scheme.open_until_ms(order.opened_ms, self.now_ms)
        answer = pb.ReportOrderResponse.FromString(body)
        agree_on("an open order", answer, order.guest.available, 0, order.held)
        order.answer = body

    def _report(
        self,
        order: Order,
        known_by: tuple[Any, ...],
        status: str,
        uses: Counter[str],
        bought: tuple[int, tuple[tuple[str, int, int], ...]],
        body: bytes,
    ) -> None:
        guest = order.guest
        agree(guest is not None, "nobody's order is reported")
        assert guest is not None
        wanted = {name: self._cost_in(order, name, number) for name, number in uses.items()}
        order.accepted = {
            (name, price): (count, order.accepted.get((name, price), (0, self.asked.by))[1])
            for name, number in uses.items()
            for price, count in order.prices(name, number, self._cost(name)).items()
        }
        cost = sum(wanted.values())
        cart = Cart(bought[1])
        worth = self._worth(guest, bought[0], cart, self.day, cost, order, uses)
        guest.set_aside(order, cost)
        order.holds = {name: points for name, points in wanted.items() if points}
        if status == PENDING:
            order.expires_ms = self.scheme.open_until_ms(order.opened_ms, self.now_ms)
            today = day_of(self.now_ms)
            order.accepted_on = {name: order.accepted_on.get(name, today) for name in uses}
        else:
            self._before_claim(guest)
            guest.burn(order)
            order.holds, order.burned, order.uses = {}, cost, Counter(uses)
            order.accepted = {}
            order.day, order.tier = self.day, self._tier(guest, self.day)
            order.earned = guest.earn(worth.points, order)
            counted = self._claimed(order, guest, worth.within(order.earned), cart)
            order.looks = known_by
            if self._twin(order, order.looks) == CLAIMED:
                self.flags["order_repeated", "claimed"] += 1
            self._flag_other_partner(order, "claim")
            order.status, order.paid_ms = CLAIMED, self.now_ms
        earned = order.earned if status == CLAIMED else 0
        answer = pb.ReportOrderResponse.FromString(body)
        agree_on("an order", answer, guest.available, earned, cost)
        if status == CLAIMED:
            told = tuple((p.promotion_id, p.times, p.points) for p in answer.earning.promotions)
            agree(told == order.gave, f"promotions gave {told}, though {order.gave}")
            self._agree_on_goals(answer.goals, guest, counted)
        order.reported, order.answer = self.asked.body, body
        self._tell("ORDER_REPORTED" if status == PENDING else "ORDER_CLAIMED", guest)
        if status == CLAIMED and order.earned < worth.points:
            self._tell_cut("full", guest)
        self._tell_rest()

    def _void(self, transaction_id: str) -> Verdict:
        order = self.orders.get(transaction_id)
        if order is None:
            return "TRANSACTION_NOT_FOUND"
        if order.status == VOID and order.answer is not None:
            return order.answer
        paid = order.status in {CLAIMED, UNCLAIMED}
        late = paid and self.now_ms - order.paid_ms > self.scheme.void_days * DAY_MS
        if late and self.scheme.late_void == "refuse":
            return "VOID_TOO_LATE"
        guest = order.guest
        back, taken = order.held, 0
        if order.status == CLAIMED and guest is not None:
            back, taken = self._undone(order, guest), order.earned - order.returned
            if self._short(order, guest, taken, order.burned, None):
                return "POINTS_INSUFFICIENT"

        def done(body: bytes) -> None:
            self._flag_other_partner(order, "void")
            if guest is not None:
                self._take_all(order, guest, back, taken)
            answer = pb.VoidTransactionResponse.FromString(body)
            available = guest.available if guest else 0
            # What the sweeper gave back, when it came first, is told as if it had not.
            agree_on("a cancellation", answer, available, taken, back + order.released)
            self._end(order)
            order.answer = body
            if late:
                self.flags["void_late", "days"] += 1

        return done

    def _take_all(self, order: Order, guest: Guest, back: int, taken: int) -> None:
        """Take back all that an order brought, and give back what it cost."""
        claimed = order.status == CLAIMED
        losses = self._losses(order, guest, None) if claimed else []
        self._sell_back(guest, self._sold_back(order, guest)[0] if claimed else ())
        guest.end(order, back, taken)
        if claimed:
            order.lost = order.burned - back
            self._lose(order, guest, losses, None)
            self._end_uses(order, guest)

    def _short(
        self,
        order: Order,
        guest: Guest,
        taken: int,
        burned: int,
        cart: Cart | None,
        points: int = 0,
    ) -> bool:
        """Tell whether what is taken back is spent, and may not be owed."""
        lost = sum(gone for *_, gone in self._losses(order, guest, cart, points))
        due = taken + lost
        back = self._sold_back(order, guest, None if cart is None else due)[1]
        short = max(0, due - guest.available - back - burned)
        return short > 0 and (self.scheme.void_spent == "refuse" or guest.debt + short > POINTS_MAX)

    def _agree_on_goals(self, told: Any, guest: Guest, counted: Iterable[str]) -> None:
        """Insist on how far an answer says that a guest has come with goals."""
        seen = {one.goal_id: one for one in told.progress}
        for goal in self.market.goals:
            name = goal["id"]
            if name in counted and counts_on(goal, guest.card.last):
                agree(name in seen, f"nothing told of the goal {name}")
                progress, until = progress_of(goal, guest)
                one = seen[name]
                agree(one.progress == progress, f"{one.progress} of {name}, though {progress}")
                agree(until is None or one.until == until, f"{name} until {one.until}, not {until}")

    def _undone(self, order: Order, guest: Guest) -> int:
        """Tell how many burned points come back: what does not fit in the end is lost."""
        left = order.earned - order.returned
        net = guest.available - guest.debt - left + order.burned
        return order.burned - max(0, net + guest.held - POINTS_MAX)

    def _flag_other_partner(self, order: Order, reason: str) -> None:
        """Expect that operators are told of an order that another partner ends."""
        if order.status != VOID and order.partner != self.asked.scope:
            self.flags["other_partner", reason] += 1
