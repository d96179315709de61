"""Who calls, and whether they may: API keys and the roles of each RPC."""

from __future__ import annotations

from collections.abc import Mapping

from loyalty_service.domain.errors import (
    ApiKeyInvalidError,
    ApiKeyMissingError,
    RoleNotAllowedError,
)
from loyalty_service.domain.keys import SANDBOX_KEYS, ApiKey, Role, key_digest
from loyalty_service.domain.program import Catalog

ROLES: Mapping[str, frozenset[Role]] = {
    "SessionService/StartAnonymousSession": frozenset({Role.TILL, Role.ADMIN}),
    "IdentifyService/IdentifyMember": frozenset({Role.TILL, Role.ADMIN}),
    "CodeService/IssueCode": frozenset({Role.APP, Role.ADMIN}),
    "CodeService/GetCode": frozenset({Role.APP, Role.ADMIN}),
    "TransactionService/ValidateOrder": frozenset({Role.TILL, Role.ADMIN}),
    "TransactionService/ReportOrder": frozenset({Role.TILL, Role.ADMIN}),
    "TransactionService/VoidTransaction": frozenset({Role.TILL, Role.ADMIN}),
    "TransactionService/RecordUnclaimedOrder": frozenset({Role.TILL, Role.ADMIN}),
    "TransactionService/GetTransaction": frozenset({Role.TILL, Role.APP, Role.ADMIN}),
    "TransactionService/GetOutcome": frozenset({Role.TILL, Role.APP, Role.ADMIN}),
    "TransactionService/ClaimReceipt": frozenset({Role.APP, Role.ADMIN}),
    "MemberService/EnrollMember": frozenset({Role.APP, Role.ADMIN}),
    "MemberService/GetMember": frozenset({Role.APP, Role.ADMIN}),
    "MemberService/ListTransfers": frozenset({Role.APP, Role.ADMIN}),
}
"""Roles that may call each RPC; an RPC that is missing here can't be served."""

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
    if key.role not in ROLES[method]:
        raise RoleNotAllowedError(key.role.value, method.partition("/")[2])
