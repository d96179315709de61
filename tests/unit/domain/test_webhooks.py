"""Webhooks: which addresses may be told, how messages are signed, and when they come again."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from loyalty_service.domain.webhooks import (
    JITTER,
    WAITS_S,
    is_public,
    new_secret,
    shown_secret,
    signatures,
    url_problem,
    wait_ms,
)

DAY_S = 86_400


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/hook",
        "https://shop.example:8443/hook?of=me",
        "https://93.184.216.34/",
        "https://[2606:2800:220:1:248:1893:25c8:1946]/hook",
    ],
)
def test_public_addresses_over_tls_may_be_told(url: str) -> None:
    """A name or an address of the internet is fine, with any port and query."""
    assert url_problem(url, allow_private=False) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://shop.example/hook", "https"),
        ("ftp://shop.example/hook", "https"),
        ("https:///hook", "host"),
        ("https://me:secret@shop.example/", "password"),
        ("https://shop.example/#part", "#"),
        ("https://shop.example:port/", "no URL"),
        ("https://shop.example/a b", "ASCII"),
        ("https://shop.example/\r\nx: y", "ASCII"),
        ("https://shop.example/" + "x" * 2000, "2000"),
        ("https://localhost/", "private"),
        ("https://db.internal/", "private"),
        ("https://127.0.0.1/", "private"),
        ("https://10.1.2.3/", "private"),
        ("https://169.254.169.254/latest/meta-data", "private"),
        ("https://[::1]/", "private"),
        ("https://[::ffff:10.0.0.1]/", "private"),
        ("https://[fd00::1]/", "private"),
    ],
)
def test_other_addresses_are_refused(url: str, words: str) -> None:
    """Whatever leads into a network of ours, or is not protected, is refused and told why."""
    problem = url_problem(url, allow_private=False)
    assert problem is not None
    assert words in problem


def test_private_addresses_may_be_told_where_operators_say_so() -> None:
    """Then plain HTTP may be used as well, and what is not an address is refused all the same."""
    assert url_problem("http://127.0.0.1:9000/hook", allow_private=True) is None
    assert url_problem("ftp://127.0.0.1/", allow_private=True) is not None


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - an address that is refused.
        "100.64.0.1",
        "192.168.1.1",
        "224.0.0.1",
        "fe80::1%eth0",
        "::ffff:127.0.0.1",
        "2002:7f00:1::",
        "64:ff9b::7f00:1",
        "64:ff9b:1::a00:1",
        "::127.0.0.1",
        "fec0::1",
        "192.0.0.8",
    ],
)
def test_addresses_that_lead_inside_are_not_public(address: str) -> None:
    """Private, shared, local and multicast ones, also inside of one of IPv6."""
    assert not is_public(address)


def test_message_is_signed_by_every_secret() -> None:
    """Each signature is that of Standard Webhooks over name, time and body."""
    old, new = new_secret(), new_secret()
    body = b'{"type":"loyalty.order.claimed"}'
    told = signatures((new, old), "ev_1", 1_700_000_000, body).split(" ")
    for secret, one in zip((new, old), told, strict=True):
        key = base64.b64decode(shown_secret(secret).removeprefix("whsec_"))
        expected = hmac.new(key, b"ev_1.1700000000." + body, hashlib.sha256).digest()
        assert one == f"v1,{base64.b64encode(expected).decode()}"


def test_waits_grow_to_three_days_and_end() -> None:
    """Each wait is longer than the one before; after about three days there is none."""
    waits = [wait_ms(attempts, 0.5) for attempts in range(1, len(WAITS_S) + 1)]
    assert waits == [1000 * wait for wait in WAITS_S]
    assert list(WAITS_S) == sorted(WAITS_S)
    assert 2.8 * DAY_S < sum(WAITS_S) < 3.2 * DAY_S
    assert wait_ms(len(WAITS_S) + 1, 0.5) is None


def test_waits_are_spread_by_chance() -> None:
    """Messages that failed together do not come again together."""
    least, most = wait_ms(3, 0.0), wait_ms(3, 1.0)
    assert least == round(WAITS_S[2] * 1000 * (1 - JITTER))
    assert most == round(WAITS_S[2] * 1000 * (1 + JITTER))
