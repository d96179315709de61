"""Every rule fails when it must, in the contract's words, and all failures come at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_service.domain import restrictions as r
from loyalty_service.domain.basket import AppliedDiscount, Basket, BasketLine, Payment
from loyalty_service.domain.breaches import Breach, RuleFailure, Source, Value
from loyalty_service.domain.earning_rules import ProductType
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.products import listed
from loyalty_service.domain.program import Incentive
from loyalty_service.domain.rules import _JUDGES, evaluate, needs_history
from loyalty_service.domain.visit import GrantsLeft, History, MemberFacts, Visit

Plus = tuple[str, ...]
TODAY = r.DayWindow(0, 0)

MEMBER = MemberFacts(
    enrolled_on=date(2025, 6, 1),
    birth_date=date(1990, 5, 14),
    claimed_orders=3,
    spendable_points=1000,
)


def line(plu: str, quantity: int = 1, price: int = 0, kind: ProductType = "item") -> BasketLine:
    """Report one line."""
    return BasketLine("1", plu, kind, quantity, price)


def order(*lines: BasketLine, paid: str | None = None) -> Basket:
    """Report lines, and a payment of a type if there is one."""
    return Basket(lines, (Payment(paid, 500),) if paid else (), (), "CAD")


VISIT = Visit(
    local_time=datetime(2026, 5, 14, 12, 0),  # noqa: DTZ001 - local by definition; a Thursday.
    now_ms=1_000_000_000,
    store_id=9999,
    service_mode="EAT_IN",
    basket=order(line("2001", price=900), paid="VISA"),
    member=MEMBER,
)


def use(*rules: r.Rule, name: str = "coffee", quantity: int = 1, cost: int = 0) -> IncentiveUse:
    """Use an incentive with rules."""
    incentive = Incentive(
        incentive_id=name,
        engine_id=None,
        kind="reward" if cost else "offer",
        display_name=name,
        point_cost=cost,
        price=None,
        discount=None,
        plus={"default": "1"},
        rules=rules,
    )
    return IncentiveUse(incentive, quantity)


def on(day: date, visit: Visit = VISIT) -> Visit:
    """Move a visit to another day."""
    return replace(visit, local_time=datetime.combine(day, visit.local_time.time()))


def seen(failures: Sequence[RuleFailure]) -> list[tuple[str, Value, Value]]:
    """Reduce failures to code and values."""
    return [(failure.code, failure.current_value, failure.target_value) for failure in failures]


PASSES: list[tuple[r.Rule, Visit]] = [
    (r.LimitPerOrder(1), VISIT),
    (r.MaximumRedemptions(per_member=2, total=9), VISIT),
    (r.DaysOfWeek(("wed", "thu")), VISIT),
    (r.DateSpan(date(2026, 5, 14), date(2026, 5, 14)), VISIT),
    (r.DateSpan(), VISIT),
    (r.EnrollmentSpan(date(2025, 6, 1), date(2025, 6, 1)), VISIT),
    (r.ServiceModes(("EAT_IN",)), VISIT),
    (r.ServiceModes(("TAKEOUT",)), replace(VISIT, service_mode=None)),
    (r.Stores((1, 9999)), VISIT),
    (r.MinimumSpend(900), VISIT),
    (r.MinimumSpend(901), replace(VISIT, basket=None)),
    (r.MinimumSpend(900, listed(("2001",))), replace(VISIT, claiming=True)),
    (r.CartRequirement((r.CartDemand(listed(("2001",)), amount=900),)), VISIT),
    (r.MinimumSpend(901), replace(VISIT, basket=order(line("2001", price=900)))),
    (r.PaymentMethods(("CASH", "VISA")), VISIT),
    (r.PaymentMethods(("CASH",)), replace(VISIT, basket=None)),
    (r.PaymentMethods(("CASH",)), replace(VISIT, basket=order())),
    (r.FirstOrder(), replace(VISIT, member=replace(MEMBER, claimed_orders=0))),
    (r.Times(time(12), time(12, 1)), VISIT),
    (r.Times(time(22), time(12, 1)), VISIT),
    (r.DaysEnrolled(r.DayWindow(347, 347)), VISIT),
    (r.TransactionCount(on=4), VISIT),
    (r.TransactionCount(between=(4, 5)), VISIT),
    (r.TransactionCount(every=2), VISIT),
    (r.Birthday(TODAY), VISIT),
    (r.Anniversary(r.DayWindow(-18, -18)), VISIT),
    (r.CartRequirement((r.CartDemand(listed(("2001", "2002"))),)), VISIT),
    (r.CartRequirement((r.CartDemand(listed(("7",))),)), replace(VISIT, basket=None)),
    (r.CartExclusion(listed(("3001",))), VISIT),
    (r.CartExclusion(listed(("2001",))), replace(VISIT, basket=None)),
    (r.Cooldown(60), VISIT),
    (
        r.Cooldown(60),
        replace(VISIT, histories={"coffee": History(last_redeemed_ms=VISIT.now_ms - 60_000)}),
    ),
    (r.Granted(), replace(VISIT, grants={"coffee": GrantsLeft(1, 0)})),
]


@pytest.mark.parametrize(("rule", "visit"), PASSES)
def test_kept_rule_says_nothing(rule: r.Rule, visit: Visit) -> None:
    """A visit on the very edge of a rule, or whose facts aren't known yet, keeps it."""
    assert evaluate((use(rule),), visit) == ()


HISTORY = History(member_redemptions=2, total_redemptions=9, last_redeemed_ms=VISIT.now_ms - 59_999)
PAST = replace(VISIT, histories={"coffee": HISTORY})
CLAIM = replace(VISIT, basket=order(line("2001", price=900)), claiming=True)


@pytest.mark.parametrize(
    ("rule", "visit", "failures"),
    [
        (
            r.MaximumRedemptions(per_member=2),
            PAST,
            [("exceeds-max-redemption", 3, 2)],
        ),
        (
            r.MaximumRedemptions(per_member=1, total=9),
            PAST,
            [("exceeds-max-redemption", 3, 1), ("exceeds-max-redemption", 10, 9)],
        ),
        (
            r.DaysOfWeek(("mon", "tue")),
            VISIT,
            [("invalid-day-of-the-week", "thu", ("mon", "tue"))],
        ),
        (r.Times(time(11), time(12)), VISIT, [("invalid-time", "12:00", ("11:00", "12:00"))]),
        (r.Times(time(22), time(6)), VISIT, [("invalid-time", "12:00", ("22:00", "06:00"))]),
        (
            r.DaysEnrolled(r.DayWindow(348)),
            VISIT,
            [("invalid-days-since-enrollment", 347, None)],
        ),
        (
            r.DaysEnrolled(r.DayWindow(None, 346)),
            VISIT,
            [("invalid-days-since-enrollment", 347, None)],
        ),
        (r.TransactionCount(on=5), VISIT, [("invalid-transaction-count", 4, 5)]),
        (r.TransactionCount(every=3), VISIT, [("invalid-transaction-count", 4, 3)]),
        (r.TransactionCount(between=(5, 9)), VISIT, [("invalid-transaction-count", 4, (5, 9))]),
        (
            r.Anniversary(r.DayWindow(0, 6)),
            on(date(2025, 6, 1)),
            [("not-anniversary", "2025-06-01", None)],
        ),
        (
            r.DateSpan(date(2026, 5, 15)),
            VISIT,
            [("invalid-start-date", "2026-05-14", ("2026-05-15",))],
        ),
        (
            r.DateSpan(None, date(2026, 5, 13)),
            VISIT,
            [("invalid-end-date", "2026-05-14", ("2026-05-13",))],
        ),
        (
            r.EnrollmentSpan(date(2025, 6, 2)),
            VISIT,
            [("invalid-enrollment-start-date", "2025-06-01", ("2025-06-02",))],
        ),
        (
            r.EnrollmentSpan(None, date(2025, 5, 31)),
            VISIT,
            [("invalid-enrollment-end-date", "2025-06-01", ("2025-05-31",))],
        ),
        (
            r.ServiceModes(("TAKEOUT", "CURBSIDE")),
            VISIT,
            [("invalid-service-mode", "EAT_IN", ("TAKEOUT", "CURBSIDE"))],
        ),
        (r.Stores((1, 2)), VISIT, [("invalid-store-id", "9999", (1, 2))]),
        (r.MinimumSpend(901), VISIT, [("minimum-spend-not-met", 900, 901)]),
        (r.MinimumSpend(901), CLAIM, [("minimum-spend-not-met", 900, 901)]),
        (r.MinimumSpend(1, listed(("7",))), CLAIM, [("minimum-spend-not-met", 0, 1)]),
        (
            r.CartRequirement((r.CartDemand(listed(("2001",)), amount=901),)),
            VISIT,
            [("cart-requirements-not-met", 900, ("2001",))],
        ),
        (r.PaymentMethods(("CASH",)), VISIT, [("invalid-payment-method", "VISA", ("CASH",))]),
        (r.PaymentMethods(("CASH",)), CLAIM, [("invalid-payment-method", None, ("CASH",))]),
        (r.FirstOrder(), VISIT, [("not-first-order", 3, 0)]),
        (r.Birthday(TODAY), on(date(2026, 5, 15)), [("not-birthday", None, None)]),
        (
            r.CartRequirement(
                (r.CartDemand(listed(("2001",)), 2), r.CartDemand(listed(("2001",))))
            ),
            VISIT,
            [("cart-requirements-not-met", 1, ("2001",))],
        ),
        (
            r.CartRequirement((r.CartDemand(listed(("9001",))), r.CartDemand(listed(("7",))))),
            replace(VISIT, basket=order(line("9001", kind="reward"))),
            [("cart-requirements-not-met", 0, ("9001",)), ("cart-requirements-not-met", 0, ("7",))],
        ),
        (
            r.CartExclusion(listed(("702", "9001"))),
            replace(VISIT, basket=order(line("702", kind="offer"))),
            [("cart-requirements-exclusion", "702", ("702", "9001"))],
        ),
        (r.Cooldown(60), PAST, [("inside-cooldown-period", 59, 60)]),
        (r.Granted(), VISIT, [("not-granted", 1, 0)]),
        (
            r.Granted(),
            replace(VISIT, grants={"coffee": GrantsLeft(0, 1)}),
            [("grant-not-activated", 1, 0)],
        ),
        (
            r.Granted(),
            replace(VISIT, grants={"coffee": GrantsLeft(2, 0, reserved=2)}),
            [("not-granted", 1, 0)],
        ),
    ],
)
def test_broken_rule_tells_what_was_seen_and_what_is_allowed(
    rule: r.Rule, visit: Visit, failures: list[tuple[str, Value, Value]]
) -> None:
    """Each rule fails with its code and both values, and names the incentive."""
    found = evaluate((use(rule),), visit)

    assert seen(found) == failures
    assert {failure.incentive_id for failure in found} == {"coffee"}


def test_limit_per_order_counts_all_of_one_incentive() -> None:
    """Two of an incentive that allows one are too many."""
    assert seen(evaluate((use(r.LimitPerOrder(1), quantity=2),), VISIT)) == [
        ("exceeds-limit-per-order", 2, 1)
    ]


def test_maximum_counts_this_order() -> None:
    """An order that would pass the limit fails before anything is redeemed."""
    failures = evaluate((use(r.MaximumRedemptions(per_member=1), quantity=2),), VISIT)

    assert seen(failures) == [("exceeds-max-redemption", 2, 1)]


@pytest.mark.parametrize(
    ("demand", "bought", "often"),
    [
        (r.CartDemand(listed(("7",)), amount=2000), (1, 4500), 2),
        (r.CartDemand(listed(("7",)), amount=2000), (3, 4500), 2),
        (r.CartDemand(listed(("7",)), amount=2000), (1, 1999), 0),
        (r.CartDemand(listed(("7",)), amount=2000), (0, 4500), 0),
        (r.CartDemand(listed(("7",)), 2, 2000), (3, 4500), 1),
        (r.CartDemand(listed(("7",)), 2), (5, 0), 2),
    ],
)
def test_how_often_a_demand_is_met(
    demand: r.CartDemand, bought: tuple[int, int], often: int
) -> None:
    """By the money alone where any number of products will do."""
    assert demand.times(*bought) == often


@pytest.mark.parametrize(
    ("birth", "span", "today", "kept"),
    [
        ("1990-05-14", r.DayWindow(-3, 3), "2026-05-17", True),
        ("1990-05-14", r.DayWindow(-3, 3), "2026-05-18", False),
        ("1990-12-31", r.DayWindow(-2, 2), "2026-01-02", True),
        ("1990-01-01", r.DayWindow(-1, 1), "2026-12-31", True),
        ("1992-02-29", r.DayWindow(0, 0), "2026-02-28", True),
        ("1992-02-29", r.DayWindow(0, 0), "2026-03-01", False),
        ("1992-02-29", r.DayWindow(0, 0), "2028-02-29", True),
        ("1992-02-29", r.DayWindow(0, 0), "2028-02-28", False),
        ("1990-05-01", "month", "2026-05-31", True),
        ("1990-05-31", "month", "2026-06-01", False),
        ("1990-05-16", "week", "2026-05-10", True),
        ("1990-05-16", "week", "2026-05-16", True),
        ("1990-05-16", "week", "2026-05-09", False),
        ("1990-05-16", "week", "2026-05-17", False),
        ("1990-01-01", "week", "2026-12-31", True),
        ("1990-05-14", r.DayWindow(0, 10), "2026-05-24", True),
        ("1990-05-14", r.DayWindow(0, 10), "2026-05-13", False),
        ("1990-12-31", r.DayWindow(-5, 5), "0001-01-01", False),
        ("1990-01-01", r.DayWindow(-5, 5), "9999-12-31", False),
    ],
)
def test_birthday_is_a_day_a_span_or_a_month(
    birth: str, span: r.YearlySpan, today: str, *, kept: bool
) -> None:
    """Spans reach over New Year, weeks begin on Sunday, a leap day is the 28th of common years."""
    member = replace(MEMBER, birth_date=date.fromisoformat(birth))
    visit = on(date.fromisoformat(today), replace(VISIT, member=member))

    assert (evaluate((use(r.Birthday(span)),), visit) == ()) is kept


@pytest.mark.parametrize(
    ("today", "kept"),
    [("2026-01-02", False), ("2026-12-30", True), ("2027-01-02", True), ("2027-01-08", False)],
)
def test_anniversary_begins_a_year_after_the_enrolment(today: str, *, kept: bool) -> None:
    """The first one is a year later, and its days reach over New Year."""
    member = replace(MEMBER, enrolled_on=date(2025, 12, 30))
    visit = on(date.fromisoformat(today), replace(VISIT, member=member))

    assert (evaluate((use(r.Anniversary(r.DayWindow(-3, 5))),), visit) == ()) is kept


def test_unknown_birthday_is_none() -> None:
    """A member who told no birth date has no birthday."""
    visit = replace(VISIT, member=replace(MEMBER, birth_date=None))

    assert seen(evaluate((use(r.Birthday("month")),), visit)) == [("not-birthday", None, None)]


def test_exclusion_sees_a_discount_that_no_line_tells_of() -> None:
    """A discount reported in `appliedDiscounts` alone excludes like a line."""
    basket = Basket((), (), (AppliedDiscount("twenty", None, "702"),), "CAD")

    failures = evaluate((use(r.CartExclusion(listed(("702",)))),), replace(VISIT, basket=basket))

    assert seen(failures) == [("cart-requirements-exclusion", "702", ("702",))]


def test_every_payment_must_be_of_a_listed_type() -> None:
    """An order that is paid in two ways fails for the one that is not listed."""
    basket = Basket((), (Payment("VISA", 100), Payment("CASH", 1)), (), "CAD")

    failures = evaluate((use(r.PaymentMethods(("VISA",))),), replace(VISIT, basket=basket))

    assert seen(failures) == [("invalid-payment-method", "CASH", ("VISA",))]


def test_use_soon_after_an_order_that_comes_late_is_inside_the_cooldown() -> None:
    """An order is as far from a later use as from an earlier one."""
    visit = replace(VISIT, histories={"coffee": History(last_redeemed_ms=VISIT.now_ms + 5000)})

    assert seen(evaluate((use(r.Cooldown(60)),), visit)) == [("inside-cooldown-period", 5, 60)]


class TestWholeOrder:
    """Rules that no operator writes."""

    def test_first_reward_that_no_longer_fits_is_named(self) -> None:
        """The balance is spent use by use, and one failure is enough."""
        uses = (use(name="a", cost=800), use(name="b", cost=300, quantity=2), use(name="c", cost=1))

        (failure,) = evaluate(uses, VISIT)

        assert failure == RuleFailure(
            code="insufficient-point-balance",
            rule_id="point-balance",
            message="User does not have sufficient funds to redeem reward",
            current_value=200,
            target_value=600,
            incentive_id="b",
        )

    def test_whole_balance_may_be_spent(self) -> None:
        """Rewards may cost all points that there are."""
        assert evaluate((use(cost=500, quantity=2),), VISIT) == ()

    def test_second_incentive_fails_where_one_is_allowed(self) -> None:
        """Each one after the first is named, with how many the order would have up to it."""
        visit = replace(VISIT, order_limits=r.OrderLimits(incentives=1))

        assert evaluate((use(),), visit) == ()
        failures = evaluate((use(), use(name="second"), use(name="third", cost=5)), visit)
        assert [failure.incentive_id for failure in failures] == ["second", "third"]
        assert seen(failures) == [("exceeds-limit-per-order", 2, 1)] * 2

    @pytest.mark.parametrize(
        ("limits", "beyond"),
        [
            (r.OrderLimits(offers=2), ["two offers"]),
            (r.OrderLimits(offers=3), ["one more"]),
            (r.OrderLimits(rewards=1), ["two rewards"]),
            (r.OrderLimits(incentives=3), ["two rewards", "one more"]),
            (r.OrderLimits(same_offer=1), ["two offers"]),
            (r.OrderLimits(same_offer=2, rewards=2), []),
        ],
    )
    def test_what_fits_beside_the_others_is_kept(
        self, limits: r.OrderLimits, beyond: list[str]
    ) -> None:
        """Each counts as often as it is used; one that does not fit takes no place."""
        uses = (
            use(name="an offer"),
            use(name="two offers", quantity=2),
            use(name="two rewards", quantity=2, cost=1),
            use(name="one more"),
        )

        failures = evaluate(uses, replace(VISIT, order_limits=limits))

        assert [failure.incentive_id for failure in failures] == beyond

    def test_nobody_logged_in_fails_once_and_hides_what_asks_about_members(self) -> None:
        """Without a member only the rules about the visit are judged besides."""
        visit = replace(PAST, member=None)
        rules = (
            r.MaximumRedemptions(per_member=1, total=1),
            r.EnrollmentSpan(date(2030, 1, 1)),
            r.Stores((1,)),
            r.FirstOrder(),
            r.TransactionCount(on=1),
            r.Birthday(TODAY),
            r.Anniversary(TODAY),
            r.DaysEnrolled(r.DayWindow(900)),
            r.Cooldown(600),
        )

        codes = [failure.code for failure in evaluate((use(*rules, cost=9999), use()), visit)]

        assert codes == ["exceeds-max-redemption", "invalid-store-id", "user-not-logged-in"]

    def test_order_without_incentives_keeps_every_rule(self) -> None:
        """Nothing used is nothing to refuse, logged in or not."""
        assert evaluate((), replace(VISIT, member=None)) == ()

    def test_failures_come_in_the_documented_order(self) -> None:
        """Use by use, each in the order of its rules, then the order as a whole."""
        uses = (use(r.Stores((1,)), r.MinimumSpend(9999), name="a"), use(r.Stores((2,)), cost=9999))

        failures = evaluate(uses, replace(VISIT, order_limits=r.OrderLimits(incentives=1)))

        assert [(failure.incentive_id, failure.rule_id) for failure in failures] == [
            ("a", "store-restrictions"),
            ("a", "minimum-spend"),
            ("coffee", "store-restrictions"),
            ("coffee", "incentives-per-order"),
            ("coffee", "point-balance"),
        ]


DAYS = st.dates(date(2025, 1, 1), date(2027, 1, 1))
OPEN_DAYS = st.none() | DAYS
LIMITS = st.none() | st.integers(1, 3)
SPANS = st.sampled_from(["week", "month"]) | st.builds(
    r.DayWindow, st.integers(-183, 0), st.integers(0, 183)
)
PLUS = st.sets(st.sampled_from(["2001", "2002", "702"]), min_size=1).map(listed)
RULES = st.one_of(
    st.builds(r.LimitPerOrder, st.integers(1, 3)),
    st.builds(r.MaximumRedemptions, LIMITS, LIMITS),
    st.builds(r.DaysOfWeek, st.sets(st.sampled_from(r.WEEKDAYS), min_size=1).map(tuple)),
    st.builds(r.DateSpan, OPEN_DAYS, OPEN_DAYS),
    st.builds(r.EnrollmentSpan, OPEN_DAYS, OPEN_DAYS),
    st.builds(r.ServiceModes, st.sampled_from([("EAT_IN",), ("TAKEOUT",)])),
    st.builds(r.Stores, st.sampled_from([(9999,), (1,)])),
    st.builds(r.StoreGroups, st.sampled_from([("malls",), ("airports",)])),
    st.builds(r.Segments, st.sampled_from([("student",), ("staff",)])),
    st.builds(r.Channels, st.sampled_from([("APP",), ("kiosk",)])),
    st.builds(r.MinimumSpend, st.integers(1, 2000)),
    st.builds(r.PaymentMethods, st.sampled_from([("VISA",), ("CASH",)])),
    st.just(r.FirstOrder()),
    st.builds(r.Times, st.times(), st.times()),
    st.builds(r.DaysEnrolled, st.builds(r.DayWindow, st.integers(0, 900), st.none())),
    st.sampled_from([r.TransactionCount(on=4), r.TransactionCount(between=(5, 9))]),
    st.builds(r.Birthday, SPANS),
    st.builds(r.Anniversary, SPANS),
    st.builds(r.CartRequirement, st.tuples(st.builds(r.CartDemand, PLUS, st.integers(1, 3)))),
    st.builds(r.CartExclusion, PLUS),
    st.builds(r.Cooldown, st.integers(1, 100)),
    st.just(r.Granted()),
)
VISITS = st.builds(
    Visit,
    local_time=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001
    now_ms=st.just(VISIT.now_ms),
    store_id=st.just(9999),
    store_groups=st.sampled_from([frozenset(), frozenset({"malls"})]),
    channels=st.sampled_from([(), ("RESTAURANT", "Kiosk")]),
    service_mode=st.sampled_from([None, "EAT_IN"]),
    basket=st.sampled_from([None, VISIT.basket, CLAIM.basket]),
    member=st.sampled_from([None, MEMBER]),
    histories=st.sampled_from([{}, PAST.histories]),
    claiming=st.booleans(),
    order_limits=st.builds(r.OrderLimits, LIMITS, LIMITS, LIMITS, LIMITS),
)


@given(st.lists(RULES, max_size=6), RULES, st.integers(0, 6), VISITS)
def test_adding_a_rule_never_removes_a_failure(
    rules: list[r.Rule], added: r.Rule, place: int, visit: Visit
) -> None:
    """What fails with some rules fails with one more, wherever it stands."""
    fewer = evaluate((use(*rules, cost=700, quantity=2),), visit)
    more = evaluate((use(*rules[:place], added, *rules[place:], cost=700, quantity=2),), visit)

    assert set(fewer) <= set(more)


@given(st.lists(RULES, max_size=6), VISITS)
def test_facts_that_are_not_asked_for_change_nothing(rules: list[r.Rule], visit: Visit) -> None:
    """A storage that reads only what is needed gets the same failures."""
    uses = (use(*rules),)
    needs = needs_history(uses)
    full = visit.histories.get("coffee", History())
    by_member = "coffee" in needs.member
    read = History(
        member_redemptions=full.member_redemptions if by_member else 0,
        total_redemptions=full.total_redemptions if "coffee" in needs.total else 0,
        last_redeemed_ms=full.last_redeemed_ms if by_member else None,
    )
    orders = MEMBER.claimed_orders if needs.claimed_orders else 0
    member = replace(MEMBER, claimed_orders=orders) if visit.member else None

    scarce = replace(visit, histories={"coffee": read}, member=member)

    assert evaluate(uses, scarce) == evaluate(uses, visit)


def test_plain_incentives_need_no_history() -> None:
    """An order whose rules ask nothing about the past costs no query."""
    needs = needs_history((use(r.Stores((1,)), r.MaximumRedemptions()),))

    assert not needs.member
    assert not needs.total
    assert not needs.claimed_orders


def test_every_rule_has_a_judge() -> None:
    """No class of rule can be described and not judged."""
    assert set(_JUDGES) == set(r.Rule.__args__)


def test_breaches_have_words_of_their_own() -> None:
    """Codes are kebab-case and unique, and the documented ones are spelt as documented."""
    codes = [breach.value.code for breach in Breach]
    words = [(breach.value.code, breach.value.rule_id) for breach in Breach]

    assert len(set(words)) == len(words)
    assert all(code == code.lower() and " " not in code and "_" not in code for code in codes)
    assert {breach.value.code for breach in Breach if breach.value.source is Source.DOCUMENTED} == {
        "exceeds-limit-per-order",
        "exceeds-max-redemption",
        "insufficient-point-balance",
        "invalid-day-of-the-week",
        "invalid-end-date",
        "invalid-enrollment-start-date",
        "invalid-service-mode",
        "invalid-start-date",
        "invalid-store-id",
    }


class Lookups(str):
    """A PLU that counts how often it is looked up or compared."""

    __slots__ = ()
    count = 0

    def __hash__(self) -> int:
        """Count one more."""
        Lookups.count += 1
        return super().__hash__()

    def __eq__(self, other: object) -> bool:
        """Count one more."""
        Lookups.count += 1
        return super().__eq__(other)


@pytest.mark.parametrize(
    "rule",
    [
        lambda plus: r.CartExclusion(listed(plus)),
        lambda plus: r.CartRequirement(tuple(r.CartDemand(listed(plus), 9) for _ in range(20))),
    ],
)
def test_order_is_looked_up_in_long_lists_once_a_product(rule: Callable[[Plus], r.Rule]) -> None:
    """Not once for each entry of a list, or for each demand: the lists have up to 1,000."""
    uses = tuple(
        use(rule(tuple(f"{number}-{place}" for place in range(1000))), name=str(number))
        for number in range(10)
    )
    visit = replace(VISIT, basket=order(*(line(Lookups(f"p{one}")) for one in range(50))))
    Lookups.count = 0

    evaluate(uses, visit)

    assert Lookups.count <= 2 * len(uses) * 50
