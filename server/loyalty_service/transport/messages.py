"""
A call's message, which must follow its headers soon, and its answer, which must leave soon.

An answer waits in gRPC as long as the peer does not take it, without end if the peer wants, and its
call holds a place all that time. gRPC's library for asyncio gives handlers no way to end such a
call: the answer is sent after the handler has returned, by a task that no handler gets. That task
is found here by the name of its coroutine. When it is gone, the library drops the call, and gRPC's
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

import grpc

from loyalty_service.domain.errors import (
    FieldViolation,
    RequestInvalidError,
    RequestNotReceivedError,
)

MESSAGE_WAIT_S = 1.0
"""Libraries send headers and message together: who takes longer has none, or no network."""

Context = grpc.aio.ServicerContext[bytes, bytes]


async def receive(context: Context) -> bytes:
    """
    Wait for the message of a call that has one, and for no second one.

    Raises:
        RequestNotReceivedError: It did not come within MESSAGE_WAIT_S.
        RequestInvalidError: The caller ended the call without one.
    """
    data: bytes | None = await message_within(context, MESSAGE_WAIT_S)
    if data is None:
        raise RequestInvalidError((FieldViolation("", "must be a message: none was sent"),))
    return data


async def message_within(context: Any, seconds: float) -> Any:
    """
    Give the caller's next message, or nothing once it has sent its last.

    gRPC itself would wait for ever, and a call that waits holds a place.

    Raises:
        RequestNotReceivedError: It did not come in time.
    """
    try:
        async with asyncio.timeout(seconds):
            data = await context.read()
    except TimeoutError:
        raise RequestNotReceivedError from None
    return None if data is grpc.aio.EOF else data  # type: ignore[attr-defined]


KEYLESS_SEND_S = 0.5
"""Time in which what is said to somebody without a key must leave: it is a few bytes."""

SEND_S = 10.0
"""Time in which the answer to a caller with a key must leave."""

_CALL = "_schedule_rpc_coro"
"""What gRPC calls the coroutine that lasts as long as a call."""

_Reference = Callable[[], asyncio.Task[Any] | None]

_whole: ContextVar[_Reference | None] = ContextVar("whole", default=None)
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


def end_answer_within(seconds: float) -> None:
    """Do as `end_within` where the answer waits here; another transport takes it as a whole."""
    if _whole.get() is not None:
        end_within(seconds)


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


def _cut(handler: _Reference, whole: _Reference | None) -> None:
    task = handler()
    if task is None:
        return
    loop = task.get_loop()
    # The call's task last, and not while it is told that the handler has ended: where the core is
    # done with the call it ends by itself then, and gRPC would print that it was cancelled.
    task.add_done_callback(lambda _: loop.call_soon(_cancel, whole))
    task.cancel()


def _cancel(reference: _Reference | None) -> None:
    task = None if reference is None else reference()
    if task is not None:
        task.cancel()
