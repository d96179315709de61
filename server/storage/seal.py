"""
Seals the answers kept under idempotency keys, and the page tokens that callers carry.

An answer may carry what is stored nowhere else, the digits of a code or of a receipt. Sealed with
a key derived from the pepper, a copy of the database tells them no more than it tells codes.
A page token carries a row's number, which tells how much all partners of the store do; sealed with
another such key, it tells nobody but the store.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12
_ROW_BYTES = 8
_TOKEN_CHARACTERS = 48


class SealError(Exception):
    """Raised when an answer was sealed with another pepper, or was changed since."""


class Seal:
    """Encrypts and authenticates answers with AES-256-GCM, each for the key it is kept under."""

    def __init__(self, pepper: bytes) -> None:
        self._cipher = AESGCM(hmac.digest(pepper, b"remembered answers", hashlib.sha256))

    def close(self, answer: bytes, scope: str, idempotency_key: str) -> bytes:
        """Seal an answer."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, answer, _place(scope, idempotency_key))

    def open(self, sealed: bytes, scope: str, idempotency_key: str) -> bytes:
        """
        Open a sealed answer.

        Raises:
            SealError: It was sealed with another pepper, or changed.
        """
        nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return self._cipher.decrypt(nonce, body, _place(scope, idempotency_key))
        except InvalidTag:
            raise SealError(
                "The answer kept under this idempotency key was sealed with another code pepper: "
                "set LOYALTY_CODE_PEPPER to the one of then. Nothing was changed."
            ) from None


class PageSeal:
    """
    Encrypts and authenticates the numbers of rows in page tokens, each for its listing.

    The nonce is made of what is sealed, so that the same page is answered with the same bytes, and
    no nonce serves two contents.
    """

    def __init__(self, pepper: bytes) -> None:
        self._nonces = hmac.digest(pepper, b"page token nonces", hashlib.sha256)
        self._cipher = AESGCM(hmac.digest(pepper, b"page tokens", hashlib.sha256))

    def close(self, listing: str, last: int) -> str:
        """Seal the number of a row as text of 48 characters, fit for a URL."""
        place = f"{listing}|{last}".encode()
        nonce = hmac.digest(self._nonces, place, hashlib.sha256)[:_NONCE_BYTES]
        sealed = self._cipher.encrypt(nonce, last.to_bytes(_ROW_BYTES), listing.encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, token: str, listing: str) -> int | None:
        """Open a page token; absent when this store did not seal it for this listing."""
        if len(token) != _TOKEN_CHARACTERS:
            return None  # Padding that is not needed would be overlooked.
        try:
            sealed = base64.b64decode(token, altchars=b"-_", validate=True)
            nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            return int.from_bytes(self._cipher.decrypt(nonce, body, listing.encode()))
        except (ValueError, InvalidTag):
            return None


def _place(scope: str, idempotency_key: str) -> bytes:
    return f"{scope}|{idempotency_key}".encode()
