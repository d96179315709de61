"""A real Chromium without a window, driven over its debugging pipe."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

PATIENCE_S = 60.0
LOOK_S = 0.05
KIOSK = Path(__file__).resolve().parents[2] / "build" / "kiosk-web"
"""The kiosk in the browser, which `make test-extra` builds, and what npm has installed for it."""

AXE = KIOSK / "node_modules" / "axe-core" / "axe.min.js"
SETTLED = (
    "Promise.all(document.getAnimations().map((one) => one.finished.catch(() => 0))).then(() => 1)"
)


BEGIN = """
import os, sys
from fcntl import F_DUPFD, fcntl
ends = [fcntl(int(end), F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
"""Puts two ends of pipes where the browser looks for them."""


class PageError(AssertionError):
    """Raised when a page's script fails, or does not become what is waited for."""


class Page:
    """
    A page of a browser.

    Attributes:
        problems: What its console told as errors, and exceptions that nobody caught.
    """

    def __init__(self, browser: _Pipe, session: str) -> None:
        self.problems: list[str] = []
        self._browser = browser
        self._session = session
        browser.listeners[session] = self._hear

    async def send(self, method: str, **parameters: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return await self._browser.send(method, self._session, **parameters)

    async def run(self, script: str) -> Any:
        """Give the value of an expression, which may be a promise."""
        told = await self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in told:
            raise PageError(json.dumps(told["exceptionDetails"])[:2000])
        return told["result"].get("value")

    async def until(self, script: str, longest_s: float = PATIENCE_S) -> None:
        """Wait until an expression is true."""
        try:
            async with asyncio.timeout(longest_s):
                while not await self.run(f"!!({script})"):  # noqa: ASYNC110 - it has no event.
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            shown = await self.run("document.body.innerText")
            raise PageError(f"never true: {script}\n{shown}\n{self.problems}") from None

    async def look_at(self, width: int, height: int, **features: str) -> None:
        """Choose the size of the window in CSS pixels, and media features by name."""
        await self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        media = [
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()
        ]
        await self.send("Emulation.setEmulatedMedia", features=media)

    async def press(self, key: str, text: str = "") -> None:
        """Press a key, by its DOM name."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32}
        text = text or {"Enter": "\r", " ": " "}.get(key, "")
        parameters = {"key": key, "code": key, "windowsVirtualKeyCode": codes.get(key, 0)}
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        await self.send("Input.dispatchKeyEvent", **parameters, **down)
        await self.send("Input.dispatchKeyEvent", type="keyUp", **parameters)

    async def write(self, text: str) -> None:
        """Type a text where the focus is."""
        await self.send("Input.insertText", text=text)

    async def picture(self, file: Path, *, whole: bool = False) -> None:
        """Keep a picture of what is shown, or of the *whole* page."""
        told = await self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        await asyncio.to_thread(file.write_bytes, base64.b64decode(told["data"]))

    async def go(self, url: str) -> None:
        """Open a page, and wait until its script has begun."""
        await self.send("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def click(self, text: str) -> None:
        """Press the button with this text, which must be the only one, once it can be pressed."""
        found = (
            "[...document.querySelectorAll('button')].filter((one) => !one.disabled "
            f"&& !one.closest('[inert]') && one.innerText === {json.dumps(text)})"
        )
        await self.until(f"{found}.length === 1")
        await self.run(f"{found}[0].click()")

    async def violations(self) -> list[str]:
        """Name what axe-core finds wrong with the page as it is, with the elements."""
        if not await self.run("typeof axe === 'object'"):
            await self.run(await asyncio.to_thread(AXE.read_text, encoding="utf-8"))
        await self.run(SETTLED)
        told = await self.run("axe.run(document, {resultTypes: ['violations']})")
        assert len(told["passes"]) > 5
        return [
            f"{one['id']}: {node['html']} {node['failureSummary']}"
            for one in told["violations"]
            for node in one["nodes"]
        ]

    def _hear(self, method: str, told: Any) -> None:
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(told["exceptionDetails"])[:1000])
        if method == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.problems.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
        if method == "Runtime.consoleAPICalled" and told["type"] == "error":
            self.problems.append(json.dumps(told["args"])[:1000])


class _Pipe:
    """The protocol's messages, which end with a zero byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: int) -> None:
        self.listeners: dict[str, Any] = {}
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Any]] = {}

    async def send(self, method: str, session: str = "", **parameters: Any) -> Any:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        data = json.dumps(message).encode() + b"\0"
        await asyncio.to_thread(_write_all, self._writer, data)
        return await asyncio.wait_for(answer, PATIENCE_S)

    async def listen(self) -> None:
        with suppress(asyncio.IncompleteReadError):
            while True:
                told = json.loads((await self._reader.readuntil(b"\0"))[:-1])
                answer = self._asked.pop(told.get("id", 0), None)
                if answer is None:
                    hear = self.listeners.get(told.get("sessionId", ""))
                    if hear is not None:
                        hear(told["method"], told["params"])
                elif not answer.done():
                    if "error" in told:
                        answer.set_exception(PageError(json.dumps(told["error"])))
                    else:
                        answer.set_result(told["result"])


def _write_all(place: int, data: bytes) -> None:
    while data:
        data = data[os.write(place, data) :]


@asynccontextmanager
async def browser(folder: Path) -> AsyncIterator[Page]:
    """
    Open a browser with an empty page, whose profile is in *folder*.

    It finds this machine alone.
    """
    program = shutil.which("chromium")
    assert program is not None
    to_read, to_write = os.pipe(), os.pipe()
    # The browser reads commands at 3 and writes answers at 4.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-c", BEGIN, str(to_read[0]), str(to_write[1])),
        program,
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
        *("--disable-background-networking", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
        f"--user-data-dir={folder}",
        "about:blank",
        pass_fds=(to_read[0], to_write[1]),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(to_read[0])
    os.close(to_write[1])
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(to_write[0], "rb")
    )
    pipe = _Pipe(reader, to_read[1])
    listening = asyncio.create_task(pipe.listen())
    try:
        targets = (await pipe.send("Target.getTargets"))["targetInfos"]
        target = next(one["targetId"] for one in targets if one["type"] == "page")
        attached = await pipe.send("Target.attachToTarget", targetId=target, flatten=True)
        page = Page(pipe, attached["sessionId"])
        for domain in ("Page", "Runtime", "Log"):
            await page.send(f"{domain}.enable")
        yield page
    finally:
        os.close(to_read[1])
        listening.cancel()
        transport.close()
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
