"""How one class of error is rendered on each door."""

from __future__ import annotations

from dataclasses import dataclass

import grpc

from loyalty_service.domain import errors as e


@dataclass(frozen=True, slots=True)
class ErrorRow:
    """
    How one class of error is rendered.

    Attributes:
        error: The class.
        code: gRPC status code.
        reason: Value of `ErrorReason`, the `ErrorInfo` reason.
        http: HTTP status on the JSON door.
        es: `errorCode` in the ES dialect.
        rbi: `code` in the RBI dialect.
        message: English text; names in braces are fields of the error, which are also the
            `ErrorInfo` metadata.
        retry_after_ms: When trying again helps; absent when it does not. An error with a field of
            this name tells it itself.
    """

    error: type[e.LoyaltyError]
    code: grpc.StatusCode
    reason: str
    http: int
    es: str
    rbi: str
    message: str
    retry_after_ms: int | None = None
