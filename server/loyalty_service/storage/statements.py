"""
Every statement of the write path, built with SQLModel's tables and compiled once per dialect.

Compiling once and running on the raw driver connection keeps the cost of a statement to that of
the driver. Record classes and their tables share column names, so that rows and records are
turned into each other by position.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnClause,
    Dialect,
    Select,
    Table,
    Text,
    bindparam,
    case,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql import ClauseElement
from sqlmodel import SQLModel

from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.guessing import ScopeKind
from loyalty_service.domain.ledger import Account, AccountKind, Transfer
from loyalty_service.domain.records import (
    Code,
    CodeStatus,
    Hold,
    HoldStatus,
    IncentiveUsage,
    MemberEmail,
    Redemption,
    Remembered,
    Reservation,
    Session,
    Transaction,
    TransactionStatus,
)
from loyalty_service.storage import tables as t


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL text of one dialect, and the names of its parameters in their order."""

    sql: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RowStatement:
    """A statement that writes many rows. *values* turns a record into those of one row."""

    sql: str
    values: Callable[[Any], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class RecordStatements:
    """How records of one class are kept."""

    insert: RowStatement
    update: RowStatement


def table_of(model: type[SQLModel]) -> Table:
    """Give the SQLAlchemy table of a SQLModel class."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


def _constant(value: int) -> ColumnClause[int]:
    """Write a number into the statement itself, so that indexes with a condition serve it."""
    return literal_column(str(int(value)))


def dialect_of(url: str) -> Dialect:
    """Choose the dialect whose raw driver the writer uses."""
    if url.startswith("sqlite"):
        return pysqlite.dialect(paramstyle="qmark")
    return psycopg.dialect(paramstyle="format")  # type: ignore[no-untyped-call]


RECORD_TABLES: dict[type, tuple[type[SQLModel], tuple[str, ...]]] = {
    Transaction: (t.TransactionTable, ("transaction_id",)),
    Hold: (t.HoldTable, ("hold_id",)),
    Reservation: (t.ReservationTable, ("transaction_id", "incentive_id", "point_cost")),
    Code: (t.CodeTable, ("program_id", "digest")),
    Session: (t.SessionTable, ("program_id", "correlation_id")),
    Remembered: (t.RememberedTable, ("scope", "idempotency_key")),
    Redemption: (t.RedemptionTable, ("redemption_id",)),
    IncentiveUsage: (t.IncentiveUsageTable, ("program_id", "incentive_id", "shard")),
    MemberEmail: (t.MemberEmailTable, ("program_id", "email")),
}
"""Table and key of each class of record, in the order in which they are written."""


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

SCOPES_MAX = len(ScopeKind)
"""Scopes that a call belongs to at most."""


class Statements:
    """The write path's statements for one dialect."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.bulk = dialect.name == "postgresql"
        """Whether rows are written as one statement over arrays, and read ahead in batches."""
        self.records = {
            record: self._record_statements(record, table_of(model), key)
            for record, (model, key) in RECORD_TABLES.items()
        }
        member = table_of(t.MemberTable)
        available = table_of(t.AccountTable).alias("available")
        held = table_of(t.AccountTable).alias("held")
        members = (
            select(
                *(member.c[name] for name in MEMBER_COLUMNS),
                *(available.c[name] for name in ACCOUNT_COLUMNS),
                *(held.c[name] for name in ACCOUNT_COLUMNS),
            )
            .select_from(member)
            .join(
                available,
                (available.c.member_number == member.c.number)
                & (available.c.kind == _constant(AccountKind.AVAILABLE)),
            )
            .join(
                held,
                (held.c.member_number == member.c.number)
                & (held.c.kind == _constant(AccountKind.HELD)),
            )
            .with_for_update(key_share=True, of=(available, held))
        )
        if self.bulk:
            self._describe_prefetch(members)
        self.member = self._compile(
            members.where(
                member.c.program_id == bindparam("program_id"),
                member.c.loyalty_id == bindparam("loyalty_id"),
            )
        )
        self.member_by_number = self._compile(members.where(member.c.number == bindparam("number")))
        self.insert_member = self._compile(
            insert(member)
            .values({name: bindparam(name) for name in MEMBER_COLUMNS[1:]})
            .returning(member.c.number)
        )
        account = table_of(t.AccountTable)
        self.insert_account = self._compile(
            insert(account)
            .values(
                {
                    name: bindparam(name)
                    for name in (
                        "program_id",
                        "member_number",
                        "kind",
                        "shard",
                        "balance",
                        "sequence",
                        "head",
                    )
                }
            )
            .returning(account.c.account_id)
        )
        self.program_account = self._compile(
            select(*(account.c[name] for name in ACCOUNT_COLUMNS))
            .where(
                account.c.program_id == bindparam("program_id"),
                account.c.kind == bindparam("kind"),
                account.c.shard == bindparam("shard"),
                account.c.member_number.is_(None),
            )
            .with_for_update()
        )
        self.accounts = self._changing(
            account, ("account_id",), ("balance", "sequence", "head", "moved_ms")
        )
        self.transfers = self._adding(
            table_of(t.TransferTable), [field.name for field in fields(Transfer)]
        )
        self.code = self._select(Code)
        self.session = self._select(Session)
        self.transaction = self._select(Transaction)
        self.remembered = self._select(Remembered)
        self.member_email = self._select(MemberEmail)
        code, hold = table_of(t.CodeTable), table_of(t.HoldTable)
        self.pending_codes = self._compile(
            _select_record(Code, code)
            .where(
                code.c.member_number == bindparam("member_number"),
                code.c.status == _constant(CodeStatus.PENDING),
            )
            .with_for_update()
        )
        self.open_holds = self._compile(
            _select_record(Hold, hold)
            .where(
                hold.c.transaction_id == bindparam("transaction_id"),
                hold.c.status == _constant(HoldStatus.OPEN),
            )
            .order_by(hold.c.hold_id)
            .with_for_update()
        )
        self.points_released = self._compile(
            select(func.coalesce(func.sum(hold.c.points), _constant(0))).where(
                hold.c.transaction_id == bindparam("transaction_id"),
                hold.c.status == _constant(HoldStatus.RELEASED),
                hold.c.ended_ms == bindparam("ended_ms"),
            )
        )
        self._describe_code_counts()
        self._describe_limit_counts()
        self.witnesses = self._witnesses()
        self._describe_histories()
        self._describe_orders()
        self._describe_sweeps()
        self._describe_catalog()

    def _describe_code_counts(self) -> None:
        """Build the statements that count codes and let guessers wait."""
        tally, wrong = table_of(t.CodeTallyTable), table_of(t.WrongCodeTable)
        refusal, key = table_of(t.CodeRefusalTable), table_of(t.ApiKeyTable)
        month, regular = table_of(t.CodeMonthTable), table_of(t.CodeRegularTable)
        self.tallies = self._adding_up(tally, ("scope", "hour", "shard"), ("matched", "failed"))
        self.months = self._adding_up(month, ("scope", "day", "shard"), ("regulars", "spent"))
        self.regulars = self._putting(regular)
        self.regular = self._compile(
            select(regular.c.counted_ms).where(
                regular.c.key_id == bindparam("key_id"),
                regular.c.member_number == bindparam("member_number"),
            )
        )
        self.has_regulars = self._compile(
            select(_constant(1))
            .where(regular.c.key_id == bindparam("key_id"))
            .limit(_constant(1))
            .offset(_constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )
        self.sum_tallies = self._sums_since(tally, tally.c.hour, ("matched", "failed"))
        self.sum_months = self._sums_since(month, month.c.day, ("regulars", "spent"))
        self.wrong_code = self._compile(
            select(wrong.c.failed_ms).where(
                wrong.c.scope == bindparam("scope"), wrong.c.digest == bindparam("digest")
            )
        )
        self.put_wrong_code = self._put(wrong)
        self.code_refusals = self._compile(
            select(*(refusal.c[name] for name in REFUSAL_COLUMNS)).where(
                refusal.c.program_id == bindparam("program_id")
            )
        )
        self.put_code_refusal = self._put(refusal)
        self.lock_key = self._compile(
            select(key.c.key_id)
            .where(key.c.key_id == bindparam("key_id"))
            .with_for_update(key_share=True)
        )
        self.forgive_refusals = self._compile(
            delete(refusal)
            .where(refusal.c.key_id == bindparam("key_id"))
            .returning(refusal.c.scope)
        )
        self.forgive_tallies = (
            self._compile(delete(tally).where(_within(tally))),
            # What regulars earned stays: they are counted again only in a month.
            self._compile(update(month).values(spent=_constant(0)).where(_within(month))),
        )
        is_key = refusal.c.kind == literal_column(f"'{ScopeKind.KEY.value}'")
        # A key that had to wait is locked for a day whenever it shows a code: see `prefetch.py`.
        kept_ms = case((is_key, _constant(DAY_MS)), else_=_constant(0))
        self.forget_codes = (
            self._forgetting(tally, tally.c.hour),
            self._forgetting(wrong, wrong.c.failed_ms),
            self._forgetting(refusal, refusal.c.until_ms + kept_ms),
            self._forgetting(month, month.c.day),
            self._forgetting(regular, regular.c.counted_ms),
        )

    def _sums_since(
        self, table: Table, moment: ColumnClause[int], counts: Sequence[str]
    ) -> Statement:
        """Build the statement that sums up the counts of scopes since a moment."""
        scopes: list[Any] = [bindparam(f"scope_{number}") for number in range(SCOPES_MAX)]
        return self._compile(
            select(table.c.scope, *(func.sum(table.c[name]) for name in counts))
            .where(table.c.scope.in_(scopes), moment >= bindparam("since"))
            .group_by(table.c.scope)
        )

    def _describe_limit_counts(self) -> None:
        """Build the statements that count for limits."""
        tally = table_of(t.LimitTallyTable)
        self.limit_tallies = self._adding_up(
            tally, ("scope", "since_ms", "name", "shard"), ("amount",)
        )
        self.sum_limits = self._compile(
            select(tally.c.name, func.sum(tally.c.amount))
            .where(tally.c.scope == bindparam("scope"), tally.c.since_ms == bindparam("since_ms"))
            .group_by(tally.c.name)
        )
        self.forget_limits = self._forgetting(tally, tally.c.since_ms)

    def _put(self, table: Table) -> Statement:
        """Build the statement that keeps a row, over an earlier one of the same key."""
        names = [column.name for column in table.columns]
        adding = self._insert_of(table).values({name: bindparam(name) for name in names})
        plain = [name for name in names if name not in table.primary_key.columns]
        return self._compile(
            adding.on_conflict_do_update(
                index_elements=[*table.primary_key],
                set_={name: adding.excluded[name] for name in plain},
            )
        )

    def _putting(self, table: Table) -> RowStatement:
        """Build the statement that keeps rows, each over an earlier one of the same key."""
        columns = [column.name for column in table.columns]
        adding = self._insert_of(table)
        if self.bulk:
            rows = _rows(table, columns)
            adding = adding.from_select(columns, select(*rows.c), include_defaults=False)
        else:
            adding = adding.values({name: bindparam(f"all_{name}") for name in columns})
        plain = [name for name in columns if name not in table.primary_key.columns]
        statement = self._compile(
            adding.on_conflict_do_update(
                index_elements=[*table.primary_key],
                set_={name: adding.excluded[name] for name in plain},
            )
        )
        return RowStatement(statement.sql, attrgetter(*(_plain(name) for name in statement.names)))

    def _adding_up(self, table: Table, key: Sequence[str], counts: Sequence[str]) -> RowStatement:
        """Build the statement that adds counts to those of the rows with these keys."""
        columns = [*key, *counts]
        adding = self._insert_of(table)
        if self.bulk:
            rows = _rows(table, columns)
            adding = adding.from_select(columns, select(*rows.c), include_defaults=False)
        else:
            adding = adding.values({name: bindparam(name) for name in columns})
        sums = {name: table.c[name] + adding.excluded[name] for name in counts}
        statement = self._compile(adding.on_conflict_do_update(index_elements=key, set_=sums))
        return RowStatement(statement.sql, attrgetter(*(_plain(name) for name in statement.names)))

    def _insert_of(self, table: Table) -> Any:
        return postgresql.insert(table) if self.bulk else sqlite.insert(table)

    def _forgetting(self, table: Table, moment: Any) -> Statement:
        """Build the statement that deletes some of the rows from before a moment."""
        key = [*table.primary_key]
        old = (
            select(*key)
            .where(moment < bindparam("before"))
            .limit(bindparam("limit_rows"))
            .offset(_constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )
        return self._compile(delete(table).where(tuple_(*key).in_(old)).returning(key[0]))

    def _witnesses(self) -> dict[type, Statement]:
        """
        Build the question for a row that one transaction alone can have written.

        It is asked where a unit has kept an answer and no event, such as that of a session.
        """
        places: dict[type, tuple[type[SQLModel], tuple[str, ...]]] = {
            Remembered: (t.RememberedTable, ("scope", "idempotency_key", "answer")),
        }
        return {
            record: self._compile(
                select(_constant(1)).where(
                    *(table_of(model).c[name] == bindparam(name) for name in names)
                )
            )
            for record, (model, names) in places.items()
        }

    def _is_among(self, column: Any, name: str) -> Any:
        """Tell whether a text is one of those that a parameter made by `portions` holds."""
        if self.bulk:
            return column == func.any(bindparam(name, type_=ARRAY(Text)))
        return column == bindparam(name)

    def _each(self, name: str) -> Any:
        """Give a row for each text of a parameter made by `portions`."""
        if self.bulk:
            texts = func.unnest(bindparam(name, type_=ARRAY(Text)))
            return texts.table_valued("text", name="asked").render_derived()
        return select(bindparam(name, type_=Text()).label("text")).subquery("asked")

    def portions(self, texts: Sequence[str]) -> Sequence[Any]:
        """Make the parameters to ask about many texts: one for all, or on SQLite one for each."""
        return [list(texts)] if self.bulk and texts else texts

    def _describe_histories(self) -> None:
        """Build the statements that rules about the past need."""
        redemption = table_of(t.RedemptionTable)
        usage = table_of(t.IncentiveUsageTable)
        transaction = table_of(t.TransactionTable)
        self.usage = self._select(IncentiveUsage)
        # An order may name hundreds of incentives: across a network one statement asks about all.
        self.lock_usages = self._compile(
            _select_record(IncentiveUsage, usage)
            .where(
                usage.c.program_id == bindparam("program_id"),
                usage.c.shard.in_((_constant(0), bindparam("shard"))),
                self._is_among(usage.c.incentive_id, "incentive_ids"),
            )
            .order_by(usage.c.incentive_id, usage.c.shard)
            .with_for_update()
        )
        reserved = table_of(t.ReservationTable)
        # Those of the open order itself are not counted when it is judged.
        others = (reserved.c.quantity > _constant(0)) & (
            reserved.c.transaction_id != bindparam("besides")
        )
        of_member = others & (reserved.c.member_number == bindparam("member_number"))
        self.reservations = self._compile(
            _select_record(Reservation, reserved)
            .where(reserved.c.transaction_id == bindparam("transaction_id"))
            .order_by(reserved.c.incentive_id, reserved.c.point_cost)
            .with_for_update()
        )
        asked = self._each("incentive_ids")
        by_member = (
            (redemption.c.member_number == bindparam("member_number"))
            & (redemption.c.incentive_id == asked.c.text)
            & redemption.c.voided_ms.is_(None)
        )
        kept = of_member & (reserved.c.incentive_id == asked.c.text)
        self.member_redemptions = self._compile(
            select(
                asked.c.text,
                _sum_of(redemption.c.quantity, by_member),
                _newest_of(redemption.c.redeemed_ms, by_member),
                _sum_of(reserved.c.quantity, kept),
                _newest_of(reserved.c.reserved_ms, kept),
            )
        )
        used = (usage.c.program_id == bindparam("program_id")) & (
            usage.c.incentive_id == asked.c.text
        )
        kept = (
            others
            & (reserved.c.program_id == bindparam("program_id"))
            & (reserved.c.incentive_id == asked.c.text)
        )
        self.total_redemptions = self._compile(
            select(
                asked.c.text,
                _sum_of(usage.c.quantity, used),
                _sum_of(reserved.c.quantity, kept),
                _sum_of(
                    reserved.c.quantity, kept & (reserved.c.reserved_by == bindparam("reserved_by"))
                ),
            )
        )
        self.redemptions_of = self._compile(
            _select_record(Redemption, redemption)
            .where(
                redemption.c.transaction_id == bindparam("transaction_id"),
                redemption.c.voided_ms.is_(None),
            )
            .order_by(redemption.c.redemption_id)
            .with_for_update()
        )
        self.claimed_orders = self._compile(
            select(
                func.count(),
                select(func.count(reserved.c.transaction_id.distinct()))
                .where(of_member, reserved.c.first_order == _constant(1))
                .scalar_subquery(),
            ).where(
                transaction.c.member_number == bindparam("member_number"),
                transaction.c.status == _constant(TransactionStatus.CLAIMED),
            )
        )
        self.has_paid_order = self._compile(
            select(_constant(1))
            .where(
                transaction.c.member_number == bindparam("member_number"),
                transaction.c.status == _constant(TransactionStatus.CLAIMED),
            )
            .limit(_constant(1))
            .offset(_constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )
        self.transaction_by_receipt = self._compile(
            _select_record(Transaction, transaction)
            .where(
                transaction.c.program_id == bindparam("program_id"),
                transaction.c.receipt_digest == bindparam("receipt_digest"),
            )
            .with_for_update()
        )
        account = table_of(t.AccountTable)
        self.debt = self._compile(
            select(*(account.c[name] for name in ACCOUNT_COLUMNS))
            .where(
                account.c.member_number == bindparam("member_number"),
                account.c.kind == _constant(AccountKind.DEBT),
            )
            .with_for_update()
        )

    def _describe_orders(self) -> None:
        """Build the statements that find paid orders which look alike, the newest first."""
        transaction = table_of(t.TransactionTable)
        columns = [transaction.c[name] for name in KNOWN_ORDER_COLUMNS]
        like = (
            select(*columns, transaction.c.receipt_digest.is_not(None).label("is_receipt"))
            .where(transaction.c.status != _constant(TransactionStatus.VOID))
            .order_by(transaction.c.transaction_id.desc())
            .limit(_constant(ORDERS_LIKE_MAX))
            .offset(_constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )
        self.orders_like = self._compile(
            like.where(
                transaction.c.program_id == bindparam("program_id"),
                transaction.c.order_digest == bindparam("order_digest"),
            )
        )
        lock = f"SELECT pg_advisory_xact_lock({ORDER_SPACE}, number)"
        self.lock_orders = Statement(f"{lock} FROM unnest(%s::int[]) AS number", ("numbers",))
        if self.bulk:
            key = ("program_id", "order_digest")
            rows = _rows(transaction, key)
            matches = (transaction.c[name] == rows.c[name] for name in key)
            found = like.where(*matches).correlate(rows).lateral("found")
            self.orders_like_many = self._compile(
                select(*rows.c, *found.c).select_from(rows.join(found, true()))
            )

    def _describe_sweeps(self) -> None:
        """Build the statements that find what is overdue, by time and key, after a last one."""
        self.overdue_transactions = self._overdue(Transaction, TransactionStatus.PENDING)
        self.overdue_codes = self._overdue(Code, CodeStatus.PENDING)

    def _overdue(self, record: type, open_status: int) -> Statement:
        model, key = RECORD_TABLES[record]
        table = table_of(model)
        place = [table.c[name] for name in ("expires_ms", *key)]
        after = [bindparam(f"after_{one.name}", type_=one.type) for one in place]
        return self._compile(
            select(*place)
            .where(
                table.c.status == _constant(open_status),
                table.c.expires_ms <= bindparam("now_ms"),
                tuple_(*place) > tuple_(*after),
            )
            .order_by(*place)
            .limit(bindparam("limit_rows"))
            .offset(_constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )

    def _describe_catalog(self) -> None:
        """Build the statements of programs, stores, incentives and keys."""
        revision = table_of(t.CatalogRevisionTable)
        self.catalog_revision = self._compile(select(revision.c.revision))
        self.lock_revision = self._compile(select(revision.c.revision).with_for_update())
        self.bump_revision = self._compile(
            update(revision).values(revision=revision.c.revision + _constant(1))
        )
        program = table_of(t.ProgramTable)
        self.programs = self._compile(select(program.c.program_id, program.c.document))
        self.program = self._compile(
            select(program.c.document)
            .where(program.c.program_id == bindparam("program_id"))
            .with_for_update()
        )
        self.insert_program = self._insert(program)
        self.update_program = self._compile(
            update(program)
            .values(document=bindparam("new_document"))
            .where(program.c.program_id == bindparam("key"))
        )
        store, incentive = table_of(t.StoreTable), table_of(t.IncentiveTable)
        self.stores = self._compile(
            select(store.c.program_id, store.c.store_id, store.c.document).order_by(
                store.c.store_id
            )
        )
        self.incentives = self._compile(
            select(incentive.c.program_id, incentive.c.incentive_id, incentive.c.document).order_by(
                incentive.c.incentive_id
            )
        )
        self.delete_stores = self._compile(
            delete(store).where(store.c.program_id == bindparam("program_id"))
        )
        self.delete_incentives = self._compile(
            delete(incentive).where(incentive.c.program_id == bindparam("program_id"))
        )
        self.insert_store = self._insert(store)
        self.insert_incentive = self._insert(incentive)
        kept = table_of(t.ProgramVersionTable)
        self.newest_version = self._compile(
            select(func.coalesce(func.max(kept.c.version), _constant(0))).where(
                kept.c.program_id == bindparam("program_id")
            )
        )
        self.insert_version = self._insert(kept)
        key = table_of(t.ApiKeyTable)
        self.live_keys = self._compile(
            select(
                key.c.digest,
                key.c.key_id,
                key.c.program_id,
                key.c.partner,
                key.c.role,
                key.c.stores,
            ).where(key.c.revoked_ms.is_(None))
        )
        self.insert_key = self._insert(key, leaving_out=("revoked_ms",))
        self.revoke_key = self._compile(
            update(key)
            .values(revoked_ms=bindparam("new_revoked_ms"))
            .where(key.c.key_id == bindparam("key"), key.c.revoked_ms.is_(None))
            .returning(key.c.key_id)
        )

    def _insert(self, table: Table, leaving_out: tuple[str, ...] = ()) -> Statement:
        names = [name for name in table.c.keys() if name not in leaving_out]  # noqa: SIM118
        return self._compile(insert(table).values({name: bindparam(name) for name in names}))

    def _compile(self, clause: ClauseElement) -> Statement:
        compiled = clause.compile(
            dialect=self._dialect, compile_kwargs={"render_postcompile": True}
        )
        names = tuple(getattr(compiled, "positiontup", None) or ())
        literal = {n for n in names if compiled.params.get(n) is not None}
        if literal:
            raise TypeError(f"a statement may not carry values of its own: {literal}")
        return Statement(str(compiled), names)

    def _select(self, record: type) -> Statement:
        model, key = RECORD_TABLES[record]
        table = table_of(model)
        return self._compile(
            _select_record(record, table)
            .where(*(table.c[name] == bindparam(name) for name in key))
            .with_for_update()
        )

    def _record_statements(
        self, record: type, table: Table, key: tuple[str, ...]
    ) -> RecordStatements:
        columns = [field.name for field in fields(record)]
        plain = [name for name in columns if name not in key]
        return RecordStatements(self._adding(table, columns), self._changing(table, key, plain))

    def _adding(self, table: Table, columns: Sequence[str]) -> RowStatement:
        """Build the statement that adds rows."""
        if self.bulk:
            rows = _rows(table, columns)
            statement = self._compile(
                insert(table).from_select(list(columns), select(*rows.c), include_defaults=False)
            )
        else:
            statement = self._compile(
                insert(table).values({name: bindparam(name) for name in columns})
            )
        return RowStatement(statement.sql, attrgetter(*(_plain(name) for name in statement.names)))

    def _changing(self, table: Table, key: Sequence[str], columns: Sequence[str]) -> RowStatement:
        """Build the statement that sets *columns* of the rows with these keys."""
        if self.bulk:
            rows = _rows(table, [*key, *columns])
            statement = self._compile(
                update(table)
                .where(*(table.c[name] == rows.c[name] for name in key))
                .values({name: rows.c[name] for name in columns})
            )
        else:
            statement = self._compile(
                update(table)
                .where(*(table.c[name] == bindparam(f"key_{name}") for name in key))
                .values({name: bindparam(f"new_{name}") for name in columns})
            )
        return RowStatement(statement.sql, attrgetter(*(_plain(name) for name in statement.names)))

    def _describe_prefetch(self, members: Select[Any]) -> None:
        """Build the statements that read ahead; see `prefetch.py` for the order of locks."""
        member, code = table_of(t.MemberTable), table_of(t.CodeTable)
        transaction, hold = table_of(t.TransactionTable), table_of(t.HoldTable)
        account = table_of(t.AccountTable)
        self.numbers_of_members = self._among(
            select(member.c.number), member, ("program_id", "loyalty_id")
        )
        self.numbers_of_codes = self._among(
            select(code.c.member_number), code, ("program_id", "digest")
        )
        self.numbers_of_transactions = self._among(
            select(transaction.c.member_number), transaction, ("transaction_id",)
        )
        self.orders_of_receipts = self._among(
            select(
                transaction.c.transaction_id, transaction.c.program_id, transaction.c.order_digest
            ),
            transaction,
            ("program_id", "receipt_digest"),
        )
        redemption = table_of(t.RedemptionTable)
        self.uses_of_transactions = self._among(
            select(redemption.c.program_id, redemption.c.incentive_id)
            .where(redemption.c.voided_ms.is_(None))
            .distinct(),
            redemption,
            ("transaction_id",),
        )
        self.lock_members = self._among(members.order_by(member.c.number), member, ("number",))
        self.lock_debts = self._among(
            select(account.c.member_number, *(account.c[name] for name in ACCOUNT_COLUMNS))
            .where(account.c.kind == _constant(AccountKind.DEBT))
            .order_by(account.c.account_id)
            .with_for_update(of=account),
            account,
            ("member_number",),
        )
        self.lock_holds = self._among(
            _select_record(Hold, hold)
            .where(hold.c.status == _constant(HoldStatus.OPEN))
            .order_by(hold.c.hold_id)
            .with_for_update(of=hold),
            hold,
            ("transaction_id",),
        )
        reserved = table_of(t.ReservationTable)
        self.lock_reservations = self._among(
            _select_record(Reservation, reserved)
            .order_by(reserved.c.transaction_id, reserved.c.incentive_id, reserved.c.point_cost)
            .with_for_update(of=reserved),
            reserved,
            ("transaction_id",),
        )
        refusal, key = table_of(t.CodeRefusalTable), table_of(t.ApiKeyTable)
        self.refusals_of_programs = self._among(
            select(*(refusal.c[name] for name in REFUSAL_COLUMNS)), refusal, ("program_id",)
        )
        regular = table_of(t.CodeRegularTable)
        self.regulars_of_codes = self._compile(
            _regulars_of(
                code, regular, _rows_of((code, "program_id"), (code, "digest"), (regular, "key_id"))
            )
        )
        self.lock_keys = self._among(
            select(key.c.key_id).order_by(key.c.key_id).with_for_update(key_share=True, of=key),
            key,
            ("key_id",),
        )
        limits = table_of(t.LimitTallyTable)
        by_place = limits.c.scope, limits.c.since_ms, limits.c.name
        self.sums_of_limits = self._among(
            select(*by_place, func.sum(limits.c.amount)).group_by(*by_place),
            limits,
            ("scope", "since_ms"),
        )
        self.lock_transactions = self._lock_among(Transaction)
        self.lock_codes = self._lock_among(Code)
        self.lock_sessions = self._lock_among(Session)
        self.find_remembered = self._among(
            _select_record(Remembered, table_of(t.RememberedTable)),
            table_of(t.RememberedTable),
            RECORD_TABLES[Remembered][1],
        )

    def _lock_among(self, record: type) -> Statement:
        model, key = RECORD_TABLES[record]
        table = table_of(model)
        ordered = _select_record(record, table).order_by(*(table.c[name] for name in key))
        return self._among(ordered.with_for_update(of=table), table, key)

    def _among(self, statement: Select[Any], table: Table, key: Sequence[str]) -> Statement:
        """Keep a query to the rows whose keys are given as arrays."""
        rows = _rows(table, key)
        matches = (table.c[name] == rows.c[name] for name in key)
        return self._compile(statement.where(*matches))


def _sum_of(amount: Any, matches: Any) -> Any:
    """Give a sum of other rows, beside whatever is selected."""
    return select(func.coalesce(func.sum(amount), _constant(0))).where(matches).scalar_subquery()


def _newest_of(time: Any, matches: Any) -> Any:
    """Give the newest time of other rows, beside whatever is selected; absent where none is."""
    return select(func.max(time)).where(matches).scalar_subquery()


def _within(table: Table) -> Any:
    """Tell rows of a scope and of those within it."""
    scope = table.c.scope
    return (scope == bindparam("scope")) | scope.like(bindparam("narrower"))


def _regulars_of(code: Table, regular: Table, rows: Any) -> Select[Any]:
    """Find when the members of codes were counted as regulars of the keys that show them."""
    return (
        select(regular.c.key_id, regular.c.member_number, regular.c.counted_ms)
        .select_from(rows)
        .join(code, (code.c.program_id == rows.c.program_id) & (code.c.digest == rows.c.digest))
        .join(
            regular,
            (regular.c.key_id == rows.c.key_id) & (regular.c.member_number == code.c.member_number),
        )
    )


def _plain(name: str) -> str:
    """Undo the prefixes that keep parameters and columns apart."""
    return name.removeprefix("new_").removeprefix("key_").removeprefix("all_")


def _rows(table: Table, columns: Sequence[str]) -> Any:
    """Give rows that arrive as one array a column."""
    return _rows_of(*((table, name) for name in columns))


def _rows_of(*columns: tuple[Table, str]) -> Any:
    """Give rows that arrive as one array a column, of the types that columns of tables have."""
    arrays = (bindparam(f"all_{name}", type_=ARRAY(_type(table, name))) for table, name in columns)
    shape = (column(name, _type(table, name)) for table, name in columns)
    return func.unnest(*arrays).table_valued(*shape).render_derived(name="given")


def _type(table: Table, name: str) -> Any:
    kind = table.c[name].type
    return BigInteger() if isinstance(kind, BigInteger) else kind


MEMBER_COLUMNS = (
    "number",
    "program_id",
    "loyalty_id",
    "name",
    "email",
    "locale",
    "birth_date",
    "created_ms",
)
REFUSAL_COLUMNS = (
    "kind",
    "scope",
    "program_id",
    "key_id",
    "store_id",
    "terminal",
    "matched",
    "failed",
    "since_ms",
    "until_ms",
)
ACCOUNT_COLUMNS = tuple(field.name for field in fields(Account))


def _select_record(record: type, table: Table) -> Any:
    return select(*(table.c[field.name] for field in fields(record)))
