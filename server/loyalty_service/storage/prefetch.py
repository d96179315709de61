"""
Fetches what a batch starts from in two round trips, however many calls it has.

When a call shows a code that may be wrong, it takes a third, and when uses are limited for all
members together, one more. Only for databases across a network: there the round trips are the cost
of a call. Rows are locked in the order of `lock_order.py`, and each by its key.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from loyalty_service.application.limits import member_scope
from loyalty_service.application.reads import Reads
from loyalty_service.domain.basket import basket_from_json
from loyalty_service.domain.incentive_uses import named_incentives
from loyalty_service.domain.records import CodeStatus, Member
from loyalty_service.domain.rules import counted_for_all
from loyalty_service.storage.repositories.codes import CodeStatements
from loyalty_service.storage.repositories.members import MembersMovedError, MemberStatements
from loyalty_service.storage.repositories.records import Keys, Step
from loyalty_service.storage.repositories.sessions import SessionStatements
from loyalty_service.storage.repositories.statements import Statement, Statements
from loyalty_service.storage.repositories.transactions import TransactionStatements
from loyalty_service.storage.repositories.unit_of_work import UnitOfWork
from loyalty_service.storage.repositories.uses import UseStatements


def prefetch(
    unit: UnitOfWork, connection: Any, statements: Statements, batch: Sequence[Reads]
) -> None:
    """Bring what a batch starts from into its unit of work, locked where it can change."""
    _Prefetch(unit, connection, statements).run(batch)


class _Prefetch:
    def __init__(self, unit: UnitOfWork, connection: Any, statements: Statements) -> None:
        self._unit = unit
        self._connection = connection
        self._members = statements.of(MemberStatements)
        self._codes = statements.of(CodeStatements)
        self._transactions = statements.of(TransactionStatements)
        self._sessions = statements.of(SessionStatements)
        self._uses = statements.of(UseStatements)

    def run(self, batch: Sequence[Reads]) -> None:
        unit = self._unit
        members = _sorted(reads.members for reads in batch)
        transactions = [(key,) for key in _sorted(reads.transactions for reads in batch)]
        voided = [(key,) for key in _sorted(reads.voided for reads in batch)]
        codes = _sorted((*reads.digests, *self._digests(reads.codes)) for reads in batch)
        receipts = _sorted(self._digests(reads.receipts) for reads in batch)
        sessions = _sorted(reads.sessions for reads in batch)
        *numbers, given_back, recorded, closed = self._ask(
            (self._members.numbers, members),
            (self._codes.member_numbers, codes),
            (self._transactions.member_numbers, transactions),
            (self._sessions.member_numbers, sessions),
            (self._uses.of_transactions, voided),
            (self._transactions.of_receipts, receipts),
            (self._sessions.orders, sessions),
        )
        # Whoever was merged into another member comes with them.
        found = {number for rows in numbers for row in rows for number in row}
        known = sorted((number,) for number in found - {None})
        orders = {key for reads in batch for key in reads.orders}
        orders |= {(place, bytes(digest)) for _, place, digest in recorded if digest is not None}
        claimed = sorted({row[0] for row in recorded})
        named = transactions
        transactions = sorted({*named, *closed, *((key,) for key in claimed)})
        shown = _sorted(reads.shown for reads in batch)
        waits = unit.waits_ahead(sorted({(program_id,) for program_id, _, _ in shown}))
        self._take(
            waits,
            unit.sums_ahead(_counts(batch, known)),
            unit.members_ahead(known),
            unit.rare_accounts_ahead(known),
            unit.buckets_ahead(known),
            unit.parts_ahead(transactions),
            unit.cards_ahead(known),
            *unit.transactions_ahead(transactions),
            unit.codes_ahead(codes),
            unit.regulars_ahead(
                [(place, unit.code_digest(place, digits), key) for place, digits, key in shown]
            ),
            *unit.orders_ahead(sorted(orders)),
            unit.sessions_ahead(sessions),
            unit.answers_ahead(_sorted(reads.kept_answers for reads in batch)),
        )
        unit.know_absent(Member, members)
        _require_together(unit, named)
        self._lock_keys(shown, waits, {key for reads in batch for key in reads.counted_alone})
        self._lock_usages(batch, given_back, claimed)

    def _digests(self, codes: Iterable[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
        for place, digits in codes:
            for digest in self._unit.code_digests(place, digits):
                yield place, digest

    def _lock_keys(
        self, shown: Sequence[tuple[str, str, str]], waits: Step, alone: Collection[str]
    ) -> None:
        """
        Lock *alone*, whose counts must be exact, and the keys that show a code that may be wrong.

        Who waits is looked at again. Whom no regular was read for has never been one.

        A key that has shown so many wrong ones that it had to wait has one guess after each wait.
        Were it locked for its wrong codes alone, each writer would let it have one at once.
        """
        waited = self._unit.has_waited
        keys = {(key_id,) for key_id in alone}
        for place, digits, key_id in shown:
            code = self._unit.code(place, self._unit.code_digest(place, digits))
            if code is not None:
                self._unit.know_regular(key_id, code.member_number)
            live = code is not None and code.status is CodeStatus.PENDING
            if waited(place, key_id) or not live:
                keys.add((key_id,))
        if keys:
            self._take(self._unit.keys_ahead(sorted(keys)), waits)
            self._unit.read_again(alone)

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

    def _take(self, *steps: Step) -> None:
        asked = self._unit.ahead(*steps)
        answers = self._ask(*((step.statement, step.keys) for step in asked))
        for step, rows in zip(asked, answers, strict=True):
            step.take(step.keys, rows)

    def _ask(self, *questions: tuple[Statement, Keys]) -> list[list[Any]]:
        """Ask several questions in one round trip; to one without keys there are no rows."""
        with self._connection.pipeline():
            cursors = [
                self._connection.execute(statement.sql, _columns(keys)) if keys else None
                for statement, keys in questions
            ]
            return [[] if cursor is None else cursor.fetchall() for cursor in cursors]


def _require_together(unit: UnitOfWork, transactions: Keys) -> None:
    """
    Make sure that nobody was merged, or merge undone, between the look and the lock.

    Raises:
        MembersMovedError: Somebody was: the unit is to run again, or it would lock one more member
            against the order.
    """
    known = unit.members_known
    led_to = {member.merged_into for member in known.values()}
    for (transaction_id,) in transactions:
        transaction = unit.transaction(transaction_id)
        led_to.add(None if transaction is None else transaction.member_number)
    if led_to - known.keys() - {None}:
        raise MembersMovedError


def _counts(batch: Sequence[Reads], numbers: Sequence[tuple[int]]) -> list[tuple[str, int]]:
    """List the counts that calls are limited by; *numbers* are those of their members."""
    periods = _sorted(reads.counts_of_members for reads in batch)
    return [
        *_sorted(reads.counts for reads in batch),
        *((member_scope(of, partner), since) for (of,) in numbers for partner, since in periods),
    ]


def _sorted(lists: Iterable[Iterable[Any]]) -> list[Any]:
    """Merge lists of keys into one order without repeats."""
    return sorted({key for keys in lists for key in keys})


def _columns(keys: Keys) -> list[list[Any]]:
    return [list(column) for column in zip(*keys, strict=True)]
