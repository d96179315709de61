"""
Words that the pages of ES fix for calls that move points in a session, besides orders.

All of a redemption that is refused for its member has one text, so that nobody learns why.
"""

from __future__ import annotations

from collections.abc import Mapping

from loyalty_service.domain import account_errors as a
from loyalty_service.domain import errors as e
from loyalty_service.transport.errors.words import Dialect, EsWords, FieldWords, RpcWords

_MISSING = "MISSING_REQUIRED_FIELDS_ERROR"
_NOT_ELIGIBLE = EsWords("Account is not eligible for redemption.")
_NO_SESSION = EsWords("Must provide a session correlation ID")


def _needed(name: str, code: str = "INVALID_REQUEST", full_stop: str = "") -> FieldWords:
    """Word a field that must be given."""
    text = f"{name} is mandatory and required to be non-empty{full_stop}"
    return FieldWords(wrong=EsWords(f"{name} is invalid"), missing=EsWords(text, code))


_SESSION = {"correlationId": FieldWords(_NO_SESSION)}
_UNIT = FieldWords(
    wrong=EsWords("businessUnit is invalid"),
    missing=EsWords("Business Unit is mandatory and required to be non-empty"),
)
_NOT_FOR_ALL: Mapping[type[e.LoyaltyError], EsWords] = {
    e.MemberBlockedError: _NOT_ELIGIBLE,
    a.RedemptionNotAllowedError: _NOT_ELIGIBLE,
}
_LOCK = {**_SESSION, "entity": _needed("entity", _MISSING), "context": _needed("context", _MISSING)}

_RESERVED = {
    **_SESSION,
    "reservationAmount": _needed("reservationAmount", _MISSING),
    "fulfillmentEmailKey": _needed("fulfillmentEmailKey", _MISSING),
}

ACCOUNT_WORDS: Mapping[str, RpcWords] = {
    "AccountService/GetBalance": RpcWords(Dialect.ES, fields=_SESSION),
    "AccountService/GetMembership": RpcWords(Dialect.ES, fields=_SESSION),
    "AccountService/ListVisitHistory": RpcWords(
        Dialect.ES,
        fields={
            **_SESSION,
            **{
                name: FieldWords(EsWords(f"{name} is invalid"))
                for name in ("limit", "from", "to", "transactionId")
            },
        },
    ),
    "AccountService/ReservePoints": RpcWords(Dialect.ES, fields=_RESERVED, errors=_NOT_FOR_ALL),
    "AccountService/LowerReservation": RpcWords(Dialect.ES, fields=_RESERVED, errors=_NOT_FOR_ALL),
    "AccountService/CancelReservation": RpcWords(Dialect.ES, fields=_SESSION, errors=_NOT_FOR_ALL),
    "AccountService/IssueAdhocRedemption": RpcWords(
        Dialect.ES,
        fields={
            **_SESSION,
            "businessUnit": _UNIT,
            "reservationToken": _needed("reservationToken"),
        },
        errors=_NOT_FOR_ALL,
    ),
    "AccountService/IssueAdhocReward": RpcWords(
        Dialect.ES,
        fields={
            **_SESSION,
            "businessUnit": _UNIT,
            "issuerId": _needed("issuerId"),
            "rewardId": _needed("rewardId"),
            "rewardAmount": _needed("rewardAmount"),
        },
        errors={
            **_NOT_FOR_ALL,
            e.PointsInsufficientError: EsWords("Insufficient point balance"),
        },
    ),
    "AccountService/VoidAdhocTransaction": RpcWords(
        Dialect.ES,
        fields={
            **_SESSION,
            "originalTransactionId": _needed("originalTransactionId", _MISSING, "."),
        },
        errors={
            **_NOT_FOR_ALL,
            e.TransactionNotFoundError: EsWords("Transaction does not exist"),
            e.VoidTooLateError: EsWords("Transaction is older than {days} days."),
            e.PointsInsufficientError: EsWords("Void transaction not allowed"),
        },
    ),
    "AccountService/CreateRedemptionLock": RpcWords(Dialect.ES, fields=_LOCK, errors=_NOT_FOR_ALL),
    "AccountService/ListRedemptionLocks": RpcWords(Dialect.ES, fields=_SESSION),
    "AccountService/DeleteRedemptionLock": RpcWords(Dialect.ES, fields=_LOCK, errors=_NOT_FOR_ALL),
}
