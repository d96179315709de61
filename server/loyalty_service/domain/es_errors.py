"""Conditions for which calls of the ES contract are refused, as those of `domain.errors`."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.domain.errors import LoyaltyError


@dataclass(unsafe_hash=True)
class SessionNotFoundError(LoyaltyError):
    """Raised when a correlation ID names no session."""


@dataclass(unsafe_hash=True)
class SessionClosedError(LoyaltyError):
    """Raised when a session has ended: an order closed it, or it was idle for too long."""


@dataclass(unsafe_hash=True)
class AccountNotFoundError(LoyaltyError):
    """Raised when no member has an account ID, phone number or e-mail address."""


@dataclass(unsafe_hash=True)
class GrantTypeUnsupportedError(LoyaltyError):
    """Raised when a token is asked for by another grant than client credentials."""


@dataclass(unsafe_hash=True)
class IdentifierTypeInvalidError(LoyaltyError):
    """
    Raised when nobody can be identified by a kind of identifier.

    Attributes:
        kinds: Those that are taken.
    """

    kinds: str
