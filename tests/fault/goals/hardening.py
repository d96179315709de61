"""G27: the checklist for an Envoy at the edge, asked of the running proxy line by line."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from loyalty_service.sandbox.envoy_process import EnvoyProcess
from tests.fault.edge import Attack, Edge
from tests.fault.edge_attacks import ATTACKS
from tests.fault.edge_settings import SETTINGS, break_setting, is_as_told, running_parts
from tests.fault.goal import Goal, Trial
from tests.support.server import run_front


async def _parts(envoy: EnvoyProcess) -> dict[str, Any]:
    return running_parts(json.loads(await envoy.ask("/config_dump")))


async def _unnoticed(trial: Trial) -> list[str]:
    """Run a proxy that is wrong in every setting; return the lines that do not notice."""

    def break_all(config: dict[str, Any]) -> None:
        for setting in SETTINGS:
            break_setting(config, setting)

    folder = trial.folder / "broken"
    async with EnvoyProcess(folder=folder, grpc_port=1, adapt=break_all) as envoy:
        parts = await _parts(envoy)
    return [setting.line for setting in SETTINGS if is_as_told(parts, setting)]


async def _try(trial: Trial, edge: Edge, attack: Attack) -> None:
    started = time.monotonic()
    try:
        await attack.run(edge)
    except (AssertionError, OSError, LookupError, TimeoutError, EOFError) as problem:
        trial.require(holds=False, problem=f"{attack.line}: {problem!r}")
    else:
        trial.say(f"{time.monotonic() - started:5.1f} s  {attack.line}")


async def run(trial: Trial) -> None:
    """
    Compare the running proxy with the checklist, then attack it.

    In full, a proxy whose every setting is wrong is started first, and every line must notice.
    """
    if trial.full:
        for line in await _unnoticed(trial):
            trial.require(holds=False, problem=f"{line}: a wrong setting is not noticed")
    async with run_front(trial.folder / "front") as front:
        parts = await _parts(front.envoy)
        for setting in SETTINGS:
            trial.require(is_as_told(parts, setting), f"{setting.line}: {setting.path}")
        edge = Edge(front, trial.folder)
        attacks = [attack for attack in ATTACKS if attack.quick or trial.full]
        # Those that only call do not mind each other; the rest run what they measure alone.
        await asyncio.gather(*(_try(trial, edge, attack) for attack in attacks if attack.quick))
        for attack in attacks:
            if not attack.quick:
                await _try(trial, edge, attack)
    trial.figure("settings", len(SETTINGS))
    trial.figure("attacks", len(attacks))


GOALS = (
    Goal(
        "G27",
        "Envoy hardening",
        "The running Envoy is set as its checklist says, and resists attacks accordingly.",
        run,
        databases=(),
    ),
)
