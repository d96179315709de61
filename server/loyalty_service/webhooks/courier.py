"""
Delivers to one webhook: each event at least once, those of a member in order.

A message that does not arrive waits in the store, and those of the same member behind it; others go
on. When too many wait, nothing more is read of the feed, which keeps the rest. A server says from
time to time that it is the one that delivers: only for so long nobody else does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

import structlog

from loyalty_service.application.webhooks.deliver import (
    LEASE_MS,
    HoldWebhook,
    Sent,
    SettleDeliveries,
    hold_webhook,
    release_webhook,
    settle_deliveries,
)
from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.domain.events import EventPage, FeedPosition, RecordedEvent
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.webhooks import (
    WAITS_S,
    Delivery,
    DeliveryStatus,
    Webhook,
    wait_ms,
)
from loyalty_service.storage.store import Store
from loyalty_service.transport.servicers.event import event_name
from loyalty_service.webhooks.http_post import Poster, PostError
from loyalty_service.webhooks.messages import message_of

PAGE = 100
"""Events that are read at once."""

WAITING_MAX = 500
"""Messages that wait, beyond which nothing more is read of the feed."""

AT_ONCE = 8
"""Members whose messages are sent at once."""

DOWN_AFTER = 8
"""Messages in a row that did not arrive, after which the rest is not tried in this round."""

END_S = 2.0
"""Time that messages on their way have to arrive when the server ends."""

IDLE_S = 5.0
LEAST_S = 0.05
ASK_S = 1.0
"""Seconds between two attempts to be the server that delivers."""

GONE = 410
FINE = range(200, 300)

WAITING, DELIVERED, DEAD = DeliveryStatus.WAITING, DeliveryStatus.DELIVERED, DeliveryStatus.DEAD

log = structlog.get_logger(__name__)


class DeliveryWatch(Protocol):
    """Hears what becomes of messages."""

    def count(self, outcome: str) -> None:
        """Count an attempt: delivered, failed or dead."""

    def show_waiting(self, webhook_id: str, count: int, oldest_s: float) -> None:
        """Show how many messages of a webhook wait, and how old the oldest is."""


class Unwatched:
    """Where nobody measures."""

    def count(self, outcome: str) -> None:
        """Count nothing."""

    def show_waiting(self, webhook_id: str, count: int, oldest_s: float) -> None:
        """Show nothing."""


@dataclass(slots=True)
class Round:
    """
    What is sent in one go.

    Attributes:
        chains: Messages by member, each in order; one that waited has its delivery.
        sent: What became of them.
        failed: Messages in a row that did not arrive.
    """

    webhook: Webhook
    chains: list[list[tuple[RecordedEvent, Delivery | None]]]
    sent: list[Sent] = field(default_factory=list)
    failed: int = 0
    disabled: str | None = None


class Courier:
    """
    Delivers to one webhook for as long as this server is the one that does.

    Args:
        store: Where it is kept.
        webhook_id: Which one.
        server: Name of this server.
        poster: Sends messages.
        watch: Hears what becomes of them.
        waits_s: Seconds before each further attempt.
    """

    def __init__(
        self,
        store: Store,
        webhook_id: str,
        server: str,
        poster: Poster,
        watch: DeliveryWatch,
        waits_s: Sequence[float] = WAITS_S,
    ) -> None:
        self._store = store
        self._webhook_id = webhook_id
        self._server = server
        self._poster = poster
        self._watch = watch
        self._waits_s = waits_s
        self._chance = Random()  # noqa: S311 - it spreads attempts.
        self._held_until_s = 0.0
        self._recovered = False
        self._ends = False

    async def run(self) -> None:
        """Deliver until cancelled; what is on its way then is settled first, if that is soon."""
        keeping = asyncio.create_task(self._keep())
        try:
            while True:
                count = self._store.feed.count
                try:
                    wait_s = await self._whole_round() if self._holds else ASK_S
                except (LoyaltyError, OperatorError) as problem:
                    log.warning(
                        "webhook not served",
                        webhook_id=self._webhook_id,
                        reason=f"{type(problem).__name__}: {problem}",
                    )
                    wait_s = IDLE_S
                if wait_s > 0:
                    await self._store.feed.more_than(count, min(wait_s, IDLE_S))
        finally:
            keeping.cancel()
            await asyncio.wait((keeping,))
            await self._release()

    async def _whole_round(self) -> float:
        """Do a round that is not cut off amid: what has arrived would be sent again."""
        doing = asyncio.create_task(self._round())
        try:
            return await asyncio.shield(doing)
        except asyncio.CancelledError:
            self._ends = True
            await asyncio.wait((doing,), timeout=END_S)
            doing.cancel()
            await asyncio.wait((doing,))
            raise

    @property
    def _holds(self) -> bool:
        """Whether no other server delivers before an attempt of ours is over."""
        return time.monotonic() + self._poster.timeout_s < self._held_until_s

    async def _keep(self) -> None:
        """Say again and again that this server delivers; or take over when the other is gone."""
        hold = HoldWebhook(self._webhook_id, self._server)
        while True:
            began_s = time.monotonic()
            with suppress(LoyaltyError, OperatorError):
                held = await self._store.write(lambda unit, now: hold_webhook(unit, hold, now))
                self._held_until_s = began_s + LEASE_MS / 1000 if held else 0.0
                if not held:
                    self._watch.show_waiting(self._webhook_id, 0, 0.0)
            await asyncio.sleep(LEASE_MS / 6000 if self._holds else ASK_S)

    async def _release(self) -> None:
        if not self._holds:
            return
        hold = HoldWebhook(self._webhook_id, self._server)
        with suppress(LoyaltyError, OperatorError, asyncio.CancelledError):
            await self._store.write(lambda unit, now: release_webhook(unit, hold, now))

    async def _round(self) -> float:
        """Send what there is; return the seconds until there may be more, 0 for at once."""
        async with self._store.read() as reader:
            webhook = await reader.webhook(self._webhook_id)
            if webhook is None or webhook.disabled_ms is not None:
                return IDLE_S
            waiting = await reader.deliveries(self._webhook_id, (WAITING,), WAITING_MAX)
            past = {
                event.event_id: event
                for event in await reader.events_of([one.event_id for one in waiting])
            }
            page = EventPage((), FeedPosition.from_bytes(webhook.position))
            if len(waiting) < WAITING_MAX:
                page = await reader.events(page.position, PAGE, webhook.wanted)
        await self._store.confirm()
        if page.lost:
            log.error("webhook was not told of all", webhook_id=self._webhook_id)
        now = now_ms()
        oldest_ms = min((one.begun_ms for one in waiting), default=now)
        self._watch.show_waiting(self._webhook_id, len(waiting), max(0, now - oldest_ms) / 1000)
        work = self._plan(webhook, waiting, past, page, now)
        moved = page.position.to_bytes() != webhook.position
        if work.chains:
            await self._send_all(work)
        if work.sent or moved:
            await self._settle(work, page.position if moved else None)
        if page.more or (self._recovered and waiting):
            return 0.0
        return _next_s(work, waiting)

    def _plan(
        self,
        webhook: Webhook,
        waiting: Sequence[Delivery],
        past: dict[int, RecordedEvent],
        page: EventPage,
        now: int,
    ) -> Round:
        """Put messages of each member in a row: those that wait first, if their time has come."""
        work = Round(webhook, [])
        chains: dict[int | None, list[tuple[RecordedEvent, Delivery | None]]] = {}
        for delivery in waiting:
            if delivery.event_id in past:
                chains.setdefault(delivery.member_number, []).append(
                    (past[delivery.event_id], delivery)
                )
            else:
                self._watch.count("dead")
                work.sent.append(_of_pruned(delivery, now))
        early = {
            member
            for member, chain in chains.items()
            if (first := chain[0][1]) is not None and first.next_ms > now and not self._recovered
        }
        for event in page.events:
            if event.member_number in early:
                work.sent.append(_queued(event, now))
            else:
                chains.setdefault(event.member_number, []).append((event, None))
        work.chains = [chain for member, chain in chains.items() if member not in early]
        return work

    async def _send_all(self, work: Round) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def send(chain: list[tuple[RecordedEvent, Delivery | None]]) -> None:
            async with places:
                await self._send_chain(work, chain)

        async with asyncio.TaskGroup() as group:
            for chain in work.chains:
                group.create_task(send(chain))
        # What comes back takes at once what waits for it, and who fails again waits longer.
        self._recovered = not work.failed and any(
            one.waited and one.status is DELIVERED for one in work.sent
        )

    async def _send_chain(
        self, work: Round, chain: list[tuple[RecordedEvent, Delivery | None]]
    ) -> None:
        """Send messages of one member until one does not arrive; the rest waits behind it."""
        now = now_ms()
        for number, (event, delivery) in enumerate(chain):
            if work.failed >= DOWN_AFTER or work.disabled or self._ends or not self._holds:
                work.sent += [_queued(one, now) for one, waited in chain[number:] if waited is None]
                return
            sent = await self._send(work, event, delivery)
            work.sent.append(sent)
            if sent.status is WAITING:
                rest = chain[number + 1 :]
                work.sent += [_queued(one, now) for one, waited in rest if waited is None]
                return

    async def _send(self, work: Round, event: RecordedEvent, delivery: Delivery | None) -> Sent:
        """Send one message, once."""
        attempts = 1 if delivery is None else delivery.attempts + 1
        answered, problem = None, None
        try:
            answered = await self._poster.post(
                work.webhook.url, *message_of(work.webhook, event, now_ms())
            )
        except PostError as found:
            problem = str(found)
        now = now_ms()
        if answered in FINE:
            work.failed = 0
            self._watch.count("delivered")
            return _sent(event, delivery, DELIVERED, attempts, now, answered, None)
        work.failed += 1
        if answered == GONE:
            work.disabled = "it answered 410"
        next_ms = wait_ms(attempts, self._chance.random(), self._waits_s)
        dead = next_ms is None
        self._watch.count("dead" if dead else "failed")
        told = {
            "webhook_id": self._webhook_id,
            "event_id": event_name(event),
            "attempts": attempts,
            "answered": answered,
            "reason": problem,
        }
        if dead:
            log.warning("webhook message given up", **told)
        else:
            log.warning("webhook message did not arrive", **told)
        status = DEAD if dead else WAITING
        return _sent(event, delivery, status, attempts, now + (next_ms or 0), answered, problem)

    async def _settle(self, work: Round, position: FeedPosition | None) -> None:
        command = SettleDeliveries(
            self._webhook_id, self._server, position, work.sent, work.disabled
        )
        began_s = time.monotonic()
        kept = await self._store.write(lambda unit, now: settle_deliveries(unit, command, now))
        self._held_until_s = began_s + LEASE_MS / 1000 if kept else 0.0
        if work.disabled:
            self._held_until_s = 0.0
            log.error("webhook switched off", webhook_id=self._webhook_id, reason=work.disabled)


def _next_s(work: Round, waiting: Sequence[Delivery]) -> float:
    """Tell in how many seconds the next message is due that was sent before."""
    sent = {one.event_id: one for one in work.sent}
    due = [one.next_ms for one in work.sent if one.status is WAITING and one.attempts]
    due += [one.next_ms for one in waiting if one.attempts and one.event_id not in sent]
    return max(LEAST_S, (min(due) - now_ms()) / 1000) if due else IDLE_S


def _queued(event: RecordedEvent, now: int) -> Sent:
    """Have a message wait behind others."""
    return Sent(
        event.event_id,
        event.member_number,
        waited=False,
        status=WAITING,
        attempts=0,
        next_ms=now,
    )


def _of_pruned(delivery: Delivery, now: int) -> Sent:
    """Give a message up whose event the store has no more: it must not keep others waiting."""
    return Sent(
        delivery.event_id,
        delivery.member_number,
        waited=True,
        status=DEAD,
        attempts=delivery.attempts,
        next_ms=now,
        problem="the event was pruned before it arrived",
    )


def _sent(
    event: RecordedEvent,
    delivery: Delivery | None,
    status: DeliveryStatus,
    attempts: int,
    next_ms: int,
    answered: int | None,
    problem: str | None,
) -> Sent:
    return Sent(
        event.event_id,
        event.member_number,
        waited=delivery is not None,
        status=status,
        attempts=attempts,
        next_ms=next_ms,
        answered=answered,
        problem=problem,
    )
