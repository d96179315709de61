"""Texts that tills send and nobody needs: any is taken, and what is kept is short and clean."""

from __future__ import annotations

import hashlib
import unicodedata

NAME_MAX = 255
"""Most characters that are kept of a text for people."""

LABEL_MAX = 64
"""Most characters that are kept of what tells one till or cashier from another."""

_UNPRINTED = frozenset({"Cc", "Zl", "Zp"})
"""Unicode's categories of control characters and line breaks."""


def clean(text: str, longest: int = NAME_MAX) -> str:
    """Take control characters, line breaks and outer blanks off a text, and cut it."""
    return _printed(text)[:longest].rstrip()


def label(text: str) -> str:
    """
    Make of a text a name of at most `LABEL_MAX` characters, as different as the texts are.

    A longer one is cut and ends in a digest of the whole.
    """
    printed = _printed(text)
    if len(printed) <= LABEL_MAX:
        return printed
    digest = "~" + hashlib.sha256(printed.encode()).hexdigest()[:16]
    return printed[: LABEL_MAX - len(digest)] + digest


def _printed(text: str) -> str:
    if text.isprintable():
        return text.strip()
    return "".join(sign for sign in text if unicodedata.category(sign) not in _UNPRINTED).strip()
