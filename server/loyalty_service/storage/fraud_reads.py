"""
Reads what looks like fraud, for `loyalty report fraud`.

No index has the times of claims. Transactions are found by their IDs, which begin with the time at
which they were opened: a claim is of an order that was opened no longer ago than its program
allows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, literal_column, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.domain.reports import (
    Finding,
    Suspicion,
    Thresholds,
    begins_ms,
    judged,
)
from loyalty_service.storage.adjustment_reads import AdjustmentReads
from loyalty_service.storage.money_reads import CLOCKS_DIFFER_MS
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tables import MemberTable, RedemptionTable, TransactionTable

ORDERS_NAMED = 20
FINDINGS_MAX = 1_000
"""Of each kind and day: who needs more has a smaller period to look at."""

NEVER_TOLD = 10
"""Orders from which on a till that names no payment is known never to do so."""

_ORDER = table_of(TransactionTable)
_MEMBER = table_of(MemberTable)

_operator = func.coalesce(_ORDER.c.operator, "")
_terminal = case((_operator == "", func.coalesce(_ORDER.c.terminal, "")), else_="")
"""A place is an operator of a till or, where none is named, a terminal."""

_PAID = {
    "sqlite": "(SELECT coalesce(sum(json_extract(paid.value, '$.amount')), 0)"
    " FROM json_each(loyalty_transaction.basket, '$.payments') AS paid)",
    "postgresql": "(SELECT coalesce(sum((paid->>'amount')::numeric), 0)"
    " FROM json_array_elements(loyalty_transaction.basket::json->'payments') AS paid)",
}
"""What was paid for an order less what was given back, by the kind of database."""


class FraudReads(AdjustmentReads):
    """The part of a reader that looks for fraud."""

    _session: AsyncSession

    async def suspicions(
        self, program: Program, first: date, last: date, limits: Thresholds
    ) -> list[Finding]:
        """Name what a person should look at, from one day to another, the worst of a kind first."""
        found: list[Finding] = []
        day = first
        while day <= last:
            found += await self._many_claims(program, day, limits)
            found += await self._operator_days(program, day, limits)
            day += timedelta(days=1)
        from_ms = begins_ms(first, program.time_zone)
        until_ms = begins_ms(last + timedelta(days=1), program.time_zone)
        found += await self._not_paid(program, from_ms, until_ms)
        found += await self._voids(program, from_ms, until_ms, limits)
        found += judged(await self.adjustments(program.program_id, from_ms, until_ms), limits)
        order = list(Suspicion)
        return sorted(found, key=lambda one: (order.index(one.kind), -one.count, -abs(one.points)))

    async def _many_claims(self, program: Program, day: date, limits: Thresholds) -> list[Finding]:
        claimed = _claimed_on(program, day)
        count, points = func.count(), func.sum(_ORDER.c.points_earned)
        place = (_ORDER.c.store_id, _operator, _terminal, _ORDER.c.partner)
        rows = await self._all(
            select(*place, _MEMBER.c.loyalty_id, _ORDER.c.member_number, count, points)
            .select_from(_ORDER.join(_MEMBER, _MEMBER.c.number == _ORDER.c.member_number))
            .where(*claimed)
            .group_by(*place, _MEMBER.c.loyalty_id, _ORDER.c.member_number)
            .having(count >= limits.claims)
            .order_by(count.desc())
            .limit(FINDINGS_MAX)
        )
        found = []
        for *where, loyalty_id, number, orders, earned in rows:
            who = _who(*where)
            here = (*claimed, *_at(*where), _ORDER.c.member_number == number)
            found.append(
                Finding(
                    Suspicion.MANY_CLAIMS,
                    day.isoformat(),
                    who,
                    loyalty_id,
                    int(orders),
                    int(earned),
                    f"{orders:,} paid orders of one member in a day, at one {_kind(who)}",
                    await self._orders(here),
                )
            )
        return found

    async def _operator_days(
        self, program: Program, day: date, limits: Thresholds
    ) -> list[Finding]:
        claimed = (*_claimed_on(program, day), _operator != "")
        points = func.sum(_ORDER.c.points_earned)
        place = (_ORDER.c.store_id, _operator, _terminal, _ORDER.c.partner)
        rows = await self._all(
            select(*place, func.count(), points)
            .where(*claimed)
            .group_by(*place)
            .having(points > limits.operator_day)
            .order_by(points.desc())
            .limit(FINDINGS_MAX)
        )
        return [
            Finding(
                Suspicion.OPERATOR_DAY,
                day.isoformat(),
                _who(*where),
                None,
                int(orders),
                int(earned),
                f"{int(earned):,} points earned in a day by orders of one operator: "
                f"{limits.operator_day:,} are usual",
                await self._orders((*claimed, *_at(*where))),
            )
            for *where, orders, earned in rows
        ]

    async def _not_paid(self, program: Program, from_ms: int, until_ms: int) -> list[Finding]:
        connection = await self._session.connection()
        paid: ColumnElement[Any] = literal_column(_PAID[connection.dialect.name])
        earned = (
            *_claimed(program, from_ms, until_ms),
            _ORDER.c.points_earned > 0,
            func.coalesce(_ORDER.c.basket, "") != "",
        )
        unpaid = case((paid <= 0, 1), else_=0)
        place = (_ORDER.c.store_id, _operator, _terminal, _ORDER.c.partner)
        rows = await self._all(
            select(
                *place,
                func.count(),
                func.sum(unpaid),
                func.sum(case((paid <= 0, _ORDER.c.points_earned), else_=0)),
            )
            .where(*earned)
            .group_by(*place)
        )
        tills: dict[tuple[int, str], list[Sequence[Any]]] = defaultdict(list)
        for row in rows:
            tills[row[0], row[3]].append(row)
        found = []
        for (store_id, partner), places in tills.items():
            orders, none = (sum(int(place[index]) for place in places) for index in (4, 5))
            if none == orders >= NEVER_TOLD:
                found.append(
                    Finding(
                        Suspicion.NO_PAYMENTS_TOLD,
                        None,
                        {"store": str(store_id), "partner": partner},
                        None,
                        orders,
                        sum(int(place[6]) for place in places),
                        f"none of {orders:,} orders that earned names a payment: nobody can tell "
                        "which were paid",
                    )
                )
                continue
            for *where, all_, missing, points in places:
                if not missing:
                    continue
                here = (*earned, *_at(*where), paid <= 0)
                found.append(
                    Finding(
                        Suspicion.NOT_PAID,
                        None,
                        _who(*where),
                        None,
                        int(missing),
                        int(points),
                        f"{missing:,} of {all_:,} orders that earned have no payment",
                        await self._orders(here),
                    )
                )
        return found

    async def _voids(
        self, program: Program, from_ms: int, until_ms: int, limits: Thresholds
    ) -> list[Finding]:
        used = table_of(RedemptionTable)
        voided = (
            *_opened(program, from_ms, until_ms, program.void_days),
            _ORDER.c.status == int(TransactionStatus.VOID),
            _ORDER.c.claimed_ms.is_not(None),
            _ORDER.c.updated_ms >= from_ms,
            _ORDER.c.updated_ms < until_ms,
            exists().where(used.c.transaction_id == _ORDER.c.transaction_id),
        )
        count = func.count()
        place = (_ORDER.c.store_id, _operator, _terminal, _ORDER.c.partner)
        rows = await self._all(
            select(*place, count, func.sum(_ORDER.c.points_redeemed))
            .where(*voided)
            .group_by(*place)
            .having(count >= limits.voids)
            .order_by(count.desc())
            .limit(FINDINGS_MAX)
        )
        return [
            Finding(
                Suspicion.VOID_OF_REDEMPTION,
                None,
                _who(*where),
                None,
                int(orders),
                int(points),
                f"{orders:,} paid orders with a reward or an offer were cancelled",
                await self._orders((*voided, *_at(*where))),
            )
            for *where, orders, points in rows
        ]

    async def _orders(self, where: Iterable[ColumnElement[bool]]) -> tuple[str, ...]:
        rows = await self._all(
            select(_ORDER.c.transaction_id)
            .where(*where)
            .order_by(_ORDER.c.points_earned.desc(), _ORDER.c.transaction_id)
            .limit(ORDERS_NAMED)
        )
        return tuple(str(row[0]) for row in rows)


def _opened(
    program: Program, from_ms: int, until_ms: int, days: int
) -> tuple[ColumnElement[bool], ...]:
    """Ask for orders that were opened so many days before a time at most."""
    # An order without a guest may be claimed as long as its receipt can be.
    low_ms = from_ms - (max(days, program.receipt_days) + 1) * DAY_MS
    return (
        _ORDER.c.program_id == program.program_id,
        _ORDER.c.transaction_id >= _id_at(low_ms),
        _ORDER.c.transaction_id < _id_at(until_ms + CLOCKS_DIFFER_MS),
    )


def _id_at(time_ms: int) -> str:
    """Give the beginning of the IDs that were made at a moment."""
    digits = f"{max(time_ms, 0):012x}"
    return f"{digits[:8]}-{digits[8:]}"


def _claimed(program: Program, from_ms: int, until_ms: int) -> tuple[ColumnElement[bool], ...]:
    return (
        *_opened(program, from_ms, until_ms, program.pending_days),
        _ORDER.c.status == int(TransactionStatus.CLAIMED),
        _ORDER.c.claimed_ms >= from_ms,
        _ORDER.c.claimed_ms < until_ms,
    )


def _claimed_on(program: Program, day: date) -> tuple[ColumnElement[bool], ...]:
    zone = program.time_zone
    return _claimed(program, begins_ms(day, zone), begins_ms(day + timedelta(days=1), zone))


def _at(
    store_id: int, operator: str, terminal: str, partner: str
) -> tuple[ColumnElement[bool], ...]:
    return (
        _ORDER.c.store_id == store_id,
        _operator == operator,
        _terminal == terminal,
        _ORDER.c.partner == partner,
    )


def _who(store_id: int, operator: str, terminal: str, partner: str) -> Mapping[str, str]:
    place = {"operator": operator} if operator else {"terminal": terminal} if terminal else {}
    return {"store": str(store_id), **place, "partner": partner}


def _kind(who: Mapping[str, str]) -> str:
    return next((name for name in ("operator", "terminal") if name in who), "store")
