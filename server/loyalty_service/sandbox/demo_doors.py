"""The two doors that the demo's calls go through: JSON through Envoy, and gRPC."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any, Protocol

import grpc
from google.api import annotations_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from loyalty.v1 import (
    code_service_pb2_grpc,
    event_service_pb2_grpc,
    identify_service_pb2_grpc,
    incentive_service_pb2_grpc,
    member_service_pb2_grpc,
    session_service_pb2_grpc,
    transaction_service_pb2_grpc,
)
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.transport.errors.dialects import DEFAULT, PREFIXES, RPCS
from loyalty_service.transport.errors.error_row import ErrorRow
from loyalty_service.transport.errors.words import Dialect
from loyalty_service.transport.rpcs import SERVICES

TIMEOUT_S = 10.0

STUBS: Mapping[str, Any] = {
    "CodeService": code_service_pb2_grpc.CodeServiceStub,
    "EventService": event_service_pb2_grpc.EventServiceStub,
    "IdentifyService": identify_service_pb2_grpc.IdentifyServiceStub,
    "IncentiveService": incentive_service_pb2_grpc.IncentiveServiceStub,
    "MemberService": member_service_pb2_grpc.MemberServiceStub,
    "SessionService": session_service_pb2_grpc.SessionServiceStub,
    "TransactionService": transaction_service_pb2_grpc.TransactionServiceStub,
}

METHODS: Mapping[str, MethodDescriptor] = {
    f"{service.name}/{method.name}": method for service in SERVICES for method in service.methods
}


class DemoFailedError(OperatorError):
    """Raised when nothing answers, or a step of the visit is not as expected."""


@dataclass(frozen=True, slots=True)
class Call:
    """
    A call that either door can make.

    Attributes:
        rpc: `Service/Method`.
        key: API key.
        fields: The request message in its JSON spelling.
        idempotency_key: Sent as metadata or header; absent when empty.
    """

    rpc: str
    key: str
    fields: Mapping[str, Any]
    idempotency_key: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the call, which are its metadata too."""
        idempotency = {"idempotency-key": self.idempotency_key} if self.idempotency_key else {}
        return {"x-api-key": self.key, **idempotency}


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a door answered.

    Attributes:
        status: Status code, in the words of the door.
        word: What the door calls a refusal; empty on success.
        phrase: What else the status line says.
    """

    status: str
    word: str
    body: Mapping[str, Any]
    phrase: str = ""


class Door(Protocol):
    """A way to call the service."""

    @property
    def title(self) -> str:
        """Name the door and where it is."""
        ...

    def shown(self, call: Call) -> tuple[str, Mapping[str, Any]]:
        """Give the first line and the body of a call as this door sends it."""
        ...

    def send(self, call: Call) -> Answer:
        """Make a call."""
        ...

    def expected(self, rpc: str, row: ErrorRow | None) -> tuple[str, str]:
        """Give the status and word of a refusal of the catalogue, or those of a success."""
        ...


@dataclass(frozen=True, slots=True)
class JsonDoor:
    """JSON over HTTP/1.1 through Envoy."""

    address: str

    @property
    def title(self) -> str:
        """Name the door and where it is."""
        return f"JSON through Envoy, http://{self.address}"

    def shown(self, call: Call) -> tuple[str, Mapping[str, Any]]:
        """Give the method, path and body that the contract binds the RPC to."""
        method = METHODS[call.rpc]
        binding = method.GetOptions().Extensions[annotations_pb2.http]
        verb = binding.WhichOneof("pattern")
        path, body = getattr(binding, verb), dict(call.fields)
        for name in re.findall(r"{(\w+)}", path):
            value = body.pop(method.input_type.fields_by_name[name].json_name)
            path = path.replace(f"{{{name}}}", value)
        return f"{verb.upper()} {path}", body

    def send(self, call: Call) -> Answer:
        """
        Make a call.

        Raises:
            DemoFailedError: Nothing answers, or not with JSON.
        """
        line, body = self.shown(call)
        method, path = line.split()
        content = json.dumps(body) if body else None
        headers = {**call.headers, "content-type": "application/json"}
        try:
            with closing(HTTPConnection(self.address, timeout=TIMEOUT_S)) as connection:
                connection.request(method, path, content, headers)
                response = connection.getresponse()
                answer = dict(json.loads(response.read()))
        except OSError as problem:
            raise _nobody(f"http://{self.address}", problem) from None
        except (HTTPException, TypeError, ValueError):
            raise DemoFailedError(f"What is at http://{self.address} is no sandbox.") from None
        word = answer.get("code") or answer.get("errorCode", "")
        return Answer(str(response.status), word, answer, response.reason)

    def expected(self, rpc: str, row: ErrorRow | None) -> tuple[str, str]:
        """Give the status, and the code in the dialect of the path."""
        if row is None:
            return "200", ""
        binding = METHODS[rpc].GetOptions().Extensions[annotations_pb2.http]
        path = getattr(binding, binding.WhichOneof("pattern"))
        below = (dialect for prefix, dialect in PREFIXES.items() if path.startswith(prefix))
        dialect = RPCS[rpc].dialect if rpc in RPCS else next(below, DEFAULT)
        return str(row.http), row.es if dialect is Dialect.ES else row.rbi


@dataclass(frozen=True, slots=True)
class GrpcDoor:
    """gRPC, with the stubs that come with the contract."""

    address: str
    channel: grpc.Channel

    @property
    def title(self) -> str:
        """Name the door and where it is."""
        return f"gRPC, {self.address}"

    def shown(self, call: Call) -> tuple[str, Mapping[str, Any]]:
        """Give the RPC and the whole message, in its JSON spelling."""
        return f"{METHODS[call.rpc].containing_service.full_name}/{_method(call)}", call.fields

    def send(self, call: Call) -> Answer:
        """
        Make a call.

        Raises:
            DemoFailedError: Nothing answers.
        """
        stub = STUBS[call.rpc.partition("/")[0]](self.channel)
        request = json_format.ParseDict(
            dict(call.fields), GetMessageClass(METHODS[call.rpc].input_type)()
        )
        try:
            response = getattr(stub, _method(call))(
                request, metadata=tuple(call.headers.items()), timeout=TIMEOUT_S
            )
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise _nobody(self.address, error.details()) from None
            return _refused(error)
        body = json_format.MessageToDict(response, always_print_fields_with_no_presence=True)
        return Answer("OK", "", body)

    def expected(self, rpc: str, row: ErrorRow | None) -> tuple[str, str]:  # noqa: ARG002 - no dialects.
        """Give the status code and reason, which are the same for all RPCs."""
        return ("OK", "") if row is None else (row.code.name, row.reason)


def _method(call: Call) -> str:
    return call.rpc.partition("/")[2]


def _refused(error: grpc.RpcError) -> Answer:
    """Read the status and its details."""
    trailers: Any = error.trailing_metadata() or ()
    status = status_pb2.Status.FromString(dict(trailers).get("grpc-status-details-bin", b""))
    info = error_details_pb2.ErrorInfo()
    for detail in status.details:
        detail.Unpack(info)
    return Answer(error.code().name, info.reason, json_format.MessageToDict(status))


def _nobody(address: str, problem: object) -> DemoFailedError:
    return DemoFailedError(
        f"Nothing answers at {address} ({problem}).\n"
        "Start the sandbox in another terminal with `make run`; --http and --grpc name its "
        "addresses when they are not the usual ones."
    )
