"""A promise of the rows of a store, as one query for the rows that break it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from loyalty_service.domain.ledger import AccountKind, Cause, OwnerKind
from loyalty_service.domain.records import CodeStatus, HoldStatus, TransactionStatus

BATCH_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that is not as it should be."""

    table: str
    key: str
    what: str

    def __str__(self) -> str:
        return f"{self.table} {self.key} {self.what}"


_NUMBERS: dict[str, int] = {
    f"{kind.__name__.removesuffix('Status').removesuffix('Kind').lower()}_{entry.name.lower()}": (
        entry.value
    )
    for kind in (AccountKind, Cause, CodeStatus, HoldStatus, OwnerKind, TransactionStatus)
    for entry in kind
}
"""The stored number behind each name in the queries: `cause_hold`, `transaction_pending`."""


def bound(sql: str) -> Any:
    """Bind the numbers that a query names; what else it names is given when it runs."""
    statement = text(sql)
    names = statement.compile().params
    numbers = {name: _NUMBERS[name] for name in names if name in _NUMBERS}
    return statement.bindparams(**numbers)


@dataclass(frozen=True, slots=True)
class Check:
    """A query for bad rows. *what* is filled in with the columns of such a row."""

    table: str
    what: str
    sql: str

    def __call__(self, connection: Connection) -> Iterator[Problem]:
        """Give the rows that break the promise."""
        for row in connection.execute(bound(self.sql)):
            values = row._asdict()
            yield Problem(self.table, str(values["row_key"]), self.what.format(**values))
