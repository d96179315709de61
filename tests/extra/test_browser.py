"""A page in a real browser, served from an origin of its own, that calls through Envoy."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from loyalty.v1 import identify_service_pb2
from tests.support.server import POS_KEY, Front, identify_request, run_front

PATIENCE_S = 60
ORIGINS = ("http://127.0.0.1:*",)
PAGE = """
<!doctype html><link rel="icon" href="data:,"><script type="module">
const {edge, key, json, session, message} = TOLD;
async function call(path, headers, body) {
  try {
    headers = {"x-api-key": key, ...headers};
    const answer = await fetch(edge + path, {method: "POST", headers, body});
    body = btoa(String.fromCharCode(...new Uint8Array(await answer.arrayBuffer())));
    return {status: answer.status, headers: Object.fromEntries(answer.headers), body};
  } catch (problem) {
    return {problem: String(problem)};
  }
}
const typed = {"content-type": "application/json"};
const web = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"};
const keyed = {...typed, "idempotency-key": "of a page"};
const rpc = "/loyalty.v1.IdentifyService/IdentifyMember";
const told = {
  first: await call("/loyalty/identify", keyed, json),
  again: await call("/loyalty/identify", keyed, json),
  refused: await call("/loyalty/identify", typed, "{}"),
  keyless: await call("/loyalty/identify", {...typed, "x-api-key": ""}, json),
  session: await call("/client/users/anonymous/sessions", typed, session),
  web: await call(rpc, web, Uint8Array.from(message)),
  webRefused: await call(rpc, web, Uint8Array.from([0, 0, 0, 0, 0])),
};
await fetch("/told", {method: "POST", body: JSON.stringify(told)});
</script>
"""


@asynccontextmanager
async def page(text: str) -> AsyncIterator[tuple[int, asyncio.Future[Any]]]:
    """Serve a page on a port of its own; return the port, and what the page tells at its end."""
    told: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            body = text.encode()
            if head.startswith("post /told"):
                length = int(head.partition("content-length: ")[2].split("\r\n")[0])
                told.set_result(json.loads(await reader.readexactly(length)))
                body = b""
            writer.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n"
                b"content-length: %d\r\n\r\n%s" % (len(body), body)
            )
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield port, told
    finally:
        server.close()


async def browse(front: Front, host: str, folder: Path) -> dict[str, Any]:
    """Open the page as one of *host*; return what came of each of its calls."""
    message = identify_request("234567", "of a page 2").SerializeToString()
    vendor = {"storeId": "9999", "posType": "Partner", "transactionId": "of a page 1"}
    told = {
        "edge": f"http://127.0.0.1:{front.envoy.http_port}",
        "key": POS_KEY,
        "json": json.dumps({"identifier": "123456", "posVendor": vendor}),
        "session": '{"correlationId":"of a page"}',
        "message": list(len(message).to_bytes(5, "big") + message),
    }
    program = shutil.which("chromium")
    assert program is not None
    async with page(PAGE.replace("TOLD", json.dumps(told))) as (port, answers):
        browser = await asyncio.create_subprocess_exec(
            program,
            *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-dev-shm-usage"),
            f"--user-data-dir={folder}",
            f"http://{host}:{port}/",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            found: dict[str, Any] = await asyncio.wait_for(answers, PATIENCE_S)
        finally:
            with suppress(ProcessLookupError):
                browser.terminate()
            await browser.wait()
    return found


def body_of(answer: dict[str, Any]) -> bytes:
    """Give the bytes that a page read."""
    return base64.b64decode(answer["body"])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_page_calls_from_an_origin_that_is_listed_alone(tmp_path: Path, host: str) -> None:
    """JSON and gRPC-Web answers, refusals and their headers are read; off the list, none is."""
    async with run_front(tmp_path / "front", origins=ORIGINS) as front:
        told = await browse(front, host, tmp_path / "browser")
    session = told.pop("session")
    assert session["status"] == 200
    assert session["headers"]["x-amzn-requestid"]
    if host == "localhost":
        assert {answer.get("problem") for answer in told.values()} == {"TypeError: Failed to fetch"}
        return
    assert told["first"]["status"] == told["again"]["status"] == 200
    assert body_of(told["first"]) == body_of(told["again"])
    assert told["again"]["headers"]["idempotent-replayed"] == "true"
    assert told["first"]["headers"]["x-request-id"]
    assert told["refused"]["status"] == 400
    assert b"ValidationError" in body_of(told["refused"])
    assert told["keyless"]["status"] == 401
    frame = body_of(told["web"])
    size = int.from_bytes(frame[1:5], "big")
    identified = identify_service_pb2.IdentifyMemberResponse.FromString(frame[5 : 5 + size])
    assert identified.loyalty_user.name == "Noor"
    assert told["webRefused"]["headers"]["grpc-status"] == "3"
    assert told["webRefused"]["headers"]["grpc-status-details-bin"]
