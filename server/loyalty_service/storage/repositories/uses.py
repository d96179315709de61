"""Uses of incentives: what was redeemed and is reserved, as rules about the past ask for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, ClassVar

from sqlalchemy import Integer, bindparam, func, select

from loyalty_service.domain.records import (
    IncentiveUsage,
    Member,
    Redemption,
    Transaction,
    TransactionStatus,
)
from loyalty_service.domain.visit import History, HistoryNeeds
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Build, Records
from loyalty_service.storage.repositories.statements import (
    Kept,
    Statement,
    Statements,
    constant,
    table_of,
)

ORDERS_COUNTED_MAX = 10_000
"""Claimed orders of a member that are counted: no rule asks for more than whether there are any."""

REDEMPTION = Kept(Redemption, t.RedemptionTable, ("redemption_id",), Rank.REDEMPTIONS)
USAGE = Kept(
    IncentiveUsage, t.IncentiveUsageTable, ("program_id", "incentive_id", "shard"), Rank.USAGES
)


class UseStatements:
    """The statements that rules about the past need."""

    def __init__(self, by: Statements) -> None:
        redemption, usage = REDEMPTION.table, USAGE.table
        reserved = table_of(t.ReservationTable)
        self._describe_member(by)
        self._describe_orders(by)
        # An order may name hundreds of incentives: across a network one statement asks about all.
        self.lock_usages = by.compile(
            USAGE.select()
            .where(
                usage.c.program_id == bindparam("program_id"),
                usage.c.shard.in_((constant(0), bindparam("shard"))),
                by.is_among(usage.c.incentive_id, "incentive_ids"),
            )
            .order_by(usage.c.incentive_id, usage.c.shard)
            .with_for_update()
        )
        asked = by.each("incentive_ids")
        used = (usage.c.program_id == bindparam("program_id")) & (
            usage.c.incentive_id == asked.c.text
        )
        kept = (
            _others()
            & (reserved.c.program_id == bindparam("program_id"))
            & (reserved.c.incentive_id == asked.c.text)
        )
        by_key = kept & (reserved.c.reserved_by == bindparam("reserved_by"))
        self.of_all = by.compile(
            select(
                asked.c.text,
                _sum_of(usage.c.quantity, used),
                _sum_of_some(reserved.c.quantity, kept, asked),
                _sum_of_some(reserved.c.quantity, by_key, asked),
            )
        )
        self.of_transaction = by.compile(
            REDEMPTION.select()
            .where(
                redemption.c.transaction_id == bindparam("transaction_id"),
                redemption.c.voided_ms.is_(None),
            )
            .order_by(*REDEMPTION.ordered)
            .with_for_update()
        )
        if by.bulk:
            self.of_transactions = by.among(
                select(redemption.c.program_id, redemption.c.incentive_id)
                .where(redemption.c.voided_ms.is_(None))
                .distinct(),
                redemption,
                ("transaction_id",),
            )

    def _describe_member(self, by: Statements) -> None:
        redemption, reserved = REDEMPTION.table, table_of(t.ReservationTable)
        asked = by.each("incentive_ids")
        used = (
            (redemption.c.member_number == bindparam("member_number"))
            & (redemption.c.incentive_id == asked.c.text)
            & redemption.c.voided_ms.is_(None)
        )
        kept = _others_of_member() & (reserved.c.incentive_id == asked.c.text)
        self.of_member = by.compile(
            select(
                asked.c.text,
                _sum_of(redemption.c.quantity, used),
                _newest_of(redemption.c.redeemed_ms, used),
                _sum_of(reserved.c.quantity, kept),
                _newest_of(reserved.c.reserved_ms, kept),
            )
        )

        self.reserved = by.compile(
            select(reserved.c.reserved_ms, reserved.c.quantity)
            .where(_others_of_member(), reserved.c.incentive_id == bindparam("incentive_id"))
            .order_by(reserved.c.reserved_ms, reserved.c.transaction_id)
        )
        self.between = by.compile(
            select(func.coalesce(func.sum(redemption.c.quantity), constant(0))).where(
                redemption.c.member_number == bindparam("member_number"),
                redemption.c.incentive_id == bindparam("incentive_id"),
                redemption.c.redeemed_ms >= bindparam("since_ms"),
                redemption.c.redeemed_ms < bindparam("until_ms"),
                redemption.c.voided_ms.is_(None),
            )
        )

    def _describe_orders(self, by: Statements) -> None:
        transaction, reserved = table_of(t.TransactionTable), table_of(t.ReservationTable)
        first = reserved.c.first_order == constant(1)
        claimed = (
            select(constant(1).label("one"))
            .where(
                transaction.c.member_number == bindparam("member_number"),
                transaction.c.status == constant(TransactionStatus.CLAIMED),
            )
            .limit(constant(ORDERS_COUNTED_MAX))
            .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
            .subquery("claimed")
        )
        self.claimed_orders = by.compile(
            select(
                func.count(),
                select(func.count(reserved.c.transaction_id.distinct()))
                .where(_others_of_member(), first)
                .scalar_subquery(),
            ).select_from(claimed)
        )


def _others() -> Any:
    """Tell what is reserved; that of the open order itself is not counted when it is judged."""
    reserved = table_of(t.ReservationTable)
    return (reserved.c.quantity > constant(0)) & (reserved.c.transaction_id != bindparam("besides"))


def _others_of_member() -> Any:
    reserved = table_of(t.ReservationTable)
    return _others() & (reserved.c.member_number == bindparam("member_number"))


def _sum_of(amount: Any, matches: Any) -> Any:
    """Give a sum of other rows, in addition to what is selected."""
    return select(func.coalesce(func.sum(amount), constant(0))).where(matches).scalar_subquery()


def _sum_of_some(amount: Any, matches: Any, asked: Any) -> Any:
    """
    Give a sum of other rows, as `_sum_of`, but of no more than *most* of them.

    Nobody's call becomes slow by orders that somebody else opens and never pays.
    """
    some = (
        select(amount.label("amount"))
        .where(matches)
        .limit(bindparam("most", type_=Integer))
        .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
        .correlate(asked)
        .subquery("some")
    )
    return select(func.coalesce(func.sum(some.c.amount), constant(0))).scalar_subquery()


def _newest_of(time: Any, matches: Any) -> Any:
    """Give the newest time of other rows, in addition to what is selected; absent without any."""
    return select(func.max(time)).where(matches).scalar_subquery()


class Uses(Records):
    """The redemptions of a unit of work, and the counts of incentives."""

    KEPT: ClassVar[tuple[Kept, ...]] = (REDEMPTION, USAGE)
    BUILT: ClassVar[tuple[Build, ...]] = (UseStatements,)

    @property
    def _uses_by(self) -> UseStatements:
        return self._statements.of(UseStatements)

    def histories(
        self,
        program_id: str,
        member: Member | None,
        needs: HistoryNeeds,
        *,
        besides: str,
        reserving: str | None,
        lock: bool,
    ) -> dict[str, History]:
        """See `Unit.histories`."""
        if lock:
            self._lock_usages(program_id, sorted(needs.total))
        if needs.member or needs.total:
            self.flush()
        by, of_member = self._uses_by, {}
        if member is not None:
            of_member = {
                incentive_id: (int(used) + int(kept), _newest(used_ms, kept_ms), int(kept))
                for incentive_id, used, used_ms, kept, kept_ms in self._about_each(
                    by.of_member,
                    needs.member,
                    member_number=member.number,
                    besides=besides,
                )
            }
        of_all = {
            incentive_id: (int(used) + int(kept), int(by_key))
            for incentive_id, used, kept, by_key in self._about_each(
                by.of_all,
                needs.total,
                program_id=program_id,
                besides=besides,
                reserved_by=reserving or "",
                most=max(needs.total.values(), default=0),
            )
        }
        found = {}
        for incentive_id in needs.member | needs.total.keys():
            own, last_ms, kept = of_member.get(incentive_id, (0, None, 0))
            total, by_key = of_all.get(incentive_id, (0, 0))
            reserved_by_key = None if reserving is None else by_key
            found[incentive_id] = History(own, total, last_ms, reserved_by_key, kept)
        return found

    def reserved_by(
        self, member: Member, incentive_id: str, besides: str
    ) -> Sequence[tuple[int, int]]:
        """See `Unit.reserved_by`."""
        self.flush()
        statement = self._uses_by.reserved
        given = {"member_number": member.number, "incentive_id": incentive_id, "besides": besides}
        values = [given[one] for one in statement.names]
        rows = self._connection.execute(statement.sql, values).fetchall()
        return [(int(accepted_ms), int(quantity)) for accepted_ms, quantity in rows]

    def redeemed_between(self, member: Member, name: str, since_ms: int, until_ms: int) -> int:
        """See `Unit.redeemed_between`."""
        self.flush()
        statement = self._uses_by.between
        given = {
            "member_number": member.number,
            "incentive_id": name,
            "since_ms": since_ms,
            "until_ms": until_ms,
        }
        row = self._connection.execute(statement.sql, [given[one] for one in statement.names])
        return int(row.fetchone()[0])

    def redemptions_of(self, transaction: Transaction) -> Sequence[Redemption]:
        """See `Unit.redemptions_of`."""
        place = (transaction.transaction_id,)
        return self._query(Redemption, self._uses_by.of_transaction, place)

    def claimed_orders(self, member: Member, besides: str) -> int:
        """See `Unit.claimed_orders`."""
        self.flush()
        statement = self._uses_by.claimed_orders
        given = {"member_number": member.number, "besides": besides}
        row = self._connection.execute(statement.sql, [given[name] for name in statement.names])
        claimed, reserved = row.fetchone()
        return int(claimed) + int(reserved)

    def count_redemption(self, member: Member, incentive_id: str, quantity: int) -> None:
        """See `Unit.count_redemption`."""
        place = (member.program_id, incentive_id, self._shard)
        if not self._is_known(IncentiveUsage, place):
            # The shard is the unit's own: nobody waits for it, so it has no place in the order.
            self._find(self._kept[IncentiveUsage], place)
        usage: IncentiveUsage | None = self._records.get((IncentiveUsage, *place))
        if usage is None:
            self.add(IncentiveUsage(*place, quantity))
        else:
            self.change(usage, quantity=usage.quantity + quantity)

    def lock_usages(self, names: Iterable[tuple[str, str]]) -> None:
        """Lock the counts of incentives, by program and ID, in the one order of all servers."""
        by_program: dict[str, list[str]] = {}
        for program_id, incentive_id in sorted(names):
            by_program.setdefault(program_id, []).append(incentive_id)
        for program_id, incentive_ids in by_program.items():
            self._lock_usages(program_id, incentive_ids)

    def _lock_usages(self, program_id: str, incentive_ids: Sequence[str]) -> None:
        """
        Lock the counts of incentives, to which a call adds.

        Whoever counts holds the first shard; the sum is a statement of its own, so that it sees
        what others committed while this one waited.
        """
        places = [
            (program_id, incentive_id, shard)
            for incentive_id in incentive_ids
            for shard in {0, self._shard}
        ]
        unknown = [place for place in places if not self._is_known(IncentiveUsage, place)]
        if unknown:
            self._lock(Rank.USAGES)
            asked = {incentive_id for _, incentive_id, _ in unknown}
            kept = self._kept[IncentiveUsage]
            for row in self._about_each(
                self._uses_by.lock_usages, asked, program_id=program_id, shard=self._shard
            ):
                usage = kept.load(row)
                self._records.setdefault(kept.place(usage), usage)
            self.know_absent(IncentiveUsage, unknown)
        for incentive_id in incentive_ids:
            first = (program_id, incentive_id, 0)
            if (IncentiveUsage, *first) not in self._records:
                self.add(IncentiveUsage(*first, 0))
                self.changes -= 1  # A count of nothing may stay behind when the call is refused.

    def _about_each(
        self, statement: Statement, incentive_ids: Collection[str], **values: Any
    ) -> list[Any]:
        """Ask about each of many incentives, other values by their names; return all rows."""
        found = []
        for portion in self._statements.portions(sorted(incentive_ids)):
            given = values | {"incentive_ids": portion}
            named = [given[name] for name in statement.names]
            found += self._connection.execute(statement.sql, named).fetchall()
        return found


def _newest(*times: int | None) -> int | None:
    return max((time_ms for time_ms in times if time_ms is not None), default=None)
