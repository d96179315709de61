"""Which legacy contract's JSON a caller reads, and the words that its pages fix for one RPC."""

from __future__ import annotations

from collections.abc import Mapping

from loyalty_service.domain import errors as e
from loyalty_service.domain.es_errors import (
    GrantTypeUnsupportedError,
    IdentifierTypeInvalidError,
)
from loyalty_service.domain.purchase_errors import ConfirmationTooLateError
from loyalty_service.transport.errors.account_words import ACCOUNT_WORDS
from loyalty_service.transport.errors.words import (
    Dialect,
    EsWords,
    FieldWords,
    OAuthWords,
    RpcWords,
)

PREFIXES: Mapping[str, Dialect] = {"/client/": Dialect.ES, "/loyalty/visits/": Dialect.ES}
"""The dialect of all paths below one, known or not, but those of an RPC that says otherwise."""

FAILED = 500

DEFAULT = Dialect.RBI
"""The dialect of all other paths."""

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
    **ACCOUNT_WORDS,
    "TokenService/IssueToken": RpcWords(
        DEFAULT,
        answers=OAUTH_BY_STATUS,
        oauth={
            GrantTypeUnsupportedError: OAuthWords("unsupported_grant_type"),
            e.RoleNotAllowedError: OAuthWords("unauthorized_client"),
        },
    ),
    "PurchaseService/TryPurchase": RpcWords(Dialect.ES),
    "PurchaseService/FinalizePurchase": RpcWords(Dialect.ES),
    "PurchaseService/ReportOfflinePurchase": RpcWords(Dialect.ES),
    "PurchaseService/AdjustWithoutReceipt": RpcWords(Dialect.ES),
    "PurchaseService/AwardPurchase": RpcWords(
        Dialect.ES,
        fields={"currentCorrelationId": FieldWords(_NO_CORRELATION_ID)},
        errors={
            e.ReceiptAlreadyClaimedError: EsWords("Transaction was already awarded"),
            e.ReceiptExpiredError: EsWords("Transaction is older than {days} days."),
        },
    ),
    "PurchaseService/AdjustPurchase": RpcWords(
        Dialect.ES, fields={"currentCorrelationId": FieldWords(_NO_CORRELATION_ID)}
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
