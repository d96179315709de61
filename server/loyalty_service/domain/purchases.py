"""What tills of sessions are told of a purchase: promotions that are near, and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from loyalty_service.domain.prompt_catalogue import Prompt

WAITS = "waits"
CONFIRMED = "confirmed"
LAPSED = "lapsed"
"""What becomes of an order whose points wait until it is confirmed."""

NEAR_MISSES_MAX = 3
"""Promotions that a till is told of."""


@dataclass(frozen=True, slots=True)
class NearMiss:
    """
    A promotion that a purchase nearly earns.

    Attributes:
        amount: What is still to be spent, in minor units; absent where enough is.
        quantity: How many products are missing; absent where none is.
        points: What it gives.
        share: The largest part of anything that is missing, by which the nearest is told first.
    """

    promotion_id: str
    name: str
    amount: int | None
    quantity: int | None
    points: int
    share: Fraction


_EN = {
    "amount": "Spend {amount} more to earn {points} points with {name}.",
    "quantity": "Buy {quantity} more to earn {points} points with {name}.",
    "both": "Buy {quantity} more and spend {amount} more to earn {points} points with {name}.",
    "missed": "A member would have earned {points} points.",
}
_FR = {
    "amount": "Dépensez encore {amount} pour obtenir {points} points avec {name}.",
    "quantity": "Achetez-en encore {quantity} pour obtenir {points} points avec {name}.",
    "both": (
        "Achetez-en encore {quantity} et dépensez encore {amount} pour obtenir {points} points "
        "avec {name}."
    ),
    "missed": "Un membre aurait obtenu {points} points.",
}
TEXTS: Mapping[str, Mapping[str, str]] = {"en-CA": _EN, "en-US": _EN, "fr-CA": _FR}
"""What tills say, by locale."""


def near_miss_prompt(miss: NearMiss, locale: str, currency: str, digits: int) -> Prompt:
    """Word what is still missing for a promotion."""
    missing = "quantity" if miss.amount is None else "amount" if miss.quantity is None else "both"
    text = TEXTS[locale][missing].format(
        amount=money(miss.amount or 0, locale, currency, digits),
        quantity=miss.quantity,
        points=miss.points,
        name=miss.name,
    )
    return Prompt("NEAR_MISS", text)


def missed_prompt(points: int, locale: str, receipt: str) -> Prompt:
    """Word what a shopper without a card would have earned."""
    text = TEXTS[locale]["missed"].format(points=points)
    return Prompt("MISSED_POINTS", text, f"{text} {receipt}".strip())


def money(amount: int, locale: str, currency: str, digits: int) -> str:
    """Write an amount of minor units as people of a locale do."""
    # Only a purchase that nearly earns something pays for this.
    from babel.numbers import format_currency  # noqa: PLC0415

    major = amount / 10**digits
    return str(format_currency(major, currency, locale=locale.replace("-", "_")))
