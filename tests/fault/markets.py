"""Small worlds of a market by chance: what programs give besides their rate, in every order."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from loyalty.v1 import member_service_pb2 as pb
from loyalty_service.application.incentives.redeem_promo_code import (
    RedeemPromoCode,
    redeem_promo_code,
)
from loyalty_service.application.incentives.take_grant import TakeGrant, take_grant
from loyalty_service.application.members.enroll_member import EnrollMember, enroll_member
from loyalty_service.application.operators.grants import (
    GiveGrants,
    WithdrawGrant,
    give_grants,
    withdraw_grant,
)
from loyalty_service.application.operators.promo_codes import CreatePromoCodes
from loyalty_service.application.perform import Run, perform
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import BasketLine
from loyalty_service.domain.program import Catalog
from loyalty_service.domain.records import Member
from loyalty_service.domain.visit import PointOfSale
from loyalty_service.transport.servicers import incentive as incentive_servicer
from tests.fault.simulation.books import PENDING as OPEN
from tests.fault.simulation.books import Asked, Guest, agree, day_of
from tests.fault.simulation.cards import Card, Given
from tests.fault.simulation.comparison import agree_on_market
from tests.fault.simulation.market import CAKE, TREAT, any_market
from tests.fault.simulation.market_rules import awards_of, plain_origin
from tests.fault.simulation.scheme import PLACE
from tests.fault.small_worlds import ANNA, BEN, FEW, Call, SmallWorld
from tests.support.doing import create_promo_codes
from tests.support.orders import (
    CLAIMED,
    COFFEE,
    COOKIE,
    PENDING,
    START_MS,
    basket,
    item,
    offer,
    report,
    reward,
)
from tests.support.programs import KEY, PROGRAM_ID

ORDERS = 10
BORN = {ANNA: date(1990, 11, 16), BEN: date(1988, 2, 29)}
CODE = "TREATS"
CODE_WORDS: Mapping[str, int] = {"points": 60, "each": 2, "total": 3}
CODE_TERMS: Mapping[str, Any] = {"incentive": TREAT, "days": 2}
TICK_MS = 1000

MENU: Mapping[str, tuple[BasketLine, ...]] = {
    "plain": (item(900),),
    "small": (item(333),),
    "drinks": (item(250, plu="d1", quantity=2), item(175, plu="d2")),
    "dinner": (item(2600), item(301, plu="d1"), item(301, plu="d1", quantity=3)),
    "with return": (item(1500), item(-700), item(199, plu="d2", quantity=2)),
    "treat": (offer(TREAT), item(850)),
    "treats": (offer(TREAT, 2), item(450, plu="d1")),
    "cake": (offer(CAKE), item(500)),
    "coffee": (reward(COFFEE), item(120, plu="d1")),
    "cookie": (reward(COOKIE), offer(TREAT), item(640)),
}
WEIGHTS: Mapping[str, float] = {
    "pay": 9,
    "order": 2,
    "claim": 3,
    "report": 1,
    "void": 3,
    "return": 3,
    "wait": 4,
    "grant": 2,
    "activate": 2,
    "operator": 1,
    "withdraw": 0.5,
    "promo": 1,
    "enroll": 0.5,
    "unclaimed": 1,
    "receipt": 1.5,
    "give": 0.3,
    "take": 0.3,
    "sweep": 0.3,
}


class MarketWorld(SmallWorld):
    """A small world whose program, a market, is described by chance."""

    def __init__(self, chance: random.Random, database_url: str = "") -> None:
        void_days = chance.choice((90, 1, 1))
        scheme = {
            "market": any_market(chance, COFFEE),
            "costs": {COFFEE: 200, COOKIE: 100},
            "void_spent": chance.choice(("debt", "debt", "refuse")),
            "repeated_orders": "flag",
            "good_days": chance.choice((0, 0, 1, 3)),
            "void_days": void_days,
            "receipt_days": chance.choice((1, void_days)),
            "return_days": chance.choice((1, 30, 90)),
        }
        super().__init__(ORDERS, FEW, database_url, returns=True, **scheme)

    def _begin(self, unit: Unit, now_ms: int) -> Catalog:
        catalog = super()._begin(unit, now_ms)
        # Its grant is a thing of the program, and is there with it.
        create = CreatePromoCodes(
            PROGRAM_ID,
            "treats",
            (CODE,),
            CODE_WORDS["points"],
            most_uses=CODE_WORDS["total"],
            most_per_member=CODE_WORDS["each"],
            incentive_id=TREAT,
            grant_days=CODE_TERMS["days"],
        )
        create_promo_codes(unit, create, now_ms)
        unit.flush()  # type: ignore[attr-defined]
        for name, born in BORN.items():
            self._execute(
                "UPDATE member SET birth_date = ? WHERE loyalty_id = ?", (str(born), name)
            )
        return catalog

    def _guest(self, points: int, name: str) -> Guest:
        guest = super()._guest(points, name)
        guest.card = Card(enrolled=day_of(START_MS), born=BORN[name])
        return guest

    def make(self, call: Call) -> None:
        """Make a call, some time after the one before; see `SmallWorld.make`."""
        self.state.now_ms += TICK_MS
        super().make(call)

    def compare(self) -> None:
        """Hold besides what was given against the model; see `SmallWorld.compare`."""
        agree_on_market(self._execute, self.state.model)
        super().compare()

    def require_nothing_left(self) -> None:
        """
        Insist, once all is void, that nobody has anything that orders have brought.

        Raises:
            DisagreementError: Somebody has.
        """
        for guest in self.state.model.guests.values():
            card = guest.card
            orders = [one for one in self.state.model.orders.values() if one.guest is guest]
            if any(one.day is not None and one.day <= card.settled for one in orders):
                continue  # What is so old stays as it is.
            kept = [one for one in card.awards if one.rounds > one.lost_rounds]
            agree(not kept, f"all is void, and goals have given {kept}")
            had = [one for one in card.grants.values() if one.left and _of_orders(one)]
            agree(not had, f"all is void, and somebody was given {had}")

    # Which call comes next.

    def choose(self, chance: random.Random) -> Call:
        """Choose a call that may be made now."""
        while True:
            (kind,) = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
            call = getattr(self, f"_any_{kind}")(chance)
            if call is not None:
                return call  # type: ignore[no-any-return]

    def _member(self, chance: random.Random) -> str:
        names = list(self.state.model.guests)
        return chance.choice([names[0], *names])

    def _any_pay(self, chance: random.Random) -> Call | None:
        full = len(self.state.orders) >= self._orders
        late = chance.choice(("0", "0", "0", "1", "3"))
        return None if full else ("pay", self._member(chance), chance.choice(list(MENU)), late)

    def _any_order(self, chance: random.Random) -> Call | None:
        full = len(self.state.orders) >= self._orders
        return None if full else ("order", self._member(chance), chance.choice(list(MENU)))

    def _place(self, chance: random.Random, *statuses: str) -> str | None:
        """Choose an order, most often one of which something may become."""
        model, names = self.state.model, self.state.orders
        places = [
            str(n) for n, name in enumerate(names) if model.orders[name].status in statuses
        ] or [str(n) for n, _ in enumerate(names)]
        return chance.choice(places) if places else None

    def _any_claim(self, chance: random.Random) -> Call | None:
        place = self._place(chance, OPEN)
        return place and ("claim", place, chance.choice(list(MENU)), chance.choice(("0", "1")))  # type: ignore[return-value]

    def _any_report(self, chance: random.Random) -> Call | None:
        place = self._place(chance, OPEN)
        return place and ("report", place, chance.choice(list(MENU)))  # type: ignore[return-value]

    def _any_void(self, chance: random.Random) -> Call | None:
        place = self._place(chance, "CLAIMED", OPEN)
        if self.state.receipted and chance.random() < 0.2:
            place = "receipt"
        return place and ("void", place)  # type: ignore[return-value]

    def _any_return(self, chance: random.Random) -> Call | None:
        place = self._place(chance, "CLAIMED")
        return place and ("return", place, chance.choice(("one", "drink", "rest", "again")))  # type: ignore[return-value]

    def _any_wait(self, chance: random.Random) -> Call:
        # Points that went do not come again when a clock goes back.
        back = () if self.scheme.good_days else ("-1", "-2")
        # Where orders are settled soon, so much time passes that much is forgotten.
        far = ("40",) if self.scheme.void_days > 1 else ("40",) * 5
        return "wait", chance.choice(("1", "1", "1", "2", "3", "8", *far, *back))

    def _any_grant(self, chance: random.Random) -> Call | None:
        market = self.state.model.market
        names = [one["id"] for one in market.grants]
        return "grant", self._member(chance), chance.choice(names)

    def _any_activate(self, chance: random.Random) -> Call | None:
        name = self._member(chance)
        waiting = self._had(name, lambda one: not one.active)
        return ("activate", name, chance.choice(waiting)) if waiting else None

    def _any_operator(self, chance: random.Random) -> Call:
        return "operator", self._member(chance), *chance.choices("012", k=3)

    def _any_withdraw(self, chance: random.Random) -> Call | None:
        name = self._member(chance)
        had = self._had(name, lambda one: one.left > 0)
        return ("withdraw", name, chance.choice(had)) if had else None

    def _any_promo(self, chance: random.Random) -> Call:
        return "promo", self._member(chance)

    def _any_enroll(self, chance: random.Random) -> Call | None:
        few = len(self.state.model.guests) < 3
        return ("enroll", f"199{chance.randint(0, 9)}-11-{chance.randint(10, 30)}") if few else None

    def _any_unclaimed(self, _: random.Random) -> Call | None:
        return None if self.state.receipt else ("unclaimed",)

    def _any_receipt(self, chance: random.Random) -> Call | None:
        return ("receipt", self._member(chance)) if self.state.receipt else None

    def _any_give(self, chance: random.Random) -> Call:
        return "give", self._member(chance)

    def _any_take(self, chance: random.Random) -> Call:
        return "take", self._member(chance)

    def _any_sweep(self, _: random.Random) -> Call:
        return ("sweep",)

    def _had(self, name: str, fits: Any) -> list[str]:
        card = self.state.model.guests[name].card
        return sorted(origin for origin, one in card.grants.items() if fits(one))

    # Calls.

    def _pay(self, loyalty_id: str, name: str, late: str) -> None:
        self._identify(loyalty_id)
        self._claim(str(len(self.state.orders) - 1), name, late)

    def _order(self, loyalty_id: str, name: str) -> None:
        self._identify(loyalty_id)
        self._report(str(len(self.state.orders) - 1), name)

    def _report(self, place: str, name: str, *, claiming: bool = False, late: str = "0") -> None:
        """Report an order as one of its own number, paid some days ago."""
        now = datetime.fromtimestamp(self.state.now_ms / 1000, PLACE).replace(tzinfo=None)
        local_time = now - timedelta(int(late)) if int(late) else None
        status = CLAIMED if claiming else PENDING
        content = basket(*MENU[name])
        order = report(self.state.orders[int(place)], status, content, local_time=local_time)
        pos = PointOfSale(f"number {place}", 9999, "Partner", None, None, None)
        self._tell(replace(order, point_of_sale=pos), day=(local_time or now).date())

    def _claim(self, place: str, name: str, late: str = "0") -> None:
        self._report(place, name, claiming=True, late=late)

    def _grant(self, loyalty_id: str, terms: str) -> None:
        asked = {"loyalty_id": loyalty_id, "grant": terms, "origin": ""}
        self._take_grant(asked, TakeGrant(KEY, loyalty_id, terms))

    def _activate(self, loyalty_id: str, origin: str) -> None:
        grant_id = self._grant_id(loyalty_id, origin)
        asked = {"loyalty_id": loyalty_id, "grant": grant_id, "origin": origin}
        self._take_grant(asked, TakeGrant(KEY, loyalty_id, grant_id))

    def _take_grant(self, asked: dict[str, Any], command: TakeGrant) -> None:
        render = incentive_servicer._render_taken
        self._call(Asked("take_grant", asked), take_grant, command, render)

    def _operator(self, loyalty_id: str, origin: str, uses: str, days: str) -> None:
        today = day_of(self.state.now_ms)
        first, last = today, today + timedelta(int(days))
        words = {"origin": origin, "uses": int(uses) + 1, "first": first, "last": last}
        command = GiveGrants(
            *(PROGRAM_ID, TREAT, (loyalty_id,), origin, "simulated"),
            uses=int(uses) + 1,
            first_day=first,
            last_day=last,
        )
        self._do_so("give_grant", {"loyalty_id": loyalty_id, **words}, give_grants, command)

    def _withdraw(self, loyalty_id: str, origin: str) -> None:
        grant_id = self._grant_id(loyalty_id, origin)
        command = WithdrawGrant(PROGRAM_ID, loyalty_id, grant_id, "simulated")
        asked = {"loyalty_id": loyalty_id, "origin": origin}
        self._do_so("withdraw_grant", asked, withdraw_grant, command)

    def _promo(self, loyalty_id: str) -> None:
        command = RedeemPromoCode(KEY, loyalty_id, CODE, 9999, None, None)
        asked = {"loyalty_id": loyalty_id, **CODE_WORDS, "terms": CODE_TERMS}
        used = self.state.model.promo_uses.total()
        render = incentive_servicer._render_redeemed
        self._call(Asked("promo_code", asked), redeem_promo_code, command, render)
        more = self.state.model.promo_uses.total() - used
        self.state.granted[loyalty_id] += more * CODE_WORDS["points"]

    def _enroll(self, born: str) -> None:
        command = EnrollMember(KEY, "Newcomer", None, None, born)
        known = set(self.state.model.guests)
        asked = Asked("enroll", {"born": date.fromisoformat(born)})
        self._call(asked, enroll_member, command, _render_enrolled)
        for name in set(self.state.model.guests) - known:
            self.state.granted[name] += self.state.model.market.initial

    def _wait(self, days: str | int = 1) -> None:
        super()._wait(int(days))

    def _do_so(self, kind: str, values: dict[str, Any], use_case: Any, command: Any) -> None:
        def work(unit: Unit, now_ms: int) -> Any:
            return perform(unit, now_ms, Run(use_case, command)).result

        self._settle(Asked(kind, values), work, command.reads())

    def _grant_id(self, loyalty_id: str, origin: str) -> str:
        awards = awards_of(self._execute)
        rows = self._execute(_GRANTS, (loyalty_id,))
        return next(name for name, told in rows if plain_origin(told, awards) == origin)


_GRANTS = (
    "SELECT grant_id, origin FROM member_grant JOIN member ON member.number = member_number "
    "WHERE loyalty_id = ?"
)


def _render_enrolled(member: Member) -> bytes:
    told = pb.Member(loyalty_id=member.loyalty_id, available_points=member.spendable)
    return pb.EnrollMemberResponse(member=told).SerializeToString()


def _of_orders(given: Given) -> bool:
    """Tell whether something was given for an order."""
    return given.origin.startswith(("goal/", "program/first/")) or given.origin == "program/first"
