"""What tills of ES read where points in a session are refused: the texts of its pages."""

from __future__ import annotations

import json

import pytest

from loyalty_service.domain.account_errors import (
    AdhocRewardUnknownError,
    AlreadyVoidedError,
    BusinessUnitUnknownError,
    RedemptionNotAllowedError,
    ReservationInvalidError,
    VoidNotAllowedError,
)
from loyalty_service.domain.errors import (
    FieldViolation,
    LoyaltyError,
    MemberBlockedError,
    PointsInsufficientError,
    RequestInvalidError,
    TransactionNotFoundError,
    VoidTooLateError,
)
from loyalty_service.domain.es_errors import SessionClosedError, SessionNotFoundError
from loyalty_service.domain.purchase_errors import OriginalOfAnotherMemberError
from loyalty_service.transport.errors.rendering import legacy_trailers
from loyalty_service.transport.errors.words import Dialect

ORIGINAL = "5c0a4d0e-2a5d-4fd3-9b64-90d1f8a9f5aa"
NO_UNIT = RequestInvalidError((FieldViolation("business_unit", "is required"),))

TEXTS: list[tuple[str, LoyaltyError, str]] = [
    (
        "GetBalance",
        SessionNotFoundError(),
        "Session correlation ID does not exist--create it first",
    ),
    ("CancelReservation", SessionClosedError(), "Session Closed"),
    ("CancelReservation", ReservationInvalidError(), "Reservation token is invalid"),
    (
        "ReservePoints",
        RedemptionNotAllowedError(),
        "Account is not eligible for redemption.",
    ),
    (
        "IssueAdhocRedemption",
        RedemptionNotAllowedError(),
        "Account is not eligible for redemption.",
    ),
    (
        "IssueAdhocReward",
        MemberBlockedError("both"),
        "Account is not eligible for redemption.",
    ),
    ("IssueAdhocReward", NO_UNIT, "Business Unit is mandatory and required to be non-empty"),
    ("IssueAdhocRedemption", NO_UNIT, "Business Unit is mandatory and required to be non-empty"),
    (
        "IssueAdhocReward",
        BusinessUnitUnknownError("WHOLESALE"),
        "Business Unit [WHOLESALE] is not a valid business unit",
    ),
    ("IssueAdhocReward", AdhocRewardUnknownError("X"), "Reward identifier is invalid"),
    ("IssueAdhocReward", PointsInsufficientError(1, 2), "Insufficient point balance"),
    ("VoidAdhocTransaction", TransactionNotFoundError(ORIGINAL), "Transaction does not exist"),
    (
        "VoidAdhocTransaction",
        OriginalOfAnotherMemberError(ORIGINAL),
        "Original transaction belongs to another member",
    ),
    (
        "VoidAdhocTransaction",
        AlreadyVoidedError(ORIGINAL),
        "Original transaction was already voided",
    ),
    ("VoidAdhocTransaction", VoidNotAllowedError(ORIGINAL), "Void transaction not allowed"),
    ("VoidAdhocTransaction", PointsInsufficientError(1, 2), "Void transaction not allowed"),
    (
        "VoidAdhocTransaction",
        VoidTooLateError(ORIGINAL, 90),
        "Transaction is older than 90 days.",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), TEXTS)
def test_refusal_has_the_text_of_its_page(call: str, error: LoyaltyError, text: str) -> None:
    """With status 400 and the code that all of them have."""
    told = dict(legacy_trailers(error, Dialect.ES, f"AccountService/{call}"))
    assert json.loads(told["loyalty-http-body"]) == {
        "statusCode": 400,
        "errorMessage": text,
        "errorCode": "INVALID_REQUEST",
    }
    assert told["loyalty-http-status"] == "400"
