"""
Write what an operator installs from into one archive: run by `make release`.

The archive is named by what git calls the commit, so that only a release has a release's name.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DESCRIBE = ("git", "describe", "--tags", "--match", "v*", "--always", "--dirty", "--abbrev=10")
TAKEN = (
    "CHANGELOG.md",
    "LICENSE",
    "requirements-console.lock",
    "requirements-native.lock",
    "requirements-production.lock",
)
FOLDERS = ("docs", "envoy", "examples/deploy")
GENERATED = ("edge_errors.lua", "json_requests.lua", "loyalty.binpb")


def write_release(wheels: Path, target: Path) -> Path:
    """Write the archive of these wheels into a folder; returns its path."""
    described = subprocess.run(DESCRIBE, cwd=ROOT, capture_output=True, text=True, check=True)
    name = f"loyalty-{described.stdout.strip().removeprefix('v')}"
    sources = {
        **{path.name: path for path in sorted(wheels.glob("*.whl"))},
        **{place: ROOT / place for place in TAKEN},
        **{
            path.relative_to(ROOT).as_posix(): path
            for folder in FOLDERS
            for path in sorted((ROOT / folder).rglob("*"))
            if path.is_file()
        },
        **{f"envoy/{place}": ROOT / "generated" / place for place in GENERATED},
    }
    contents = {place: path.read_bytes() for place, path in sources.items()}
    sums = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {place}\n" for place, content in contents.items()
    )
    contents["SHA256SUMS"] = sums.encode()
    target.mkdir(parents=True, exist_ok=True)
    archive = target / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for place, content in contents.items():
            entry = tarfile.TarInfo(f"{name}/{place}")
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return archive


if __name__ == "__main__":
    print(write_release(Path(sys.argv[1]), Path(sys.argv[2])))
