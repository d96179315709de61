"""Who calls, and whether they may: API keys and their roles."""

from __future__ import annotations

from collections.abc import Mapping

from loyalty_service.domain.errors import (
    ApiKeyInvalidError,
    ApiKeyMissingError,
    RoleNotAllowedError,
)
from loyalty_service.domain.keys import SANDBOX_KEYS, ApiKey, key_digest
from loyalty_service.domain.program import Catalog
from loyalty_service.transport.rpcs import RPCS

_BEARER = "bearer "
_BLANKS = " \t"
"""What may stand around a key: HTTP's blanks alone, which is what Envoy's gate leaves out too."""


def bare_key(metadata: Mapping[str, str]) -> str:
    """Return the key that a call brings, without its scheme and blanks; empty where it has none."""
    text = metadata.get("x-api-key", "").strip(_BLANKS)
    authorization = metadata.get("authorization", "")
    if not text and authorization[: len(_BEARER)].lower() == _BEARER:
        text = authorization[len(_BEARER) :].strip(_BLANKS)
    return text


def authenticate(metadata: Mapping[str, str], catalog: Catalog, *, sandbox: bool) -> ApiKey:
    """
    Find the caller's key; whether it may make the call is for `require_role` to tell.

    Raises:
        ApiKeyMissingError: The call carries no key.
        ApiKeyInvalidError: The key is unknown, revoked, the sandbox's, or of another region.
    """
    text = bare_key(metadata)
    if not text:
        raise ApiKeyMissingError
    key = catalog.keys.get(key_digest(text))
    if key is None or (text in SANDBOX_KEYS and not sandbox):
        raise ApiKeyInvalidError
    region = metadata.get("x-region")
    if region is not None and region.strip().upper() != key.region:
        raise ApiKeyInvalidError
    return key


def require_role(key: ApiKey, method: str) -> None:
    """
    Check that a key may call a method.

    Raises:
        RoleNotAllowedError: Its role may not.
    """
    if key.role not in RPCS[method].roles:
        raise RoleNotAllowedError(key.role.value, method.partition("/")[2])
