"""What a use case that only reads may ask of the storage. Reads never wait for the writer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from loyalty_service.domain.events import EventPage, FeedPosition
from loyalty_service.domain.guessing import Refusal
from loyalty_service.domain.ledger import AccountKind, Cause
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member, Remembered, Transaction


@dataclass(frozen=True, slots=True)
class TransferEntry:
    """A transfer as a member's history shows it; without a transaction where none is behind it."""

    transfer_id: int
    source: AccountKind
    destination: AccountKind
    points: int
    cause: Cause
    transaction_id: str
    note: str
    effective_ms: int
    recorded_ms: int


@dataclass(frozen=True, slots=True)
class TransactionEntry:
    """A transaction with its guest, absent while nobody has identified, and what it holds."""

    transaction: Transaction
    loyalty_id: str | None
    held_points: int


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """An API key as listings show it: all but its secret."""

    key_id: str
    program_id: str
    partner: str
    role: str
    stores: tuple[int, ...]
    created_ms: int
    revoked_ms: int | None


class Reader(Protocol):
    """Typed queries over one consistent state."""

    async def member(self, program_id: str, loyalty_id: str) -> Member | None:
        """Find a member with all accounts that are open."""

    async def code_refusals(self) -> Sequence[Refusal]:
        """Find who must or had to wait for showing wrong codes."""

    async def transfers(
        self, accounts: Sequence[int], before: int | None, limit: int
    ) -> Sequence[TransferEntry]:
        """List transfers of accounts, newest first, older than the transfer *before*."""

    async def api_keys(self) -> Sequence[KeyEntry]:
        """List all API keys, the oldest first."""

    async def transaction(self, transaction_id: str) -> TransactionEntry | None:
        """Find a transaction."""

    async def remembered(self, scope: str, idempotency_key: str) -> Remembered | None:
        """Find the answer kept under an idempotency key."""

    def page_token(self, listing: str, last: int) -> str:
        """Write down which row a page of a *listing* ended with, for this store alone to read."""

    def read_page_token(self, token: str, listing: str) -> int | None:
        """Read a token of `page_token`; absent when it is not one of this listing's."""

    async def events(self, after: FeedPosition, limit: int) -> EventPage:
        """
        Give at most *limit* events that come after a position; see `FeedPosition`.

        Those of one lane are in the order of their commits, all of them nearly in that of their
        times. Whoever reads on from the position that comes with them misses none, and gets none
        twice.
        """

    async def program_at(self, program_id: str, time_ms: int) -> Program | None:
        """Find a program as it was in force at a moment; absent where that is not known."""
