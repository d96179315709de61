"""The rules of lines that come back: what the rest of an order earns, counted from its prices."""

from __future__ import annotations

from copy import deepcopy

from loyalty.v1 import transaction_service_pb2 as pb
from tests.fault.simulation.books import CLAIMED, VOID, Order, Verdict, agree, agree_on
from tests.fault.simulation.market_rules import Cart, Worth
from tests.fault.simulation.order_rules import OrderRules
from tests.fault.simulation.scheme import DAY_MS

Lines = tuple[tuple[str, int | None], ...]
"""What comes back: the name of each line, and how many, or all that is left."""


class ReturnRules(OrderRules):
    """Judges what comes back of a claimed order."""

    def _return(self, transaction_id: str, lines: Lines, created: str) -> Verdict:
        order = self.orders.get(transaction_id)
        if order is None:
            return "TRANSACTION_NOT_FOUND"
        if (created, lines) in order.returns:
            return order.returns[created, lines]
        sold = deepcopy(order.sold)
        refused = self._refused(order) or self._taken(sold, lines)
        if refused or order.guest is None:
            return refused
        everything = not any(one[1] for pieces in sold.values() for one in pieces)
        pieces = [(name, *one) for name, left in sold.items() for one in left]
        cart = Cart((*pieces, ("", order.off, 1)))
        worth = Worth(0) if everything else self._worth_left(order, cart)
        taken = order.earned - order.returned - worth.points
        back = self._undone(order, order.guest) if everything else 0
        burned, rest = (order.burned, None) if everything else (0, cart)
        if self._short(order, order.guest, taken, burned, rest, worth.points):
            return "POINTS_INSUFFICIENT"

        def done(body: bytes) -> None:
            order.sold = sold
            self._come_back(order, taken, back, body, rest, worth)
            order.returns[created, lines] = body

        return done

    def _refused(self, order: Order) -> str:
        if order.status != CLAIMED:
            return "TRANSACTION_NOT_RETURNABLE"
        late = self.now_ms - order.paid_ms > self.scheme.return_days * DAY_MS
        return "RETURN_TOO_LATE" if late else ""

    def _taken(self, sold: dict[str, list[list[int]]], lines: Lines) -> str:
        """Take lines out of those that are left; tell why not where there are fewer."""
        for name, number in lines:
            left = sum(one[1] for one in sold.get(name, []))
            if not left or (number or 0) > left:
                return "REQUEST_INVALID"
            for _ in range(left if number is None else number):
                next(one for one in sold[name] if one[1])[1] -= 1
        return ""

    def _come_back(
        self, order: Order, taken: int, back: int, body: bytes, rest: Cart | None, worth: Worth
    ) -> None:
        guest, everything = order.guest, rest is None
        assert guest is not None
        self._flag_other_partner(order, "void")
        if everything:
            self._take_all(order, guest, back, taken)
        else:
            losses = self._losses(order, guest, rest, worth.points)
            due = taken + sum(gone for *_, gone in losses)
            self._sell_back(guest, self._sold_back(order, guest, due)[0])
            guest.undo(order, back, taken)
            self._lose(order, guest, losses, rest, worth.points)
            times = {name: number for name, number, _ in order.gave}
            order.gave = tuple(
                (name, min(number, times.get(name, 0)), points)
                for name, number, points in worth.gave
            )
        order.returned += taken
        answer = pb.ReturnLinesResponse.FromString(body)
        left = 0 if everything else order.earned - order.returned
        agree_on("a return", answer, guest.available, left, back)
        agree(answer.points_returned == taken, f"took {answer.points_returned}, though {taken}")
        status = pb.Transaction.Status.Name(answer.status)
        agree(status == (VOID if everything else CLAIMED), f"the order is {status}")
        self._tell("LINES_RETURNED", guest)
        if everything:
            self._end(order)
