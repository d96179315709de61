"""
Fetches what a batch starts from in two round trips, however many calls it has.

When a call shows a code that may be wrong, it takes a third, and when uses are limited for all
members together, one more. Only for databases across a network: there the round trips are the cost
of a call. Rows are locked in one order, members before transactions before codes before orders that
look alike before API keys (of those who show a wrong code) before counts of limited incentives, and
each by its key, so that batches of several servers wait for one another but never in a circle.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from loyalty_service.application.orders.basket_records import basket_from_json
from loyalty_service.application.reads import Reads
from loyalty_service.domain.basket import named_incentives
from loyalty_service.domain.ledger import Account, OwnerKind
from loyalty_service.domain.limits import member_scope
from loyalty_service.domain.records import (
    Code,
    CodeStatus,
    Hold,
    Member,
    Remembered,
    Reservation,
    Session,
    Transaction,
)
from loyalty_service.domain.rules import counted_for_all
from loyalty_service.storage.databases import lock_number
from loyalty_service.storage.statements import Statement, Statements
from loyalty_service.storage.unit_of_work import UnitOfWork

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
        voided = [(key,) for key in _sorted(reads.voided for reads in batch)]
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
        receipts = _sorted(
            (
                (place, digest)
                for place, text in reads.receipts
                for digest in self._unit.code_digests(place, text)
            )
            for reads in batch
        )
        by = self._statements
        *numbers, given_back, recorded = self._ask(
            (by.numbers_of_members, members),
            (by.numbers_of_codes, codes),
            (by.numbers_of_transactions, transactions),
            (by.uses_of_transactions, voided),
            (by.orders_of_receipts, receipts),
        )
        known = sorted({row for rows in numbers for row in rows if row[0] is not None})
        orders = {key for reads in batch for key in reads.orders}
        orders |= {(place, bytes(digest)) for _, place, digest in recorded if digest is not None}
        claimed = sorted({row[0] for row in recorded})
        transactions = sorted({*transactions, *((key,) for key in claimed)})
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
            (by.lock_rare_accounts, known, self._unit.take_accounts, Account),
            self._records(Transaction, by.lock_transactions, transactions),
            self._records(
                Hold, by.lock_holds, [(int(OwnerKind.TRANSACTION), *key) for key in transactions]
            ),
            self._records(Reservation, by.lock_reservations, transactions),
            self._records(Code, by.lock_codes, codes),
            (
                by.regulars_of_codes,
                self._digests(shown),
                self._unit.code_counts.take_regulars,
                None,
            ),
            *self._orders(sorted(orders)),
            self._records(Session, by.lock_sessions, _sorted(r.sessions for r in batch)),
            # Last, when all locks are held: a twin that held them has kept its answer by now.
            self._records(Remembered, by.find_remembered, _sorted(r.remembered for r in batch)),
        )
        self._unit.know_absent(Member, members)
        self._lock_keys(shown, refusals)
        self._lock_usages(batch, given_back, claimed)

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

    def _lock_usages(
        self,
        batch: Sequence[Reads],
        given_back: Iterable[tuple[str, str]],
        claimed: Iterable[str],
    ) -> None:
        """
        Lock the counts of all limited incentives that the calls use, to be judged by them.

        *given_back* are programs and incentives of the orders to be voided, *claimed* are orders
        whose receipts are.
        """
        named = {name for reads in batch for name in reads.uses}
        named |= {(place, incentive_id, None) for place, incentive_id in given_back}
        for reads in batch:
            for place, digits, _ in reads.shown:
                code = self._unit.code(place, self._unit.code_digest(place, digits))
                if code is not None and code.status is CodeStatus.PENDING:
                    named |= {(place, name, None) for _, name, _ in json.loads(code.selection)}
        for key in claimed:
            transaction = self._unit.transaction(key)
            if transaction is not None:
                basket = basket_from_json(transaction.basket or "{}")
                place = transaction.program_id
                named |= {(place, *name) for name in named_incentives(basket)}
        limited = set()
        for place, *name in named:
            program = self._unit.catalog.programs.get(place)
            incentive = program.find_incentive(*name) if program else None
            if incentive is not None and counted_for_all(incentive):
                limited.add((place, incentive.incentive_id))
        self._unit.lock_usages(limited)

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
        """Ask several questions in one round trip; to one without keys there are no rows."""
        with self._connection.pipeline():
            cursors = [
                self._connection.execute(statement.sql, _columns(keys)) if keys else None
                for statement, keys in questions
            ]
            return [[] if cursor is None else cursor.fetchall() for cursor in cursors]


def _sorted(lists: Iterable[Iterable[Any]]) -> list[Any]:
    """Merge lists of keys into one order without repeats."""
    return sorted({key for keys in lists for key in keys})


def _columns(keys: _Keys) -> list[list[Any]]:
    return [list(column) for column in zip(*keys, strict=True)]
