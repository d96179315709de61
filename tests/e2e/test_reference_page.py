"""The sandbox shows the reference page of the JSON calls, whole and without an API key."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from loyalty_service.sandbox.reference_page import PAGES, add_reference_page
from tests.support.http import Response
from tests.support.server import Front, run_front

FOLDER = Path(__file__).resolve().parents[2] / "generated" / "openapi"

pytestmark = pytest.mark.any_database


@pytest.fixture
async def front(tmp_path: Path) -> AsyncIterator[Front]:
    """Run a server and an Envoy that shows the page."""
    async with run_front(tmp_path, adapt=add_reference_page) as running:
        yield running


async def _get(front: Front, path: str, more: str = "") -> Response:
    text = f"GET {path} HTTP/1.1\r\nHost: x\r\n{more}Connection: close\r\n\r\n"
    return await front.http.send(text.encode())


async def test_page_is_served_as_it_stands(front: Front) -> None:
    """Each file is sent whole, with its type, to whoever asks."""
    for path, (name, kind) in PAGES.items():
        answer = await _get(front, path)
        assert answer.status == 200, path
        assert answer.header("content-type") == kind
        assert answer.body == (FOLDER / name).read_bytes()


async def test_path_without_its_slash_leads_there(front: Front) -> None:
    """Who types /docs gets to the page."""
    answer = await _get(front, "/docs")
    assert answer.status == 302
    assert str(answer.header("location")).endswith("/docs/")


async def test_all_other_paths_still_ask_for_a_key(front: Front) -> None:
    """Nothing else is shown, and calls are answered as before."""
    refused = await _get(front, "/docs/else")
    assert refused.status == 401
    assert json.loads(refused.body)["details"]["reason"] == "API_KEY_MISSING"
    unknown = await _get(front, "/docs/else", "x-api-key: sandbox-pos-key\r\n")
    assert unknown.status == 404
