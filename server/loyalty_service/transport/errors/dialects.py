"""Which legacy contract's JSON a caller reads, and the words that its pages fix for one RPC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from loyalty_service.domain import errors as e
from loyalty_service.domain.es_errors import (
    GrantTypeUnsupportedError,
    IdentifierTypeInvalidError,
)
from loyalty_service.domain.purchase_errors import ConfirmationTooLateError


class Dialect(StrEnum):
    """Which legacy contract's JSON a caller reads; Envoy names it by the call."""

    ES = "es"
    RBI = "rbi"


PREFIXES: Mapping[str, Dialect] = {"/client/": Dialect.ES}
"""The dialect of all paths below one, known or not, but those of an RPC that says otherwise."""

FAILED = 500

DEFAULT = Dialect.RBI
"""The dialect of all other paths."""

_INVALID = "INVALID_REQUEST"


@dataclass(frozen=True, slots=True)
class EsWords:
    """
    An answer of the ES contract.

    Attributes:
        message: `errorMessage`; names in braces are fields of the error.
        code: `errorCode`.
        status: HTTP status, and `statusCode`.
    """

    message: str
    code: str = _INVALID
    status: int = 400


@dataclass(frozen=True, slots=True)
class OAuthWords:
    """An answer of OAuth 2.0 (RFC 6749, section 5.2): the word of an error, and the HTTP status."""

    error: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class FieldWords:
    """
    What a field that is refused is answered, whatever else is wrong.

    Attributes:
        wrong: Of a value that the field cannot have.
        missing: Where it is left out or blank; as *wrong* unless given.
    """

    wrong: EsWords
    missing: EsWords | None = None


@dataclass(frozen=True, slots=True)
class RpcWords:
    """
    How one RPC speaks on the JSON door. What is not named here has the words of the catalogue.

    Attributes:
        dialect: The contract that it belongs to.
        fields: Words for fields by their JSON names; "" is a body that cannot be read.
        errors: Words for what the server refuses.
        answers: Words for what Envoy answers by itself, by its HTTP status.
        oauth: Words of OAuth 2.0 for what the server refuses; absent where it does not speak so.
    """

    dialect: Dialect
    fields: Mapping[str, FieldWords] = field(default_factory=dict)
    errors: Mapping[type[e.LoyaltyError], EsWords] = field(default_factory=dict)
    answers: Mapping[int, EsWords | OAuthWords] = field(default_factory=dict)
    oauth: Mapping[type[e.LoyaltyError], OAuthWords] | None = None


OAUTH_BY_STATUS: Mapping[int, OAuthWords] = {
    401: OAuthWords("invalid_client", 401),
    429: OAuthWords("temporarily_unavailable", 429),
    503: OAuthWords("temporarily_unavailable", 503),
    504: OAuthWords("temporarily_unavailable", 504),
}
"""Words of OAuth 2.0 for what has none of its own, by the HTTP status that it has elsewhere."""

_INVALID_CORRELATION_ID = EsWords("Invalid Correlation ID")
_NO_CORRELATION_ID = EsWords("Must provide a session correlation ID")
_INVALID_LOYALTY_ID = EsWords("Invalid loyaltyId")


def _missing(name: str) -> EsWords:
    """Word that a field of ES must be sent and not be blank."""
    return EsWords(
        f"{name} is mandatory and required to be non-empty", "MISSING_REQUIRED_FIELDS_ERROR"
    )


RPCS: Mapping[str, RpcWords] = {
    "SessionService/StartAnonymousSession": RpcWords(
        Dialect.ES,
        fields={
            "": FieldWords(_INVALID_CORRELATION_ID),
            "correlationId": FieldWords(_INVALID_CORRELATION_ID),
        },
        errors={e.CorrelationIdInvalidError: _INVALID_CORRELATION_ID},
    ),
    "SessionService/StartSession": RpcWords(
        Dialect.ES,
        fields={
            "": FieldWords(_INVALID_CORRELATION_ID),
            "correlationId": FieldWords(_INVALID_CORRELATION_ID),
            "channel": FieldWords(EsWords("channel is invalid"), _missing("Channel")),
            "identifier": FieldWords(_INVALID_LOYALTY_ID),
        },
        errors={
            e.CorrelationIdInvalidError: _INVALID_CORRELATION_ID,
            e.MemberNotFoundError: _INVALID_LOYALTY_ID,
            e.IdentificationFailedError: _INVALID_LOYALTY_ID,
            IdentifierTypeInvalidError: EsWords("identifierType should be one of {kinds}."),
        },
    ),
    "TokenService/IssueToken": RpcWords(
        DEFAULT,
        answers=OAUTH_BY_STATUS,
        oauth={
            GrantTypeUnsupportedError: OAuthWords("unsupported_grant_type"),
            e.RoleNotAllowedError: OAuthWords("unauthorized_client"),
        },
    ),
    "PurchaseService/AwardPurchase": RpcWords(
        Dialect.ES,
        fields={"currentCorrelationId": FieldWords(_NO_CORRELATION_ID)},
        errors={
            e.ReceiptAlreadyClaimedError: EsWords("Transaction was already awarded"),
            e.ReceiptExpiredError: EsWords("Transaction is older than {days} days."),
        },
    ),
    "PurchaseService/ConfirmPurchase": RpcWords(
        Dialect.ES,
        errors={ConfirmationTooLateError: EsWords("Transaction is older than {days} days.")},
    ),
}
"""RPCs whose contract has its own table of errors; all others use the words of their path."""

RBI_CODES: Mapping[str, Mapping[type[e.LoyaltyError], str]] = {
    "IdentifyService/IdentifyMemberAgain": {e.CodeNotFoundError: "IdentifierNotFound"},
}
"""Codes of the RBI contract that a later version of it has for an RPC."""


def oauth_words(status: int) -> OAuthWords:
    """Word a refusal of a call for a token by the status that it has elsewhere."""
    if status in OAUTH_BY_STATUS:
        return OAUTH_BY_STATUS[status]
    return OAuthWords("server_error", status) if status >= FAILED else OAuthWords("invalid_request")


NO_WORDS = RpcWords(DEFAULT)
"""Those of all other RPCs."""

MISSING = frozenset(("is required", "must not be blank"))
"""What is said of a field that is left out or blank."""
