"""What is installed is what was pinned, and an audit that looked at nothing is no pass."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKS = sorted(ROOT.glob("requirements*.lock"))
PIN = re.compile(
    r"^([a-z0-9-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def pins(lock: Path) -> dict[str, str]:
    """Give the pinned versions of a lock file by package."""
    return {name: version for name, version, _ in PIN.findall(lock.read_text("utf-8"))}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_pin_has_hashes_and_no_host(lock: Path) -> None:
    """Nothing is pinned without the hashes of its files, and no index is written down."""
    text = lock.read_text("utf-8")
    named = re.findall(r"^([^\s#]\S*)", text, re.MULTILINE)

    assert len(named) == len(pins(lock)) > 30
    assert "://" not in text
    assert not [name for name in named if name.startswith("-")]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_agree(lock: Path) -> None:
    """What two lock files pin they pin alike, so that all can be installed together."""
    ours = pins(LOCK)

    assert not {
        name: version for name, version in pins(lock).items() if ours.get(name, version) != version
    }


@pytest.mark.parametrize("name", ["production", "native"])
def test_production_needs_nothing_that_is_not_tested(name: str) -> None:
    """The lock of a production server is part of the one that tests run on."""
    assert pins(ROOT / f"requirements-{name}.lock").items() <= pins(LOCK).items()
    assert "pytest" not in pins(ROOT / f"requirements-{name}.lock")


def test_production_has_the_native_transport_only_where_asked_for() -> None:
    """The package of the extra is in a lock of its own, and nothing else differs."""
    plain, native = (pins(ROOT / f"requirements-{name}.lock") for name in ("production", "native"))

    assert native.keys() - plain.keys() == {"pygrpc-native"}
    assert plain.items() <= native.items()


@pytest.mark.parametrize("extra", ["sandbox", "native"])
def test_tests_run_on_what_an_extra_installs(extra: str) -> None:
    """What `loyalty-service[sandbox]` or `[native]` brings is what `make` brings."""
    extras = PROJECT["optional-dependencies"]

    assert set(extras[extra]) <= set(extras["dev"])


def test_service_needs_the_stubs_of_its_own_version() -> None:
    """The service and loyalty-api are released together, and no other is taken."""
    stubs = tomllib.loads((ROOT / "generated" / "pyproject.toml").read_text(encoding="utf-8"))

    assert stubs["project"]["version"] == PROJECT["version"]
    assert f"loyalty-api=={PROJECT['version']}" in PROJECT["dependencies"]


def audit_deps() -> Any:
    """Load the script, which belongs to no package."""
    spec = importlib.util.spec_from_file_location("audit_deps", ROOT / ".ci" / "audit_deps.py")
    assert spec is not None
    assert spec.loader is not None
    audit = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(audit)
    return audit


def entry(name: str, *vulnerabilities: str) -> dict[str, Any]:
    """Word what pip-audit found out about a package."""
    known = [{"id": name, "fix_versions": ["9"]} for name in vulnerabilities]
    return {"name": name, "version": "1", "vulns": known}


def skipped(name: str) -> dict[str, Any]:
    """Word what pip-audit says of a package that the service does not know."""
    return {"name": name, "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("pypi", "osv", "code", "words"),
    [
        ([entry("one"), entry("Two_x")], None, 0, "none is vulnerable"),
        ([entry("one", "PYSEC-7"), entry("two-x")], None, 1, "one 1: PYSEC-7, mended in 9"),
        ([entry("one", "PYSEC-7"), skipped("two-x")], None, 1, "PYSEC-7"),
        (
            [skipped("one"), skipped("two-x")],
            [],
            2,
            "some.lock: 2 of 2 packages could not be looked up",
        ),
        ([entry("one"), skipped("two-x")], [skipped("two-x")], 2, "NOT AUDITED"),
        ([], [entry("one"), entry("two-x")], 0, "osv"),
        ([], [], 2, "  osv: no answer\n"),
    ],
)
def test_audit_passes_only_what_was_looked_up(
    pypi: Any,
    osv: Any,
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A vulnerability ends with 1, and a package that no service knew with 2."""
    audit = audit_deps()
    found = {"pypi": (pypi, ""), "osv": (osv, "no answer")}
    monkeypatch.setattr(audit, "_look_up", lambda _lock, service: found[service])
    lock = tmp_path / "some.lock"
    lock.write_text("one==1 \\\n    --hash=sha256:0\ntwo-x==1 \\\n    --hash=sha256:0\n", "utf-8")

    assert audit.main([str(lock)]) == code
    assert words in capsys.readouterr().out


def test_locks_that_nobody_looked_up_share_one_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a network each lock has one short line, and each reason is told once."""
    audit = audit_deps()
    said = (
        "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='api.osv.dev', port=443): "
        'Max retries exceeded with url: /v1/query (Caused by NameResolutionError("HTTPSConnection'
        "(host='api.osv.dev', port=443): Failed to resolve 'api.osv.dev' ([Errno -2] Unknown)\"))"
    )
    failed = subprocess.CompletedProcess("", 1, "", f"Traceback\n{said}\n")
    monkeypatch.setattr(subprocess, "run", lambda *_arguments, **_options: failed)
    locks = [tmp_path / "one.lock", tmp_path / "two.lock"]
    for lock in locks:
        lock.write_text("one==1 \\\n    --hash=sha256:0\n", "utf-8")

    assert audit.main([str(lock) for lock in locks]) == 2
    assert capsys.readouterr().out.splitlines() == [
        "NOT AUDITED, which is no pass:",
        "  one.lock: 1 of 1 packages could not be looked up",
        "  two.lock: 1 of 1 packages could not be looked up",
        "  pypi: Failed to resolve 'api.osv.dev'",
        "  osv: Failed to resolve 'api.osv.dev'",
        "Run it where pypi.org or api.osv.dev answers.",
    ]
