"""What a JSON call's path says, neither its query nor its body changes: for every path variable."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.message_factory import GetMessageClass

from loyalty_service.sandbox.envoy_process import EnvoyProcess
from tests.support.edge_parts import script_errors
from tests.support.http import HttpClient, Response
from tests.support.upstream import Upstream, run_upstream

ROOT = Path(__file__).resolve().parents[2]
OURS = "4711fc2a-3a8f-414f-a9e7-44dd5231dca7"
THEIRS = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a path: its route, the field it fills, and that field's name in JSON."""

    method: str
    path: str
    request: Any
    name: str
    json_name: str

    def __str__(self) -> str:
        """Name the test."""
        return f"{self.method} {self.path} {self.name}"

    @property
    def address(self) -> str:
        """The path with our value for every variable."""
        return re.sub(r"\{[^}]*\}", OURS, self.path)

    @property
    def has_body(self) -> bool:
        """Whether its method has a body by HTTP."""
        return self.method != "GET"


def _variables() -> Iterator[Variable]:
    pool = descriptor_pool.DescriptorPool()
    described = (ROOT / "generated" / "loyalty.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(described).file:
        pool.Add(file)
    for line in (ROOT / "generated" / "routes.txt").read_text(encoding="utf-8").splitlines():
        method, path, rpc = line.split()
        kind = pool.FindMethodByName(rpc.replace("/", ".")).input_type
        for name in re.findall(r"\{([^}]*)\}", path):
            json_name = kind.fields_by_name[name].json_name
            yield Variable(method, path, GetMessageClass(kind), name, json_name)


VARIABLES = list(_variables())


@dataclass(frozen=True, slots=True)
class Edge:
    """Envoy as it is deployed, before a stand-in that keeps what it is sent."""

    envoy: EnvoyProcess
    upstream: Upstream

    async def call(self, key: str, method: str, path: str, body: str | None = None) -> Response:
        """Call with a key of this variable's own, so that no limit is met."""
        self.upstream.message = None
        headers = {"x-api-key": re.sub(r"\W", "-", key)}
        return await HttpClient("127.0.0.1", self.envoy.http_port).request(
            method, path, body, headers
        )

    def arrived(self, variable: Variable) -> str:
        """Give what the last message says of the field."""
        assert self.upstream.message is not None
        return str(getattr(variable.request.FromString(self.upstream.message), variable.name))


def _without_health_checks(config: dict[str, Any]) -> None:
    """Only calls reach the stand-in, which has no words for health."""
    del config["static_resources"]["clusters"][0]["health_checks"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    """One for all tests of this file."""
    async with run_upstream() as upstream:
        folder = tmp_path_factory.mktemp("envoy")
        envoy = EnvoyProcess(folder=folder, grpc_port=upstream.port, adapt=_without_health_checks)
        async with envoy:
            yield Edge(envoy, upstream)
            assert script_errors(envoy) == []


def spellings(name: str) -> Iterator[str]:
    """Give a parameter's name as it is, and as a caller could hide it."""
    yield name
    yield f"%{ord(name[0]):02x}{name[1:]}"
    yield f"{name[:-1]}%{ord(name[-1]):02X}"
    yield "".join(f"%{ord(character):02x}" for character in name)
    yield f"{name}."
    yield f"{name}.value"
    yield f"{name}[]"
    yield f".{name}"


@pytest.mark.parametrize("variable", VARIABLES, ids=str)
async def test_no_query_replaces_the_path(edge: Edge, variable: Variable) -> None:
    """In both spellings, escaped, repeated, nested, after a slash: the path holds."""
    queries = [
        f"{spelling}={THEIRS}"
        for name in dict.fromkeys((variable.name, variable.json_name))
        for spelling in spellings(name)
    ]
    both = f"{variable.name}={THEIRS}&{variable.json_name}={THEIRS}"
    queries += [both, f"a=b&&{both}&{both}&c=d", f"?{both}", f"{both}?{both}", f"{both}="]
    body = "{}" if variable.has_body else None
    for query in queries:
        for address in (variable.address, f"{variable.address}/"):
            answer = await edge.call(str(variable), variable.method, f"{address}?{query}", body)
            assert answer.status == 200, query
            assert edge.arrived(variable) == OURS, query


def bodies(name: str, json_name: str) -> Iterator[str]:
    """Give bodies that say another value, in every form that the transcoder reads."""
    theirs = json.dumps(THEIRS)
    for spelling in dict.fromkeys((name, json_name)):
        hidden = spelling[:-1] + f"\\u{ord(spelling[-1]):04x}"
        for key in (f'"{spelling}"', f"'{spelling}'", spelling, f'"{hidden}"', f"'{hidden}'"):
            yield f"{{{key}:{theirs}}}"
            yield f"{{{key}:{theirs},}}"
            yield f" {{ {key} : {theirs} , \f }} \r\n\t"
            yield f'{{{key}:{json.dumps(OURS)},{key}:{theirs},"{json_name}":{theirs}}}'
            yield f"{{{key}:null}}"
            yield f'{{"a":"}}",{key}:{theirs},"b":{{"{name}":{theirs}}}}}'
    yield "{}"
    yield "\ufeff{ }"
    yield '{"a":"}"}'


@pytest.mark.parametrize("variable", VARIABLES, ids=str)
async def test_no_body_replaces_the_path(edge: Edge, variable: Variable) -> None:
    """In both spellings, escaped, in other quotes or none, repeated, null: the path holds."""
    query = f"{variable.name}={THEIRS}&{variable.json_name}={THEIRS}"
    for body in bodies(variable.name, variable.json_name):
        for address in (variable.address, f"{variable.address}/?{query}"):
            answer = await edge.call(str(variable), variable.method, address, body)
            assert answer.status == 200, body
            assert edge.arrived(variable) == OURS, body


@pytest.mark.parametrize("variable", [one for one in VARIABLES if one.has_body], ids=str)
async def test_no_broken_body_replaces_the_path(edge: Edge, variable: Variable) -> None:
    """What does not end with its object is refused, or the path holds."""
    theirs = f'"{variable.name}":"{THEIRS}"'
    for body in (
        f"{{{theirs}}}}}",
        f"{{{theirs}}}{{}}",
        f"{{{theirs}}}\0}}",
        f"{{{theirs}}} }}",
        f"{{{theirs}}},{{}}",
        f"{{{theirs}}}'}}'",
        f'{{{theirs}}}"}}"',
        f'{{{theirs},"a":"}}',
        f"{{{theirs},'a':'}}",
        f"{{{theirs}",
        f"[{{{theirs}}}]",
        f"{{{theirs}}}//}}",
        f"{{{theirs}}}/*}}*/",
        f"{{{theirs}}}#}}",
    ):
        await edge.call(str(variable), variable.method, variable.address, body)
        assert edge.upstream.message is None or edge.arrived(variable) == OURS, body


async def test_what_no_path_says_the_query_says(edge: Edge) -> None:
    """A field is the path's alone only where the path has it."""
    for name in ("idempotencyKey", "idempotency_key"):
        path = f"/loyalty/transaction/pos?{name}={THEIRS}"
        assert (await edge.call("query", "GET", path)).status == 200
        assert edge.upstream.message is not None
        assert THEIRS.encode() in edge.upstream.message
    path = f"/loyalty/members/{OURS}/transfers?loyaltyId={THEIRS}&pageSize=7&page_token=a%26b"
    assert (await edge.call("query", "GET", path)).status == 200
    kind = next(one.request for one in VARIABLES if one.path.endswith("/transfers"))
    expected = kind(loyalty_id=OURS, page_size=7, page_token="a&b")
    assert kind.FromString(edge.upstream.message) == expected


async def test_any_text_of_a_path_arrives_as_it_is(edge: Edge) -> None:
    """A path's value goes into the body as text, whatever stands in it."""
    value = "%22%2c%22a%22%3a%5d%7d%01%c3%a9%ed%95%9C%2b+:"
    expected = '","a":]}\x01é한++:'
    variable = next(one for one in VARIABLES if one.path.endswith("/receipts"))
    for body in (None, "{}"):
        path = variable.path.replace("{loyalty_id}", value)
        assert (await edge.call("texts", variable.method, path, body)).status == 200
        assert edge.arrived(variable) == expected
