"""
Write everything under generated/ from the protos, the installed packages and the table of errors.

Run by `make generate`. Third-party protos come from the packages pip installed, so nothing is
downloaded and nothing of theirs is committed as source.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

from google.api import annotations_pb2, field_behavior_pb2, http_pb2
from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
)
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.rpc import error_details_pb2, status_pb2
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

from field_rules import IGNORE_ALWAYS, field_rules
from proto_source import ProtoSource

# What JSON may hold for a field of each type; integers carry their range.
JSON_TYPES = {
    FieldDescriptor.TYPE_BOOL: 'type = "bool"',
    FieldDescriptor.TYPE_DOUBLE: 'type = "number"',
    FieldDescriptor.TYPE_FLOAT: 'type = "number"',
    FieldDescriptor.TYPE_STRING: 'type = "string"',
    **dict.fromkeys(
        (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SFIXED32),
        'type = "integer", least = -2147483648, most = 2147483647',
    ),
    **dict.fromkeys(
        (FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_FIXED32),
        'type = "integer", least = 0, most = 4294967295',
    ),
}

ES_PATHS = "/client/"
"""How the paths of the ES contract begin."""

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
GENERATED = ROOT / "generated"
ENVOY_CONFIG = ROOT / "envoy" / "envoy.yaml"
EXPORTED = ROOT / "build" / "protos"

DETAILS = ("google/rpc/error_details.proto", "google/rpc/status.proto")
"""What no proto of ours imports and every refusal holds."""

VALIDATE = "buf/validate/validate.proto"

API_NEEDS = ("googleapis-common-protos", "grpcio", "protobuf")
"""What the stubs import: the requirements of loyalty-api."""

API_PROJECT = """\
# Written by protos/generate.py. Do not edit.
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "loyalty-api"
version = "{version}"
description = "The contract of the loyalty service: Python stubs, protos and descriptors."
requires-python = "{python}"
license = "Apache-2.0"
license-files = ["LICENSE"]
classifiers = [
  "Intended Audience :: Developers",
  "Operating System :: OS Independent",
  "Programming Language :: Python :: 3",
  "Topic :: Office/Business :: Financial :: Point-Of-Sale",
  "Typing :: Typed",
]
dependencies = [
{needs}]

[tool.hatch.build.targets.wheel]
only-include = ["buf", "loyalty"]
dev-mode-dirs = ["."]

# Beside the stubs: where they are installed is where protoc finds them.
[tool.hatch.build.targets.wheel.force-include]
"../protos/loyalty" = "loyalty"
"loyalty.binpb" = "loyalty/loyalty.binpb"
"""


def third_party_descriptors() -> descriptor_pb2.FileDescriptorSet:
    """Collect the descriptors of the protos that ours import, dependencies first."""
    files = descriptor_pb2.FileDescriptorSet()
    for module in (
        any_pb2,
        descriptor_pb2,
        duration_pb2,
        field_mask_pb2,
        struct_pb2,
        timestamp_pb2,
    ):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().MergeFromString(validate_pb.desc().proto.to_binary())
    for module in (http_pb2, annotations_pb2, field_behavior_pb2, error_details_pb2, status_pb2):
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


def json_type(field: FieldDescriptor) -> str:
    """Render what JSON may hold for *field*; "any" where the filter leaves it to the transcoder."""
    if field.type == FieldDescriptor.TYPE_ENUM:
        words = ", ".join(f'"{value.name}"' for value in field.enum_type.values if value.number)
        return f'type = "enum", words = {{ {words} }}'
    message = field.message_type
    if message is None:
        return JSON_TYPES.get(field.type, 'type = "any"')
    if message.GetOptions().map_entry or message.full_name.startswith("google.protobuf."):
        return 'type = "any"'
    return f'type = "message", message = "{message.full_name}"'


def missing_words(field: FieldDescriptor) -> str:
    """Word what the server says of *field* where it is left out; nothing where it may be."""
    rules = field_rules(field)
    if rules.required or 0 in rules.enum.not_in:
        return "is required"
    if field.is_repeated or field.has_presence or rules.ignore:
        return ""
    if rules.string.uuid:
        return "must be a UUID"
    pattern = rules.string.pattern
    return "must not be blank" if pattern and not re.match(pattern, "") else ""


def lua_required(message: Descriptor) -> str:
    """Render the fields of *message* that may not be left out, in their order."""
    lines = [f'    ["{message.full_name}"] = {{']
    for field in message.fields:
        if words := missing_words(field):
            names = f'name = "{field.json_name}", proto_name = "{field.name}"'
            lines.append(f'      {{ {names}, missing = "{words}" }},')
    return "\n".join([*lines, "    },"])


def lua_message(message: Descriptor) -> str:
    """Render the fields of *message*, each under its JSON name and its proto name."""
    lines = [f'    ["{message.full_name}"] = {{']
    for field in message.fields:
        repeated = ", repeated = true" if field.is_repeated else ""
        # What the server does not look at may be incomplete.
        repeated += ", unread = true" if field_rules(field).ignore == IGNORE_ALWAYS else ""
        lines.extend(
            f'      {name} = {{ name = "{field.json_name}", {json_type(field)}{repeated} }},'
            for name in dict.fromkeys((field.json_name, field.name))
        )
    return "\n".join([*lines, "    },"])


def json_requests(descriptor_set: Path) -> str:
    """Render, as a Lua table, the routes and the request messages that come in as JSON."""
    pool = descriptor_pool.DescriptorPool()
    pending: list[Descriptor] = []
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set.read_bytes())
    for file in files.file:
        pool.Add(file)
    lines = ["-- Written by protos/generate.py. Do not edit.", "return {", "  routes = {"]
    routes = [route.split() for route in http_routes(descriptor_set).splitlines()]
    own = {rpc for _, path, rpc in routes if not path.startswith(ES_PATHS)}
    for verb, path, rpc in routes:
        request = pool.FindMethodByName(rpc.replace("/", ".")).input_type
        pending.append(request)
        # A path of ES for a call of our own, which has its own path besides.
        alias = ", alias = true" if path.startswith(ES_PATHS) and rpc in own else ""
        lines.append(
            f'    {{ method = "{verb}", path = "{path}", request = "{request.full_name}"{alias} }},'
        )
    lines.extend(["  },", "  messages = {"])
    messages: dict[str, Descriptor] = {}
    while pending:
        message = pending.pop()
        if message.full_name not in messages:
            messages[message.full_name] = message
            pending.extend(
                field.message_type
                for field in message.fields
                if json_type(field).startswith('type = "message"')
            )
    lines.extend(lua_message(messages[name]) for name in sorted(messages))
    lines.extend(["  },", "  required = {"])
    lines.extend(lua_required(messages[name]) for name in sorted(messages))
    return "\n".join([*lines, "  },", "}", ""])


def describe(protos: Path, target: Path) -> list[str]:
    """Write the descriptor set of the protos in a folder; return their names."""
    sources = sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))
    with tempfile.TemporaryDirectory() as folder:
        imports = Path(folder) / "third_party.binpb"
        imports.write_bytes(third_party_descriptors().SerializeToString(deterministic=True))
        run_protoc(
            f"-I{protos}",
            f"--descriptor_set_in={imports}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={target}",
            *sources,
            *DETAILS,
        )
    return sources


def generate(target: Path) -> None:
    """Write the Python modules, the descriptor set, the route list and the Lua schema."""
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "loyalty.binpb"
        sources = describe(PROTOS, ours)
        run_protoc(
            f"--descriptor_set_in={ours}",
            f"--python_out={target}",
            f"--pyi_out={target}",
            VALIDATE,
            *sources,
        )
        run_protoc(
            f"--descriptor_set_in={ours}",
            f"--grpc_python_out={target}",
            *(source for source in sources if source.endswith("_service.proto")),
        )
        shutil.copyfile(ours, target / "loyalty.binpb")
    (target / "routes.txt").write_text(http_routes(target / "loyalty.binpb"), encoding="utf-8")
    (target / "json_requests.lua").write_text(
        json_requests(target / "loyalty.binpb"), encoding="utf-8"
    )
    write_api_project(target)


def write_api_project(target: Path) -> None:
    """Write what makes a project of the stubs: loyalty-api, of the service's own version."""
    service = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = sorted(
        need for need in service["dependencies"] if re.split(r"[^\w-]", need)[0] in API_NEEDS
    )
    project = API_PROJECT.format(
        version=service["version"],
        python=service["requires-python"],
        needs="".join(f'  "{need}",\n' for need in needs),
    )
    (target / "pyproject.toml").write_text(project, encoding="utf-8")
    shutil.copyfile(ROOT / "LICENSE", target / "LICENSE")
    (target / VALIDATE).write_text(validate_source(), encoding="utf-8")
    for package in ("buf/validate", "loyalty/v1"):
        (target / package / "py.typed").touch()


def validate_source() -> str:
    """Write the one imported proto that no package brings as source."""
    pool = descriptor_pool.DescriptorPool()
    files = third_party_descriptors()
    for file in files.file:
        pool.Add(file)
    return str(ProtoSource(next(file for file in files.file if file.name == VALIDATE), pool))


def export_protos(target: Path) -> None:
    """Write the protos with all that they import, for compilers of every language."""
    shutil.rmtree(target, ignore_errors=True)
    folders = {
        "loyalty/": PROTOS,
        "buf/": GENERATED,
        "google/protobuf/": Path(protoc.__file__).with_name("_proto"),
        "google/": Path(annotations_pb2.__file__).parents[2],
    }
    descriptor_set = (GENERATED / "loyalty.binpb").read_bytes()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
        folder = next(folders[start] for start in folders if file.name.startswith(start))
        (target / file.name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / file.name, target / file.name)


def edge_routes(target: Path) -> dict[str, str]:
    """Give `METHOD /path` of each route in *target*, and the `Service/Method` that it calls."""
    routes = {}
    for line in (target / "routes.txt").read_text(encoding="utf-8").splitlines():
        verb, path, rpc = line.split()
        routes[f"{verb} {path}"] = rpc.rpartition(".")[2]
    return routes


def generate_edge(target: Path, config: Path) -> None:
    """Write the words of what Envoy answers by itself, for its filter and into *config*."""
    # Not before: what these import is written above.
    from loyalty_service.transport.errors import edge_tables  # noqa: PLC0415

    routes = edge_routes(target)
    (target / "edge_errors.lua").write_text(edge_tables.edge_errors(routes), encoding="utf-8")
    text = ENVOY_CONFIG.read_text(encoding="utf-8")
    config.write_text(edge_tables.configured(text, routes), encoding="utf-8")


def service_version() -> str:
    """Give the version of this release."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["version"])


def generate_openapi(target: Path) -> None:
    """Write what JSON callers read: the OpenAPI document, twice, and its page."""
    # Not before: what it imports is written above.
    from kit import document, page  # noqa: PLC0415

    told = document.openapi((target / "loyalty.binpb").read_bytes(), service_version())
    folder = target / "openapi"
    folder.mkdir(exist_ok=True)
    (folder / "openapi.json").write_text(document.as_json(told), encoding="utf-8")
    (folder / "openapi.yaml").write_text(document.as_yaml(told), encoding="utf-8")
    (folder / "index.html").write_text(page.reference_page(told), encoding="utf-8")


def stale(target: Path) -> list[str]:
    """List what a fresh run would write otherwise than it stands in *target*."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as envoy:
        config = Path(envoy) / ENVOY_CONFIG.name
        generate(Path(folder))
        generate_edge(Path(folder), config)
        generate_openapi(Path(folder))
        fresh, found = contents(Path(folder)), contents(target)
        fresh[config.name] = config.read_bytes()
    found[config.name] = ENVOY_CONFIG.read_bytes()
    return sorted(name for name in fresh | found if fresh.get(name) != found.get(name))


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files below a folder, but Python's own caches."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        if names := stale(GENERATED):
            sys.exit(f"generated/ is stale: run `make generate` ({', '.join(names)})")
    elif sys.argv[1:] == ["--export"]:
        export_protos(EXPORTED)
        print(f"The protos are in {EXPORTED.relative_to(ROOT)}, with all that they import.")
    else:
        generate(GENERATED)
        generate_edge(GENERATED, ENVOY_CONFIG)
        generate_openapi(GENERATED)
