"""Webhooks: each event arrives at least once, those of a member in order, whatever receivers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any, cast

import pytest

from loyalty_service.application.operators.adjust_points import AdjustPoints, adjust_points
from loyalty_service.application.operators.webhooks import (
    AddWebhook,
    ChangeWebhook,
    ReplayDeliveries,
    TooManyWebhooksError,
    WebhookUnknownError,
    add_webhook,
    enable_webhook,
    remove_webhook,
    replay_deliveries,
    rotate_webhook,
)
from loyalty_service.application.perform import Run, UseCase, perform
from loyalty_service.domain.events import FeedPosition
from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.webhooks import DeliveryStatus, Webhook, shown_secret
from loyalty_service.storage.databases import Database
from loyalty_service.storage.repositories.seal import SealError
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools.reseal import reseal
from loyalty_service.webhooks import courier as couriers
from loyalty_service.webhooks.http_post import Poster, new_poster
from loyalty_service.webhooks.postroom import deliver_forever
from tests.support.ledger import audit, execute, rows
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.receiver import HANGS, Message, Receiver
from tests.support.stores import PEPPER, demo_store

WAIT_S = 20.0
WAITS_S = (0.1, 0.1, 0.1)
WAITING, DELIVERED, DEAD = DeliveryStatus.WAITING, DeliveryStatus.DELIVERED, DeliveryStatus.DEAD


async def run(store: Store, use_case: UseCase[Any], command: Any) -> Any:
    """Run a use case as an operator's command does."""
    answer = await store.write(lambda unit, now: perform(unit, now, Run(use_case, command)))
    return answer.result


async def give(store: Store, guest: str, points: int) -> None:
    """Give a member points, as an operator does."""
    await run(
        store, adjust_points, AdjustPoints(PROGRAM_ID, guest, points, "gift", beyond_limits=True)
    )


async def added(store: Store, url: str, *types: str) -> Webhook:
    """Add a webhook that is told of all that happened."""
    webhook: Webhook = await run(
        store, add_webhook, AddWebhook(PROGRAM_ID, url, types, FeedPosition())
    )
    return webhook


@asynccontextmanager
async def delivering(store: Store, timeout_s: float = 5.0) -> AsyncIterator[None]:
    """Deliver to the webhooks of a store, with short waits."""
    poster = new_poster(timeout_s, allow_private=True)
    task = asyncio.create_task(deliver_forever(store, poster, waits_s=WAITS_S))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def left(store: Store, webhook: Webhook) -> list[tuple[DeliveryStatus, int, int | None]]:
    """Tell what became of messages that did not arrive at once."""
    async with store.read() as reader:
        found = await reader.deliveries(webhook.webhook_id, (WAITING, DELIVERED, DEAD), 1000)
    return [(one.status, one.attempts, one.answered) for one in found]


async def settled(store: Store, webhook: Webhook, enough: Callable[[list[Any]], bool]) -> list[Any]:
    """Wait until what is kept of messages is enough."""
    async with asyncio.timeout(WAIT_S):
        while not enough(found := await left(store, webhook)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return found


def types(messages: list[Message]) -> list[str]:
    """Give the types of the events that messages tell of."""
    return [message.event["type"].removeprefix("loyalty.") for message in messages]


def points_of(messages: list[Message], member: str) -> list[int]:
    """Give the balances of a member, in the order in which they came first."""
    first = {message.name: message.event for message in reversed(messages)}
    names = list(dict.fromkeys(message.name for message in messages))
    return [
        first[name]["data"]["available"]["points"]
        for name in names
        if first[name]["data"].get("loyaltyId") == member
        and first[name]["type"] == "loyalty.points.adjusted"
    ]


async def test_events_arrive_signed_and_in_order(database_url: str) -> None:
    """Each event comes once, as a CloudEvent, with the headers of Standard Webhooks."""
    async with demo_store(database_url) as store, Receiver() as receiver:
        webhook = await added(store, receiver.url)
        guest = await enroll(store, 5)
        async with delivering(store):
            await give(store, guest, 6)
            await receiver.wait_for(
                lambda taken: types(list(taken)).count("points.adjusted") == 2, WAIT_S
            )

    about = [message for message in receiver.taken if "loyaltyId" in message.event["data"]]
    assert types(about) == ["member.enrolled", "points.adjusted", "points.adjusted"]
    others = [message for message in receiver.taken if message not in about]
    assert types(others) == ["program.applied", "webhook.added"]
    assert points_of(receiver.taken, guest) == [5, 11]
    secret = shown_secret(webhook.secret)
    assert all(message.is_signed(secret) for message in receiver.taken)
    assert not receiver.taken[0].is_signed(shown_secret(b"another"))
    assert {message.headers["content-type"] for message in receiver.taken} == {
        "application/cloudevents+json; charset=utf-8"
    }
    assert receiver.taken[0].event["id"] == receiver.taken[0].name


async def test_only_wanted_types_are_sent(database_url: str) -> None:
    """A webhook hears of its types, from now on unless told otherwise."""
    async with demo_store(database_url) as store, Receiver() as receiver:
        await added(store, receiver.url, "loyalty.points.adjusted")
        guest = await enroll(store, 5)
        async with delivering(store):
            await give(store, guest, 6)
            await receiver.wait_for(lambda taken: len(taken) == 2, WAIT_S)
    assert types(receiver.taken) == ["points.adjusted", "points.adjusted"]


async def test_message_that_fails_comes_again_and_holds_up_its_member_alone(
    database_url: str,
) -> None:
    """What was refused comes again before what followed it of its member; others go on."""
    refused: list[str] = []

    def answer(message: Message) -> int:
        about = message.event["data"].get("loyaltyId")
        if about == stubborn and len(refused) < 2:
            refused.append(message.name)
            return 500
        return 200

    async with demo_store(database_url) as store, Receiver(answer) as receiver:
        webhook = await added(store, receiver.url, "loyalty.points.adjusted")
        stubborn, easy = await enroll(store, 1), await enroll(store, 10)
        for points in (2, 3):
            await give(store, stubborn, points)
            await give(store, easy, points)
        async with delivering(store):
            await receiver.wait_for(lambda taken: len(taken) == 6, WAIT_S)
            found = await settled(store, webhook, lambda one: all(d[0] is DELIVERED for d in one))

    assert points_of(receiver.taken, stubborn) == [1, 3, 6]
    assert points_of(receiver.taken, easy) == [10, 12, 15]
    assert refused[0] == refused[1]
    assert len(receiver.taken) == 6
    assert found


async def test_message_that_never_arrives_is_given_up_and_can_be_sent_again(
    database_url: str,
) -> None:
    """After the last wait it is dead, what follows goes on, and a replay sends it at last."""
    refuses = True

    def answer(message: Message) -> int:
        return 503 if refuses and message.event["data"]["available"]["points"] == 1 else 200

    async with demo_store(database_url) as store, Receiver(answer) as receiver:
        webhook = await added(store, receiver.url, "loyalty.points.adjusted")
        guest = await enroll(store, 1)
        await give(store, guest, 2)
        async with delivering(store):
            await receiver.wait_for(lambda taken: len(taken) == 1, WAIT_S)
            dead = await settled(store, webhook, lambda one: one[:1] and one[0][0] is DEAD)
            refuses = False
            count = await run(store, replay_deliveries, ReplayDeliveries(webhook.webhook_id))
            await receiver.wait_for(lambda taken: len(taken) == 2, WAIT_S)

    assert dead[0] == (DEAD, len(WAITS_S) + 1, 503)
    assert count == 1
    assert points_of(receiver.taken, guest) == [3, 1]


async def test_message_whose_event_was_pruned_is_given_up(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be told any more keeps nobody waiting, however much of it there is."""
    monkeypatch.setattr(couriers, "WAITING_MAX", 2)
    monkeypatch.setattr(couriers, "PAGE", 2)
    down = True
    async with (
        demo_store(database_url) as store,
        Receiver(lambda _message: 500 if down else 200) as receiver,
    ):
        webhook = await added(store, receiver.url, "loyalty.points.adjusted")
        guest = await enroll(store, 1)
        for _ in range(2):
            await give(store, guest, 1)
        poster = new_poster(5.0, allow_private=True)
        task = asyncio.create_task(deliver_forever(store, poster, waits_s=(0.1,) * 1000))
        try:
            await settled(store, webhook, lambda one: len(one) == 2 and one[0][1] > 0)
            pruned = "DELETE FROM event WHERE event_id IN (SELECT event_id FROM webhook_delivery)"
            await asyncio.to_thread(execute, database_url, pruned)
            await settled(store, webhook, lambda one: [d[0] for d in one[:2]] == [DEAD, DEAD])
            down = False
            await receiver.wait_for(lambda taken: points_of(list(taken), guest) == [3], WAIT_S)
        finally:
            task.cancel()
            await asyncio.wait((task,))


async def test_receiver_that_hangs_holds_up_no_other(database_url: str) -> None:
    """While one never answers, another is told of everything at once."""
    async with (
        demo_store(database_url) as store,
        Receiver(lambda _message: HANGS) as hanging,
        Receiver() as well,
    ):
        await added(store, hanging.url)
        await added(store, well.url)
        guest = await enroll(store, 1)
        async with delivering(store, timeout_s=30.0):
            await hanging.wait_for_any(1, WAIT_S)
            await give(store, guest, 2)
            await well.wait_for(lambda taken: points_of(list(taken), guest) == [1, 3], WAIT_S)
    assert hanging.taken == []


async def test_receiver_that_is_down_is_told_all_when_it_is_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits is bounded: the feed keeps the rest, and nothing is missing or out of order."""
    monkeypatch.setattr(couriers, "WAITING_MAX", 5)
    monkeypatch.setattr(couriers, "PAGE", 3)
    down = True
    async with (
        demo_store(database_url) as store,
        Receiver(lambda _message: 500 if down else 200) as receiver,
    ):
        webhook = await added(store, receiver.url, "loyalty.points.adjusted")
        guest = await enroll(store, 1)
        for _ in range(19):
            await give(store, guest, 1)
        poster = new_poster(5.0, allow_private=True)
        task = asyncio.create_task(deliver_forever(store, poster, waits_s=(0.1,) * 1000))
        try:
            await receiver.wait_for_any(10, WAIT_S)
            waiting = await left(store, webhook)
            down = False
            await receiver.wait_for(lambda taken: len(taken) >= 20, WAIT_S)
        finally:
            task.cancel()
            await asyncio.wait((task,))
    assert 0 < len(waiting) <= 5 + 3
    assert points_of(receiver.taken, guest) == list(range(1, 21))


async def test_receiver_that_is_gone_is_switched_off(database_url: str) -> None:
    """410 ends it; switched on again, it is told what it has missed."""
    gone = True
    async with (
        demo_store(database_url) as store,
        Receiver(lambda _message: 410 if gone else 200) as receiver,
    ):
        webhook = await added(store, receiver.url, "loyalty.points.adjusted")
        guest = await enroll(store, 1)
        async with delivering(store):
            async with asyncio.timeout(WAIT_S):
                while True:
                    async with store.read() as reader:
                        (listed,) = await reader.webhooks()
                    if listed.disabled_ms is not None:
                        break
                    await asyncio.sleep(0.02)
            await give(store, guest, 2)
            gone = False
            await run(store, enable_webhook, ChangeWebhook(webhook.webhook_id))
            await receiver.wait_for(lambda taken: len(taken) == 2, WAIT_S)
    assert listed.disabled_reason == "it answered 410"
    assert points_of(receiver.taken, guest) == [1, 3]
    assert len(receiver.came) == 3


async def test_both_secrets_sign_for_a_day(database_url: str) -> None:
    """After a rotation messages have two signatures, until the old secret's time is over."""
    async with demo_store(database_url) as store, Receiver() as receiver:
        webhook = await added(store, receiver.url, "loyalty.points.adjusted")
        old = shown_secret(webhook.secret)
        rotated = await run(store, rotate_webhook, ChangeWebhook(webhook.webhook_id))
        new = shown_secret(rotated.secret)
        await enroll(store, 1)
        async with delivering(store):
            await receiver.wait_for(lambda taken: len(taken) == 1, WAIT_S)
        async with store.read() as reader:
            kept = await reader.webhook(webhook.webhook_id)
    (message,) = receiver.taken
    assert message.is_signed(old)
    assert message.is_signed(new)
    assert kept is not None
    assert kept.old_until_ms is not None
    assert kept.secrets_at(kept.old_until_ms) == (kept.secret,)
    assert old != new


async def test_secrets_are_sealed(database_url: str) -> None:
    """The tables hold no secret, another pepper opens none, and resealing moves to the new one."""
    new = b"another pepper of thirty-two byte"
    async with demo_store(database_url) as store:
        webhook = await added(store, "https://shop.example/hook")
        secret = webhook.secret
    ((kept,),) = rows(database_url, "SELECT secret FROM webhook")
    database = Database.from_text(database_url)
    assert secret not in bytes(kept)
    async with Store(database, new) as store, store.read() as reader:
        with pytest.raises(SealError):
            await reader.webhook(webhook.webhook_id)
    reseal(database, Peppers(new, (PEPPER,)))
    async with Store(database, new) as store, store.read() as reader:
        found = await reader.webhook(webhook.webhook_id)
    assert found is not None
    assert found.secret == secret


async def test_removed_webhook_hears_nothing_more(database_url: str) -> None:
    """It is listed no more, its secret is gone, and nobody can change it."""
    async with demo_store(database_url) as store, Receiver() as receiver:
        webhook = await added(store, receiver.url)
        await run(store, remove_webhook, ChangeWebhook(webhook.webhook_id))
        with pytest.raises(WebhookUnknownError):
            await run(store, rotate_webhook, ChangeWebhook(webhook.webhook_id))
        async with store.read() as reader:
            assert list(await reader.webhooks()) == []
    ((secret, old),) = rows(database_url, "SELECT secret, old_secret FROM webhook")
    assert (bytes(secret), old) == (b"", None)
    assert receiver.came == []
    audit(database_url)


async def test_program_has_few_webhooks(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than may be is refused."""
    monkeypatch.setattr("loyalty_service.application.operators.webhooks.WEBHOOKS_MAX", 2)
    async with demo_store(database_url) as store:
        for _ in range(2):
            await added(store, "https://shop.example/hook")
        with pytest.raises(TooManyWebhooksError):
            await added(store, "https://shop.example/hook")


async def test_one_of_two_servers_delivers(database_url: str) -> None:
    """While one does, the other sends nothing; when it ends, the other goes on at once."""
    database = Database.from_text(database_url)
    async with demo_store(database_url) as first, Receiver() as receiver, AsyncExitStack() as stack:
        other = first
        if not database.embedded:
            other = await stack.enter_async_context(Store(database, PEPPER))
        await added(first, receiver.url, "loyalty.points.adjusted")
        guest = await enroll(first, 1)
        async with delivering(other):
            async with delivering(first):
                await receiver.wait_for(lambda taken: len(taken) == 1, WAIT_S)
                for _ in range(9):
                    await give(first, guest, 1)
                await receiver.wait_for(lambda taken: len(taken) == 10, WAIT_S)
            await give(first, guest, 1)
            # Of what was on its way when the first one ended, some may come twice.
            await receiver.wait_for(lambda taken: len({one.name for one in taken}) == 11, WAIT_S)
    assert points_of(receiver.came, guest) == list(range(1, 12))


async def test_messages_on_their_way_are_settled_before_a_server_ends(
    database_url: str,
) -> None:
    """A courier that is told to end while a receiver answers learns that the message arrived."""
    async with demo_store(database_url) as store:
        poster = _SlowPoster()
        webhook = await added(store, "https://shop.example/hook", "loyalty.points.adjusted")
        guest = await enroll(store, 1)
        delivering_it = asyncio.create_task(
            deliver_forever(store, cast("Poster", poster), waits_s=WAITS_S)
        )
        await poster.asked.wait()
        delivering_it.cancel()
        for _ in range(100):
            await asyncio.sleep(0)  # Whoever is told to end has heard it.
        poster.answers.set()
        with suppress(asyncio.CancelledError):
            await delivering_it
        async with store.read() as reader:
            found = await reader.webhook(webhook.webhook_id)
            assert found is not None
            page = await reader.events(FeedPosition.from_bytes(found.position), 10, found.wanted)
    assert (page.events, guest in poster.body.decode()) == ((), True)


class _SlowPoster:
    """Posts nowhere, and tells that a message was taken only when it is let."""

    timeout_s = 10.0

    def __init__(self) -> None:
        self.asked, self.answers = asyncio.Event(), asyncio.Event()
        self.body = b""

    async def post(self, url: str, headers: Any, body: bytes) -> int:
        """See `Poster`."""
        del url, headers
        self.body = body
        self.asked.set()
        await self.answers.wait()
        return 204
