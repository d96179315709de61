"""Amounts as tills send them, in major units, made into whole minor units."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

AMOUNT_MINOR_MAX = 1_000_000_000
"""Most minor units that one amount may have, be it a price, a tax or a payment."""

TAX_DIGITS = 6
"""Digits after the point that a tax may have, in major units: it is a share of a price."""

_NOISE = Decimal("0.000001")
"""What adding up doubles makes of an amount, at most, in major units."""

_SINGLE_LACKS = 29
"""Binary digits that a number of single precision has less than a double."""


def exact_minor_units(value: float, digits: int) -> int:
    """
    Convert an amount in major units, as a JSON number arrives, to minor units of *digits* digits.

    What adding up doubles leaves behind is no part of it: 22.689999999999998 is 22.69. Nor is what
    a number of single precision can't tell: 32.9900016784668 is 32.99.

    Raises:
        ValueError: It is not finite, further from 0 than `AMOUNT_MINOR_MAX` or has more digits
            than the currency.
    """
    minor = _whole(value, digits)
    if minor is not None:
        return minor
    amount = _amount(value, digits)
    minor = round_minor_units(value, digits)
    if abs(amount - Decimal(minor).scaleb(-digits)) > max(_NOISE, _single_step(value)):
        raise ValueError(f"must have at most {digits} digits after the point")
    return minor


def _single_step(value: float) -> Decimal:
    """Give the distance between numbers of single precision near a value."""
    return Decimal(math.ulp(value) * 2**_SINGLE_LACKS)


def round_minor_units(value: float, digits: int) -> int:
    """
    Convert an amount as `exact_minor_units` does, rounded where it has more digits.

    A half goes away from 0, as tills round.

    Raises:
        ValueError: It is not finite, or further from 0 than `AMOUNT_MINOR_MAX`.
    """
    return int(_amount(value, digits).scaleb(digits).to_integral_value(ROUND_HALF_UP))


def tax_minor_units(value: float, digits: int) -> int | Decimal:
    """
    Convert a tax in major units to minor units, to `TAX_DIGITS` digits of the major unit.

    Raises:
        ValueError: It is not finite, or further from 0 than `AMOUNT_MINOR_MAX`.
    """
    minor = _whole(value, digits)
    if minor is not None:
        return minor
    tax = _amount(value, digits).quantize(_NOISE, ROUND_HALF_UP).scaleb(digits)
    return int(tax) if tax == tax.to_integral_value() else tax.normalize()


def _whole(value: float, digits: int) -> int | None:
    """Give the minor units that a double is the nearest one to, if it is; as most are, and soon."""
    if not abs(value) < AMOUNT_MINOR_MAX / 10**digits:
        return None
    minor = round(value * 10**digits)
    return minor if minor / 10**digits == value else None


def _amount(value: float, digits: int) -> Decimal:
    """
    Read an amount in major units: the shortest decimal of the double, which the till wrote.

    Raises:
        ValueError: It is not finite, or further from 0 than `AMOUNT_MINOR_MAX` minor units.
    """
    if not math.isfinite(value):
        raise ValueError("must be a number")
    amount = Decimal(repr(value))
    if abs(amount.scaleb(digits)) > AMOUNT_MINOR_MAX:
        raise ValueError(f"must be at most {AMOUNT_MINOR_MAX:,} minor units")
    return amount
