"""Fixtures of the filters' tests."""

from __future__ import annotations

import pytest

from tests.support.lua_filters import LuaFilter


@pytest.fixture(scope="session")
def loaded_door() -> LuaFilter:
    """The JSON door's filter as one worker of Envoy loads it."""
    return LuaFilter('require("json_door")')


@pytest.fixture
def door(loaded_door: LuaFilter, request: pytest.FixtureRequest) -> LuaFilter:
    """The same, with all steps of a second for each test."""
    loaded_door.at(abs(hash(request.node.nodeid)) % 1_000_000_000)
    return loaded_door
