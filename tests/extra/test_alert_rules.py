"""The alerts, read by Prometheus' own tool."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_rules_are_taken_by_prometheus() -> None:
    """Prometheus takes every rule as it stands."""
    command = ["promtool", "check", "rules", "docs/alerts.yaml"]
    checked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "SUCCESS" in checked.stdout
