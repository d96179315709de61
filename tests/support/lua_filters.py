"""Runs Envoy's Lua filters without Envoy, one call after another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lupa.luajit21 import LuaRuntime

ROOT = Path(__file__).resolve().parents[2]
API = ROOT / "tests" / "support" / "envoy_api.lua"

SET_CLOCK = 'function(now) require("clock").now = function() return now end end'
SET_WORK = """
function(step)
  local worked = 0
  require("clock").worked = function() worked = worked + step; return worked end
end
"""

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


@dataclass(slots=True)
class FilteredCall:
    """
    A call that a filter has seen.

    Attributes:
        headers: What goes on, or comes back, in order.
        body: As *headers*; None where there is none.
        reply: Status of the filter's own answer; None where the call goes on.
        metadata: Dynamic metadata by filter and key.
        rerouted: Whether Envoy is to look for the route again.
    """

    headers: list[tuple[str, str]]
    body: bytes | None
    reply: str | None
    metadata: dict[str, dict[str, Any]]
    rerouted: bool
    kept: Any

    def header(self, name: str) -> str | None:
        """Give a header's last value."""
        return dict(self.headers).get(name)


class LuaFilter:
    """
    A filter as Envoy loads it for one worker.

    Args:
        script: What stands in `inline_string` of envoy.yaml, without the path.
        edge_errors: Another table of words, as Lua.
    """

    def __init__(self, script: str, edge_errors: str | None = None) -> None:
        # Each character is one byte.
        self._lua = LuaRuntime(encoding="latin-1", unpack_returned_tuples=True)  # type: ignore[call-arg]
        lua = self._lua
        lua.globals().package.path = f"{ROOT}/envoy/?.lua;{ROOT}/generated/?.lua"
        if edge_errors is not None:
            loaded = lua.execute(edge_errors)
            lua.globals().package.loaded["edge_errors"] = loaded
        self._api = lua.execute(API.read_text(encoding="utf-8"))
        lua.execute(script)
        self._now = lua.eval(SET_CLOCK)
        self._wall = lua.eval("function(now) os.time = function() return now end end")
        self.at(1_000_000)

    def at(self, now_s: float) -> None:
        """Let it be this second, on the machine's clock too."""
        self._now(now_s)
        self.set_wall_clock(int(now_s))

    def set_wall_clock(self, now_s: int) -> None:
        """Set the machine's clock alone."""
        self._wall(now_s)

    def work(self, spent_s: float) -> None:
        """Let each look at the worker's own clock cost so much more."""
        self._lua.eval(SET_WORK)(spent_s)

    def load(self, module: str) -> Any:
        """Give a part of the filter; its texts have one byte a character."""
        return self._lua.eval("require")(module)

    def run(self, script: str) -> Any:
        """Run more Lua, and give what it returns."""
        return self._lua.execute(script)

    def table(self, value: Any) -> Any:
        """Make a Lua table of dicts and lists."""
        return self._lua.table_from(value, recursive=True)

    def request(self, headers: Headers, body: bytes | None = None) -> FilteredCall:
        """Let a call through the filter."""
        return self._run("request", self._api.new_call(), headers, body, None)

    def response(
        self,
        call: FilteredCall | None,
        headers: Headers,
        body: bytes | None = None,
        trailers: Headers | None = None,
    ) -> FilteredCall:
        """Let the answer of a call through; None is a call that the filter has not seen."""
        kept = self._api.new_call() if call is None else call.kept
        return self._run("response", kept, headers, body, trailers)

    def _run(
        self,
        side: str,
        kept: Any,
        headers: Headers,
        body: bytes | None,
        trailers: Headers | None,
    ) -> FilteredCall:
        message = self.table({"headers": _pairs(headers)})
        if body is not None:
            message.body = body.decode("latin-1")
        if trailers is not None:
            message.trailers = self.table(_pairs(trailers))
        self._api[side](kept, message)
        reply = kept.reply
        return FilteredCall(
            headers=[(part[1], part[2]) for part in message.headers.values()],
            body=None if message.body is None else message.body.encode("latin-1"),
            reply=None if reply is None or side == "response" else reply[":status"],
            metadata={name: dict(found.items()) for name, found in kept.metadata.items()},
            rerouted=bool(kept.rerouted),
            kept=kept,
        )


def _pairs(headers: Headers) -> list[list[str]]:
    listed = headers.items() if isinstance(headers, Mapping) else headers
    return [[name, value] for name, value in listed]
