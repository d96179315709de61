"""
Fetches what a batch starts from in two round trips, however many calls it has.

When a call shows a code that may be wrong, it takes a third. Only for databases across a network:
there the round trips are the cost of a call. Rows are locked in one order, members before
transactions before codes before API keys (of those who show a wrong code) and each by its key, so
that batches of several servers wait for one another but never in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from server.application.reads import Reads
from server.domain.ledger import Account
from server.domain.limits import member_scope
from server.domain.records import (
    Code,
    CodeStatus,
    Hold,
    Member,
    Remembered,
    Reservation,
    Session,
    Transaction,
)
from server.storage.databases import lock_number
from server.storage.statements import Statement, Statements
from server.storage.unit_of_work import UnitOfWork

_Keys = Sequence[tuple[Any, ...]]
_Step = tuple[Statement, _Keys, Callable[[list[Any]], None], type | None]


def prefetch(
    unit: UnitOfWork, connection: Any, statements: Statements, batch: Sequence[Reads]
) -> None:
    """Bring what a batch starts from into its unit of work, locked where it can change."""
    _Prefetch(unit, connection, statements).run(batch)


class _Prefetch:
    def __init__(self, unit: UnitOfWork, connection: Any, statements: Statements) -> None:
        self._unit = unit
        self._connection = connection
        self._statements = statements

    def run(self, batch: Sequence[Reads]) -> None:
        members = _sorted(reads.members for reads in batch)
        transactions = [(key,) for key in _sorted(reads.transactions for reads in batch)]
        codes = _sorted(
            (
                *reads.digests,
                *(
                    (place, digest)
                    for place, digits in reads.codes
                    for digest in self._unit.code_digests(place, digits)
                ),
            )
            for reads in batch
        )
        by = self._statements
        numbers = self._ask(
            (by.numbers_of_members, members),
            (by.numbers_of_codes, codes),
            (by.numbers_of_transactions, transactions),
        )
        known = sorted({row for rows in numbers for row in rows if row[0] is not None})
        shown = _sorted(reads.shown for reads in batch)
        programs = sorted({(program_id,) for program_id, _, _ in shown})
        refusals: _Step = (
            by.refusals_of_programs,
            programs,
            lambda rows: self._unit.code_counts.take_refusals(programs, rows),
            None,
        )
        periods = _sorted(reads.counts_of_members for reads in batch)
        counts = self._unit.limit_counts.unknown(
            [
                *_sorted(reads.counts for reads in batch),
                *(
                    (member_scope(number, partner), since)
                    for (number,) in known
                    for partner, since in periods
                ),
            ]
        )
        self._take(
            refusals,
            (
                by.sums_of_limits,
                counts,
                lambda rows: self._unit.limit_counts.take(counts, rows),
                None,
            ),
            (by.lock_members, known, self._unit.take_members, None),
            (by.lock_debts, known, self._unit.take_debts, Account),
            self._records(Transaction, by.lock_transactions, transactions),
            self._records(Hold, by.lock_holds, transactions),
            self._records(Reservation, by.lock_reservations, transactions),
            self._records(Code, by.lock_codes, codes),
            (
                by.regulars_of_codes,
                self._digests(shown),
                self._unit.code_counts.take_regulars,
                None,
            ),
            *self._orders(_sorted(reads.orders for reads in batch)),
            self._records(Session, by.lock_sessions, _sorted(r.sessions for r in batch)),
            # Last, when all locks are held: a twin that held them has kept its answer by now.
            self._records(Remembered, by.find_remembered, _sorted(r.remembered for r in batch)),
        )
        self._unit.know_absent(Member, members)
        self._lock_keys(shown, refusals)

    def _lock_keys(self, shown: Sequence[tuple[str, str, str]], refusals: _Step) -> None:
        """
        Lock the keys of those who show a code that may be wrong, and look again who waits.

        Whom no regular was read for has never been one.

        A key that has shown so many wrong ones that it had to wait has one guess after each wait.
        Were it locked for its wrong codes alone, each writer would let it have one at once.
        """
        waited = self._unit.code_counts.has_waited
        wrong = set()
        for place, digits, key_id in shown:
            code = self._unit.code(place, self._unit.code_digest(place, digits))
            if code is not None:
                self._unit.code_counts.know_regular(key_id, code.member_number)
            live = code is not None and code.status is CodeStatus.PENDING
            if waited(place, key_id) or not live:
                wrong.add((key_id,))
        if wrong:
            take = self._unit.code_counts.take_locks
            keys = sorted(wrong)
            locks: _Step = (self._statements.lock_keys, keys, lambda _: take(keys), None)
            self._take(locks, refusals)

    def _orders(self, orders: _Keys) -> Iterator[_Step]:
        """Let orders that look alike wait for one another, then look which there are."""
        by = self._statements
        numbers = sorted({(lock_number(digest),) for _, digest in orders})
        yield by.lock_orders, numbers, lambda _: None, None
        if orders:
            take = self._unit.take_orders
            yield by.orders_like_many, orders, lambda rows: take(orders, rows), None

    def _digests(self, shown: Sequence[tuple[str, str, str]]) -> _Keys:
        return [
            (place, self._unit.code_digest(place, digits), key_id)
            for place, digits, key_id in shown
        ]

    def _records(self, kind: Any, statement: Statement, keys: _Keys) -> _Step:
        return statement, keys, lambda rows: self._unit.take_records(kind, rows), kind

    def _take(self, *steps: _Step) -> None:
        asked = [step for step in steps if step[1]]
        answers = self._ask(*((statement, keys) for statement, keys, _, _ in asked))
        for (_, keys, take, kind), rows in zip(asked, answers, strict=True):
            take(rows)
            if kind is not None:
                self._unit.know_absent(kind, keys)

    def _ask(self, *questions: tuple[Statement, _Keys]) -> list[list[Any]]:
        """Ask several questions in one round trip; one without keys needs no answer."""
        with self._connection.pipeline():
            cursors = [
                self._connection.execute(statement.sql, _columns(keys))
                for statement, keys in questions
                if keys
            ]
            return [cursor.fetchall() for cursor in cursors]


def _sorted(lists: Iterable[Iterable[Any]]) -> list[Any]:
    """Merge lists of keys into one order without repeats."""
    return sorted({key for keys in lists for key in keys})


def _columns(keys: _Keys) -> list[list[Any]]:
    return [list(column) for column in zip(*keys, strict=True)]
