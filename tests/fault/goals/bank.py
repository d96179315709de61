"""G4: many tills at a few members' points, and an auditor who looks on."""

from __future__ import annotations

import asyncio
import time

import grpc

from tests.fault.goal import Goal, Trial
from tests.fault.tills import DOCUMENTED, Client, Ledgers
from tests.support.banks import SECRET, Query, open_bank_on
from tests.support.ledger import audit
from tests.support.server import Caller

CLIENTS = 64
MEMBERS = 8
CHANNELS = 8
POINTS = 5000
PENDING_LIFETIME_S = 2
READ_PAUSE_S = 0.1

ACCOUNTS = "SELECT account_id, kind, member_number, balance FROM account"
POSTED = (
    "SELECT account_id, sum(points) FROM ("
    "SELECT destination_id AS account_id, points FROM transfer UNION ALL "
    "SELECT source_id, -points FROM transfer) AS moves GROUP BY account_id"
)
SWEPT = "SELECT count(*) FROM loyalty_transaction WHERE status = 3 AND answer IS NULL"
HOLDS = "SELECT member_number, sum(points) FROM hold WHERE status = 1 GROUP BY member_number"


def unbalanced(query: Query) -> list[str]:
    """Read everything, in one state, and name what does not balance."""
    accounts = query(ACCOUNTS)
    posted = {number: int(points) for number, points in query(POSTED)}
    holds = {member: int(points) for member, points in query(HOLDS)}
    found = []
    if sum(balance for *_, balance in accounts):
        found.append("the accounts do not sum to 0")
    for number, kind, member, balance in accounts:
        if balance != posted.get(number, 0):
            found.append(f"account {number} has {balance}, posted {posted.get(number, 0)}")
        if kind in {1, 2} and balance < 0:
            found.append(f"account {number} of member {member} is below 0")
        if kind == 2 and balance != holds.get(member, 0):
            found.append(f"member {member} has {balance} held, holds {holds.get(member, 0)}")
    return found


async def _look_on(shared: Ledgers, done: asyncio.Event) -> None:
    """Read the whole ledger again and again, until it is over and once more."""
    while True:
        last = done.is_set()
        shared.wrong += await asyncio.to_thread(shared.bank.read, unbalanced)
        shared.reads += 1
        if last or shared.wrong:
            return
        await asyncio.sleep(READ_PAUSE_S)


async def run(trial: Trial) -> None:
    """
    Let 64 tills do whatever they like at once to 8 members, and read all of it meanwhile.

    All accounts sum to zero, each is what was posted to it, none of a member's is below zero, and
    held points are those of the open holds; no call gets an undocumented outcome.
    """
    seconds = trial.choose(300.0, 4.0)
    url = trial.new_database()
    async with open_bank_on(url, trial.folder, [POINTS] * MEMBERS, PENDING_LIFETIME_S) as bank:
        shared = Ledgers(bank)
        # One pool of subchannels would put all clients on one connection.
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [
            grpc.aio.insecure_channel(bank.address, options=options) for _ in range(CHANNELS)
        ]
        callers = [Caller(channel, SECRET) for channel in channels]
        clients = [
            Client(shared, callers[n % CHANNELS], trial.chance(n), n) for n in range(CLIENTS)
        ]
        done = asyncio.Event()
        started = time.monotonic()
        auditor = asyncio.create_task(_look_on(shared, done))
        await asyncio.gather(*(client.run(started + seconds) for client in clients))
        elapsed_s = time.monotonic() - started
        done.set()
        await auditor
        for channel in channels:
            await channel.close(None)
        _report(trial, shared, elapsed_s)
    trial.problems += shared.wrong
    audit(bank.database_url)


def _report(trial: Trial, shared: Ledgers, elapsed_s: float) -> None:
    calls = sum(shared.outcomes.values())
    for name in DOCUMENTED:
        found = {what: n for (call, what), n in sorted(shared.outcomes.items()) if call == name}
        trial.say(f"{name:22}{sum(found.values()):7}  {found}")
        trial.require("OK" in found, f"{name} never succeeded, so nothing was tried")
    trial.figure("calls", calls)
    trial.figure("calls/s", round(calls / elapsed_s))
    trial.figure("full reads", shared.reads)
    (swept,) = shared.bank.read(lambda query: query(SWEPT))
    trial.figure("voided by the sweeper", swept[0])


GOALS = (
    Goal(
        "G4",
        "Bank",
        "Whatever 64 tills do at once to 8 members, every state that can be read balances.",
        run,
    ),
)
