"""The statements that count codes and let guessers wait; see `code_counts.py`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnClause,
    Select,
    Table,
    bindparam,
    case,
    delete,
    func,
    literal_column,
    select,
    update,
)

from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.guessing import ScopeKind
from loyalty_service.storage import tables as t
from loyalty_service.storage.repositories.statements import (
    Statement,
    Statements,
    constant,
    rows_of,
    table_of,
)

SCOPES_MAX = len(ScopeKind)
"""Scopes that a call belongs to at most."""

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


class CodeCountStatements:
    """The statements that count codes and let guessers wait."""

    def __init__(self, by: Statements) -> None:
        tally, wrong = table_of(t.CodeTallyTable), table_of(t.WrongCodeTable)
        month, regular = table_of(t.CodeMonthTable), table_of(t.CodeRegularTable)
        self.tallies = by.adding_up(tally, ("scope", "hour", "shard"), ("matched", "failed"))
        self.months = by.adding_up(month, ("scope", "day", "shard"), ("regulars", "spent"))
        self.regulars = by.putting(regular)
        self.regular = by.compile(
            select(regular.c.counted_ms).where(
                regular.c.key_id == bindparam("key_id"),
                regular.c.member_number == bindparam("member_number"),
            )
        )
        self.has_regulars = by.compile(
            select(constant(1))
            .where(regular.c.key_id == bindparam("key_id"))
            .limit(constant(1))
            .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )
        self.sum_tallies = _sums_between(by, tally, tally.c.hour, ("matched", "failed"))
        self.sum_months = _sums_between(by, month, month.c.day, ("regulars", "spent"))
        self.wrong_code = by.compile(
            select(wrong.c.failed_ms).where(
                wrong.c.scope == bindparam("scope"), wrong.c.digest == bindparam("digest")
            )
        )
        self.put_wrong_code = by.put(wrong)
        self._describe_waits(by)
        self._describe_forgetting(by)
        if by.bulk:
            code = table_of(t.CodeTable)
            shown = (code, "program_id"), (code, "digest"), (regular, "key_id")
            self.regulars_of_codes = by.compile(_regulars_of(code, regular, rows_of(*shown)))

    def _describe_waits(self, by: Statements) -> None:
        wait, key = table_of(t.CodeRefusalTable), table_of(t.ApiKeyTable)
        waits = select(*(wait.c[name] for name in REFUSAL_COLUMNS))
        keys = select(key.c.key_id)
        self.waits = by.compile(waits.where(wait.c.program_id == bindparam("program_id")))
        self.put_wait = by.put(wait)
        self.lock_key = by.compile(
            keys.where(key.c.key_id == bindparam("key_id")).with_for_update(key_share=True)
        )
        if by.bulk:
            self.waits_of_programs = by.among(waits, wait, ("program_id",))
            self.lock_keys = by.among(
                keys.order_by(key.c.key_id).with_for_update(key_share=True, of=key),
                key,
                ("key_id",),
            )

    def _describe_forgetting(self, by: Statements) -> None:
        tally, wrong = table_of(t.CodeTallyTable), table_of(t.WrongCodeTable)
        month, regular = table_of(t.CodeMonthTable), table_of(t.CodeRegularTable)
        wait = table_of(t.CodeRefusalTable)
        self.forgive_waits = by.compile(
            delete(wait).where(wait.c.key_id == bindparam("key_id")).returning(wait.c.scope)
        )
        self.forgive_tallies = (
            by.compile(delete(tally).where(_within(tally))),
            # What regulars earned stays: they are counted again only in a month.
            by.compile(update(month).values(spent=constant(0)).where(_within(month))),
        )
        is_key = wait.c.kind == literal_column(f"'{ScopeKind.KEY.value}'")
        # A key that had to wait is locked for a day whenever it shows a code: see `prefetch.py`.
        kept_ms = case((is_key, constant(DAY_MS)), else_=constant(0))
        self.forget = (
            by.forgetting(tally, tally.c.hour),
            by.forgetting(wrong, wrong.c.failed_ms),
            by.forgetting(wait, wait.c.until_ms + kept_ms),
            by.forgetting(month, month.c.day),
            by.forgetting(regular, regular.c.counted_ms),
        )


def _sums_between(
    by: Statements, table: Table, moment: ColumnClause[int], counts: Sequence[str]
) -> Statement:
    """Build the statement that sums up the counts of scopes from a moment to another."""
    scopes: list[Any] = [bindparam(f"scope_{number}") for number in range(SCOPES_MAX)]
    return by.compile(
        select(table.c.scope, *(func.sum(table.c[name]) for name in counts))
        .where(table.c.scope.in_(scopes), moment.between(bindparam("first"), bindparam("last")))
        .group_by(table.c.scope)
    )


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
