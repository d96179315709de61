"""How a command runs: in an event loop, until it is done or until a signal ends it."""

from __future__ import annotations

import asyncio
import getpass
import os
import signal
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import uvloop

from loyalty_service.bootstrap import database_of, open_existing_store
from loyalty_service.cli.settings import read_settings
from loyalty_service.domain.events import Actor, ActorKind
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.peppers import require_known
from loyalty_service.storage.store import Store

T = TypeVar("T")


def run(start: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's coroutine to its end."""
    return uvloop.run(start())


async def with_store(use: Callable[[Store], Coroutine[Any, Any, T]]) -> T:
    """Use the store that is there: a typing error in a setting must not make another one."""
    async with open_existing_store(read_settings()) as store:
        await store.compare_clock()
        return await use(store)


def with_pepper(use: Callable[[Store], Coroutine[Any, Any, None]]) -> None:
    """Run a command that needs the servers' code pepper, by which secrets are kept."""

    async def checked(store: Store) -> None:
        settings = read_settings()
        if (peppers := settings.known_peppers()) is None:
            raise OperatorError(
                "What is secret is kept by the code pepper: set LOYALTY_CODE_PEPPER to the "
                "servers'."
            )
        require_known(database_of(settings), peppers)
        await use(store)

    run(partial(with_store, checked))


def operator(command: str) -> Actor:
    """Name who runs a command, as far as the machine knows."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # A container may run as a user without a name.
        name = str(os.getuid())
    return Actor(ActorKind.OPERATOR, name, command)


async def until_signal(work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Run something that ends by itself soon after the first SIGINT or SIGTERM."""
    stop = asyncio.Event()
    stop_at_signal(stop)
    await work(stop)


def stop_at_signal(stop: asyncio.Event) -> None:
    """Set an event at SIGINT and SIGTERM, which end nothing by themselves then."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
