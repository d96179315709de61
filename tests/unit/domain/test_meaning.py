"""What a call means: the same for its idempotency key and for a repeated report."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from loyalty_service.application.orders.order_review import Order
from loyalty_service.application.orders.repeated_orders import REPORT
from loyalty_service.domain.basket import AppliedDiscount, Basket, BasketLine, Payment
from loyalty_service.domain.earning_rules import EarningRules
from loyalty_service.domain.meaning import Read, fingerprint, is_repeat, read_by
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.domain.restrictions import MinimumSpend, PaymentMethods, Rule
from tests.support.orders import CLAIMED, COFFEE, PENDING, item, report
from tests.support.programs import demo_program

CONTENT = Basket(
    (item(849), BasketLine("2", "702", "offer", 1, 0, incentive_id=COFFEE)),
    (Payment("VISA", 849),),
    (AppliedDiscount(COFFEE, None, "702"),),
    "CAD",
)
ORDER = report("t-1", CLAIMED, CONTENT)


def program(*rules: Rule, tax: bool = False) -> Program:
    """Describe a program with these rules alone."""
    demo = demo_program()
    incentive = replace(demo.incentives[COFFEE], rules=rules)
    earning = EarningRules(Fraction(10), include_tax=tax)
    return replace(demo, incentives={COFFEE: incentive}, earning=earning)


def same(one: Order, other: Order, of: Program) -> bool:
    """Tell whether two reports mean the same to a program."""
    return one.fingerprint(of) == other.fingerprint(of)


def with_line(**words: Any) -> Order:
    """Report the same with another first line."""
    lines = (replace(CONTENT.lines[0], **words), *CONTENT.lines[1:])
    return replace(ORDER, basket=replace(CONTENT, lines=lines))


@pytest.mark.parametrize(
    "other",
    [
        with_line(name="Large coffee"),
        with_line(tax=110),
        replace(ORDER, channel="KIOSK"),
        replace(ORDER, point_of_sale=replace(ORDER.point_of_sale, terminal="2", operator="Ann")),
        replace(ORDER, basket=replace(CONTENT, payments=(Payment("CASH", 900),))),
        replace(ORDER, basket=replace(CONTENT, payments=())),
    ],
)
def test_what_nothing_reads_makes_no_other_report(other: Order) -> None:
    """Texts, cashier, terminal, tip, tax and payment differ when a till builds its call again."""
    assert same(ORDER, other, program())


@pytest.mark.parametrize(
    "other",
    [
        with_line(price=850),
        with_line(quantity=2),
        with_line(product_id="9"),
        with_line(product_type="combo"),
        with_line(parent_reference_id="2"),
        replace(ORDER, transaction_id="t-2"),
        replace(ORDER, status=PENDING),
        replace(ORDER, service_mode="TAKEOUT"),
        replace(ORDER, point_of_sale=replace(ORDER.point_of_sale, store_id=1001)),
        replace(ORDER, basket=replace(CONTENT, applied_discounts=())),
    ],
)
def test_what_rules_or_earning_read_makes_another_report(other: Order) -> None:
    """Lines, discounts, status, service mode and store are what a report says."""
    assert not same(ORDER, other, program())


def test_payments_and_tax_count_where_the_program_reads_them() -> None:
    """Types of payment, and never their amounts; whether an open order is paid; tax that earns."""
    cash = replace(ORDER, basket=replace(CONTENT, payments=(Payment("CASH", 849),)))
    tip = replace(ORDER, basket=replace(CONTENT, payments=(Payment("VISA", 1000),)))
    unpaid = replace(ORDER, basket=replace(CONTENT, payments=()))
    by_card, dear = program(PaymentMethods(("VISA",))), program(MinimumSpend(500))
    assert not same(ORDER, cash, by_card)
    assert same(ORDER, tip, by_card)
    assert same(ORDER, unpaid, dear)
    assert not same(replace(ORDER, status=PENDING), replace(unpaid, status=PENDING), dear)
    assert not same(ORDER, with_line(tax=110), program(tax=True))


def test_tax_below_the_minor_unit_is_told_exactly() -> None:
    """A tax of 14.2857 cents is neither 14 of them nor another fraction."""
    taxed = program(tax=True)
    exact = with_line(tax=Decimal("14.2857"))
    assert same(exact, with_line(tax=Decimal("14.2857")), taxed)
    assert not same(exact, with_line(tax=14), taxed)
    assert not same(exact, with_line(tax=Decimal("14.2858")), taxed)


def test_payment_that_was_given_back_is_none() -> None:
    """As the rules see it: an order whose card was voided is not paid, and change is no method."""

    def paid(*payments: Payment, status: TransactionStatus = PENDING) -> Order:
        return replace(ORDER, status=status, basket=replace(CONTENT, payments=payments))

    voided = paid(Payment("VISA", 500), Payment("VISA", -500))
    dear, by_card = program(MinimumSpend(500)), program(PaymentMethods(("VISA",)))
    for of in (dear, by_card):
        assert same(voided, paid(), of)
        assert not same(voided, paid(Payment("VISA", 849)), of)
    card = Payment("VISA", 1500)
    kept, back = Payment("CASH", 500), Payment("CASH", -500)
    assert same(paid(card, kept, back, status=CLAIMED), paid(card, status=CLAIMED), by_card)
    assert not same(paid(card, kept, status=CLAIMED), paid(card, status=CLAIMED), by_card)


def test_kept_meaning_outlives_a_change_of_the_program() -> None:
    """A call sent again is compared by what its program read the first time."""
    plain, by_card = program(), program(PaymentMethods(("VISA",)), tax=True)
    cash = replace(ORDER, basket=replace(CONTENT, payments=(Payment("CASH", 849),)))
    assert ORDER.fingerprint(plain) != ORDER.fingerprint(by_card)
    assert cash.repeats(ORDER.fingerprint(plain))
    assert not cash.repeats(ORDER.fingerprint(by_card))
    assert read_by(plain, ORDER) is Read.NOTHING


def test_payment_counts_only_for_what_the_order_uses() -> None:
    """Another offer's rule on payments makes no other claim of an order that does without it."""
    sold = replace(ORDER, basket=replace(CONTENT, lines=(item(849),), applied_discounts=()))
    assert read_by(program(PaymentMethods(("VISA",))), sold) is Read.NOTHING


def test_meaning_kept_by_the_first_version_is_known() -> None:
    """Where a bare hash was kept, the request is hashed as it was then, and only there."""
    first = bytes(range(32))
    order = replace(ORDER, first_fingerprint=lambda: first)
    assert order.repeats(first)
    assert not order.repeats(bytes(32))
    assert not order.repeats(b"")
    later = bytes((3,)) + fingerprint(REPORT, order, Read.NOTHING)[1:]
    assert not is_repeat(later, REPORT, order, lambda: first)
