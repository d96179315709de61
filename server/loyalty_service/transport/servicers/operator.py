"""OperatorService: what operators and help desks ask, beside members and orders."""

from __future__ import annotations

import asyncio
import json

from loyalty.v1 import operator_service_pb2 as pb
from loyalty_service.application.operators.look import (
    WatchedWebhook,
    liability_of,
    program_as_of,
    versions_of,
    waits_of,
    webhooks_of,
)
from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.events import RecordedEvent
from loyalty_service.domain.feed import type_of
from loyalty_service.domain.guessing import ScopeKind, Wait
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Program
from loyalty_service.domain.webhooks import Delivery, DeliveryStatus
from loyalty_service.program_file.writing import program_text
from loyalty_service.transport.call import Call
from loyalty_service.transport.servicers.event import event_name
from loyalty_service.transport.servicers.timestamps import timestamp

MESSAGES_DEFAULT = 20
MESSAGES_MAX = 100
"""Messages of a webhook that are told."""

FILES_MAX = 16
"""Program files that are kept: a version never changes."""


class OperatorServicer:
    """Serves loyalty.v1.OperatorService."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, int], str] = {}

    async def GetProgram(self, request: pb.GetProgramRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        program, version = call.program, request.version
        if request.HasField("version"):
            async with call.read() as reader:
                program = await program_as_of(reader, program, version)
        else:
            version = call.storage.catalog.versions.get(program.program_id, 0)
        return pb.GetProgramResponse(
            version=version,
            program_file=await self._file(program, version),
            program_id=program.program_id,
            time_zone=program.time_zone,
            caller=_caller(call.key),
        ).SerializeToString()

    async def _file(self, program: Program, version: int) -> str:
        """Write a version as a program file; tills would wait for it on the loop."""
        named = (program.program_id, version)
        if (written := self._files.get(named)) is None:
            written = await asyncio.to_thread(program_text, program)
            if len(self._files) >= FILES_MAX:
                self._files.clear()
            self._files[named] = written
        return written

    async def ListProgramVersions(  # noqa: N802
        self, request: pb.ListProgramVersionsRequest, call: Call
    ) -> bytes:
        """See the contract."""
        async with call.read() as reader:
            page = await versions_of(
                reader, call.key.program_id, request.page_size, request.page_token
            )
        return pb.ListProgramVersionsResponse(
            versions=[
                pb.ListProgramVersionsResponse.Version(
                    version=one.version,
                    apply_time=timestamp(one.applied_ms),
                    applied_by=one.applied_by or None,
                    reason=one.reason or None,
                )
                for one in page.versions
            ],
            next_page_token=page.next_page_token,
        ).SerializeToString()

    async def ListCodeWaits(  # noqa: N802
        self, request: pb.ListCodeWaitsRequest, call: Call
    ) -> bytes:
        """See the contract."""
        store_id = request.store_id if request.HasField("store_id") else None
        async with call.read() as reader:
            found = await waits_of(reader, call.key, store_id, now_ms())
        return pb.ListCodeWaitsResponse(waits=map(_wait, found)).SerializeToString()

    async def GetLiability(self, request: pb.GetLiabilityRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        async with call.read() as reader:
            owed, going = await liability_of(reader, call.program, request.months, now_ms())
        return pb.GetLiabilityResponse(
            as_of_time=timestamp(owed.as_of_ms),
            available_points=owed.available,
            held_points=owed.held,
            owed_points=owed.debt,
            members=owed.members,
            months=[
                pb.GetLiabilityResponse.Month(month=one.month, points=one.points) for one in going
            ],
        ).SerializeToString()

    async def ListWebhooks(self, request: pb.ListWebhooksRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        most = min(request.max_messages or MESSAGES_DEFAULT, MESSAGES_MAX)
        async with call.read() as reader:
            found = await webhooks_of(reader, call.key.program_id, most)
        return pb.ListWebhooksResponse(webhooks=map(_webhook, found)).SerializeToString()


def _webhook(watched: WatchedWebhook) -> pb.ListWebhooksResponse.Webhook:
    webhook = watched.webhook
    off_ms = webhook.disabled_ms
    return pb.ListWebhooksResponse.Webhook(
        webhook_id=webhook.webhook_id,
        url=webhook.url,
        types=json.loads(webhook.types),
        create_time=timestamp(webhook.created_ms),
        disable_time=None if off_ms is None else timestamp(off_ms),
        disable_reason=webhook.disabled_reason,
        waiting=watched.waiting,
        dead=watched.dead,
        messages=[_message(delivery, event) for delivery, event in watched.told],
    )


def _message(delivery: Delivery, event: RecordedEvent | None) -> pb.ListWebhooksResponse.Message:
    dead = delivery.status is DeliveryStatus.DEAD
    return pb.ListWebhooksResponse.Message(
        message_id=None if event is None else event_name(event),
        dead=dead,
        attempts=delivery.attempts,
        begin_time=timestamp(delivery.begun_ms),
        next_time=None if dead else timestamp(delivery.next_ms),
        http_status=delivery.answered,
        problem=delivery.problem,
        type=None if event is None else type_of(event.kind),
    )


def _caller(key: ApiKey) -> pb.GetProgramResponse.Caller:
    return pb.GetProgramResponse.Caller(
        key_id=key.key_id, partner=key.partner, role=f"ROLE_{key.role.name}"
    )


def _wait(wait: Wait) -> pb.ListCodeWaitsResponse.Wait:
    scope = wait.scope
    return pb.ListCodeWaitsResponse.Wait(
        key_id=scope.key_id or None,
        store_id=scope.store_id,
        terminal=(scope.terminal or "") if scope.kind is ScopeKind.TERMINAL else None,
        wrong_codes=wait.tally.failed,
        right_codes=wait.tally.matched,
        end_time=timestamp(wait.until_ms),
    )
