"""What is said of what a till does about an error; see `advice`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Again(StrEnum):
    """Whether the call may be sent again, and under which idempotency key."""

    SAME_KEY = "same key"
    """As it is, under the same key: after the wait that the answer tells, or at once."""

    CORRECTED = "corrected"
    """Only once what is wrong has changed; the same key may be used, for a refusal keeps none."""

    NEW_KEY = "new key"
    """As it is, but under a key that was never used."""

    NEVER = "never"
    """The same call can't succeed."""


@dataclass(frozen=True, slots=True)
class Advice:
    """
    What to do about an error.

    Attributes:
        again: Whether sending again helps.
        cashier_en: A sentence for the cashier.
        cashier_fr: The same in French.
        calls: Names of the methods that give it; empty where every one can.
    """

    again: Again
    cashier_en: str
    cashier_fr: str
    calls: tuple[str, ...] = ()


WRITING = "writing"
"""Stands in `Advice.calls` for every method that writes."""
