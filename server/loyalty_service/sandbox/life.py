"""The running sandbox: doors that stay open, and behind them a server that may begin again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from loyalty_service.bootstrap import choose_transport, database_of, serve
from loyalty_service.config import Settings
from loyalty_service.sandbox.board.board import Board
from loyalty_service.sandbox.board.exchange import Calls
from loyalty_service.sandbox.board.wire import Watch
from loyalty_service.sandbox.call_watch import CallWatch
from loyalty_service.sandbox.certifying import Certifying
from loyalty_service.sandbox.clock import ClockError, SandboxClock, told
from loyalty_service.sandbox.control import ConflictError, ControlPort
from loyalty_service.sandbox.demo_data import DATABASE_OF_ITS_OWN, put_sandbox_data, reset_sandbox
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.sandbox.faults import Faults
from loyalty_service.sandbox.fixed_codes import identify_in_sandbox
from loyalty_service.sandbox.kinds import Kind
from loyalty_service.sandbox.reference_page import add_reference_page
from loyalty_service.sandbox.relay import Relay
from loyalty_service.sandbox.remote import control_file
from loyalty_service.storage.migrate import migrate
from loyalty_service.storage.store import Store
from loyalty_service.sweeper import forget, sweep
from loyalty_service.transport.addresses import listen_problem
from loyalty_service.transport.choosing import NATIVE

OWN_PAGES = ("http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*")
"""Origins of the web pages that may call it: those that this machine serves."""

CLOCK_FILE = "sandbox-clock"


class Doors:
    """
    What callers connect to; they stay while the server is replaced.

    Attributes:
        http: Before Envoy.
        grpc: Before the server, for who needs no Envoy.
        inner: Between Envoy and the server.
    """

    def __init__(self, plans: dict[str, Kind], calls: Calls) -> None:
        self.http = Relay(plans, lambda name: Watch(calls, "http", name))
        self.grpc = Relay(plans, lambda name: Watch(calls, "grpc", name))
        self.inner = Relay()

    async def shut(self) -> None:
        """Break what leads to the server, as if it had been killed."""
        self.grpc.target = self.inner.target = None
        await self.grpc.cut()
        await self.inner.cut()

    def lead_to(self, port: int) -> None:
        """Lead to a server."""
        self.grpc.target = self.inner.target = port


class Sandbox:
    """
    Server, Envoy, the relays before them, and the control port.

    Args:
        settings: As the sandbox has them.
        tell: Called once with the ports of HTTP, gRPC and control, when calls are taken.
        tell_restart: Called with its status and log when Envoy has ended and is started again.
        stop: Set when it is to end.
    """

    def __init__(
        self,
        settings: Settings,
        tell: Callable[[int, int, int], None],
        tell_restart: Callable[[int, Path], None],
        stop: asyncio.Event,
    ) -> None:
        self._settings = settings
        self._tell = tell
        self._tell_restart = tell_restart
        self._stop = stop
        self._clock = SandboxClock(settings.data_dir / CLOCK_FILE)
        plans: dict[str, Kind] = {}
        self._calls = Calls()
        self._doors = Doors(plans, self._calls)
        watch = CallWatch()
        self._faults = Faults(plans, self._kill, watch)
        self._faults.note = self._calls.play
        certifying = Certifying(
            watch,
            self._faults,
            lambda by: self._advance({"advance": by}),
            settings.data_dir,
        )
        self._calls.ended = certifying.ended
        self._again = asyncio.Event()
        """Set when the server is to end and to begin again."""
        self._first_day = False
        """Whether it is to begin with the first day's data."""
        self._ready = asyncio.Event()
        self._store: Store
        self._envoy: EnvoyProcess
        self._keeping: asyncio.Task[None]
        self._board = Board(
            self._calls,
            lambda: self._store if self._ready.is_set() else None,
            self._faults.told,
            self._faults.code_of,
            lambda: (self._doors.http.port, self._doors.grpc.port),
            lambda: self._control.serves("GET", "/certification"),
        )
        self._control = ControlPort(
            {
                ("GET", "/clock"): self._tell_clock,
                ("POST", "/clock"): self._advance,
                ("POST", "/reset"): self._reset,
                ("GET", "/faults"): self._tell_faults,
                ("PUT", "/faults"): self._bind_faults,
                **certifying.routes(),
                **self._board.routes(),
            }
        )

    async def run(self) -> None:
        """Serve until it is to stop."""
        settings = self._settings
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        self._clock.resume()
        async with AsyncExitStack() as stack:
            await self._doors.inner.start("127.0.0.1", 0)
            stack.push_async_callback(self._doors.inner.stop)
            self._envoy = EnvoyProcess(
                folder=settings.data_dir / "envoy",
                grpc_port=self._doors.inner.port,
                origins=OWN_PAGES,
                native=choose_transport(settings).name == NATIVE,
                adapt=_adapt,
            )
            await self._serve(stack)
            while self._again.is_set() and not self._stop.is_set():
                if self._first_day:
                    self._begin_first_day()
                await self._serve(None)

    async def _serve(self, first: AsyncExitStack | None) -> None:
        """Run a server until it is to end; the first one opens the doors."""
        self._again.clear()
        settings = self._settings.model_copy(update={"grpc_port": 0, "share_port": False})
        async with serve(
            settings, identify=identify_in_sandbox, sandbox=True, dress=self._faults.dress
        ) as running:
            self._store = running.store
            await running.store.write(put_sandbox_data)
            await running.store.refresh_catalog()
            self._doors.lead_to(running.grpc_port)
            if first is not None:
                await self._open(first)
            self._ready.set()
            self._calls.change()
            waits = [asyncio.create_task(one.wait()) for one in (self._stop, self._again)]
            await asyncio.wait((*waits, self._keeping), return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
            self._ready.clear()
            async with self._board.reading:
                pass  # Nobody reads from here on.
            if self._keeping.done():
                await self._keeping  # Envoy can't be started again, which is told.
            if self._again.is_set():
                await self._doors.shut()

    async def _open(self, stack: AsyncExitStack) -> None:
        """Start what stands before the server, and tell where."""
        settings, doors = self._settings, self._doors
        await stack.enter_async_context(self._envoy)
        self._keeping = asyncio.create_task(
            self._envoy.keep_running(lambda status: self._tell_restart(status, self._envoy.log))
        )
        stack.callback(self._keeping.cancel)
        doors.http.target = self._envoy.http_port
        await doors.http.start(settings.sandbox_host, settings.http_port)
        stack.push_async_callback(doors.http.stop)
        await doors.grpc.start(settings.sandbox_host, settings.grpc_port)
        stack.push_async_callback(doors.grpc.stop)
        await self._control.start(control_port(settings))
        stack.push_async_callback(self._control.stop)
        place = control_file(settings)
        place.write_text(str(self._control.port), encoding="ascii")
        stack.callback(place.unlink, missing_ok=True)
        self._tell(doors.http.port, doors.grpc.port, self._control.port)

    def _begin_first_day(self) -> None:
        """Make the first day again, while nothing is served."""
        self._first_day = False
        reset_sandbox(self._settings)
        self._clock.reset()
        self._faults.reset()
        self._calls.clear()
        migrate(database_of(self._settings))

    def _kill(self) -> None:
        """Break the connections now, and have the server begin again on the same data."""
        self._ready.clear()
        self._calls.change()
        self._again.set()

    async def _tell_clock(self, _body: object) -> object:
        await self._ready.wait()
        return told()

    async def _advance(self, body: object) -> object:
        await self._ready.wait()
        by = body.get("advance") if isinstance(body, dict) else None
        if not isinstance(by, str):
            raise ClockError('send how far, for instance {"advance": "61h"}')
        self._clock.advance(by)
        swept = await sweep(self._store, self._store.clock)
        await forget(self._store)
        self._calls.change()
        return {**told(), "ended": {"transactions": swept.transactions, "codes": swept.codes}}

    async def _reset(self, _body: object) -> object:
        if self._settings.database_url:
            raise ConflictError(DATABASE_OF_ITS_OWN)
        await self._ready.wait()
        self._first_day = True
        self._kill()
        await self._ready.wait()
        return told()

    async def _tell_faults(self, _body: object) -> object:
        return self._faults.told()

    async def _bind_faults(self, body: object) -> object:
        self._faults.bind(body)
        self._calls.change()
        return self._faults.told()


def _adapt(envoy: dict[str, Any]) -> None:
    """
    Have Envoy try every call, so that a server that is back is found at once.

    It serves the reference page as well.
    """
    envoy["static_resources"]["clusters"][0].pop("health_checks")
    add_reference_page(envoy)


def control_port(settings: Settings) -> int:
    """Give the port to control it by: a free one where its calls have free ones, or it is taken."""
    if "sandbox_port" in settings.model_fields_set:
        return settings.sandbox_port
    taken = settings.http_port == 0 or listen_problem("127.0.0.1", settings.sandbox_port)
    return 0 if taken else settings.sandbox_port
