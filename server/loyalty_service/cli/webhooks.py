"""The commands about webhooks."""

from __future__ import annotations

import json
from functools import partial
from typing import Annotated, Any

import typer
from rich.box import SIMPLE
from rich.table import Table

from loyalty_service.application.operators.webhooks import (
    WEBHOOKS_MAX,
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
from loyalty_service.cli.running import operator, run, with_pepper, with_store
from loyalty_service.cli.settings import read_settings
from loyalty_service.cli.terminal import err, out, print_table
from loyalty_service.cli.texts import Why
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.events import FeedPosition
from loyalty_service.domain.feed import TYPES
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.webhooks import DeliveryStatus, Webhook, shown_secret, url_problem
from loyalty_service.storage.store import Store

SHOWN_MAX = 1000

webhooks = typer.Typer(help="Addresses that are told of events.", no_args_is_help=True)

WebhookId = Annotated[str, typer.Argument(help="Its name in `loyalty webhooks list`.")]


@webhooks.command("add")
def add_webhook_command(
    program_id: Annotated[str, typer.Argument(help="Program, for instance demo-ca.")],
    url: Annotated[str, typer.Argument(help="Where messages are sent, as https://...")],
    event_type: Annotated[
        list[str] | None,
        typer.Option("--type", help="Only events of this type; may be repeated."),
    ] = None,
    *,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Send all events that are kept, too.")
    ] = False,
    reason: Why = "",
) -> None:
    """Add a webhook and print the secret that its messages are signed with."""
    types = tuple(event_type or ())
    unknown = [name for name in types if name not in TYPES]
    if unknown:
        raise typer.BadParameter(f"is no type of events: {unknown[0]}", param_hint="--type")
    problem = url_problem(url, allow_private=read_settings().webhook_private_addresses)
    if problem is not None:
        raise typer.BadParameter(problem, param_hint="URL")

    async def add(store: Store) -> None:
        async with store.read() as reader:
            position = FeedPosition() if from_start else await reader.newest_events()
        command = AddWebhook(program_id, url, types, position, reason)
        try:
            made: Webhook = await _perform(store, add_webhook, command, "add")
        except TooManyWebhooksError:
            raise OperatorError(
                f"{program_id} has {WEBHOOKS_MAX} webhooks already: remove one first."
            ) from None
        err.print(f"Webhook {made.webhook_id}. Its secret, shown this once:")
        out.print(shown_secret(made.secret))

    with_pepper(add)


@webhooks.command("list")
def list_webhooks_command() -> None:
    """List the webhooks, without their secrets."""

    async def show(store: Store) -> None:
        table = Table("webhook", "program", "URL", "types", "state", "wait", "dead", box=SIMPLE)
        async with store.read() as reader:
            for one in await reader.webhooks():
                left = [
                    await reader.deliveries(one.webhook_id, (status,), SHOWN_MAX)
                    for status in (DeliveryStatus.WAITING, DeliveryStatus.DEAD)
                ]
                state = "on" if one.disabled_ms is None else f"off: {one.disabled_reason}"
                types = ", ".join(json.loads(one.types)) or "all"
                table.add_row(
                    one.webhook_id, one.program_id, one.url, types, state, *map(_count, left)
                )
        print_table(table, "There are no webhooks.")

    run(partial(with_store, show))


@webhooks.command("rotate")
def rotate_webhook_command(webhook_id: WebhookId, *, reason: Why = "") -> None:
    """Make another secret and print it; messages are signed with both for a day."""

    async def rotate(store: Store) -> None:
        made: Webhook = await _perform(
            store, rotate_webhook, ChangeWebhook(webhook_id, reason), "rotate"
        )
        err.print("For a day messages are signed with the old secret, too. The new one:")
        out.print(shown_secret(made.secret))

    with_pepper(rotate)


@webhooks.command("enable")
def enable_webhook_command(webhook_id: WebhookId, *, reason: Why = "") -> None:
    """Switch a webhook on again: it is sent all that it has missed."""

    async def enable(store: Store) -> None:
        await _perform(store, enable_webhook, ChangeWebhook(webhook_id, reason), "enable")
        out.print(f"Webhook {webhook_id} is on.")

    with_pepper(enable)


@webhooks.command("remove")
def remove_webhook_command(webhook_id: WebhookId, *, reason: Why = "") -> None:
    """Remove a webhook: nothing more is sent to it, and its secrets are gone."""

    async def remove(store: Store) -> None:
        await _perform(store, remove_webhook, ChangeWebhook(webhook_id, reason), "remove")
        out.print(f"Webhook {webhook_id} is removed.")

    with_pepper(remove)


@webhooks.command("deliveries")
def deliveries_command(
    webhook_id: WebhookId,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Those that arrived after a while, too.")
    ] = False,
) -> None:
    """List the messages of a webhook that wait or were given up, and why."""
    statuses = [DeliveryStatus.WAITING, DeliveryStatus.DEAD]
    if everything:
        statuses.append(DeliveryStatus.DELIVERED)

    async def show(store: Store) -> None:
        async with store.read() as reader:
            if webhook_id not in {one.webhook_id for one in await reader.webhooks()}:
                raise OperatorError(f"There is no webhook {webhook_id}.")
            found = await reader.deliveries(webhook_id, statuses, SHOWN_MAX)
        table = Table("state", "attempts", "since", "next", "answer", "problem", box=SIMPLE)
        for one in found:
            waits = one.status is DeliveryStatus.WAITING
            table.add_row(
                one.status.name.lower(),
                str(one.attempts),
                rfc3339(one.begun_ms)[:19],
                rfc3339(one.next_ms)[:19] if waits else "",
                "" if one.answered is None else str(one.answered),
                one.problem or "",
            )
        print_table(table, "No message waits, and none was given up.")

    run(partial(with_store, show))


@webhooks.command("replay")
def replay_command(webhook_id: WebhookId) -> None:
    """Send again what was given up, and at once what waits."""

    async def replay(store: Store) -> None:
        count: int = await _perform(
            store, replay_deliveries, ReplayDeliveries(webhook_id), "replay"
        )
        out.print(f"{count:,} messages are sent now.")

    with_pepper(replay)


async def _perform(store: Store, use_case: UseCase[Any], command: Any, name: str) -> Any:
    work = Run(use_case, command, by=operator(f"webhooks {name}"))
    try:
        return (await store.write(partial(perform, run=work))).result
    except WebhookUnknownError as problem:
        raise OperatorError(f"There is no webhook {problem}.") from None


def _count(found: Any) -> str:
    return f"{len(found):,}" if len(found) < SHOWN_MAX else f"{SHOWN_MAX:,} or more"
