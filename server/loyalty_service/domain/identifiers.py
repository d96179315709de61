"""Identifiers: what a guest may show at a till, a code or a loyalty ID, and those made here."""

from __future__ import annotations

import os
import re
from enum import StrEnum

from loyalty_service.domain.errors import IdentificationFailedError, IdentifierInvalidError

SCANNER_NOISE = "".join(map(chr, range(0x21))) + ("\xa0\u200b\u200c\u200d\u200e\u200f\u2060\ufeff")
"""What scanners put around what they read: control characters, blanks, marks without a width."""

_SYMBOLOGY = re.compile(r"\][A-Za-z][0-9A-Za-z]")
"""What a scanner may name first: which kind of code it read, "]Q3" for instance."""

_SPACED_CODE = re.compile(r"[0-9](?:[\s-]*[0-9]){5}")
_CODE = re.compile(r"[0-9]{6}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# 32 hex digits, whatever dashes, braces or blanks stand between them.
_LOOSE_LOYALTY_ID = re.compile(r"[{(\s]*(?:[0-9a-fA-F][-\s]*){32}[})\s]*")


class IdentifierKind(StrEnum):
    """Kinds of identifier, as programs switch them on."""

    CODE = "code"
    LOYALTY_ID = "loyalty_id"
    PHONE = "phone"
    CARD = "card"
    EMAIL = "email"
    """Only in sessions of ES: in a till's field for identifiers it is none."""


BY_SIGHT = frozenset({IdentifierKind.PHONE, IdentifierKind.CARD, IdentifierKind.EMAIL})
"""Kinds that others may know: whoever shows one earns and never redeems."""

_PHONE = re.compile(r"\+?[0-9(][0-9\s().-]{5,30}")
_CARD = re.compile(r"[0-9A-Za-z]{7,64}")


def phone_of(shown: str, prefix: str) -> str | None:
    """
    Write a phone number as one is kept, "+14165550123"; absent where it can be none.

    *prefix* stands before numbers that are told without their country.
    """
    if not _PHONE.fullmatch(shown):
        return None
    digits = re.sub(r"\D", "", shown)
    if is_code(digits):
        return None
    if shown.startswith("+"):
        number = f"+{digits}"
    elif digits.startswith("00"):
        number = f"+{digits[2:]}"
    else:
        number = f"{prefix}{digits.lstrip('0')}" if prefix else ""
    return number if re.fullmatch(r"\+[1-9][0-9]{6,14}", number) else None


def card_of(shown: str) -> str | None:
    """Give the number of a card, in upper case; absent where it can be none."""
    return shown.upper() if _CARD.fullmatch(shown) else None


def is_code(text: str) -> bool:
    """Tell whether a text has the form of codes."""
    return _CODE.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    """Tell whether a text has the form of loyalty IDs and transaction IDs."""
    return _UUID.fullmatch(text) is not None


def without_noise(read: str) -> str:
    """Leave out what a scanner puts around what it has read."""
    trimmed = read.strip(SCANNER_NOISE)
    symbology = _SYMBOLOGY.match(trimmed)
    return trimmed[symbology.end() :].lstrip(SCANNER_NOISE) if symbology else trimmed


def plain_identifier(shown: str) -> str:
    """Undo what scanners and people do: noise around it, blanks and dashes within six digits."""
    trimmed = without_noise(shown)
    if _SPACED_CODE.fullmatch(trimmed):
        return "".join(trimmed.split()).replace("-", "")
    return trimmed


def classify_identifier(identifier: str) -> IdentifierKind:
    """
    Tell what kind of identifier a guest showed.

    Raises:
        IdentificationFailedError: It looks like a loyalty ID but is not one.
        IdentifierInvalidError: It is of no known kind.
    """
    if _CODE.fullmatch(identifier):
        return IdentifierKind.CODE
    if is_uuid(identifier):
        return IdentifierKind.LOYALTY_ID
    if _LOOSE_LOYALTY_ID.fullmatch(identifier):
        raise IdentificationFailedError
    raise IdentifierInvalidError


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def new_id(now_ms: int) -> str:
    """
    Make a UUID of version 7 (RFC 9562): 48 bits of time, 74 random bits.

    They sort by the time they were made, so that indexes stay compact.
    """
    time = f"{now_ms:012x}"
    random = os.urandom(10).hex()
    return f"{time[:8]}-{time[8:]}-7{random[:3]}-{_VARIANT[random[3]]}{random[4:7]}-{random[7:19]}"


def random_id() -> str:
    """Make a UUID of version 4: 122 random bits. Python's own module takes three times as long."""
    random = os.urandom(16).hex()
    return (
        f"{random[:8]}-{random[8:12]}-4{random[13:16]}-"
        f"{_VARIANT[random[16]]}{random[17:20]}-{random[20:]}"
    )
