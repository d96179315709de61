"""
Reads how points came and went, and what is owed to members, as the ledger alone tells it.

Only the accounts of a program are looked for: each transfer between them and members is found by
one of its two accounts. No index has the times of transfers, so the first of a time is searched by
its number: transfers are numbered in the order of their times, but for clocks that differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, case, func, select, union_all
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.domain.ledger import OWNED_KINDS, AccountKind
from loyalty_service.domain.program import Program
from loyalty_service.domain.reports import QUARTER_MS, Liability, Sum, by_month
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tables import AccountTable, TransferTable

CLOCKS_DIFFER_MS = 2 * 86_400_000
"""More than any server's clock was ever wrong by, and was believed."""

_TRANSFER = table_of(TransferTable)
_ACCOUNT = table_of(AccountTable)
_OWNED = tuple(int(kind) for kind in OWNED_KINDS if kind is not AccountKind.DEBT)


class MoneyReads:
    """The part of a reader that sums up the ledger for people who do the books."""

    _session: AsyncSession

    async def take_time(self) -> None:
        """Let the statements of this reader take as long as they do, and let them only read."""
        connection = await self._session.connection()
        if connection.dialect.name == "postgresql":
            await connection.exec_driver_sql("SET TRANSACTION READ ONLY")
            await connection.exec_driver_sql("SET LOCAL statement_timeout = 0")

    async def point_sums(self, program_id: str, from_ms: int) -> Sequence[Sum]:
        """Sum up all transfers between members and the program since a moment, by their times."""
        first = await self.first_transfer(from_ms)
        sides = union_all(
            _side(program_id, _TRANSFER.c.source_id, first, from_ms, outward=True),
            _side(program_id, _TRANSFER.c.destination_id, first, from_ms, outward=False),
        )
        rows = await self._all(sides)
        return [
            Sum(int(quarter), AccountKind(kind), bool(outward), int(points), int(count))
            for quarter, kind, outward, points, count in rows
        ]

    async def outstanding(self, program_id: str) -> int:
        """Tell what members of a program have, less what they owe."""
        balance = select(func.sum(_ACCOUNT.c.balance)).where(_of_program(program_id))
        ((found,),) = await self._all(balance)
        return -int(found or 0)

    async def balances(self) -> Sequence[tuple[str, AccountKind, int]]:
        """Sum up the accounts of each program by their kind: reads every account."""
        sums = select(
            _ACCOUNT.c.program_id, _ACCOUNT.c.kind, func.sum(_ACCOUNT.c.balance)
        ).group_by(_ACCOUNT.c.program_id, _ACCOUNT.c.kind)
        rows = await self._all(sums)
        return [(program_id, AccountKind(kind), int(sum_)) for program_id, kind, sum_ in rows]

    async def liability(self, program: Program, now_ms: int, *, ages: bool) -> Liability:
        """
        Tell what a program owes its members: reads all accounts.

        With *ages* it tells when that came, and reads all transfers too.
        """
        program_id = program.program_id
        sums = await self._all(
            select(_ACCOUNT.c.kind, func.sum(_ACCOUNT.c.balance))
            .where(_ACCOUNT.c.program_id == program_id, _ACCOUNT.c.member_number.is_not(None))
            .group_by(_ACCOUNT.c.kind)
        )
        kinds = {AccountKind(kind): int(balance) for kind, balance in sums}
        ((members,),) = await self._all(
            select(func.count()).select_from(_owed(program_id).subquery())
        )
        quarters = await self._all(_ages(program_id)) if ages else ()
        months = by_month(
            ((int(quarter), int(points)) for quarter, points in quarters), program.time_zone
        )
        total = sum(kinds.get(AccountKind(kind), 0) for kind in _OWNED)
        return Liability(
            program_id=program_id,
            as_of_ms=now_ms,
            available=kinds.get(AccountKind.AVAILABLE, 0),
            held=kinds.get(AccountKind.HELD, 0),
            unconfirmed=kinds.get(AccountKind.UNCONFIRMED, 0),
            debt=-kinds.get(AccountKind.DEBT, 0),
            members=int(members),
            months=months,
            unknown=total - sum(points for _, points in months) if ages else 0,
        )

    async def first_transfer(self, from_ms: int) -> int:
        """Find a transfer before which none was recorded from a moment on."""
        number = _TRANSFER.c.transfer_id
        ((newest,),) = await self._all(select(func.max(number)))
        low, high = 0, int(newest or 0) + 1
        while low < high:
            middle = (low + high) // 2
            rows = await self._all(
                select(number, _TRANSFER.c.recorded_ms)
                .where(number >= middle)
                .order_by(number)
                .limit(1)
            )
            if not rows or rows[0].recorded_ms >= from_ms - CLOCKS_DIFFER_MS:
                high = middle
            else:
                low = int(rows[0].transfer_id) + 1
        return low

    async def _all(self, statement: Select[Any] | CompoundSelect[Any]) -> Sequence[Any]:
        found = await (await self._session.connection()).execute(statement)
        return list(found)


def _of_program(program_id: str) -> ColumnElement[bool]:
    return (_ACCOUNT.c.program_id == program_id) & _ACCOUNT.c.member_number.is_(None)


def _side(
    program_id: str, end: ColumnElement[int], first: int, from_ms: int, *, outward: bool
) -> Select[Any]:
    """Sum up the transfers that have an account of the program at one end."""
    quarter = _TRANSFER.c.recorded_ms // QUARTER_MS
    return (
        select(
            quarter,
            _ACCOUNT.c.kind,
            func.max(1 if outward else 0),
            func.sum(_TRANSFER.c.points),
            func.count(),
        )
        .select_from(_TRANSFER.join(_ACCOUNT, _ACCOUNT.c.account_id == end))
        .where(
            _of_program(program_id),
            _TRANSFER.c.transfer_id >= first,
            _TRANSFER.c.recorded_ms >= from_ms,
        )
        .group_by(quarter, _ACCOUNT.c.kind)
    )


def _owed(program_id: str) -> Select[Any]:
    """Ask for what each member has who has any points."""
    points = func.sum(_ACCOUNT.c.balance)
    return (
        select(_ACCOUNT.c.member_number, points.label("points"))
        .where(
            _ACCOUNT.c.program_id == program_id,
            _ACCOUNT.c.member_number.is_not(None),
            _ACCOUNT.c.kind.in_(_OWNED),
        )
        .group_by(_ACCOUNT.c.member_number)
        .having(points > 0)
    )


def _ages(program_id: str) -> Select[Any]:
    """
    Ask when the points came that members have, by quarters of an hour.

    Of all that came to a member, the last is there still: as much as the member has.
    """
    source = _ACCOUNT.alias("source")
    reached = _ACCOUNT.alias("reached")
    upto = func.sum(_TRANSFER.c.points).over(
        partition_by=reached.c.member_number,
        order_by=_TRANSFER.c.transfer_id.desc(),
        rows=(None, 0),
    )
    came = (
        select(
            reached.c.member_number,
            (_TRANSFER.c.recorded_ms // QUARTER_MS).label("quarter"),
            _TRANSFER.c.points,
            upto.label("upto"),
        )
        .select_from(
            _TRANSFER.join(source, source.c.account_id == _TRANSFER.c.source_id).join(
                reached, reached.c.account_id == _TRANSFER.c.destination_id
            )
        )
        .where(
            source.c.program_id == program_id,
            source.c.member_number.is_(None),
            reached.c.kind.in_(_OWNED),
        )
        .subquery("came")
    )
    owed = _owed(program_id).subquery("owed")
    left = case(
        (came.c.upto <= owed.c.points, came.c.points),
        else_=owed.c.points - (came.c.upto - came.c.points),
    )
    return (
        select(came.c.quarter, func.sum(left))
        .select_from(came.join(owed, owed.c.member_number == came.c.member_number))
        .where(came.c.upto - came.c.points < owed.c.points)
        .group_by(came.c.quarter)
    )
