"""An event loop whose time is not the world's: it jumps to whatever is due next."""

from __future__ import annotations

import asyncio
import heapq
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from itertools import count
from typing import Any


class SimulatedLoop(asyncio.AbstractEventLoop):
    """Runs everything on one thread, in an order that follows from what was asked for alone."""

    def __init__(self) -> None:
        self.steps = 0
        self._now_s = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = count()

    def run(self, steps_max: int, stop: Callable[[], object]) -> bool:
        """Run until nothing is left to do; return whether it came to that."""
        outer = events._get_running_loop()  # type: ignore[attr-defined]
        events._set_running_loop(self)
        try:
            while self.steps < steps_max and not stop():
                if not self._ready and not self._next_timer():
                    return True
                handle = self._ready.popleft()
                if not handle.cancelled():
                    self.steps += 1
                    handle._context.run(handle._callback, *handle._args)  # type: ignore[attr-defined]
            return False
        finally:
            events._set_running_loop(outer)

    def drain(self) -> None:
        """Run what is due now, and nothing that is due later."""
        outer = events._get_running_loop()  # type: ignore[attr-defined]
        events._set_running_loop(self)
        try:
            while self._ready:
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._context.run(handle._callback, *handle._args)  # type: ignore[attr-defined]
        finally:
            events._set_running_loop(outer)

    def _next_timer(self) -> bool:
        while self._timers:
            when, _, handle = heapq.heappop(self._timers)
            if not handle.cancelled():
                self._now_s = max(self._now_s, when)
                self._ready.append(handle)
                return True
        return False

    # What asyncio asks of a loop.

    def time(self) -> float:
        """Give the loop's own time in seconds."""
        return self._now_s

    def get_debug(self) -> bool:
        """Never look twice."""
        return False

    def is_running(self) -> bool:
        """Always, as far as anybody can ask."""
        return True

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Run a callback after those that are due already."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """There is one thread only."""
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback in *delay* seconds."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run a callback when the loop's time is *when*."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave it where it is; it is passed over."""

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, **_: Any
    ) -> asyncio.Task[Any]:
        """Make a task of this loop."""
        return asyncio.Task(coro, loop=self, name=name)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Pass over what nobody asked about: whoever cares looks at its future."""
