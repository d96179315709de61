"""
A call's answer, which must leave the server soon.

An answer waits in gRPC for as long as the peer takes none, for ever if it likes, and all that
while its call holds a place. gRPC's library for asyncio gives handlers no way to end such a call:
the answer is sent after the handler has returned, by a task that nobody is given. That task is
found here by the name of its coroutine; once it is gone, the library lets go of the call, and the
core resets it.
"""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from collections.abc import Callable, Coroutine, Generator
from contextvars import ContextVar
from functools import partial
from typing import Any, cast

KEYLESS_SEND_S = 0.5
"""Time in which what is said to somebody without a key must leave: it is a few bytes."""

SEND_S = 10.0
"""Time in which the answer to a caller with a key must leave."""

_CALL = "_schedule_rpc_coro"
"""What gRPC calls the coroutine that lasts as long as a call."""

_Reference = Callable[[], asyncio.Task[Any] | None]

_whole: ContextVar[_Reference] = ContextVar("whole", default=lambda: None)
"""Refers to a call's task weakly: a call that is over must go at once, with its memory."""


def know_calls(loop: asyncio.AbstractEventLoop) -> None:
    """Have calls that arrive in a loop know the task that lasts as long as they do."""
    if loop.get_task_factory() is None:
        loop.set_task_factory(_make)


def _make(
    loop: asyncio.AbstractEventLoop,
    coroutine: Coroutine[Any, Any, Any] | Generator[Any, None, Any],
    *,
    context: contextvars.Context | None = None,
) -> asyncio.Task[Any]:
    if getattr(coroutine, "__name__", "") != _CALL:
        return asyncio.Task(coroutine, loop=loop, context=context)
    context = contextvars.copy_context() if context is None else context
    task = asyncio.Task(coroutine, loop=loop, context=context)
    context.run(_whole.set, weakref.ref(task))
    return task


def end_within(seconds: float) -> asyncio.TimerHandle:
    """
    End the call that runs, however little of its answer was taken, unless it ends by itself.

    The caller sees its call reset. May be called more than once: the shortest time counts. Returns
    what lets the call go on if it is cancelled.
    """
    timer = asyncio.get_running_loop().call_later(seconds, ending())
    # Not by gRPC's own callbacks: those keep the call alive that is to be let go of.
    _task().add_done_callback(lambda _: timer.cancel())
    return timer


def ending() -> Callable[[], None]:
    """
    Give what ends the call that runs, at once, whoever calls it.

    The caller sees its call reset.
    """
    return partial(_cut, weakref.ref(_task()), _whole.get())


def _task() -> asyncio.Task[Any]:
    """Give the handler's own task, which sends the answer as well."""
    return cast("asyncio.Task[Any]", asyncio.current_task())


def _cut(handler: _Reference, whole: _Reference) -> None:
    task = handler()
    if task is None:
        return
    loop = task.get_loop()
    # The call's task last, and not while it is told that the handler has ended: where the core is
    # done with the call it ends by itself then, and gRPC would print that it was cancelled.
    task.add_done_callback(lambda _: loop.call_soon(_cancel, whole))
    task.cancel()


def _cancel(reference: _Reference) -> None:
    task = reference()
    if task is not None:
        task.cancel()
