"""
Write what a vendor of tills or kiosks needs into dist/: run by `make kit`.

The TypeScript stubs need npm, which fetches the generator that `kit/typescript/package-lock.json`
pins. Everything else comes from what pip has installed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

from generate import GENERATED, ROOT, export_protos, service_version

from kit.collection import write_collection
from kit.descriptors import without_validation

DIST = ROOT / "dist"
TYPESCRIPT = ROOT / "protos" / "kit" / "typescript"
BUILD = ROOT / "build" / "typescript"

SUMS = "SHA256SUMS"

README = """\
# Client kit of the loyalty service

| here | what it is |
|---|---|
| `loyalty_api-*.whl` | Python: stubs with types, needs three packages |
| `protos/` | the contract with everything it imports, for protoc and buf |
| `descriptors/loyalty.binpb` | the same in one file, with the details of errors |
| `descriptors/loyalty-plain.binpb` | the same without the rules of buf.validate, for PHP |
| `typescript/` | TypeScript and JavaScript: messages and services for Connect-ES |
| `openapi/` | the JSON calls as OpenAPI 3.1, and `index.html`, their reference |
| `collection/` | calls for Bruno |
| `SHA256SUMS` | `sha256sum --check SHA256SUMS` |
"""


def make_kit(dist: Path) -> None:
    """Write everything into a folder; what was there before is deleted."""
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    (dist / "README.md").write_text(README, encoding="utf-8")
    run(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--no-index", "--no-build-isolation"),
        *("--wheel-dir", str(dist), str(GENERATED)),
    )
    export_protos(dist / "protos")
    descriptor_set = (GENERATED / "loyalty.binpb").read_bytes()
    (dist / "descriptors").mkdir()
    (dist / "descriptors" / "loyalty.binpb").write_bytes(descriptor_set)
    plain = without_validation(descriptor_set)
    (dist / "descriptors" / "loyalty-plain.binpb").write_bytes(plain)
    shutil.copytree(GENERATED / "openapi", dist / "openapi")
    write_collection(dist / "collection")
    write_typescript(dist / "typescript", dist / "protos")
    write_sums(dist)


def write_typescript(target: Path, protos: Path) -> None:
    """Generate the stubs of Connect-ES, as a package that npm installs from its folder."""
    BUILD.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(TYPESCRIPT / name, BUILD / name)
    run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", folder=BUILD)
    plugin = {
        "local": str(BUILD / "node_modules" / ".bin" / "protoc-gen-es"),
        "out": str(target),
        "opt": ["target=js+dts", "import_extension=js"],
    }
    template = json.dumps({"version": "v2", "plugins": [plugin]})
    run(
        *(str(Path(sys.executable).with_name("buf")), "generate", str(protos)),
        *("--template", template, "--exclude-path", str(protos / "google" / "protobuf")),
    )
    locked = json.loads((BUILD / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    version = locked["node_modules/@bufbuild/protobuf"]["version"]
    package = {
        "name": "loyalty-api",
        "version": service_version(),
        "license": "Apache-2.0",
        "type": "module",
        "dependencies": {"@bufbuild/protobuf": f"^{version}"},
    }
    (target / "package.json").write_text(json.dumps(package, indent=2) + "\n", encoding="utf-8")


def write_sums(dist: Path) -> None:
    """Write the digest of every file."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(dist)}\n"
        for path in sorted(dist.rglob("*"))
        if path.is_file()
    ]
    (dist / SUMS).write_text("".join(lines), encoding="utf-8")


def run(*command: str, folder: Path = ROOT) -> None:
    """Run a program, and stop when it fails."""
    if subprocess.run(command, cwd=folder, check=False).returncode:  # noqa: S603
        sys.exit(f"{command[0]} failed")


if __name__ == "__main__":
    make_kit(DIST)
    print(f"The client kit is in {DIST.relative_to(ROOT)}/.")
