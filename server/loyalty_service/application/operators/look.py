"""What operators and help desks ask about a program, beside its members and orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loyalty_service.application.reading import GoingMonth, Reader
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.events import RecordedEvent
from loyalty_service.domain.guessing import Scope, ScopeKind, Wait
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Program
from loyalty_service.domain.reports import Liability
from loyalty_service.domain.webhooks import Delivery, DeliveryStatus, Webhook

PAGE_SIZE_DEFAULT = 20
PAGE_SIZE_MAX = 50
"""Versions of a page: who applied one is looked for among all events."""

WAITS_MAX = 1000
MONTHS_DEFAULT = 24

MESSAGES_COUNTED = 1000
"""Messages of a webhook that are counted; there may be more."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a program, who applied it and why; both empty where that is not known."""

    version: int
    applied_ms: int
    applied_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class VersionPage:
    """Some versions, the newest first; the token is empty on the last page."""

    versions: Sequence[Version]
    next_page_token: str


async def program_as_of(reader: Reader, live: Program, version: int) -> Program:
    """
    Find a version of a program.

    Raises:
        RequestInvalidError: No version of the number is kept.
    """
    found = await reader.program_version(live.program_id, version)
    if found is None:
        raise RequestInvalidError((FieldViolation("version", "is none that is kept"),))
    return found


async def versions_of(
    reader: Reader, program_id: str, page_size: int, page_token: str
) -> VersionPage:
    """
    List the versions of a program.

    Raises:
        RequestInvalidError: The page token is not one of this listing's.
    """
    listing = f"versions/{program_id}"
    before = reader.read_page_token(page_token, listing) if page_token else None
    if page_token and before is None:
        raise RequestInvalidError(
            (FieldViolation("page_token", "must be the next_page_token of this listing"),)
        )
    kept = [
        one
        for one in await reader.program_versions(program_id)
        if before is None or one[0] < before
    ]
    size = min(page_size or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
    page = [
        Version(version, applied_ms, *await reader.applied_by(program_id, applied_ms))
        for version, applied_ms in kept[:size]
    ]
    token = reader.page_token(listing, page[-1].version) if len(kept) > size else ""
    return VersionPage(page, token)


async def waits_of(
    reader: Reader, key: ApiKey, store_id: int | None, now_ms: int
) -> Sequence[Wait]:
    """
    List who of a key's program, or of one store, must wait now because of too many wrong codes.

    Raises:
        StoreNotAllowedError: The key is limited to other stores.
    """
    if store_id is not None:
        key.require_store(store_id)
    found = [
        wait
        for wait in await reader.code_waits()
        if wait.scope.program_id == key.program_id
        and wait.is_on(now_ms)
        and store_id in {None, wait.scope.store_id}
        and _may_see(key, wait.scope)
    ]
    found.sort(key=lambda wait: wait.until_ms, reverse=True)
    return found[:WAITS_MAX]


def _may_see(key: ApiKey, scope: Scope) -> bool:
    """Tell whether a wait is of the key's stores, of itself or of the whole program."""
    if not key.stores or scope.kind is ScopeKind.PROGRAM:
        return True
    if scope.store_id is None:
        return scope.key_id == key.key_id
    return scope.store_id in key.stores


async def liability_of(
    reader: Reader, program: Program, months: int, now_ms: int
) -> tuple[Liability, Sequence[GoingMonth]]:
    """Tell what a program owes its members, and what of it goes in the next months."""
    owed = await reader.liability(program, now_ms, ages=False)
    going = await reader.would_go(program, program, now_ms)
    return owed, going[: months or MONTHS_DEFAULT]


@dataclass(frozen=True, slots=True)
class WatchedWebhook:
    """
    A webhook, and its messages that did not arrive.

    Attributes:
        dead: How many were given up, at most MESSAGES_COUNTED.
        waiting: How many are sent again, in the same way.
        told: The first of them, each with its event, which is absent where it was pruned.
    """

    webhook: Webhook
    dead: int
    waiting: int
    told: Sequence[tuple[Delivery, RecordedEvent | None]]


async def webhooks_of(reader: Reader, program_id: str, most: int) -> Sequence[WatchedWebhook]:
    """List the webhooks of a program, and of each *most* messages that did not arrive."""
    found = []
    for webhook in await reader.webhooks():
        if webhook.program_id != program_id:
            continue
        dead, waiting = [
            await reader.deliveries(webhook.webhook_id, (status,), MESSAGES_COUNTED)
            for status in (DeliveryStatus.DEAD, DeliveryStatus.WAITING)
        ]
        told = [*dead, *waiting][:most]
        events = await reader.events_of([one.event_id for one in told]) if told else ()
        by_id = {event.event_id: event for event in events}
        pairs = [(one, by_id.get(one.event_id)) for one in told]
        found.append(WatchedWebhook(webhook, len(dead), len(waiting), pairs))
    return found
