"""The contract's surface: routes, roles, spelling, and what is generated from it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, json_format
from google.protobuf.message_factory import GetMessageClass

from loyalty_service.application.orders.repeated_orders import IDENTIFY, RECORD, REPORT, VOID
from loyalty_service.transport.rpcs import RPCS, SERVED, SERVICES
from loyalty_service.transport.servicers.all_servicers import all_servicers
from tests.book.fields import missing_fields
from tests.book.pages import missing_pages
from tests.support.generator import generator

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "generated"
GENERATOR = generator()
APPROVED = Path(__file__).with_name("approved")


def _ours() -> list[descriptor_pb2.FileDescriptorProto]:
    files = descriptor_pb2.FileDescriptorSet.FromString((GENERATED / "loyalty.binpb").read_bytes())
    return [file for file in files.file if file.package == "loyalty.v1"]


def test_routes_are_the_approved_ones() -> None:
    """What can be called, what it does and who may do it changes only with the approved list."""
    routes = []
    for route in (GENERATED / "routes.txt").read_text(encoding="utf-8").splitlines():
        rpc = RPCS[route.rpartition(" loyalty.v1.")[2]]
        routes.append(f"{route} {rpc.effect.value} {','.join(sorted(rpc.roles))}")
    assert routes == (APPROVED / "routes.txt").read_text(encoding="utf-8").splitlines()


def test_every_rpc_is_served() -> None:
    """An RPC of the contract can't be forgotten: its service is served, and it with it."""
    described = {
        f"{service.name}/{method.name}"
        for file in _ours()
        for service in file.service
        for method in service.method
    }
    assert described == SERVED.keys()
    servicers = all_servicers()
    assert {service.name for service in SERVICES} == set(servicers)
    for rpc in SERVED.values():
        has = hasattr(servicers[rpc.service], rpc.method.name)
        assert has, f"{rpc.name} is not in the servicer of its service"


@pytest.mark.parametrize("name", sorted(SERVED))
def test_changelog_tells_of_every_rpc(name: str) -> None:
    """Callers read of each RPC in the changelog."""
    words = re.findall(r"\w+", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert name.partition("/")[2] in words


def test_every_rpc_is_in_the_request_book() -> None:
    """Suites that call every RPC find a good and a bad request of each in one place."""
    assert missing_pages() == []
    assert missing_fields() == []


def test_names_in_stores_are_those_of_the_contract() -> None:
    """Use cases that keep an answer by themselves do it under the name that calls are kept by."""
    assert RPCS["IdentifyService/IdentifyMember"].kept_as == IDENTIFY
    assert RPCS["TransactionService/ReportOrder"].kept_as == REPORT
    assert RPCS["TransactionService/RecordUnclaimedOrder"].kept_as == RECORD
    assert RPCS["TransactionService/VoidTransaction"].kept_as == VOID


def test_every_rpc_has_a_route() -> None:
    """Every RPC can be called over HTTP too, but for streams."""
    for file in _ours():
        for service in file.service:
            for method in service.method:
                rule = method.options.Extensions[annotations_pb2.http]
                has = rule.WhichOneof("pattern") is not None
                assert has is not method.server_streaming, f"{service.name}.{method.name}"


def test_generated_files_are_fresh() -> None:
    """What stands in generated/ is, to the byte, what the protos generate."""
    assert GENERATOR.stale(GENERATED) == []


def test_stale_generated_files_are_named(tmp_path: Path) -> None:
    """The check names each file that differs, is missing or does not belong."""
    shutil.copytree(GENERATED, tmp_path, dirs_exist_ok=True)
    (tmp_path / "routes.txt").write_text("GET /\n", encoding="utf-8")
    (tmp_path / "loyalty.binpb").unlink()
    (tmp_path / "more.txt").touch()
    assert GENERATOR.stale(tmp_path) == ["loyalty.binpb", "more.txt", "routes.txt"]


GOLDEN = sorted(APPROVED.glob("*.json"))


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_golden_json_is_read_and_written_alike(file: Path) -> None:
    """A message written as JSON is the golden file, names, types, presence and all."""
    text = file.read_text(encoding="utf-8")
    descriptor = descriptor_pool.Default().FindMessageTypeByName(f"loyalty.v1.{file.stem}")
    message = json_format.Parse(text, GetMessageClass(descriptor)())
    written = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    assert written == json.loads(text)
