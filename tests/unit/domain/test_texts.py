"""What tills write for people is kept short and clean, and tells apart what it told apart."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from loyalty_service.domain.texts import LABEL_MAX, NAME_MAX, clean, label


def test_line_breaks_and_control_characters_are_left_out() -> None:
    """What is within stays as it was, blanks of any kind included."""
    assert clean(" Big\r\n Mac\0 \x85\u2028é\u00a0ü\t") == "Big Mac é\u00a0ü"
    assert label("\x02T 1\x03\r\n") == "T 1"
    assert (clean("\n \t"), label("\0")) == ("", "")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_texts_are_short_and_clean(text: str) -> None:
    """Whatever a till sends, and cleaning what is clean changes nothing."""
    for cleaned, longest in ((clean(text), NAME_MAX), (label(text), LABEL_MAX)):
        assert len(cleaned) <= longest
        assert not any(unicodedata.category(sign) in {"Cc", "Zl", "Zp"} for sign in cleaned)
        assert cleaned == cleaned.strip()
    assert clean(clean(text)) == clean(text)
    assert label(label(text)) == label(text)


def test_names_that_are_cut_stay_apart() -> None:
    """A terminal is compared as a whole, and kept in 64 characters."""
    one, other = "x" * 64 + "1", "x" * 64 + "2"
    assert label(one) == label(f" {one}\n") != label(other)
    assert len(label(one)) == LABEL_MAX
    assert clean("é" * 300) == "é" * NAME_MAX
