"""Purchases as tills of sessions send them: what is wrong in a paid one is put right and told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from loyalty.v1 import purchase_service_pb2 as pb
from loyalty_service.domain.amounts import AMOUNT_MINOR_MAX
from loyalty_service.domain.basket import Basket, BasketLine, Payment
from loyalty_service.domain.flags import AMOUNT_ROUNDED, FIELD_IGNORED, Mend
from loyalty_service.domain.program import Program
from loyalty_service.domain.texts import clean
from loyalty_service.domain.till_time import read_till_time

SKU_MAX = 43
GROUP_MAX = 20
TYPE_MAX = 32
QUANTITY_MAX = 1_000_000
PAYMENTS_MAX = 50
TIME_MAX = 64

_NO_PRODUCT = "-"
"""What stands for a product that the till does not name."""


@dataclass
class PurchaseReader:
    """Reads the parts of a purchase, and notes what was put right in them."""

    program: Program
    mends: list[Mend] = field(default_factory=list)

    def basket(self, lines: Iterable[pb.SaleLineItem], tender: Any) -> Basket:
        """Read the lines and payments; none of them is refused."""
        return Basket(
            lines=tuple(self._line(line, place) for place, line in enumerate(lines)),
            payments=tuple(self._payments(tender))[:PAYMENTS_MAX],
            applied_discounts=(),
            currency=self.program.currency,
        )

    def time(self, text: str, name: str = "transaction_date") -> datetime | None:
        """Read the till's date and time; absent where it tells none, or what is none."""
        if not text.strip():
            return None
        try:
            if len(text) <= TIME_MAX:
                return read_till_time(text)
        except ValueError:
            pass
        self.mends.append(Mend(FIELD_IGNORED, name))
        return None

    def _line(self, sent: pb.SaleLineItem, place: int) -> BasketLine:
        place_of = f"sale_line_items[{place}]"
        told = clean(sent.sku, SKU_MAX)
        if sent.sku != told:
            self.mends.append(Mend(FIELD_IGNORED, f"{place_of}.sku"))
        group = clean(sent.sub_category, GROUP_MAX) or None
        sku = told or _NO_PRODUCT
        quantity = self._quantity(sent, f"{place_of}.quantity")
        total = self._total(sent, place_of)
        price, rest = divmod(total, quantity)
        return BasketLine(
            reference_id=line_name(sku, group),
            product_id=sku,
            product_type="item",
            quantity=quantity,
            price=None if rest else price,
            tax=self._cents(sent.item_tax, f"{place_of}.item_tax"),
            category=group,
            total=total if rest else None,
        )

    def _quantity(self, sent: pb.SaleLineItem, place: str) -> int:
        """Count what a line sells; of what is weighed, each part of one counts as one."""
        told = sent.quantity if sent.HasField("quantity") else 1.0
        if not math.isfinite(told) or not 0 < told <= QUANTITY_MAX:
            self.mends.append(Mend(FIELD_IGNORED, place))
            return 1
        return math.ceil(told)

    def _total(self, sent: pb.SaleLineItem, place: str) -> int:
        if sent.HasField("sale_amount"):
            return self._cents(sent.sale_amount, f"{place}.sale_amount")
        told = sent.quantity if sent.HasField("quantity") else 1.0
        return self._cents(
            sent.original_sale_amount * told - sent.item_discount, f"{place}.original_sale_amount"
        )

    def _cents(self, value: float, place: str) -> int:
        """Take an amount of minor units as a whole number of them."""
        if not math.isfinite(value) or abs(value) > AMOUNT_MINOR_MAX:
            self.mends.append(Mend(FIELD_IGNORED, place))
            return 0 if math.isnan(value) else int(math.copysign(AMOUNT_MINOR_MAX, value))
        whole = int(Decimal(repr(value)).to_integral_value(ROUND_HALF_UP))
        if whole != value:
            self.mends.append(Mend(AMOUNT_ROUNDED, place))
        return whole

    def _payments(self, tender: Any) -> Iterator[Payment]:
        for kind, value in tender.fields.items():
            name = clean(kind, TYPE_MAX).upper()
            amounts = list(self._amounts(value))
            if not name or not amounts:
                self.mends.append(Mend(FIELD_IGNORED, "tender"))
                continue
            yield Payment(name, sum(amounts))

    def _amounts(self, value: Any) -> Iterator[int]:
        """Give the amounts of a type of payment, in minor units."""
        which = value.WhichOneof("kind")
        if which == "list_value":
            for one in value.list_value.values:
                if one.WhichOneof("kind") == "struct_value" and "amount" in one.struct_value.fields:
                    yield from self._amounts(one.struct_value.fields["amount"])
            return
        told = {"number_value": value.number_value, "string_value": value.string_value}.get(which)
        if told is None:
            return
        try:
            amount = Decimal(str(told).strip()).scaleb(self.program.currency_digits)
            minor = int(amount.to_integral_value(ROUND_HALF_UP))
        except (InvalidOperation, OverflowError, ValueError):
            return
        yield max(-AMOUNT_MINOR_MAX, min(minor, AMOUNT_MINOR_MAX))


def line_name(sku: str, group: str | None) -> str:
    """Name a line by what it sells, so that what comes back of it is found by the same."""
    return sku if group is None else f"{group}/{sku}"
