"""`python -m tests.fault.simulate --seed N --trace`: one simulated world again, event by event."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from tests.fault.simulation.clients import live
from tests.fault.simulation.world import quietly


async def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fault.simulate", description=__doc__)
    parser.add_argument("--seed", required=True, help="as the trial named it")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from that one on")
    parser.add_argument("--trace", action="store_true", help="print every event")
    options = parser.parse_args()
    seeds = [options.seed]
    if options.seeds > 1:
        seeds = [str(int(options.seed) + number) for number in range(options.seeds)]
    wrong = 0
    started = time.perf_counter()
    with quietly():
        for seed in seeds:
            world = live(seed)
            if options.trace:
                print("\n".join(world.trace))  # noqa: T201
            for problem in world.problems:
                print(f"seed {seed}: {problem}")  # noqa: T201
            wrong += bool(world.problems)
            if options.seeds == 1:
                print(f"seed {seed}: {len(world.trace)} events, {world.digest()}")  # noqa: T201
    print(f"{wrong} of {len(seeds)} wrong in {time.perf_counter() - started:.1f} s")  # noqa: T201
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
