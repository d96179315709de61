"""The rules of orders without a guest, and of the receipts that a guest claims them with."""

from __future__ import annotations

from collections import Counter

from loyalty.v1 import transaction_service_pb2 as pb
from tests.fault.simulation.books import (
    CLAIMED,
    UNCLAIMED,
    VOID,
    Guest,
    Order,
    Verdict,
    agree,
    agree_on,
    looks,
)
from tests.fault.simulation.market_rules import Cart, MarketRules, Worth
from tests.fault.simulation.scheme import DAY_MS, SOUPS_IN_ALL, SOUPS_PER_MEMBER


class ReceiptRules(MarketRules):
    """Judges what becomes of an order that nobody identified for."""

    def _unclaimed(self, price: int, soups: int, soup_price: int, rewards: int) -> Verdict:
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
            now_ms = self.now_ms
            order = Order(None, UNCLAIMED, opened_ms=now_ms, paid_ms=now_ms, plain=price)
            order.partner = self.asked.scope
            order.soups, order.soup_price = soups, soup_price
            recorded = pb.RecordUnclaimedOrderRequest.FromString(self.asked.body)
            order.looks = looks(recorded, now_ms)
            if twin := self._twin(order, order.looks):
                reason = "claimed" if twin == CLAIMED else "recorded"
                self.flags["order_repeated", reason] += 1
            order.day, order.name = self.day, answer.transaction_id
            worth = self._worth(None, price + soup_price, self._cart(order), self.day)
            order.earned, order.gave = worth.points, worth.gave
            order.won, order.by_rate = worth.won, worth.rate
            self.orders[answer.transaction_id] = order
            self.receipts[answer.receipt_code] = answer.transaction_id
            self._tell("ORDER_RECORDED")
            if gone:
                self.flags["offer_invalid", "unknown"] += 1
            elif too_many:
                self.flags["offer_invalid", "exceeds-max-redemption"] += 1

        return done

    def _receipt(self, loyalty_id: str, receipt_code: str) -> Verdict:
        if loyalty_id not in self.guests:
            return "MEMBER_NOT_FOUND"
        order = self.orders.get(self.receipts.get(receipt_code, ""))
        if order is None or order.status == VOID:
            return "RECEIPT_NOT_FOUND"
        if order.status != UNCLAIMED:
            return "RECEIPT_ALREADY_CLAIMED"
        if self.now_ms - order.opened_ms > self.scheme.receipt_days * DAY_MS:
            return "RECEIPT_EXPIRED"
        if self._refused_twin(order, order.looks):
            return "ORDER_ALREADY_CLAIMED"
        twice = self._twin(order, order.looks) == CLAIMED
        return self._claimed_receipt(order, self.guests[loyalty_id], twice=twice)

    def _claimed_receipt(self, order: Order, guest: Guest, *, twice: bool) -> Verdict:
        too_many = self._too_many_soups(guest, order.soups)
        worth = order.earned
        if too_many and (whole := self._points(order.plain + order.soup_price)):
            # What the receipt promised, less the part of it that the soups make.
            worth = worth * self._points(order.plain) // whole

        def done(body: bytes) -> None:
            cart = self._cart(order)
            known = self._promised(order, guest, cart, worth)
            self._before_claim(guest)
            order.guest, order.status = guest, CLAIMED
            if twice:
                self.flags["order_repeated", "claimed"] += 1
            if too_many:
                self.flags["offer_invalid", "exceeds-max-redemption"] += 1
            elif order.soups:
                order.uses = Counter({self.scheme.soup: order.soups})
            assert order.day is not None
            order.tier = self._tier(guest, order.day)
            order.earned = guest.earn(known.points, order)
            self._claimed(order, guest, known.within(order.earned), cart)
            answer = pb.ClaimReceiptResponse.FromString(body)
            agree_on("a receipt", answer, guest.available, order.earned)
            self._tell("RECEIPT_CLAIMED", guest)
            if order.earned < known.points:
                self._tell_cut("full", guest)
            self._tell_rest()

        return done

    def _cart(self, order: Order) -> Cart:
        return Cart((("1", order.plain + order.soup_price, 1),))

    def _promised(self, order: Order, guest: Guest, cart: Cart, points: int) -> Worth:
        """Tell what a receipt brings: the points that it promised, and what only members earn."""
        promised = Worth(order.earned, order.gave, order.won, order.by_rate).within(points)
        if self.scheme.market is None or order.day is None:
            return promised
        nobody = self._worth(None, 0, cart, order.day)
        known = self._worth(guest, 0, cart, order.day, own_caps=False)
        changes = (known.points, known.gave) != (nobody.points, nobody.gave)
        if changes and known.points >= nobody.points:
            gains = Counter({name: number for name, _, number in known.gave})
            gains.subtract({name: number for name, _, number in nobody.gave})
            before = {name for name, *_ in promised.gave}
            new = ((name, times, 0) for name, times, _ in known.gave if name not in before)
            told = tuple(
                (name, times, left)
                for name, times, had in (*promised.gave, *new)
                if (
                    left := max(had + gains[name], min(had, 0))
                    if gains[name] < 0
                    else had + gains[name]
                )
            )
            points += known.points - nobody.points
            promised = Worth(points, told, known.won, known.rate)
        return promised.within(self._most(guest, order.day, 0))

    def _too_many_soups(self, guest: Guest | None, soups: int) -> bool:
        mine, everybody = self._used(self.scheme.soup, guest)
        mine = mine if guest else 0
        limits = mine + soups > SOUPS_PER_MEMBER, everybody + soups > SOUPS_IN_ALL
        return soups > 0 and (limits[1] or (guest is not None and limits[0]))
