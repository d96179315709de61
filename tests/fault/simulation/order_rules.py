"""The rules of orders: asking about them, reporting, claiming and voiding them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from loyalty.v1 import transaction_service_pb2 as pb
from tests.fault.simulation.books import (
    CLAIMED,
    PENDING,
    UNCLAIMED,
    VOID,
    Books,
    Guest,
    Order,
    Verdict,
    agree,
    agree_on,
    looks,
)
from tests.fault.simulation.scheme import DAY_MS, POINTS_MAX


class OrderRules(Books):
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
    ) -> Verdict:
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
        known_by = looks(pb.ReportOrderRequest.FromString(self.asked.body), self.now_ms)
        if status == CLAIMED and self._refused_twin(order, known_by):
            return "ORDER_ALREADY_CLAIMED"

        def done(body: bytes) -> None:
            self._report(order, known_by, status, uses, price, body)
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
        price: int,
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
        guest.set_aside(order, cost)
        order.holds = {name: points for name, points in wanted.items() if points}
        if status == PENDING:
            order.expires_ms = self.scheme.open_until_ms(order.opened_ms, self.now_ms)
        else:
            guest.burn(order)
            order.holds, order.burned, order.uses = {}, cost, Counter(uses)
            order.accepted = {}
            order.earned = guest.earn(self._points(price), order)
            order.looks = known_by
            if self._twin(order, order.looks) == CLAIMED:
                self.flags["order_repeated", "claimed"] += 1
            self._flag_other_partner(order, "claim")
            order.status, order.paid_ms = CLAIMED, self.now_ms
        earned = order.earned if status == CLAIMED else 0
        answer = pb.ReportOrderResponse.FromString(body)
        agree_on("an order", answer, guest.available, earned, cost)
        order.reported, order.answer = self.asked.body, body
        self._tell("ORDER_REPORTED" if status == PENDING else "ORDER_CLAIMED", guest)
        if status == CLAIMED and order.earned < self._points(price):
            self._tell_cut("full", guest)

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
            short = max(0, taken - guest.available - order.burned)
            refused = self.scheme.void_spent == "refuse" or guest.debt + short > POINTS_MAX
            if short and refused:
                return "POINTS_INSUFFICIENT"

        def done(body: bytes) -> None:
            self._flag_other_partner(order, "void")
            if guest is not None:
                guest.end(order, back, taken)
                if order.status == CLAIMED:
                    order.lost = order.burned - back
            answer = pb.VoidTransactionResponse.FromString(body)
            available = guest.available if guest else 0
            # What the sweeper gave back, when it came first, is told as if it had not.
            agree_on("a cancellation", answer, available, taken, back + order.released)
            self._end(order)
            order.answer = body
            if late:
                self.flags["void_late", "days"] += 1

        return done

    def _undone(self, order: Order, guest: Guest) -> int:
        """Tell how many burned points come back: what does not fit in the end is lost."""
        left = order.earned - order.returned
        net = guest.available - guest.debt - left + order.burned
        return order.burned - max(0, net + guest.held - POINTS_MAX)

    def _flag_other_partner(self, order: Order, reason: str) -> None:
        """Expect that operators are told of an order that another partner ends."""
        if order.status != VOID and order.partner != self.asked.scope:
            self.flags["other_partner", reason] += 1
