"""Tell everything that is kept about a member, in words and times that people read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from loyalty_service.application.reading import Reader
from loyalty_service.domain.adhoc import AdhocKind
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.errors import (
    FieldViolation,
    MemberNotFoundError,
    RequestInvalidError,
)
from loyalty_service.domain.events import ActorKind, EventKind
from loyalty_service.domain.ledger import AccountKind, Cause, OwnerKind
from loyalty_service.domain.points_reservations import ReservationStatus
from loyalty_service.domain.records import CodeStatus, HoldStatus, Member, TransactionStatus
from loyalty_service.domain.sessions import SessionStatus

PAGE_SIZE_DEFAULT = 50
PAGE_SIZE_MAX = 200


class Part(StrEnum):
    """What is kept about a member, in the order in which it is told."""

    MEMBER = "member"
    MERGED = "mergedMembers"
    MERGES = "merges"
    ACCOUNTS = "accounts"
    TRANSFERS = "transfers"
    ORDERS = "orders"
    ASSIGNMENTS = "pointsAssignments"
    RESERVED = "pointsReservations"
    ADHOC = "adhocTransactions"
    GRANTS = "grants"
    GOALS = "goals"
    AWARDS = "goalAwards"
    SESSIONS = "sessions"
    CODES = "codes"
    PROMO_CODES = "promoCodes"
    BUCKETS = "expiringPoints"
    COUNTS = "counts"
    EVENTS = "events"


_PARTS = tuple(Part)

_ENUMS: Mapping[tuple[Part | str, str], type[IntEnum]] = {
    (Part.ACCOUNTS, "kind"): AccountKind,
    (Part.TRANSFERS, "source"): AccountKind,
    (Part.TRANSFERS, "destination"): AccountKind,
    (Part.TRANSFERS, "cause"): Cause,
    (Part.TRANSFERS, "owner_kind"): OwnerKind,
    (Part.ORDERS, "status"): TransactionStatus,
    ("holds", "status"): HoldStatus,
    ("holds", "owner_kind"): OwnerKind,
    ("points", "owner_kind"): OwnerKind,
    (Part.SESSIONS, "status"): SessionStatus,
    (Part.CODES, "status"): CodeStatus,
    (Part.RESERVED, "status"): ReservationStatus,
    (Part.ADHOC, "kind"): AdhocKind,
    (Part.EVENTS, "kind"): EventKind,
    (Part.EVENTS, "actor_kind"): ActorKind,
}
"""The columns whose numbers have names."""

_JSON = frozenset(
    {
        *("basket", "refused_offers", "promotions", "counted", "earned_by", "returned"),
        *("selection", "counts", "tiers", "detail", "items"),
    }
)
"""The columns that hold JSON."""

_OURS = frozenset(
    {
        *("number", "member_number", "program_id", "account_id", "transfer_id", "event_id"),
        *("shard", "sequence", "untimed", "unit", "version", "program_version", "rolling"),
        *("source_sequence", "destination_sequence", "source_id", "destination_id", "named"),
        *("merged_into", "merged_numbers", "into_number", "merged_number", "kept"),
        *("available_sequence", "held_sequence", "debt_sequence", "claim_key"),
    }
)
"""The columns that tell nothing of the person: places in chains, and numbers of rows."""


_NOTHING = (None, "")


@dataclass(frozen=True, slots=True)
class ExportMember:
    """
    Whom to tell of, and the page.

    Attributes:
        whole_log: Whether events that repeat what codes and orders say are told too, for which
            all events that are kept have to be looked at.
    """

    program_id: str
    loyalty_id: str
    page_size: int = 0
    page_token: str = ""
    whole_log: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """One thing that is kept, as values of JSON."""

    kind: Part
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExportPage:
    """One page of what is kept; the token is empty on the last."""

    records: Sequence[Exported]
    next_page_token: str


async def export_member(reader: Reader, command: ExportMember) -> ExportPage:
    """
    Tell a page of everything that is kept about a member.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        RequestInvalidError: The page token is not one of this listing's.
    """
    loyalty_id = command.loyalty_id.lower()
    member = await reader.member(command.program_id, loyalty_id)
    if member is None:
        raise MemberNotFoundError(loyalty_id)
    size = min(command.page_size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
    place, after = _read_token(reader, command.page_token, member)
    records: list[Exported] = []
    for part in _PARTS[place:]:
        left = size - len(records)
        rows = await reader.kept_about(member, part, after, left + 1, whole=command.whole_log)
        after = ""
        records += [Exported(part, told(part, row)) for _, row in rows[:left]]
        if len(rows) > left:
            last = rows[left - 1][0] if left else ""
            return ExportPage(records, _token(reader, part, last, member))
    return ExportPage(records, "")


def _token(reader: Reader, part: Part, last: str, member: Member) -> str:
    """Write down the part to go on with, and the row that came last of it."""
    place = _PARTS.index(part)
    sealed = reader.page_token(_listing(member, place), int(last)) if last.isdigit() else last
    return f"{place}.{sealed}"


def _read_token(reader: Reader, token: str, member: Member) -> tuple[int, str]:
    """
    Tell which part a page begins with, and after which row of it.

    Raises:
        RequestInvalidError: The page token is not one of this listing's.
    """
    if not token:
        return 0, ""
    place, dot, last = token.partition(".")
    if dot and place.isascii() and place.isdigit() and int(place) < len(_PARTS):
        if not last or _UUID.fullmatch(last):
            return int(place), last
        number = reader.read_page_token(last, _listing(member, int(place)))
        if number is not None:
            return int(place), str(number)
    raise RequestInvalidError(
        (FieldViolation("page_token", "must be the next_page_token of this listing"),)
    )


_UUID = re.compile(r"[0-9a-f-]{36}")


def _listing(member: Member, place: int) -> str:
    return f"export/{member.number}/{place}"


def told(part: Part | str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Turn a row into values of JSON, with the names, times and words that people read."""
    values: dict[str, Any] = {}
    for column, value in row.items():
        if column in _OURS or isinstance(value, bytes | memoryview) or value in _NOTHING:
            continue
        if column == "owner_kind" and not row.get("transaction_id", row.get("owner_id")):
            continue
        if column.endswith("_ms") and not value:
            continue
        if isinstance(value, Sequence) and not isinstance(value, str):
            values[_camel(column)] = [told(column, one) for one in value]
        elif column.endswith("_ms"):
            values[_camel(f"{column.removesuffix('_ms')}_time")] = rfc3339(int(value))
        elif (part, column) in _ENUMS:
            values[_camel(column)] = _word(_ENUMS[part, column], int(value))
        elif column in _JSON and value:
            values[_camel(column)] = json.loads(value)
        else:
            values[_camel(column)] = value
    return values


def _word(words: type[IntEnum], number: int) -> str:
    return words(number).name


def _camel(column: str) -> str:
    first, *others = column.split("_")
    return first + "".join(word.capitalize() for word in others)
