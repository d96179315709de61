"""What envoy.yaml promises, checked against the contract it stands for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from ruamel.yaml import YAML

from buf.validate import validate_pb2
from loyalty_service.transport.call import DEADLINE_MAX_S
from loyalty_service.transport.errors.edge import HEADERS
from loyalty_service.transport.errors.words import Dialect
from loyalty_service.transport.rpcs import SERVICES

PATIENCE_S = 5.0
"""How long a till waits for an answer."""

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    """The configuration as it is deployed."""
    loaded: dict[str, Any] = YAML(typ="safe").load(ROOT / "envoy" / "envoy.yaml")
    return loaded


@pytest.fixture(scope="module")
def manager(config: dict[str, Any]) -> dict[str, Any]:
    """The HTTP connection manager of the only listener."""
    listener = config["static_resources"]["listeners"][0]
    typed: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return typed


@pytest.fixture(scope="module")
def lua() -> str:
    """The source of what the filter refuses unread."""
    return (ROOT / "envoy" / "json_door" / "bounds.lua").read_text(encoding="utf-8")


def filter_named(manager: dict[str, Any], word: str) -> dict[str, Any]:
    """Return the configuration of the filter whose name ends in *word*."""
    return next(
        part["typed_config"] for part in manager["http_filters"] if part["name"].endswith(word)
    )


def test_every_service_of_the_contract_is_transcoded(manager: dict[str, Any]) -> None:
    """A service that is added to the protos must be added to envoy.yaml."""
    files = descriptor_pb2.FileDescriptorSet.FromString(
        (ROOT / "generated" / "loyalty.binpb").read_bytes()
    )
    services = {f"{file.package}.{service.name}" for file in files.file for service in file.service}
    assert set(filter_named(manager, "transcoder")["services"]) == services


def test_the_lua_filter_stands_before_the_transcoder(manager: dict[str, Any]) -> None:
    """gRPC-Web becomes gRPC first, and the filter words what the transcoder refuses."""
    names = [part["name"].rpartition(".")[2] for part in manager["http_filters"]]
    assert names == [
        *("grpc_web", "gate", "buffer", "whole", "local_ratelimit", "adaptive_concurrency"),
        *("lua", "grpc_json_transcoder", "header_mutation", "router"),
    ]


def test_routes_set_the_headers_of_their_dialect(manager: dict[str, Any]) -> None:
    """Those of JSON alone, and what the Lua filter sets on answers that no route has seen."""
    (host,) = manager["route_config"]["virtual_hosts"]
    told = {
        _path_of(route["match"]): {
            part["header"]["key"]: part["header"]["value"]
            for part in route["response_headers_to_add"]
        }
        for route in host["routes"]
        if "response_headers_to_add" in route
    }
    rbi, es = dict(HEADERS[Dialect.RBI]), dict(HEADERS[Dialect.ES])
    # A token's route has one header more, which the RFC asks for.
    assert told.pop("/oauth2/token") == rbi | {"pragma": "no-cache"}
    assert told == {"/client/": es, "/loyalty/visits/": es, "/loyalty/": rbi, "/otp": rbi}
    for line in (ROOT / "generated" / "routes.txt").read_text(encoding="utf-8").splitlines():
        assert line.split()[1].startswith((*told, "/oauth2/token")), line


def _path_of(match: Mapping[str, Any]) -> str:
    """Give how the paths of a route begin."""
    prefix: str = match.get("prefix") or match["safe_regex"]["regex"].removesuffix("/?")
    return prefix


def test_any_body_of_the_contract_has_few_enough_values(lua: str) -> None:
    """The bound on the values of a body leaves room for the fullest request there can be."""
    most = int(re.findall(r"local MAX_VALUES = (\d+)", lua)[0])
    for service in SERVICES:
        for method in service.methods:
            # A comma or a bracket each, and as many again for what is unknown and ignored.
            assert 2 * separators(method.input_type) < most, method.full_name


def separators(message: Descriptor) -> int:
    """Count the commas and opening brackets of a JSON object that has all that *message* may."""
    total = 1
    for field in message.fields:
        inner = 1 + (separators(field.message_type) if is_ours(field) else 0)
        limit = field.GetOptions().Extensions[validate_pb2.field].repeated.max_items
        total += 1 + (limit * inner if field.is_repeated else inner)
    return total


def is_ours(field: FieldDescriptor) -> bool:
    """Tell whether a field holds a message of the contract."""
    return field.message_type is not None and field.message_type.full_name.startswith("loyalty.")


def test_each_gives_up_before_the_one_that_waits_for_it(manager: dict[str, Any]) -> None:
    """The server is heard before Envoy gives up, and Envoy while a till still listens."""
    (host,) = manager["route_config"]["virtual_hosts"]
    routes = [part["route"] for part in host["routes"] if "retry_policy" in part.get("route", {})]
    assert len(routes) == 7
    assert all(route == routes[0] for route in routes)
    for route in routes:
        assert DEADLINE_MAX_S < float(route["timeout"].removesuffix("s")) <= PATIENCE_S
