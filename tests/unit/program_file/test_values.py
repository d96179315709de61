"""Values are written as an operator writes them."""

from __future__ import annotations

from fractions import Fraction

import pytest

from loyalty_service.program_file.values import amount_text, rate_text


@pytest.mark.parametrize(
    ("minor", "digits", "text"),
    [(450, 2, "4.50"), (5, 2, "0.05"), (-5, 2, "-0.05"), (500, 0, "500"), (1250, 3, "1.250")],
)
def test_amount_text_is_exact(minor: int, digits: int, text: str) -> None:
    """Minor units are written as an operator writes them."""
    assert amount_text(minor, digits) == text


@pytest.mark.parametrize("text", ["10", "12.5", "0.001", "1/3", "0", "1000000", "22/7"])
def test_rate_text_is_exact(text: str) -> None:
    """A rate is written as a decimal where there is one, and is the same rate again."""
    assert rate_text(Fraction(text)) == text
