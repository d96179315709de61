"""The longest refusal of every kind that the contract and program files allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from loyalty_service.domain.breaches import Breach, RuleFailure
from loyalty_service.domain.errors import FieldViolation, LoyaltyError
from loyalty_service.domain.es_identifiers import EsIdentifier
from loyalty_service.domain.identifiers import IdentifierKind
from loyalty_service.domain.keys import Role
from loyalty_service.domain.limits import COUNT_MOST, LimitName
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.program_file.values import STORE_ID_MAX
from loyalty_service.transport.parsing import _check, _path, _words
from loyalty_service.transport.rpcs import SERVICES

WIDE = "\U0001f36a"
"""A character of four bytes: twelve in a gRPC message, as many in a JSON text."""

WIDE_ID = WIDE * 128
"""The longest name of an incentive that a program file takes."""

USES_MAX = 500
"""An order has as many lines, and each may use an incentive of its own."""

TARGETS = tuple(f"{number}".rjust(64, WIDE) for number in range(1000))
"""The longest list that a rule of a program file takes: products, each with its longest name."""


@cache
def error_kinds() -> tuple[type[LoyaltyError], ...]:
    """Give every class of error, by name."""
    found: list[type[LoyaltyError]] = []
    waiting: list[type[LoyaltyError]] = [LoyaltyError]
    while waiting:
        children = waiting.pop().__subclasses__()
        found += children
        waiting += children
    return tuple(sorted(found, key=lambda kind: kind.__name__))


@cache
def longest_error(kind: type[LoyaltyError]) -> LoyaltyError:
    """Fill each field of an error with the longest value that it can have."""
    return kind(**{field.name: _longest(field.name) for field in fields(kind)})  # type: ignore[arg-type]


def _longest(field: str) -> Any:
    values: dict[str, Any] = {
        "role": max(Role, key=len),
        "region": "R" * 16,
        "method": max(_methods(), key=len),
        "store_id": STORE_ID_MAX,
        "kind": max(IdentifierKind, key=len),
        "kinds": ", ".join(EsIdentifier),
        "blocked": "redeem",
        "scope": "terminal",
        "retry_after_ms": 86_400_000,
        "contract": "es",
        "days": 3650,
        "limit": max(LimitName, key=len),
        "allowed": COUNT_MOST,
        "incentive_id": WIDE_ID,
        "available_points": -(2**63),
        "required_points": 2**63 - 1,
        "status": max(TransactionStatus, key=lambda status: len(status.name)).name,
        "original_transaction_id": WIDE_ID,
        "requested_status": max(TransactionStatus, key=lambda status: len(status.name)).name,
        "held_points": 2**31 - 1,
        "business_unit": WIDE_ID,
        "reward_id": WIDE_ID,
        "external_reference_id": WIDE_ID,
        # Each needs three bytes in a gRPC message.
        "idempotency_key": "%" * 255,
        "request_id": "r" * 128,
    }
    if field == "violations":
        return most_violations()
    if field == "failures":
        return most_failures()
    if field in {"loyalty_id", "transaction_id"}:
        return "f4190848-169d-4c69-9f53-f916318c432b"
    return values[field]


def _methods() -> Iterator[str]:
    for service in SERVICES:
        for method in service.methods:
            yield f"{service.name}/{method.name}"


@cache
def most_violations() -> tuple[FieldViolation, ...]:
    """Break every rule of the request that has the longest to tell; the longest come first."""
    every = [
        _violations(GetMessageClass(method.input_type))
        for service in SERVICES
        for method in service.methods
    ]
    most = max(every, key=lambda found: sum(map(_length, found)))
    return tuple(sorted(most, key=_length, reverse=True))


def _length(violation: FieldViolation) -> int:
    return len(violation.field) + len(violation.message)


def _violations(request: type[Message]) -> tuple[FieldViolation, ...]:
    message = request()
    _spoil(message)
    # More than `parse` tells of: whatever renders refusals must not count on that.
    return tuple(
        FieldViolation(_path(violation.proto.field, {}), _words(violation))
        for violation in _check(message)
    )


FREE = "google.protobuf.Struct"
"""What takes any JSON object."""


def _spoil(message: Message) -> None:
    """Fill a message with what it does not take, lists beyond the largest order's."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None and field.message_type.full_name == FREE:
            continue
        count = USES_MAX + 1 if field.is_repeated else 1
        if field.message_type is not None:
            for _ in range(count):
                below = getattr(message, field.name)
                below = below.add() if field.is_repeated else below
                below.SetInParent()
                _spoil(below)
        elif field.is_repeated:
            getattr(message, field.name).extend([_wrong(field)] * count)
        else:
            setattr(message, field.name, _wrong(field))


def _wrong(field: FieldDescriptor) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return "\x01" * 600
    return field.cpp_type == FieldDescriptor.CPPTYPE_BOOL or -1


@cache
def most_failures() -> tuple[RuleFailure, ...]:
    """Break every rule with every line of the largest order; the longest come first."""
    found = [
        RuleFailure(
            code=breach.value.code,
            rule_id=breach.value.rule_id,
            message=breach.value.message,
            current_value=TARGETS[0],
            target_value=TARGETS,
            incentive_id=f"{number}".rjust(len(WIDE_ID), WIDE),
        )
        for number in range(USES_MAX)
        for breach in Breach
    ]
    return tuple(sorted(found, key=lambda one: len(one.code + one.message), reverse=True))
