"""
What Envoy answers by itself, in both contracts' words: a row a condition.

`make generate` writes them into `generated/edge_errors.lua`, which the JSON door's filter reads,
and into `local_reply_config` of `envoy/envoy.yaml`, for what is refused before that filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from loyalty_service.domain.errors import (
    ApiKeyMissingError,
    FieldViolation,
    LoyaltyError,
    RequestInvalidError,
    ServerBusyError,
)
from loyalty_service.transport.errors.catalogue import CATALOGUE
from loyalty_service.transport.errors.words import Dialect


@dataclass(frozen=True, slots=True)
class EdgeRow:
    """
    How one condition is answered.

    Attributes:
        http: HTTP status.
        es: `errorCode` in the ES dialect.
        rbi: `code` in the RBI dialect.
        message: English text of both.
        reason: Value of `ErrorReason`, where a gRPC caller reads one too.
        metadata: Beside the reason.
        violations: Wrong fields that the RBI dialect lists.
    """

    http: int
    es: str
    rbi: str
    message: str
    reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[FieldViolation, ...] = ()


_INVALID = "INVALID_REQUEST"
_KEY_MISSING = CATALOGUE[ApiKeyMissingError]
_REQUEST_INVALID = CATALOGUE[RequestInvalidError]
_BUSY = CATALOGUE[ServerBusyError]

UNREADABLE = EdgeRow(
    400,
    _INVALID,
    _REQUEST_INVALID.rbi,
    _REQUEST_INVALID.message,
    _REQUEST_INVALID.reason,
    {"fields": "", "violations": "0"},
)
NOT_HTTP = replace(
    UNREADABLE,
    message="The request is not valid HTTP",
    metadata={"fields": "", "violations": "1"},
    violations=(FieldViolation("", "is not valid HTTP"),),
)
UNAUTHENTICATED = EdgeRow(
    401,
    _INVALID,
    _KEY_MISSING.rbi,
    "Authentication is missing or not valid",
    _KEY_MISSING.reason,
)
FORBIDDEN = EdgeRow(403, _INVALID, "Forbidden", "The API key does not allow this call")
NO_UPGRADES = replace(FORBIDDEN, message="Protocol upgrades are not supported")
NOT_FOUND = EdgeRow(404, _INVALID, "NotFound", "No such path")
WRONG_METHOD = EdgeRow(405, _INVALID, "MethodNotAllowed", "This path does not accept that method")
LATE = EdgeRow(408, _INVALID, "RequestTimeout", "The request did not arrive in time")
BODY_TOO_LARGE = EdgeRow(413, _INVALID, "PayloadTooLarge", "Request body is larger than 512 KiB")
ENCODED = EdgeRow(
    415,
    _INVALID,
    "UnsupportedMediaType",
    "Send the body unencoded: content-encoding is not supported",
)
OTHER_PROTOCOL = EdgeRow(426, _INVALID, "UpgradeRequired", "This protocol version is not supported")
TOO_MANY = EdgeRow(
    _BUSY.http,
    _BUSY.es,
    _BUSY.rbi,
    "Too many requests, try again later",
    _BUSY.reason,
    {"retry_after_ms": str(_BUSY.retry_after_ms)},
)
HEADERS_TOO_LARGE = EdgeRow(431, _INVALID, "HeadersTooLarge", "Request headers are too large")
FAILED = EdgeRow(500, "INTERNAL_ERROR", "InternalServerError", "The service failed")
NOT_OFFERED = EdgeRow(501, "NOT_IMPLEMENTED", "NotImplemented", "This call is not offered")
BAD_ANSWER = EdgeRow(502, "BAD_GATEWAY", "BadGateway", "The service gave no usable answer")
UNAVAILABLE = EdgeRow(
    503,
    "SERVICE_UNAVAILABLE",
    "ServiceUnavailable",
    "The service is not available, try again later",
)
TIMEOUT = EdgeRow(504, "TIMEOUT", "Timeout", "The service did not answer in time")

DOOR: tuple[EdgeRow, ...] = (
    UNREADABLE,
    UNAUTHENTICATED,
    FORBIDDEN,
    NOT_FOUND,
    WRONG_METHOD,
    LATE,
    BODY_TOO_LARGE,
    ENCODED,
    TOO_MANY,
    HEADERS_TOO_LARGE,
    FAILED,
    NOT_OFFERED,
    BAD_ANSWER,
    UNAVAILABLE,
    TIMEOUT,
)
"""What the JSON door's filter words, by the status; any other is answered as 400 or 500."""


@dataclass(frozen=True, slots=True)
class LocalReply:
    """
    What Envoy words before the JSON door's filter has seen the call: the first that fits holds.

    Attributes:
        row: The words; an error of the server's own stands for what it would say itself.
        at: The HTTP status that it is for; None is any.
        or_above: Whether it is for all statuses from that on.
        misspelt_key: Whether it is for callers with the header `x_api_key` alone.
        runtime_key: Envoy's name for the status, which it wants.
        again: Whether trying again helps.
    """

    row: EdgeRow | LoyaltyError
    at: int | None = None
    or_above: bool = False
    misspelt_key: bool = False
    runtime_key: str = ""
    again: bool = False


NO_KEY = ApiKeyMissingError()
MISSPELT_KEY = RequestInvalidError(
    (FieldViolation("x-api-key", "must be spelt with dashes: x_api_key is not read"),)
)
PARTIAL = RequestInvalidError((FieldViolation("", "must be one whole message"),))

_FAULT = LocalReply(UNAVAILABLE, 500, or_above=True, runtime_key="fault", again=True)
_MANY = LocalReply(TOO_MANY, 429, runtime_key="many", again=True)
_KEYLESS = LocalReply(NO_KEY, 401, runtime_key="keyless")
_MISSPELT = LocalReply(MISSPELT_KEY, 400, misspelt_key=True, runtime_key="misspelt")
_LARGE = LocalReply(BODY_TOO_LARGE, 413, runtime_key="large")

LOCAL_REPLIES: Mapping[Dialect, tuple[LocalReply, ...]] = {
    Dialect.ES: (_FAULT, _MANY, _KEYLESS, _MISSPELT, LocalReply(NOT_HTTP)),
    Dialect.RBI: (
        LocalReply(HEADERS_TOO_LARGE, 431, runtime_key="headers"),
        _KEYLESS,
        _MISSPELT,
        _LARGE,
        LocalReply(LATE, 408, runtime_key="late"),
        LocalReply(OTHER_PROTOCOL, 426, runtime_key="upgrade"),
        LocalReply(NO_UPGRADES, 403, runtime_key="refused"),
        _FAULT,
        _MANY,
        LocalReply(NOT_HTTP),
    ),
}

GRPC_TOO_LARGE = "Request is larger than 512 KiB"
"""As the server says of a message that is too large."""

HEADERS: Mapping[Dialect, tuple[tuple[str, str], ...]] = {
    Dialect.ES: (
        ("referrer-policy", "no-referrer"),
        ("x-xss-protection", "1;mode=block"),
        ("access-control-allow-origin", "*"),
        ("expect-ct", "max-age=86400"),
        ("strict-transport-security", "max-age=31536000"),
        ("feature-policy", "vibrate 'none'; geolocation 'none'"),
        ("x-frame-options", "sameorigin"),
        (
            "content-security-policy",
            (
                "connect-src 'none';object-src https://*.cloudfront.net;"
                "script-src https://*.cloudfront.net"
            ),
        ),
        ("cache-control", "no-cache, no-store, must-revalidate"),
        ("x-content-type-options", "nosniff"),
    ),
    Dialect.RBI: (
        ("referrer-policy", "no-referrer"),
        ("x-xss-protection", "1;mode=block"),
        ("strict-transport-security", "max-age=31536000"),
        ("x-frame-options", "sameorigin"),
        ("content-security-policy", "default-src 'none'"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
    ),
}
"""What each answer has, whether a filter saw it or not."""
