"""The console before a server of a test, and a browser without a window that has no script."""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

from loyalty_service.console.serve import Listening, serve_console
from loyalty_service.console.server_calls import ServerCalls
from loyalty_service.console.web import Proxy
from tests.support.http import HttpClient, Response, free_port

_FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)">')


@asynccontextmanager
async def run_console(
    server: str, listening: Listening | None = None, proxy: Proxy | None = None
) -> AsyncIterator[Listening]:
    """Serve the console on a free port, unless told another."""
    listening = listening or Listening("127.0.0.1", free_port())
    ready = asyncio.Event()
    serving = asyncio.create_task(
        serve_console(
            listening,
            ServerCalls(server),
            ready.set,
            secure=listening.certificate is not None,
            proxy=proxy,
        )
    )
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
    try:
        yield listening
    finally:
        waiting.cancel()
        serving.cancel()
        await asyncio.gather(serving, waiting, return_exceptions=True)


@dataclass(slots=True)
class Browser:
    """Keeps cookies, follows no redirect, and fills in the form that it was shown."""

    http: HttpClient
    cookies: dict[str, str] = field(default_factory=dict)
    shown: str = ""

    async def get(self, path: str, **headers: str) -> Response:
        """Open a page."""
        return await self._ask("GET", path, None, headers)

    async def post(self, path: str, headers: dict[str, str] | None = None, **form: str) -> Response:
        """Send a form, with the hidden fields of the page that is shown."""
        fields = {name: html.unescape(value) for name, value in _FIELD.findall(self.shown)} | form
        kind = {"content-type": "application/x-www-form-urlencoded"}
        return await self._ask("POST", path, urlencode(fields), kind | (headers or {}))

    async def sign_in(self, key: str) -> Response:
        """Sign in with an API key."""
        await self.get("/sign-in")
        return await self.post("/sign-in", key=key)

    async def _ask(
        self, method: str, path: str, body: str | None, headers: dict[str, str]
    ) -> Response:
        if self.cookies:
            cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            headers = headers | {"cookie": cookies}
        answer = await self.http.request(method, path, body, headers)
        if (kept := answer.header("set-cookie")) is not None:
            name, _, value = kept.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        self.shown = answer.body.decode()
        return answer
