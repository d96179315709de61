"""The console: who gets in, what is shown, and that points move once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loyalty.v1 import member_service_pb2 as pb
from loyalty_service.console import connections, serve
from loyalty_service.console.serve import Listening
from loyalty_service.console.server_calls import ServerCalls
from loyalty_service.console.sign_ins import (
    IDLE_S,
    LONGEST_S,
    SIGN_INS_MAX,
    SIGN_INS_OF_ONE_MAX,
    SignIns,
)
from loyalty_service.console.web import Proxy
from loyalty_service.domain.operator_error import OperatorError
from tests.support.certificates import Authority, trusting
from tests.support.console import Browser, run_console
from tests.support.http import HttpClient, free_port
from tests.support.server import ADMIN_KEY, APP_KEY, POS_KEY, Server, give_points
from tests.support.transactions import line, open_transaction, transactions, update_request

SAFE = {
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(server: Server) -> AsyncIterator[Browser]:
    """Give somebody who has the console open."""
    async with run_console(server.address) as listening:
        yield Browser(HttpClient(listening.host, listening.port))


@pytest_asyncio.fixture(loop_scope="session")
async def admin(stranger: Browser) -> Browser:
    """Give an admin who is signed in."""
    assert (await stranger.sign_in(ADMIN_KEY)).status == 303
    return stranger


@pytest.mark.parametrize(
    "path", ["/", "/orders", "/program", "/waits", "/liability", "/health", "/members/x"]
)
async def test_stranger_is_sent_to_sign_in(stranger: Browser, path: str) -> None:
    """No page is shown to who is not signed in, and the sign-in leads back to it."""
    answer = await stranger.get(path)
    assert answer.status == 303
    assert (answer.header("location") or "").startswith("/sign-in?to=%2F")
    assert answer.body == b""


@pytest.mark.parametrize("key", ["", "wrong", POS_KEY, APP_KEY, "é", "x" * 300, "x\0y", "x\ny"])
async def test_key_of_nobody_who_may_see_is_refused(stranger: Browser, key: str) -> None:
    """A till's and an app's key open no console; nothing that was typed is shown again."""
    answer = await stranger.sign_in(key)
    assert answer.status == 403
    assert not stranger.cookies
    assert 'role="alert"' in stranger.shown
    assert not key or key not in stranger.shown


async def test_cookie_and_headers_keep_other_sites_out(stranger: Browser) -> None:
    """The cookie goes to this site alone and to no script; pages run none and are never kept."""
    answer = await stranger.sign_in(ADMIN_KEY)
    kept = (answer.header("set-cookie") or "").lower()
    assert "httponly" in kept
    assert "samesite=strict" in kept
    assert ADMIN_KEY not in kept
    shown = await stranger.get("/")
    assert {name: shown.header(name) for name in SAFE} == SAFE
    policy = shown.header("content-security-policy") or ""
    assert policy.startswith("default-src 'none'; style-src 'self'; form-action 'self'")
    assert "<script" not in stranger.shown
    assert ADMIN_KEY not in stranger.shown


async def test_sign_in_leads_to_the_consoles_own_pages_only(stranger: Browser) -> None:
    """A link to the sign-in can't lead to another site afterwards."""
    for foreign in ("//elsewhere.example/", "https://elsewhere.example/", "/\\elsewhere.example"):
        await stranger.get(f"/sign-in?to={foreign}")
        answer = await stranger.post("/sign-in", key=ADMIN_KEY)
        assert answer.header("location") == "/"


async def test_form_of_another_site_moves_nothing(admin: Browser, server: Server) -> None:
    """A form without the token that the page has, or that a browser says is foreign, is refused."""
    member = await server.admin.enroll()
    path = f"/members/{member}/adjust"
    for headers, form in (
        ({}, {"form_token": ""}),
        ({}, {"form_token": "x" * 43}),
        ({"sec-fetch-site": "cross-site"}, {}),
    ):
        await admin.get(f"/members/{member}")
        answer = await admin.post(
            path, headers, points="5", reason="none", confirm="yes", key="one", **form
        )
        assert answer.status == 400
    assert await _points(server, member) == 0


async def _points(server: Server, member: str) -> int:
    asked = pb.GetMemberRequest(loyalty_id=member)
    got = await server.admin.call(server.admin.members.GetMember, asked)
    return int(got.member.available_points)


async def test_points_are_shown_first_and_moved_once(admin: Browser, server: Server) -> None:
    """The first form moves nothing; the second moves the points once, however often it is sent."""
    member = await server.admin.enroll()
    await admin.get(f"/members/{member}")
    path = f"/members/{member}/adjust"
    answer = await admin.post(path, points="250", reason="A spilt coffee")
    assert answer.status == 200
    assert "0 → 250" in admin.shown
    assert await _points(server, member) == 0
    confirming = admin.shown
    for _ in range(3):
        admin.shown = confirming
        answer = await admin.post(path)
        assert answer.status == 303
    assert await _points(server, member) == 250
    await admin.get(f"/members/{member}")
    assert admin.shown.count("A spilt coffee") == 1
    assert "+250" in admin.shown


@pytest.mark.parametrize(
    ("points", "reason", "told"),
    [
        ("", "late", "Points:"),
        ("0", "late", "Points:"),
        ("1.5", "late", "Points:"),
        ("1_000", "late", "Points:"),
        ("2147483648", "late", "Points: at most 2 147 483 647"),
        ("9" * 5000, "late", "Points:"),
        ("5", "  ", "Reason:"),
        ("5", "x" * 181, "Reason:"),
    ],
)
async def test_mistake_in_a_form_is_named(
    admin: Browser, server: Server, points: str, reason: str, told: str
) -> None:
    """The page says which field is wrong, and nothing moves."""
    member = await server.admin.enroll()
    await admin.get(f"/members/{member}")
    answer = await admin.post(f"/members/{member}/adjust", points=points, reason=reason)
    assert answer.status == 400
    assert told in admin.shown
    assert await _points(server, member) == 0


async def test_refusal_of_the_server_is_shown(admin: Browser, server: Server) -> None:
    """Limits are the server's: more points than the member has are refused in its words."""
    member = await server.admin.enroll()
    await admin.get(f"/members/{member}")
    answer = await admin.post(f"/members/{member}/adjust", points="-5", reason="A mistake")
    assert answer.status == 409
    assert 'role="alert"' in admin.shown
    answer = await admin.get("/members/no-member")
    assert answer.status == 400
    assert "loyalty_id" in admin.shown


async def test_member_is_found_by_name(admin: Browser, server: Server) -> None:
    """One found member is opened at once; of several the names lead to them."""
    enrolled = await server.admin.call(
        server.admin.members.EnrollMember, pb.EnrollMemberRequest(name="Théodora <b>Quill</b>")
    )
    member = enrolled.member.loyalty_id
    answer = await admin.get("/?q=theodora+quill")
    assert (answer.status, answer.header("location")) == (303, f"/members/{member}")
    await admin.get(f"/members/{member}")
    assert "Théodora &lt;b&gt;Quill&lt;/b&gt;" in admin.shown
    await admin.get("/?q=nobody-at-all")
    assert "No member was found" in admin.shown


async def test_order_shows_basket_and_movements(admin: Browser, server: Server) -> None:
    """An order is found by its member, and tells its lines and what it moved."""
    member = await server.admin.enroll()
    await give_points(server.store, member, 500)
    transaction = await open_transaction(server.till, member)
    await server.till.call(
        transactions(server.till).ReportOrder, update_request(transaction, "CLAIMED", line(9.5))
    )
    await admin.get(f"/orders?member={member}")
    assert f"/orders/{transaction}" in admin.shown
    await admin.get(f"/orders/{transaction}")
    assert "claimed" in admin.shown
    assert "&#34;lines&#34;" in admin.shown
    assert f"/members/{member}" in admin.shown
    await admin.get("/orders?day=soon")
    assert "Day: give it as" in admin.shown


async def test_program_waits_and_liability_are_shown(admin: Browser) -> None:
    """What is live is shown with its versions; what is owed with the months in which it goes."""
    await admin.get("/program")
    assert "which is live" in admin.shown
    assert "program_id: demo-ca" in admin.shown or "demo-ca" in admin.shown
    assert (await admin.get("/program?version=999999")).status == 400
    await admin.get("/waits")
    assert "Nobody must wait" in admin.shown or "Who must wait" in admin.shown
    await admin.get("/liability")
    assert "Free to spend" in admin.shown
    await admin.get("/health")
    assert "lets calls in" in admin.shown


async def test_sign_out_ends_it_everywhere(admin: Browser) -> None:
    """After signing out the old cookie opens nothing."""
    await admin.get("/")
    before = dict(admin.cookies)
    assert (await admin.post("/sign-out")).status == 303
    admin.cookies = before
    assert (await admin.get("/")).status == 303


async def test_new_sign_in_ends_the_one_before(stranger: Browser) -> None:
    """Who signs in again with the same browser leaves no old token that opens pages."""
    await stranger.sign_in(ADMIN_KEY)
    before = dict(stranger.cookies)
    await stranger.sign_in(ADMIN_KEY)
    assert (await stranger.get("/")).status == 200
    stranger.cookies = before
    assert (await stranger.get("/")).status == 303


async def _half(listening: Listening, text: bytes) -> tuple[asyncio.StreamReader, Any]:
    reader, writer = await asyncio.open_connection(listening.host, listening.port)
    writer.write(text)
    await writer.drain()
    return reader, writer


async def test_half_requests_keep_no_place(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of requests that never end hold nobody up, and are hung up on in the end."""
    head = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nkey="
    async with run_console(server.address) as listening:
        browser = Browser(HttpClient(listening.host, listening.port))
        slow = [await _half(listening, (head, head[:20], b"")[n % 3]) for n in range(600)]
        assert (await browser.sign_in(ADMIN_KEY)).status == 303
        assert (await browser.get("/health")).status == 200
        first, _ = slow[0]
        with suppress(ConnectionError):
            assert await first.read() == b""
        for _, writer in slow:
            writer.transport.abort()
    monkeypatch.setattr(connections, "ARRIVES_S", 0.05)
    async with run_console(server.address) as listening:
        reader, writer = await _half(listening, head)
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.transport.abort()


async def test_silent_handshake_ends(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever connects over TLS and says nothing keeps no open file of the console."""
    monkeypatch.setattr(serve, "HANDSHAKE_S", 0.05)
    authority = Authority("ours")
    certificate, key = authority.sign("console").write(tmp_path, "console")
    listening = Listening("127.0.0.1", free_port(), certificate, key)
    async with run_console(server.address, listening):
        reader, writer = await _half(listening, b"")
        with suppress(ConnectionError):
            assert await reader.read() == b""
        writer.transport.abort()
        browser = HttpClient(listening.host, listening.port, trusting(authority, None))
        assert (await browser.request("GET", "/sign-in", None, {})).status == 200


async def test_port_that_is_taken_is_told(server: Server) -> None:
    """The command says what is wrong, and does not end with a trace."""
    async with run_console(server.address) as listening:
        with pytest.raises(OperatorError, match="can't listen"):
            await serve.serve_console(
                listening, ServerCalls(server.address), lambda: None, secure=False
            )


async def test_block_is_shown(admin: Browser, server: Server) -> None:
    """Who looks at a member sees that they may not redeem, and why."""
    member = await server.admin.enroll()
    blocked = pb.BlockMemberRequest(loyalty_id=member, redeem=True, reason="Phone stolen")
    await server.admin.call(server.admin.members.BlockMember, blocked)
    await admin.get(f"/members/{member}")
    assert '<dt>May not</dt><dd class="large">redeem</dd>' in admin.shown
    assert "Phone stolen" in admin.shown


async def test_page_that_is_none_is_told(admin: Browser) -> None:
    """An unknown page is 404, in the console's own words, with the menu for who is signed in."""
    assert (await admin.get("/nowhere")).status == 404
    assert "There is no such page" in admin.shown
    assert 'href="/orders"' in admin.shown
    assert (await admin.post("/waits", {})).status == 404
    assert 'href="/orders"' in admin.shown


async def test_stranger_is_told_of_no_page(stranger: Browser) -> None:
    """Who has not signed in gets no menu of pages, which they could not open."""
    assert (await stranger.get("/nowhere")).status == 404
    assert 'href="/orders"' not in stranger.shown


async def test_server_that_is_gone_is_told(stranger: Browser, server: Server) -> None:
    """A console whose server can't be reached says so, and opens nothing."""
    del stranger, server
    async with run_console("127.0.0.1:1") as listening:
        browser = Browser(HttpClient(listening.host, listening.port))
        answer = await browser.sign_in(ADMIN_KEY)
        assert answer.status == 403
        assert 'role="alert"' in browser.shown


async def test_only_the_proxy_says_who_somebody_is(server: Server, tmp_path: Path) -> None:
    """Who has no certificate with the proxy's name says nothing; the ledger keeps who it was."""
    ours, theirs = Authority("ours"), Authority("theirs")
    certificate, key = ours.sign("console").write(tmp_path, "console")
    (tmp_path / "ours.pem").write_bytes(ours.pem)
    names = frozenset({"proxy.internal"})
    listening = Listening("127.0.0.1", free_port(), certificate, key, tmp_path / "ours.pem", names)
    proxy = Proxy("x-forwarded-email", ADMIN_KEY)

    def caller(authority: Authority | None, name: str) -> HttpClient:
        own = authority and authority.sign("caller", names=(name,)).write(tmp_path, "caller")
        return HttpClient(listening.host, listening.port, trusting(ours, own))

    async with run_console(server.address, listening, proxy):
        for authority, name in ((None, ""), (theirs, "proxy.internal"), (ours, "till.internal")):
            stranger = Browser(caller(authority, name))
            with pytest.raises((OSError, EOFError)):
                await stranger.get("/", **{"x-forwarded-email": "odile@example.com"})
        known = Browser(caller(ours, "proxy.internal"))
        assert (await known.get("/")).status == 403
        named = {"x-forwarded-email": "odile@example.com"}
        answer = await known.get("/", **named)
        assert answer.status == 200
        assert (answer.header("set-cookie") or "").startswith("__Host-")
        member = await server.admin.enroll()
        path = f"/members/{member}"
        await known.get(path, **named)
        await known.post(f"{path}/adjust", named, points="7", reason="A spilt coffee")
        assert (await known.post(f"{path}/adjust", named)).status == 303
        await known.get(path, **named)
        assert "A spilt coffee (odile@example.com)" in known.shown
        await known.get("/", **{"x-forwarded-email": "xavier@example.com"})
        assert "xavier@example.com" in known.shown
        assert "odile@example.com" not in known.shown
        twice = b"x-forwarded-email: odile@example.com\r\n" * 2
        answer = await known.http.send(b"GET / HTTP/1.1\r\nhost: x\r\n" + twice + b"\r\n")
        assert answer.status == 403


def test_sign_in_ends_by_itself() -> None:
    """Half an hour without a page, or 12 hours; beyond 20 of a key, or 1,000, the oldest goes."""
    now = 0.0
    kept = SignIns(lambda: now)

    def somebody(key: str = "s") -> str:
        token, _ = kept.open(secret=key, name="n", role="r", program_id="p", time_zone="UTC")
        return token

    token = somebody()
    while now < LONGEST_S:
        assert kept.find(token)
        now += IDLE_S / 2
    now += 1
    assert kept.find(token) is None
    token = somebody()
    now += IDLE_S + 1
    assert kept.find(token) is None
    first = somebody()
    other = somebody("other")
    for _ in range(SIGN_INS_OF_ONE_MAX):
        somebody()
    assert kept.find(first) is None
    assert kept.find(other)
    for number in range(SIGN_INS_MAX):
        somebody(f"key {number}")
    assert kept.find(other) is None
