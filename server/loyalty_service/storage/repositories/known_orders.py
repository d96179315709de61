"""Paid orders that look alike: whoever asks for them waits for others who do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import bindparam, select, true

from loyalty_service.domain.records import KnownOrder, Transaction, TransactionStatus
from loyalty_service.storage import tables as t
from loyalty_service.storage.databases import lock_number
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Basis, Keys, Records, Rows, Step
from loyalty_service.storage.statements import Statement, Statements, constant, rows_of, table_of

ORDERS_LIKE_MAX = 20
"""Orders that look like another one of which more is asked than of how many there are."""

ORDER_SPACE = 0x10A3
"""Keeps our locks of orders apart from those of others in the database."""

KNOWN_ORDER_COLUMNS = (
    "transaction_id",
    "status",
    "partner",
    "created_ms",
    "business_day",
    "till_created",
)

_KEY = ("program_id", "order_digest")


class KnownOrderStatements:
    """The statements that find paid orders which look alike, the newest first."""

    def __init__(self, by: Statements) -> None:
        transaction = table_of(t.TransactionTable)
        columns = [transaction.c[name] for name in KNOWN_ORDER_COLUMNS]
        like = (
            select(*columns, transaction.c.receipt_digest.is_not(None).label("is_receipt"))
            .where(transaction.c.status != constant(TransactionStatus.VOID))
            .order_by(transaction.c.transaction_id.desc())
            .limit(constant(ORDERS_LIKE_MAX))
            .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )
        self.like = by.compile(
            like.where(*(transaction.c[name] == bindparam(name) for name in _KEY))
        )
        lock = f"SELECT pg_advisory_xact_lock({ORDER_SPACE}, number)"
        self.lock = Statement(f"{lock} FROM unnest(%s::int[]) AS number", ("numbers",))
        if by.bulk:
            rows = rows_of(*((transaction, name) for name in _KEY))
            matches = (transaction.c[name] == rows.c[name] for name in _KEY)
            found = like.where(*matches).correlate(rows).lateral("found")
            self.like_many = by.compile(
                select(*rows.c, *found.c).select_from(rows.join(found, true()))
            )


class KnownOrders(Records):
    """What a unit of work knows of orders that look alike."""

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
            rows = self._connection.execute(self._orders_by.like.sql, place).fetchall()
            self._orders[place] = {row[0]: _known_order(row) for row in rows}
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
            known = KnownOrder.of(record)
            self._own_orders.setdefault(place, {})[known.transaction_id] = known


def _known_order(row: Sequence[Any]) -> KnownOrder:
    known = KnownOrder(*row)
    return replace(known, status=TransactionStatus(known.status), is_receipt=bool(known.is_receipt))
