"""An admin sees webhooks, and the messages of each that did not arrive, without a secret."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from loyalty.v1 import operator_service_pb2 as pb
from loyalty.v1 import operator_service_pb2_grpc
from loyalty_service.application.operators.apply_program import ApplyProgram, apply_program
from loyalty_service.application.operators.webhooks import (
    AddWebhook,
    ChangeWebhook,
    add_webhook,
    remove_webhook,
)
from loyalty_service.application.perform import Run, perform
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import FeedPosition, event_id_of
from loyalty_service.domain.webhooks import Delivery, DeliveryStatus, Webhook, shown_secret
from tests.support.programs import other_program
from tests.support.server import PROGRAM_ID, Server

URL = "https://shop.example/hook"


@asynccontextmanager
async def added(server: Server, program_id: str = PROGRAM_ID) -> AsyncIterator[Webhook]:
    """Add a webhook, as the command does; others that use the server find none afterwards."""
    command = AddWebhook(program_id, URL, ("loyalty.order.claimed",), FeedPosition())
    done = await server.store.write(partial(perform, run=Run(add_webhook, command)))
    webhook: Webhook = done.result
    try:
        yield webhook
    finally:
        end = Run(remove_webhook, ChangeWebhook(webhook.webhook_id))
        await server.store.write(partial(perform, run=end))


def delivery(webhook: Webhook, number: int, status: DeliveryStatus) -> Delivery:
    """Describe a message of an event of the first lane that did not arrive at once."""
    return Delivery(
        webhook.webhook_id, event_id_of(0, number), None, status, number, 3, 1000, 2000, 503
    )


async def ask(server: Server, most: int = 0) -> pb.ListWebhooksResponse:
    """List the webhooks."""
    stub = operator_service_pb2_grpc.OperatorServiceStub(server.admin.channel)  # type: ignore[no-untyped-call]
    request = pb.ListWebhooksRequest(max_messages=most)
    answer: pb.ListWebhooksResponse = await server.admin.call(stub.ListWebhooks, request)
    return answer


async def test_webhooks_are_listed_with_what_did_not_arrive(server: Server) -> None:
    """What was given up comes first; a message whose event is gone has no name."""
    async with added(server) as webhook:
        statuses = (DeliveryStatus.WAITING, DeliveryStatus.DELIVERED, DeliveryStatus.DEAD)

        def keep(unit: Unit, _now: int) -> None:
            for number, status in enumerate(statuses, 1):
                unit.add(delivery(webhook, number, status))
            unit.add(delivery(webhook, 999_999, DeliveryStatus.DEAD))

        await server.store.write(keep)
        answer = await ask(server)
        (told,) = (one for one in answer.webhooks if one.webhook_id == webhook.webhook_id)
        assert (told.url, list(told.types)) == (URL, ["loyalty.order.claimed"])
        assert (told.waiting, told.dead) == (1, 2)
        assert [one.dead for one in told.messages] == [True, True, False]
        assert [one.HasField("next_time") for one in told.messages] == [False, False, True]
        assert [one.HasField("message_id") for one in told.messages] == [True, False, True]
        assert told.messages[0].message_id.startswith("ev_")
        assert told.messages[0].type.startswith("loyalty.")
        assert {(one.attempts, one.http_status) for one in told.messages} == {(3, 503)}
        assert not told.HasField("disable_time")
        assert shown_secret(webhook.secret).encode() not in answer.SerializeToString()
        assert webhook.secret not in answer.SerializeToString()
        (few,) = (
            one for one in (await ask(server, 1)).webhooks if one.webhook_id == told.webhook_id
        )
        assert (few.dead, len(few.messages)) == (2, 1)


async def test_webhooks_of_another_program_are_not_told(server: Server) -> None:
    """Nor to an admin of this one."""
    command = ApplyProgram(other_program())
    await server.store.write(lambda unit, now: apply_program(unit, command, now))
    async with added(server, other_program().program_id) as foreign:
        assert foreign.webhook_id not in {one.webhook_id for one in (await ask(server)).webhooks}
