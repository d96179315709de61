"""The part of the catalogue that tells of points that are moved in a session, besides orders."""

from __future__ import annotations

import grpc

from loyalty_service.domain import account_errors as e
from loyalty_service.transport.errors.error_row import ErrorRow

Code = grpc.StatusCode

_INVALID = "INVALID_REQUEST"

ACCOUNT_ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(
        e.RedemptionNotAllowedError,
        Code.FAILED_PRECONDITION,
        "REDEMPTION_NOT_ALLOWED",
        400,
        _INVALID,
        "RedemptionNotAllowed",
        "Account is not eligible for redemption",
    ),
    ErrorRow(
        e.ReservationInvalidError,
        Code.NOT_FOUND,
        "RESERVATION_INVALID",
        400,
        _INVALID,
        "ReservationInvalid",
        "Reservation token is invalid",
    ),
    ErrorRow(
        e.ReservationRaisedError,
        Code.FAILED_PRECONDITION,
        "RESERVATION_RAISED",
        400,
        _INVALID,
        "ReservationRaised",
        "Reservation amount can only be reduced",
    ),
    ErrorRow(
        e.BusinessUnitUnknownError,
        Code.NOT_FOUND,
        "BUSINESS_UNIT_UNKNOWN",
        400,
        _INVALID,
        "BusinessUnitUnknown",
        "Business Unit [{business_unit}] is not a valid business unit",
    ),
    ErrorRow(
        e.AdhocRewardUnknownError,
        Code.NOT_FOUND,
        "ADHOC_REWARD_UNKNOWN",
        400,
        _INVALID,
        "AdhocRewardUnknown",
        "Reward identifier is invalid",
    ),
    ErrorRow(
        e.ReferenceReusedError,
        Code.INVALID_ARGUMENT,
        "REFERENCE_REUSED",
        400,
        _INVALID,
        "ReferenceReused",
        "External reference {external_reference_id} was used with another request",
    ),
    ErrorRow(
        e.AlreadyVoidedError,
        Code.FAILED_PRECONDITION,
        "ALREADY_VOIDED",
        400,
        _INVALID,
        "AlreadyVoided",
        "Original transaction was already voided",
    ),
    ErrorRow(
        e.VoidNotAllowedError,
        Code.FAILED_PRECONDITION,
        "VOID_NOT_ALLOWED",
        400,
        _INVALID,
        "VoidNotAllowed",
        "Void transaction not allowed",
    ),
)
