"""The kinds of value that a program file has, each with the message of its mistakes."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo
from pydantic_core import PydanticCustomError

from loyalty_service.domain.amounts import AMOUNT_MINOR_MAX

POINTS_MAX = 1_000_000_000
STORE_ID_MAX = 2**31 - 1

_NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})
"""Files among the time zones that are another zone on each machine, or no zone."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_BUT_BREAK = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Entry(BaseModel):
    """A mapping of the file: every key known, no value converted silently."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def amount_text(minor: int, digits: int) -> str:
    """Write minor units as the amount an operator reads: 450 with 2 digits is `4.50`."""
    whole, rest = divmod(abs(minor), 10**digits)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}.{rest:0{digits}}" if digits else f"{sign}{whole}"


def rate_text(rate: Fraction) -> str:
    """Write a rate exactly: as a decimal where there is one, else as a fraction such as `1/3`."""
    decimal = Decimal(rate.numerator) / Decimal(rate.denominator)
    return f"{decimal:f}" if Fraction(decimal) == rate else str(rate)


def refusal(message: str) -> PydanticCustomError:
    """Make the error of a value, whose message pydantic must not change."""
    return PydanticCustomError("program_file", "{message}", {"message": message})


def whole_number(least: int, most: int) -> BeforeValidator:
    """Take a whole number between two ends."""

    def check(value: object) -> int:
        if type(value) is not int or not least <= value <= most:
            raise refusal(f"must be a whole number from {least:,} to {most:,}")
        return value

    return BeforeValidator(check)


def amount_from(least_minor: int) -> BeforeValidator:
    """Take an amount in major units, converted to minor units; context `digits` tells how."""

    def check(value: object, info: ValidationInfo) -> int:
        digits: int = info.context["digits"] if info.context else 0
        minor = _minor_units(value, digits)
        if minor is None or not least_minor <= minor <= AMOUNT_MINOR_MAX:
            least, most = (amount_text(end, digits) for end in (least_minor, AMOUNT_MINOR_MAX))
            after = f"at most {digits} digits after the point" if digits else "no decimals"
            raise refusal(f"must be an amount from {least} to {most} with {after}")
        return minor

    return BeforeValidator(check)


def whole_amount() -> BeforeValidator:
    """Take an amount in whole major units, converted to minor units as by `amount_from`."""

    def check(value: object, info: ValidationInfo) -> int:
        digits: int = info.context["digits"] if info.context else 0
        minor = _minor_units(value, digits)
        most = AMOUNT_MINOR_MAX // 10**digits
        if minor is None or minor % 10**digits or not 1 <= minor // 10**digits <= most:
            raise refusal(
                f"must be a whole amount from 1 to {most:,}: tills are told it as an integer"
            )
        return minor

    return BeforeValidator(check)


def _minor_units(value: object, digits: int) -> int | None:
    """Convert an amount in major units; None if it is not an amount, or has too many digits."""
    if type(value) is int:
        return value * int(10**digits)
    if type(value) is not Decimal or -int(value.as_tuple().exponent) > digits:
        return None
    return int(value.scaleb(digits))  # Exact: a program file has no number of more than 27 digits.


def text_of(
    least: int, most: int, *, form: str | None = None, hint: str = "", breaks: bool = False
) -> BeforeValidator:
    """Take text of a length, perhaps of one *form*, which *hint* describes, or with line breaks."""
    control = _CONTROL_BUT_BREAK if breaks else _CONTROL

    def check(value: object) -> str:
        if not isinstance(value, str):
            raise refusal(
                "must be text" + ("" if isinstance(value, dict | list) else ", in quotes")
            )
        if form and not re.fullmatch(form, value):
            raise refusal(f"must be {hint}")
        if value != value.strip():
            raise refusal("must not begin or end with blanks; write a block text with `>-` or `|-`")
        if control.search(value):
            raise refusal(
                "must not have control characters" + ("" if breaks else " or line breaks")
            )
        if not least <= len(value) <= most:
            raise refusal(f"must be {least:,} to {most:,} characters long")
        return value

    return BeforeValidator(check)


def one_of(*words: str) -> BeforeValidator:
    """Take one of some words."""
    listed = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise refusal(f"must be {listed}{nearest(value, words)}")
        return value

    return BeforeValidator(check)


def nearest(value: object, words: Iterable[str]) -> str:
    """Ask whether the nearest of some words was meant; empty when none is near."""
    close = difflib.get_close_matches(value, list(words), n=1) if isinstance(value, str) else []
    return f"; did you mean `{close[0]}`?" if close else ""


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones() - _NO_PLACES)


_ABBREVIATED = {
    "AEST": "Australia/Sydney",
    "AST": "America/Halifax",
    "BST": "Europe/London",
    "CEST": "Europe/Paris",
    "CST": "America/Chicago",
    "CT": "America/Chicago",
    "EDT": "America/New_York",
    "ET": "America/New_York",
    "IST": "Asia/Kolkata",
    "JST": "Asia/Tokyo",
    "MDT": "America/Denver",
    "MT": "America/Denver",
    "NST": "America/St_Johns",
    "PST": "America/Los_Angeles",
    "PT": "America/Los_Angeles",
}
"""Places in zones that people know by letters which are no names, or those of another zone."""


@lru_cache(maxsize=256)
def _near_time_zone(value: str) -> str:
    """Ask whether a place was meant; a zone without a place is near to any three letters."""
    letters = value.upper()
    place = _ABBREVIATED.get(letters) or _ABBREVIATED.get(letters.replace("DT", "ST"))
    if place is not None:
        return f"; did you mean `{place}`?"
    return nearest(value, (zone for zone in _time_zones() if "/" in zone))


def _check_time_zone(value: object) -> str:
    near = ""
    if isinstance(value, str):
        if value in _time_zones():
            return value
        near = _near_time_zone(value)
    raise refusal(f"must be an IANA time zone such as America/Toronto{near}")


def _check_switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise refusal("must be true or false")
    return value


Switch = Annotated[bool, BeforeValidator(_check_switch)]
TimeZone = Annotated[str, BeforeValidator(_check_time_zone)]
Name = Annotated[str, text_of(1, 100)]
Points = Annotated[int, whole_number(1, POINTS_MAX)]
Sum = Annotated[int, amount_from(1)]
