"""What envoy.yaml promises, checked against the contract it stands for."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.rpc import error_details_pb2, status_pb2
from ruamel.yaml import YAML

from buf.validate import validate_pb2
from loyalty_service.domain.errors import (
    ApiKeyMissingError,
    FieldViolation,
    LoyaltyError,
    RequestInvalidError,
)
from loyalty_service.transport.call import DEADLINE_MAX_S
from loyalty_service.transport.errors.catalogue import CATALOGUE
from loyalty_service.transport.errors.rendering import DOMAIN, grpc_trailers
from loyalty_service.transport.rpcs import SERVICES

PATIENCE_S = 5.0
"""How long a till waits for an answer."""

FINE_MAPPERS = 1
ES_MAPPERS = 5
GRPC_MAPPERS = -5
MISSPELT_KEY = "must be spelt with dashes: x_api_key is not read"
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
    """The filter's source."""
    return (ROOT / "envoy" / "json_door.lua").read_text(encoding="utf-8")


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
        *("lua", "grpc_json_transcoder", "router"),
    ]


def test_both_sources_of_fixed_headers_agree(manager: dict[str, Any], lua: str) -> None:
    """An answer has the same headers whether a filter saw it or not."""
    mappers = manager["local_reply_config"]["mappers"][FINE_MAPPERS:]
    spoken = [("ES_HEADERS", mapper) for mapper in mappers[:ES_MAPPERS]]
    spoken += [("RBI_HEADERS", mapper) for mapper in mappers[ES_MAPPERS:GRPC_MAPPERS]]
    for name, mapper in spoken:
        block = lua.partition(f"local {name} = {{\n")[2].partition("\n}\n")[0]
        in_lua = re.findall(r'\{\s*"([^"]+)",\s*"([^"]*)",?\s*\}', block)
        in_yaml = [
            (part["header"]["key"], part["header"]["value"]) for part in mapper["headers_to_add"]
        ]
        own = ("x-request-id", "retry-after")
        assert [part for part in in_yaml if part[0] not in own] == in_lua


def grpc_status_of(mapper: dict[str, Any]) -> status_pb2.Status:
    """Read what a mapper tells a gRPC caller, which must agree wherever it stands."""
    headers = {part["header"]["key"]: part["header"]["value"] for part in mapper["headers_to_add"]}
    # Envoy, as gRPC, leaves the padding out.
    packed = base64.b64decode(headers["grpc-status-details-bin"] + "==")
    status = status_pb2.Status.FromString(packed)
    assert status.code == int(headers["grpc-status"])
    assert status.message == mapper["body_format_override"]["text_format_source"]["inline_string"]
    return status


def unpacked(status: status_pb2.Status) -> list[Any]:
    """Give code, text and details: bytes may hold a detail's metadata in any order."""
    found: list[Any] = [status.code, status.message]
    for detail in status.details:
        found += [
            kind.FromString(detail.value)
            for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest)
            if detail.Is(kind.DESCRIPTOR)
        ]
    return found


@pytest.mark.parametrize(
    ("place", "error"),
    [
        (-3, ApiKeyMissingError()),
        (-2, RequestInvalidError((FieldViolation("x-api-key", MISSPELT_KEY),))),
        (-1, RequestInvalidError((FieldViolation("", "must be one whole message"),))),
    ],
    ids=["no key", "misspelt key", "no whole message"],
)
def test_a_grpc_caller_reads_what_the_server_would_say(
    manager: dict[str, Any], place: int, error: LoyaltyError
) -> None:
    """What the gate refuses is worded and detailed as the server's own refusal."""
    ((_, packed),) = grpc_trailers(error)
    mapper = manager["local_reply_config"]["mappers"][place]
    assert unpacked(grpc_status_of(mapper)) == unpacked(status_pb2.Status.FromString(packed))


def test_a_json_caller_without_a_key_reads_what_the_server_would_say(
    manager: dict[str, Any],
) -> None:
    """Both dialects word a missing key as the catalogue does."""
    row = CATALOGUE[ApiKeyMissingError]
    bodies = [
        json.loads(
            mapper["body_format_override"]["text_format_source"]["inline_string"].replace(
                "%RESPONSE_CODE%", str(row.http)
            )
        )
        for mapper in manager["local_reply_config"]["mappers"][FINE_MAPPERS:GRPC_MAPPERS]
    ]
    es, rbi = (body for body in bodies if row.message in body.values())
    assert (es["errorCode"], rbi["code"]) == (row.es, row.rbi)
    assert rbi["details"] == {"reason": row.reason, "metadata": {}}


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


def test_a_grpc_caller_reads_when_to_come_back(manager: dict[str, Any]) -> None:
    """What Envoy refuses has the details that the server's own refusals have."""
    status = grpc_status_of(manager["local_reply_config"]["mappers"][GRPC_MAPPERS])
    assert status.code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert (info.reason, info.domain) == ("SERVER_BUSY", DOMAIN)
    assert retry.retry_delay.ToSeconds() == 1


def test_each_gives_up_before_the_one_that_waits_for_it(manager: dict[str, Any]) -> None:
    """The server is heard before Envoy gives up, and Envoy while a till still listens."""
    (host,) = manager["route_config"]["virtual_hosts"]
    routes = [part["route"] for part in host["routes"] if "retry_policy" in part.get("route", {})]
    assert len(routes) == 2
    assert routes[0] == routes[1]
    for route in routes:
        assert DEADLINE_MAX_S < float(route["timeout"].removesuffix("s")) <= PATIENCE_S


def test_every_answer_of_envoy_is_json(manager: dict[str, Any]) -> None:
    """No mapper leaves an answer as text/plain."""
    formats = [
        mapper["body_format_override"]
        for mapper in manager["local_reply_config"]["mappers"][FINE_MAPPERS:GRPC_MAPPERS]
    ]
    assert {part["content_type"] for part in formats} == {"application/json"}
