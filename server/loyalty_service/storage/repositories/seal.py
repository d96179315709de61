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
from contextlib import suppress

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.peppers import Peppers

_NONCE_BYTES = 12
_TAG_BYTES = 16
_ROW_BYTES = 8
_TOKEN_CHARACTERS = 48


class SealError(OperatorError):
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
            "The answer kept under this idempotency key was encrypted with another code pepper: "
            "set that one as LOYALTY_CODE_PEPPER, or in LOYALTY_OTHER_CODE_PEPPERS. Nothing "
            "was changed."
        )


def _cipher(pepper: bytes) -> AESGCM:
    return AESGCM(hmac.digest(pepper, b"remembered answers", hashlib.sha256))


class PageSeal:
    """
    Encrypts and authenticates the numbers of rows in page tokens, each for its listing.

    The nonce is made of what is sealed, so that the same page is answered with the same bytes, and
    no nonce serves two contents.
    """

    def __init__(self, pepper: bytes | Peppers) -> None:
        known = Peppers.of(pepper).known
        self._nonces = hmac.digest(known[0], b"page token nonces", hashlib.sha256)
        self._ciphers = tuple(
            AESGCM(hmac.digest(one, b"page tokens", hashlib.sha256)) for one in known
        )

    def close(self, listing: str, last: int) -> str:
        """Seal the number of a row as text of 48 characters, fit for a URL."""
        place = f"{listing}|{last}".encode()
        return self._close(listing, last.to_bytes(_ROW_BYTES), place)

    def close_text(self, listing: str, place: str) -> str:
        """Seal where a page ended as text that is fit for a URL."""
        told = place.encode()
        # So that the text needs no padding at its end, which would be overlooked.
        told += bytes(-(len(told) + _NONCE_BYTES + _TAG_BYTES) % 3)
        nonce = hmac.digest(self._nonces, f"{listing}|".encode() + told, hashlib.sha256)
        nonce = nonce[:_NONCE_BYTES]
        sealed = self._ciphers[0].encrypt(nonce, told, f"text|{listing}".encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def open_text(self, token: str, listing: str) -> str | None:
        """Open a token of `close_text`; absent when this store did not seal it for this listing."""
        try:
            sealed = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            return None
        if len(sealed) % 3:
            return None
        for cipher in self._ciphers:
            with suppress(InvalidTag, ValueError):
                told = cipher.decrypt(
                    sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], f"text|{listing}".encode()
                )
                return told.rstrip(b"\0").decode()
        return None

    def open(self, token: str, listing: str) -> int | None:
        """Open a page token; absent when this store did not seal it for this listing."""
        if len(token) != _TOKEN_CHARACTERS:
            return None  # Padding that is not needed would be overlooked.
        data = self.open_bytes(token, listing)
        return None if data is None else int.from_bytes(data)

    def close_bytes(self, listing: str, data: bytes) -> str:
        """Seal a place that is more than one number, as text fit for a URL."""
        return self._close(listing, data, f"{listing}|".encode() + data)

    def open_bytes(self, token: str, listing: str) -> bytes | None:
        """Open a token of `close_bytes`; absent when this store did not seal it for this."""
        try:
            sealed = base64.b64decode(token, altchars=b"-_", validate=True)
        except ValueError:
            return None
        nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for cipher in self._ciphers:
            with suppress(InvalidTag, ValueError):
                return cipher.decrypt(nonce, body, listing.encode())
        return None

    def _close(self, listing: str, data: bytes, place: bytes) -> str:
        nonce = hmac.digest(self._nonces, place, hashlib.sha256)[:_NONCE_BYTES]
        sealed = self._ciphers[0].encrypt(nonce, data, listing.encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode()


def _place(scope: str, idempotency_key: str) -> bytes:
    return f"{scope}|{idempotency_key}".encode()
