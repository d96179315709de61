"""Fixtures of the end-to-end tests: a server on real sockets, alone or behind a real Envoy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pytest_asyncio import is_async_test

from tests.support.databases import Backend, fresh_database
from tests.support.server import Front, Server, run_front, run_server

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all of these tests on the event loop that the shared servers run on."""
    for item in items:
        if item.path.is_relative_to(HERE) and is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shared_front(
    tmp_path_factory: pytest.TempPathFactory, backend: Backend
) -> AsyncIterator[Front]:
    """A server behind Envoy that all tests share: each uses members and orders of its own."""
    with fresh_database(backend) as url:
        folder = tmp_path_factory.mktemp("front")
        async with run_front(folder, database_url=url, reflection=True) as running:
            yield running


@pytest_asyncio.fixture(loop_scope="session")
async def front(shared_front: Front) -> Front:
    """The shared server behind Envoy, which takes calls."""
    # The server stands still while tests run that need no event loop, or one of their own. Then
    # Envoy takes it for dead, and alive again at its next look.
    async with asyncio.timeout(10):
        while (await shared_front.get("/loyalty/members/0")).status == 503:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return shared_front


@pytest.fixture
def server(shared_front: Front) -> Server:
    """The shared server without Envoy."""
    return shared_front.server


@pytest_asyncio.fixture(loop_scope="session")
async def own_front(tmp_path: Path, database_url: str) -> AsyncIterator[Front]:
    """A server behind Envoy for one test alone."""
    async with run_front(tmp_path, database_url=database_url) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def own_server(tmp_path: Path, database_url: str) -> AsyncIterator[Server]:
    """A server for one test alone."""
    async with run_server(tmp_path, database_url=database_url) as running:
        yield running
