"""Tell what a session's member has earned and redeemed, the newest first, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loyalty_service.application.accounts.visits import read_visit
from loyalty_service.application.reading import Reader
from loyalty_service.application.visit_reading import HistorySpan
from loyalty_service.domain.adhoc import AdhocKind, AdhocTransaction
from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.gifts import PointsAssignment
from loyalty_service.domain.identifiers import is_uuid
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member, Transaction, TransactionStatus

LIMIT_DEFAULT = 30
LIMIT_MAX = 150
OLDEST_MS = 365 * DAY_MS
"""How far back a history goes: what is asked for beyond that is not told."""


@dataclass(frozen=True, slots=True)
class ListHistory:
    """
    The session, and the page.

    Attributes:
        after: The last transaction of the page before; empty at first.
        from_ms: The newest moment; absent for now.
        to_ms: The oldest moment; absent for a year ago.
    """

    key: ApiKey
    correlation_id: str
    limit: int | None
    after: str
    from_ms: int | None
    to_ms: int | None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """
    One transaction of a member.

    Attributes:
        original_id: What a void took back; absent for all others.
        voided: Whether it was taken back.
    """

    transaction_id: str
    kind: str
    made_ms: int
    channel: str
    business_unit: str
    earned: int
    redeemed: int
    original_id: str | None = None
    voided: bool = False


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some transactions of a member, the newest first, and whether there are more."""

    entries: Sequence[HistoryEntry]
    more: bool


_KINDS = {
    AdhocKind.REWARD: "ADHOC_REWARD",
    AdhocKind.REDEEM: "ADHOC_REDEEM",
    AdhocKind.VOID: "VOID",
}


async def list_history(
    reader: Reader, program: Program, command: ListHistory, now_ms: int
) -> HistoryPage:
    """
    List paid orders of all contracts, ad hoc transactions and what partners gave besides.

    Raises:
        SessionNotFoundError: There is no such session.
        SessionClosedError: It is closed or has expired.
        RequestInvalidError: The page does not begin with a transaction, or ends before it begins.
    """
    correlation_id = command.correlation_id
    _, member = await read_visit(reader, program, command.key, correlation_id, now_ms)
    from_ms = now_ms if command.from_ms is None else command.from_ms
    oldest_ms = now_ms - OLDEST_MS
    to_ms = oldest_ms if command.to_ms is None else max(command.to_ms, oldest_ms)
    if command.to_ms is not None and from_ms < command.to_ms:
        raise RequestInvalidError((FieldViolation("from", "must not be before to"),))
    if member is None:
        return HistoryPage((), more=False)
    before = await _place(reader, program, member, command.after)
    limit = command.limit or LIMIT_DEFAULT
    found = await reader.history_of(member, HistorySpan(from_ms, to_ms, before), limit + 1)
    orders = [one.transaction_id for one in found if isinstance(one, Transaction)]
    names = await reader.named_by_sessions(member, orders)
    redeemed = await reader.redeemed_by(orders)
    entries = [_entry(one, names, redeemed) for one in found[:limit]]
    return HistoryPage(entries, more=len(found) > limit)


async def _place(reader: Reader, program: Program, member: Member, after: str) -> str | None:
    """Find what a page begins after: an order of a session is named by its correlation ID."""
    if not after:
        return None
    session = await reader.session_named(program.program_id, after)
    numbers = {member.number, *member.others}
    if session is not None and session.member_number in numbers and session.transaction_id:
        return session.transaction_id
    if not is_uuid(after):
        message = "must be the last transaction of the page before"
        raise RequestInvalidError((FieldViolation("transaction_id", message),))
    return after.lower()


def _entry(
    one: Transaction | AdhocTransaction | PointsAssignment,
    names: Mapping[str, str],
    redeemed: Mapping[str, int],
) -> HistoryEntry:
    if isinstance(one, PointsAssignment):
        earned, taken = max(0, one.points), max(0, -one.points)
        made = one.assignment_id, "ADJUSTMENT", one.created_ms, "PARTNER", ""
        return HistoryEntry(*made, earned, taken)
    if isinstance(one, AdhocTransaction):
        earned, taken = max(0, one.points), max(0, -one.points)
        kind, unit = _KINDS[one.kind], one.business_unit or ""
        made = one.adhoc_id, kind, one.created_ms, one.channel or "PARTNER", unit
        voided = one.voided_ms is not None
        return HistoryEntry(*made, earned, taken, one.original_id, voided=voided)
    kind = "FINALIZE" if one.receipt_digest is None else "AWARD"
    name = names.get(one.transaction_id, one.transaction_id)
    taken = one.points_redeemed + redeemed.get(one.transaction_id, 0)
    made = name, kind, one.ordered_ms, one.channel or "RESTAURANT", ""
    voided = one.status is TransactionStatus.VOID
    return HistoryEntry(*made, one.points_left, taken, voided=voided)
