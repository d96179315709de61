"""The sandbox's board in a real browser: live, usable with keys alone, and on its own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import grpc
import pytest

from loyalty_service.certification.verify import verify
from loyalty_service.sandbox.fixed_codes import ODILE
from tests.support.broken_tills import Till, make, till
from tests.support.browser import Page, browser
from tests.support.certifying import WAIT_S
from tests.support.sandbox_box import Box, new_order

CALL = "#calls-list > li"
WIDTHS = {"phone": (360, 740), "laptop": (1280, 800), "desk": (1720, 1000)}


async def opened(page: Page, running: Box) -> None:
    """Open the board, and wait until it is live."""
    await page.go(f"http://127.0.0.1:{running.control_port}/")
    await page.until("document.querySelector('#link').innerText.includes('Live')")


async def visit(running: Box, code: str) -> str:
    """Identify and claim as a till does; gives the transaction."""
    answer = await asyncio.to_thread(running.identify, code, new_order())
    transaction = str(answer.body["transactionId"])
    await asyncio.to_thread(running.claim, transaction, idempotency_key=transaction)
    return transaction


async def test_visit_is_seen_as_it_happens(fresh: Box, tmp_path: Path) -> None:
    """Calls with their JSON, the order's state and the points that moved appear by themselves."""
    async with browser(tmp_path) as page:
        await opened(page, fresh)
        transaction = await visit(fresh, "123456")
        await page.until(f"document.querySelectorAll('{CALL}').length === 2")
        await page.until(
            "document.querySelector('#orders-list').innerText.includes('CLAIMED')"
            " && document.querySelector('#orders-list').innerText.includes('50 points earned')"
        )
        moves = await page.run("document.querySelector('#moves').innerText")
        assert [word in moves for word in ("hold", "release", "earn")] == [True] * 3
        assert "15,314" in await page.run("document.querySelector('#points-body').innerText")
        await page.run(f"document.querySelector('{CALL} details').open = true")
        await page.until(f"document.querySelector('{CALL} pre')")
        shown = await page.run(f"document.querySelector('{CALL}').innerText")
        assert '"price": 5.0' in shown
        assert transaction in shown
        listed = await page.run("document.querySelector('#calls-list').innerHTML")
        assert "sandbox" not in listed
        assert page.problems == []


async def test_fault_is_switched_on_and_told(fresh: Box, tmp_path: Path) -> None:
    """A fault bound on the page happens, its call says so, and its switch takes it back."""
    async with browser(tmp_path) as page:
        await opened(page, fresh)
        await page.run(
            "document.querySelector('#faults-kind').value = 'unavailable';"
            "document.querySelector('#faults-code').value = '123456'"
        )
        await page.click("Switch on")
        await page.until("document.querySelector('#faults-list [role=switch]')")
        refused = await asyncio.to_thread(fresh.identify, "123456", new_order())
        assert refused.status == 503
        await page.until(
            f"document.querySelector('{CALL}')?.innerText.includes('fault: unavailable')"
        )
        await page.run("document.querySelector('#faults-list [role=switch]').click()")
        await page.until("!document.querySelector('#faults-list [role=switch]')")
        assert (await asyncio.to_thread(fresh.identify, "123456", new_order())).status == 200


async def test_clock_is_moved_with_keys_alone(fresh: Box, tmp_path: Path) -> None:
    """Tab reaches the clock, Enter advances it, and the order that it ends is shown as void."""
    async with browser(tmp_path) as page:
        await opened(page, fresh)
        await asyncio.to_thread(fresh.identify, "123456", new_order())
        await page.until("document.querySelector('#orders-list').innerText.includes('PENDING')")
        await page.run("document.querySelector('#clock').focus()")
        await page.press("Tab")
        assert await page.run("document.activeElement.id") == "clock-by"
        await page.press("Enter")
        await page.until("document.querySelector('#clock-said').innerText.includes('61h ahead')")
        await page.until("document.querySelector('#orders-list').innerText.includes('VOID')")
        await page.run("document.querySelector('#clock-by').value = 'soon'")
        await page.press("Enter")
        await page.until("document.querySelector('#clock-said').innerText.includes('write it as')")
        assert (await asyncio.to_thread(fresh.control, "GET", "/clock")).body["ahead"] == "61h"


async def test_first_day_begins_again_only_when_that_is_confirmed(
    fresh: Box, tmp_path: Path
) -> None:
    """Escape keeps everything; the second button brings the first day back on the page as well."""
    async with browser(tmp_path) as page:
        await opened(page, fresh)
        await visit(fresh, "123456")
        await page.until(f"document.querySelectorAll('{CALL}').length === 2")
        await page.run("document.querySelector('#reset').click()")
        await page.press("Escape")
        await page.until("!document.querySelector('#reset-dialog').open")
        assert await page.run(f"document.querySelectorAll('{CALL}').length") == 2
        again = "document.querySelector('#reset').click()"
        await page.run(f"{again}; document.querySelector('#reset-dialog').close(); {again}")
        await page.click("Begin again")
        await page.until("document.querySelector('#clock-said').innerText.includes('first day')")
        await page.until(f"!document.querySelector('{CALL}')")
        await page.until(
            "document.querySelector('#orders-list').innerText.includes('No order yet')"
        )


async def test_calls_are_found_by_what_is_in_them(fresh: Box, tmp_path: Path) -> None:
    """A text, a tick and an order's button leave the calls that they are about."""
    async with browser(tmp_path) as page:
        await opened(page, fresh)
        await visit(fresh, "123456")
        await visit(fresh, "234567")
        await asyncio.to_thread(fresh.identify, "900422", new_order())
        await page.until(f"document.querySelectorAll('{CALL}').length === 5")
        await page.run("document.querySelector('#calls-failed').click()")
        await page.until(f"document.querySelectorAll('{CALL}').length === 1")
        assert "CODE_ALREADY_USED" in await page.run(f"document.querySelector('{CALL}').innerText")
        await page.run("document.querySelector('#orders-list button').click()")
        await page.until(f"document.querySelectorAll('{CALL}').length === 2")
        assert await page.run("document.activeElement.id") == "calls"
        spoken = "document.querySelector('#spoken').innerText"
        await page.until(f"{spoken}.includes('IdentifyMember, 422')")


async def fill(running: Box) -> None:
    """Have something of everything on the board."""
    await visit(running, "123456")
    await asyncio.to_thread(running.identify, "900422", new_order())
    running.control("PUT", "/faults", {"234567": {"fault": "lost", "on": "claim", "times": 2}})
    running.call(f"/loyalty/members/{ODILE}", x_api_key="sandbox-app-key")
    with grpc.insecure_channel(f"127.0.0.1:{running.grpc}") as channel:
        call = channel.unary_unary("/grpc.health.v1.Health/Check")
        await asyncio.to_thread(call, b"")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
async def test_board_is_accessible(fresh: Box, tmp_path: Path, width: str, scheme: str) -> None:
    """axe-core finds nothing, at each width, in light and dark, and nothing sticks out."""
    async with browser(tmp_path) as page:
        await page.look_at(*WIDTHS[width], prefers_color_scheme=scheme)
        await opened(page, fresh)
        found = {"empty": await page.violations()}
        await fill(fresh)
        await page.until(f"document.querySelectorAll('{CALL}').length === 5")
        await page.until("document.querySelector('#faults-list li')")
        await page.run("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        await page.until("document.querySelectorAll('.call pre').length === 10")
        await page.run(
            "document.querySelectorAll('.call details').forEach((one) => { one.open = true })"
        )
        found["full"] = await page.violations()
        assert await page.run("document.documentElement.scrollWidth") == WIDTHS[width][0]
        await page.run("document.querySelector('#reset').click()")
        found["asking"] = await page.violations()
    assert not any(found.values()), json.dumps(found, indent=1)


async def test_page_asks_nobody_else(fresh: Box, tmp_path: Path) -> None:
    """All that the page loads comes from its own origin, and its policy forbids anything else."""
    async with browser(tmp_path) as page:
        await opened(page, fresh)
        await visit(fresh, "123456")
        await page.until(f"document.querySelector('{CALL}')")
        own = f"http://127.0.0.1:{fresh.control_port}/"
        loaded = await page.run("performance.getEntriesByType('resource').map((one) => one.name)")
        assert loaded
        assert all(name.startswith((own, "data:")) for name in loaded)
        tried = await page.run(
            f"fetch('http://127.0.0.1:{fresh.http}/docs/').then(() => 'let through', String)"
        )
        assert "TypeError" in tried


CERTIFICATION = "document.querySelector('#certification')"
FIELD = f"{CERTIFICATION}.querySelector('[name=%s]')"


async def begin(page: Page, only: str) -> None:
    """Begin a run of a till with the page's form, by keys alone."""
    await page.until(f"{CERTIFICATION}.querySelector('[value=rewards]')")
    await page.run("document.querySelector('#certification-begin').focus()")
    await page.press("Enter")
    await page.press("Tab")
    assert await page.run("document.activeElement.name") == "name"
    await page.write("my-till <b>")
    for word in ("rewards", "offers"):
        await page.run(f"{CERTIFICATION}.querySelector('[value={word}]').focus()")
        await page.press(" ")
    await page.run(f"{FIELD % 'settle'}.value = 0")
    await page.run(f"{FIELD % 'only'}.focus()")
    await page.write(only)
    await page.press("Enter")
    await page.until(f"{CERTIFICATION}.innerText.includes('RUNNING')")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_till_is_certified_on_the_page(fresh: Box, tmp_path: Path, scheme: str) -> None:
    """A run is begun by keys alone, says what to do, and its report is there when it has ended."""
    machine = make(Till, f"127.0.0.1:{fresh.http}", wait_s=WAIT_S)
    bench = till.Bench(f"http://127.0.0.1:{fresh.control_port}", machine)
    async with browser(tmp_path / "profile") as page:
        await page.look_at(*WIDTHS["laptop"], prefers_color_scheme=scheme)
        await opened(page, fresh)
        await begin(page, "RBI-1.1b, RBI-1.4a")
        assert await page.run("document.activeElement.id") == "certification"
        spoken = "document.querySelector('#certification-spoken').innerText"
        await page.until(f"{spoken}.startsWith('RBI-1.1b: Type the code 930003.')")
        found = await page.violations()
        await asyncio.to_thread(bench.run)
        await page.until(f"{CERTIFICATION}.innerText.includes('PASSED')")
        await page.until(f"{spoken}.startsWith('2 of 2 cases: 2 passed')")
        assert "my-till <b>" in await page.run(f"{CERTIFICATION}.innerText")
        found += await page.violations()
        file = tmp_path / "report.html"
        links = f"[...{CERTIFICATION}.querySelectorAll('a')]"
        names = await page.run(f"{links}.map((one) => one.innerText)")
        got = f"{links}.find((one) => one.download === 'report.html').href"
        report = await page.run(f"fetch({got}).then((told) => told.text())")
    await asyncio.to_thread(file.write_bytes, report.encode())
    results, signers = verify(file)

    assert names == ["report.html", "results.yaml", "junit.xml"]
    assert results["subject"]["has"] == ["rewards", "offers"]
    assert [one["role"] for one in signers] == ["sandbox"]
    assert found == []


async def test_run_is_ended_only_when_that_is_confirmed(fresh: Box, tmp_path: Path) -> None:
    """Escape lets it go on; the second button ends it, and another run can be begun."""
    async with browser(tmp_path) as page:
        await opened(page, fresh)
        await begin(page, "RBI-1.1b")
        await page.run("document.querySelector('#certification-stop').click()")
        assert await page.violations() == []
        await page.press("Escape")
        await page.until("!document.querySelector('#stop-dialog').open")
        told = await asyncio.to_thread(fresh.control, "GET", "/certification")
        assert told.body["state"] == "running"
        await page.click("End the run …")
        await page.click("End it")
        await page.until(f"{CERTIFICATION}.innerText.includes('STOPPED')")
        await page.until(f"{CERTIFICATION}.innerText.includes('Begin another run')")
        await page.run("document.querySelector('#certification-begin').click()")
        await page.run(f"{FIELD % 'only'}.value = 'NO-SUCH'")
        await page.click("Begin")
        await page.until(
            "document.querySelector('#certification-said').innerText.includes('NO-SUCH')"
        )
        assert page.problems == [] or "400" in page.problems[0]


RUN = {
    "state": "running",
    "side": "till",
    "profile": "a till",
    "now": {"id": "T-3", "do": "Type the code 910001."},
    "cases": [
        {"id": "T-1", "title": "Identifies", "level": "MUST", "verdict": "passed", "note": ""},
        {"id": "T-2", "title": "Claims", "level": "MUST", "verdict": "failed", "note": "twice"},
        {"id": "T-3", "title": "Goes on", "level": "SHOULD", "verdict": "running", "note": ""},
        {"id": "T-4", "title": "Ends", "level": "MUST", "verdict": "waiting", "note": ""},
    ],
}


async def test_run_of_the_certification_is_shown(running: Box, tmp_path: Path) -> None:
    """What a cashier does next, each verdict with its note and how far it is; else how to start."""
    # Shown and read at once: a moment later the page shows what the sandbox tells, which is none.
    show = (
        "import('/board/board-certification.js').then(({takeCertification: show}) => {"
        f"let done = []; show({json.dumps(RUN)}, (...what) => done.push(what));"
        "const body = document.querySelector('#certification-body');"
        "const bar = body.querySelector('progress'); const text = body.innerText;"
        "[...body.querySelectorAll('button')].forEach((one) => one.click());"
        "return {text, bar: [bar.value, bar.max], done}})"
    )
    # Whatever run another test had: none.
    none = {"state": "none", "cases": []}
    await asyncio.to_thread(running.control, "PUT", "/certification", none)
    async with browser(tmp_path) as page:
        await opened(page, running)
        await page.until(
            "document.querySelector('#certification-body').innerText.includes('certify till')"
        )
        told = await page.run(show)
    assert "2 of 4 cases: 1 passed, 1 failed, 0 not run" in told["text"]
    assert "Type the code 910001." in told["text"]
    assert "twice" in told["text"]
    assert told["bar"] == [2, 4]
    assert told["done"] == [["T-3", False], ["T-3", True]]
