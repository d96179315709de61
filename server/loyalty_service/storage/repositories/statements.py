"""
How statements of the write path are built, with SQLModel's tables, and compiled once per dialect.

Compiling once and running on the raw driver connection keeps the cost of a statement to that of
the driver. Record classes and their tables share column names, so that rows and records are
turned into each other by position. Which statements there are stands with each repository.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from functools import partial
from itertools import compress
from operator import attrgetter
from typing import Any, TypeVar

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnClause,
    Dialect,
    Select,
    Table,
    Text,
    bindparam,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql import ClauseElement
from sqlmodel import SQLModel

from loyalty_service.storage.driver import Cursor
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.seal import Seal

Part = TypeVar("Part")

SHAPES_MAX = 32
"""Statements of a table that are kept: each has a place among those that a connection prepares."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text of one dialect, and the names of its parameters in their order."""

    sql: str
    names: tuple[str, ...]


class SparseInsert:
    """
    An insert of rows whose columns are *names*, without those that are null in all of them.

    SQLite's driver takes five times as long for a null as for a number: it looks for an adapter
    first. No column that can be null may have a default.
    """

    def __init__(self, names: Sequence[str], build: Callable[[Sequence[str]], str]) -> None:
        self._names = names
        self._build = build
        self._every = (True,) * len(names)
        self._known = {self._every: build(names)}

    def run(self, cursor: Cursor, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows, in their order; there must be at least one."""
        given = _given(rows)
        sql = self._known.get(given)
        if sql is None:
            if len(self._known) >= SHAPES_MAX or True not in given:
                cursor.executemany(self._known[self._every], rows)
                return
            sql = self._known[given] = self._build(tuple(compress(self._names, given)))
        cursor.executemany(sql, [tuple(compress(row, given)) for row in rows])


def _given(rows: Sequence[tuple[Any, ...]]) -> tuple[bool, ...]:
    """Tell which columns have a value in any row."""
    given = [value is not None for value in rows[0]]
    count = len(rows)
    if count > 1:
        for place, column in enumerate(zip(*rows, strict=True)):
            if not given[place] and column.count(None) < count:
                given[place] = True
    return tuple(given)


@dataclass(frozen=True, slots=True)
class RowStatement:
    """
    A statement that writes many rows. *values* turns a record into those of one row.

    Attributes:
        sparse: Does the same on SQLite, in less time; absent where that can't be.
    """

    sql: str
    values: Callable[[Any], tuple[Any, ...]]
    sparse: SparseInsert | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """
    How records of a class are kept.

    Attributes:
        record: The class, whose fields are the names of the columns.
        key: What of it tells a record from all others.
        rank: When its rows are locked and written, among those of other classes.
        status: Class of its column *status*, where it has one.
        witness: Columns by which a row is found that only one unit can have written, if any can.
        opened: Opens what of a record is sealed, once it is read by its key, where anything is.
        closed: Gives a record as it is written, sealed, where anything of it is.
    """

    record: type
    model: type[SQLModel]
    key: tuple[str, ...]
    rank: Rank
    status: type[IntEnum] | None = None
    witness: tuple[str, ...] = ()
    opened: Callable[[Any, Seal], None] | None = None
    closed: Callable[[Any, Seal], Any] | None = None

    @property
    def table(self) -> Table:
        """The table of its rows."""
        return table_of(self.model)

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns, in the order of the record's fields."""
        return tuple(field.name for field in fields(self.record))

    @property
    def ordered(self) -> list[ColumnClause[Any]]:
        """The columns of its key, by which rows are locked in one order."""
        return [self.table.c[name] for name in self.key]

    def select(self) -> Select[Any]:
        """Begin a query whose rows are turned into records by position."""
        return select(*(self.table.c[name] for name in self.columns))


def table_of(model: type[SQLModel]) -> Table:
    """Give the SQLAlchemy table of a SQLModel class."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


def constant(value: int) -> ColumnClause[int]:
    """Write a number into the statement itself, so that indexes with a condition serve it."""
    return literal_column(str(int(value)))


def dialect_of(url: str) -> Dialect:
    """Choose the dialect whose raw driver the writer uses."""
    if url.startswith("sqlite"):
        return pysqlite.dialect(paramstyle="qmark")
    return psycopg.dialect(paramstyle="format")  # type: ignore[no-untyped-call]


class Statements:
    """
    Builds statements for one dialect, and keeps those of each repository once they are built.

    Attributes:
        bulk: Whether rows are written as one statement over arrays, and read ahead in batches.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.bulk = dialect.name == "postgresql"
        self._parts: dict[Callable[[Statements], Any], Any] = {}

    def of(self, build: Callable[[Statements], Part]) -> Part:
        """Give the statements that *build* makes with this builder; it is asked once."""
        found: Part | None = self._parts.get(build)
        if found is None:
            found = self._parts[build] = build(self)
        return found

    def compile(self, clause: ClauseElement) -> Statement:
        """
        Compile a statement.

        Raises:
            TypeError: It carries values of its own: all are to be constants or parameters.
        """
        compiled = clause.compile(
            dialect=self._dialect, compile_kwargs={"render_postcompile": True}
        )
        names = tuple(getattr(compiled, "positiontup", None) or ())
        literal = {n for n in names if compiled.params.get(n) is not None}
        if literal:
            raise TypeError(f"a statement may not carry values of its own: {literal}")
        return Statement(str(compiled), names)

    def find(self, kept: Kept) -> Statement:
        """Build the query that finds a record by its key, and locks it."""
        matches = (kept.table.c[name] == bindparam(name) for name in kept.key)
        return self.compile(kept.select().where(*matches).with_for_update())

    def witness(self, table: Table, names: Sequence[str]) -> Statement:
        """Build the question for a row that one transaction alone can have written."""
        matches = (table.c[name] == bindparam(name) for name in names)
        return self.compile(select(constant(1)).where(*matches))

    def lock_among(self, kept: Kept) -> Statement:
        """Build the query that finds records by keys given as arrays, and locks them in order."""
        query = kept.select().order_by(*kept.ordered).with_for_update(of=kept.table)
        return self.among(query, kept.table, kept.key)

    def among(self, statement: Select[Any], table: Table, key: Sequence[str]) -> Statement:
        """Keep a query to the rows whose keys are given as arrays."""
        rows = rows_of(*((table, name) for name in key))
        matches = (table.c[name] == rows.c[name] for name in key)
        return self.compile(statement.where(*matches))

    def overdue(self, kept: Kept, open_status: int) -> Statement:
        """Build the query that finds what is overdue, by time and key, after a last one."""
        table = kept.table
        place = [table.c[name] for name in ("expires_ms", *kept.key)]
        after = [bindparam(f"after_{one.name}", type_=one.type) for one in place]
        return self.compile(
            select(*place)
            .where(
                table.c.status == constant(open_status),
                table.c.expires_ms <= bindparam("now_ms"),
                tuple_(*place) > tuple_(*after),
            )
            .order_by(*place)
            .limit(bindparam("limit_rows"))
            .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )

    def is_among(self, column: Any, name: str) -> Any:
        """Tell whether a text is one of those that a parameter made by `portions` holds."""
        if self.bulk:
            return column == func.any(bindparam(name, type_=ARRAY(Text)))
        return column == bindparam(name)

    def each(self, name: str) -> Any:
        """Give a row for each text of a parameter made by `portions`."""
        if self.bulk:
            texts = func.unnest(bindparam(name, type_=ARRAY(Text)))
            return texts.table_valued("text", name="asked").render_derived()
        return select(bindparam(name, type_=Text()).label("text")).subquery("asked")

    def portions(self, texts: Sequence[str]) -> Sequence[Any]:
        """Make the parameters to ask about many texts: one for all, or on SQLite one for each."""
        return [list(texts)] if self.bulk and texts else texts

    def insert(self, table: Table, leaving_out: tuple[str, ...] = ()) -> Statement:
        """Build the statement that adds a row."""
        names = [column.name for column in table.columns if column.name not in leaving_out]
        return self.compile(insert(table).values({name: bindparam(name) for name in names}))

    def put(self, table: Table) -> Statement:
        """Build the statement that keeps a row, over an earlier one of the same key."""
        names = [column.name for column in table.columns]
        adding = self._insert_of(table).values({name: bindparam(name) for name in names})
        return self.compile(self._over_earlier(table, adding))

    def forgetting(self, table: Table, moment: Any) -> Statement:
        """Build the statement that deletes some of the rows from before a moment."""
        key = [*table.primary_key]
        old = (
            select(*key)
            .where(moment < bindparam("before"))
            .limit(bindparam("limit_rows"))
            .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )
        return self.compile(delete(table).where(tuple_(*key).in_(old)).returning(key[0]))

    def putting(self, table: Table) -> RowStatement:
        """Build the statement that keeps rows, each over an earlier one of the same key."""
        columns = [column.name for column in table.columns]
        adding, given = self._adding(self._insert_of(table), table, columns)
        return self._rows(self._over_earlier(table, adding), given)

    def adding_up(self, table: Table, key: Sequence[str], counts: Sequence[str]) -> RowStatement:
        """Build the statement that adds counts to those of the rows with these keys."""
        adding, given = self._adding(self._insert_of(table), table, [*key, *counts])
        sums = {name: table.c[name] + adding.excluded[name] for name in counts}
        return self._rows(adding.on_conflict_do_update(index_elements=key, set_=sums), given)

    def latest(self, table: Table, moment: str) -> RowStatement:
        """Build the statement that keeps rows, each over one of the same key that is earlier."""
        key = [column.name for column in table.primary_key]
        adding, given = self._adding(self._insert_of(table), table, [*key, moment])
        later = adding.on_conflict_do_update(
            index_elements=key,
            set_={moment: adding.excluded[moment]},
            where=table.c[moment] < adding.excluded[moment],
        )
        return self._rows(later, given)

    def adding(self, table: Table, columns: Sequence[str]) -> RowStatement:
        """Build the statement that adds rows."""
        clause, given = self._adding(insert(table), table, columns)
        if self.bulk or any(table.c[name].server_default is not None for name in columns):
            return self._rows(clause, given)
        names = self.compile(clause).names
        sparse = SparseInsert(names, partial(self._adding_some, table))
        return replace(self._rows(clause, given), sparse=sparse)

    def _adding_some(self, table: Table, columns: Sequence[str]) -> str:
        """Write an insert as SQLite's dialect would: to compile one takes a call too long."""
        quoted = self._dialect.identifier_preparer
        names = ", ".join(quoted.quote(name) for name in columns)
        places = ", ".join("?" * len(columns))
        return f"INSERT INTO {quoted.format_table(table)} ({names}) VALUES ({places})"  # noqa: S608 - names are the tables' own.

    def changing(self, table: Table, key: Sequence[str], columns: Sequence[str]) -> RowStatement:
        """Build the statement that sets *columns* of the rows with these keys."""
        if self.bulk:
            rows = rows_of(*((table, name) for name in (*key, *columns)))
            matches = (table.c[name] == rows.c[name] for name in key)
            changed = update(table).where(*matches)
            return self._rows(
                changed.values({name: rows.c[name] for name in columns}),
                {array_of(name): name for name in (*key, *columns)},
            )
        # Neither may have a column's own name, which SQLAlchemy keeps for itself in an update.
        keys = {f"key_{name}": name for name in key}
        news = {f"new_{name}": name for name in columns}
        matches = (table.c[name] == bindparam(given) for given, name in keys.items())
        values: dict[str, Any] = {name: bindparam(given) for given, name in news.items()}
        return self._rows(update(table).where(*matches).values(values), keys | news)

    def _insert_of(self, table: Table) -> Any:
        return postgresql.insert(table) if self.bulk else sqlite.insert(table)

    def _adding(
        self, adding: Any, table: Table, columns: Sequence[str]
    ) -> tuple[Any, dict[str, str]]:
        """Give an insert its rows; also the column of each parameter."""
        if self.bulk:
            rows = rows_of(*((table, name) for name in columns))
            chosen = adding.from_select(list(columns), select(*rows.c), include_defaults=False)
            return chosen, {array_of(name): name for name in columns}
        given: dict[str, Any] = {name: bindparam(name) for name in columns}
        return adding.values(given), {name: name for name in columns}

    def _over_earlier(self, table: Table, adding: Any) -> Any:
        keys = {column.name for column in table.primary_key}
        plain = [column.name for column in table.columns if column.name not in keys]
        return adding.on_conflict_do_update(
            index_elements=[*table.primary_key],
            set_={name: adding.excluded[name] for name in plain},
        )

    def _rows(self, clause: ClauseElement, columns: Mapping[str, str]) -> RowStatement:
        """Build a statement that takes its values from records; *columns* are by parameter."""
        statement = self.compile(clause)
        return RowStatement(statement.sql, values_of([columns[name] for name in statement.names]))


def values_of(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Make the function that takes some values of a record, always as a tuple."""
    take = attrgetter(*names)
    return take if len(names) > 1 else lambda record: (take(record),)


def array_of(name: str) -> str:
    """Name the parameter that holds the values of a column in many rows."""
    return f"all_{name}"


def rows_of(*columns: tuple[Table, str]) -> Any:
    """Give rows that arrive as one array a column, of the types that columns of tables have."""
    arrays = (bindparam(array_of(name), type_=ARRAY(_type(table, name))) for table, name in columns)
    shape = (column(name, _type(table, name)) for table, name in columns)
    return func.unnest(*arrays).table_valued(*shape).render_derived(name="given")


def _type(table: Table, name: str) -> Any:
    kind = table.c[name].type
    return BigInteger() if isinstance(kind, BigInteger) else kind
