"""Orders as requests carry them: every amount is converted to whole minor units here, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from loyalty.v1 import discount_pb2, order_pb2
from server.domain.basket import (
    AppliedDiscount,
    Basket,
    BasketLine,
    Payment,
    exact_minor_units,
)
from server.domain.errors import FieldViolation, RequestInvalidError
from server.domain.point_of_sale import PointOfSale
from server.domain.program import ProductType, Program

DETAILS = "transaction_details"


def point_of_sale(vendor: order_pb2.PosVendor) -> PointOfSale:
    """Read the calling point of sale."""
    return PointOfSale(
        transaction_id=vendor.transaction_id,
        store_id=vendor.store_id,
        pos_type=vendor.pos_type,
        supporting_pos=vendor.supporting_pos or None,
        terminal=vendor.terminal or None,
        operator=vendor.operator or None,
    )


def read_basket(details: order_pb2.TransactionDetails, program: Program) -> Basket:
    """
    Read a whole order.

    Raises:
        RequestInvalidError: With every amount that is no amount of the program's currency, every
            line whose parent is not in the order, and every incentive that is not named.
    """
    violations: list[FieldViolation] = []
    basket = Basket(
        lines=tuple(
            _line(line, index, program.currency_digits, violations)
            for index, line in enumerate(details.order)
        ),
        payments=tuple(
            Payment(paid.type.strip().upper(), paid.amount) for paid in details.payments
        ),
        applied_discounts=tuple(_applied(discount) for discount in details.applied_discounts),
        currency=details.currency.upper(),
    )
    violations += _orphans(basket.lines)
    violations += _unnamed(details)
    if violations:
        raise RequestInvalidError(tuple(violations))
    return basket


def _line(
    line: order_pb2.OrderLine, index: int, digits: int, violations: list[FieldViolation]
) -> BasketLine:
    def amount(name: str, value: float) -> int:
        try:
            return exact_minor_units(value, digits)
        except ValueError as problem:
            place = f"{DETAILS}.order[{index}].{name}"
            violations.append(FieldViolation(place, str(problem)))
            return 0

    product_type = order_pb2.OrderLine.ProductType.Name(line.product_type)
    return BasketLine(
        reference_id=line.reference_id,
        product_id=line.product_id,
        product_type=cast("ProductType", product_type),
        quantity=line.quantity if line.HasField("quantity") else 1,
        price=amount("price", line.price) if line.HasField("price") else None,
        tax=amount("tax", line.tax),
        parent_reference_id=line.parent_reference_id or None,
        incentive_id=line.incentive_id or None,
        loyalty_engine_id=line.loyalty_engine_id or None,
        name=line.name or None,
    )


def _applied(discount: discount_pb2.Discount) -> AppliedDiscount:
    is_reward = discount.details.type == discount_pb2.DiscountDetails.reward
    return AppliedDiscount(
        incentive_id=discount.incentive_id or None,
        engine_id=discount.reference_id or None,
        product_id=discount.product_id,
        kind="reward" if is_reward else "offer",
    )


def _orphans(lines: Sequence[BasketLine]) -> Iterator[FieldViolation]:
    known = {line.reference_id for line in lines}
    for index, line in enumerate(lines):
        if line.parent_reference_id is not None and line.parent_reference_id not in known:
            place = f"{DETAILS}.order[{index}].parent_reference_id"
            yield FieldViolation(place, "must name a line of the order")


def _unnamed(details: order_pb2.TransactionDetails) -> Iterator[FieldViolation]:
    named = {order_pb2.OrderLine.reward, order_pb2.OrderLine.offer}
    for index, line in enumerate(details.order):
        if line.product_type in named and not (line.incentive_id or line.loyalty_engine_id):
            place = f"{DETAILS}.order[{index}].incentive_id"
            yield FieldViolation(place, "must name the incentive of a reward or offer line")
    for index, discount in enumerate(details.applied_discounts):
        if not (discount.incentive_id or discount.reference_id):
            place = f"{DETAILS}.applied_discounts[{index}].incentive_id"
            yield FieldViolation(place, "must name the incentive of the discount")
