"""What hypothesis draws from the contract: requests, JSON, paths, queries and headers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from google.protobuf.descriptor import FieldDescriptor as F
from google.protobuf.message import Message
from hypothesis import strategies as st

from tests.fault.doors import Route, Rpc, all_rpcs, is_free, leaves
from tests.fault.headers import ODD_VALUES, VALUES, headers_read
from tests.fault.mutations import DOUBLES, JSON_VALUES, NUMBERS, TEXTS

SIGNS = st.characters(exclude_categories=("Cs",))
"""All that UTF-8 can write."""

HEADER_BYTES = st.binary(max_size=40).map(
    lambda data: bytes(byte for byte in data if byte >= 0x20 and byte != 0x7F)
)
"""All that HTTP/1 lets stand in a header; other signs end the request, or the connection."""

ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(JSON_VALUES) | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=12,
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A request by HTTP, its path as it goes over the wire."""

    method: str
    url: str
    body: bytes
    headers: dict[str, bytes]


def messages(rpc: Rpc, known: Sequence[str]) -> st.SearchStrategy[Message]:
    """Give a strategy of requests of a call, from its descriptor: any field, any value."""
    return _message(rpc.request.DESCRIPTOR, known).map(
        lambda values: rpc.request(**values)  # type: ignore[call-arg]
    )


def _message(descriptor: Any, known: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    optional = {part.name: _field(part, known) for part in descriptor.fields}
    return st.fixed_dictionaries({}, optional=optional)


def _field(part: F, known: Sequence[str]) -> st.SearchStrategy[Any]:
    if is_free(part):
        one: st.SearchStrategy[Any] = st.dictionaries(_text(known), _text(known), max_size=3)
    elif part.message_type is not None:
        one = _message(part.message_type, known)
    elif part.cpp_type == F.CPPTYPE_ENUM:
        one = st.sampled_from(list(part.enum_type.values_by_number)) | st.integers(-9, 99)
    else:
        one = _scalar(part, known)
    return st.lists(one, max_size=3) if part.is_repeated else one


def _scalar(part: F, known: Sequence[str]) -> st.SearchStrategy[Any]:
    if part.cpp_type == F.CPPTYPE_STRING:
        return _text(known)
    if part.cpp_type in {F.CPPTYPE_DOUBLE, F.CPPTYPE_FLOAT}:
        return st.floats() | st.sampled_from(DOUBLES)
    if part.cpp_type == F.CPPTYPE_BOOL:
        return st.booleans()
    return st.integers(-(2**31), 2**31 - 1) | st.sampled_from(NUMBERS)


def _text(known: Sequence[str]) -> st.SearchStrategy[str]:
    return st.sampled_from((*TEXTS, *known)) | st.text(SIGNS, max_size=40)


def http_requests(
    good: Mapping[str, Message], key: str, known: Sequence[str]
) -> st.SearchStrategy[Drawn]:
    """
    Give a strategy of requests by HTTP: nearly those of a route, or nothing like one.

    Args:
        good: A request of each call that would succeed, to begin with.
        key: An API key that lets in.
        known: Texts that name something.
    """
    of_routes = [
        _request_of(rpc, route, good[rpc.name], key, known)
        for rpc in all_rpcs()
        for route in rpc.routes
    ]
    stray = st.builds(
        Drawn,
        st.sampled_from(("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "X")),
        st.builds("/{}?{}".format, _quoted(known), _quoted(known)),
        _bodies(ANY_JSON),
        _headers(key),
    )
    return st.one_of(*of_routes, stray)


def _request_of(
    rpc: Rpc, route: Route, good: Message, key: str, known: Sequence[str]
) -> st.SearchStrategy[Drawn]:
    url, content = rpc.call_of(good, route)
    paths = leaves(rpc.request.DESCRIPTOR)
    names = st.sampled_from([".".join(part.json_name for part in path) for path in paths])
    query = st.dictionaries(names | st.text(SIGNS, max_size=12), _text(known), max_size=4)
    variables = st.fixed_dictionaries({name: _text(known) for name in route.variables})
    urls = st.just(url) | st.builds(
        lambda values, asked, stray: route.url(values, asked) + stray,
        variables,
        query,
        st.just("") | _quoted(known),
    )
    near = st.just({}) if content is None else _near(content)
    far = _json_of(rpc.request.DESCRIPTOR, known) | ANY_JSON
    bodies = st.one_of(_bodies(near), _bodies(near), _bodies(near), _bodies(far), st.binary())
    return st.builds(Drawn, st.just(route.method), urls, bodies, _headers(key))


def _near(value: Any) -> st.SearchStrategy[Any]:
    """Give JSON again, with other values here and there."""
    if isinstance(value, dict):
        same: st.SearchStrategy[Any] = st.fixed_dictionaries(
            {name: _near(held) for name, held in value.items()}
        )
    elif isinstance(value, list):
        same = st.tuples(*map(_near, value)).map(list)
    else:
        same = st.just(value)
    return st.integers(0, 31).flatmap(lambda number: ANY_JSON if number == 1 else same)


def _quoted(known: Sequence[str]) -> st.SearchStrategy[str]:
    """Give paths and queries, some of them with signs and escapes that only look like it."""
    plain = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=40)
    return plain | _text(known).map(lambda text: quote(text.encode(), safe="/?&=%"))


def _bodies(content: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Write JSON down, escaped or not."""
    return st.builds(
        lambda value, ascii_only: json.dumps(value, ensure_ascii=ascii_only).encode(
            "utf-8", "surrogatepass"
        ),
        content,
        st.booleans(),
    )


def _json_of(descriptor: Any, known: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Give what JSON may mean a message; now and then a value is of any other kind."""
    optional = {}
    for part in descriptor.fields:
        if is_free(part):
            one: st.SearchStrategy[Any] = st.dictionaries(_text(known), ANY_JSON, max_size=3)
        elif part.message_type is not None:
            one = _json_of(part.message_type, known)
        elif part.cpp_type == F.CPPTYPE_ENUM:
            one = st.sampled_from(list(part.enum_type.values_by_name)) | st.integers(-9, 99)
        else:
            one = _scalar(part, known)
        held = st.lists(one, max_size=3) if part.is_repeated else one
        # Mostly what may stand there, so that the whole is not refused for the first of them.
        optional[part.json_name] = st.one_of(held, held, held, ANY_JSON)
    return st.fixed_dictionaries({}, optional=optional)


def _headers(key: str) -> st.SearchStrategy[dict[str, bytes]]:
    """Give a good key and few others, or most calls would be turned away before they are read."""
    pairs = [
        st.tuples(st.just(name), st.sampled_from(_values(name)) | HEADER_BYTES)
        for name in headers_read()
    ]
    return st.lists(st.one_of(*pairs), max_size=2).map(
        lambda odd: {"x-api-key": key.encode(), **dict(odd)}
    )


def _values(name: str) -> list[bytes]:
    return [value.encode() for value in (*VALUES[name], *ODD_VALUES)]
