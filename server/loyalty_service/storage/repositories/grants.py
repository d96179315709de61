"""Grants of members, which are locked with their member."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, ClassVar

from sqlalchemy import bindparam, select

from loyalty_service.domain.grants import FOR_GOOD, Grant, origin_of_terms
from loyalty_service.domain.records import Member
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Basis, Build, Records
from loyalty_service.storage.repositories.statements import Kept, Statements, constant

GRANT = Kept(Grant, t.GrantTable, ("grant_id",), Rank.GRANTS)


class GrantStatements:
    """The statements about the grants of a member."""

    def __init__(self, by: Statements) -> None:
        grant = GRANT.table
        self.of_member = by.compile(
            GRANT.select()
            .where(
                grant.c.member_number == bindparam("member_number"),
                by.is_among(grant.c.incentive_id, "incentive_ids"),
                grant.c.last_day >= bindparam("since_day"),
                grant.c.used < grant.c.uses,
                grant.c.withdrawn_ms.is_(None),
            )
            .order_by(grant.c.grant_id)
            .with_for_update()
        )
        self.kept = by.compile(
            GRANT.select()
            .where(by.is_among(grant.c.grant_id, "grant_ids"))
            .order_by(grant.c.grant_id)
            .with_for_update()
        )
        self.bought = by.compile(
            GRANT.select()
            .where(
                grant.c.member_number == bindparam("member_number"),
                grant.c.origin.like(bindparam("origin")),
                grant.c.used == constant(0),
                grant.c.withdrawn_ms.is_(None),
            )
            .order_by(grant.c.grant_id)
            .with_for_update()
        )
        # Not locked: it never changes, and the grant may be of a member whom others have locked.
        self.incentive = by.compile(
            select(grant.c.program_id, grant.c.incentive_id).where(
                grant.c.grant_id == bindparam("grant_id")
            )
        )


class Grants(Records):
    """The grants of a unit of work; each member's of an incentive are looked for once."""

    KEPT: ClassVar[tuple[Kept, ...]] = (GRANT,)
    BUILT: ClassVar[tuple[Build, ...]] = (GrantStatements,)

    def __init__(self, basis: Basis) -> None:
        super().__init__(basis)
        self._grants: dict[tuple[int, str], dict[str, Grant]] = {}
        self._grants_since: dict[tuple[int, str], str] = {}
        """The earliest last day of those that are known, by member and incentive."""

    def grant(self, grant_id: str) -> Grant | None:
        """See `Unit.grant`."""
        return self._record(Grant, (grant_id,))

    def granted_incentive(self, program_id: str, grant_id: str) -> str | None:
        """See `Unit.granted_incentive`."""
        known = self._records.get((Grant, grant_id))
        if known is not None:
            return known.incentive_id if known.program_id == program_id else None
        sql = self._statements.of(GrantStatements).incentive.sql
        row = self._connection.execute(sql, (grant_id,)).fetchone()
        return None if row is None or row[0] != program_id else str(row[1])

    def kept_grants(self, grant_ids: Collection[str]) -> Collection[str]:
        """See `Unit.kept_grants`."""
        asked = sorted(one for one in grant_ids if not self._is_known(Grant, (one,)))
        by = self._statements.of(GrantStatements).kept
        for portion in self._statements.portions(asked):
            for grant in self._query(Grant, by, (portion,), flush=False):
                self._note_grant(grant)
        self.know_absent(Grant, [(one,) for one in asked])
        return {one for one in grant_ids if (Grant, one) in self._records}

    def grants_bought(self, member: Member, transaction_id: str) -> Sequence[Grant]:
        """See `Unit.grants_bought`."""
        statement = self._statements.of(GrantStatements).bought
        given = {
            "member_number": member.number,
            "origin": origin_of_terms("%", f"{transaction_id}/%"),
        }
        values = tuple(given[name] for name in statement.names)
        return self._query(Grant, statement, values)

    def grants(
        self, member: Member, incentive_ids: Collection[str], since_day: str
    ) -> Sequence[Grant]:
        """See `Unit.grants`."""
        places = [(member.number, name) for name in sorted(incentive_ids)]
        known_since = self._grants_since
        asked = [place for place in places if known_since.get(place, FOR_GOOD) > since_day]
        if asked:
            by = self._statements.of(GrantStatements).of_member
            for portion in self._statements.portions([name for _, name in asked]):
                given = {
                    "member_number": member.number,
                    "incentive_ids": portion,
                    "since_day": since_day,
                }
                values = tuple(given[name] for name in by.names)
                # What this unit has changed is known already, so that nothing need be written.
                for grant in self._query(Grant, by, values, flush=False):
                    self._note_grant(grant)
            known_since.update(dict.fromkeys(asked, since_day))
        found = [one for place in places for one in self._grants.get(place, {}).values()]
        return [one for one in found if one.left and one.last_day >= since_day]

    def _when_handed_over(self, numbers: Collection[int]) -> None:
        super()._when_handed_over(numbers)
        for known in (self._grants, self._grants_since):
            for place in [place for place in known if place[0] in numbers]:
                del known[place]

    def _when_read(self, record: Any) -> None:
        super()._when_read(record)
        self._note_grant(record)

    def _when_added(self, record: Any) -> None:
        super()._when_added(record)
        self._note_grant(record)

    def _note_grant(self, record: Any) -> None:
        if isinstance(record, Grant):
            place = (record.member_number, record.incentive_id)
            self._grants.setdefault(place, {})[record.grant_id] = record
