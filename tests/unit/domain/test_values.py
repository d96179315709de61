"""Small values: instants, identifiers, codes, keys and prompts."""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_service.application.orders.shown_codes import SelectedLine
from loyalty_service.domain.clock import parse_rfc3339, rfc3339
from loyalty_service.domain.codes import code_digest, new_code
from loyalty_service.domain.errors import StoreNotAllowedError
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.keys import ApiKey, Role, key_digest, new_key
from loyalty_service.domain.program import Discount, DiscountKind, DiscountLevel
from loyalty_service.domain.prompt_catalogue import Prompt
from loyalty_service.domain.prompts import anonymous_prompt, flag_is_on, session_locale
from loyalty_service.sandbox.fixed_codes import COFFEE
from loyalty_service.transport.servicers.identify import _order_line
from tests.support.programs import demo_program

DEMO = demo_program()
YEAR_9999_MS = 253_402_300_799_999


@given(instant_ms=st.integers(0, YEAR_9999_MS))
def test_instant_survives_its_text(instant_ms: int) -> None:
    """Every instant is written with milliseconds and read back as it was."""
    text = rfc3339(instant_ms)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    assert parse_rfc3339(text) == instant_ms


def test_instant_without_offset_is_refused() -> None:
    """A local time is no instant."""
    with pytest.raises(ValueError, match="offset"):
        parse_rfc3339("2021-08-10T12:18:39.180")


@given(instant_ms=st.integers(0, 2**48 - 1))
def test_new_id_is_a_uuid_that_sorts_by_time(instant_ms: int) -> None:
    """An ID is a UUID of version 7 that carries its instant in front."""
    made = uuid.UUID(new_id(instant_ms))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == instant_ms
    assert str(made) != new_id(instant_ms)


def test_codes_are_six_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A code has six digits, leading zeros too."""
    monkeypatch.setattr("secrets.randbelow", lambda limit: limit - 999_958)
    assert new_code() == "000042"


def test_code_digest_depends_on_pepper_program_and_digits() -> None:
    """Without the pepper, or in another program, the digest is another."""
    digest = code_digest(b"pepper", "demo-ca", "123456")
    assert len(digest) == 32
    assert digest == code_digest(b"pepper", "demo-ca", "123456")
    assert digest != code_digest(b"Pepper", "demo-ca", "123456")
    assert digest != code_digest(b"pepper", "demo-us", "123456")
    assert digest != code_digest(b"pepper", "demo-ca", "123457")


def test_new_key_has_192_random_bits() -> None:
    """A key is long, unlike any other, and kept as its SHA-256."""
    key = new_key()
    assert re.fullmatch(r"lk_[A-Za-z0-9_-]{32}", key)
    assert key != new_key()
    assert key_digest(key) == hashlib.sha256(key.encode()).digest()


def test_key_is_for_its_stores_or_all() -> None:
    """A key without stores is for all, a key with stores for those."""
    everywhere = ApiKey("id", "demo-ca", "CA", "partner", Role.TILL, frozenset())
    everywhere.require_store(9999)
    limited = replace(everywhere, stores=frozenset({1001}))
    limited.require_store(1001)
    with pytest.raises(StoreNotAllowedError):
        limited.require_store(9999)


@pytest.mark.parametrize("flag", [None, "", "  ", "false", "FALSE", "0", "n", " No "])
def test_flag_is_off(flag: str | None) -> None:
    """A flag is off when absent, blank or a word for no."""
    assert not flag_is_on(flag)


@pytest.mark.parametrize("flag", ["true", "1", "Y", "a-guid", "off?"])
def test_flag_is_on(flag: str) -> None:
    """Any other text switches a flag on."""
    assert flag_is_on(flag)


@pytest.mark.parametrize(
    ("requested", "own", "chosen"),
    [
        ("fr-CA", "en-US", "fr-CA"),
        (None, "en-US", "en-US"),
        ("fr", "en-US", "en-US"),
        ("FR-CA", "xx", "en-CA"),
        (None, "xx", "en-CA"),
    ],
)
def test_locale_is_the_first_that_is_known(requested: str | None, own: str, chosen: str) -> None:
    """Request, program and en-CA are asked in this order."""
    assert session_locale(requested, replace(DEMO, locale=own)) == chosen


def test_flagged_prompt_falls_back() -> None:
    """A flagged shopper without prompts of their own hears the usual ones; no locale fails."""
    usual = DEMO.prompts.anonymous["fr-CA"]
    assert anonymous_prompt(DEMO, "fr-CA", flagged=True) != usual
    bare = replace(DEMO, prompts=replace(DEMO.prompts, anonymous_flagged={}))
    assert anonymous_prompt(bare, "fr-CA", flagged=True) == usual
    assert anonymous_prompt(DEMO, "xx", flagged=False) == Prompt()


def test_stored_amount_with_a_fraction_is_told_rounded_down() -> None:
    """What was stored before only whole amounts were taken is never told as more than it is."""
    assert Discount(DiscountKind.AMOUNT, 150, DiscountLevel.CART).told_value(2) == 1
    assert Discount(DiscountKind.AMOUNT, 500, DiscountLevel.CART).told_value(2) == 5
    assert Discount(DiscountKind.AMOUNT, 500, DiscountLevel.CART).told_value(0) == 500
    assert Discount(DiscountKind.PERCENTAGE, 20, DiscountLevel.CART).told_value(2) == 20


def test_reward_without_a_price_has_price_0() -> None:
    """A till adds the price up, so that a reward always has one; an offer without one has none."""
    incentives = DEMO.incentives.values()
    for incentive in incentives:
        if incentive.discount is None and incentive.price is None:
            line = _order_line(SelectedLine(incentive, 1, "1"), DEMO, 0)
            assert line.HasField("price") is (incentive.kind == "reward")
    bare = replace(DEMO.incentives[COFFEE], price=None)
    assert _order_line(SelectedLine(bare, 1, "1"), DEMO, 0).HasField("price")
