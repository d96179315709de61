"""EventService: what happened, as pages and as a stream."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from google.protobuf.struct_pb2 import Value

from loyalty.v1 import event_service_pb2 as pb
from loyalty_service.application.events.list_events import Feed, begin_feed, list_events, read_feed
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.events import Balance, EventKind, EventPage, FeedPosition, RecordedEvent
from loyalty_service.domain.feed import Wanted, type_of
from loyalty_service.domain.records import CodeStatus, TransactionStatus
from loyalty_service.transport.call import Call
from loyalty_service.transport.servicers.timestamps import timestamp
from loyalty_service.transport.streams import Stream

STREAM_PAGE = 100
"""Events of one message of a stream."""

_ID_BYTES = 16
_STATUSES: dict[EventKind, type[Blocked | CodeStatus | TransactionStatus]] = {
    **dict.fromkeys((EventKind.MEMBER_BLOCKED, EventKind.MEMBER_UNBLOCKED), Blocked),
    **dict.fromkeys(
        (
            EventKind.CODE_ISSUED,
            EventKind.CODE_REPLACED,
            EventKind.CODE_USED,
            EventKind.CODE_EXPIRED,
        ),
        CodeStatus,
    ),
    **dict.fromkeys(
        (
            EventKind.ORDER_OPENED,
            EventKind.ORDER_REPORTED,
            EventKind.ORDER_CLAIMED,
            EventKind.ORDER_VOIDED,
            EventKind.ORDER_RECORDED,
            EventKind.RECEIPT_CLAIMED,
            EventKind.LINES_RETURNED,
            EventKind.ORDER_CONFIRMED,
            EventKind.ORDER_UNCONFIRMED,
        ),
        TransactionStatus,
    ),
}
"""Kinds of events whose states are statuses; those of others are numbers of versions."""


class EventServicer:
    """Serves loyalty.v1.EventService."""

    async def ListEvents(self, request: pb.ListEventsRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        feed = Feed(
            key=call.key,
            method=call.method,
            types=request.types,
            loyalty_id=request.loyalty_id,
            token=request.page_token,
            token_field="page_token",  # noqa: S106 - the name of a field.
            from_now=request.from_now,
        )
        async with call.read() as reader:
            page, token = await list_events(reader, feed, request.page_size)
        return pb.ListEventsResponse(
            events=map(event_told, page.events),
            next_page_token=token,
            has_more=page.more,
            has_gap=page.lost,
        ).SerializeToString()

    async def WatchEvents(  # noqa: N802
        self, request: pb.WatchEventsRequest, stream: Stream
    ) -> None:
        """See the contract."""
        key, storage = stream.key, stream.storage
        feed = Feed(
            key=key,
            method=stream.method,
            types=request.types,
            loyalty_id=request.loyalty_id,
            token=request.resume_token,
            token_field="resume_token",  # noqa: S106 - the name of a field.
            from_now=request.from_now,
        )
        async with storage.read(key.key_id) as reader:
            wanted, position = await begin_feed(reader, feed)
            token = reader.feed_token(key.program_id, position)
        await stream.send(pb.WatchEventsResponse(resume_token=token))
        while not stream.over:
            # Before the look: what comes after it is told of by the next one.
            count = storage.feed.count
            page, token = await _look(stream, wanted, position)
            if page.events or page.lost or stream.silent:
                await stream.send(
                    pb.WatchEventsResponse(
                        events=map(event_told, page.events), resume_token=token, has_gap=page.lost
                    )
                )
            position = page.position
            if not page.more and not stream.over:
                await stream.events_after(count)


async def _look(stream: Stream, wanted: Wanted, position: FeedPosition) -> tuple[EventPage, str]:
    """Read what comes next, and make sure that it lasts before it is told."""
    async with stream.storage.read(stream.key.key_id) as reader:
        page = await read_feed(reader, wanted, position, STREAM_PAGE)
        token = reader.feed_token(stream.key.program_id, page.position)
    await stream.storage.confirm(caller=stream.key.key_id)
    return page, token


def event_told(event: RecordedEvent) -> pb.Event:
    """Render an event as a CloudEvent."""
    return pb.Event(
        specversion="1.0",
        id=event_name(event),
        source=f"/programs/{event.program_id}",
        type=type_of(event.kind),
        subject=event.subject or event.loyalty_id,
        time=timestamp(event.effective_ms),
        data=pb.EventData(
            loyalty_id=event.loyalty_id,
            record_time=timestamp(event.recorded_ms),
            actor=pb.EventActor(
                kind=int(event.by.kind),  # type: ignore[arg-type]
                name=event.by.name or None,
                method=event.by.method or None,
                request_id=event.by.request_id or None,
            ),
            before=_state(event.kind, event.before),
            after=_state(event.kind, event.after),
            available=_balance(event.available),
            held=_balance(event.held),
            debt=_balance(event.debt),
            reason=event.reason or None,
            detail=_detail(event.detail),
        ),
    )


def event_name(event: RecordedEvent) -> str:
    """Name an event: the same everywhere, and without its number. The unit's is nobody's guess."""
    digest = hashlib.blake2b(f"{event.unit}/{event.event_id}".encode(), digest_size=_ID_BYTES)
    return f"ev_{digest.hexdigest()}"


def _state(kind: EventKind, number: int | None) -> str | None:
    if number is None:
        return None
    statuses = _STATUSES.get(kind)
    return str(number) if statuses is None else statuses(number).name


def _balance(balance: Balance | None) -> pb.EventBalance | None:
    if balance is None:
        return None
    return pb.EventBalance(points=balance.points, sequence=balance.sequence)


def _detail(text: str) -> Value | None:
    if not text:
        return None
    found = Value()
    content: Any = json.loads(text)
    if isinstance(content, dict):
        found.struct_value.update(content)
    elif isinstance(content, list):
        found.list_value.extend(content)
    else:
        found.string_value = str(content)
    return found
