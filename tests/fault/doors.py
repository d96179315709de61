"""Both doors of a running server, reached for every call that the contract's descriptors list."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

import grpc
from google.api import annotations_pb2
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from loyalty_service.transport.rpcs import SERVICES
from tests.book.pages import KEYED
from tests.support.http import HttpClient

Fields = tuple[FieldDescriptor, ...]

_VARIABLE = re.compile(r"{(\w+)}")
_OF_CORRELATION_ID = ("Invalid Correlation ID", "Must provide a session correlation ID")
"""What ES says of the one field whose words its pages fix."""
_PASSING = {"date", "x-request-id"}
"""Headers that differ from answer to answer whatever was asked."""


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP binding of a call."""

    method: str
    path: str
    has_body: bool

    @property
    def variables(self) -> list[str]:
        """Fields that the path carries."""
        return _VARIABLE.findall(self.path)

    def url(self, values: Mapping[str, str], query: Mapping[str, str | list[str]]) -> str:
        """Write the path with its variables, by proto name, and a query."""
        path = _VARIABLE.sub(lambda match: quote(values[match[1]], safe=""), self.path)
        return f"{path}?{urlencode(query, doseq=True)}" if query else path


@dataclass(frozen=True, slots=True)
class Rpc:
    """
    A call of the contract.

    Attributes:
        name: `Service/Method`.
        path: As gRPC sends it.
        routes: Its HTTP bindings, the first one first.
    """

    name: str
    path: str
    request: type[Message]
    response: type[Message]
    routes: tuple[Route, ...]

    def call_of(self, message: Message, route: Route) -> tuple[str, dict[str, Any] | None]:
        """Give the URL and JSON body that mean a message."""
        content = json_format.MessageToDict(message)
        variables = {}
        for name in route.variables:
            json_name = self.request.DESCRIPTOR.fields_by_name[name].json_name
            variables[name] = str(content.pop(json_name, ""))
        if route.has_body:
            return route.url(variables, {}), content
        query: dict[str, str | list[str]] = {
            name: [str(one) for one in value] if isinstance(value, list) else str(value)
            for name, value in content.items()
        }
        return route.url(variables, query), None

    def route_for(self, message: Message) -> Route:
        """Choose the first binding whose path the message fills."""
        return next(
            route
            for route in self.routes
            if all(getattr(message, name) for name in route.variables)
        )


@cache
def all_rpcs() -> tuple[Rpc, ...]:
    """Give every call of every service that is served."""
    return tuple(
        _rpc(method)
        for service in SERVICES
        for method in service.methods
        if not method.server_streaming
    )


def _rpc(method: MethodDescriptor) -> Rpc:
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    routes = []
    for binding in (rule, *rule.additional_bindings):
        verb = binding.WhichOneof("pattern")
        routes.append(Route(verb.upper(), getattr(binding, verb), bool(binding.body)))
    service = method.containing_service
    return Rpc(
        name=f"{service.name}/{method.name}",
        path=f"/{service.full_name}/{method.name}",
        request=GetMessageClass(method.input_type),
        response=GetMessageClass(method.output_type),
        routes=tuple(routes),
    )


def leaves(descriptor: Descriptor, above: Fields = ()) -> Iterator[Fields]:
    """Give the path to every field of a request, messages and lists included, outer ones first."""
    for part in descriptor.fields:
        yield (*above, part)
        if part.message_type is not None and not is_free(part):
            yield from leaves(part.message_type, (*above, part))


def is_free(part: FieldDescriptor) -> bool:
    """Tell whether a field may hold any JSON object, which no contract describes."""
    kind = part.message_type
    return kind is not None and kind.full_name == "google.protobuf.Struct"


def holder(message: Message, path: Fields) -> Any:
    """Find the message that has the last field of a path: the first of a list, made if absent."""
    place: Any = message
    for part in path[:-1]:
        found = getattr(place, part.name)
        if part.is_repeated:
            place = found[0] if len(found) else found.add()
        else:
            found.SetInParent()
            place = found
    return place


def place_of(path: Fields) -> str:
    """Spell a path as refusals do, for the first item of each list."""
    *above, last = path
    parts = [f"{part.name}[0]" if part.is_repeated else part.name for part in above]
    return ".".join([*parts, last.name])


def json_place_of(path: Fields) -> str:
    """Spell a path as refusals on the JSON door do."""
    *above, last = path
    parts = [f"{part.json_name}[0]" if part.is_repeated else part.json_name for part in above]
    return ".".join([*parts, last.json_name])


@dataclass(frozen=True, slots=True)
class Seen:
    """
    All that a caller sees of an answer.

    Attributes:
        outcome: gRPC status code by name, or HTTP status.
        reason: Reason or legacy code of a refusal; empty when there is none.
        fields: Broken fields that a refusal names.
        text: Everything else there is to see: headers, body, message, details, trailers.
    """

    outcome: str
    reason: str
    fields: tuple[str, ...]
    text: str = field(repr=False)
    answer: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Doors:
    """A gRPC channel to the server, and an HTTP client of the Envoy before it."""

    channel: grpc.aio.Channel
    http: HttpClient

    async def grpc(self, rpc: Rpc, request: Message | bytes, headers: Mapping[str, str]) -> Seen:
        """Make a call over gRPC; a request in bytes is sent as it is."""
        data = request if isinstance(request, bytes) else request.SerializeToString()
        headers = with_key(rpc, headers)
        call: Any = self.channel.unary_unary(rpc.path)(
            data, metadata=tuple(headers.items()), timeout=10
        )
        try:
            answer = rpc.response.FromString(await call)
        except grpc.aio.AioRpcError as error:
            return _refused(error)
        first = sorted(_plain(await call.initial_metadata()))
        last = sorted(_plain(await call.trailing_metadata()))
        return Seen("OK", "", (), f"{first}\n{answer}\n{last}", answer)

    async def json(
        self, rpc: Rpc, request: Message, headers: Mapping[str, str], route: Route | None = None
    ) -> Seen:
        """Make a call through the JSON door, in the words of one of its routes."""
        chosen = route or rpc.route_for(request)
        url, content = rpc.call_of(request, chosen)
        return await self.send(chosen.method, url, content, with_key(rpc, headers))

    async def send(self, method: str, url: str, content: Any, headers: Mapping[str, str]) -> Seen:
        """Send JSON, or bytes as they are."""
        body = None
        if content is not None:
            body = content if isinstance(content, bytes) else _compact(content)
        response = await self.http.request(method, url, body, headers)
        kept = sorted(pair for pair in response.headers if pair[0] not in _PASSING)
        reason, named = "", ()
        if response.status >= 400:
            reason, named = _read_legacy(response.json())
        text = f"{kept}\n{response.body.decode()}"
        answer = response.json() if response.status < 400 else None
        return Seen(str(response.status), reason, named, text, answer)


def with_key(rpc: Rpc, headers: Mapping[str, str]) -> Mapping[str, str]:
    """Add an idempotency key where a call is refused without one."""
    if rpc.name not in KEYED or "idempotency-key" in headers:
        return headers
    return {**headers, "idempotency-key": uuid.uuid4().hex}


def _compact(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _plain(metadata: Any) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in metadata or () if name not in _PASSING]


def _refused(error: grpc.aio.AioRpcError) -> Seen:
    first, last = _plain(error.initial_metadata()), []
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    for name, value in _plain(error.trailing_metadata()):
        if name != "grpc-status-details-bin":
            last.append((name, value))
            continue
        status = status_pb2.Status.FromString(bytes(value))
        last.append((name, str(status)))
        for detail in status.details:
            if not detail.Unpack(info):
                detail.Unpack(bad)
    fields = tuple(violation.field for violation in bad.field_violations)
    text = f"{sorted(first)}\n{error.details()}\n{sorted(last)}"
    return Seen(error.code().name, info.reason, fields, text)


def _read_legacy(body: Any) -> tuple[str, tuple[str, ...]]:
    """Find the code of a refusal, and the fields it names, in either dialect."""
    if "error" in body:  # In the words of OAuth, which name no field.
        return str(body["error"]), ()
    if "errorCode" in body:
        message = str(body["errorMessage"])
        named = tuple(part.partition(" ")[0] for part in message.split("; "))
        either = ("correlationId", "currentCorrelationId")
        return body["errorCode"], either if message in _OF_CORRELATION_ID else named
    details: Sequence[Any] = body["details"].get("errors", ())
    return body["code"], tuple(broken["field"] for broken in details)
