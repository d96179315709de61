"""The kiosk of the examples goes through the certification of tills, over gRPC."""

from __future__ import annotations

import importlib.util
from typing import Any

from tests.support.certifying import TILL_CASES, WAIT_S, failed, run_till
from tests.support.roots import ROOT
from tests.support.sandbox_box import Box

_PATH = ROOT / "examples" / "kiosk-python" / "certify.py"


def _example() -> Any:
    spec = importlib.util.spec_from_file_location("kiosk_certify", _PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_kiosk_passes(running: Box) -> None:
    """Every case passes that a till passes which sends JSON."""
    server = f"127.0.0.1:{running.grpc}"
    kiosk = _example().machine(
        server, "sandbox-pos-key", deadline_s=WAIT_S, attempts=100, pause_s=0.1
    )

    results = run_till(running, kiosk)

    assert failed(results) == []
    assert len(results["cases"]) == len(TILL_CASES)
