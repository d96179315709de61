"""The contract's surface: routes, roles, spelling, and what is generated from it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, json_format
from google.protobuf.message_factory import GetMessageClass

from loyalty_service.transport.authentication import ROLES
from loyalty_service.transport.server import SERVICES

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "generated"
APPROVED = Path(__file__).with_name("approved")


def _ours() -> list[descriptor_pb2.FileDescriptorProto]:
    files = descriptor_pb2.FileDescriptorSet.FromString((GENERATED / "loyalty.binpb").read_bytes())
    return [file for file in files.file if file.package == "loyalty.v1"]


def _generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "protos" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # As for a script, whose own folder is searched.
    sys.path.insert(0, str(ROOT / "protos"))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(ROOT / "protos"))
    return module


def test_routes_are_the_approved_ones() -> None:
    """The HTTP surface changes only together with the list that was approved."""
    routes = (GENERATED / "routes.txt").read_text(encoding="utf-8")
    assert routes == (APPROVED / "routes.txt").read_text(encoding="utf-8")


def test_json_names_are_the_approved_ones() -> None:
    """Every field of every message keeps the JSON name that callers read and write."""
    lines = []
    for file in _ours():
        for message in file.message_type:
            lines += _json_names(message, message.name)
    approved = (APPROVED / "json_names.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(lines) == approved


def _json_names(message: descriptor_pb2.DescriptorProto, path: str) -> list[str]:
    lines = [f"{path}.{field.json_name}" for field in message.field]
    for nested in message.nested_type:
        lines += _json_names(nested, f"{path}.{nested.name}")
    return lines


def test_every_rpc_has_roles_and_is_served() -> None:
    """An RPC of the contract can't be forgotten: it has roles, a route and a servicer."""
    described = {
        f"{service.name}/{method.name}"
        for file in _ours()
        for service in file.service
        for method in service.method
    }
    served = {f"{service.name}/{method.name}" for service in SERVICES for method in service.methods}
    assert described == served == ROLES.keys()
    assert all(ROLES.values())


def test_every_rpc_has_a_route() -> None:
    """Every RPC can be called over HTTP too."""
    for file in _ours():
        for service in file.service:
            for method in service.method:
                rule = method.options.Extensions[annotations_pb2.http]
                assert rule.WhichOneof("pattern"), f"{service.name}.{method.name} has no route"


def test_generated_files_are_fresh(tmp_path: Path) -> None:
    """What stands in generated/ is, to the byte, what the protos generate."""
    generator = _generator()
    generator.generate(tmp_path)
    assert generator.contents(GENERATED) == generator.contents(tmp_path)


def test_stale_generated_files_are_named(tmp_path: Path) -> None:
    """The check names each file that differs, is missing or does not belong."""
    generator = _generator()
    generator.generate(tmp_path)
    (tmp_path / "routes.txt").write_text("GET /\n", encoding="utf-8")
    (tmp_path / "loyalty.binpb").unlink()
    (tmp_path / "more.txt").touch()
    assert generator.stale(tmp_path) == ["loyalty.binpb", "more.txt", "routes.txt"]


GOLDEN = sorted(APPROVED.glob("*.json"))


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_golden_json_is_read_and_written_alike(file: Path) -> None:
    """A message written as JSON is the golden file, names, types, presence and all."""
    text = file.read_text(encoding="utf-8")
    descriptor = descriptor_pool.Default().FindMessageTypeByName(f"loyalty.v1.{file.stem}")
    message = json_format.Parse(text, GetMessageClass(descriptor)())
    written = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    assert written == json.loads(text)
