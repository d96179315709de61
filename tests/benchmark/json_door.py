"""What the parts of the JSON door cost: Envoy's time for a call with each filter left out."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.benchmark.loads import IDENTIFY
from tests.benchmark.plan import GOAL_CONCURRENCY, WARM_UP_S, Spread
from tests.benchmark.subjects import ECHO, Stage
from tests.benchmark.window import Client, Window

WHOLE = "the whole door"
_LUA = ("loyalty.gate", "loyalty.gate.whole", "envoy.filters.http.lua")
_OTHERS = (
    "envoy.filters.http.grpc_web",
    "envoy.filters.http.buffer",
    "envoy.filters.http.local_ratelimit",
    "envoy.filters.http.adaptive_concurrency",
)
PARTS: dict[str, tuple[str, ...]] = {
    WHOLE: (),
    "gate, before the buffer": _LUA[:1],
    "gate, after it": _LUA[1:2],
    "filter of the JSON door": _LUA[2:],
    "all three": _LUA,
    "gRPC-Web": _OTHERS[:1],
    "buffer": _OTHERS[1:2],
    "rate limit": _OTHERS[2:3],
    "adaptive concurrency": _OTHERS[3:],
    "all but transcoder and router": _LUA + _OTHERS,
}
"""What is left out, by its name in the table."""


@dataclass(slots=True)
class Parts:
    """Windows by what was left out, one for each round."""

    windows: dict[str, list[Window]] = field(default_factory=dict)

    def without(self, part: str) -> Spread:
        """Sum up Envoy's microseconds for a call without a part."""
        return Spread.of([window.envoy_us or 0.0 for window in self.windows[part]])

    def cost(self, part: str) -> Spread:
        """Compare round by round with the whole, beside which it was measured."""
        pairs = zip(self.windows[WHOLE], self.windows[part], strict=True)
        return Spread.of([(one.envoy_us or 0.0) - (two.envoy_us or 0.0) for one, two in pairs])

    def first_failure(self) -> str:
        """Give the first wrong answer; nothing when all were right."""
        windows = (window for found in self.windows.values() for window in found)
        return next((window.first_failure for window in windows if window.failures), "")


async def measure_parts(stage: Stage, client: Client, rounds: int, seconds: float) -> Parts:
    """Go round the doors that lack a part, every other time backwards, all before one echo."""
    subjects = [
        (part, await stage.behind_envoy(f"door-{number}", ECHO, without))
        for number, (part, without) in enumerate(PARTS.items())
    ]
    for _, subject in subjects:
        client.measure(subject, IDENTIFY, GOAL_CONCURRENCY, WARM_UP_S)
    parts = Parts()
    for turn in range(rounds):
        for part, subject in subjects if turn % 2 == 0 else reversed(subjects):
            window = client.measure(subject, IDENTIFY, GOAL_CONCURRENCY, seconds)
            parts.windows.setdefault(part, []).append(window)
    return parts
