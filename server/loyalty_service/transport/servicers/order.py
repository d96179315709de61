"""Orders as requests carry them: every amount is converted to whole minor units here, once."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import cast

from loyalty.v1 import discount_pb2, order_pb2
from loyalty_service.domain.amounts import exact_minor_units, round_minor_units, tax_minor_units
from loyalty_service.domain.basket import (
    INCENTIVE_TYPES,
    AppliedDiscount,
    Basket,
    BasketLine,
    Payment,
)
from loyalty_service.domain.earning_rules import ProductType
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.flags import AMOUNT_ROUNDED, INCENTIVE_UNNAMED, PARENT_IGNORED, Mend
from loyalty_service.domain.program import Incentive, IncentiveKind, Program
from loyalty_service.domain.texts import LABEL_MAX, REFERENCE_MAX, clean, label
from loyalty_service.domain.visit import PointOfSale
from loyalty_service.domain.worth import tree_of

DETAILS = "transaction_details"

NO_PARENT = "0"
"""What some tills write for the parent of a line that is a part of none."""


def point_of_sale(vendor: order_pb2.PosVendor) -> PointOfSale:
    """Read the calling point of sale."""
    return PointOfSale(
        transaction_id=vendor.transaction_id,
        store_id=vendor.store_id,
        pos_type=vendor.pos_type,
        supporting_pos=label(vendor.supporting_pos) or None,
        terminal=label(vendor.terminal) or None,
        operator=label(vendor.operator) or None,
    )


def read_basket(
    details: order_pb2.TransactionDetails, program: Program, *, paid: bool
) -> tuple[Basket, tuple[Mend, ...]]:
    """
    Read a whole order, and tell what was corrected in it.

    A *paid* order is not refused because of a detail.

    Raises:
        RequestInvalidError: With every amount that is not one of the program's currency, every
            line whose parent is not in the order or is the line itself, and every incentive that
            is not named.
    """
    reader = _Reader(program, point_of_sale(details.pos_vendor).plu_vendors, paid)
    basket = Basket(
        lines=tuple(reader.lines(details.order)),
        payments=tuple(
            Payment(payment.type.strip().upper(), payment.amount) for payment in details.payments
        ),
        applied_discounts=tuple(reader.discounts(details.applied_discounts)),
        # A paid order may say none: its amounts are the program's then.
        currency=details.currency.upper() or program.currency,
    )
    if reader.violations:
        raise RequestInvalidError(tuple(reader.violations))
    return basket, tuple(reader.mends)


@dataclass
class _Reader:
    """
    Reads the parts of an order, and notes what is wrong with them.

    Attributes:
        vendors: Whose PLUs the order has.
        paid: Whether what can be corrected is corrected.
    """

    program: Program
    vendors: tuple[str, ...]
    paid: bool
    violations: list[FieldViolation] = field(default_factory=list)
    mends: list[Mend] = field(default_factory=list)

    def lines(self, sent: Iterable[order_pb2.OrderLine]) -> list[BasketLine]:
        """Read the lines."""
        lines = [self._line(line, f"{DETAILS}.order[{place}]") for place, line in enumerate(sent)]
        if any(line.parent_reference_id is not None for line in lines):
            self._check_parents(lines)
        return lines

    def discounts(self, sent: Iterable[discount_pb2.Discount]) -> list[AppliedDiscount]:
        """Read the discounts; one of the till's own that has no name is left out."""
        read = []
        for place, discount in enumerate(sent):
            is_reward = discount.details.type == discount_pb2.DiscountDetails.reward
            kind: IncentiveKind = "reward" if is_reward else "offer"
            incentive_id = discount.incentive_id or None
            engine_id = discount.reference_id or None
            names = incentive_id, engine_id
            if self.program.find_incentive(*names) is None:
                found = self._found_by_plu(discount.product_id, kind, *names)
                if found is not None:
                    incentive_id = found.incentive_id
                elif not _is_named(*names):
                    self._nameless(
                        f"{DETAILS}.applied_discounts[{place}]",
                        "must name the incentive of the discount",
                        is_refused=is_reward,
                    )
                    continue
            read.append(
                AppliedDiscount(
                    incentive_id,
                    engine_id,
                    discount.product_id,
                    kind,
                    _line_named(discount.applies_to),
                    discount.amount_off if discount.HasField("amount_off") else None,
                )
            )
        return read

    def _line(self, sent: order_pb2.OrderLine, place: str) -> BasketLine:
        product_type = cast("ProductType", order_pb2.OrderLine.ProductType.Name(sent.product_type))
        line = BasketLine(
            reference_id=sent.reference_id,
            product_id=sent.product_id,
            product_type=product_type,
            quantity=sent.quantity if sent.HasField("quantity") else 1,
            price=self._price(sent.price, f"{place}.price") if sent.HasField("price") else None,
            tax=self._tax(sent.tax, f"{place}.tax"),
            parent_reference_id=sent.parent_reference_id or None,
            incentive_id=sent.incentive_id or None,
            loyalty_engine_id=sent.loyalty_engine_id or None,
            name=clean(sent.name) or None,
            category=clean(sent.category, LABEL_MAX) or None,
            applies_to=_line_named(sent.applies_to),
            amount_off=sent.amount_off if sent.HasField("amount_off") else None,
        )
        if product_type not in INCENTIVE_TYPES:
            return line
        names = line.incentive_id, line.loyalty_engine_id
        if self.program.find_incentive(*names) is not None:
            return line
        kind: IncentiveKind = "reward" if product_type == "reward" else "offer"
        found = self._found_by_plu(line.product_id, kind, *names)
        if found is not None:
            return replace(line, incentive_id=found.incentive_id)
        if _is_named(*names):
            return line
        if line.quantity > 0:
            message = "must name the incentive of a reward or offer line"
            self._nameless(place, message, is_refused=kind == "reward" or not self.paid)
        elif kind == "reward":
            # It takes back what was known by the same PLU, and is refused for nothing.
            return line
        # What was sold so is a product like others: the guest has paid for it.
        return replace(line, product_type="item")

    def _price(self, value: float, place: str) -> int:
        digits = self.program.currency_digits
        try:
            return exact_minor_units(value, digits)
        except ValueError as problem:
            if self.paid:
                with suppress(ValueError):
                    minor = round_minor_units(value, digits)
                    self.mends.append(Mend(AMOUNT_ROUNDED, place))
                    return minor
            self.violations.append(FieldViolation(place, str(problem)))
            return 0

    def _tax(self, value: float, place: str) -> int | Decimal:
        try:
            return tax_minor_units(value, self.program.currency_digits)
        except ValueError as problem:
            if self.program.earning.include_tax:
                self.violations.append(FieldViolation(place, str(problem)))
            return 0

    def _found_by_plu(self, plu: str, kind: IncentiveKind, *names: str | None) -> Incentive | None:
        """
        Find what is offered under a PLU, where nobody knows the *names* beside it.

        What has such a name and is an offer to the till is not taken for a reward: it costs points.
        """
        found = self.program.find_by_plu(plu, self.vendors)
        if found is not None and found.kind == "reward" != kind and _is_named(*names):
            return None
        return found

    def _nameless(self, place: str, message: str, *, is_refused: bool) -> None:
        """Note what nothing names; what costs points is never paid for without its name."""
        place = f"{place}.incentive_id"
        if is_refused:
            self.violations.append(FieldViolation(place, message))
        elif self.paid:
            self.mends.append(Mend(INCENTIVE_UNNAMED, place))

    def _check_parents(self, lines: list[BasketLine]) -> None:
        """Make each line that is a part of none of the others, or of itself, a part of none."""
        known = {line.reference_id for line in lines}
        rings = tree_of(lines).rings
        for index, line in enumerate(lines):
            parent = line.parent_reference_id
            if parent is None:
                continue
            no_parent = parent == NO_PARENT and (parent not in known or parent == line.reference_id)
            if not no_parent and parent in known and index not in rings:
                continue
            lines[index] = replace(line, parent_reference_id=None)
            if no_parent:
                continue
            place = f"{DETAILS}.order[{index}].parent_reference_id"
            if self.paid:
                self.mends.append(Mend(PARENT_IGNORED, place))
            elif index in rings:
                self.violations.append(FieldViolation(place, "must not make a line its own part"))
            else:
                self.violations.append(FieldViolation(place, "must name a line of the order"))


def _line_named(reference_id: str) -> str | None:
    """Give what a reward works on; what is longer than any line's name is the name of none."""
    return reference_id if 0 < len(reference_id) <= REFERENCE_MAX else None


def _is_named(*names: str | None) -> bool:
    """Tell whether an incentive has a name, known or not; blanks are none."""
    return any(name and name.strip() for name in names)
