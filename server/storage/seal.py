"""
Seals the answers kept under idempotency keys.

An answer may carry what is stored nowhere else, the digits of a code or of a receipt. Sealed with
a key derived from the pepper, a copy of the database tells them no more than it tells codes.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.domain.peppers import Peppers

_NONCE_BYTES = 12


class SealError(Exception):
    """Raised when an answer was sealed with another pepper, or was changed since."""


class Seal:
    """Encrypts and authenticates answers with AES-256-GCM, each for the key it is kept under."""

    def __init__(self, pepper: bytes | Peppers) -> None:
        self._ciphers = tuple(_cipher(one) for one in Peppers.of(pepper).known)

    def close(self, answer: bytes, scope: str, idempotency_key: str) -> bytes:
        """Seal an answer with the current pepper."""
        nonce = os.urandom(_NONCE_BYTES)
        place = _place(scope, idempotency_key)
        return nonce + self._ciphers[0].encrypt(nonce, answer, place)

    def open(self, sealed: bytes, scope: str, idempotency_key: str) -> bytes:
        """
        Open an answer that was sealed with any of the peppers.

        Raises:
            SealError: It was sealed with another pepper, or changed.
        """
        return self.open_any(sealed, scope, idempotency_key)[0]

    def open_any(self, sealed: bytes, scope: str, idempotency_key: str) -> tuple[bytes, bool]:
        """
        Open an answer as `open` does; tells as well whether the current pepper had sealed it.

        Raises:
            SealError: It was sealed with another pepper, or changed.
        """
        nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        place = _place(scope, idempotency_key)
        for number, cipher in enumerate(self._ciphers):
            with suppress(InvalidTag, ValueError):
                return cipher.decrypt(nonce, body, place), number == 0
        raise SealError(
            "The answer kept under this idempotency key was sealed with another code pepper: "
            "set LOYALTY_CODE_PEPPER, or LOYALTY_OTHER_CODE_PEPPERS, to the one of then. Nothing "
            "was changed."
        )


def _cipher(pepper: bytes) -> AESGCM:
    return AESGCM(hmac.digest(pepper, b"remembered answers", hashlib.sha256))


def _place(scope: str, idempotency_key: str) -> bytes:
    return f"{scope}|{idempotency_key}".encode()
