"""Tell what happened in a program, in order and without a gap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from loyalty_service.application.members.get_member import get_member
from loyalty_service.application.reading import Reader
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.events import EventPage, FeedPosition
from loyalty_service.domain.feed import TYPES, Wanted
from loyalty_service.domain.keys import ApiKey

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1000
LOOKS_MAX = 5
"""Parts of the feed that are looked through for one page, where none of them has a wanted event."""


@dataclass(frozen=True, slots=True)
class Feed:
    """
    Which events are asked for, and from where.

    Attributes:
        types: Names of kinds; empty for all.
        loyalty_id: A member; empty for all.
        token: Where to go on; empty for the start.
        token_field: What the caller calls it.
        from_now: Whether to start after the newest event, where there is no token.
    """

    key: ApiKey
    method: str
    types: Sequence[str]
    loyalty_id: str
    token: str
    token_field: str
    from_now: bool


async def begin_feed(reader: Reader, feed: Feed) -> tuple[Wanted, FeedPosition]:
    """
    Tell what a caller wants, and from where.

    Raises:
        MemberNotFoundError: No member has this loyalty ID.
        RequestInvalidError: A type is unknown, or the token is not one of this program's.
        RoleNotAllowedError: The key is for some stores only, and the feed is of all.
    """
    key = feed.key
    key.require_all_stores(feed.method)
    unknown = [number for number, name in enumerate(feed.types) if name not in TYPES]
    if unknown:
        raise RequestInvalidError(
            tuple(
                FieldViolation(f"types[{number}]", "must be a type of events, docs/events.md")
                for number in unknown
            )
        )
    members: tuple[int, ...] = ()
    if feed.loyalty_id:
        member = await get_member(reader, key, feed.loyalty_id)
        members = (member.number, *member.others)
    wanted = Wanted(key.program_id, frozenset(TYPES[name] for name in feed.types), members)
    if not feed.token:
        return wanted, await reader.newest_events() if feed.from_now else FeedPosition()
    position = reader.read_feed_token(feed.token, key.program_id)
    if position is None:
        raise RequestInvalidError(
            (FieldViolation(feed.token_field, "must be a token of this program's events"),)
        )
    return wanted, position


async def read_feed(reader: Reader, wanted: Wanted, position: FeedPosition, size: int) -> EventPage:
    """Give the next events that a caller wants."""
    page, lost = EventPage((), position), False
    for _ in range(LOOKS_MAX):
        page = await reader.events(page.position, size, wanted)
        lost = lost or page.lost
        if page.events or not page.more:
            break
    return replace(page, lost=lost)


async def list_events(reader: Reader, feed: Feed, page_size: int) -> tuple[EventPage, str]:
    """
    Give a page of events, and the token that asks for what comes after it.

    Raises:
        LoyaltyError: As `begin_feed`.
    """
    wanted, position = await begin_feed(reader, feed)
    size = min(page_size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
    page = await read_feed(reader, wanted, position, size)
    return page, reader.feed_token(feed.key.program_id, page.position)
