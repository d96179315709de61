"""What a guest may show at a till: a code or a loyalty ID."""

from __future__ import annotations

import re
from enum import StrEnum

from server.domain.errors import IdentificationFailedError, IdentifierInvalidError

_CODE = re.compile(r"[0-9]{6}")
_LOYALTY_ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# 32 hex digits, whatever dashes, braces or blanks stand between them.
_LOOSE_LOYALTY_ID = re.compile(r"[{(\s]*(?:[0-9a-fA-F][-\s]*){32}[})\s]*")


class IdentifierKind(StrEnum):
    """Kinds of identifier, as programs switch them on."""

    CODE = "code"
    LOYALTY_ID = "loyalty_id"


def classify_identifier(identifier: str) -> IdentifierKind:
    """
    Tell what kind of identifier a guest showed.

    Raises:
        IdentificationFailedError: It resembles a loyalty ID and is none.
        IdentifierInvalidError: It is of no known kind.
    """
    if _CODE.fullmatch(identifier):
        return IdentifierKind.CODE
    if _LOYALTY_ID.fullmatch(identifier):
        return IdentifierKind.LOYALTY_ID
    if _LOOSE_LOYALTY_ID.fullmatch(identifier):
        raise IdentificationFailedError
    raise IdentifierInvalidError
