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
from loyalty_service.storage.repositories.answers import Answers
from loyalty_service.storage.repositories.catalogue import Catalogue
from loyalty_service.storage.repositories.code_counts import CodeCounts
from loyalty_service.storage.repositories.codes import Codes
from loyalty_service.storage.repositories.event_log import EVENT_BYTES, EventLog
from loyalty_service.storage.repositories.grants import Grants
from loyalty_service.storage.repositories.key_uses import KeyUses
from loyalty_service.storage.repositories.limit_counts import KnownSums, LimitCounts
from loyalty_service.storage.repositories.merges import Merges
from loyalty_service.storage.repositories.promo_codes import PromoCodes
from loyalty_service.storage.repositories.records import Basis
from loyalty_service.storage.repositories.seal import Seal
from loyalty_service.storage.repositories.sessions import Sessions
from loyalty_service.storage.repositories.statements import Statements
from loyalty_service.storage.repositories.transactions import Transactions
from loyalty_service.storage.repositories.uses import Uses
from loyalty_service.storage.repositories.visits import Visits
from loyalty_service.storage.repositories.webhooks import Webhooks


class UnitOfWork(
    Merges,
    Transactions,
    Codes,
    Sessions,
    Answers,
    Uses,
    Grants,
    Visits,
    PromoCodes,
    CodeCounts,
    LimitCounts,
    KeyUses,
    Catalogue,
    Webhooks,
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
        peppers: Peppers,
        seal: Seal,
        shard: int = 0,
        known_sums: KnownSums | None = None,
        units: Random | None = None,
        as_of_ms: int = 0,
    ) -> None:
        super().__init__(Basis(connection, statements, catalog, peppers, seal, shard, as_of_ms))
        self._limits.known = known_sums or KnownSums()
        self._units = units
        self._events: EventLog | None = None

    def count_alone(self, key_id: str) -> None:
        """See `Unit.count_alone`."""
        if key_id not in self._limits.exact:
            self.lock_key(key_id)
            self.read_again((key_id,))

    def forget_counts(self, now_ms: int, limit: int) -> int:
        """See `Unit.forget_counts`."""
        self.changes += 1
        return self._forget_codes(now_ms, limit) + self._forget_limits(now_ms, limit)

    def append(self, event: Event, by: Actor, now_ms: int) -> None:
        """See `Unit.append`."""
        self.changes += 1
        if self._events is None:
            # The lane is the unit's own, as the shard is, so it has no place in the order of locks.
            self._events = EventLog(bulk=self._bulk, lane=self._shard, units=self._units)
        self._events.append(event, by, now_ms)
        self.rows += 1
        self.bytes_written += EVENT_BYTES + len(by.request_id) + len(event.reason or "")
        self.bytes_written += len(event.detail or "")

    def finish(self) -> None:
        """Write everything that is left, the events last: only the commit may come after it."""
        self.flush()
        if self._events is not None:
            self._events.write(self._connection.cursor())
            if self._events.proof is not None:
                self.witness = self._events.proof

    def flush(self) -> None:
        """Write everything that was added or changed since the last flush, by rank."""
        cursor = self._connection.cursor()
        self._seal_again(cursor)
        self._flush_records(cursor)
        if self._shown_here is not None:
            self._flush_code_counts(cursor)
        self._flush_limit_counts(cursor)
        self._flush_key_uses(cursor)
        self._flush_ledger(cursor)
