"""The part of the catalogue that tells of the server and its limits, and not of what was asked."""

from __future__ import annotations

import grpc

from loyalty_service.domain import errors as e
from loyalty_service.transport.errors.error_row import ErrorRow

Code = grpc.StatusCode

SERVER_ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(
        e.ServerBusyError,
        Code.RESOURCE_EXHAUSTED,
        "SERVER_BUSY",
        429,
        "TOO_MANY_REQUESTS",
        "TooManyRequests",
        "The server is busy: try again",
        retry_after_ms=1000,
    ),
    ErrorRow(
        e.LimitExceededError,
        Code.RESOURCE_EXHAUSTED,
        "LIMIT_EXCEEDED",
        429,
        "TOO_MANY_REQUESTS",
        "TooManyRequests",
        "Limit {limit} of {allowed} is reached: try again later",
        retry_after_ms=1000,
    ),
    ErrorRow(
        e.AmountBeyondLimitError,
        Code.FAILED_PRECONDITION,
        "AMOUNT_BEYOND_LIMIT",
        422,
        "INVALID_REQUEST",
        "AmountBeyondLimit",
        "The amount is too large: limit {limit} allows {allowed} at most",
    ),
    ErrorRow(
        e.StorageUnavailableError,
        Code.UNAVAILABLE,
        "STORAGE_UNAVAILABLE",
        503,
        "SERVICE_UNAVAILABLE",
        "ServiceUnavailable",
        "The database does not answer: send the request again with the same idempotency key",
        retry_after_ms=1000,
    ),
    ErrorRow(
        e.RequestNotReceivedError,
        Code.DEADLINE_EXCEEDED,
        "REQUEST_NOT_RECEIVED",
        504,
        "TIMEOUT",
        "Timeout",
        "The request did not arrive within a second of its headers: send it again",
    ),
    ErrorRow(
        e.ServerClockWrongError,
        Code.UNAVAILABLE,
        "SERVER_CLOCK_WRONG",
        503,
        "SERVICE_UNAVAILABLE",
        "ServiceUnavailable",
        "The server's clock is wrong: send the request again with the same idempotency key",
        retry_after_ms=1000,
    ),
    ErrorRow(
        e.DeadlinePassedError,
        Code.DEADLINE_EXCEEDED,
        "DEADLINE_PASSED",
        504,
        "TIMEOUT",
        "Timeout",
        "The answer took too long: send the request again with the same idempotency key",
        retry_after_ms=1000,
    ),
    ErrorRow(
        e.ServerFailedError,
        Code.INTERNAL,
        "SERVER_FAILED",
        500,
        "INTERNAL_ERROR",
        "InternalServerError",
        "The server failed: its log has the cause under request {request_id}",
    ),
)
