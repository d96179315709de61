"""The stored form of a basket: the text that is kept with its transaction."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from decimal import Decimal
from typing import Any, TypeVar

from server.domain.basket import AppliedDiscount, Basket, BasketLine, Payment

T = TypeVar("T")


def basket_to_json(basket: Basket) -> str:
    """Write an order as the text to keep with its transaction."""
    # Only a tax may be no whole number.
    return json.dumps(asdict(basket), ensure_ascii=False, separators=(",", ":"), default=str)


def basket_from_json(text: str) -> Basket:
    """Read a kept order; what a later version wrote besides is left out."""
    document = json.loads(text)
    return Basket(
        lines=_all(BasketLine, map(_with_tax, document.get("lines", ()))),
        payments=_all(Payment, document.get("payments", ())),
        applied_discounts=_all(AppliedDiscount, document.get("applied_discounts", ())),
        currency=document.get("currency", ""),
    )


def _with_tax(line: dict[str, Any]) -> dict[str, Any]:
    tax = line.get("tax", 0)
    return line | {"tax": Decimal(tax)} if isinstance(tax, str) else line


def _all(kind: type[T], documents: Any) -> tuple[T, ...]:
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return tuple(
        kind(**{name: document[name] for name in known if name in document})
        for document in documents
    )
