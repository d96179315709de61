"""Members, each locked with the accounts that all have, and who enrolled with an e-mail address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, ClassVar

from sqlalchemy import Table, bindparam, delete, func, insert, null, select, update

from loyalty_service.domain.ledger import MEMBER_KINDS
from loyalty_service.domain.member_terms import (
    FOUND_BY,
    MemberEmail,
    MemberTerm,
    TermKind,
    terms_of,
)
from loyalty_service.domain.points_reservations import PointsReservation
from loyalty_service.domain.records import ERASED, Code, Member
from loyalty_service.domain.sessions import Session
from loyalty_service.storage import tables as t
from loyalty_service.storage.databases import lock_number
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.ledger import ACCOUNT_COLUMNS, Ledger, account_of
from loyalty_service.storage.repositories.records import Build, Keys, Rows, Step, bytes_of
from loyalty_service.storage.repositories.statements import (
    Kept,
    Statement,
    Statements,
    constant,
    table_of,
)

LATER_COLUMNS = (
    "erased_ms",
    "phone",
    "card",
    "blocked",
    "block_reason",
    "merged_into",
    "merged_numbers",
    "blocked_ms",
    "locked_ms",
    "lock_reason",
)
"""Those that are behind the accounts in a record."""

MEMBER_COLUMNS = (
    "number",
    "program_id",
    "loyalty_id",
    "name",
    "email",
    "locale",
    "birth_date",
    "created_ms",
    "segments",
    *LATER_COLUMNS,
)

CHANGED_COLUMNS = MEMBER_COLUMNS[3:7] + MEMBER_COLUMNS[8:]
"""What may change of a member's own row: all that tells of the person, and whom it leads to."""

_NEEDED = frozenset({"name", "erased_ms", "merged_into", "merged_numbers"})
"""What stays of a member who is erased, or is set by that."""

CARD_COLUMNS = ("counts", "tiers")
"""What is read of a member's card, after all else: see `repositories.goals`."""

_FORGOTTEN: Mapping[type[Any], tuple[type[Any], tuple[str, ...]]] = {
    Code: (t.CodeTable, ("answer", "claim_key")),
    Session: (t.SessionTable, ("external_identifier",)),
    PointsReservation: (t.PointsReservationTable, ("redeemer_id",)),
}
"""What is emptied of a member's records once the member is erased, by their class."""

_OWN = len(MEMBER_COLUMNS)
_FIRST = _OWN - len(LATER_COLUMNS)
_PLACES = tuple(
    (kind, _OWN + place * len(ACCOUNT_COLUMNS)) for place, kind in enumerate(MEMBER_KINDS)
)
"""Where the columns of each account begin."""

CARD_PLACE = _OWN + len(MEMBER_KINDS) * len(ACCOUNT_COLUMNS)
"""Where the columns of the card begin."""


IDENTIFIER_SPACE = 0x10A6
"""Keeps our locks of phone numbers and cards apart from those of others in the database."""

_LOCK_IDENTIFIER = f"SELECT pg_advisory_xact_lock({IDENTIFIER_SPACE}, %s)"


class MembersMovedError(Exception):
    """Raised when members were merged while they were looked for: the batch is to run again."""


class MemberFinders:
    """
    The statements that find members with their accounts.

    With cards, as programs with goals need them, they also give what is counted of each member.
    """

    def __init__(self, by: Statements, *, cards: bool) -> None:
        member, card = table_of(t.MemberTable), table_of(t.GoalCardTable)
        owned = {kind: table_of(t.AccountTable).alias(kind.name.lower()) for kind in MEMBER_KINDS}
        members = select(
            *(member.c[name] for name in MEMBER_COLUMNS),
            *(one.c[name] for one in owned.values() for name in ACCOUNT_COLUMNS),
            *((card.c[name] for name in CARD_COLUMNS) if cards else ()),
        ).select_from(member)
        for kind, one in owned.items():
            its = (one.c.member_number == member.c.number) & (one.c.kind == constant(kind))
            members = members.join_from(member, one, its)
        if cards:
            members = members.outerjoin_from(member, card, card.c.member_number == member.c.number)
        # Without a lock of its own the member's row would be as it was when the statement began to
        # wait for the others, and what another server has changed meanwhile would be taken back.
        members = members.with_for_update(key_share=True, of=(member, *owned.values()))
        self.find = by.compile(
            members.where(
                member.c.program_id == bindparam("program_id"),
                member.c.loyalty_id == bindparam("loyalty_id"),
            )
        )
        self.find_by_number = by.compile(members.where(member.c.number == bindparam("number")))
        if by.bulk:
            self.lock_many = by.among(members.order_by(member.c.number), member, ("number",))


class MemberStatements:
    """The statements about members."""

    def __init__(self, by: Statements) -> None:
        member = table_of(t.MemberTable)
        self.alone = MemberFinders(by, cards=False)
        self.with_cards = MemberFinders(by, cards=True)
        self.insert = by.compile(
            insert(member)
            .values({name: bindparam(name) for name in MEMBER_COLUMNS[1:]})
            .returning(member.c.number)
        )
        self.change = by.compile(
            update(member)
            .where(member.c.number == bindparam("its_number"))
            .values({name: bindparam(f"its_{name}") for name in CHANGED_COLUMNS})
        )
        term = table_of(t.MemberTermTable)
        self.known_by = _known_by(by, member, term)
        self.forget_terms = by.compile(
            delete(term).where(term.c.member_number == bindparam("member_number"))
        )
        email = table_of(t.MemberEmailTable)
        self.forget_email = by.compile(
            delete(email).where(
                email.c.program_id == bindparam("program_id"),
                email.c.email == bindparam("email"),
                email.c.member_number == bindparam("member_number"),
            )
        )
        self.forget = tuple(
            _forgetting(by, table_of(table), names) for table, names in _FORGOTTEN.values()
        )
        if by.bulk:
            self.numbers = by.among(
                select(member.c.number, member.c.merged_into), member, ("program_id", "loyalty_id")
            )


def _forgetting(by: Statements, table: Table, names: tuple[str, ...]) -> Statement:
    return by.compile(
        update(table)
        .where(table.c.member_number == bindparam("its_number"), table.c[names[0]].is_not(None))
        .values(dict.fromkeys(names, null()))
    )


def _known_by(by: Statements, member: Table, term: Table) -> dict[str, Statement]:
    """Build the queries for those to whom a phone number, a card or an e-mail address leads."""
    leads_to = func.coalesce(member.c.merged_into, member.c.number)
    found = (
        select(leads_to)
        .distinct()
        .order_by(leads_to)
        .limit(constant(2))
        .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
    )
    known = {
        kind: found.where(
            member.c.program_id == bindparam("program_id"), member.c[kind] == bindparam("value")
        )
        for kind in ("phone", "card")
    }
    known["email"] = found.select_from(
        term.join(member, member.c.number == term.c.member_number)
    ).where(
        term.c.program_id == bindparam("program_id"),
        term.c.term == bindparam("value"),
        term.c.kind == constant(TermKind.EMAIL),
    )
    return {kind: by.compile(query) for kind, query in known.items()}


class Members(Ledger):
    """The members of a unit of work."""

    BUILT: ClassVar[tuple[Build, ...]] = (MemberStatements,)

    KEPT: ClassVar[tuple[Kept, ...]] = (
        Kept(MemberEmail, t.MemberEmailTable, ("program_id", "email"), Rank.EMAILS),
        Kept(
            MemberTerm,
            t.MemberTermTable,
            ("member_number", "kind", "term"),
            Rank.MEMBER_TERMS,
        ),
    )

    _led = False
    """Whether members are asked for whom another one, who is locked, leads to."""

    @property
    def _members_by(self) -> MemberStatements:
        return self._statements.of(MemberStatements)

    @property
    def _find_by(self) -> MemberFinders:
        """The statements that find members, with cards where they can be found together."""
        # With several servers a card is read only once its member is locked: see `goals`.
        cards = not self._bulk and any(
            program.has_goals for program in self.catalog.programs.values()
        )
        return self._members_by.with_cards if cards else self._members_by.alone

    def member(self, program_id: str, loyalty_id: str) -> Member | None:
        """See `Unit.member`."""
        member = self.own_member(program_id, loyalty_id)
        return None if member is None else self._led_to(member)

    def member_by_number(self, number: int) -> Member:
        """See `Unit.member_by_number`."""
        return self._led_to(self._own_member_by_number(number))

    def own_member(self, program_id: str, loyalty_id: str) -> Member | None:
        """See `MergeUnit.own_member`."""
        known = self._members.get((program_id, loyalty_id))
        if known is not None or (Member, program_id, loyalty_id) in self._absent:
            return known
        return self._load_member(self._find_by.find, (program_id, loyalty_id))

    def merged_members(self, member: Member) -> Sequence[Member]:
        """See `MergeUnit.merged_members`."""
        # Nobody else goes on with one of them while the member whom they lead to is locked.
        self._led = True
        try:
            return [self._own_member_by_number(number) for number in member.others]
        finally:
            self._led = False

    def _led_to(self, member: Member) -> Member:
        """Give whom a member was merged into, or the member."""
        into = member.merged_into
        return member if into is None else self._own_member_by_number(into)

    def _own_member_by_number(self, number: int) -> Member:
        known = self._members.get(number)
        if known is None:
            known = self._load_member(self._find_by.find_by_number, (number,))
        if known is None:
            raise LookupError(f"member {number} has lost its row or an account")
        return known

    def member_email(self, program_id: str, email: str) -> MemberEmail | None:
        """See `Unit.member_email`."""
        return self._record(MemberEmail, (program_id, email))

    def add_member(self, member: Member) -> None:
        """See `Unit.add_member`."""
        self.changes += 1
        self.rows += 1 + len(member.accounts)
        values = [getattr(member, name) for name in MEMBER_COLUMNS[1:]]
        self.bytes_written += bytes_of(values)
        row = self._connection.execute(self._members_by.insert.sql, values).fetchone()
        member.number = row[0]
        for account in member.accounts.values():
            account.account_id = self._insert_account(
                member.program_id, member.number, account.kind, 0
            )
        self._keep_member(member)
        self._add_terms(member)

    def _forget_terms(self, member: Member) -> None:
        """Let a member be found by nothing any more."""
        self.flush()  # Of what was added here, some may be among those that go.
        self._run(self._members_by.forget_terms, {"member_number": member.number})
        for place in [place for place in self._records if place[:2] == (MemberTerm, member.number)]:
            del self._records[place]

    def _add_terms(self, member: Member) -> None:
        if member.erased_ms is not None:
            return  # What erasing leaves as a name is nobody's.
        told = {name: getattr(member, name) for name in FOUND_BY}
        for kind, term in terms_of(**told):
            self.add(MemberTerm(member.number, int(kind), term, member.program_id))

    def members_known_by(self, program_id: str, kind: str, value: str) -> Sequence[int]:
        """See `Unit.members_known_by`."""
        statement = self._members_by.known_by[kind]
        rows = self._connection.execute(statement.sql, (program_id, value)).fetchall()
        return [row[0] for row in rows]

    def claim_identifier(self, program_id: str, kind: str, value: str) -> Sequence[int]:
        """See `Unit.claim_identifier`."""
        if self._bulk:
            self._lock(Rank.EMAILS)
            digest = sha256(f"{program_id} {kind} {value}".encode()).digest()
            self._connection.execute(_LOCK_IDENTIFIER, (lock_number(digest),))
        return self.members_known_by(program_id, kind, value)

    def change_member(self, member: Member, **values: Any) -> None:
        """See `Unit.change_member`."""
        self.changes += 1
        self.bytes_written += bytes_of(values.values())
        for name, value in values.items():
            setattr(member, name, value)
        given = {f"its_{name}": getattr(member, name) for name in CHANGED_COLUMNS}
        self._run(self._members_by.change, given | {"its_number": member.number})
        if not values.keys().isdisjoint(FOUND_BY):
            self._forget_terms(member)
            self._add_terms(member)

    def forget_email(self, member: Member, email: str) -> None:
        """See `Unit.forget_email`."""
        self.flush()  # Its row may be one that this unit has added.
        place = {"program_id": member.program_id, "email": email, "member_number": member.number}
        self._run(self._members_by.forget_email, place)
        self._records.pop((MemberEmail, member.program_id, email), None)

    def erase_member(self, member: Member, email: str | None, now_ms: int) -> None:
        """See `Unit.erase_member`."""
        if email is not None:
            self.forget_email(member, email)
        nothing = dict.fromkeys(name for name in CHANGED_COLUMNS if name not in _NEEDED)
        self.change_member(member, **(nothing | {"name": ERASED, "erased_ms": now_ms}))
        for statement in self._members_by.forget:
            self._run(statement, {"its_number": member.number})
        # What this unit has read of them is written again when a later call changes it.
        for record in self._records.values():
            if type(record) in _FORGOTTEN and record.member_number == member.number:
                for name in _FORGOTTEN[type(record)][1]:
                    setattr(record, name, None)

    def _run(self, statement: Statement, given: Mapping[str, Any]) -> None:
        self._connection.execute(statement.sql, [given[name] for name in statement.names])

    def members_ahead(self, numbers: Keys) -> Step:
        """Read members and lock them."""
        return Step(Rank.MEMBERS, self._find_by.lock_many, numbers, self._take_members)

    def _take_members(self, _numbers: Keys, rows: Rows) -> None:
        for row in rows:
            self._take_member(row)

    @property
    def members_known(self) -> Mapping[int, Member]:
        """Those who were read, by number."""
        return {number: one for number, one in self._members.items() if isinstance(number, int)}

    def _load_member(self, statement: Statement, values: tuple[Any, ...]) -> Member | None:
        if not self._led:
            self._lock(Rank.MEMBERS)
        row = self._connection.execute(statement.sql, values).fetchone()
        return None if row is None else self._take_member(row)

    def _take_member(self, row: Sequence[Any]) -> Member:
        accounts = {
            kind: account_of(row[start : start + len(ACCOUNT_COLUMNS)]) for kind, start in _PLACES
        }
        later = row[_FIRST:_OWN]
        return self._keep_member(Member(*(*row[:_FIRST], accounts, 0, None, (), *later)))

    def _keep_member(self, member: Member) -> Member:
        """Remember a member under both of its names; the one loaded first stays the one."""
        known = self._members.setdefault(member.number, member)
        self._members[member.program_id, member.loyalty_id] = known
        return known
