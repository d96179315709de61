"""Search what a member ordered, and what partners gave besides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loyalty_service.application.members.get_member import get_member
from loyalty_service.application.reading import Reader
from loyalty_service.domain.gifts import PointsAssignment
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.records import Transaction, TransactionStatus

FOUND_MAX = 100

ORDERED = "RESTAURANT"
"""Channel of an order whose till has not told another."""

GIVEN = "CAMPAIGN"
"""Channel of what partners give besides orders."""


@dataclass(frozen=True, slots=True)
class SearchTransactions:
    """
    Whose transactions to find.

    Attributes:
        statuses: Those to keep to; all when empty.
        excluded_channels: Those to leave out, in upper case.
        cursor: ID of the last transaction of the answer before; absent at first.
    """

    key: ApiKey
    loyalty_id: str
    statuses: frozenset[TransactionStatus]
    excluded_channels: frozenset[str]
    cursor: str | None
    limit: int


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of a member, newest first."""

    loyalty_id: str
    entries: Sequence[Transaction | PointsAssignment]


async def search_transactions(reader: Reader, command: SearchTransactions) -> Found:
    """
    Find the newest transactions of a member.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
    """
    member = await get_member(reader, command.key, command.loyalty_id)
    limit = min(command.limit or FOUND_MAX, FOUND_MAX)
    before = None if command.cursor is None else command.cursor.lower()
    orders = await reader.transactions_of(
        member, command.statuses, command.excluded_channels, before, limit
    )
    given: Sequence[PointsAssignment] = ()
    claimed = not command.statuses or TransactionStatus.CLAIMED in command.statuses
    if claimed and GIVEN not in command.excluded_channels:
        given = await reader.assignments_of(member, before, limit)
    # IDs of both begin with their time.
    entries: list[Transaction | PointsAssignment] = [*orders, *given]
    entries.sort(key=_id_of, reverse=True)
    return Found(member.loyalty_id, entries[:limit])


def _id_of(entry: Transaction | PointsAssignment) -> str:
    return entry.assignment_id if isinstance(entry, PointsAssignment) else entry.transaction_id
