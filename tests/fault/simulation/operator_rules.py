"""The rules of what operators and the sweeper do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.fault.simulation.books import EXPIRED, Books, Told, Verdict, agree
from tests.fault.simulation.scheme import POINTS_MAX


class OperatorRules(Books):
    """Judges adjustments, changes of the program, keys, and what is ended when it is overdue."""

    def _adjust(self, loyalty_id: str, points: int) -> Verdict:
        guest = self.guests[loyalty_id]
        if points == 0 or guest.available + guest.held + points - guest.debt > POINTS_MAX:
            return "REQUEST_INVALID"
        if guest.available + points < 0:
            return "POINTS_INSUFFICIENT"

        def done(_: Any) -> None:
            guest.adjust(points)
            self._tell("POINTS_ADJUSTED", guest)

        return done

    def _change(self, scheme: dict[str, Any]) -> Verdict:
        def done(changes: Any) -> None:
            self.scheme = replace(self.scheme, **scheme)
            if changes:
                self._tell("PROGRAM_APPLIED")

        return done

    def _key(self, *, revoke: bool, **_: Any) -> Verdict:
        return lambda _told: self._tell("KEY_REVOKED" if revoke else "KEY_CREATED")

    def _look(self) -> Verdict:
        def done(found: Any) -> None:
            if not found or hasattr(found[0], "transaction_id"):
                due = {name for name, order in self.orders.items() if self._overdue(order)}
                seen = {row.transaction_id for row in found}
                agree(seen == due or not seen, f"found {len(seen)} of {len(due)} overdue orders")
            else:
                live = sum(self._overdue(code) for code in self.codes.values())
                agree(len(found) == live, f"found {len(found)} of {live} overdue codes")

        return done

    def _void_overdue(self, transaction_id: str) -> Verdict:
        order = self.orders[transaction_id]
        if not self._overdue(order):
            return False
        guest = order.guest
        agree(guest is not None, "nobody's order is open")
        order.released = order.held
        guest.set_aside(order, 0)  # type: ignore[union-attr]
        self._end(order)
        return True

    def _expire_bucket(self) -> Verdict:
        """What is over is gone whether or not it is booked, so that booking it changes nothing."""
        return True

    def _expire_code(self, digits: str) -> Verdict:
        code = self.codes[digits]
        if not self._overdue(code):
            return False
        code.status = EXPIRED
        self.events.append(Told("CODE_EXPIRED", code.loyalty_id))
        return True
