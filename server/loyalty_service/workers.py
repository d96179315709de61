"""Several server processes on one port: the kernel shares the connections out among them."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog

from loyalty_service.config import Settings

RESTART_WAIT_S = 1.0
RESTART_WAIT_MAX_S = 30.0
SETTLED_S = 60.0
"""A worker that lived as long has not died of how it was started."""

log = structlog.get_logger(__name__)


class Workers:
    """Keeps a number of server processes running until told to stop."""

    def __init__(self, settings: Settings, count: int) -> None:
        self._settings = settings
        self._count = count
        self._waiters = ThreadPoolExecutor(count, thread_name_prefix="worker")
        self._patience_s = settings.shutdown_notice_s + settings.shutdown_grace_s + 5.0

    async def run(self, stop: asyncio.Event) -> None:
        """Run the processes; one that dies is started again."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._count):
                group.create_task(self._keep_one(number, stop))

    async def _keep_one(self, number: int, stop: asyncio.Event) -> None:
        wait_s = RESTART_WAIT_S
        while not stop.is_set():
            started = time.monotonic()
            # -P, because the current folder may have another package of this name.
            process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once.
                [sys.executable, "-P", "-m", "loyalty_service", "serve"],
                env=self._environment(number),
            )
            loop = asyncio.get_running_loop()
            ended = loop.run_in_executor(self._waiters, process.wait)
            stopping = asyncio.ensure_future(stop.wait())
            await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if stop.is_set():
                await self._end(process, ended)
            else:
                log.error("worker died", worker=number, exit_code=process.returncode)
                if time.monotonic() - started > SETTLED_S:
                    wait_s = RESTART_WAIT_S
                await _wait(stop, wait_s)
                wait_s = min(2 * wait_s, RESTART_WAIT_MAX_S)

    def _environment(self, number: int) -> dict[str, str]:
        environment = {**os.environ, "LOYALTY_SHARE_PORT": "true"}
        if self._settings.allow_data_loss:
            environment["LOYALTY_ALLOW_DATA_LOSS"] = "true"
        if self._settings.metrics_port:
            environment["LOYALTY_METRICS_PORT"] = str(self._settings.metrics_port + number)
        return environment

    async def _end(self, process: subprocess.Popen[bytes], ended: asyncio.Future[int]) -> None:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(asyncio.shield(ended), self._patience_s)
        except TimeoutError:
            process.kill()
            await ended


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but no longer than until told to stop."""
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
