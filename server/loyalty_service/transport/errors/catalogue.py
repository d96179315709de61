"""
The one table of errors: what each refusal is called on each door.

Sources of the legacy words: the ES contract's error tables and the RBI contract's error
responses; where both are silent, the nearest word of theirs. What tells of the server and its
limits is in `server_rows.py`, what tells of ES's sessions in `es_rows.py`, of
their points in `account_rows.py`.
"""

from __future__ import annotations

import grpc

from loyalty.v1 import error_reason_pb2
from loyalty_service.domain import errors as e
from loyalty_service.observability.outcomes import CANCELLED, OK
from loyalty_service.transport.errors.account_rows import ACCOUNT_ROWS
from loyalty_service.transport.errors.error_row import ErrorRow
from loyalty_service.transport.errors.es_rows import ES_ROWS
from loyalty_service.transport.errors.server_rows import SERVER_ROWS

Code = grpc.StatusCode

_INVALID = "INVALID_REQUEST"

ROWS: tuple[ErrorRow, ...] = (
    ErrorRow(
        e.RequestInvalidError,
        Code.INVALID_ARGUMENT,
        "REQUEST_INVALID",
        400,
        _INVALID,
        "ValidationError",
        "Request body is invalid",
    ),
    ErrorRow(
        e.CorrelationIdInvalidError,
        Code.INVALID_ARGUMENT,
        "CORRELATION_ID_INVALID",
        400,
        _INVALID,
        "ValidationError",
        "Invalid Correlation ID",
    ),
    ErrorRow(
        e.ApiKeyMissingError,
        Code.UNAUTHENTICATED,
        "API_KEY_MISSING",
        401,
        "UNAUTHORIZED",
        "Unauthorized",
        "An API key is required: send x-api-key, or Authorization: Bearer",
    ),
    ErrorRow(
        e.ApiKeyInvalidError,
        Code.UNAUTHENTICATED,
        "API_KEY_INVALID",
        401,
        "UNAUTHORIZED",
        "Unauthorized",
        "The API key is unknown, revoked or of another region",
    ),
    ErrorRow(
        e.RoleNotAllowedError,
        Code.PERMISSION_DENIED,
        "ROLE_NOT_ALLOWED",
        403,
        "FORBIDDEN",
        "Forbidden",
        "An API key of role {role} may not call {method}",
    ),
    ErrorRow(
        e.StoreNotAllowedError,
        Code.PERMISSION_DENIED,
        "STORE_NOT_ALLOWED",
        403,
        "FORBIDDEN",
        "Forbidden",
        "The API key may not be used for store {store_id}",
    ),
    ErrorRow(
        e.StoreNotFoundError,
        Code.NOT_FOUND,
        "STORE_NOT_FOUND",
        404,
        _INVALID,
        "StoreNotFound",
        "Store {store_id} was not found",
    ),
    ErrorRow(
        e.MemberNotFoundError,
        Code.NOT_FOUND,
        "MEMBER_NOT_FOUND",
        404,
        _INVALID,
        "UserNotFoundError",
        "Loyalty user {loyalty_id} was not found",
    ),
    ErrorRow(
        e.IdentificationFailedError,
        Code.INVALID_ARGUMENT,
        "IDENTIFICATION_FAILED",
        400,
        _INVALID,
        "IdentificationFailed",
        "Identifier looks like a loyalty ID but is not one",
    ),
    ErrorRow(
        e.IdentifierInvalidError,
        Code.INVALID_ARGUMENT,
        "IDENTIFIER_INVALID",
        422,
        _INVALID,
        "InvalidIdentifier",
        "Identifier is neither a 6-digit code nor a loyalty ID",
    ),
    ErrorRow(
        e.IdentifierTypeDisabledError,
        Code.FAILED_PRECONDITION,
        "IDENTIFIER_TYPE_DISABLED",
        422,
        _INVALID,
        "IdentifierTypeDisabled",
        "Identifiers of kind {kind} are switched off in this program",
    ),
    ErrorRow(
        e.CodeNotFoundError,
        Code.NOT_FOUND,
        "CODE_NOT_FOUND",
        404,
        _INVALID,
        "HashSetNotFoundError",
        "Identifier not found",
    ),
    ErrorRow(
        e.CodeAlreadyUsedError,
        Code.FAILED_PRECONDITION,
        "CODE_ALREADY_USED",
        422,
        _INVALID,
        "OrderSelectionStatusUnclaimable",
        "Identifier was already used",
    ),
    ErrorRow(
        e.GuestChangedError,
        Code.FAILED_PRECONDITION,
        "GUEST_CHANGED",
        422,
        _INVALID,
        "IdentifierOfAnotherUser",
        "Identifier is of another guest than the transaction",
    ),
    ErrorRow(
        e.TooManyWrongCodesError,
        Code.RESOURCE_EXHAUSTED,
        "TOO_MANY_WRONG_CODES",
        429,
        "TOO_MANY_REQUESTS",
        "TooManyRequests",
        "This {scope} has shown too many wrong codes and must wait before it shows another",
        retry_after_ms=30_000,
    ),
    ErrorRow(
        e.RewardNotFoundError,
        Code.NOT_FOUND,
        "REWARD_NOT_FOUND",
        404,
        _INVALID,
        "RewardNotFoundError",
        "Reward {incentive_id} was not found",
    ),
    ErrorRow(
        e.OfferNotFoundError,
        Code.NOT_FOUND,
        "OFFER_NOT_FOUND",
        404,
        _INVALID,
        "OfferNotFoundError",
        "Offer {incentive_id} was not found",
    ),
    ErrorRow(
        e.PointsInsufficientError,
        Code.FAILED_PRECONDITION,
        "POINTS_INSUFFICIENT",
        400,
        _INVALID,
        "TRANSACTION_INSUFFICIENT_POINTS",
        "{required_points} points are needed and {available_points} are available",
    ),
    ErrorRow(
        e.TransactionNotFoundError,
        Code.NOT_FOUND,
        "TRANSACTION_NOT_FOUND",
        404,
        _INVALID,
        "TransactionNotFoundError",
        "Transaction {transaction_id} was not found",
    ),
    ErrorRow(
        e.TransactionNotClaimableError,
        Code.FAILED_PRECONDITION,
        "TRANSACTION_NOT_CLAIMABLE",
        400,
        _INVALID,
        "TRANSACTION_NOT_CLAIMABLE",
        "Transaction {transaction_id} is {status} and does not allow this call",
    ),
    ErrorRow(
        e.RulesFailedError,
        Code.FAILED_PRECONDITION,
        "RULES_FAILED",
        400,
        _INVALID,
        "RulesError",
        "Rule evaluation failed",
    ),
    ErrorRow(
        e.RewardRefusedError,
        Code.FAILED_PRECONDITION,
        "REWARD_REFUSED",
        400,
        _INVALID,
        "REDEEM_REWARD_ERROR",
        "Store {store_id} takes no rewards",
    ),
    ErrorRow(
        e.ReceiptNotFoundError,
        Code.NOT_FOUND,
        "RECEIPT_NOT_FOUND",
        404,
        _INVALID,
        "ReceiptNotFoundError",
        "Receipt not found",
    ),
    ErrorRow(
        e.ReceiptAlreadyClaimedError,
        Code.FAILED_PRECONDITION,
        "RECEIPT_ALREADY_CLAIMED",
        422,
        _INVALID,
        "ReceiptAlreadyClaimed",
        "Receipt was already claimed",
    ),
    ErrorRow(
        e.OrderAlreadyClaimedError,
        Code.FAILED_PRECONDITION,
        "ORDER_ALREADY_CLAIMED",
        422,
        _INVALID,
        "OrderAlreadyClaimed",
        "Order was already claimed",
    ),
    ErrorRow(
        e.ReceiptExpiredError,
        Code.FAILED_PRECONDITION,
        "RECEIPT_EXPIRED",
        422,
        _INVALID,
        "ReceiptExpired",
        "The receipt is too old: receipts can be claimed for {days} days",
    ),
    ErrorRow(
        e.ReceiptLimitReachedError,
        Code.FAILED_PRECONDITION,
        "RECEIPT_LIMIT_REACHED",
        422,
        _INVALID,
        "ReceiptLimitReached",
        "The member has claimed enough receipts: {limit} is {allowed}",
    ),
    ErrorRow(
        e.VoidTooLateError,
        Code.FAILED_PRECONDITION,
        "VOID_TOO_LATE",
        422,
        _INVALID,
        "VoidTooLate",
        "Transaction {transaction_id} is too old: orders can be cancelled for {days} days",
    ),
    ErrorRow(
        e.ReturnTooLateError,
        Code.FAILED_PRECONDITION,
        "RETURN_TOO_LATE",
        422,
        _INVALID,
        "ReturnTooLate",
        "Transaction {transaction_id} is too old: lines can come back for {days} days",
    ),
    ErrorRow(
        e.TransactionNotReturnableError,
        Code.FAILED_PRECONDITION,
        "TRANSACTION_NOT_RETURNABLE",
        422,
        _INVALID,
        "TransactionNotReturnable",
        "Lines of transaction {transaction_id} can't come back: it is {status} and not CLAIMED",
    ),
    ErrorRow(
        e.PromoCodeNotFoundError,
        Code.NOT_FOUND,
        "PROMO_CODE_NOT_FOUND",
        404,
        _INVALID,
        "PromoCodeNotFoundError",
        "Promo code was not found",
    ),
    ErrorRow(
        e.PromoCodeAlreadyRedeemedError,
        Code.FAILED_PRECONDITION,
        "PROMO_CODE_ALREADY_REDEEMED",
        422,
        _INVALID,
        "PromoCodeAlreadyRedeemed",
        "Promo code was already redeemed",
    ),
    ErrorRow(
        e.PromoCodeInvalidError,
        Code.FAILED_PRECONDITION,
        "PROMO_CODE_INVALID",
        422,
        _INVALID,
        "PromoCodeInvalid",
        "Promo code can't be used now, or not in this store",
    ),
    ErrorRow(
        e.ContractNotServedError,
        Code.NOT_FOUND,
        "CONTRACT_NOT_SERVED",
        404,
        _INVALID,
        "ContractNotServed",
        "The program does not serve the contract {contract}",
    ),
    ErrorRow(
        e.EmailTakenError,
        Code.ALREADY_EXISTS,
        "EMAIL_TAKEN",
        409,
        _INVALID,
        "EmailTaken",
        "Another member already has this e-mail address",
    ),
    ErrorRow(
        e.IdentifierTakenError,
        Code.ALREADY_EXISTS,
        "IDENTIFIER_TAKEN",
        409,
        _INVALID,
        "IdentifierTaken",
        "Another member already has this {kind}",
    ),
    ErrorRow(
        e.MemberBlockedError,
        Code.FAILED_PRECONDITION,
        "MEMBER_BLOCKED",
        400,
        _INVALID,
        "MemberBlocked",
        "The member is blocked: {blocked}",
    ),
    ErrorRow(
        e.CodeRequiredError,
        Code.FAILED_PRECONDITION,
        "CODE_REQUIRED",
        400,
        _INVALID,
        "CodeRequired",
        "Rewards and offers need a code that the guest shows",
    ),
    ErrorRow(
        e.IdempotencyKeyReusedError,
        Code.INVALID_ARGUMENT,
        "IDEMPOTENCY_KEY_REUSED",
        422,
        _INVALID,
        "IdempotencyKeyReused",
        "Idempotency key {idempotency_key} was used with another request: use a new one",
    ),
    *ES_ROWS,
    *ACCOUNT_ROWS,
    *SERVER_ROWS,
)

CATALOGUE: dict[type[e.LoyaltyError], ErrorRow] = {row.error: row for row in ROWS}

GRPC_CODES: dict[str, grpc.StatusCode] = {row.reason: row.code for row in ROWS} | {
    OK: Code.OK,
    CANCELLED: Code.CANCELLED,
}
"""The gRPC status of each outcome of a call."""

REASONS: frozenset[str] = frozenset(error_reason_pb2.ErrorReason.keys()[1:])


def retry_after_ms(error: e.LoyaltyError) -> int | None:
    """Tell when trying again helps; absent when it does not."""
    known: int | None = getattr(error, "retry_after_ms", CATALOGUE[type(error)].retry_after_ms)
    return known
