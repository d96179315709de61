"""The reference page in a real browser: readable, whole and on its own."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

from loyalty_service.sandbox.reference_page import add_reference_page
from tests.support.server import run_front

FOLDER = Path(__file__).resolve().parents[2] / "generated" / "openapi"
PATIENCE_S = 60


async def browse(url: str, folder: Path) -> str:
    """Open a page without a network but this machine; return what the browser made of it."""
    program = shutil.which("chromium")
    assert program is not None
    browser = await asyncio.create_subprocess_exec(
        program,
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-background-networking", "--disable-dev-shm-usage"),
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={folder}",
        "--dump-dom",
        url,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    text, _ = await asyncio.wait_for(browser.communicate(), PATIENCE_S)
    return text.decode()


async def test_browser_shows_every_call_and_error(tmp_path: Path) -> None:
    """The sandbox's page has a chapter for each call, a row for each error, and no dead link."""
    document = json.loads((FOLDER / "openapi.json").read_text(encoding="utf-8"))
    names = {one["operationId"] for path in document["paths"].values() for one in path.values()}
    reasons = {error["reason"] for error in document["x-errors"]}
    async with run_front(tmp_path / "front", adapt=add_reference_page) as front:
        url = f"http://127.0.0.1:{front.envoy.http_port}/docs/"
        shown = await browse(url, tmp_path / "browser")
    places = set(re.findall(r' id="([^"]+)"', shown))
    assert names | reasons <= places
    links = set(re.findall(r' href="([^"]+)"', shown))
    assert {link[1:] for link in links if link.startswith("#")} <= places
    assert {link for link in links if not link.startswith("#")} == {
        "data:,",
        "openapi.json",
        "openapi.yaml",
    }
    assert not re.search(r"<(script|img|iframe|object)\b| src=", shown)
