"""What tills ask, say and print for shoppers without a card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a till asks, says and prints; any part may be empty."""

    code: str = ""
    message: str = ""
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class Prompts:
    """
    The prompt catalogue of a program, by locale.

    Attributes:
        anonymous: For a shopper without a card.
        anonymous_flagged: The same when the till asks for the prompts of a card-less member;
            falls back to `anonymous`.
    """

    anonymous: Mapping[str, Prompt]
    anonymous_flagged: Mapping[str, Prompt]
