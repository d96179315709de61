"""
A unit of work on a raw driver connection, shared by all the calls of one batch.

What was read is kept, so that two calls of a batch see one another's changes; what was changed
is written once, in bulk, when the batch ends or a query needs it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from operator import attrgetter
from random import Random
from typing import Any, Protocol, TypeVar

from loyalty_service.application.unit import Record
from loyalty_service.domain.codes import code_digest
from loyalty_service.domain.events import Actor, Event
from loyalty_service.domain.guessing import Refusal, Scope, Tally
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.ledger import (
    GENESIS,
    PROGRAM_KINDS,
    Account,
    AccountKind,
    Origin,
    Transfer,
    transfer,
)
from loyalty_service.domain.limits import Limit
from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.program import Catalog, Program
from loyalty_service.domain.records import (
    Code,
    CodeStatus,
    Hold,
    HoldStatus,
    IncentiveUsage,
    KnownOrder,
    Member,
    MemberEmail,
    Redemption,
    Remembered,
    Reservation,
    Session,
    SessionStatus,
    Transaction,
    TransactionStatus,
)
from loyalty_service.domain.rules import History, HistoryNeeds
from loyalty_service.storage import catalog as catalog_tables
from loyalty_service.storage.code_counts import CodeCounts
from loyalty_service.storage.databases import lock_digest, lock_number
from loyalty_service.storage.event_log import EventLog, Proof
from loyalty_service.storage.limit_counts import KnownSums, LimitCounts
from loyalty_service.storage.seal import Seal
from loyalty_service.storage.statements import (
    MEMBER_COLUMNS,
    RECORD_TABLES,
    RowStatement,
    Statement,
    Statements,
)

SHARDS = 16
"""Rows that each kind of program account is split into, so that every writer has its own."""

_ACCOUNT_FIELDS = len(fields(Account))
_COLUMNS = {kind: attrgetter(*(field.name for field in fields(kind))) for kind in RECORD_TABLES}
_STATUS = {
    Code: CodeStatus,
    Hold: HoldStatus,
    Session: SessionStatus,
    Transaction: TransactionStatus,
}


K = TypeVar(
    "K",
    Code,
    Hold,
    IncentiveUsage,
    MemberEmail,
    Redemption,
    Remembered,
    Reservation,
    Session,
    Transaction,
)


class CollisionError(Exception):
    """Raised when another server may have taken the same digits: the batch is to run again."""


class Cursor(Protocol):
    """What is used of a driver's cursor."""

    def fetchone(self) -> Any:
        """Give the next row, or None."""

    def fetchall(self) -> list[Any]:
        """Give all rows."""

    def execute(self, sql: str, values: Sequence[Any], /) -> Any:
        """Run a statement."""

    def executemany(self, sql: str, rows: Sequence[Sequence[Any]], /) -> Any:
        """Run a statement once for each row."""


class Connection(Protocol):
    """What is used of a driver's connection; sqlite3 and psycopg have it alike."""

    def execute(self, sql: str, values: Sequence[Any] = ..., /) -> Cursor:
        """Run a statement."""

    def cursor(self) -> Cursor:
        """Open a cursor."""


class UnitOfWork:
    """Implements `application.unit.Unit`; see there for what each query promises."""

    def __init__(
        self,
        connection: Connection,
        statements: Statements,
        catalog: Catalog,
        pepper: bytes | Peppers,
        seal: Seal,
        shard: int = 0,
        known_sums: KnownSums | None = None,
        units: Random | None = None,
    ) -> None:
        self.catalog = catalog
        self.changes = 0
        """Writes asked for so far: a refusal after the first one must be rolled back."""
        self.rows = 0
        self.bytes_written = 0
        self.witness: Proof | None = None
        """Question for a row that is there only if this unit was committed, where it has one."""
        self._connection = connection
        self._statements = statements
        self._peppers = Peppers.of(pepper).known
        self._seal = seal
        self._shard = shard
        self.code_counts = CodeCounts(connection, statements, shard)
        self.limit_counts = LimitCounts(connection, statements, shard, known_sums or KnownSums())
        self._members: dict[tuple[str, str] | int, Member] = {}
        self._records: dict[tuple[Any, ...], Any] = {}
        self._program_accounts: dict[tuple[str, int, int], Account] = {}
        self._debts: dict[int, Account | None] = {}
        self._holds: dict[str, list[Hold]] = {}
        self._reservations: dict[str, list[Reservation]] = {}
        self._orders: dict[tuple[str, bytes], dict[str, KnownOrder]] = {}
        self._own_orders: dict[tuple[str, bytes], dict[str, KnownOrder]] = {}
        """Those that this unit has changed, written or not."""
        self._sealed_before: list[Remembered] = []
        self._absent: set[tuple[Any, ...]] = set()
        self._digests: dict[bytes, tuple[bytes, ...]] = {}
        """By a digest of the current pepper, those of the same digits under every pepper."""
        self._added: dict[type, dict[int, Record]] = {}
        self._changed: dict[type, dict[int, Record]] = {}
        self._transfers: list[Transfer] = []
        self._moved: dict[int, Account] = {}
        self._events = EventLog(bulk=statements.bulk, lane=shard, units=units)

    # Queries.

    def member(self, program_id: str, loyalty_id: str) -> Member | None:
        """See `Unit.member`."""
        known = self._members.get((program_id, loyalty_id))
        if known is not None or (Member, program_id, loyalty_id) in self._absent:
            return known
        return self._load_member(self._statements.member, (program_id, loyalty_id))

    def member_by_number(self, number: int) -> Member:
        """See `Unit.member_by_number`."""
        known = self._members.get(number)
        if known is None:
            known = self._load_member(self._statements.member_by_number, (number,))
        if known is None:
            raise LookupError(f"member {number} has lost its row or an account")
        return known

    def code_digest(self, program_id: str, code: str) -> bytes:
        """See `Unit.code_digest`."""
        return self.code_digests(program_id, code)[0]

    def code_digests(self, program_id: str, code: str) -> tuple[bytes, ...]:
        """Digest a code with every pepper known, the current one first."""
        digest, *others = (code_digest(one, program_id, code) for one in self._peppers)
        if others:
            self._digests[digest] = (digest, *others)
        return (digest, *others)

    def code(self, program_id: str, digest: bytes) -> Code | None:
        """See `Unit.code`."""
        found = [
            code
            for one in self._digests.get(digest, (digest,))
            if (code := self._record(Code, self._statements.code, (program_id, one))) is not None
        ]
        # Digits are drawn again only when their last time is over, so the last one is the one.
        return max(found, key=lambda code: code.expires_ms, default=None)

    def pending_codes(self, member: Member) -> Sequence[Code]:
        """See `Unit.pending_codes`."""
        return self._query(Code, self._statements.pending_codes, (member.number,))

    def code_refusals(self, program_id: str) -> Mapping[str, Refusal]:
        """See `Unit.code_refusals`."""
        return self.code_counts.refusals(program_id)

    def lock_key(self, key_id: str) -> None:
        """See `Unit.lock_key`."""
        self.code_counts.lock(key_id)

    def tallies(self, scopes: Sequence[Scope], now_ms: int) -> dict[Scope, Tally]:
        """See `Unit.tallies`."""
        self.flush()
        return self.code_counts.tallies(scopes, now_ms)

    def code_month(self, scope: Scope, now_ms: int) -> Tally:
        """See `Unit.code_month`."""
        return self.code_counts.month(scope, now_ms)

    def has_regulars(self, key_id: str) -> bool:
        """See `Unit.has_regulars`."""
        return self.code_counts.has_regulars(key_id)

    def regular_since(self, key_id: str, member: Member) -> int | None:
        """See `Unit.regular_since`."""
        return self.code_counts.regular_since(key_id, member.number)

    def has_paid_order(self, member: Member) -> bool:
        """See `Unit.has_paid_order`; an order claimed in this very unit is seen a visit later."""
        place = (member.number,)
        return (
            self._connection.execute(self._statements.has_paid_order.sql, place).fetchone()
            is not None
        )

    def session(self, program_id: str, correlation_id: str) -> Session | None:
        """See `Unit.session`."""
        return self._record(Session, self._statements.session, (program_id, correlation_id))

    def transaction(self, transaction_id: str) -> Transaction | None:
        """See `Unit.transaction`."""
        return self._record(Transaction, self._statements.transaction, (transaction_id,))

    def open_holds(self, transaction: Transaction) -> Sequence[Hold]:
        """See `Unit.open_holds`."""
        place = transaction.transaction_id
        holds = self._holds.get(place)
        if holds is None:
            holds = self._query(Hold, self._statements.open_holds, (place,))
            self._holds[place] = holds
        return [hold for hold in holds if hold.status is HoldStatus.OPEN]

    def points_released(self, transaction: Transaction, ended_ms: int) -> int:
        """See `Unit.points_released`."""
        self.flush()
        row = self._connection.execute(
            self._statements.points_released.sql, (transaction.transaction_id, ended_ms)
        ).fetchone()
        return int(row[0])

    def reservations(self, transaction: Transaction) -> Sequence[Reservation]:
        """See `Unit.reservations`."""
        place = transaction.transaction_id
        known = self._reservations.get(place)
        if known is None:
            known = self._query(Reservation, self._statements.reservations, (place,))
            self._reservations[place] = known
        return list(known)

    def remembered(self, scope: str, idempotency_key: str) -> Remembered | None:
        """See `Unit.remembered`."""
        return self._record(Remembered, self._statements.remembered, (scope, idempotency_key))

    def member_email(self, program_id: str, email: str) -> MemberEmail | None:
        """See `Unit.member_email`."""
        return self._record(MemberEmail, self._statements.member_email, (program_id, email))

    def program_account(self, program_id: str, kind: AccountKind) -> Account:
        """See `Unit.program_account`."""
        place = (program_id, int(kind), self._shard)
        account = self._program_accounts.get(place)
        if account is None:
            row = self._connection.execute(self._statements.program_account.sql, place).fetchone()
            account = _account(row)
            self._program_accounts[place] = account
        return account

    def debt(self, member: Member) -> Account | None:
        """See `Unit.debt`."""
        if member.number not in self._debts:
            row = self._connection.execute(self._statements.debt.sql, (member.number,)).fetchone()
            self._debts[member.number] = None if row is None else _account(row)
        return self._debts[member.number]

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
        self.flush()
        by, of_member = self._statements, {}
        if member is not None:
            of_member = {
                incentive_id: (int(used) + int(kept), _newest(used_ms, kept_ms))
                for incentive_id, used, used_ms, kept, kept_ms in self._about_each(
                    by.member_redemptions,
                    needs.member,
                    member_number=member.number,
                    besides=besides,
                )
            }
        of_all = {
            incentive_id: (int(used) + int(kept), int(by_key))
            for incentive_id, used, kept, by_key in self._about_each(
                by.total_redemptions,
                needs.total,
                program_id=program_id,
                besides=besides,
                reserved_by=reserving or "",
            )
        }
        found = {}
        for incentive_id in needs.member | needs.total:
            own, last_ms = of_member.get(incentive_id, (0, None))
            total, by_key = of_all.get(incentive_id, (0, 0))
            reserved_by_key = None if reserving is None else by_key
            found[incentive_id] = History(own, total, last_ms, reserved_by_key)
        return found

    def _about_each(
        self, statement: Statement, incentive_ids: Collection[str], **values: Any
    ) -> list[Any]:
        """Ask about each of many incentives, other values by their names; gives the rows of all."""
        found = []
        for portion in self._statements.portions(sorted(incentive_ids)):
            given = values | {"incentive_ids": portion}
            named = [given[name] for name in statement.names]
            found += self._connection.execute(statement.sql, named).fetchall()
        return found

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
            asked = {incentive_id for _, incentive_id, _ in unknown}
            for row in self._about_each(
                self._statements.lock_usages, asked, program_id=program_id, shard=self._shard
            ):
                usage = _record(IncentiveUsage, row)
                self._records.setdefault(_place(usage), usage)
            self.know_absent(IncentiveUsage, unknown)
        for incentive_id in incentive_ids:
            first = (program_id, incentive_id, 0)
            if (IncentiveUsage, *first) not in self._records:
                self.add(IncentiveUsage(*first, 0))
                self.changes -= 1  # A count of nothing may stay behind when the call is refused.

    def lock_usages(self, names: Iterable[tuple[str, str]]) -> None:
        """Lock the counts of incentives, by program and ID, in the one order of all servers."""
        by_program: dict[str, list[str]] = {}
        for program_id, incentive_id in sorted(names):
            by_program.setdefault(program_id, []).append(incentive_id)
        for program_id, incentive_ids in by_program.items():
            self._lock_usages(program_id, incentive_ids)

    def redemptions_of(self, transaction: Transaction) -> Sequence[Redemption]:
        """See `Unit.redemptions_of`."""
        place = (transaction.transaction_id,)
        return self._query(Redemption, self._statements.redemptions_of, place)

    def claimed_orders(self, member: Member, besides: str) -> int:
        """See `Unit.claimed_orders`."""
        self.flush()
        statement = self._statements.claimed_orders
        given = {"member_number": member.number, "besides": besides}
        row = self._connection.execute(statement.sql, [given[name] for name in statement.names])
        claimed, reserved = row.fetchone()
        return int(claimed) + int(reserved)

    def transaction_by_receipt(self, program_id: str, digest: bytes) -> Transaction | None:
        """See `Unit.transaction_by_receipt`."""
        for one in self._digests.get(digest, (digest,)):
            place = (program_id, one)
            found = self._query(Transaction, self._statements.transaction_by_receipt, place)
            if found:
                return found[0]
        return None

    def orders_like(self, program_id: str, digest: bytes) -> Sequence[KnownOrder]:
        """See `Unit.orders_like`."""
        place = (program_id, digest)
        if place not in self._orders:
            if self._statements.bulk:
                numbers = [lock_number(digest)]
                self._connection.execute(self._statements.lock_orders.sql, (numbers,))
            rows = self._connection.execute(self._statements.orders_like.sql, place).fetchall()
            self._orders[place] = {row[0]: _known_order(row) for row in rows}
        known = self._orders[place] | self._own_orders.get(place, {})
        return [
            known[name]
            for name in sorted(known, reverse=True)
            if known[name].status is not TransactionStatus.VOID
        ]

    def overdue_transactions(
        self, now_ms: int, after: tuple[int, str], limit: int
    ) -> Sequence[tuple[int, str]]:
        """See `Unit.overdue_transactions`."""
        values = (now_ms, *after, limit)
        return self._connection.execute(
            self._statements.overdue_transactions.sql, values
        ).fetchall()

    def overdue_codes(
        self, now_ms: int, after: tuple[int, str, bytes], limit: int
    ) -> Sequence[tuple[int, str, bytes]]:
        """See `Unit.overdue_codes`."""
        values = (now_ms, *after, limit)
        return self._connection.execute(self._statements.overdue_codes.sql, values).fetchall()

    def counted(self, limit: Limit, scope: str, now_ms: int) -> int:
        """See `Unit.counted`."""
        return self.limit_counts.counted(limit, scope, now_ms)

    # Writes.

    def count(self, limit: Limit, scope: str, amount: int, now_ms: int) -> None:
        """See `Unit.count`."""
        self.changes += 1
        self.limit_counts.add(limit, scope, amount, now_ms)

    def add_member(self, member: Member) -> None:
        """See `Unit.add_member`."""
        self.changes += 1
        self.rows += 3  # With both accounts.
        values = [getattr(member, name) for name in MEMBER_COLUMNS[1:]]
        self.bytes_written += _bytes_of(values)
        row = self._connection.execute(self._statements.insert_member.sql, values).fetchone()
        member.number = row[0]
        for account in (member.available, member.held):
            account.account_id = self._insert_account(
                member.program_id, member.number, account.kind, 0
            )
        self._keep_member(member)

    def open_debt(self, member: Member) -> Account:
        """See `Unit.open_debt`."""
        known = self.debt(member)
        if known is None:
            self.changes += 1
            self.rows += 1
            number = self._insert_account(member.program_id, member.number, AccountKind.DEBT, 0)
            known = Account(number, AccountKind.DEBT, 0, 0, GENESIS)
            self._debts[member.number] = known
        return known

    def count_redemption(self, member: Member, incentive_id: str, quantity: int) -> None:
        """See `Unit.count_redemption`."""
        place = (member.program_id, incentive_id, self._shard)
        usage = self._record(IncentiveUsage, self._statements.usage, place)
        if usage is None:
            self.add(IncentiveUsage(*place, quantity))
        else:
            self.change(usage, quantity=usage.quantity + quantity)

    def put_code(self, code: Code, earlier: Code | None) -> None:
        """See `Unit.put_code`."""
        if len(self._peppers) > 1:
            self._require_alone(code)
            earlier = self._record(Code, self._statements.code, (code.program_id, code.digest))
        if earlier is None:
            self.add(code)
        else:
            self.change(
                earlier, **{field.name: getattr(code, field.name) for field in fields(Code)}
            )

    def _require_alone(self, code: Code) -> None:
        """
        Make sure that no other server keeps the same digits live under another pepper.

        While peppers are rotated two servers digest the same digits differently, and no key of
        the table keeps them apart. A fixed code of a sandbox takes the place of an earlier one.

        Raises:
            CollisionError: One may: the unit is to run again, and draws other digits.
        """
        if not self._statements.bulk or code.published:
            return
        digests = self._digests.get(code.digest, ())
        if not all(lock_digest(self._connection, digest) for digest in sorted(digests)):
            raise CollisionError
        for digest in digests[1:]:
            # Asked again, because what was read before the lock may have changed since.
            place = (code.program_id, digest)
            row = self._connection.execute(self._statements.code.sql, place).fetchone()
            if row is not None and _record(Code, row).expires_ms > code.created_ms:
                raise CollisionError

    def note_wrong_code(self, scope: Scope, digest: bytes, now_ms: int, repeat_ms: int) -> bool:
        """See `Unit.note_wrong_code`."""
        new = self.code_counts.note(scope, digest, now_ms, repeat_ms)
        self.changes += new
        self.rows += new
        return new

    def tally_right(self, scopes: Sequence[Scope], now_ms: int) -> None:
        """See `Unit.tally_right`."""
        self.changes += 1
        self.code_counts.add_right(scopes, now_ms)

    def tally_wrong(self, scopes: Sequence[Scope], spender: Scope | None, now_ms: int) -> None:
        """See `Unit.tally_wrong`."""
        self.changes += 1
        self.code_counts.add_wrong(scopes, spender, now_ms)

    def count_regular(self, earner: Scope, member: Member, now_ms: int) -> None:
        """See `Unit.count_regular`."""
        self.changes += 1
        self.rows += 1
        self.code_counts.count_regular(earner, member.number, now_ms)

    def refuse_codes(self, refusal: Refusal) -> None:
        """See `Unit.refuse_codes`."""
        self.changes += 1
        self.code_counts.refuse(refusal)

    def forgive_codes(self, key_id: str) -> int:
        """See `Unit.forgive_codes`."""
        self.changes += 1
        return self.code_counts.forgive(key_id)

    def forget_counts(self, now_ms: int, limit: int) -> int:
        """See `Unit.forget_counts`."""
        self.changes += 1
        return self.code_counts.forget(now_ms, limit) + self.limit_counts.forget(now_ms, limit)

    def add(self, record: Record) -> None:
        """See `Unit.add`."""
        self.changes += 1
        self.rows += 1
        self.bytes_written += _bytes_of(_COLUMNS[type(record)](record))
        self._added.setdefault(type(record), {})[id(record)] = record
        self._records[_place(record)] = record
        if isinstance(record, Transaction):
            self._holds[record.transaction_id] = []
            self._reservations[record.transaction_id] = []
            self._note_order(record)
        elif isinstance(record, Hold):
            self._holds.setdefault(record.transaction_id, []).append(record)
        elif isinstance(record, Reservation):
            self._reservations.setdefault(record.transaction_id, []).append(record)

    def change(self, record: Record, **values: Any) -> None:
        """See `Unit.change`."""
        self.changes += 1
        self.bytes_written += _bytes_of(values.values())
        for name, value in values.items():
            setattr(record, name, value)
        kind = type(record)
        if id(record) not in self._added.get(kind, ()):
            self._changed.setdefault(kind, {})[id(record)] = record
        if isinstance(record, Transaction):
            self._note_order(record)

    def _note_order(self, transaction: Transaction) -> None:
        if transaction.order_digest is not None:
            place = (transaction.program_id, transaction.order_digest)
            known = KnownOrder.of(transaction)
            self._own_orders.setdefault(place, {})[known.transaction_id] = known

    def post(self, source: Account, destination: Account, points: int, origin: Origin) -> None:
        """See `Unit.post`."""
        self.changes += 1
        self.rows += 1
        self._transfers.append(transfer(source, destination, points, origin))
        self._moved[source.account_id] = source
        self._moved[destination.account_id] = destination

    def lock_catalog(self) -> None:
        """See `Unit.lock_catalog`."""
        if catalog_tables.lock(self._connection, self._statements) != self.catalog.revision:
            self.catalog = catalog_tables.load(self._connection, self._statements)

    def save_program(self, program: Program, now_ms: int) -> int:
        """See `Unit.save_program`."""
        self.changes += 1
        version = catalog_tables.save_program(self._connection, self._statements, program, now_ms)
        if program.program_id not in self.catalog.programs:
            for kind in PROGRAM_KINDS:
                for shard in range(SHARDS):
                    self._insert_account(program.program_id, None, kind, shard)
        self.catalog = catalog_tables.load(self._connection, self._statements)
        return version

    def add_key(self, key: ApiKey, digest: bytes, now_ms: int) -> None:
        """See `Unit.add_key`."""
        self.changes += 1
        catalog_tables.add_key(self._connection, self._statements, key, digest, now_ms)
        self.catalog = catalog_tables.load(self._connection, self._statements)

    def revoke_key(self, key_id: str, now_ms: int) -> bool:
        """See `Unit.revoke_key`."""
        self.changes += 1
        revoked = catalog_tables.revoke_key(self._connection, self._statements, key_id, now_ms)
        self.catalog = catalog_tables.load(self._connection, self._statements)
        return revoked

    def append(self, event: Event, by: Actor, now_ms: int) -> None:
        """See `Unit.append`."""
        self.changes += 1
        member = event.member
        # A debt that was not looked at was not touched either.
        debt = None if member is None else self._debts.get(member.number)
        self._events.append(event, by, now_ms, debt)

    def finish(self) -> None:
        """Write everything that is left, the events last: only the commit may come after it."""
        self.flush()
        self._events.write(self._connection)
        if self._events.proof is not None:
            self.witness = self._events.proof

    def flush(self) -> None:
        """Write everything that was added or changed since the last flush."""
        cursor = self._connection.cursor()
        if self._sealed_before:
            self._seal_again(cursor)
        for kind, statements in self._statements.records.items():
            if kind not in self._added and kind not in self._changed:
                continue  # Rules that count ask hundreds of times: a flush of nothing is cheap.
            added: Collection[Any] = self._added.pop(kind, {}).values()
            changed: Collection[Any] = self._changed.pop(kind, {}).values()
            if kind is Remembered:
                added = [self._sealed(kept) for kept in added]
                changed = [self._sealed(kept) for kept in changed]
            rows = added
            if rows and kind in self._statements.witnesses:
                self._testify(next(iter(rows)))
            self._write(cursor, statements.insert, rows)
            self._write(cursor, statements.update, changed)
        counts = self.code_counts
        self._write(cursor, self._statements.tallies, counts.take_added())
        self._write(cursor, self._statements.months, counts.take_added_in_month())
        self._write(cursor, self._statements.regulars, counts.take_new_regulars())
        self._write(cursor, self._statements.limit_tallies, self.limit_counts.take_pending())
        self._write(cursor, self._statements.transfers, self._transfers)
        self._write(cursor, self._statements.accounts, self._moved.values())
        self._transfers.clear()
        self._moved.clear()

    def _testify(self, row: Any) -> None:
        """Keep what only this unit writes: a sealed answer, which has a random nonce."""
        statement = self._statements.witnesses[type(row)]
        values = tuple(getattr(row, name) for name in statement.names)
        self.witness = Proof(statement.sql, values)

    def _sealed(self, remembered: Any) -> Remembered:
        scope, key = remembered.scope, remembered.idempotency_key
        sealed: Remembered = replace(
            remembered, answer=self._seal.close(remembered.answer, scope, key)
        )
        return sealed

    def _opened(self, record: K) -> K:
        """Open what is sealed in a record that was just read."""
        if isinstance(record, Remembered):
            scope, key = record.scope, record.idempotency_key
            record.answer, newest = self._seal.open_any(record.answer, scope, key)
            if not newest:
                self._sealed_before.append(record)
        return record

    def _seal_again(self, cursor: Cursor) -> None:
        """Seal what was read and had been sealed with a retired pepper with the current one."""
        ordered = sorted(self._sealed_before, key=lambda kept: (kept.scope, kept.idempotency_key))
        self._sealed_before.clear()
        update = self._statements.records[Remembered].update
        self._write(cursor, update, [self._sealed(kept) for kept in ordered])

    def _write(self, cursor: Cursor, statement: RowStatement, rows: Collection[Any]) -> None:
        """Write many rows: one by one on SQLite, as one statement over arrays elsewhere."""
        if not rows:
            return
        values = [statement.values(row) for row in rows]
        if self._statements.bulk:
            cursor.execute(statement.sql, [list(column) for column in zip(*values, strict=True)])
        else:
            cursor.executemany(statement.sql, values)

    # Reading ahead, for `prefetch.py`.

    def take_members(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take members that were read and locked."""
        for row in rows:
            self._take_member(row)

    def take_debts(self, rows: Iterable[Sequence[Any]]) -> None:
        """Take debts that were read and locked, each after its member's number."""
        for row in rows:
            self._debts[row[0]] = _account(row[1:])

    def take_records(self, kind: type[K], rows: Iterable[Sequence[Any]]) -> None:
        """Take records that were read, and locked where they can change."""
        for row in rows:
            record = self._opened(_record(kind, row))
            self._records[_place(record)] = record
            if isinstance(record, Hold):
                self._holds.setdefault(record.transaction_id, []).append(record)
            elif isinstance(record, Reservation):
                self._reservations.setdefault(record.transaction_id, []).append(record)

    def take_orders(self, keys: Iterable[tuple[Any, ...]], rows: Iterable[Sequence[Any]]) -> None:
        """Take orders that look alike, each after its program and digest; of others is none."""
        for program_id, digest in keys:
            self._orders[program_id, digest] = {}
        for program_id, digest, *row in rows:
            self._orders[program_id, bytes(digest)][row[0]] = _known_order(row)

    def know_absent(self, kind: type, keys: Iterable[tuple[Any, ...]]) -> None:
        """Take it that of these keys there is nothing but what was taken."""
        for key in keys:
            if kind is Account:
                self._debts.setdefault(key[0], None)
            elif kind is Hold:
                self._holds.setdefault(key[0], [])
            elif kind is Reservation:
                self._reservations.setdefault(key[0], [])
            else:
                self._absent.add((kind, *key))

    # Loading.

    def _load_member(self, statement: Statement, values: tuple[Any, ...]) -> Member | None:
        row = self._connection.execute(statement.sql, values).fetchone()
        if row is None:
            return None
        return self._take_member(row)

    def _take_member(self, row: Sequence[Any]) -> Member:
        own = len(MEMBER_COLUMNS)
        available = _account(row[own : own + _ACCOUNT_FIELDS])
        held = _account(row[own + _ACCOUNT_FIELDS :])
        return self._keep_member(Member(*(*row[:own], available, held)))

    def _keep_member(self, member: Member) -> Member:
        """Remember a member under both of its names; the one loaded first stays the one."""
        known = self._members.setdefault(member.number, member)
        self._members[member.program_id, member.loyalty_id] = known
        return known

    def _is_known(self, kind: type, key: tuple[Any, ...]) -> bool:
        return (kind, *key) in self._records or (kind, *key) in self._absent

    def _record(self, kind: type[K], statement: Statement, key: tuple[Any, ...]) -> K | None:
        known: K | None = self._records.get((kind, *key))
        if known is None and (kind, *key) not in self._absent:
            row = self._connection.execute(statement.sql, key).fetchone()
            if row is not None:
                known = self._records[kind, *key] = self._opened(_record(kind, row))
        return known

    def _query(self, kind: type[K], statement: Statement, values: tuple[Any, ...]) -> list[K]:
        self.flush()
        rows = self._connection.execute(statement.sql, values).fetchall()
        loaded = (_record(kind, row) for row in rows)
        return [self._records.setdefault(_place(record), record) for record in loaded]

    def _insert_account(
        self, program_id: str, member_number: int | None, kind: AccountKind, shard: int
    ) -> int:
        row = self._connection.execute(
            self._statements.insert_account.sql,
            (program_id, member_number, int(kind), shard, 0, 0, GENESIS),
        ).fetchone()
        return int(row[0])


def _bytes_of(values: Iterable[Any]) -> int:
    """Add up the bytes of what can be long: texts and answers."""
    size = 0
    for value in values:
        if value is None or type(value) is int:
            continue  # Most are, and an order of 500 rewards writes a thousand rows.
        if isinstance(value, str):
            size += len(value) if value.isascii() else len(value.encode())
        elif isinstance(value, bytes):
            size += len(value)
    return size


def _newest(*times: int | None) -> int | None:
    return max((time_ms for time_ms in times if time_ms is not None), default=None)


def _account(row: Sequence[Any]) -> Account:
    number, kind, balance, sequence, head, moved_ms = row
    return Account(number, AccountKind(kind), balance, sequence, bytes(head), moved_ms)


def _known_order(row: Sequence[Any]) -> KnownOrder:
    known = KnownOrder(*row)
    return replace(known, status=TransactionStatus(known.status), is_receipt=bool(known.is_receipt))


def _record(kind: type[K], row: Sequence[Any]) -> K:
    record: Any = kind(*row)
    status = _STATUS.get(kind)
    if status is not None:
        record.status = status(record.status)
    loaded: K = record
    return loaded


def _place(record: Any) -> tuple[Any, ...]:
    kind = type(record)
    return (kind, *(getattr(record, name) for name in RECORD_TABLES[kind][1]))
