"""What is fixed for each RPC: one row each, read from the contract's own descriptor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from loyalty.v1 import (
    account_service_pb2,
    code_service_pb2,
    event_service_pb2,
    identify_service_pb2,
    incentive_service_pb2,
    member_service_pb2,
    method_pb2,
    operator_service_pb2,
    purchase_service_pb2,
    session_service_pb2,
    token_service_pb2,
    transaction_service_pb2,
)
from loyalty.v1.error_reason_pb2 import ErrorReason
from loyalty_service.domain.keys import Role

SERVICES: tuple[ServiceDescriptor, ...] = (
    session_service_pb2.DESCRIPTOR.services_by_name["SessionService"],
    purchase_service_pb2.DESCRIPTOR.services_by_name["PurchaseService"],
    token_service_pb2.DESCRIPTOR.services_by_name["TokenService"],
    account_service_pb2.DESCRIPTOR.services_by_name["AccountService"],
    identify_service_pb2.DESCRIPTOR.services_by_name["IdentifyService"],
    transaction_service_pb2.DESCRIPTOR.services_by_name["TransactionService"],
    code_service_pb2.DESCRIPTOR.services_by_name["CodeService"],
    member_service_pb2.DESCRIPTOR.services_by_name["MemberService"],
    incentive_service_pb2.DESCRIPTOR.services_by_name["IncentiveService"],
    operator_service_pb2.DESCRIPTOR.services_by_name["OperatorService"],
    event_service_pb2.DESCRIPTOR.services_by_name["EventService"],
)
"""The services that are served."""

_OUTCOME = transaction_service_pb2.GetOutcomeResponse


class ContractError(Exception):
    """The contract does not say of an RPC what it must."""


class Effect(Enum):
    """What an RPC does."""

    READS = "reads"
    """Changes nothing."""

    CHECKS = "checks"
    """Judges as a writing call would, in the writers' queue, and keeps no answer."""

    WRITES = "writes"
    """Changes something, and keeps its answer under an idempotency key."""


@dataclass(frozen=True, slots=True)
class Rpc:
    """
    What is true of one RPC.

    Attributes:
        name: `Service/Method`.
        roles: Who may call it.
        expected: Reasons of its refusals that alerts ask for, besides those of every RPC.
        kept_as: Its name in kept answers and fingerprints.
        answer_field: Where its answer stands in a GetOutcomeResponse; empty unless it writes.
    """

    name: str
    method: MethodDescriptor
    roles: frozenset[Role]
    effect: Effect
    expected: tuple[str, ...]
    kept_as: str
    answer_field: str

    @property
    def service(self) -> str:
        """Name of its service."""
        return str(self.method.containing_service.name)

    @property
    def streams(self) -> bool:
        """Whether it answers with a stream."""
        return bool(self.method.server_streaming)

    @property
    def request_class(self) -> type[Message]:
        """What it takes."""
        return GetMessageClass(self.method.input_type)

    @property
    def answer_class(self) -> type[Message]:
        """What it answers."""
        return GetMessageClass(self.method.output_type)


def read_rpc(method: MethodDescriptor) -> Rpc:
    """
    Read the row of an RPC.

    Raises:
        ContractError: Its row is not complete, or GetOutcomeResponse has no place for its answer.
    """
    name = f"{method.containing_service.name}/{method.name}"
    extension: Any = method_pb2.rules
    rules: Any = method.GetOptions().Extensions[extension]
    if not rules.roles:
        raise ContractError(f"{name}: its rules name no role, so that nobody may call it")
    if not rules.effect:
        raise ContractError(f"{name}: its rules do not tell its effect")
    effect = Effect(method_pb2.MethodRules.Effect.Name(rules.effect)[len("EFFECT_") :].lower())
    answer_field = _answer_field(method.output_type)
    if bool(answer_field) is not (effect is Effect.WRITES):
        raise ContractError(
            f"{name}: GetOutcomeResponse must have a place for its answer if it writes, "
            "and none otherwise"
        )
    return Rpc(
        name=name,
        method=method,
        roles=frozenset(
            Role[method_pb2.MethodRules.Role.Name(role)[len("ROLE_") :]] for role in rules.roles
        ),
        effect=effect,
        expected=tuple(map(ErrorReason.Name, rules.expected)),
        kept_as=rules.kept_as or name,
        answer_field=answer_field,
    )


def _answer_field(answer: Descriptor) -> str:
    places = cast("Descriptor", _OUTCOME.DESCRIPTOR).oneofs_by_name["answer"].fields
    return next((place.name for place in places if place.message_type is answer), "")


def _all() -> Iterator[Rpc]:
    for service in SERVICES:
        yield from map(read_rpc, service.methods)


SERVED: Mapping[str, Rpc] = {rpc.name: rpc for rpc in _all()}
"""Every RPC that is served, by its name."""

RPCS: Mapping[str, Rpc] = {name: rpc for name, rpc in SERVED.items() if not rpc.streams}
"""Those that are answered by one message."""

STREAMS: Mapping[str, Rpc] = {name: rpc for name, rpc in SERVED.items() if rpc.streams}
"""Those that are answered by a stream of messages, over gRPC alone."""

KEPT_RPCS: Mapping[str, Rpc] = {rpc.kept_as: rpc for rpc in RPCS.values()}
"""Every RPC by the name that its kept answers have."""


def rpc_kept_as(name: str) -> Rpc:
    """Find the RPC whose answers are kept under a name."""
    return KEPT_RPCS[name]
