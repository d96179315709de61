"""Values are written as an operator writes them."""

from __future__ import annotations

import pytest

from server.application.program_values import amount_text


@pytest.mark.parametrize(
    ("minor", "digits", "text"),
    [(450, 2, "4.50"), (5, 2, "0.05"), (-5, 2, "-0.05"), (500, 0, "500"), (1250, 3, "1.250")],
)
def test_amount_text_is_exact(minor: int, digits: int, text: str) -> None:
    """Minor units are written as an operator writes them."""
    assert amount_text(minor, digits) == text
