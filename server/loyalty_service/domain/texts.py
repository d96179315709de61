"""Texts of tills that nothing depends on: all are accepted, and kept short and clean."""

from __future__ import annotations

import hashlib
import re

NAME_MAX = 255
"""Most characters that are kept of a text for people."""

REFERENCE_MAX = 64
"""Most characters of the name of a line in its order."""

LABEL_MAX = 64
"""Most characters that are kept of what tells one till or cashier from another."""

_UNPRINTED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
"""Control characters and line breaks: Unicode's categories Cc, Zl and Zp."""


_ASCII_UNPRINTED = dict.fromkeys([*range(32), 127])
"""The same of ASCII, for a faster way."""

_LONG = 4
"""So many times as long as what is kept of it a text is looked at: cleaning takes time."""


_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f]")
"""Control characters alone: Unicode's category Cc."""


def has_controls(text: str) -> bool:
    """Tell whether a text has a control character; tab and line feed are such characters."""
    return _CONTROLS.search(text) is not None


def without_controls(text: str, longest: int) -> str:
    """Remove control characters from a text, and cut it; its blanks stay, as it is compared."""
    return _CONTROLS.sub("", text)[:longest]


def clean(text: str, longest: int = NAME_MAX) -> str:
    """Take control characters, line breaks and outer blanks off a text, and cut it."""
    return _printed(text[: _LONG * longest])[:longest].rstrip()


def label(text: str) -> str:
    """
    Make of a text a name of at most `LABEL_MAX` characters, as different as the texts are.

    A longer one is cut and ends in a digest of the whole.
    """
    if len(text) <= LABEL_MAX and text.isprintable():
        return text.strip()  # As nearly all are: every call has several.
    printed = _printed(text[: _LONG * LABEL_MAX])
    whole = text if len(text) > _LONG * LABEL_MAX else printed
    if len(whole) <= LABEL_MAX:
        return whole
    digest = "~" + hashlib.sha256(whole.encode()).hexdigest()[:16]
    return printed[: LABEL_MAX - len(digest)] + digest


def _printed(text: str) -> str:
    if text.isprintable():
        return text.strip()
    if text.isascii():
        return text.translate(_ASCII_UNPRINTED).strip()
    return _UNPRINTED.sub("", text).strip()


def vendor_key(name: str) -> str:
    """Give the name of a vendor as names are compared: without case and outer blanks."""
    return name.strip().casefold()
