"""Runs commands in the tests' own process, as a terminal does."""

from __future__ import annotations

import pytest

from loyalty_service.cli import main
from tests.support.stores import PEPPER


class Commands:
    """Runs commands on the database of a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("LOYALTY_DATABASE_URL", database_url)
        monkeypatch.setenv("LOYALTY_CODE_PEPPER", PEPPER.decode())

    def __call__(self, *arguments: str) -> int:
        """Run a command; return its exit code."""
        self._monkeypatch.setattr("sys.argv", ["loyalty", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return code or 0
