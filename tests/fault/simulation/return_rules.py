"""The rules of lines that come back: what the rest of an order earns, counted from its prices."""

from __future__ import annotations

from copy import deepcopy

from loyalty.v1 import transaction_service_pb2 as pb
from tests.fault.simulation.books import CLAIMED, VOID, Order, Verdict, agree, agree_on
from tests.fault.simulation.order_rules import OrderRules
from tests.fault.simulation.scheme import DAY_MS, POINTS_MAX

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
        price = sum(each * number for pieces in sold.values() for each, number in pieces)
        kept = 0 if everything else max(0, price + order.off) * order.rate // 100
        taken = max(0, order.earned - order.returned - kept)
        back = self._undone(order, order.guest) if everything else 0
        short = max(0, taken - order.guest.available - (order.burned if everything else 0))
        if short and (self.scheme.void_spent == "refuse" or order.guest.debt + short > POINTS_MAX):
            return "POINTS_INSUFFICIENT"

        def done(body: bytes) -> None:
            order.sold = sold
            self._come_back(order, taken, back, body, everything=everything)
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
        self, order: Order, taken: int, back: int, body: bytes, *, everything: bool
    ) -> None:
        guest = order.guest
        assert guest is not None
        self._flag_other_partner(order, "void")
        guest.undo(order, back, taken)
        order.returned += taken
        answer = pb.ReturnLinesResponse.FromString(body)
        left = 0 if everything else order.earned - order.returned
        agree_on("a return", answer, guest.available, left, back)
        agree(answer.points_returned == taken, f"took {answer.points_returned}, though {taken}")
        status = pb.Transaction.Status.Name(answer.status)
        agree(status == (VOID if everything else CLAIMED), f"the order is {status}")
        self._tell("LINES_RETURNED", guest)
        if everything:
            order.lost = order.burned - back
            self._end(order)
