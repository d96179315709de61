"""Fixtures of the tests that need a database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.ledger import audit
from tests.support.orders import Till
from tests.support.stores import demo_store


@pytest.fixture(autouse=True)
def _busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine, turn no call away because others wait, but where that is tried."""
    monkeypatch.setattr("loyalty_service.storage.store.WAIT_MAX_S", 60.0)


@pytest_asyncio.fixture
async def till(database_url: str) -> AsyncIterator[Till]:
    """A till on a fresh store with the demo program, audited at the end."""
    async with demo_store(database_url) as store:
        yield Till(store)
    audit(database_url)
