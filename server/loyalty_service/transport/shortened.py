"""
What stays of a kept answer whose time is over, and what is answered with it.

The identifiers, numbers and times of the answer stay, so that a call which comes again is told
what it did. Texts, lists and names go. How many points the member has is told as of now.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from loyalty.v1 import identify_service_pb2, member_service_pb2
from loyalty_service.application.reading import Reader
from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member
from loyalty_service.transport.rpcs import KEPT_RPCS

MARK = b"\x00"
"""What a shortened answer begins with, as no message does."""

_KEPT_ENDS = ("id", "_at", "status", "created")
"""Ends of the names of texts that stay."""

_BALANCES = ("points", "balance")
"""Fields that tell what a member has, beside a `loyalty_id`."""


def shorten(method: str, answer: bytes) -> bytes | None:
    """Keep of an answer what tells which things it was about; None where all of it stays."""
    rpc = KEPT_RPCS.get(method)
    if rpc is None or answer[:1] in {b"", MARK}:
        return None
    message = rpc.answer_class.FromString(answer)
    _clear(message)
    return MARK + message.SerializeToString()


def _clear(message: Message) -> None:
    for field, value in message.ListFields():
        if field.is_repeated:
            message.ClearField(field.name)
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            _clear(value)
            if not value.ListFields():
                message.ClearField(field.name)
        elif field.type == FieldDescriptor.TYPE_STRING and not field.name.endswith(_KEPT_ENDS):
            message.ClearField(field.name)


def is_shortened(answer: bytes) -> bool:
    """Tell whether a kept answer was shortened."""
    return answer[:1] == MARK


async def recall(
    reader: Reader, program: Program, answer_class: type[Message], answer: bytes
) -> bytes:
    """Answer with what stays of an answer, and what its member is called and has now."""
    message: Any = answer_class.FromString(answer[len(MARK) :])
    loyalty_id = _guest_of(message)
    member = await reader.member(program.program_id, loyalty_id) if loyalty_id else None
    if member is not None:
        if program.expiry.ages:
            member.past_points = await reader.past_points(member, now_ms())
        _put_now(message, member, program.points_name)
    return bytes(message.SerializeToString())


def _guest_of(message: Any) -> str:
    """Tell which member an answer is about, by the loyalty ID; empty where about none."""
    if isinstance(message, identify_service_pb2.IdentifyMemberResponse):
        return message.loyalty_user.id
    if isinstance(message, member_service_pb2.EnrollMemberResponse):
        return message.member.loyalty_id
    return str(message.loyalty_id) if _has(message, "loyalty_id") else ""


def _put_now(message: Any, member: Member, points_name: str) -> None:
    if isinstance(message, identify_service_pb2.IdentifyMemberResponse):
        message.loyalty_user.name = member.name
        message.balances.add(amount=member.spendable, currency=points_name)
    elif isinstance(message, member_service_pb2.EnrollMemberResponse):
        message.member.name = member.name
        for name in ("email", "locale", "birth_date"):
            if (told := getattr(member, name)) is not None:
                setattr(message.member, name, told)
        message.member.available_points = member.spendable
        message.member.held_points = member.held.balance
    else:
        for name in filter(partial(_has, message), _BALANCES):
            setattr(message, name, member.spendable)


def _has(message: Any, name: str) -> bool:
    return name in message.DESCRIPTOR.fields_by_name
