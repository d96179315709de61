"""G27: a revoked key, and how long any server still takes it."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import grpc
import psycopg

from loyalty.v1 import member_service_pb2
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.domain.keys import Role
from loyalty_service.storage.databases import Database
from loyalty_service.storage.store import Store
from tests.fault.goal import POSTGRESQL, Goal, Trial
from tests.support.banks import (
    ServerProcess,
    open_callers,
    prepare_bank,
    process_environment,
    run_servers,
)
from tests.support.doing import create_key
from tests.support.programs import PROGRAM_ID
from tests.support.roots import ROOT
from tests.support.server import Caller, identify_request
from tests.support.stores import open_store

KNOWN_S = 5.0
CHANNELS = 4
TILLS = 32
POLL_S = 0.02


async def _outcome(caller: Caller, secret: str, loyalty_id: str) -> grpc.StatusCode:
    """Read a member with a key; return how it ended."""
    request = member_service_pb2.GetMemberRequest(loyalty_id=loyalty_id)
    try:
        await caller.with_key(secret).call(caller.members.GetMember, request)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def _until(caller: Caller, secret: str, loyalty_id: str, wanted: grpc.StatusCode) -> float:
    """Call until it ends as wanted; return when the last call began that did not."""
    last = 0.0
    async with asyncio.timeout(60):
        while True:
            began = time.monotonic()
            if await _outcome(caller, secret, loyalty_id) is wanted:
                return last
            last = began
            await asyncio.sleep(POLL_S)


def _revoke_by_command(environment: dict[str, str], key_id: str) -> None:
    command = [sys.executable, "-m", "loyalty_service", "keys", "revoke", key_id]
    subprocess.run(command, env=environment, cwd=ROOT, check=True, capture_output=True)


async def _revoke(
    operator: Store,
    callers: Sequence[Caller],
    loyalty_id: str,
    environment: dict[str, str] | None,
) -> float:
    """Make a key, see it taken everywhere, revoke it; return for how long it was still taken."""
    wanted = CreateKey(PROGRAM_ID, "lost", Role.ADMIN)
    created = await operator.write(lambda unit, now: create_key(unit, wanted, now))
    everywhere = (_until(c, created.secret, loyalty_id, grpc.StatusCode.OK) for c in callers)
    await asyncio.gather(*everywhere)
    if environment is None:
        await operator.write(lambda unit, now: unit.revoke_key(created.key.key_id, now))
        revoked = time.monotonic()
    else:
        # It is over some time before the process is, which is to the servers' disadvantage.
        await asyncio.to_thread(_revoke_by_command, environment, created.key.key_id)
        revoked = time.monotonic()
    refused = grpc.StatusCode.UNAUTHENTICATED
    last = await asyncio.gather(
        *(_until(caller, created.secret, loyalty_id, refused) for caller in callers)
    )
    return max(0.0, max(last) - revoked)


@asynccontextmanager
async def _busy(callers: Sequence[Caller], loyalty_id: str, tills: int) -> AsyncIterator[None]:
    """Let tills write all the time."""

    async def write(number: int) -> None:
        caller = callers[number % len(callers)]
        while True:
            try:
                await caller.call(caller.identifies.IdentifyMember, identify_request(loyalty_id))
            except grpc.aio.AioRpcError:
                await asyncio.sleep(POLL_S)

    tasks = [asyncio.create_task(write(number)) for number in range(tills)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _locked(database_url: str) -> Iterator[None]:
    """Keep every writer out of the database, and on PostgreSQL the look at the catalogue too."""
    database = Database.from_text(database_url)
    if database.embedded:
        connection = sqlite3.connect(str(database.url.database), isolation_level=None, timeout=30)
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")
            connection.close()
        return
    dsn = database.url.render_as_string(hide_password=False)
    with psycopg.connect(dsn) as server:
        server.execute("LOCK TABLE catalog_revision IN ACCESS EXCLUSIVE MODE")
        yield
        server.rollback()


LOCKED_OUT = ("not serving: the catalogue is too old", "serving again", "catalogue not refreshed")
"""What servers log while they can't look at the catalogue."""


async def _lock_out(trial: Trial, url: str, callers: Sequence[Caller], loyalty_id: str) -> None:
    """Keep the servers from looking at the catalogue: then they may let nobody in."""
    secret = callers[0].key or ""
    with _locked(url):
        locked = time.monotonic()
        shut = await asyncio.gather(
            *(_until(c, secret, loyalty_id, grpc.StatusCode.UNAVAILABLE) for c in callers)
        )
        again = [await _outcome(caller, secret, loyalty_id) for caller in callers]
    last_s = max(0.0, max(shut) - locked)
    trial.figure("last let in without a look", f"{last_s:.1f} s")
    trial.require(last_s <= KNOWN_S, f"somebody was let in {last_s:.1f} s after the last look")
    trial.require(grpc.StatusCode.OK not in again, "somebody was let in after others were not")
    opened = time.monotonic()
    await asyncio.gather(*(_until(c, secret, loyalty_id, grpc.StatusCode.OK) for c in callers))
    trial.figure("serving again after", f"{time.monotonic() - opened:.1f} s")


@asynccontextmanager
async def _workers(trial: Trial, url: str) -> AsyncIterator[list[str]]:
    """Run `serve --workers 2` on a free port, where the database is not embedded."""
    if trial.kind != POSTGRESQL:
        yield []
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = process_environment(url, trial.folder, LOYALTY_GRPC_PORT=str(port))
    server = await ServerProcess.start(environment, ("--workers", "2"))
    try:
        yield [server.address]
        await server.stop(quiet=False)
    finally:
        await server.kill()


async def run(trial: Trial) -> None:
    """
    Revoke keys while tills write, and measure for how long any server takes them.

    In full, the servers are processes, `serve --workers` among them, a key is revoked on the
    command line, and the database is locked so that no server can look.
    """
    url = trial.new_database()
    (loyalty_id,) = await prepare_bank(url, [1000])
    servers = 2 if trial.kind == POSTGRESQL else 1
    environment = process_environment(url, trial.folder)
    slowest_s = 0.0
    rounds = trial.choose(20, 1)
    async with (
        _workers(trial, url) if trial.full else _none() as workers,
        run_servers(
            url, trial.folder, servers, processes=trial.full, allowed=LOCKED_OUT
        ) as addresses,
        open_callers([*addresses, *workers], trial.choose(CHANNELS, 1)) as callers,
        open_store(url) as operator,
    ):
        await asyncio.gather(
            *(_until(c, c.key or "", loyalty_id, grpc.StatusCode.OK) for c in callers)
        )
        for number in range(rounds):
            tills = TILLS if number % 2 else 0
            by_command = environment if trial.full and number < 2 else None
            async with _busy(callers, loyalty_id, tills):
                taken_s = await _revoke(operator, callers, loyalty_id, by_command)
            slowest_s = max(slowest_s, taken_s)
            trial.require(taken_s <= KNOWN_S, f"a revoked key was taken for {taken_s:.1f} s")
        if trial.full:
            await _lock_out(trial, url, callers, loyalty_id)
    trial.figure("keys revoked", rounds)
    trial.figure("connections", len(callers))
    trial.figure("longest taken after", f"{slowest_s:.2f} s")


@asynccontextmanager
async def _none() -> AsyncIterator[list[str]]:
    yield []


GOALS = (
    Goal(
        "G27",
        "Revocation",
        "No server takes a key 5 s after it was revoked, nor when it can't know whether it was.",
        run,
    ),
)
