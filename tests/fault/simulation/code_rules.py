"""The rules of guests and their codes: enrolling, issuing and identifying."""

from __future__ import annotations

from collections import Counter
from datetime import date

from loyalty.v1 import (
    code_service_pb2,
    identify_service_pb2,
    member_service_pb2,
    session_service_pb2,
)
from tests.fault.simulation.books import (
    CLAIMED,
    PENDING,
    REPLACED,
    Code,
    Guest,
    Order,
    Told,
    Verdict,
    agree,
)
from tests.fault.simulation.market_rules import MarketRules


class CodeRules(MarketRules):
    """Judges who comes, and with which code."""

    def _enroll(self, born: date | None = None) -> Verdict:
        def done(body: bytes) -> None:
            member = member_service_pb2.EnrollMemberResponse.FromString(body).member
            agree(member.loyalty_id not in self.guests, "a loyalty ID twice")
            initial = self.market.initial
            agree(member.available_points == initial, "other points for enrolling")
            guest = self.guests[member.loyalty_id] = self._new_guest()
            self._tell("MEMBER_ENROLLED", guest)
            guest.adjust(initial)
            guest.card.born = born
            for terms in self._given_on("enrolment"):
                self._give(guest, terms, f"program/{terms['id']}")
            self._tell_rest()

        return done

    def _session(self, correlation_id: str) -> Verdict:
        def done(body: bytes) -> None:
            answer = session_service_pb2.StartAnonymousSessionResponse.FromString(body)
            agree(answer.session_correlation_id == correlation_id, "another session")
            agree(answer.points_balance == 0, "points for nobody")

        return done

    def _issue(self, loyalty_id: str, selection: tuple[str, ...]) -> Verdict:
        if loyalty_id not in self.guests:
            return "MEMBER_NOT_FOUND"
        if any(self._gone(name) for name in selection):
            return "REQUEST_INVALID"

        def done(body: bytes) -> None:
            digits = code_service_pb2.IssueCodeResponse.FromString(body).otp
            earlier = self.codes.get(digits)
            live = earlier is not None and earlier.expires_ms > self.now_ms
            agree(not live, "a live code given out again")
            for code in self.codes.values():
                place = code.loyalty_id, code.partner, code.status
                if place == (loyalty_id, self.asked.scope, PENDING):
                    code.status = REPLACED
                    self._tell("CODE_REPLACED", self.guests[loyalty_id])
            if earlier is not None and earlier.status == PENDING:
                self.events.append(Told("CODE_EXPIRED", earlier.loyalty_id))
            self._tell("CODE_ISSUED", self.guests[loyalty_id])
            expires_ms = self.now_ms + self.scheme.code_lifetime_s * 1000
            partner = self.asked.scope
            self.codes[digits] = Code(loyalty_id, PENDING, selection, expires_ms, partner)

        return done

    def _identify(self, identifier: str, till: str, order: str) -> Verdict:
        if identifier.isdigit():
            return self._identify_by_code(identifier, (till, order))
        if identifier not in self.guests:
            return "MEMBER_NOT_FOUND"
        return lambda body: self._opened(body, self.guests[identifier], {}, None)

    def _identify_by_code(self, digits: str, order: tuple[str, str]) -> Verdict:
        by = self.asked.by
        code = self.codes.get(digits)
        if code is not None and code.status == CLAIMED:
            return self._claimed_before(code, order)
        if code is None or code.status != PENDING or code.expires_ms <= self.now_ms:
            return "CODE_NOT_FOUND"
        if any(self._gone(name) for name in code.selection):
            return "REWARD_NOT_FOUND"
        guest = self.guests[code.loyalty_id]
        holds = self._usable(guest, code.selection, by)

        def done(body: bytes) -> None:
            code.status, code.claimed_by, code.answer = CLAIMED, order, body
            code.order = self._opened(body, guest, holds, code)
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

    def _opened(self, body: bytes, guest: Guest, holds: dict[str, int], code: Code | None) -> Order:
        answer = identify_service_pb2.IdentifyMemberResponse.FromString(body)
        agree(answer.transaction_id not in self.orders, "a transaction opened twice")
        holds = {name: points for name, points in holds.items() if points}
        opened_ms, partner = self.now_ms, self.asked.scope
        until_ms = self.scheme.open_until_ms(opened_ms, opened_ms)
        order = Order(guest, PENDING, until_ms, opened_ms, partner=partner)
        order.name = answer.transaction_id
        guest.set_aside(order, sum(holds.values()))
        order.holds = holds
        agree(answer.balances[0].amount == guest.available, "another balance at identify")
        chosen = len(code.selection) if code else 0
        agree(len(answer.order) == chosen, "another selection at identify")
        self.orders[answer.transaction_id] = order
        if code is not None:
            self._tell("CODE_USED", guest)
        self._tell("ORDER_OPENED", guest)
        return order
