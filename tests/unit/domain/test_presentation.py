"""What a receipt says, in the guest's language."""

from __future__ import annotations

from string import Formatter

import pytest

from loyalty_service.domain.presentation import TEXTS, claimed_presentation, unclaimed_presentation
from loyalty_service.domain.program import LOCALES


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("locale", [*LOCALES, "EN", "FR"])
def test_every_locale_has_every_text_with_its_values(locale: str) -> None:
    """No language lacks a text, nor a value that another one's text shows."""
    english = TEXTS["en-CA"]

    assert TEXTS[locale].keys() == english.keys()
    for name, text in TEXTS[locale].items():
        assert _fields(text) == _fields(english[name])


@pytest.mark.parametrize(
    ("locale", "earned", "redeemed", "total"),
    [
        ("en-CA", "Earned: 50", "Redeemed: 800", "Balance: 14464"),
        ("EN", "Earned: 50", "Redeemed: 800", "Balance: 14464"),
        ("FR", "Accumulés : 50", "Échangés : 800", "Solde : 14464"),
        ("fr-CA", "Accumulés : 50", "Échangés : 800", "Solde : 14464"),
        (None, "Earned: 50", "Redeemed: 800", "Balance: 14464"),
        ("xx-XX", "Earned: 50", "Redeemed: 800", "Balance: 14464"),
    ],
)
def test_claimed_order_tells_points(
    locale: str | None, earned: str, redeemed: str, total: str
) -> None:
    """An unknown language falls back to English, as the contract's example words it."""
    texts = claimed_presentation("Royal Perks", locale, "t-1", 50, 800, 14464)

    assert (texts.points_earned, texts.points_redeemed) == (earned, redeemed)
    assert (texts.header, texts.total_points) == ("Royal Perks", total)
    assert "t-1" in texts.identifier
    assert texts.marketing is None


def test_claimed_order_without_rewards_says_nothing_of_them() -> None:
    """A line that would say 0 redeemed is not printed; 0 earned is."""
    texts = claimed_presentation("Royal Perks", None, "t-1", 0, 0, 7)

    assert (texts.points_earned, texts.points_redeemed) == ("Earned: 0", None)


@pytest.mark.parametrize("locale", LOCALES)
def test_unclaimed_order_tells_the_code(locale: str) -> None:
    """What can be earned, and the code to earn it by, stand in one text; no balance is known."""
    texts = unclaimed_presentation("Royal Perks", locale, "t-1", 50, "23456789ABCD")

    assert texts.marketing is not None
    assert "50" in texts.marketing
    assert texts.marketing.endswith("23456789ABCD")
    assert (texts.points_earned, texts.total_points) == (None, None)
