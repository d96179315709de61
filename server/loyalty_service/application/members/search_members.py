"""Find members by what a guest says of themselves."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from loyalty_service.application.reading import FoundMember, MemberFilter, MemberPlace, Reader
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.identifiers import is_uuid
from loyalty_service.domain.member_terms import TermKind, folded_address, joined, words_of

PAGE_SIZE_DEFAULT = 20
PAGE_SIZE_MAX = 100

WORDS_MAX = 8
"""Words that are looked for: each is a search of its own for every member that is looked at."""

_NUMBERED = frozenset({TermKind.PHONE, TermKind.CARD})
_NUMBER = re.compile(r"[+0-9][0-9 ()/.-]+")
"""How people write numbers of phones and cards."""


@dataclass(frozen=True, slots=True)
class SearchMembers:
    """
    What is looked for, and the page.

    Attributes:
        kinds: Where it is looked for; everywhere, in loyalty IDs too, when empty.
        by_loyalty_id: Whether it is looked for in loyalty IDs alone.
        exact: Whether words are looked for as a whole, and not as a beginning.
    """

    program_id: str
    query: str
    kinds: frozenset[TermKind]
    by_loyalty_id: bool
    exact: bool
    page_size: int = 0
    page_token: str = ""


@dataclass(frozen=True, slots=True)
class MemberPage:
    """One page of members; the token is empty on the last."""

    members: Sequence[FoundMember]
    next_page_token: str


async def search_members(reader: Reader, command: SearchMembers) -> MemberPage:
    """
    Find members of a program, in the order of the word that was found.

    Raises:
        RequestInvalidError: There is no word to look for, there are too many, or the page token is
            not one of this search's.
    """
    wanted = what_is_wanted(command)
    if isinstance(wanted, str):
        return MemberPage(await by_loyalty_id(reader, command.program_id, wanted), "")
    size = min(command.page_size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
    listing = _listing(wanted)
    after = _place(reader, command.page_token, listing)
    found, reached = await reader.members_found(wanted, after, size)
    if reached is None:
        return MemberPage(found, "")
    place = json.dumps([reached.term, reached.member_number], ensure_ascii=False)
    return MemberPage(found, reader.place_token(listing, place))


async def by_loyalty_id(reader: Reader, program_id: str, loyalty_id: str) -> Sequence[FoundMember]:
    """Find the member who has a loyalty ID, if there is one."""
    member = await reader.member(program_id, loyalty_id)
    if member is None:
        return ()
    return (
        FoundMember(
            member.loyalty_id,
            member.name,
            member.email,
            member.phone,
            member.card,
            member.created_ms,
            member.spendable,
        ),
    )


def what_is_wanted(command: SearchMembers) -> MemberFilter | str:
    """
    Choose the words, and where they are looked for, or give a loyalty ID.

    What has an "@" is an address.

    Raises:
        RequestInvalidError: There is no word to look for, or there are too many.
    """
    query = command.query.strip()
    if command.by_loyalty_id and not is_uuid(query):
        raise _query_invalid("must be a UUID")
    if is_uuid(query) and (command.by_loyalty_id or not command.kinds):
        return query.lower()
    kinds = command.kinds or frozenset(TermKind)
    if "@" in query or kinds == {TermKind.EMAIL}:
        words: tuple[str, ...] = (folded_address(query),)
        kinds &= {TermKind.EMAIL}
    elif kinds <= _NUMBERED or (not command.kinds and _NUMBER.fullmatch(query)):
        words = tuple(filter(None, (joined(query),)))
        kinds &= _NUMBERED
    else:
        words = words_of(query)
    if not words or not kinds:
        raise _query_invalid("must have a letter or a digit, and no @ where names are looked for")
    if len(words) > WORDS_MAX:
        raise _query_invalid(f"must have at most {WORDS_MAX} words")
    return MemberFilter(command.program_id, words, kinds, command.exact)


def _listing(wanted: MemberFilter) -> str:
    """Name the search, so that the token of a page is good for no other one."""
    told = json.dumps((*wanted.words, *sorted(wanted.kinds), wanted.exact)).encode()
    return f"members/{wanted.program_id}/{hashlib.sha256(told).hexdigest()}"


def _place(reader: Reader, token: str, listing: str) -> MemberPlace | None:
    if not token:
        return None
    place = reader.read_place_token(token, listing)
    if place is None:
        words = "must be the next_page_token of this search"
        raise RequestInvalidError((FieldViolation("page_token", words),))
    return MemberPlace(*json.loads(place))


def _query_invalid(message: str) -> RequestInvalidError:
    return RequestInvalidError((FieldViolation("query", message),))
