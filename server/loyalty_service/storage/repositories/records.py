"""What a unit of work has read, added and changed; every repository is a part of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple, TypeVar

from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.program import Catalog
from loyalty_service.storage.driver import Connection, Cursor
from loyalty_service.storage.lock_order import COVERED, DRAWN, Rank
from loyalty_service.storage.repositories.event_log import Proof
from loyalty_service.storage.repositories.seal import Seal
from loyalty_service.storage.repositories.statements import (
    Kept,
    RowStatement,
    Statement,
    Statements,
    values_of,
)

R = TypeVar("R")

Build = Callable[[Statements], Any]
Keys = Sequence[tuple[Any, ...]]
Rows = Sequence[Sequence[Any]]


class UnknownRecordError(TypeError):
    """Raised when a unit of work is to keep a record of a class that no repository keeps."""

    def __init__(self, kind: type) -> None:
        super().__init__(f"no repository keeps a {kind.__name__} by add or change")


class Basis(NamedTuple):
    """
    What a unit of work begins with.

    Attributes:
        shard: Which of the rows of each counter are its own; see `ledger.SHARDS`.
        as_of_ms: When it began: points whose day is over by then are gone.
    """

    connection: Connection
    statements: Statements
    catalog: Catalog
    peppers: Peppers
    seal: Seal
    shard: int
    as_of_ms: int = 0


class Step(NamedTuple):
    """
    A question that is asked ahead for a whole batch.

    Attributes:
        rank: When it is asked, among the others.
        keys: What is asked about: without any it is left out.
        take: Takes the keys and all rows there are of them.
        locks: Whether it locks the rows.
    """

    rank: Rank
    statement: Statement
    keys: Keys
    take: Callable[[Keys, Rows], None]
    locks: bool = True


class KeptStatements:
    """The statements about records of one class, and what tells them apart."""

    def __init__(self, by: Statements, kept: Kept) -> None:
        columns = kept.columns
        plain = [name for name in columns if name not in kept.key]
        self.kept = kept
        self.find = by.find(kept)
        self.insert = by.adding(kept.table, columns)
        self.update = by.changing(kept.table, kept.key, plain) if plain else None
        self.witness = by.witness(kept.table, kept.witness) if kept.witness else None
        self.values = values_of(columns)
        self._key = values_of(kept.key)
        if by.bulk:
            self.lock_many = by.lock_among(kept)

    def place(self, record: Any) -> tuple[Any, ...]:
        """Tell where a record is among all that were read or added."""
        return (self.kept.record, *self._key(record))

    def load(self, row: Sequence[Any]) -> Any:
        """Turn a row into a record."""
        record = self.kept.record(*row)
        if self.kept.status is not None:
            record.status = self.kept.status(record.status)
        return record


class LockOrderError(Exception):
    """Raised when a unit of work locks rows against the order."""


class LockOrder:
    """
    How far up the ranks a unit of work has locked rows.

    Attributes:
        enforced: Whether a lock against the order raises. Only tests have it so: in production a
            circle of waits, which PostgreSQL ends, costs less than a call that fails.
    """

    enforced: ClassVar[bool] = False

    def __init__(self) -> None:
        self._highest = Rank.CATALOGUE

    def take(self, rank: Rank) -> None:
        """
        Note that rows of a rank are to be locked.

        Raises:
            LockOrderError: It is against the order, where that is enforced.
        """
        if rank >= self._highest:
            if rank not in COVERED:
                self._highest = rank
        elif self.enforced and rank not in COVERED and rank not in DRAWN:
            raise LockOrderError(f"{rank.name} are locked after {self._highest.name}")


class Records:
    """
    The records of a unit of work, each of them one object however often it is asked for.

    Attributes:
        KEPT: What a repository keeps by `add` and `change`.
        BUILT: What builds a repository's own statements.
        changes: Writes asked for so far: a refusal after the first one must be rolled back.
        rows: Rows added so far.
        bytes_written: Bytes of texts and answers written so far.
        witness: Question for a row that is there only if this unit was committed, where it has one.
    """

    KEPT: ClassVar[tuple[Kept, ...]] = ()
    BUILT: ClassVar[tuple[Build, ...]] = ()

    def __init__(self, basis: Basis) -> None:
        self.catalog = basis.catalog
        self.changes = 0
        self.rows = 0
        self.bytes_written = 0
        self.witness: Proof | None = None
        self._basis = basis
        self._connection = basis.connection
        self._statements = basis.statements
        self._bulk = basis.statements.bulk
        self._shard = basis.shard
        self._kept = basis.statements.of(type(self).describe_kept)
        self._locks = LockOrder()
        self._records: dict[tuple[Any, ...], Any] = {}
        self._absent: set[tuple[Any, ...]] = set()
        self._added: dict[type, dict[int, Any]] = {}
        self._changed: dict[type, dict[int, Any]] = {}

    @classmethod
    def build(cls, by: Statements) -> None:
        """Build all statements of the repositories of a unit, so that no call waits for it."""
        by.of(cls.describe_kept)
        for part in cls.__mro__:
            for build in vars(part).get("BUILT", ()):
                by.of(build)

    @classmethod
    def describe_kept(cls, by: Statements) -> Mapping[type, KeptStatements]:
        """Build the statements of all that the repositories of a unit keep, in their order."""
        kept = [one for part in cls.__mro__ for one in vars(part).get("KEPT", ())]
        return {one.record: KeptStatements(by, one) for one in sorted(kept, key=_RANK)}

    # Writes.

    def add(self, record: Any) -> None:
        """
        See `Unit.add`.

        Raises:
            UnknownRecordError: No repository keeps records of its class.
        """
        kind = type(record)
        kept = self._kept.get(kind)
        if kept is None:
            raise UnknownRecordError(kind)
        self.changes += 1
        self.rows += 1
        self.bytes_written += bytes_of(kept.values(record))
        self._added.setdefault(kind, {})[id(record)] = record
        self._records[kept.place(record)] = record
        self._when_added(record)

    def change(self, record: Any, **values: Any) -> None:
        """
        See `Unit.change`.

        Raises:
            UnknownRecordError: No repository keeps records of its class.
        """
        kind = type(record)
        kept = self._kept.get(kind)
        if kept is None or kept.update is None:
            raise UnknownRecordError(kind)
        self.changes += 1
        self.bytes_written += bytes_of(values.values())
        for name, value in values.items():
            setattr(record, name, value)
        if id(record) not in self._added.get(kind, ()):
            self._changed.setdefault(kind, {})[id(record)] = record
        self._when_changed(record)

    # What a repository does besides; each asks the next one.

    def _when_added(self, record: Any) -> None:
        """Note what else is known once a record is added."""

    def _when_changed(self, record: Any) -> None:
        """Note what else is known once a record is changed."""

    def _when_handed_over(self, numbers: Collection[int]) -> None:
        """Note that what is known by the number of one of these members may be another's now."""

    def _when_read(self, record: Any) -> None:
        """Note what else is known once a record is read by its key, or ahead."""

    def _as_written(self, kind: type, records: Collection[Any]) -> Collection[Any]:
        """Give what is written in place of records."""
        closed = self._kept[kind].kept.closed
        return records if closed is None else [closed(one, self._basis.seal) for one in records]

    def flush(self) -> None:
        """Write everything that was added or changed since the last flush."""
        self.write_records()

    def write_records(self) -> None:
        """
        Write the records that were added or changed, for a query to see them.

        What is counted for all calls is left to the end: who has written such a row keeps all
        others from it until the commit.
        """
        self._flush_records(self._connection.cursor())

    def _flush_records(self, cursor: Cursor) -> None:
        for kind, kept in self._kept.items():
            if kind not in self._added and kind not in self._changed:
                continue  # Rules that count ask hundreds of times: a flush of nothing is cheap.
            rows = self._as_written(kind, self._added.pop(kind, {}).values())
            if rows and kept.witness is not None:
                self._testify(kept.witness, next(iter(rows)))
            self._write(cursor, kept.insert, rows)
            if kept.update is not None:
                changed = self._as_written(kind, self._changed.pop(kind, {}).values())
                self._write(cursor, kept.update, changed)

    def _write(self, cursor: Cursor, statement: RowStatement, rows: Collection[Any]) -> None:
        """Write many rows: one by one on SQLite, as one statement over arrays elsewhere."""
        if not rows:
            return
        values = [statement.values(row) for row in rows]
        if self._bulk:
            cursor.execute(statement.sql, [list(column) for column in zip(*values, strict=True)])
        elif statement.sparse is not None:
            statement.sparse.run(cursor, values)
        else:
            cursor.executemany(statement.sql, values)

    def _testify(self, statement: Statement, row: Any) -> None:
        """Keep what only this unit writes: a sealed answer, which has a random nonce."""
        values = tuple(getattr(row, name) for name in statement.names)
        self.witness = Proof(statement.sql, values)

    # Queries.

    def _record(self, kind: type[R], key: tuple[Any, ...]) -> R | None:
        """Find a record by its key, and lock it."""
        known: R | None = self._records.get((kind, *key))
        if known is None and (kind, *key) not in self._absent:
            kept = self._kept[kind]
            self._lock(kept.kept.rank)
            known = self._find(kept, key)
        return known

    def _find(self, kept: KeptStatements, key: tuple[Any, ...]) -> Any:
        row = self._connection.execute(kept.find.sql, key).fetchone()
        return None if row is None else self._take(kept, row)

    def _query(
        self, kind: type[R], statement: Statement, values: tuple[Any, ...], *, flush: bool = True
    ) -> list[R]:
        """
        Find records, and lock them.

        They are looked for in the database: who knows that none of them was added or changed by
        this unit need not *flush* what was. A flush takes a statement for each kind of record.
        """
        if flush:
            self.write_records()
        kept = self._kept[kind]
        found: list[R] = []
        for row in self._connection.execute(statement.sql, values).fetchall():
            record = kept.load(row)
            known = self._records.setdefault(kept.place(record), record)
            if known is record:
                self._lock(kept.kept.rank)
            found.append(known)
        return found

    def _take(self, kept: KeptStatements, row: Sequence[Any]) -> Any:
        record = kept.load(row)
        if kept.kept.opened is not None:
            kept.kept.opened(record, self._basis.seal)
        self._records[kept.place(record)] = record
        self._when_read(record)
        return record

    def _is_known(self, kind: type, key: tuple[Any, ...]) -> bool:
        return (kind, *key) in self._records or (kind, *key) in self._absent

    def _lock(self, rank: Rank) -> None:
        """Note that rows are to be locked; an embedded database has one writer, and no rows to."""
        if self._bulk:
            self._locks.take(rank)

    # Reading ahead, for `prefetch.py`.

    def ahead(self, *steps: Step) -> list[Step]:
        """Choose the steps that ask about anything, in the order of their ranks, and lock."""
        asked = sorted((step for step in steps if step.keys), key=_RANK)
        for step in asked:
            if step.locks:
                self._locks.take(step.rank)
        return asked

    def _records_ahead(self, kind: type, keys: Keys) -> Step:
        """Read records by their keys, and lock them."""
        kept = self._kept[kind]
        return Step(kept.kept.rank, kept.lock_many, keys, self._taking(kind))

    def _taking(self, kind: type) -> Callable[[Keys, Rows], None]:
        kept = self._kept[kind]

        def take(keys: Keys, rows: Rows) -> None:
            for row in rows:
                self._take(kept, row)
            self.know_absent(kind, keys)

        return take

    def know_absent(self, kind: type, keys: Iterable[tuple[Any, ...]]) -> None:
        """Take it that of these keys there is nothing but what was taken."""
        self._absent.update((kind, *key) for key in keys)


_RANK = attrgetter("rank")


def bytes_of(values: Iterable[Any]) -> int:
    """Add up the bytes of what can be long: texts and answers."""
    size = 0
    for value in values:
        kind = type(value)
        if kind is int or value is None:
            continue  # Most are, and an order of 500 rewards writes a thousand rows.
        if kind is str or isinstance(value, str):
            size += len(value) if value.isascii() else len(value.encode())
        elif isinstance(value, bytes):
            size += len(value)
    return size
