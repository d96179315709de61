"""
What a call means, in one place for each kind of call: this tells whether a call is a repeated one.

A till that repeats a call often builds it again, with another time, card token, tip or cashier. So
a call means what rules and earning read of it. Calls under an idempotency key and repeated reports
are compared by this meaning. Its fingerprint is kept with the version that made it and with what
the program read then, so a call that is sent again is compared as the first one was, whatever has
been upgraded or applied since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from decimal import Decimal
from enum import IntFlag
from typing import Any, Protocol

from loyalty_service.domain.basket import AppliedDiscount, Basket, BasketLine, paid_types
from loyalty_service.domain.incentive_uses import named_incentives
from loyalty_service.domain.program import Program
from loyalty_service.domain.restrictions import MinimumSpend, PaymentMethods

VERSION = 2
"""Number of this way to tell what a call means; the first one kept bare hashes of requests."""

_HASH_BYTES = hashlib.sha256().digest_size


class Read(IntFlag):
    """What a program reads of an order besides what every program does; kept as one byte."""

    NOTHING = 0
    PAYMENT_TYPES = 1
    WHETHER_PAID = 2
    TAX = 4
    PAYMENTS = 8


class Meant(Protocol):
    """A command that tells what it means."""

    def meaning(self, read: Read) -> tuple[Any, ...]:
        """Give what it means, in values of JSON, for a program that reads so much of it."""


def read_by(program: Program, command: Meant) -> Read:
    """Tell what a program reads of a command: the rules of what its order uses, and the earning."""
    basket: Basket | None = getattr(command, "basket", None)
    if basket is None:
        return Read.NOTHING
    read = Read.TAX if program.earning.include_tax else Read.NOTHING
    if program.earning.payments:
        read |= Read.PAYMENTS
    for name in named_incentives(basket):
        incentive = program.find_incentive(*name)
        rules = {type(rule) for rule in incentive.rules} if incentive else set()
        if PaymentMethods in rules:
            read |= Read.PAYMENT_TYPES
        if rules & {PaymentMethods, MinimumSpend}:
            read |= Read.WHETHER_PAID
    return read


def fingerprint(method: str, command: Meant, read: Read) -> bytes:
    """Hash what a call of an RPC, as `Service/Method`, means."""
    text = json.dumps([method, *command.meaning(read)], separators=(",", ":"))
    return bytes((VERSION, read)) + hashlib.sha256(text.encode()).digest()


def is_repeat(kept: bytes, method: str, command: Meant, first: Callable[[], bytes]) -> bool:
    """
    Tell whether a call means what one did whose fingerprint was kept, by any version.

    *first* gives the fingerprint of the first version, which is asked for where that one kept it.
    """
    if len(kept) == _HASH_BYTES:
        return kept == first()
    return kept[:1] == bytes((VERSION,)) and kept == fingerprint(method, command, Read(kept[1]))


def meaning_of(basket: Basket, read: Read, *, claiming: bool) -> tuple[Any, ...]:
    """Give what an order buys and uses, and how it is paid where the program reads that."""
    lines = [
        [
            line.reference_id,
            line.parent_reference_id,
            line.product_id,
            line.product_type,
            line.quantity,
            line.price,
            line.incentive_id,
            line.loyalty_engine_id,
            _tax(line.tax) if read & Read.TAX else 0,
            *([] if line.category is None else [line.category]),
            *_amount_off(line),
            *([] if line.total is None else [line.total]),
        ]
        for line in basket.lines
    ]
    discounts = [
        [
            discount.incentive_id,
            discount.engine_id,
            discount.product_id,
            discount.kind,
            *_amount_off(discount),
        ]
        for discount in basket.applied_discounts
    ]
    types = paid_types(basket)
    told: list[Any] = sorted(types) if read & Read.PAYMENT_TYPES else []
    if read & Read.PAYMENTS:
        told += sorted([payment.type, payment.amount] for payment in basket.payments)
    paid = bool(read & Read.WHETHER_PAID and types and not claiming)
    return lines, discounts, basket.currency, told, paid


def _amount_off(part: BasketLine | AppliedDiscount) -> list[Any]:
    """Give what was taken off, which is kept; nothing where nothing is told of it."""
    if part.amount_off is None and part.applies_to is None:
        return []
    return [part.applies_to, part.amount_off]


def _tax(tax: int | Decimal) -> int | str:
    """Give a tax as a value of JSON, which has no exact fractions."""
    return tax if isinstance(tax, int) else str(tax)
