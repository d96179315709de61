"""A call's message, which must follow the call's headers soon."""

from __future__ import annotations

import asyncio
from typing import Any

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
