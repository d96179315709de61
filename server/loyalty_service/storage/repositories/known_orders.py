"""
Paid orders that look alike.

They are asked for together: whoever asks for them waits for others who do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from sqlalchemy import Integer, bindparam, column, select, true, values

from loyalty_service.domain.records import KnownOrder, Transaction, TransactionStatus
from loyalty_service.storage import tables as t
from loyalty_service.storage.databases import lock_number
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Basis, Build, Keys, Records, Rows, Step
from loyalty_service.storage.repositories.statements import (
    Kept,
    Statement,
    Statements,
    constant,
    rows_of,
)

TRANSACTION = Kept(
    Transaction,
    t.TransactionTable,
    ("transaction_id",),
    Rank.TRANSACTIONS,
    status=TransactionStatus,
)

ORDERS_LIKE_MAX = 20
"""Orders that look like another one and are read, of each status: the newest."""

_PAID = (TransactionStatus.CLAIMED, TransactionStatus.UNCLAIMED)
"""
Statuses that are asked for, each by itself.

So what is piled up in one pushes nothing of another out, and those that are VOID are not walked.
"""

ORDER_SPACE = 0x10A3
"""Keeps our locks of orders apart from those of others in the database."""

KNOWN_ORDER_COLUMNS = (
    "transaction_id",
    "status",
    "partner",
    "created_ms",
    "business_day",
    "till_created",
    "claimed_ms",
)

_ORDER = ("program_id", "order_digest")


class KnownOrderStatements:
    """The statements that find paid orders which look alike, the newest first."""

    def __init__(self, by: Statements) -> None:
        transaction = TRANSACTION.table
        columns = [transaction.c[name] for name in KNOWN_ORDER_COLUMNS]
        like = (
            select(*columns, transaction.c.receipt_digest.is_not(None).label("is_receipt"))
            .order_by(transaction.c.transaction_id.desc())
            .limit(constant(ORDERS_LIKE_MAX))
            .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )
        of_one = like.where(*(transaction.c[name] == bindparam(name) for name in _ORDER))
        self.like = tuple(
            by.compile(of_one.where(transaction.c.status == constant(status))) for status in _PAID
        )
        lock = f"SELECT pg_advisory_xact_lock({ORDER_SPACE}, number)"
        self.lock = Statement(f"{lock} FROM unnest(%s::int[]) AS number", ("numbers",))
        if by.bulk:
            rows = rows_of(*((transaction, name) for name in _ORDER))
            paid = values(column("status", Integer), name="paid").data(
                [(constant(status),) for status in _PAID]
            )
            matches = (transaction.c[name] == rows.c[name] for name in _ORDER)
            found = (
                like.where(*matches, transaction.c.status == paid.c.status)
                .correlate(rows, paid)
                .lateral("found")
            )
            asked = rows.join(paid, true()).join(found, true())
            self.like_many = by.compile(select(*rows.c, *found.c).select_from(asked))


class KnownOrders(Records):
    """What a unit of work knows of orders that look alike."""

    BUILT: ClassVar[tuple[Build, ...]] = (KnownOrderStatements,)

    def __init__(self, basis: Basis) -> None:
        super().__init__(basis)
        self._orders: dict[tuple[str, bytes], dict[str, KnownOrder]] = {}
        self._own_orders: dict[tuple[str, bytes], dict[str, KnownOrder]] = {}
        """Those that this unit has changed, written or not."""

    @property
    def _orders_by(self) -> KnownOrderStatements:
        return self._statements.of(KnownOrderStatements)

    def orders_like(self, program_id: str, digest: bytes) -> Sequence[KnownOrder]:
        """See `Unit.orders_like`."""
        place = (program_id, digest)
        if place not in self._orders:
            if self._bulk:
                self._lock(Rank.KNOWN_ORDERS)
                self._connection.execute(self._orders_by.lock.sql, ([lock_number(digest)],))
            self._orders[place] = {
                row[0]: _known_order(row)
                for statement in self._orders_by.like
                for row in self._connection.execute(statement.sql, place).fetchall()
            }
        known = self._orders[place] | self._own_orders.get(place, {})
        return [
            known[name]
            for name in sorted(known, reverse=True)
            if known[name].status is not TransactionStatus.VOID
        ]

    def orders_ahead(self, orders: Keys) -> Iterator[Step]:
        """Let orders that look alike wait for one another, then look which there are."""
        numbers = sorted({(lock_number(digest),) for _, digest in orders})
        by = self._orders_by
        yield Step(Rank.KNOWN_ORDERS, by.lock, numbers, lambda _keys, _rows: None)
        yield Step(Rank.KNOWN_ORDERS, by.like_many, orders, self._take_orders, locks=False)

    def _take_orders(self, keys: Keys, rows: Rows) -> None:
        """Take orders that look alike, each after its program and digest; of others is none."""
        for program_id, digest in keys:
            self._orders[program_id, digest] = {}
        for program_id, digest, *row in rows:
            self._orders[program_id, bytes(digest)][row[0]] = _known_order(row)

    def _when_added(self, record: Any) -> None:
        """Know the order as it is now."""
        super()._when_added(record)
        self._note_order(record)

    def _when_changed(self, record: Any) -> None:
        """Know the order as it is now."""
        super()._when_changed(record)
        self._note_order(record)

    def _note_order(self, record: Any) -> None:
        if isinstance(record, Transaction) and record.order_digest is not None:
            place = (record.program_id, record.order_digest)
            self._own_orders.setdefault(place, {})[record.transaction_id] = KnownOrder(
                record.transaction_id,
                record.status,
                record.partner,
                record.created_ms,
                record.business_day,
                record.till_created,
                record.claimed_ms,
                record.receipt_digest is not None,
            )


def _known_order(row: Sequence[Any]) -> KnownOrder:
    known = KnownOrder(*row)
    return replace(known, status=TransactionStatus(known.status), is_receipt=bool(known.is_receipt))
