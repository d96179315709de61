"""Loyalty transactions, with the points they hold and the uses they have reserved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlalchemy import Integer, bindparam, func, select, tuple_

from loyalty_service.domain.ledger import Owner, OwnerKind
from loyalty_service.domain.records import (
    Hold,
    HoldStatus,
    Member,
    Reservation,
    Transaction,
    TransactionStatus,
)
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.codes import Digests
from loyalty_service.storage.repositories.known_orders import TRANSACTION, KnownOrders
from loyalty_service.storage.repositories.records import Basis, Build, Keys, Rows, Step
from loyalty_service.storage.repositories.statements import (
    Kept,
    Statements,
    constant,
)

HOLD = Kept(Hold, t.HoldTable, ("hold_id",), Rank.HOLDS, status=HoldStatus)
RESERVATION = Kept(
    Reservation,
    t.ReservationTable,
    ("transaction_id", "incentive_id", "point_cost"),
    Rank.RESERVATIONS,
)
_OWNER = ("owner_kind", "owner_id")


class TransactionStatements:
    """The statements about transactions."""

    def __init__(self, by: Statements) -> None:
        transaction = TRANSACTION.table
        claimed = (
            transaction.c.member_number == bindparam("member_number"),
            transaction.c.status == constant(TransactionStatus.CLAIMED),
        )
        self.has_paid_order = by.compile(
            select(constant(1))
            .where(*claimed)
            .limit(constant(1))
            .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )
        self.paid_since = by.compile(
            TRANSACTION.select()
            .where(*claimed, transaction.c.claimed_ms >= bindparam("since_ms"))
            .order_by(transaction.c.claimed_ms, transaction.c.transaction_id)
            .limit(bindparam("limit_rows", type_=Integer))
            .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )
        self.by_receipt = by.compile(
            TRANSACTION.select()
            .where(
                transaction.c.program_id == bindparam("program_id"),
                transaction.c.receipt_digest == bindparam("receipt_digest"),
            )
            .with_for_update()
        )
        self.overdue = by.overdue(TRANSACTION, TransactionStatus.PENDING)
        place = [transaction.c.claimed_ms, transaction.c.transaction_id]
        last = [bindparam(f"after_{one.name}", type_=one.type) for one in place]
        self.waiting = by.compile(
            select(*place)
            .where(
                transaction.c.points_unconfirmed.is_not(None),
                transaction.c.program_id == bindparam("program_id"),
                transaction.c.claimed_ms < bindparam("before_ms"),
                tuple_(*place) > tuple_(*last),
            )
            .order_by(*place)
            .limit(bindparam("limit_rows"))
            .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )
        if by.bulk:
            self.member_numbers = by.among(
                select(transaction.c.member_number), transaction, TRANSACTION.key
            )
            self.of_receipts = by.among(
                select(
                    transaction.c.transaction_id,
                    transaction.c.program_id,
                    transaction.c.order_digest,
                ),
                transaction,
                ("program_id", "receipt_digest"),
            )


class HoldStatements:
    """The statements about the holds and reservations of transactions."""

    def __init__(self, by: Statements) -> None:
        hold, reserved = HOLD.table, RESERVATION.table
        of_owner = [hold.c[name] == bindparam(name) for name in _OWNER]
        is_open = hold.c.status == constant(HoldStatus.OPEN)
        self.open = by.compile(
            HOLD.select().where(*of_owner, is_open).order_by(*HOLD.ordered).with_for_update()
        )
        points = select(func.coalesce(func.sum(hold.c.points), constant(0))).where(*of_owner)
        self.captured = by.compile(points.where(hold.c.status == constant(HoldStatus.CAPTURED)))
        is_released = hold.c.status == constant(HoldStatus.RELEASED)
        self.released = by.compile(
            points.where(is_released, hold.c.ended_ms == bindparam("ended_ms"))
        )
        self.reservations = by.compile(
            RESERVATION.select()
            .where(reserved.c.transaction_id == bindparam("transaction_id"))
            .order_by(reserved.c.incentive_id, reserved.c.point_cost)
            .with_for_update()
        )
        if by.bulk:
            self.lock_open = by.among(
                HOLD.select().where(is_open).order_by(*HOLD.ordered).with_for_update(of=hold),
                hold,
                _OWNER,
            )
            self.lock_reservations = by.among(
                RESERVATION.select().order_by(*RESERVATION.ordered).with_for_update(of=reserved),
                reserved,
                ("transaction_id",),
            )


class Transactions(Digests, KnownOrders):
    """The transactions of a unit of work."""

    KEPT: ClassVar[tuple[Kept, ...]] = (TRANSACTION, HOLD, RESERVATION)
    BUILT: ClassVar[tuple[Build, ...]] = (TransactionStatements, HoldStatements)

    def __init__(self, basis: Basis) -> None:
        super().__init__(basis)
        self._holds: dict[Owner, list[Hold]] = {}
        self._reservations: dict[str, list[Reservation]] = {}
        self._unread: set[Owner | str] = set()
        """Of what was written before anybody looked: owners of holds, and IDs of transactions."""

    @property
    def _transactions_by(self) -> TransactionStatements:
        return self._statements.of(TransactionStatements)

    @property
    def _holds_by(self) -> HoldStatements:
        return self._statements.of(HoldStatements)

    def transaction(self, transaction_id: str) -> Transaction | None:
        """See `Unit.transaction`."""
        return self._record(Transaction, (transaction_id,))

    def transaction_by_receipt(self, program_id: str, digest: bytes) -> Transaction | None:
        """See `Unit.transaction_by_receipt`."""
        for one in self._under_every_pepper(digest):
            place = (program_id, one)
            found = self._query(Transaction, self._transactions_by.by_receipt, place)
            if found:
                return found[0]
        return None

    def has_paid_order(self, member: Member) -> bool:
        """See `Unit.has_paid_order`; an order claimed in this very unit is seen a visit later."""
        sql = self._transactions_by.has_paid_order.sql
        return self._connection.execute(sql, (member.number,)).fetchone() is not None

    def orders_paid_since(self, member: Member, since_ms: int, limit: int) -> Sequence[Transaction]:
        """See `Unit.orders_paid_since`."""
        self.write_records()
        kept = self._kept[Transaction]
        given = (member.number, since_ms, limit)
        found: list[Transaction] = []
        for row in self._connection.execute(self._transactions_by.paid_since.sql, given).fetchall():
            record = kept.load(row)
            found.append(self._records.setdefault(kept.place(record), record))
        return found

    def overdue_transactions(
        self, now_ms: int, after: tuple[int, str], limit: int
    ) -> Sequence[tuple[int, str]]:
        """See `Unit.overdue_transactions`."""
        self.write_records()  # Two looks of one batch must see what was ended between them.
        values = (now_ms, *after, limit)
        return self._connection.execute(self._transactions_by.overdue.sql, values).fetchall()

    def waiting_orders(
        self, program_id: str, before_ms: int, after: tuple[int, str], limit: int
    ) -> Sequence[tuple[int, str]]:
        """See `Unit.waiting_orders`."""
        self.write_records()  # Two looks of one batch must see what was ended between them.
        by = self._transactions_by.waiting
        given = {
            "program_id": program_id,
            "before_ms": before_ms,
            "after_claimed_ms": after[0],
            "after_transaction_id": after[1],
            "limit_rows": limit,
        }
        return self._connection.execute(by.sql, [given[name] for name in by.names]).fetchall()

    def open_holds(self, owner: Owner) -> Sequence[Hold]:
        """See `Unit.open_holds`."""
        holds = self._holds.get(owner)
        if holds is None:
            flush = owner in self._unread
            holds = self._query(Hold, self._holds_by.open, owner, flush=flush)
            self._holds[owner] = holds
        return [hold for hold in holds if hold.status is HoldStatus.OPEN]

    def points_released(self, owner: Owner, ended_ms: int) -> int:
        """See `Unit.points_released`."""
        self.write_records()
        row = self._connection.execute(self._holds_by.released.sql, (*owner, ended_ms)).fetchone()
        return int(row[0])

    def points_captured(self, owner: Owner) -> int:
        """See `Unit.points_captured`."""
        self.write_records()
        row = self._connection.execute(self._holds_by.captured.sql, tuple(owner)).fetchone()
        return int(row[0])

    def reservations(self, transaction: Transaction) -> Sequence[Reservation]:
        """See `Unit.reservations`."""
        place = transaction.transaction_id
        known = self._reservations.get(place)
        if known is None:
            flush = place in self._unread
            known = self._query(Reservation, self._holds_by.reservations, (place,), flush=flush)
            self._reservations[place] = known
        return list(known)

    def _when_added(self, record: Any) -> None:
        """Know that a new transaction has nothing yet, and what is added to one."""
        super()._when_added(record)
        if isinstance(record, Transaction):
            self._holds[Owner(OwnerKind.TRANSACTION, record.transaction_id)] = []
            self._reservations[record.transaction_id] = []
        # Where nobody has looked yet there may be others: what is asked later finds this one, too.
        elif isinstance(record, Hold):
            owner = Owner(record.owner_kind, record.owner_id)
            if owner in self._holds:
                self._holds[owner].append(record)
            else:
                self._unread.add(owner)
        elif isinstance(record, Reservation):
            if record.transaction_id in self._reservations:
                self._reservations[record.transaction_id].append(record)
            else:
                self._unread.add(record.transaction_id)

    def _when_changed(self, record: Any) -> None:
        """Know what is changed before all of its transaction was read."""
        super()._when_changed(record)
        if isinstance(record, Hold):
            owner = Owner(record.owner_kind, record.owner_id)
            if owner not in self._holds:
                self._unread.add(owner)
        elif isinstance(record, Reservation) and record.transaction_id not in self._reservations:
            self._unread.add(record.transaction_id)

    def transactions_ahead(self, keys: Keys) -> tuple[Step, ...]:
        """Read transactions with their open holds and all reservations, and lock them."""
        owners = [Owner(OwnerKind.TRANSACTION, transaction_id) for (transaction_id,) in keys]
        return (
            self._records_ahead(Transaction, keys),
            Step(Rank.HOLDS, self._holds_by.lock_open, owners, self._take_holds),
            Step(
                Rank.RESERVATIONS, self._holds_by.lock_reservations, keys, self._take_reservations
            ),
        )

    def _take_holds(self, owners: Keys, rows: Rows) -> None:
        """Take holds that were read: all that are open of these owners."""
        for owner in owners:
            self._holds.setdefault(Owner(*owner), [])
        for row in rows:
            hold: Hold = self._take(self._kept[Hold], row)
            self._holds[Owner(hold.owner_kind, hold.owner_id)].append(hold)

    def _take_reservations(self, keys: Keys, rows: Rows) -> None:
        """Take reservations that were read: all there are of these transactions."""
        for (transaction_id,) in keys:
            self._reservations.setdefault(transaction_id, [])
        for row in rows:
            kept: Reservation = self._take(self._kept[Reservation], row)
            self._reservations[kept.transaction_id].append(kept)
