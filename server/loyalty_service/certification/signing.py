"""Signs results with ed25519, so that whoever has the file can tell that nothing in it changed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from loyalty_service.domain.operator_error import OperatorError

KEY_FILE = "certify-key"
SIGNATURES = "signatures"
SANDBOX, OPERATOR = "sandbox", "operator"
NAME_MAX = 256
_FIELDS = {"role", "name", "key", "signature"}
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp"})
_MODE = 0o600


class SignatureError(OperatorError):
    """Raised when a file is not as it was signed, or nobody signed it."""


def signing_key(place: Path) -> Ed25519PrivateKey:
    """
    Read the key with which results are signed; make one where there is none.

    Raises:
        OperatorError: The file is not such a key.
    """
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        made = Ed25519PrivateKey.generate()
        data = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        return made
    try:
        key = load_pem_private_key(place.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as problem:
        raise OperatorError(f"{place} can't be read as a key: {problem}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise OperatorError(f"{place} is not an ed25519 key.")
    return key


def fingerprint(public: bytes) -> str:
    """Give what people compare of a public key."""
    digest = hashlib.sha256(public).hexdigest()[:32]
    return "-".join(digest[at : at + 8] for at in range(0, 32, 8))


def _signed_bytes(told: Mapping[str, Any], by: Mapping[str, str]) -> bytes:
    """Give what a signature is over: the results, and who signs as what."""
    results = {name: part for name, part in told.items() if name != SIGNATURES}
    signed = {"results": results, "by": dict(by)}
    return json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def signed(told: Mapping[str, Any], key: Ed25519PrivateKey, role: str, name: str) -> dict[str, Any]:
    """Add a signature to results; those that are there stay."""
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    by = {"role": role, "name": name, "key": base64.b64encode(public).decode()}
    made = key.sign(_signed_bytes(told, by))
    entry = by | {"signature": base64.b64encode(made).decode()}
    return {**told, SIGNATURES: [*told.get(SIGNATURES, []), entry]}


def require_signatures(told: Mapping[str, Any]) -> list[dict[str, str]]:
    """
    Check every signature of results; return who signed, with the fingerprint of the key.

    Raises:
        SignatureError: There is none, or one is not of these results.
    """
    entries = told.get(SIGNATURES)
    if not isinstance(entries, list) or not entries:
        raise SignatureError("Nobody has signed this file.")
    signers = []
    for number, entry in enumerate(entries):
        try:
            if set(entry) != _FIELDS:
                raise ValueError(entry)  # noqa: TRY301 - What nobody signed is refused alike.
            by = {name: str(entry[name]) for name in ("role", "name", "key")}
            public = base64.b64decode(by["key"], validate=True)
            Ed25519PublicKey.from_public_bytes(public).verify(
                base64.b64decode(entry["signature"], validate=True), _signed_bytes(told, by)
            )
        except (InvalidSignature, ValueError, KeyError, TypeError, RecursionError):
            raise SignatureError("The file is not as it was signed.") from None
        _require_signer(by, OPERATOR if number else SANDBOX)
        signers.append({"role": by["role"], "name": by["name"], "fingerprint": fingerprint(public)})
    return signers


def _require_signer(by: Mapping[str, str], role: str) -> None:
    """
    Look who says to have signed: the sandbox that tried it is the first, and no other is one.

    Raises:
        SignatureError: It is another one, or its name would not read as it is written.
    """
    if by["role"] != role:
        raise SignatureError(
            "The first signature is not of the sandbox that tried it."
            if role == SANDBOX
            else "A signature after the first is not an operator's."
        )
    name = by["name"]
    if len(name) > NAME_MAX or any(unicodedata.category(one) in _UNSEEN for one in name):
        raise SignatureError("The name of a signature is too long, or does not read as it is.")
