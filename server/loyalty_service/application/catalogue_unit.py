"""What use cases about programs and API keys may ask of a unit of work."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Program


class CatalogueUnit(Protocol):
    """The part of a unit of work that keeps programs and API keys."""

    def lock_catalog(self) -> None:
        """Keep others from changing the catalogue until the unit ends, and look at it again."""

    def has_ledger(self, program_id: str) -> bool:
        """Tell whether orders of a program are paid, or points were moved."""

    def save_program(self, program: Program, now_ms: int) -> int:
        """
        Replace a program with its stores and incentives; a new one gets its accounts.

        Every version of it is kept; returns the number of this one, which counts from 1.
        """

    def program_of(self, program_id: str, version: int) -> Program | None:
        """Give a program as one of its versions described it; None where none was kept."""

    def add_key(self, key: ApiKey, digest: bytes, now_ms: int) -> None:
        """Keep an API key by its digest."""

    def change_key(self, key: ApiKey) -> None:
        """Keep what a live API key may do from now on."""

    def note_keys_used(self, key_ids: Collection[str], used_ms: int) -> None:
        """Keep when API keys were used, unless a later time is kept."""

    def revoke_key(self, key_id: str, now_ms: int) -> bool:
        """End an API key for good; return whether it was live."""
