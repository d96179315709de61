"""Every call that writes: how to get ready for it, and two requests that differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from loyalty.v1 import order_pb2
from loyalty_service.transport.rpcs import RPCS
from tests.book.pages import WRITING, missing_pages
from tests.support.server import Caller, new_order
from tests.support.transactions import COFFEE, details, line, reward_line

Requests = tuple[Message, Message]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where calls are made ready: somebody who may call anything, and members with points."""

    admin: Caller
    members: Iterator[str]
    incentive_id: str = COFFEE

    async def guest(self) -> str:
        """Give the next member."""
        return next(self.members)

    async def ask(self, name: str, request: Message) -> Any:
        """Make a call that must succeed."""
        unary = self.admin.channel.unary_unary(
            f"/loyalty.v1.{name}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=RPCS[name].answer_class.FromString,
        )
        return await self.admin.call(unary, request)

    def order(self, *, another: bool = False) -> order_pb2.TransactionDetails:
        """Give an order with a reward, or another one without."""
        order = details(line(6)) if another else details(reward_line(), line(5))
        order.pos_vendor.transaction_id = new_order()
        return order


@dataclass(frozen=True, slots=True)
class Writing:
    """A call that writes: how to get ready for it, and two requests that differ."""

    method: str
    name: str

    async def prepare(self, desk: Desk) -> Requests:
        """Do what the call needs; return its request and another one."""
        page = WRITING[self.name]
        assert page.other is not None
        first = await page.good(desk)
        return first, await page.other(desk, first)


CALLS = {name: Writing(page.rpc, name) for name, page in WRITING.items()}


def unlisted_calls() -> set[str]:
    """Name what the request book lacks."""
    return set(missing_pages())
