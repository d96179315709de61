"""The console in a real browser: nothing for axe to find, on a phone and a desk, light and dark."""

from __future__ import annotations

from pathlib import Path

import pytest

from loyalty.v1 import member_service_pb2 as pb
from tests.support.browser import Page, browser
from tests.support.console import run_console
from tests.support.server import ADMIN_KEY, Server, give_points, run_server
from tests.support.transactions import line, open_transaction, transactions, update_request

SIZES = {"phone": (360, 740), "desk": (1280, 900)}


async def _type(page: Page, field: str, text: str) -> None:
    await page.until(f"document.querySelector('#{field}')")
    await page.run(f"document.querySelector('#{field}').focus()")
    await page.write(text)


async def _guest(server: Server) -> tuple[str, str]:
    """Enrol a guest with points, and let them claim an order."""
    named = pb.EnrollMemberRequest(name="Odette Lavallée", email="odette@example.com")
    enrolled = await server.admin.call(server.admin.members.EnrollMember, named)
    member = enrolled.member.loyalty_id
    await give_points(server.store, member, 1250)
    transaction = await open_transaction(server.till, member)
    claim = update_request(transaction, "CLAIMED", line(9.5))
    await server.till.call(transactions(server.till).ReportOrder, claim)
    return member, transaction


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_pages_are_usable_by_all(tmp_path: Path, size: str, scheme: str) -> None:
    """Axe finds no violation on any page, and no page is wider than the window."""
    pictures = Path("build/console") / f"{size}-{scheme}"
    pictures.mkdir(parents=True, exist_ok=True)
    async with (
        run_server(tmp_path) as server,
        run_console(server.address) as listening,
        browser(tmp_path) as page,
    ):
        member, transaction = await _guest(server)
        start = f"http://{listening.host}:{listening.port}"
        await page.look_at(*SIZES[size], prefers_color_scheme=scheme)
        await page.go(f"{start}/sign-in")
        assert await page.violations() == []
        await _type(page, "key", ADMIN_KEY)
        await page.click("Sign in")
        await page.until("document.title.startsWith('Members')")
        for name, path in {
            "members": "/?q=o",
            "member": f"/members/{member}",
            "orders": "/orders?store=9999",
            "order": f"/orders/{transaction}",
            "waits": "/waits",
            "program": "/program",
            "liability": "/liability",
            "health": "/health",
            "nowhere": "/nowhere",
        }.items():
            await page.go(f"{start}{path}")
            assert await page.violations() == [], name
            wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
            assert not await page.run(wide), name
            await page.picture(pictures / f"{name}.png", whole=True)


async def test_points_are_given_back_with_keys_alone(tmp_path: Path) -> None:
    """Tab and Enter are enough to find a guest and give points back, and it says so."""
    async with (
        run_server(tmp_path) as server,
        run_console(server.address) as listening,
        browser(tmp_path) as page,
    ):
        member, _ = await _guest(server)
        await page.go(f"http://{listening.host}:{listening.port}/")
        await _type(page, "key", ADMIN_KEY)
        await page.press("Enter")
        await page.until("document.title.startsWith('Members')")
        await _type(page, "q", "odette lavallee")
        await page.press("Enter")
        await page.until(f"location.pathname === '/members/{member}'")
        await _type(page, "points", "40")
        await page.press("Tab")
        await page.write("A spilt coffee")
        await page.press("Enter")
        await page.until("document.title.startsWith('Move points')")
        await page.run("document.querySelector('button.main').focus()")
        await page.press("Enter")
        await page.until("document.querySelector('[role=status]')?.innerText.includes('40 points')")
        await page.until("document.body.innerText.includes('A spilt coffee')")
        assert page.problems == []
