"""Conditions for which calls that move points in a session are refused; see `domain.errors`."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.domain.errors import LoyaltyError


@dataclass(unsafe_hash=True)
class RedemptionNotAllowedError(LoyaltyError):
    """Raised when a session, or so many points, may not be redeemed by the rules of the program."""


@dataclass(unsafe_hash=True)
class ReservationInvalidError(LoyaltyError):
    """Raised when a token is of no reservation of the member that still holds points."""


@dataclass(unsafe_hash=True)
class ReservationRaisedError(LoyaltyError):
    """
    Raised when a reservation is to hold more points than it does.

    Attributes:
        held_points: How many it holds.
    """

    held_points: int


@dataclass(unsafe_hash=True)
class BusinessUnitUnknownError(LoyaltyError):
    """Raised when the program has no such business unit."""

    business_unit: str


@dataclass(unsafe_hash=True)
class AdhocRewardUnknownError(LoyaltyError):
    """Raised when the program lets ad hoc calls give other rewards alone."""

    reward_id: str


@dataclass(unsafe_hash=True)
class ReferenceReusedError(LoyaltyError):
    """Raised when a partner's external reference was used with another request."""

    external_reference_id: str


@dataclass(unsafe_hash=True)
class AlreadyVoidedError(LoyaltyError):
    """Raised when an ad hoc transaction was taken back before."""

    original_transaction_id: str


@dataclass(unsafe_hash=True)
class VoidNotAllowedError(LoyaltyError):
    """Raised when a transaction is of a kind that can't be taken back by this call."""

    original_transaction_id: str
