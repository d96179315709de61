"""Every error of the catalogue as an example, and one that is in no catalogue."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import grpc

from loyalty_service.domain.breaches import RuleFailure
from loyalty_service.domain.errors import FieldViolation, LoyaltyError
from loyalty_service.transport.errors.catalogue import CATALOGUE, GRPC_CODES
from loyalty_service.transport.errors.error_row import ErrorRow

SURPRISE = "SANDBOX_SURPRISE"
_NOWHERE = "00000000-0000-4000-8000-000000000000"

# By the name of the field, whichever error has it.
_VALUES: dict[str, Any] = {
    "allowed": 10,
    "available_points": 250,
    "blocked": "redeem",
    "business_unit": "RETAIL",
    "days": 30,
    "external_reference_id": "an earlier call's",
    "failures": (
        RuleFailure("MINIMUM_SPEND", _NOWHERE, "The order is below the minimum", 500, 1500),
    ),
    "held_points": 25_000,
    "idempotency_key": "an earlier call's",
    "incentive_id": _NOWHERE,
    "kind": "loyalty_id",
    "kinds": "ACCOUNT_ID, LOYALTY_ID",
    "limit": "codes_per_member_minute",
    "contract": "es",
    "loyalty_id": _NOWHERE,
    "method": "IdentifyService/IdentifyMember",
    "original_transaction_id": _NOWHERE,
    "region": None,
    "request_id": _NOWHERE,
    "requested_status": None,
    "required_points": 800,
    "retry_after_ms": 3000,
    "reward_id": "WELCOME_500",
    "role": "app",
    "scope": "terminal",
    "status": "VOID",
    "store_id": 4040,
    "transaction_id": _NOWHERE,
    "violations": (FieldViolation("pos_vendor.store_id", "is required"),),
}


def is_reason(word: str) -> bool:
    """Tell whether an error has this reason."""
    return any(row.reason == word for row in CATALOGUE.values())


def error_of(reason: str) -> LoyaltyError:
    """Give the error of a reason, with values that it might have."""
    kind = next(row.error for row in CATALOGUE.values() if row.reason == reason)
    values = {field.name: _VALUES[field.name] for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**values)


def add_surprise() -> type[LoyaltyError]:
    """
    Make an error that no page lists, and add it to the catalogue of this process.

    Only the sandbox's own process has it.
    """

    @dataclass(unsafe_hash=True)
    class SurpriseError(LoyaltyError):
        """Raised in place of an answer."""

    row = ErrorRow(
        SurpriseError,
        grpc.StatusCode.FAILED_PRECONDITION,
        SURPRISE,
        422,
        SURPRISE,
        SURPRISE,
        "An error that is newer than this till",
    )
    CATALOGUE[SurpriseError] = row
    GRPC_CODES[SURPRISE] = row.code
    return SurpriseError
