"""The protos as `make protos` writes them, for compilers of other languages."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import the script, which belongs to no package."""
    monkeypatch.syspath_prepend(ROOT / "protos")
    return importlib.import_module("generate")


def compiled(folder: Path, *sources: str) -> descriptor_pb2.FileDescriptorSet:
    """Compile protos of a folder and of nothing beside it."""
    target = folder / "compiled.binpb"
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", "--include_imports"]
    subprocess.run([*command, f"--descriptor_set_out={target}", *sources], check=True)
    return descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())


def test_protos_are_written_with_all_that_they_import(generator: Any, tmp_path: Path) -> None:
    """What is written compiles by itself, and into the descriptors that are kept."""
    target = tmp_path / "protos"
    generator.export_protos(target)
    sources = sorted(str(path.relative_to(target)) for path in target.rglob("*.proto"))

    found = {file.name: file for file in compiled(target, *sources).file}

    kept = descriptor_pb2.FileDescriptorSet.FromString(
        (ROOT / "generated" / "loyalty.binpb").read_bytes()
    )
    assert found.keys() == {file.name for file in kept.file}
    for file in kept.file:
        if file.package == "loyalty.v1":
            file.ClearField("source_code_info")
            assert found[file.name] == file


def test_proto_written_from_its_descriptor_says_the_same(generator: Any, tmp_path: Path) -> None:
    """The rules' own proto, of which only a descriptor is installed, loses nothing."""
    (tmp_path / "buf" / "validate").mkdir(parents=True)
    (tmp_path / generator.VALIDATE).write_text(generator.validate_source(), encoding="utf-8")

    (*_, found) = compiled(tmp_path, generator.VALIDATE).file

    (installed,) = (
        file for file in generator.third_party_descriptors().file if file.name == generator.VALIDATE
    )
    assert found.SerializeToString(deterministic=True) == installed.SerializeToString(
        deterministic=True
    )


def test_protos_of_an_earlier_release_are_taken_away(generator: Any, tmp_path: Path) -> None:
    """What is no longer part of the contract does not stay behind."""
    target = tmp_path / "protos"
    target.mkdir()
    (target / "old.proto").touch()

    generator.export_protos(target)

    assert not (target / "old.proto").exists()
