"""Every condition for which a call can be refused, one class each, without codes and prose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loyalty_service.domain.breaches import RuleFailure


class LoyaltyError(Exception):
    """
    Raised, as one of its subclasses, when a call is refused.

    They are not frozen: a context manager that an exception passes through sets its traceback.
    """


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """
    One broken rule of one field.

    Attributes:
        field: Path in the contract's own spelling, for instance `order[1].incentive_id`; empty
            for the request as a whole.
        message: What the value must be, in English, without a full stop.
    """

    field: str
    message: str


@dataclass(unsafe_hash=True)
class RequestInvalidError(LoyaltyError):
    """Raised when fields of the request break the contract; it carries those that were found."""

    violations: tuple[FieldViolation, ...]


@dataclass(unsafe_hash=True)
class CorrelationIdInvalidError(LoyaltyError):
    """Raised when a correlation ID names a session that can't be opened anonymously."""


@dataclass(unsafe_hash=True)
class ApiKeyMissingError(LoyaltyError):
    """Raised when a call carries no API key."""


@dataclass(unsafe_hash=True)
class ApiKeyInvalidError(LoyaltyError):
    """
    Raised when an API key is unknown, revoked or of another region.

    Attributes:
        region: The region that the caller names; absent where it names none.
    """

    region: str | None = None


@dataclass(unsafe_hash=True)
class RoleNotAllowedError(LoyaltyError):
    """Raised when an API key's role does not allow the call."""

    role: str
    method: str


@dataclass(unsafe_hash=True)
class StoreNotAllowedError(LoyaltyError):
    """Raised when an API key is limited to other stores."""

    store_id: int


@dataclass(unsafe_hash=True)
class StoreNotFoundError(LoyaltyError):
    """Raised when the program has no such store."""

    store_id: int


@dataclass(unsafe_hash=True)
class MemberNotFoundError(LoyaltyError):
    """Raised when the program has no such member."""

    loyalty_id: str


@dataclass(unsafe_hash=True)
class IdentificationFailedError(LoyaltyError):
    """Raised when an identifier looks like a loyalty ID but is not one."""


@dataclass(unsafe_hash=True)
class IdentifierInvalidError(LoyaltyError):
    """Raised when an identifier is of no known kind."""


@dataclass(unsafe_hash=True)
class IdentifierTypeDisabledError(LoyaltyError):
    """Raised when the program has switched a kind of identifier off."""

    kind: str


@dataclass(unsafe_hash=True)
class OrderAlreadyClaimedError(LoyaltyError):
    """Raised when an order looks like one that is claimed, and the program refuses that."""


@dataclass(unsafe_hash=True)
class CodeNotFoundError(LoyaltyError):
    """Raised when a code was never issued, was replaced or expired."""


@dataclass(unsafe_hash=True)
class CodeAlreadyUsedError(LoyaltyError):
    """Raised when a code was used before."""


@dataclass(unsafe_hash=True)
class GuestChangedError(LoyaltyError):
    """Raised when an identifier is of another guest than the one of the open transaction."""


@dataclass(unsafe_hash=True)
class TooManyWrongCodesError(LoyaltyError):
    """
    Raised when no code is looked at, right or wrong, because too many wrong ones were shown.

    Attributes:
        scope: Who must wait: a terminal, a store or a key.
        retry_after_ms: How long.
    """

    scope: str
    retry_after_ms: int


@dataclass(unsafe_hash=True)
class RewardNotFoundError(LoyaltyError):
    """Raised when a reward does not exist, or no longer does."""

    incentive_id: str


@dataclass(unsafe_hash=True)
class OfferNotFoundError(LoyaltyError):
    """Raised when an offer does not exist, or no longer does."""

    incentive_id: str


def incentive_not_found(kind: Literal["reward", "offer"], incentive_id: str) -> LoyaltyError:
    """Choose the error that tells which kind of incentive is gone."""
    if kind == "reward":
        return RewardNotFoundError(incentive_id)
    return OfferNotFoundError(incentive_id)


@dataclass(unsafe_hash=True)
class PointsInsufficientError(LoyaltyError):
    """Raised when a member has fewer points than are asked for."""

    available_points: int
    required_points: int


@dataclass(unsafe_hash=True)
class TransactionNotFoundError(LoyaltyError):
    """Raised when the program has no such transaction."""

    transaction_id: str


@dataclass(unsafe_hash=True)
class TransactionNotClaimableError(LoyaltyError):
    """
    Raised when a transaction's state, or the status asked for, allows no such report.

    Attributes:
        status: The transaction's.
        requested_status: What the report asks for, where that is what can't be.
    """

    transaction_id: str
    status: str
    requested_status: str | None = None


@dataclass(unsafe_hash=True)
class RulesFailedError(LoyaltyError):
    """Raised when an order breaks rules of the program; it carries all of them."""

    failures: tuple[RuleFailure, ...]


@dataclass(unsafe_hash=True)
class RewardRefusedError(LoyaltyError):
    """Raised when rewards are used in a store with loyalty switched off."""

    store_id: int


@dataclass(unsafe_hash=True)
class ReceiptNotFoundError(LoyaltyError):
    """Raised when a receipt code was never given out, or its order was cancelled."""


@dataclass(unsafe_hash=True)
class ReceiptAlreadyClaimedError(LoyaltyError):
    """Raised when a receipt was turned into points before."""


@dataclass(unsafe_hash=True)
class ReceiptExpiredError(LoyaltyError):
    """
    Raised when a receipt is older than the program lets receipts be turned into points.

    Attributes:
        days: How many days after the order it could be.
    """

    days: int


@dataclass(unsafe_hash=True)
class ReceiptLimitReachedError(LoyaltyError):
    """
    Raised when a member has claimed as many receipts as the program lets them in a period.

    Attributes:
        limit: Name of the limit, as in the program file.
        allowed: How many it allows.
    """

    limit: str
    allowed: int


@dataclass(unsafe_hash=True)
class VoidTooLateError(LoyaltyError):
    """
    Raised when an order is older than the program lets orders be cancelled.

    Attributes:
        days: How many days after the order it could be.
    """

    transaction_id: str
    days: int


@dataclass(unsafe_hash=True)
class ReturnTooLateError(LoyaltyError):
    """
    Raised when an order is older than the program lets anything of it come back.

    Attributes:
        days: How many days after the order it could.
    """

    transaction_id: str
    days: int


@dataclass(unsafe_hash=True)
class TransactionNotReturnableError(LoyaltyError):
    """
    Raised when nothing of a transaction can come back, because it is not claimed.

    Attributes:
        status: The transaction's.
    """

    transaction_id: str
    status: str


@dataclass(unsafe_hash=True)
class PromoCodeNotFoundError(LoyaltyError):
    """Raised when there is no such promo code."""


@dataclass(unsafe_hash=True)
class PromoCodeAlreadyRedeemedError(LoyaltyError):
    """Raised when a promo code was used as often as it can be, or by this member."""


@dataclass(unsafe_hash=True)
class PromoCodeInvalidError(LoyaltyError):
    """Raised when a promo code can't be used now, or not in this store."""


@dataclass(unsafe_hash=True)
class ContractNotServedError(LoyaltyError):
    """Raised when a call is of a contract, as program files name it, that is not served."""

    contract: str


@dataclass(unsafe_hash=True)
class EmailTakenError(LoyaltyError):
    """Raised when a member of the program has the e-mail address already; it names nobody."""


@dataclass(unsafe_hash=True)
class IdentifierTakenError(LoyaltyError):
    """Raised when a member of the program has the `phone` or `card` already; it names nobody."""

    kind: str


@dataclass(unsafe_hash=True)
class MemberBlockedError(LoyaltyError):
    """Raised when an operator keeps the member from this: `earn`, `redeem` or `both`."""

    blocked: str


@dataclass(unsafe_hash=True)
class CodeRequiredError(LoyaltyError):
    """Raised when rewards or offers are used by a guest who has shown no code."""


@dataclass(unsafe_hash=True)
class IdempotencyKeyReusedError(LoyaltyError):
    """Raised when an idempotency key was used with another request."""

    idempotency_key: str


@dataclass(unsafe_hash=True)
class ServerBusyError(LoyaltyError):
    """Raised when more work waits than is taken on; the wait is longer, the more was refused."""

    retry_after_ms: int = 1000


@dataclass(unsafe_hash=True)
class LimitExceededError(LoyaltyError):
    """
    Raised when a key, a program or a member has done as much as it may in a time.

    Attributes:
        limit: Name of the limit, as in the program file.
        allowed: How many it allows.
        retry_after_ms: When more is allowed again.
    """

    limit: str
    allowed: int
    retry_after_ms: int


@dataclass(unsafe_hash=True)
class AmountBeyondLimitError(LoyaltyError):
    """
    Raised when one call asks for more than a limit allows, at whatever time.

    Attributes:
        limit: Name of the limit, as in the program file.
        allowed: How many it allows.
    """

    limit: str
    allowed: int


@dataclass(unsafe_hash=True)
class ServerClockWrongError(LoyaltyError):
    """Raised when the server's clock is too far from the database's to serve anybody."""


@dataclass(unsafe_hash=True)
class StorageUnavailableError(LoyaltyError):
    """Raised when the database does not answer, or not in time to tell the outcome."""


@dataclass(unsafe_hash=True)
class RequestNotReceivedError(LoyaltyError):
    """Raised when a call's message does not follow its headers; nothing was done."""


@dataclass(unsafe_hash=True)
class DeadlinePassedError(LoyaltyError):
    """Raised when a call is given up after its deadline; its outcome is unknown."""


@dataclass(unsafe_hash=True)
class ServerFailedError(LoyaltyError):
    """Raised in place of an unexpected exception, whose text stays in the log."""

    request_id: str
