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
import textwrap
from pathlib import Path
from typing import Any

PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)
SERVICES = ("pypi", "osv")
WITHIN_S = 600
REASON_MAX = 100


def main(locks: list[str]) -> int:
    """Audit the lock files; answers the exit code: 0 sound, 1 vulnerable, 2 nobody knows."""
    worst = 0
    unaudited: dict[str, str] = {}
    reasons: dict[str, None] = {}
    for lock in locks:
        pinned = {
            _plain(name): version for name, version in PINNED.findall(Path(lock).read_text("utf-8"))
        }
        code, left, why = _audit(lock, pinned)
        worst = max(worst, code)
        if left:
            unaudited[Path(lock).name] = f"{left} of {len(pinned)} packages"
            reasons |= dict.fromkeys(why)
    if unaudited:
        print("NOT AUDITED, which is no pass:")
        for name, count in unaudited.items():
            print(f"  {name}: {count} could not be looked up")
        for reason in reasons:
            print(f"  {reason}")
        print("Run it where pypi.org or api.osv.dev answers.")
    return worst


def _audit(lock: str, pinned: dict[str, str]) -> tuple[int, int, list[str]]:
    """Answer an exit code, how many packages nobody could look up, and why."""
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
            return 1, 0, []
        left = set(pinned) - set(seen)
        if not left:
            print(f"{lock}: {len(pinned)} packages looked up at {service}, none is vulnerable")
            return 0, 0, []
        known = "some" if seen else "none"
        reasons.append(f"{service}: {problem or f'knows {known} of the packages'}")
    return 2, len(left), reasons


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
        return [], _shortened(ran.stderr)


def _shortened(said: str) -> str:
    """Word in one short line why nothing was found, by what was said last."""
    last = (said.strip() or "no output").splitlines()[-1]
    # The pool, the address and the object it happened in make each line another one.
    cause = re.search(r"Caused by .*?[)>]: ([^\"()]+)", last)
    return textwrap.shorten(cause[1] if cause else last, REASON_MAX, placeholder=" …")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
