"""
Seals the answers kept under idempotency keys.

An answer may carry what is stored nowhere else, the digits of a code or of a receipt. Sealed with
a key derived from the pepper, a copy of the database tells them no more than it tells codes.
"""

from __future__ import annotations

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


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


def _place(scope: str, idempotency_key: str) -> bytes:
    return f"{scope}|{idempotency_key}".encode()
