"""Fixtures of the contract tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine, turn no call away because others wait, but where that is tried."""
    monkeypatch.setattr("loyalty_service.storage.store.WAIT_MAX_S", 60.0)
