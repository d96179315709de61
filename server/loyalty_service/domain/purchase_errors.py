"""Conditions for which calls about purchases of sessions are refused; see `domain.errors`."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.domain.errors import LoyaltyError


@dataclass(unsafe_hash=True)
class PurchaseNotFoundError(LoyaltyError):
    """Raised when a correlation ID names no purchase, or one of which all has come back."""


@dataclass(unsafe_hash=True)
class OriginalOfAnotherMemberError(LoyaltyError):
    """Raised when the transaction that a call names is another member's, or nobody's."""

    original_transaction_id: str


@dataclass(unsafe_hash=True)
class ConfirmationNotNeededError(LoyaltyError):
    """Raised when the points of a purchase never waited to be confirmed."""


@dataclass(unsafe_hash=True)
class ConfirmationMismatchError(LoyaltyError):
    """Raised when a purchase is to be confirmed in another way than it was reported with."""


@dataclass(unsafe_hash=True)
class ConfirmationImpossibleError(LoyaltyError):
    """Raised when a purchase has no lines that could be confirmed."""


@dataclass(unsafe_hash=True)
class ConfirmationTooLateError(LoyaltyError):
    """
    Raised when a purchase is older than the program lets purchases be confirmed.

    Attributes:
        days: How many days after the purchase it could be.
    """

    days: int


@dataclass(unsafe_hash=True)
class ConfirmationDoneError(LoyaltyError):
    """Raised when a purchase was confirmed before."""
