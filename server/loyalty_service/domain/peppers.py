"""The code peppers of one server: the one it digests with, and those it also knows."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

CHECK_BYTES = 32
"""Length of a check value."""


@dataclass(frozen=True, slots=True, repr=False)
class Peppers:
    """
    The secrets that one server digests codes with.

    Attributes:
        current: What is made today is made with it.
        others: What was made with these, or is by other servers, is found and opened as well.
        known: Every pepper once, the current one first.
    """

    current: bytes
    others: tuple[bytes, ...] = ()
    known: tuple[bytes, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Put them together once: every code that is shown is digested with each."""
        known = tuple(dict.fromkeys((self.current, *self.others)))
        object.__setattr__(self, "known", known)

    @classmethod
    def of(cls, pepper: bytes | Peppers) -> Peppers:
        """Take a single pepper as one that is alone."""
        return pepper if isinstance(pepper, Peppers) else cls(pepper)


def check_of(pepper: bytes) -> bytes:
    """
    Make the check value of a pepper, 32 bytes that tell it from any other.

    To a thief they tell no more than the digest of a code, which is keyed alike.
    """
    return hmac.digest(pepper, b"loyalty pepper of a store", hashlib.sha256)


def name_of(check_value: bytes) -> str:
    """Shorten a check value to what a person compares: 8 hexadecimal digits."""
    return check_value[:4].hex()
