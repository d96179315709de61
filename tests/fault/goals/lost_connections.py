"""G40: connections between Envoy and a server that are lost without a word."""

from __future__ import annotations

import asyncio
import time

from loyalty_service.sandbox.envoy_process import EnvoyProcess
from tests.fault.enrolling import Enrolling
from tests.fault.goal import SQLITE, Goal, Trial
from tests.support.banks import ServerProcess, prepare_bank, process_environment
from tests.support.ledger import audit, count_rows
from tests.support.network_path import NetworkPath

NOTICED_S = 6.0
WATCHED_S = 12.0
SILENT_S = 20.0
RATE, TILLS = 50, 400
BEFORE_S = 1.0


async def run(trial: Trial) -> None:
    """
    Lose the open connections of the only server, and in full then its network for 20 s.

    Only the network knows: both sides wait. Calls that are sent later than 6 s after the loss, or
    after the network is back, must be served, and what failed must be served when sent again.
    """
    url = trial.new_database()
    await prepare_bank(url, [])
    server = await ServerProcess.start(process_environment(url, trial.folder))
    try:
        async with NetworkPath(int(server.address.rpartition(":")[2])) as path:
            envoy = EnvoyProcess(folder=trial.folder / "envoy", grpc_port=path.port)
            async with envoy:
                await _lose(trial, path, Enrolling(envoy.http_port), url)
        await server.stop()
    finally:
        await server.kill()


async def _lose(trial: Trial, path: NetworkPath, load: Enrolling, url: str) -> None:
    async with load.at(*trial.choose((RATE, TILLS), (20, 40))):
        await asyncio.sleep(BEFORE_S)
        trial.require(load.served, "nobody was served")
        trial.require(path.lose_connections(), "there was no connection to lose")
        await _watch(trial, load, "connections lost")
        if trial.full:
            path.cut()
            await asyncio.sleep(SILENT_S)
            path.mend()
            await _watch(trial, load, "network back")
    resent = len(load.failed)
    await load.resend()
    trial.figure("calls", len(load.served))
    trial.figure("failed and sent again", resent)
    members = count_rows(url, "member")
    trial.require(members == len(load.served), f"{members} members, {len(load.served)} enrolled")
    audit(url)


async def _watch(trial: Trial, load: Enrolling, what: str) -> None:
    """Look for how long tills notice what happened just now."""
    since, served = time.monotonic(), len(load.served)
    if trial.full:
        await asyncio.sleep(WATCHED_S)
    else:
        async with asyncio.timeout(2 * WATCHED_S):
            while len(load.served) == served:  # noqa: ASYNC110 - calls come by themselves.
                await asyncio.sleep(0.02)
    noticed = [one.sent - since for one in load.failed.values() if one.ended > since]
    last_s = max(noticed, default=0.0)
    trial.figure(f"{what}: last failure sent after s", round(last_s, 1))
    in_time = last_s <= trial.choose(NOTICED_S, WATCHED_S)
    trial.require(in_time, f"{what}: a call sent {last_s:.1f} s after failed")
    trial.require(len(load.served) > served, f"{what}: nobody was served again")


GOALS = (
    Goal(
        "G40",
        "Lost connections",
        "Connections between Envoy and a server that are lost without a word keep tills for 6 s "
        "at most.",
        run,
        (SQLITE,),
    ),
)
