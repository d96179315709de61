"""The rules of what programs give besides their rate: promotions, goals, tiers and grants."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

from loyalty.v1 import incentive_service_pb2 as pb
from tests.fault.simulation.books import CLAIMED, Books, Guest, Order, Verdict, agree, day_of
from tests.fault.simulation.cards import (
    DAY,
    Award,
    Given,
    birthday_in,
    count,
    counts_on,
    first_day,
    good_until,
    kept_until,
    last_day,
    period_of,
    span,
)
from tests.fault.simulation.market import (
    CAKE,
    CAKE_RULES,
    DRINKS,
    TREAT,
    Market,
    Words,
    multiplier_of,
)

CALENDAR = {"week", "month", "year"}
KEPT_DAYS_MAX = 400
SETTLED_DAYS = 31
"""Days by which a card may be behind before what is old is settled on it."""

_PERIODS = {"per_day": "day", "per_week": "week", "per_month": "month", "per_year": "year"}


@dataclass(frozen=True)
class Cart:
    """
    What an order buys.

    Attributes:
        lines: Of each its PLU, minor units of one, and how many.
    """

    lines: tuple[tuple[str, int, int], ...]

    def money(self) -> int:
        """Sum all of it, in minor units."""
        return sum(each * number for _, each, number in self.lines)

    def spent_on(self, on: Any) -> int:
        """Sum what is spent on products."""
        return sum(each * number for plu, each, number in self.lines if _is_of(plu, on))

    def number(self, on: Any) -> int:
        """Count products."""
        return sum(number for plu, _, number in self.lines if _is_of(plu, on))

    def meets(self, rules: Words) -> bool:
        """Tell whether it has what rules ask for."""
        enough = max(0, self.money()) >= rules.get("minimum_spend", 0)
        asked = rules.get("cart_has", ())
        return enough and all(self.number(one["any_of"]) >= one["quantity"] for one in asked)

    def times(self, promotion: Words) -> int:
        """Tell how often it earns a promotion."""
        on, rules = promotion.get("on"), promotion["rules"]
        if (on is not None and self.number(on) < 1) or not self.meets(rules):
            return 0
        times = [] if on is None else [self.number(on)]
        times += [
            self.number(one["any_of"]) // one["quantity"] for one in rules.get("cart_has", ())
        ]
        often = 1 if "multiplier" in promotion else min(times, default=1)
        return min(often, promotion["at_most"].get("per_order", often))


def _is_of(plu: str, on: Any) -> bool:
    return plu.startswith("d") if on == DRINKS else on is None or plu in on


@dataclass(frozen=True)
class Worth:
    """
    What an order earns.

    Attributes:
        gave: Of each promotion that gave some: its name, how often, and points.
        won: How often each promotion was earned, whether or not it gave any.
        rate: Points for one major unit.
    """

    points: int
    gave: tuple[tuple[str, int, int], ...] = ()
    won: dict[str, int] = field(default_factory=dict)
    rate: Fraction = Fraction(0)

    def within(self, most: int) -> Worth:
        """Cut what is beyond a number: the last promotion loses first."""
        over, gave = self.points - most, []
        if over <= 0:
            return self
        for name, times, points in reversed(self.gave):
            # One that cost something has nothing to lose.
            lost = min(over, points) if points > 0 else 0
            over -= lost
            gave.append((name, times, points - lost))
        told = tuple(one for one in reversed(gave) if one[2])
        return Worth(most, told, self.won, self.rate)


class MarketRules(Books):
    """Judges what a program gives besides its rate."""

    @property
    def market(self) -> Market:
        """What that is; nothing where the program gives nothing else."""
        return self.scheme.market or _NOTHING

    # What orders earn.

    def _worth(
        self,
        guest: Guest | None,
        price: int,
        cart: Cart,
        day: date,
        spent: int = 0,
        order: Order | None = None,
        uses: Collection[str] = (),
        *,
        own_caps: bool = True,
    ) -> Worth:
        """Tell what an order of a day earns that has *uses*; *spent* points are redeemed by it."""
        if self.scheme.market is None:
            return Worth(self._points(price))
        rate = Fraction(self.scheme.points_per_unit)
        for row in self.market.rates:
            if guest is not None and self._tier(guest, day) in row["when"]["tiers"]:
                rate = Fraction(row["points_per_unit"])
                break
        won = {}
        for one in self.market.promotions:
            coupon = "granted" not in one or self._has_coupon(guest, day, order, uses)
            if coupon and (times := self._times(one, guest, cart, day)):
                won[one["id"]] = times
        return self._earned(cart, rate, won).within(
            self._most(guest if own_caps else None, day, spent)
        )

    def _has_coupon(
        self, guest: Guest | None, day: date, besides: Order | None, uses: Collection[str]
    ) -> bool:
        """Tell whether an order uses what its guest was given, or could."""
        if guest is None or TREAT in uses:
            return guest is not None
        return self._uses_left(guest, TREAT, day) > self._reserved_by_others(guest, day, besides)

    def _reserved_by_others(self, guest: Guest, day: date, besides: Order | None) -> int:
        """Count the uses of a day that other open orders were accepted with."""
        reserved, paid = 0, Counter[str]()
        for order in sorted(self.orders.values(), key=lambda one: one.accepted_on.get(TREAT, day)):
            number = order.reserved(TREAT) if order.guest is guest and order is not besides else 0
            accepted = order.accepted_on.get(TREAT, day)
            # What was good then and is over by now pays for that order first.
            for one in self._grants_on(guest, accepted).values() if number else ():
                over = one.active and one.covers(accepted) and not one.covers(day)
                pays = min(number, one.left - paid[one.origin]) if over else 0
                paid[one.origin] += pays
                number -= pays
            reserved += number
        return reserved

    def _times(self, promotion: Words, guest: Guest | None, cart: Cart, day: date) -> int:
        tiers, at_most = promotion["rules"].get("tiers"), promotion["at_most"]
        counts = at_most.keys() - {"per_order"}
        if guest is None and (tiers or counts):
            return 0
        if tiers and guest is not None and self._tier(guest, day) not in tiers:
            return 0
        times = cart.times(promotion)
        for limit in counts:
            had = sum(
                order.gave_times(promotion["id"])
                for order in self._claimed_by(guest)
                if _within(limit, day, order.day)
            )
            times = min(times, max(0, at_most[limit] - had))
        return times

    def _earned(self, cart: Cart, rate: Fraction, won: dict[str, int]) -> Worth:
        """Count points: one rounding for all multipliers, then the bonuses."""
        market = self.market
        known = [one for one in market.promotions if won.get(one["id"])]
        more = {one["id"]: by - 1 for one in known if (by := multiplier_of(one)) is not None}
        coupons = {one["id"] for one in known if "granted" in one}
        counting = Fraction(cart.money(), 100)
        added = Counter[str]()
        for plu, each, number in cart.lines:
            fits = [one["id"] for one in known if one["id"] in more and _is_of(plu, one.get("on"))]
            if market.stack == "best":
                best = max((more[name] for name in fits), default=0)
                fits = [name for name in fits if more[name] == best]
                fits = sorted(fits, key=coupons.__contains__)[:1]
            for name in fits:
                added[name] += each * number
        before, gave = max(0, _rounded(counting * rate, market.rounding)), []
        for one in sorted(known, key=lambda one: "bonus" in one):
            name = one["id"]
            if name in more:
                counting += more[name] * Fraction(added[name], 100)
                after = max(0, _rounded(counting * rate, market.rounding))
            else:
                after = before + one["bonus"] * won[name]
            if after != before:
                gave.append((name, won[name], after - before))
            before = after
        return Worth(before, tuple(gave), won, rate)

    def _most(self, guest: Guest | None, day: date, spent: int) -> int:
        """Tell how many points the caps let an order earn."""
        caps, most = self.market.caps, [2**31 - 1]
        if "per_order" in caps:
            most.append(caps["per_order"])
        if guest is not None and "per_day" in caps:
            had = [one for one in self._claimed_by(guest) if one.day == day]
            most.append(caps["per_day"] - sum(one.earned - one.returned for one in had))
        if guest is not None and "balance" in caps:
            most.append(caps["balance"] - guest.available - guest.held + spent)
        return max(0, min(most))

    def _worth_left(self, order: Order, cart: Cart) -> Worth:
        """Tell what the rest of an order earns, by what it earned by."""
        left = order.earned - order.returned
        if self.scheme.market is None:
            return Worth(min(left, max(0, cart.money()) * order.rate // 100))
        promotions = {one["id"]: one for one in self.market.promotions}
        won = {name: min(times, cart.times(promotions[name])) for name, times in order.won.items()}
        return self._earned(cart, order.by_rate, won).within(left)

    def _claimed_by(self, guest: Guest | None) -> Iterator[Order]:
        return (
            order
            for order in self.orders.values()
            if guest is not None and order.guest is guest and order.status == CLAIMED
        )

    def _tier(self, guest: Guest, day: date) -> str:
        """Name the best tier of a guest on a day."""
        names = [one["id"] for one in self.market.tiers]
        had = [name for name, first, last in guest.card.tiers if first <= day <= last]
        return max(had, key=names.index, default=names[0] if names else "")

    # What a claimed order gives.

    def _before_claim(self, guest: Guest) -> None:
        """Give what comes with a guest's first order."""
        if not any(self._claimed_by(guest)):
            for terms in self._given_on("first_order"):
                self._give(guest, terms, f"program/{terms['id']}")

    def _claimed(self, order: Order, guest: Guest, worth: Worth, cart: Cart) -> Iterator[str]:
        """Count an order that has earned, and give what it brings; tells what goals gave."""
        order.gave, order.won, order.by_rate = worth.gave, worth.won, worth.rate
        for name in {TREAT} & order.uses.keys():
            self._use(order, guest, name)
        coupons = {one["id"] for one in self.market.promotions if "granted" in one}
        if coupons & {name for name, *_ in order.gave} and TREAT not in order.uses:
            order.uses[TREAT] = 1
            order.accepted_on = {}
            self._use(order, guest, TREAT)
        told = self._count(order, guest, cart)
        for terms in self.market.grants:
            for number in range(guest.available // terms["points"] if "by_itself" in terms else 0):
                self._buy(guest, terms, f"program/{terms['id']}/{order.name}/{number}")
        return iter(told)

    def _count(self, order: Order, guest: Guest, cart: Cart) -> list[str]:
        card, amounts = guest.card, {}
        for goal in self.market.goals:
            tiers = goal["rules"].get("tiers")
            if counts_on(goal, order.day) and (not tiers or order.tier in tiers):
                amounts[goal["id"]] = _amount(goal, cart, order.earned)
        amounts = {name: amount for name, amount in amounts.items() if amount}
        if not amounts or order.day <= card.settled:
            return []
        order.counted = True
        card.last = max(card.last, order.day)
        for goal in self.market.goals:
            if goal["id"] in amounts:
                told = card.counted.setdefault(goal["id"], {})
                told[order.name] = order.day, amounts[goal["id"]]
                self._award(order, guest, goal)
        kept = min(KEPT_DAYS_MAX, max(self.scheme.void_days, self.scheme.receipt_days))
        if (card.last - kept * DAY) > card.settled + SETTLED_DAYS * DAY:
            card.settled = card.last - kept * DAY
        return list(amounts)

    def _award(self, order: Order, guest: Guest, goal: Words) -> None:
        card = guest.card
        for period, rounds in card.rounds(goal).items():
            missing = rounds - card.given[goal["id"], period]
            if missing <= 0:
                continue
            card.given[goal["id"], period] += missing
            award = Award(goal["id"], period, order.name, self.now_ms, missing, 0)
            card.awards.append(award)
            gives = goal["gives"]
            award.points = guest.earn(gives.get("points", 0) * missing, award)
            if "tier" in gives:
                (tier,) = (one for one in self.market.tiers if one["id"] == gives["tier"])
                card.tiers.append((tier["id"], order.day, kept_until(tier, order.day)))
            for number in range(missing if "grant" in gives else 0):
                terms = self.market.terms(gives["grant"])
                self._give(guest, terms, f"goal/{award.goal}/{award.order}/{number + 1}")

    # What is taken back.

    def _losses(
        self, order: Order, guest: Guest, cart: Cart | None, points: int = 0
    ) -> list[tuple[Award, int, int]]:
        """Tell what goals lose if an order counts for its rest alone: award, times and points."""
        card, losses = guest.card, []
        for goal in self.market.goals:
            told = card.counted.get(goal["id"], {})
            if order.name not in told or order.day <= card.settled:
                continue
            left = self._left_of(goal, told[order.name][1], cart, points)
            before, after = card.rounds(goal), card.rounds(goal, order.name, left)
            for period in sorted(before.keys() | after.keys(), key=str):
                lost = min(card.given[goal["id"], period], before[period] - after[period])
                given = [
                    one for one in card.awards if (one.goal, one.period) == (goal["id"], period)
                ]
                # By this very order first, then the newest.
                given.sort(key=lambda one: (one.order == order.name, one.at_ms), reverse=True)
                for award in given:
                    rest = award.rounds - award.lost_rounds
                    rounds = max(0, min(lost, rest))
                    if rounds:
                        gone = (award.points - award.lost_points) * rounds // rest
                        losses.append((award, rounds, gone))
                        lost -= rounds
        return losses

    def _left_of(self, goal: Words, counted: int, cart: Cart | None, points: int) -> int:
        """Tell what the rest of an order counts for a goal."""
        return 0 if cart is None else min(counted, _amount(goal, cart, points))

    def _lose(
        self,
        order: Order,
        guest: Guest,
        losses: Iterable[tuple[Award, int, int]],
        cart: Cart | None,
        points: int = 0,
    ) -> None:
        """Take back what goals lose; what a grant was used for stays so until that is void."""
        card = guest.card
        for goal in self.market.goals:
            told = card.counted.get(goal["id"], {})
            if order.name in told and order.day > card.settled:
                day, amount = told.pop(order.name)
                if left := self._left_of(goal, amount, cart, points):
                    told[order.name] = day, left
        for award, rounds, gone in losses:
            card.given[award.goal, award.period] -= rounds
            for number in range(rounds):
                left = award.rounds - award.lost_rounds - number
                given = card.grants.get(f"goal/{award.goal}/{award.order}/{left}")
                if given is not None:
                    self._withdraw(guest, given)
            award.lost_rounds += rounds
            award.lost_points += gone
            guest.undo(award, 0, gone)

    def _sold_back(
        self, order: Order, guest: Guest, due: int | None = None
    ) -> tuple[list[Given], int]:
        """
        Tell what goes of what an order bought by itself, and how many points come back to spend.

        It is all that is not used, or the last of it as long as points are missing that are *due*.
        """
        bought = [
            one
            for one in guest.card.grants.values()
            if one.price and f"/{order.name}/" in one.origin and one.left and not one.used
        ]
        back, owed, gone = 0, guest.debt, []
        for one in sorted(bought, key=lambda one: int(one.origin.split("/")[-1]), reverse=True):
            if due is not None and guest.available + back >= due:
                break
            good = one.price
            if guest.purse is not None:
                # What is past its day is gone as soon as it comes back.
                days = one.brought.burned.items()
                good = sum(points for day, points in days if day >= guest.purse.today)
            back += min(good, max(0, one.price - owed))
            owed = max(0, owed - one.price)
            gone.append(one)
        return gone, back

    def _sell_back(self, guest: Guest, bought: Iterable[Given]) -> None:
        for given in bought:
            self._withdraw(guest, given)
            guest.card.paid -= given.price
            guest.undo(given, given.price, 0)

    def _end_uses(self, order: Order, guest: Guest) -> None:
        """Give back the grants that a void order used, and take what came with the only order."""
        for origin, number in order.paid_by:
            guest.card.grants[origin].used -= number
        order.paid_by = []
        if not any(one is not order for one in self._claimed_by(guest)):
            for terms in self._given_on("first_order"):
                given = guest.card.grants.get(f"program/{terms['id']}")
                if given is not None:
                    self._withdraw(guest, given)

    def _withdraw(self, guest: Guest, given: Given) -> None:
        if given.left:
            self.later.append(("GRANT_WITHDRAWN", guest))
        given.withdrawn = True

    # Grants.

    def _given_on(self, what: str) -> Iterator[Words]:
        return (one for one in self.market.grants if one.get("given_on") == what)

    def _give(self, guest: Guest, terms: Words, origin: str) -> Given:
        """Give what terms say from today on; who had it before and lost it has it again."""
        today = day_of(self.now_ms)
        had = guest.card.grants.get(origin)
        if had is not None and not had.withdrawn:
            return had
        uses, active = terms.get("uses", 1), not terms.get("activate", False)
        last = good_until(terms, today)
        given = Given(terms["incentive"], origin, uses, today, last, active)
        if had is not None:
            given.used, given.uses = had.used, max(uses, had.used)
        guest.card.grants[origin] = given
        self.later.append(("GRANT_GIVEN", guest))
        return given

    def _buy(self, guest: Guest, terms: Words, origin: str) -> None:
        given = self._give(guest, terms, origin)
        given.price = terms["points"]
        guest.card.paid += given.price
        guest.spend(given.price, given)

    def _by_calendar(self, guest: Guest, day: date) -> Iterator[Given]:
        """Give what a guest has on a day by the calendar alone, whether it was used or not."""
        card = guest.card
        for terms in self.market.grants:
            on = terms.get("given_on")
            first = last = name = None
            if on in CALENDAR:
                first, last = span(on, day)
                name = first.isoformat()
            elif on == "birthday" and card.born is not None and card.enrolled is not None:
                year = day.year if birthday_in(day.year, card.born) <= day else day.year - 1
                first = birthday_in(year, card.born)
                last = min(good_until(terms, first), birthday_in(year + 1, card.born) - DAY)
                name = None if first < card.enrolled or day > last else str(year)
            if name and first and last:
                active = not terms.get("activate", False)
                origin = f"program/{terms['id']}/{name}"
                yield Given(terms["incentive"], origin, terms.get("uses", 1), first, last, active)

    def _grants_on(self, guest: Guest, day: date) -> dict[str, Given]:
        """Give all that a guest has or had by a day."""
        return {one.origin: one for one in self._by_calendar(guest, day)} | guest.card.grants

    def _uses_left(self, guest: Guest, name: str, day: date) -> int:
        return sum(
            one.left
            for one in self._grants_on(guest, day).values()
            if one.name == name and one.active and one.covers(day)
        )

    def _use(self, order: Order, guest: Guest, name: str) -> None:
        """Use up grants for a claimed order: what ends first, then what is over, or none."""
        accepted = order.accepted_on.get(name, order.day)
        days = {order.day, accepted}
        had: dict[str, Given] = {}
        for day in days:
            had = self._grants_on(guest, day) | had
        known = [one for one in had.values() if one.name == name and one.active and one.left > 0]
        good = [one for one in known if any(map(one.covers, days))]
        over = [one for one in known if one.last < order.day and one not in good]
        order.paid_by = list(self._paid_with(order))
        paid = dict(order.paid_by)
        groups = [
            *_alike(good, lambda one: (one.last, one.first)),
            *reversed(_alike(over, lambda one: (one.last, one.first))),
        ]
        number = order.uses[name]
        for group in groups:
            due = min(number, sum(one.left for one in group))
            found = sum(paid.pop(one.origin, 0) for one in group)
            agree(found == due, f"{found} uses are paid by what should pay {due}: {order.paid_by}")
            number -= due
        agree(not paid, f"paid by {paid}, which nobody should use")
        for origin, times in order.paid_by:
            guest.card.grants[origin] = had[origin]
            had[origin].used += times

    def _paid_with(self, order: Order) -> Iterator[tuple[str, int]]:
        """Read by which grants an order is paid; which of two alike is for the server to choose."""
        awards = awards_of(self.execute)
        for origin, number in self.execute(_PAID, (order.name,)):
            yield plain_origin(origin, awards), int(number)

    def _limited(self, name: str, number: int, guest: Guest, besides: Order | None) -> bool:
        """Tell whether a guest may not use so many: too many in a period, or never given."""
        day = self.day
        others = [one for one in self.orders.values() if one.guest is guest and one is not besides]
        reserved = sum(one.reserved(name) for one in others)
        if name == TREAT:
            reserved = self._reserved_by_others(guest, day, besides)
            return number > max(0, self._uses_left(guest, name, day) - reserved)
        used = [(one.day, one.uses[name]) for one in others]
        if name == CAKE:
            around = self._occasion(guest, day)
            if around is None:
                return True
            mine = sum(n for on, n in used if n and around[0] <= on <= around[1])
            return mine + reserved + number > CAKE_RULES["max_redemptions"]["per_occasion"]
        return any(
            reserved + number + sum(n for on, n in used if n and _within(limit, day, on)) > most
            for limit, most in self.market.limits.get(name, {}).items()
        )

    def _occasion(self, guest: Guest, day: date) -> tuple[date, date] | None:
        born, around = guest.card.born, CAKE_RULES["birthday"]
        for year in range(day.year - 1, day.year + 2) if born else ():
            that = birthday_in(year, born)  # type: ignore[arg-type]
            if around["from"] <= (day - that).days <= around["until"]:
                return that + around["from"] * DAY, that + around["until"] * DAY
        return None

    def _take_grant(self, loyalty_id: str, grant: str, origin: str = "") -> Verdict:
        """Buy a grant, or activate one; *origin* is what it is for where it is named by its ID."""
        if loyalty_id not in self.guests:
            return "MEMBER_NOT_FOUND"
        guest, today = self.guests[loyalty_id], day_of(self.now_ms)
        terms = next((one for one in self.market.grants if one["id"] == grant), None)
        if terms is not None and "points" in terms:
            short = guest.available < terms["points"]
            return "POINTS_INSUFFICIENT" if short else lambda body: self._bought(guest, terms, body)
        found = [
            one
            for one in self._grants_on(guest, today).values()
            if one.left and one.last >= today
            if (f"{one.origin}/".startswith(f"program/{grant}/") if terms else one.origin == origin)
        ]
        if not found:
            return "REQUEST_INVALID"
        chosen = min(found, key=lambda one: (one.last, one.first))

        def done(body: bytes) -> None:
            if not chosen.active:
                chosen.active = True
                guest.card.grants[chosen.origin] = chosen
                self._tell("GRANT_ACTIVATED", guest)
            told = pb.TakeGrantResponse.FromString(body)
            agree((told.points, told.points_used) == (guest.available, 0), "other points")

        return done

    def _bought(self, guest: Guest, terms: Words, body: bytes) -> None:
        told = pb.TakeGrantResponse.FromString(body)
        self._buy(guest, terms, self._origin_of(told.id))
        due = guest.available, terms["points"]
        agree((told.points, told.points_used) == due, f"bought for {told.points_used}, not {due}")
        self._tell_rest()

    def _origin_of(self, grant_id: str) -> str:
        """Read what something was given for: the server made the name up."""
        return str(self.execute(_ORIGIN, (grant_id,)).fetchone()[0])

    def _give_grant(
        self, loyalty_id: str, origin: str, uses: int, first: date, last: date
    ) -> Verdict:
        guest = self.guests[loyalty_id]

        def done(_: Any) -> None:
            had = guest.card.grants.get(f"operator/{origin}")
            if had is None or had.withdrawn:
                used = had.used if had else 0
                given = Given(TREAT, f"operator/{origin}", max(uses, used), first, last, True, used)  # noqa: FBT003
                guest.card.grants[given.origin] = given

        return done

    def _withdraw_grant(self, loyalty_id: str, origin: str) -> Verdict:
        given = self.guests[loyalty_id].card.grants[origin]
        return lambda _: setattr(given, "withdrawn", True)

    def _promo_code(
        self, loyalty_id: str, points: int, each: int, total: int, terms: Words
    ) -> Verdict:
        """Use the one promo code, *each* member so often, and all together *total* times."""
        guest = self.guests[loyalty_id]
        if self.promo_uses[loyalty_id] >= each or self.promo_uses.total() >= total:
            return "PROMO_CODE_ALREADY_REDEEMED"

        def done(body: bytes) -> None:
            self.promo_uses[loyalty_id] += 1
            guest.adjust(points)
            grant_id = pb.RedeemPromoCodeResponse.FromString(body).grant_id
            self._give(guest, terms, self._origin_of(grant_id))

        return done


_NOTHING = Market()
_ORIGIN = "SELECT origin FROM member_grant WHERE grant_id = ?"
_PAID = (
    "SELECT origin, sum(quantity) FROM redemption "
    "JOIN member_grant ON member_grant.grant_id = redemption.grant_id "
    "WHERE transaction_id = ? GROUP BY origin"
)


def awards_of(execute: Any) -> dict[str, str]:
    """Read with which order goals gave each of what they gave."""
    return dict(map(tuple, execute("SELECT award_id, transaction_id FROM goal_award")))


def plain_origin(origin: str, awards: dict[str, str]) -> str:
    """Name what something was given for: of what a goal gave, by the order."""
    parts = origin.split("/")
    if parts[0] == "goal":
        parts[2] = awards[parts[2]]
    return "/".join(parts)


def progress_of(goal: Words, guest: Guest) -> tuple[int, str | None]:
    """Tell how far a guest has come with a goal, and until which day; no day where it is done."""
    card, window = guest.card, goal["window"]
    day = card.last
    reached, live = count(goal, card.counted.get(goal["id"], {}).values())
    if goal["again"] != "always" and reached[period_of(goal, day)]:
        return goal["target"], None
    live = [one for one in live if one[0] >= first_day(window, day)]
    oldest = min((one[0] for one in live), default=None)
    last = last_day(window, day if oldest is None or "calendar" in window else oldest)
    until = [one for one in (last and last.isoformat(), window.get("until")) if one]
    if oldest is None and "calendar" not in window:
        until = [window["until"]] if "until" in window else []
    return min(goal["target"], sum(amount for _, amount in live)), min(until, default="")


def _amount(goal: Words, cart: Cart, points: int) -> int:
    """Tell what an order counts for a goal, as far as that is known by what it buys."""
    if not cart.meets(goal["rules"]):
        return 0
    counts = {"visits": 1, "points": points, "spend": max(0, cart.money())}
    return counts[goal["count"]] if goal["count"] in counts else cart.number(goal["of"])


def _rounded(points: Fraction, rounding: str) -> int:
    whole = points.numerator // points.denominator
    part = points - whole
    up = part > 0 if rounding == "up" else rounding == "nearest" and part >= Fraction(1, 2)
    return whole + up


def _within(limit: str, day: date, other: date | None) -> bool:
    """Tell whether two days are in one period of a limit; all are where it is for ever."""
    if other is None or limit not in _PERIODS:
        return limit not in _PERIODS
    first, last = span(_PERIODS[limit], day)
    return first <= other <= last


def _alike(some: Collection[Given], key: Any) -> list[list[Given]]:
    groups: dict[Any, list[Given]] = {}
    for one in sorted(some, key=key):
        groups.setdefault(key(one), []).append(one)
    return list(groups.values())
