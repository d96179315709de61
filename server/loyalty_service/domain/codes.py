"""One-time codes: made at random, kept only as keyed digests."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from loyalty_service.domain.identifiers import without_noise

CODE_DIGITS = 6
CODE_COUNT = 10**CODE_DIGITS


def new_code() -> str:
    """Make a code from the operating system's cryptographic generator."""
    return f"{secrets.randbelow(CODE_COUNT):0{CODE_DIGITS}d}"


def code_digest(pepper: bytes, program_id: str, code: str) -> bytes:
    """
    Digest a code with the pepper that is kept outside the database.

    A plain hash of a million values is reversed in a second; without the pepper this is not.
    """
    return hmac.digest(pepper, f"{program_id}|{code}".encode(), hashlib.sha256)


RECEIPT_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
RECEIPT_LENGTH = 12


def new_receipt_code() -> str:
    """Make a receipt code of 58 random bits, without letters that look like digits."""
    return "".join(secrets.choice(RECEIPT_ALPHABET) for _ in range(RECEIPT_LENGTH))


def digested_receipt(code: str) -> str:
    """Give what is digested of a plain receipt code, which no code of a guest is."""
    return f"receipt:{code}"


def digested_promo(code: str) -> str:
    """Give what is digested of a plain promo code."""
    return f"promo:{code}"


def plain_promo_code(typed: str) -> str:
    """Undo what people do to promo codes: small letters and outer blanks."""
    return typed.strip().upper()


def new_promo_code() -> str:
    """Make a promo code of 58 random bits, without letters that look like digits."""
    return new_receipt_code()


def plain_receipt_code(typed: str) -> str:
    """Undo what people and scanners do to codes: small letters, dashes, blanks and noise."""
    return "".join(without_noise(typed).split()).replace("-", "").upper()
