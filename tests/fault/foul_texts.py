"""Text that not every database takes, put into every place of a call that holds text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as F

from buf.validate import validate_pb2
from tests.fault.doors import Fields, Rpc, all_rpcs, holder, leaves

STAND_IN = "stand-in"
"""What is sent is written with this first, because no message can hold half a surrogate pair."""


@dataclass(frozen=True, slots=True)
class Foul:
    """
    A foul text.

    Attributes:
        data: It in bytes.
        escaped: It as JSON writes it in plain ASCII.
        sign: It where text can hold it; empty for what is not text at all.
    """

    name: str
    data: bytes
    escaped: bytes
    sign: str = ""

    @property
    def percent(self) -> str:
        """Give it as a URL writes it."""
        return "".join(f"%{byte:02X}" for byte in self.data)


FOUL = (
    Foul("NUL", b"a\0b", rb"a\u0000b", "a\0b"),
    Foul("half a pair", b"\xed\xa0\x80", rb"\ud800"),
    Foul("no UTF-8", b"a\xff", rb"\udfff"),
)


@dataclass(frozen=True, slots=True)
class Sent:
    """
    A foul text in one place of a call by JSON.

    Attributes:
        named: Whether a refusal must say which field it was: Envoy refuses some URLs itself.
    """

    way: str
    method: str
    url: str
    body: bytes | None
    named: bool


def places() -> list[tuple[Rpc, Fields]]:
    """Give every field of every call that holds text."""
    return [
        (rpc, path)
        for rpc in all_rpcs()
        for path in leaves(rpc.request.DESCRIPTOR)
        if path[-1].cpp_type == F.CPPTYPE_STRING
    ]


def let_in(path: Fields, foul: Foul) -> bool:
    """Whether the contract lets a text into a field, and all that can go wrong is the rest."""
    if not foul.sign:
        return False
    field = path[-1].GetOptions().Extensions[validate_pb2.field]
    rules = field.repeated.items.string if path[-1].is_repeated else field.string
    if rules.uuid or rules.email or len(getattr(rules, "in")):
        return False
    return not rules.pattern or re.fullmatch(rules.pattern, foul.sign) is not None


def stand_in(request: Any, path: Fields) -> Any:
    """Mark the place in a request."""
    if path[-1].name == "idempotency_key":
        request.Clear()
    message, part = holder(request, path), path[-1]
    if part.is_repeated:
        message.ClearField(part.name)
        getattr(message, part.name).append(STAND_IN)
    else:
        setattr(message, part.name, STAND_IN)
    return request


def by_grpc(request: Any, foul: Foul) -> bytes:
    """Put a foul text into the marked place of a request, in its encoding."""
    # The length before it counts, so it is filled up with what any field takes.
    filled = foul.data.ljust(len(STAND_IN), b"x")
    data: bytes = request.SerializeToString()
    return data.replace(STAND_IN.encode(), filled)


def by_json(rpc: Rpc, request: Any, path: Fields, foul: Foul) -> Iterator[Sent]:
    """Put it there in every way that JSON, paths and queries know."""
    for route in rpc.routes:
        if not all(getattr(request, name) for name in route.variables):
            continue
        url, content = rpc.call_of(request, route)
        if STAND_IN in url or content is None:
            url = url.replace(STAND_IN, foul.percent)
            body = None if content is None else json.dumps(content).encode()
            yield Sent("URL", route.method, url, body, named=False)
            continue
        text = json.dumps(content).encode()
        for way, value in (("escaped", foul.escaped), ("raw", foul.data)):
            yield Sent(way, route.method, url, text.replace(STAND_IN.encode(), value), named=True)
        if not any(part.is_repeated for part in path):
            name = ".".join(part.json_name for part in path)
            _remove(content, path)
            body = json.dumps(content).encode()
            query = f"{url}?{name}={foul.percent}"
            yield Sent("query", route.method, query, body, named=False)


def _remove(content: dict[str, Any], path: Fields) -> None:
    for part in path[:-1]:
        content = content[part.json_name]
    del content[path[-1].json_name]
