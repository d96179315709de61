"""
Access tokens of OAuth 2.0: signed names of API keys, good for an hour.

A token says whose it is and until when, under a signature that only a server of the program can
make. Nothing is kept of it. It is bound to the secret of its key, so that it ends with it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.program import Catalog

LIFETIME_S = 3600
"""Seconds for which a token is good at least."""

STEP_S = 300
"""
Tokens end at whole steps of time.

So all that a key asks for within a step are one token: however many it asks for, it has few, and
none of what is bounded for each key is had again for each token.
"""

_MAC_BYTES = 16
_FORM = re.compile(r"lt_([A-Za-z0-9_-]{1,64})\.([0-9]{1,12})\.([A-Za-z0-9_-]{22})")


def is_token(text: str) -> bool:
    """Tell whether a text has the form of a token."""
    return _FORM.fullmatch(text) is not None


class AccessTokens:
    """Makes and reads the tokens of the servers that have these peppers."""

    def __init__(self, peppers: Peppers) -> None:
        self._secrets = tuple(
            hmac.digest(pepper, b"loyalty access tokens", hashlib.sha256)
            for pepper in peppers.known
        )

    def issue(self, key: ApiKey, digest: bytes, now_ms: int) -> str:
        """Make a token for a key of this digest."""
        step = -(-(now_ms // 1000 + LIFETIME_S) // STEP_S)
        ends_s = step * STEP_S
        return f"lt_{key.key_id}.{ends_s}.{_mac(self._secrets[0], key.key_id, ends_s, digest)}"

    def digest_of(self, text: str, catalog: Catalog, now_ms: int) -> bytes | None:
        """Give the digest of the live key that a token stands for; none where it is no good."""
        found = _FORM.fullmatch(text)
        if found is None or int(found[2]) * 1000 <= now_ms:
            return None
        key_id, ends_s, mac = found[1], int(found[2]), found[3]
        for digest in catalog.digests.get(key_id, ()):
            for secret in self._secrets:
                if hmac.compare_digest(mac, _mac(secret, key_id, ends_s, digest)):
                    return digest
        return None


def _mac(secret: bytes, key_id: str, ends_s: int, digest: bytes) -> str:
    meant = f"{key_id}.{ends_s}.".encode() + digest
    short = hmac.digest(secret, meant, hashlib.sha256)[:_MAC_BYTES]
    return base64.urlsafe_b64encode(short).rstrip(b"=").decode()
