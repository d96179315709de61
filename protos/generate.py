"""
Write everything under generated/ from the protos and the installed packages.

Run by `make generate`. Third-party protos come from the packages pip installed, so nothing is
downloaded and nothing of theirs is committed as source.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import protovalidate._gen.buf.validate.validate_pb as validate_pb
from google.api import annotations_pb2, http_pb2
from google.protobuf import (
    descriptor_pb2,
    duration_pb2,
    field_mask_pb2,
    timestamp_pb2,
)
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GENERATED = ROOT / "generated"


def third_party_descriptors() -> descriptor_pb2.FileDescriptorSet:
    """Collect the descriptors of the protos that ours import, dependencies first."""
    files = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().MergeFromString(validate_pb.desc().proto.to_binary())
    for module in (http_pb2, annotations_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    return files


def run_protoc(*arguments: str) -> None:
    """Run protoc and stop the program when it refuses."""
    if protoc.main(["protoc", *arguments]) != 0:
        sys.exit(1)


def http_routes(descriptor_set: Path) -> str:
    """Render the HTTP surface, one `METHOD /path rpc` a line, sorted by path."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set.read_bytes())
    routes = []
    for file in files.file:
        for service in file.service:
            for method in service.method:
                rpc = f"{file.package}.{service.name}/{method.name}"
                rule = method.options.Extensions[annotations_pb2.http]
                for binding in (rule, *rule.additional_bindings):
                    verb = binding.WhichOneof("pattern")
                    if verb is not None:
                        routes.append((getattr(binding, verb), verb.upper(), rpc))
    return "".join(f"{verb} {path} {rpc}\n" for path, verb, rpc in sorted(routes))


def generate(target: Path) -> None:
    """Write the Python modules, the descriptor set and the route list to *target*."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        imports = Path(folder) / "third_party.binpb"
        imports.write_bytes(third_party_descriptors().SerializeToString(deterministic=True))
        ours = Path(folder) / "loyalty.binpb"
        run_protoc(
            f"-I{PROTOS}",
            f"--descriptor_set_in={imports}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={ours}",
            *sources,
        )
        run_protoc(
            f"--descriptor_set_in={ours}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            "buf/validate/validate.proto",
            *sources,
        )
        run_protoc(
            f"--descriptor_set_in={ours}",
            f"--grpc_python_out={target}",
            *(source for source in sources if source.endswith("_service.proto")),
        )
        shutil.copyfile(ours, target / "loyalty.binpb")
    (target / "routes.txt").write_text(http_routes(target / "loyalty.binpb"), encoding="utf-8")


if __name__ == "__main__":
    generate(GENERATED)
