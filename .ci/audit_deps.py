"""
Looks up every pinned package in a database of known vulnerabilities.

pip-audit passes a package that the database does not know, and so all of them where the database
is out of reach: here it is a pass only when every single package was looked up.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
SERVICES = ("pypi", "osv")
WITHIN_S = 600


def main(locks: list[str]) -> int:
    """Audit the lock files; answers the exit code: 0 sound, 1 vulnerable, 2 nobody knows."""
    worst = 0
    for lock in locks:
        pinned = {
            _plain(name): version for name, version in PINNED.findall(Path(lock).read_text("utf-8"))
        }
        worst = max(worst, _audit(lock, pinned))
    return worst


def _audit(lock: str, pinned: dict[str, str]) -> int:
    left: set[str] = set(pinned)
    reasons = []
    for service in SERVICES:
        found, problem = _look_up(lock, service)
        seen = {_plain(part["name"]): part for part in found if "skip_reason" not in part}
        wrong = {name: part["vulns"] for name, part in seen.items() if part["vulns"]}
        if wrong:
            for name, known in sorted(wrong.items()):
                for entry in known:
                    fixed = ", ".join(entry["fix_versions"]) or "no version"
                    print(f"{lock}: {name} {pinned[name]}: {entry['id']}, mended in {fixed}")
            return 1
        left = set(pinned) - set(seen)
        if not left:
            print(f"{lock}: {len(pinned)} packages looked up at {service}, none is vulnerable")
            return 0
        reasons.append(f"{service}: {problem or f'{len(left)} of {len(pinned)} are unknown there'}")
    print(
        f"{lock}: NOT AUDITED: {len(left)} of {len(pinned)} packages could not be looked up "
        f"({'; '.join(reasons)}). This is no pass: run it where pypi.org or api.osv.dev answers."
    )
    return 2


def _look_up(lock: str, service: str) -> tuple[list[Any], str]:
    """Ask a service about a lock file; answers what it found, or why it did not."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes"]
    command += ["--requirement", lock, "--vulnerability-service", service]
    command += ["--format", "json", "--progress-spinner", "off"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WITHIN_S)
        return json.loads(ran.stdout)["dependencies"], ""
    except subprocess.TimeoutExpired:
        return [], f"no answer within {WITHIN_S} s"
    except (ValueError, LookupError):
        last = (ran.stderr.strip() or "no output").splitlines()[-1]
        return [], last[:200]


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
