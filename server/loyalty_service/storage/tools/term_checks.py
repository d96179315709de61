"""What the terms of members promise: they are the words of what is known of them, and no others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from loyalty_service.domain.member_terms import FOUND_BY, terms_of
from loyalty_service.storage import tables as t
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tools.checks import BATCH_ROWS, Problem

TERM = table_of(t.MemberTermTable)
_MEMBER = table_of(t.MemberTable)

Row = tuple[int, str, str]
"""Kind, term and program."""


@dataclass(frozen=True, slots=True)
class WrongTerms:
    """A member whose terms are others than they should be; *kept* and *wanted* count them."""

    member_number: int
    kept: int
    wanted: int
    lacking: int
    foreign: int


def wrong_terms(connection: Connection) -> Iterator[WrongTerms]:
    """Find the members by whom a search would go wrong, and terms of nobody."""
    last = -1
    while True:
        members = connection.execute(
            _wanted().where(_MEMBER.c.number > last).order_by(_MEMBER.c.number).limit(BATCH_ROWS)
        ).all()
        within = TERM.c.member_number > last
        if len(members) == BATCH_ROWS:
            within &= TERM.c.member_number <= members[-1].number
        kept: defaultdict[int, set[Row]] = defaultdict(set)
        for row in connection.execute(select(TERM).where(within)):
            kept[row.member_number].add((row.kind, row.term, row.program_id))
        wanted = {member.number: _terms(member) for member in members}
        for number in sorted(kept.keys() | wanted.keys()):
            has, should = kept.get(number, set()), wanted.get(number, set())
            if has != should:
                counts = len(has), len(should), len(should - has), len(has - should)
                yield WrongTerms(number, *counts)
        if len(members) < BATCH_ROWS:
            return
        last = members[-1].number


def term_problems(connection: Connection) -> Iterator[Problem]:
    """Give the members whose terms are wrong, without a word of them: it may be a name."""
    for one in wrong_terms(connection):
        what = f"lack {one.lacking} by which the member is known, and have {one.foreign} others"
        yield Problem("member_term", f"of member {one.member_number}", what)


def put_terms(connection: Connection, number: int) -> None:
    """Make the terms of a member again."""
    connection.execute(delete(TERM).where(TERM.c.member_number == number))
    member = connection.execute(_wanted().where(_MEMBER.c.number == number)).one_or_none()
    rows = [
        {"member_number": number, "kind": kind, "term": term, "program_id": program_id}
        for kind, term, program_id in sorted(_terms(member))
    ]
    if rows:
        connection.execute(insert(TERM), rows)


def _wanted() -> Any:
    known = (_MEMBER.c[name] for name in FOUND_BY)
    return select(_MEMBER.c.number, _MEMBER.c.program_id, _MEMBER.c.erased_ms, *known)


def _terms(member: Any) -> set[Row]:
    """Give the terms that a member should have: none once it is erased, or gone."""
    if member is None or member.erased_ms is not None:
        return set()
    found = terms_of(*(getattr(member, name) for name in FOUND_BY))
    return {(int(kind), term, member.program_id) for kind, term in found}
