"""
What of an answer names a person, and how it is kept without.

Names, addresses and days of birth are kept in the row of a member alone. An answer is kept without
them, and whoever gets it again gets those that the member has by then: of one who was erased none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from loyalty_service.domain.records import Member
from loyalty_service.transport.rpcs import RPCS, Effect
from loyalty_service.transport.shortened import is_shortened

Find = Callable[[str], Awaitable[Member | None]]
"""Finds a member of the caller's program by loyalty ID."""

PERSONAL: Mapping[str, Mapping[str, str]] = {
    "loyalty.v1.Member": {
        "name": "name",
        "email": "email",
        "locale": "locale",
        "birth_date": "birth_date",
        "phone": "phone",
        "card": "card",
    },
    "loyalty.v1.LoyaltyUser": {"name": "name"},
}
"""By message the fields that name or describe a person, and what of a member each carries."""

_IDS = {"loyalty.v1.Member": "loyalty_id", "loyalty.v1.LoyaltyUser": "id"}

ADJUST = "adjust"
"""Under this name older versions kept what operators were told of an adjustment."""


def _places() -> Mapping[str, str]:
    """Tell by RPC, as it is kept, the field of its answer that names a person."""
    return {
        rpc.kept_as: field.name
        for rpc in RPCS.values()
        if rpc.effect is Effect.WRITES
        for field in rpc.method.output_type.fields
        if field.message_type is not None and field.message_type.full_name in PERSONAL
    }


PLACES: Mapping[str, str] = _places()
"""The answers that name a person, by the RPC as it is kept, and where they do."""

_ANSWERS = {rpc.kept_as: rpc.answer_class for rpc in RPCS.values()}


def nameless(method: str, body: bytes) -> bytes:
    """Give the form in which an answer of an RPC is kept, or of an older version's `adjust`."""
    if method == ADJUST:
        return body[max(body.rfind(b"now has "), 0) :]
    place = PLACES.get(method)
    if place is None or is_shortened(body):
        return body
    answer = _ANSWERS[method].FromString(body)
    person = getattr(answer, place)
    for field in PERSONAL[person.DESCRIPTOR.full_name]:
        person.ClearField(field)
    return answer.SerializeToString()


async def named(method: str, body: bytes, find: Find) -> bytes:
    """Give a kept answer of an RPC with what its member is called by now."""
    place = PLACES.get(method)
    if place is None:
        return body
    answer = _ANSWERS[method].FromString(body)
    await put_names(answer, place, find)
    return answer.SerializeToString()


async def put_names(answer: Message, place: str, find: Find) -> None:
    """Put into a kept answer what its member is called by now."""
    person: Any = getattr(answer, place)
    kind = person.DESCRIPTOR.full_name
    member = await find(getattr(person, _IDS[kind]))
    if member is None:
        return
    for field, attribute in PERSONAL[kind].items():
        value = getattr(member, attribute)
        if value is None:
            person.ClearField(field)
        else:
            setattr(person, field, value)
