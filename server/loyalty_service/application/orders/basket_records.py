"""The stored form of a basket: the text that is kept with its transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, TypeVar

from loyalty_service.domain.basket import AppliedDiscount, Basket, BasketLine, Payment

T = TypeVar("T")

NAMES: Mapping[type, tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind))
    for kind in (Basket, BasketLine, Payment, AppliedDiscount)
}
"""Fields of each part of a basket."""


def basket_to_json(basket: Basket) -> str:
    """Write an order as the text to keep with its transaction."""
    return json.dumps(basket, default=_document, ensure_ascii=False, separators=(",", ":"))


def _document(part: Any) -> dict[str, Any] | str:
    """Give the fields of a part; `asdict` copies all that is in them, ten times as slowly."""
    if isinstance(part, Decimal):  # A tax that is no whole number.
        return str(part)
    return {name: getattr(part, name) for name in NAMES[type(part)]}


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
    known = NAMES[kind]
    return tuple(
        kind(**{name: document[name] for name in known if name in document})
        for document in documents
    )
