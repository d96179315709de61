"""
A unit of work on a raw driver connection, shared by all the calls of one batch.

What was read is kept, so that two calls of a batch see one another's changes; what was changed
is written once, in bulk, when the batch ends or a query needs it.
"""

from __future__ import annotations

from random import Random

from loyalty_service.domain.events import Actor, Event
from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.program import Catalog
from loyalty_service.storage.driver import Connection
from loyalty_service.storage.event_log import EventLog
from loyalty_service.storage.repositories.answers import Answers
from loyalty_service.storage.repositories.catalogue import Catalogue
from loyalty_service.storage.repositories.code_counts import CodeCounts
from loyalty_service.storage.repositories.codes import Codes
from loyalty_service.storage.repositories.known_sums import KnownSums
from loyalty_service.storage.repositories.limit_counts import LimitCounts
from loyalty_service.storage.repositories.members import Members
from loyalty_service.storage.repositories.records import Basis
from loyalty_service.storage.repositories.sessions import Sessions
from loyalty_service.storage.repositories.transactions import Transactions
from loyalty_service.storage.repositories.uses import Uses
from loyalty_service.storage.seal import Seal
from loyalty_service.storage.statements import Statements


class UnitOfWork(
    Members, Transactions, Codes, Sessions, Answers, Uses, CodeCounts, LimitCounts, Catalogue
):
    """
    Implements `application.unit.Unit`, where it is told what each query and write promises.

    It is put together from the repositories, whose records are one store of what was read and
    changed: see `repositories.records`.
    """

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
        peppers, sums = Peppers.of(pepper), known_sums or KnownSums()
        super().__init__(Basis(connection, statements, catalog, peppers, seal, shard, sums))
        # The lane is the unit's own, as the shard is, so it has no place in the order of locks.
        self._events = EventLog(bulk=statements.bulk, lane=shard, units=units)

    def forget_counts(self, now_ms: int, limit: int) -> int:
        """See `Unit.forget_counts`."""
        self.changes += 1
        return self._forget_codes(now_ms, limit) + self._forget_limits(now_ms, limit)

    def append(self, event: Event, by: Actor, now_ms: int) -> None:
        """See `Unit.append`."""
        self.changes += 1
        self._events.append(event, by, now_ms)

    def finish(self) -> None:
        """Write everything that is left, the events last: only the commit may come after it."""
        self.flush()
        self._events.write(self._connection.cursor())
        if self._events.proof is not None:
            self.witness = self._events.proof

    def flush(self) -> None:
        """Write everything that was added or changed since the last flush, by rank."""
        cursor = self._connection.cursor()
        self._seal_again(cursor)
        self._flush_records(cursor)
        self._flush_code_counts(cursor)
        self._flush_limit_counts(cursor)
        self._flush_ledger(cursor)
