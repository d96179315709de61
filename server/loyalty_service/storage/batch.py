"""The calls of a batch: what each is to do, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog

from loyalty_service.application.perform import Answer, Done
from loyalty_service.application.reads import Reads
from loyalty_service.application.under_way import Arrival
from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.errors import StorageUnavailableError
from loyalty_service.domain.flags import Flag, every_flag
from loyalty_service.domain.keys import ApiKey
from loyalty_service.observability.trail import Trail

NAMED_MAX = 20
"""Calls that a line about their whole batch names."""


@dataclass(slots=True)
class Item:
    """
    A call's work, what it starts from, and what became of it.

    Attributes:
        trail: The call's names; absent for work of the server's own.
        arrived_s: When it joined the queue, by the event loop's clock.
        taken: Whether it has left the queue.
        arrival: Holds a call with a key under way; absent for other work.
        unsettled: Whether its commit may still come through, though it counts as failed.
        charge: Takes what the work cost; absent for work of the server's own.
        spent_s: Processor time that the writer spent on it so far, in seconds.
    """

    work: Callable[[Unit, int], Any]
    reads: Reads
    future: asyncio.Future[Any]
    trail: Trail | None
    arrived_s: float
    arrival: Arrival | None = None
    outcome: Any = None
    failed: bool = False
    taken: bool = False
    unsettled: bool = False
    charge: Callable[[float], None] | None = None
    spent_s: float = 0.0

    def fail(self, problem: Exception) -> None:
        """Keep why the call failed."""
        self.outcome = problem
        self.failed = True


def names_of(batch: Sequence[Item]) -> dict[str, Any]:
    """Name the calls of a batch for the log, as far as they have names."""
    trails = [item.trail for item in batch if item.trail is not None]
    if len(trails) == 1:
        return {"request_id": trails[0].request_id, "trace_id": trails[0].trace_id}
    named = [trail.request_id for trail in trails[:NAMED_MAX]]
    return {"calls": len(batch), "request_ids": named} if named else {}


def still_wanted(batch: list[Item]) -> list[Item]:
    """
    Leave out calls whose callers gave up: what is not committed yet need not be done any more.

    They would be done after their callers were told that it is open whether they were, perhaps
    long after, when a database that was away is back.
    """
    wanted = []
    for item in batch:
        if item.future.done():
            # What it came to in a transaction that was undone is nothing to be told of.
            item.outcome = None
        else:
            wanted.append(item)
    return wanted


def registrations(batch: Sequence[Item]) -> list[str]:
    """Name what the calls of a batch are registered by, where they must be."""
    return list({item.arrival.registration or "" for item in batch if item.arrival} - {""})


def require_registered(item: Item, registered: frozenset[str]) -> None:
    """
    Refuse a call whose server was taken to be gone since it arrived.

    Others may have said that no such call is under way: it must not take effect any more.

    Raises:
        StorageUnavailableError: It was.
    """
    if item.arrival is not None:
        registration = item.arrival.registration
        if registration != "" and registration not in registered:
            raise StorageUnavailableError


def keep_unsettled(problem: Exception, batch: Sequence[Item], mark: int | None) -> None:
    """Mark the calls of a batch whose commit may come through although it failed."""
    known = isinstance(problem, psycopg.Error)
    for item in batch:
        item.unsettled = not known
        if item.arrival is not None and not known:
            item.arrival.mark = mark


log = structlog.get_logger(__name__)

_FLAGGED = (Answer, Done)
"""What may have flags; to write the union each time takes longer than to ask."""


class Flags:
    """
    Counts and logs what was let through although it should not be.

    Attributes:
        counts: How often, by kind and reason.
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(every_flag(), 0)

    def tell(self, outcomes: Iterable[tuple[Item, Any]], keys: Mapping[bytes, ApiKey]) -> None:
        """Log the flags and waits of calls whose outcome is known."""
        for item, outcome in outcomes:
            if isinstance(outcome, Refused):
                tell_waits(outcome, item, keys)
            elif isinstance(outcome, _FLAGGED) and outcome.flags:
                self.take(outcome.flags, item)

    def take(self, flags: Sequence[Flag], item: Item) -> None:
        """
        Count and log what was let through, whether or not its caller still waits.

        How many lines a second are written is for the log to say, which tells what it leaves out.
        """
        for flag in flags:
            self.counts[flag.kind.value, flag.reason] += 1
            named = {"flag": flag.kind.value, "reason": flag.reason, **flag.about}
            log.warning("flagged", **named, **names_of([item]))


def tell_waits(refused: Refused, item: Item, keys: Mapping[bytes, ApiKey]) -> None:
    """Log who must wait, without any digits."""
    for wait in refused.begun:
        scope, tally = wait.scope, wait.tally
        log.warning(
            "code guessing refused",
            scope=scope.kind.value,
            program_id=scope.program_id,
            key_id=scope.key_id,
            partner=next(
                (key.partner for key in keys.values() if key.key_id == scope.key_id), None
            ),
            store_id=scope.store_id,
            terminal=scope.terminal,
            wrong=tally.failed,
            right=tally.matched,
            regulars=tally.regulars,
            seconds=(wait.until_ms - wait.since_ms) // 1000,
            **names_of([item]),
        )
