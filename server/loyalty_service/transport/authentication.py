"""Who calls, and what the caller may do: API keys and their roles."""

from __future__ import annotations

import re
from collections.abc import Mapping

from loyalty_service.domain.access_tokens import is_token
from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.errors import (
    ApiKeyInvalidError,
    ApiKeyMissingError,
    RoleNotAllowedError,
)
from loyalty_service.domain.keys import SANDBOX_KEYS, ApiKey, key_digest
from loyalty_service.transport.call import Storage
from loyalty_service.transport.rpcs import SERVED

_BEARER = "bearer "
_BLANKS = " \t"
"""What may be around a key: only HTTP's blanks, which Envoy's gate ignores too."""


_SANDBOX = frozenset(map(key_digest, SANDBOX_KEYS))
"""Known to everybody: for sandboxes alone."""

_REGION = re.compile(r"[A-Za-z-]{1,16}", re.ASCII)

UNREADABLE_REGION = "?"
"""What an error says for a region that is not only letters: callers' text is not repeated."""


def bare_key(metadata: Mapping[str, str]) -> str:
    """Return the key that a call brings, without its scheme and blanks; empty where it has none."""
    text = metadata.get("x-api-key", "").strip(_BLANKS)
    authorization = metadata.get("authorization", "")
    if not text and authorization[: len(_BEARER)].lower() == _BEARER:
        text = authorization[len(_BEARER) :].strip(_BLANKS)
    return text


def authenticate(metadata: Mapping[str, str], store: Storage, *, sandbox: bool) -> ApiKey:
    """
    Find the caller's key, by itself or by a token; whether it may call is for `require_role`.

    Raises:
        ApiKeyMissingError: The call carries no key.
        ApiKeyInvalidError: The key is unknown, revoked, the sandbox's, or of another region.
    """
    text = bare_key(metadata)
    if not text:
        raise ApiKeyMissingError
    named = metadata.get("x-region", "").strip()
    digest: bytes | None = key_digest(text)
    if is_token(text):
        at_ms = store.clock.believed_ms(now_ms())
        digest = store.tokens.digest_of(text, store.catalog, at_ms)
    key = None if digest is None else store.catalog.keys.get(digest)
    if key is None or (digest in _SANDBOX and not sandbox):
        raise _not_valid(named)
    if named and named.upper() != key.region:
        raise _not_valid(named)
    return key


def _not_valid(named: str) -> ApiKeyInvalidError:
    """
    Refuse a key, and repeat the region that the caller names.

    It is repeated for every key, so that nobody learns which keys there are in other regions.
    """
    if not named:
        return ApiKeyInvalidError()
    return ApiKeyInvalidError(named.upper() if _REGION.fullmatch(named) else UNREADABLE_REGION)


def require_role(key: ApiKey, method: str) -> None:
    """
    Check that a key may call a method.

    Raises:
        RoleNotAllowedError: Its role may not.
    """
    if key.role not in SERVED[method].roles:
        raise RoleNotAllowedError(key.role.value, method.partition("/")[2])
