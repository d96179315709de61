"""The kiosk in a real browser, on an origin of its own, through a real Envoy."""

from __future__ import annotations

import asyncio
import functools
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from loyalty_service.sandbox.fixed_codes import FARHAN, LUC, NOOR, ODILE
from tests.support.browser import KIOSK, Page, browser
from tests.support.sandbox_box import Box

FAULTS = ("lost", "half", "unavailable", "twice", "killed", "timeout")


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a word."""

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(running: Box) -> Iterator[str]:
    """Serve the page on a port of its own; gives its address, which names the sandbox's Envoy."""
    serve = functools.partial(Quiet, directory=str(KIOSK / "dist"))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        edge = f"http://127.0.0.1:{running.http}"
        yield f"http://127.0.0.1:{server.server_port}/?edge={edge}"
        server.shutdown()


def points(running: Box, member: str) -> int:
    """Tell what a member has to spend."""
    told = running.call(f"/loyalty/members/{member}", x_api_key="sandbox-app-key").body["member"]
    assert told["heldPoints"] == 0
    return int(told["availablePoints"])


def wait_for_fault(running: Box, fault: str) -> None:
    """Return once a call has a fault; each question waits for a change."""
    told = running.control("GET", "/board/state").body
    while not any(call["fault"] == fault for call in told["calls"]):
        query = f"run={told['run']}&after={told['revision']}"
        told = running.control("GET", f"/board/state?{query}").body


async def order(page: Page, address: str, code: str) -> None:
    """Show a code and choose a sandwich, up to the review."""
    await page.go(address)
    for digit in code:
        await page.click(digit)
    await page.click("Go")
    await page.until("document.querySelector('h1').innerText.startsWith('Hello')")
    await page.run("document.querySelector('[aria-label=\"One more Breakfast sandwich\"]').click()")
    await page.click("Review")
    await page.until("document.querySelector('h1').innerText === 'Your order'")


async def receipt(page: Page) -> str:
    """Wait for the receipt; gives what it says."""
    await page.until("document.querySelector('#receipt')")
    return str(await page.run("document.querySelector('main').innerText"))


async def test_guest_spends_a_reward_and_earns(running: Box, address: str, tmp_path: Path) -> None:
    """The whole visit from another origin: the reward's points are spent, the others earned."""
    async with browser(tmp_path) as page:
        await order(page, address, "123456")
        assert "800 points are set aside." in await page.run("document.body.innerText")
        await page.click("Pay here")
        shown = await receipt(page)
        assert "You earned 84 points and have 14548." in shown
        assert "Redeemed: 800" in shown
        assert page.problems == []
    assert points(running, FARHAN) == 14548


async def test_order_is_paid_at_the_counter(running: Box, address: str, tmp_path: Path) -> None:
    """The order is held as PENDING, with the discount taken off, and claimed afterwards."""
    async with browser(tmp_path) as page:
        await order(page, address, "234567")
        assert await page.run("document.querySelector('#total').innerText") == "$6.80"
        await page.click("Pay at the counter")
        await page.click("Paid in cash")
        assert "You earned 68 points" in await receipt(page)
    assert points(running, NOOR) == 14464 + 68


async def test_guest_leaves_without_paying(running: Box, address: str, tmp_path: Path) -> None:
    """A cancelled order gives the points back, which the page tells."""
    async with browser(tmp_path) as page:
        await order(page, address, "123456")
        await page.click("Cancel")
        await page.until("document.querySelector('h1').innerText === 'Cancelled'")
        assert "15264" in await page.run("document.body.innerText")
    assert points(running, FARHAN) == 15264


async def test_reward_that_is_refused_is_left_out(
    running: Box, address: str, tmp_path: Path
) -> None:
    """A reward that costs more points than there are is left out of the order, which is paid."""
    before = points(running, LUC)
    async with browser(tmp_path) as page:
        await order(page, address, "900407")
        assert "1 of your rewards and offers can't be used" in await page.run(
            "document.body.innerText"
        )
        await page.click("Pay here")
        await receipt(page)
    assert points(running, LUC) == before + 84


@pytest.mark.parametrize("step", ["identify", "claim"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_lost_answer_costs_no_points(
    running: Box, address: str, tmp_path: Path, fault: str, step: str
) -> None:
    """Whatever becomes of an answer, the order is claimed once."""
    running.control("PUT", "/faults", {"910001": {"fault": fault, "on": step}})
    async with browser(tmp_path) as page:
        await order(page, address, "910001")
        await page.click("Pay here")
        assert "You earned 84 points and have 19284." in await receipt(page)
    running.control("GET", "/clock")  # It answers when the server is back.
    assert points(running, ODILE) == 20000 - 800 + 84


async def test_claim_goes_on_when_the_page_is_opened_again(
    running: Box, address: str, tmp_path: Path
) -> None:
    """A page that was closed before it heard of its claim sends it again under the same key."""
    running.control("PUT", "/faults", {"234567": {"fault": "never", "on": "claim"}})
    async with browser(tmp_path) as page:
        await order(page, address, "234567")
        await page.click("Pay here")
        await page.until("localStorage.length === 1")
        await asyncio.to_thread(wait_for_fault, running, "never")
        await page.go("about:blank#left")
        await page.go(address)
        assert "You earned 68 points" in await receipt(page)
        assert await page.run("localStorage.length") == 0
    calls = [
        call
        for call in running.control("GET", "/board/state").body["calls"]
        if call["name"] == "ReportOrder" and '"CLAIMED"' in call["request"]["body"]
    ]
    first, second = (
        dict(map(tuple, call["request"]["fields"]))["idempotency-key"] for call in calls[-2:]
    )
    assert first == second
    assert points(running, NOOR) == 14464 + 68


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_accessible(
    running: Box, address: str, tmp_path: Path, scheme: str
) -> None:
    """axe-core finds nothing on any page, in light and in dark; nothing is wider than a phone."""
    async with browser(tmp_path) as page:
        await page.look_at(360, 740, prefers_color_scheme=scheme)
        await page.go(address)
        await page.until("document.querySelector('#code')")
        found = {"code": await page.violations()}
        await order(page, address, "123456")
        await page.click("Change")
        await page.until("document.querySelector('.menu')")
        found["menu"] = await page.violations()
        await page.click("Review")
        await page.until("document.querySelector('#total')")
        found["order"] = await page.violations()
        await page.click("Pay at the counter")
        await page.until("document.querySelector('.number')")
        found["counter"] = await page.violations()
        await page.click("Cancel")
        await page.until("document.querySelector('h1').innerText === 'Cancelled'")
        assert await page.run("document.documentElement.scrollWidth") == 360
    assert not any(found.values()), json.dumps(found, indent=1)
    assert running.process.poll() is None
