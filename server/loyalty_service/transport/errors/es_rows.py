"""The part of the catalogue that tells of the calls of the ES contract, in its own words."""

from __future__ import annotations

import grpc

from loyalty_service.domain import es_errors as e
from loyalty_service.domain import purchase_errors as p
from loyalty_service.transport.errors.error_row import ErrorRow

Code = grpc.StatusCode

_INVALID = "INVALID_REQUEST"

ES_ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(
        e.SessionNotFoundError,
        Code.NOT_FOUND,
        "SESSION_NOT_FOUND",
        400,
        _INVALID,
        "SessionNotFound",
        "Session correlation ID does not exist--create it first",
    ),
    ErrorRow(
        e.SessionClosedError,
        Code.FAILED_PRECONDITION,
        "SESSION_CLOSED",
        400,
        _INVALID,
        "SessionClosed",
        "Session Closed",
    ),
    ErrorRow(
        e.AccountNotFoundError,
        Code.NOT_FOUND,
        "ACCOUNT_NOT_FOUND",
        400,
        _INVALID,
        "AccountNotFound",
        "Account does not exist",
    ),
    ErrorRow(
        e.GrantTypeUnsupportedError,
        Code.INVALID_ARGUMENT,
        "GRANT_TYPE_UNSUPPORTED",
        400,
        _INVALID,
        "GrantTypeUnsupported",
        "grant_type must be client_credentials",
    ),
    ErrorRow(
        e.IdentifierTypeInvalidError,
        Code.INVALID_ARGUMENT,
        "IDENTIFIER_TYPE_INVALID",
        400,
        _INVALID,
        "IdentifierTypeInvalid",
        "identifierType should be one of {kinds}",
    ),
    ErrorRow(
        p.PurchaseNotFoundError,
        Code.NOT_FOUND,
        "PURCHASE_NOT_FOUND",
        400,
        _INVALID,
        "PurchaseNotFound",
        "Transaction does not exist",
    ),
    ErrorRow(
        p.OriginalOfAnotherMemberError,
        Code.FAILED_PRECONDITION,
        "ORIGINAL_OF_ANOTHER_MEMBER",
        400,
        _INVALID,
        "OriginalOfAnotherMember",
        "Original transaction belongs to another member",
    ),
    ErrorRow(
        p.ConfirmationNotNeededError,
        Code.FAILED_PRECONDITION,
        "CONFIRMATION_NOT_NEEDED",
        400,
        _INVALID,
        "ConfirmationNotNeeded",
        "Transaction does not require confirmation",
    ),
    ErrorRow(
        p.ConfirmationMismatchError,
        Code.FAILED_PRECONDITION,
        "CONFIRMATION_MISMATCH",
        400,
        _INVALID,
        "ConfirmationMismatch",
        "Confirmation mode mismatch",
    ),
    ErrorRow(
        p.ConfirmationImpossibleError,
        Code.FAILED_PRECONDITION,
        "CONFIRMATION_IMPOSSIBLE",
        400,
        _INVALID,
        "ConfirmationImpossible",
        "Transaction cannot be confirmed",
    ),
    ErrorRow(
        p.ConfirmationTooLateError,
        Code.FAILED_PRECONDITION,
        "CONFIRMATION_TOO_LATE",
        400,
        _INVALID,
        "ConfirmationTooLate",
        "Transaction is older than {days} days",
    ),
    ErrorRow(
        p.ConfirmationDoneError,
        Code.ALREADY_EXISTS,
        "CONFIRMATION_DONE",
        400,
        _INVALID,
        "ConfirmationDone",
        "Transaction already confirmed",
    ),
)
