"""Access tokens: whose they are, until when, and that they end with the secret of their key."""

from __future__ import annotations

import pytest

from loyalty_service.domain.access_tokens import AccessTokens, is_token
from loyalty_service.domain.keys import ApiKey, Role, key_digest
from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.program import Catalog
from tests.support.orders import START_MS

KEY = ApiKey("0192f0c1-0000-7000-8000-000000000001", "demo-ca", "CA", "p", Role.TILL, frozenset())
DIGEST, OTHER = key_digest("secret"), key_digest("another secret")
CATALOG = Catalog(keys={DIGEST: KEY})
HOUR_MS = 3_600_000


def test_token_is_good_for_an_hour_and_at_most_five_minutes_more() -> None:
    """Within five minutes a key gets the same token, however often it asks."""
    tokens = AccessTokens(Peppers(b"pepper"))
    for begin in (START_MS, START_MS + 1, START_MS + 299_999, START_MS + 300_000):
        token = tokens.issue(KEY, DIGEST, begin)
        assert is_token(token)
        assert tokens.digest_of(token, CATALOG, begin + HOUR_MS - 1) == DIGEST
        assert tokens.digest_of(token, CATALOG, begin + HOUR_MS + 300_000) is None
    asked = {tokens.issue(KEY, DIGEST, START_MS + at) for at in range(0, 3_600_000, 1000)}
    assert len(asked) <= 13


def test_token_ends_with_the_secret_of_its_key() -> None:
    """Neither a revoked key nor one with another secret is found by it."""
    tokens = AccessTokens(Peppers(b"pepper"))
    token = tokens.issue(KEY, DIGEST, START_MS)
    assert tokens.digest_of(token, Catalog(), START_MS) is None
    assert tokens.digest_of(token, Catalog(keys={OTHER: KEY}), START_MS) is None
    # While a key is rotated both of its secrets are good, and so are the tokens of both.
    both = Catalog(keys={OTHER: KEY, DIGEST: KEY})
    assert tokens.digest_of(token, both, START_MS) == DIGEST


def test_token_of_every_known_pepper_is_read() -> None:
    """While the pepper is changed, servers read each other's tokens."""
    old, new = AccessTokens(Peppers(b"old", (b"new",))), AccessTokens(Peppers(b"new", (b"old",)))
    for maker, reader in ((old, new), (new, old)):
        assert reader.digest_of(maker.issue(KEY, DIGEST, START_MS), CATALOG, START_MS) == DIGEST
    stranger = AccessTokens(Peppers(b"stranger"))
    assert stranger.digest_of(new.issue(KEY, DIGEST, START_MS), CATALOG, START_MS) is None


@pytest.mark.parametrize("at", range(0, 75, 3))
def test_changed_token_is_no_good(at: int) -> None:
    """No letter of it can be another."""
    tokens = AccessTokens(Peppers(b"pepper"))
    token = tokens.issue(KEY, DIGEST, START_MS)
    at = min(at, len(token) - 2)
    other = "1" if token[at] != "1" else "2"
    assert tokens.digest_of(token[:at] + other + token[at + 1 :], CATALOG, START_MS) is None
