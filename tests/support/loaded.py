"""
Starts servers from a process that has loaded their modules already.

Loading them takes a processor for a second, and the tests start dozens of servers. `make fault` and
who asks for a program with libraries of its own start each as an operator does.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from tests.support.roots import PYTHONPATH, ROOT

MESSAGE_MAX = 1 << 17
EXIT_S = 20.0


class Forked:
    """
    A server of its own process, with what tests use of `asyncio.subprocess.Process`.

    Attributes:
        returncode: How it ended; absent while it runs.
    """

    def __init__(
        self, pid: int, stderr: asyncio.StreamReader, report: asyncio.StreamReader
    ) -> None:
        self.pid = pid
        self.stderr = stderr
        self.returncode: int | None = None
        self._ending = asyncio.create_task(self._end(report))

    async def _end(self, report: asyncio.StreamReader) -> None:
        told = await report.readline()
        self.returncode = int(told) if told else -signal.SIGKILL
        # Who tells of the end may end later: only at the pipe's own end it is closed.
        await report.read()

    async def wait(self) -> int:
        """Wait until it has ended; return how."""
        await asyncio.shield(self._ending)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Loaded:
    """The process that has loaded the server's modules; begun at the first start."""

    def __init__(self) -> None:
        self._channel: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def _open(self) -> socket.socket:
        if self._channel is None:
            self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "tests.support.loaded", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    env={**os.environ, "PYTHONPATH": PYTHONPATH},
                    cwd=ROOT,
                )
        return self._channel

    async def start(
        self, module: str, arguments: Sequence[str], environment: Mapping[str, str]
    ) -> Forked:
        """Start a module as a program, in the repository's folder."""
        told = {"module": module, "arguments": list(arguments), "environment": dict(environment)}
        channel = self._open()
        errors, errors_end = os.pipe()
        report, report_end = os.pipe()
        try:
            socket.send_fds(channel, [json.dumps(told).encode()], [errors_end, report_end])
        finally:
            os.close(errors_end)
            os.close(report_end)
        said, ending = await _reader(errors), await _reader(report)
        return Forked(int(await ending.readline()), said, ending)

    def close(self) -> None:
        """End it; servers that still run go on."""
        if self._channel is not None and self._process is not None:
            self._channel.close()
            self._process.wait(EXIT_S)


async def _reader(descriptor: int) -> asyncio.StreamReader:
    """Read a pipe beside the event loop; it is closed at its end."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb")
    )
    return reader


_shared: list[Loaded] = []


@contextmanager
def servers_forked() -> Iterator[None]:
    """Let servers be forked within the context."""
    loaded = Loaded()
    _shared.append(loaded)
    try:
        yield
    finally:
        _shared.remove(loaded)
        loaded.close()


async def start_server(
    module: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> asyncio.subprocess.Process | Forked:
    """
    Start a server's module as a program; its standard error is a pipe.

    What has arguments of its own may start programs itself, and a preloaded library is not to be
    had by a fork: these are started as an operator does.
    """
    if _shared and not arguments and "LD_PRELOAD" not in environment:
        return await _shared[-1].start(module, ["serve"], environment)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", module, "serve", *arguments),
        env=environment,
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )


def _take_starts(channel: socket.socket) -> None:
    """Fork a process for each start, until nobody can ask for more."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(channel, MESSAGE_MAX, 2)
        if not message:
            return
        if not os.fork():
            channel.close()
            _mind(json.loads(message), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _reap(*_signal: object) -> None:
    """Let what has ended go; its time on the processor is counted as ours."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _mind(told: Mapping[str, Any], errors: int, report: int) -> None:
    """Fork the server, and report its number and its end: only its parent learns that."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if not pid:
        os.close(report)
        os.dup2(errors, sys.stderr.fileno())
        os.close(errors)
        _become(told)
    os.close(errors)
    with suppress(OSError):  # Nobody may be left to hear it.
        os.write(report, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _become(told: Mapping[str, Any]) -> None:
    """Be the program, to its end."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(told["environment"])
    sys.argv = [told["module"], *told["arguments"]]
    runpy.run_module(told["module"], run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    # Asked to end with the tests, by their channel, and not by a Ctrl-C that ends them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, _reap)
    import loyalty_service.cli  # noqa: F401 - to be there in each.

    gc.freeze()
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _take_starts(asked)
