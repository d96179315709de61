"""What all trials of goals share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Let no goal that silences the log silence those after it, which look into it."""
    before = structlog.get_config()
    structlog.reset_defaults()
    yield
    structlog.configure(**before)
