"""
Writes a CycloneDX bill of materials of what a production server runs.

The lock file says what is installed and with which hashes; what is installed here, and the same,
says under which licences and what needs what. The outcome is checked against CycloneDX's schema.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

SCHEMA = SchemaVersion.V1_6


def main(lock: str, target: Path) -> None:
    """Write the bill of materials of *lock*."""
    bom = _ask("requirements", "--pyproject", "pyproject.toml", lock)
    installed = _ask("environment", sys.executable)
    known = {_plain(part["name"]): part for part in installed["components"]}
    refs = {part["bom-ref"]: _plain(part["name"]) for part in installed["components"]}
    needs = {
        refs[entry["ref"]]: [refs[other] for other in entry.get("dependsOn", ()) if other in refs]
        for entry in installed["dependencies"]
        if entry["ref"] in refs
    }
    ours = {_plain(part["name"]): part["bom-ref"] for part in bom["components"]}
    for part in bom["components"]:
        seen = known[_plain(part["name"])]
        if seen["version"] != part["version"]:
            sys.exit(f"{part['name']} is installed as {seen['version']}, not {part['version']}")
        for detail in ("description", "licenses"):
            if detail in seen:
                part[detail] = seen[detail]
    bom["dependencies"] = [
        {"ref": bom["metadata"]["component"]["bom-ref"], "dependsOn": sorted(ours.values())},
        *(
            {"ref": ref, "dependsOn": sorted(ours[n] for n in needs.get(name, ()) if n in ours)}
            for name, ref in sorted(ours.items())
        ),
    ]
    text = json.dumps(bom, indent=1, sort_keys=True)
    problem = JsonStrictValidator(SCHEMA).validate_str(text)
    if problem is not None:
        sys.exit(f"the bill of materials is not CycloneDX {SCHEMA.to_version()}: {problem}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text + "\n", encoding="utf-8")
    bare = [part["name"] for part in bom["components"] if not part.get("licenses")]
    unlicensed = ", ".join(bare) or "none of them"
    print(f"{target}: {len(ours)} components; no licence in the metadata of {unlicensed}")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _ask(*arguments: str) -> Any:
    """Run cyclonedx-py; answers what it wrote."""
    command = [sys.executable, "-m", "cyclonedx_py", *arguments, "--output-reproducible"]
    command += ["--spec-version", SCHEMA.to_version(), "--output-format", "JSON", "--no-validate"]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return json.loads(ran.stdout)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
