"""The rules of incentives and of earning are read from the file, or named with their mistakes."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, time
from fractions import Fraction
from pathlib import Path

import pytest

from loyalty_service.domain import restrictions as r
from loyalty_service.domain.earning_rules import EarningRules, Rounding
from loyalty_service.domain.products import NONE, listed
from loyalty_service.domain.program import Program
from loyalty_service.program_file.document import parse_program
from loyalty_service.program_file.records import incentive_from_json, incentive_to_json
from loyalty_service.program_file.source import ProgramFileError, render_mistakes

TEXT = """\
brand: demo
region: CA
name: Demo
currency: CAD
time_zone: America/Toronto
redemption: {min_points: 100, min_amount: 1, max_points: 300, max_amount: 3,
  increment_points: 100, increment_amount: 1}
prompts:
  anonymous:
    en-CA: &prompt {code: ASK, message: Join?, receipt: ""}
    en-US: *prompt
    fr-CA: *prompt
stores: [{id: 9999, name: One}]
incentives:
  - {id: coffee, kind: reward, name: Coffee, points: 800, plus: "1", rules: {RULE}}
"""
DEMO = Path(__file__).parents[3] / "server" / "loyalty_service" / "sandbox" / "program.yaml"


def program(rule: str = "", more: str = "") -> Program:
    """Read a file whose one incentive has a rule, and which has more lines."""
    return parse_program(TEXT.replace("RULE", rule) + more, "p.yaml")


def mistake(rule: str = "", more: str = "") -> str:
    """Read a file with one mistake, and give it without its place."""
    with pytest.raises(ProgramFileError) as caught:
        program(rule, more)
    (line,) = render_mistakes(caught.value)
    return line.split(": ", 1)[1]


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("limit_per_order: 1", r.LimitPerOrder(1)),
        ("max_redemptions: {per_member: 2}", r.MaximumRedemptions(2, None)),
        ("max_redemptions: {total: 5}", r.MaximumRedemptions(None, 5)),
        ("minimum_spend: 5", r.MinimumSpend(500)),
        ("minimum_spend: {amount: 5}", r.MinimumSpend(500)),
        ('minimum_spend: {amount: 5, of: ["7"]}', r.MinimumSpend(500, listed(["7"]))),
        (
            'cart_has: [{any_of: ["7"], amount: 20}]',
            r.CartRequirement((r.CartDemand(listed(["7"]), 1, 2000),)),
        ),
        ("service_modes: [DELIVERY]", r.ServiceModes(("DELIVERY",))),
        ("days: [sun, tue, mon]", r.DaysOfWeek(("mon", "tue", "sun"))),
        ("dates: {from: 2026-01-01}", r.DateSpan(date(2026, 1, 1), None)),
        ("enrolled: {until: '2026-01-31'}", r.EnrollmentSpan(None, date(2026, 1, 31))),
        ("service_modes: [TAKEOUT, EAT_IN]", r.ServiceModes(("EAT_IN", "TAKEOUT"))),
        ("stores: [9999]", r.Stores((9999,))),
        ("minimum_spend: 10.5", r.MinimumSpend(1050)),
        ("payment_methods: [VISA, CASH]", r.PaymentMethods(("CASH", "VISA"))),
        ("first_order: true", r.FirstOrder()),
        ("birthday: day", r.Birthday(r.DayWindow(0, 0))),
        ("birthday: 7", r.Birthday(r.DayWindow(-7, 7))),
        ("birthday: month", r.Birthday("month")),
        ("birthday: week", r.Birthday("week")),
        ("birthday: {from: 0, until: 14}", r.Birthday(r.DayWindow(0, 14))),
        ("anniversary: day", r.Anniversary(r.DayWindow(0, 0))),
        ("anniversary: {from: -3, until: -1}", r.Anniversary(r.DayWindow(-3, -1))),
        ('times: {from: "07:00", until: "11:30"}', r.Times(time(7), time(11, 30))),
        ("times: {from: 22:00, until: 02:00}", r.Times(time(22), time(2))),
        ("enrolled_days: {from: 30}", r.DaysEnrolled(r.DayWindow(30, None))),
        ("enrolled_days: {from: 0, until: 0}", r.DaysEnrolled(r.DayWindow(0, 0))),
        ("transactions: {on: 5}", r.TransactionCount(on=5)),
        ("transactions: {between: [2, 4]}", r.TransactionCount(between=(2, 4))),
        ("transactions: {every: 10}", r.TransactionCount(every=10)),
        (
            'cart_has: [{any_of: ["2", "1"]}]',
            r.CartRequirement((r.CartDemand(listed(("1", "2")), 1),)),
        ),
        ('cart_lacks: ["3"]', r.CartExclusion(listed(("3",)))),
        ("cooldown_s: 3600", r.Cooldown(3600)),
        ("granted: true", r.Granted()),
        (
            "max_redemptions: {per_day: 1, per_year: 9}",
            r.MaximumRedemptions(per_day=1, per_year=9),
        ),
    ],
)
def test_rule_is_read_and_kept_exactly(written: str, rule: r.Rule) -> None:
    """Each rule becomes its class, in one order, and survives JSON."""
    incentive = program(written).incentives["coffee"]

    assert incentive.rules == (rule,)
    assert incentive_from_json(json.loads(json.dumps(incentive_to_json(incentive)))) == incentive


def test_rules_stand_in_the_order_they_are_judged_in() -> None:
    """The order of the file does not show."""
    one = program("cooldown_s: 1, days: [mon], limit_per_order: 1")
    two = program("limit_per_order: 1, cooldown_s: 1, days: [mon]")

    assert one == two
    assert [type(rule) for rule in one.incentives["coffee"].rules] == [
        r.LimitPerOrder,
        r.DaysOfWeek,
        r.Cooldown,
    ]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("limit_per_order: 0", "limit_per_order: must be a whole number from 1 to 1,000"),
        ("max_redemptions: {}", "max_redemptions: must have one of per_member, total, per_day"),
        ("days: [mon, monday]", "days[1]: must be mon, tue, wed, thu, fri, sat or sun; did you"),
        ("days: [mon, mon]", "days: must not name anything twice"),
        ("days: []", "days: must have at least 1 entries"),
        ("dates: {}", "dates: must have from, until or both"),
        (
            "dates: {from: 2026-01-02, until: 2026-01-01}",
            "dates: must have its until on or after its from",
        ),
        ("dates: {from: 2026-02-30}", "dates.from: must be a date of the calendar"),
        ("enrolled: {until: 2026-1-1}", "enrolled.until: must be a date of the calendar"),
        ("dates: {form: 2026-01-01, until: 2026-01-01}", "dates.form: is unknown; did you mean"),
        ("service_modes: [EATIN]", "service_modes[0]: must be EAT_IN, "),
        ("stores: [9998]", "stores[0]: is not a store of this file"),
        ("minimum_spend: 0", "minimum_spend: must be an amount from 0.01"),
        ("minimum_spend: 1.001", "minimum_spend: must be an amount from 0.01"),
        ("payment_methods: [visa]", "payment_methods[0]: must be a word in capital letters"),
        ("first_order: false", "first_order: must be true; leave the field out"),
        ("birthday: year", "birthday: must be day, week, month, a number of days from 1 to 183"),
        ("birthday: true", "birthday: must be day, week, month, a number of days from 1 to 183"),
        ("birthday: 184", "birthday: must be day, week, month, a number of days from 1 to 183"),
        ("birthday: {from: 0}", "birthday: must have from and until"),
        ("anniversary: {from: 3, until: 2}", "anniversary: must have its until at or above its"),
        ("times: {from: '24:00', until: '01:00'}", "times.from: must be a time from"),
        ("times: {from: '07:00', until: '07:00'}", "times: must have two different times"),
        ("enrolled_days: {}", "enrolled_days: must have from, until or both"),
        ("transactions: {}", "transactions: must have one of on, between and every"),
        ("transactions: {on: 1, every: 2}", "transactions: must have one of on, between and"),
        ("transactions: {between: [4, 2]}", "transactions: must have its second number at or"),
        ("cart_has: [{quantity: 1}]", "cart_has[0].any_of: is required"),
        ("cart_lacks: [3]", "cart_lacks[0]: must be text, in quotes"),
        ("cooldown_s: 31536001", "cooldown_s: must be a whole number from 1 to 31,536,000"),
        ("cooldown: 5", "cooldown: is unknown; did you mean `cooldown_s`?"),
    ],
)
def test_wrong_rule_is_named_by_its_field(written: str, message: str) -> None:
    """Each limit is enforced and told with the field's path."""
    assert mistake(written).startswith(f"incentives[0].rules.{message}")


def test_limit_of_an_occasion_needs_one() -> None:
    """What is limited to one birthday is around the birthday, or around the enrolment."""
    message = "incentives[0].rules: must have birthday or anniversary beside per_occasion"
    assert mistake("max_redemptions: {per_occasion: 1}") == message
    rules = program("max_redemptions: {per_occasion: 1}, birthday: week").incentives["coffee"].rules
    assert rules == (r.MaximumRedemptions(per_occasion=1), r.Birthday("week"))


def test_program_without_earning_takes_the_defaults() -> None:
    """Ten points a unit, rounded down; a void of spent points leaves a debt."""
    read = program()

    assert read.earning == EarningRules()
    assert read.earning.points_per_unit == 10
    assert (read.void_spent, read.order_limits) == ("debt", r.OrderLimits())
    assert (read.pending_days, read.receipt_days, read.void_days) == (30, 30, 90)
    assert (read.unclaimed_offers, read.late_void) == ("flag", "flag")
    assert read.void_by_other_partner == "flag"
    assert (read.shared_email, read.future_birth_date) == ("take", "take")
    assert (read.shared_phone, read.shared_card) == ("take", "take")


def test_limits_of_an_order_are_read() -> None:
    """Each word has its meaning."""
    more = "offers_per_order: 1\nrewards_per_order: 2\nincentives_per_order: 3\n"

    read = program(more=f"{more}same_offer_per_order: 4\n")

    assert read.order_limits == r.OrderLimits(1, 2, 3, 4)
    assert mistake(more="offers_per_order: 0\n") == (
        "offers_per_order: must be a whole number from 1 to 1,000"
    )


def test_earning_is_read_whole() -> None:
    """Every key has its meaning."""
    earning = """\
earning:
  points_per_unit: 1/3
  rounding: nearest
  include_tax: true
  excluded_product_types: []
  excluded_products: ["9902", "9901"]
"""

    assert program(more=earning).earning == EarningRules(
        points_per_unit=Fraction(1, 3),
        rounding=Rounding.NEAREST,
        include_tax=True,
        excluded_product_types=frozenset(),
        excluded_products=listed(["9901", "9902"]),
    )


@pytest.mark.parametrize("rate", ["1/0", "-1", "1000001", "ten", "true", "1/3/5", "[]", "1e3"])
def test_rate_that_is_none_is_refused(rate: str) -> None:
    """A rate is a whole number, a decimal or a fraction."""
    assert mistake(more=f"earning: {{points_per_unit: {rate}}}\n") == (
        "earning.points_per_unit: must be from 0 to 1,000,000, written 10, 12.5 or 1/3"
    )


def test_void_spent_is_one_of_two_words() -> None:
    """A misspelt word is answered with the one that was meant."""
    assert mistake(more="void_spent: dept\n") == (
        "void_spent: must be refuse or debt; did you mean `debt`?"
    )


def test_what_is_late_or_strange_is_read_whole() -> None:
    """Every key has its meaning."""
    words = """\
unclaimed_offers: refuse
pending_days: 365
receipt_days: 3650
void_days: 1
late_void: refuse
void_by_other_partner: refuse
shared_email: refuse
shared_phone: refuse
shared_card: refuse
future_birth_date: refuse
"""
    read = program(more=words)
    assert (read.pending_days, read.receipt_days, read.void_days) == (365, 3650, 1)
    assert (read.unclaimed_offers, read.late_void) == ("refuse", "refuse")
    assert read.void_by_other_partner == "refuse"
    assert (read.shared_email, read.future_birth_date) == ("refuse", "refuse")
    assert (read.shared_phone, read.shared_card) == ("refuse", "refuse")


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("void_days: 0", "void_days: must be a whole number from 1 to 3,650"),
        ("receipt_days: 3651", "receipt_days: must be a whole number from 1 to 3,650"),
        ("pending_days: 366", "pending_days: must be a whole number from 1 to 365"),
        ("late_void: flags", "late_void: must be flag or refuse; did you mean `flag`?"),
        ("unclaimed_offers: take", "unclaimed_offers: must be flag or refuse"),
        ("shared_email: flag", "shared_email: must be take or refuse"),
        ("future_birth_date: no", "future_birth_date: must be take or refuse"),
    ],
)
def test_word_about_what_is_late_or_strange_is_checked(written: str, message: str) -> None:
    """Each limit is enforced and told with the field's path."""
    assert mistake(more=f"{written}\n") == message


def test_demo_program_shows_every_rule() -> None:
    """The sandbox has an incentive for each class of rule, none of them on the fixed codes'."""
    demo = parse_program(DEMO.read_text("utf-8"), "program.yaml")

    shown = {type(rule) for item in demo.incentives.values() for rule in item.rules}

    assert shown == set(r.Rule.__args__)
    assert demo.incentives["3e9a71a8-75f8-493a-bb2a-e13f92052427"].rules == ()
    assert replace(demo.earning, excluded_products=NONE) == EarningRules()
