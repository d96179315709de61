"""How long a command listens before it believes that no server has the database open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from loyalty_service.storage import alone

WHOLE_S = alone.SILENCE_S


@contextmanager
def listening(seconds: float = WHOLE_S) -> Iterator[None]:
    """Listen for so long within the context: unless told, until every server has shown itself."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alone, "SILENCE_S", seconds)
        yield
