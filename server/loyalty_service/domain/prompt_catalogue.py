"""What tills ask, say and print in sessions of shoppers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
        no_email: For a member whose e-mail address is not known; nothing where it is left out.
    """

    anonymous: Mapping[str, Prompt]
    anonymous_flagged: Mapping[str, Prompt]
    no_email: Mapping[str, Prompt] = field(default_factory=dict)


NO_PROMPTS = Prompts({}, {})
