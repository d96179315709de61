"""API keys: random, shown once, kept only as digests."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from loyalty_service.domain.errors import RoleNotAllowedError, StoreNotAllowedError

KEY_BYTES = 24
SANDBOX_KEYS = (
    "sandbox-pos-key",
    "sandbox-app-key",
    "sandbox-admin-key",
    "sandbox-one-store-key",
    "sandbox-points-key",
    "sandbox-single-key",
    "sandbox-es-key",
)


class Role(StrEnum):
    """What an API key is for."""

    TILL = "till"
    APP = "app"
    ADMIN = "admin"
    POINTS = "points"
    HELP_DESK = "help_desk"
    """Looks at members and orders, and changes nothing."""
    OPERATOR = "operator"
    """Gives and takes points besides, within limits of its own."""
    EVENTS = "events"


LESS: Mapping[Role, frozenset[Role]] = {
    Role.ADMIN: frozenset({Role.OPERATOR, Role.HELP_DESK}),
    Role.OPERATOR: frozenset({Role.HELP_DESK}),
}
"""Roles that may do less than another: what a key may become, since its secret may be known."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """
    A live API key without its secret.

    Attributes:
        key_id: Names the key in listings.
        partner: Vendor that holds the key.
        stores: Stores the key is limited to; empty for all of the program.
        label: What operators call it, among the keys of its partner; empty where they do not.
    """

    key_id: str
    program_id: str
    region: str
    partner: str
    role: Role
    stores: frozenset[int]
    label: str = ""

    def require_store(self, store_id: int) -> None:
        """
        Refuse a store the key is not for.

        Raises:
            StoreNotAllowedError: The key is limited to other stores.
        """
        if self.stores and store_id not in self.stores:
            raise StoreNotAllowedError(store_id)

    def require_stores(self, store_ids: Iterable[int]) -> None:
        """
        Refuse stores that the key is not for all of.

        Raises:
            StoreNotAllowedError: The key is limited to other stores; names the first.
        """
        for store_id in sorted(store_ids):
            self.require_store(store_id)

    def require_all_stores(self, method: str) -> None:
        """
        Refuse a key of some stores what tells of all of them.

        Raises:
            RoleNotAllowedError: The key is limited to stores.
        """
        if self.stores:
            raise RoleNotAllowedError(f"{self.role.value} of some stores", method)


def new_key() -> str:
    """Make an API key of 192 random bits."""
    return f"lk_{secrets.token_urlsafe(KEY_BYTES)}"


def key_digest(key: str) -> bytes:
    """Digest an API key; its randomness makes a plain hash safe."""
    return hashlib.sha256(key.encode()).digest()
