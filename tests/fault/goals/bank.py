"""G4: many tills at a few members' points, and an auditor who looks on."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import grpc

from loyalty.v1 import member_service_pb2
from tests.fault.goal import SQLITE, Goal, Trial
from tests.fault.tills import DOCUMENTED, Client, Ledgers
from tests.support.banks import Query, open_bank_on, open_callers
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
WAITING = (
    "SELECT member_number, sum(points_unconfirmed) FROM loyalty_transaction "
    "WHERE points_unconfirmed IS NOT NULL GROUP BY member_number"
)
HOLDS = "SELECT member_number, sum(points) FROM hold WHERE status = 1 GROUP BY member_number"


def unbalanced(query: Query) -> list[str]:
    """Read everything, in one state, and name what does not balance."""
    accounts = query(ACCOUNTS)
    posted = {number: int(points) for number, points in query(POSTED)}
    holds = {member: int(points) for member, points in query(HOLDS)}
    waiting = {member: int(points) for member, points in query(WAITING)}
    owing = {member for _, kind, member, balance in accounts if kind == 7 and balance < 0}
    found = []
    if sum(balance for *_, balance in accounts):
        found.append("the accounts do not sum to 0")
    for number, kind, member, balance in accounts:
        if balance != posted.get(number, 0):
            found.append(f"account {number} has {balance}, posted {posted.get(number, 0)}")
        if kind in {1, 2} and balance < 0:
            found.append(f"account {number} of member {member} is below 0")
        if kind == 1 and balance > 0 and member in owing:
            found.append(f"member {member} may spend {balance} and owes points")
        if kind == 2 and balance != holds.get(member, 0):
            found.append(f"member {member} has {balance} held, holds {holds.get(member, 0)}")
        if kind == 8 and balance != waiting.get(member, 0):
            found.append(f"member {member}: {balance} wait, of orders {waiting.get(member, 0)}")
    return found


async def _look_on(shared: Ledgers, caller: Caller, done: asyncio.Event) -> None:
    """Read the whole ledger again and again, until it is over and once more."""
    while True:
        last = done.is_set()
        shared.wrong += await asyncio.to_thread(shared.bank.read, unbalanced)
        for loyalty_id in shared.bank.loyalty_ids:
            shared.wrong += await overdrawn(caller, loyalty_id)
        shared.reads += 1
        if last or shared.wrong:
            return
        await asyncio.sleep(READ_PAUSE_S)


async def overdrawn(caller: Caller, loyalty_id: str) -> list[str]:
    """Ask the server for a member, whose points may never be below 0."""
    points = await _points(caller, loyalty_id)
    return [f"the API gives member {loyalty_id} {points}"] if min(points) < 0 else []


async def unexplained(caller: Caller, loyalty_id: str) -> list[str]:
    """Ask the server for a member and all transfers, which must explain the points to the last."""
    told = await _points(caller, loyalty_id)
    while (due := await _moved(caller, loyalty_id)) != told:
        before, told = told, await _points(caller, loyalty_id)
        # Else the sweeper gave held points back between the two calls, which comes to an end.
        if told == before:
            return [f"the API gives {loyalty_id} {told}, its transfers make {due}"]
    return []


async def _points(caller: Caller, loyalty_id: str) -> tuple[int, int, int]:
    request = member_service_pb2.GetMemberRequest(loyalty_id=loyalty_id)
    while True:
        try:
            member = (await caller.call(caller.members.GetMember, request)).member
        except grpc.aio.AioRpcError as error:
            # The tills may have the server so busy that it asks an auditor to come again.
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            await asyncio.sleep(READ_PAUSE_S)
        else:
            return member.available_points, member.held_points, member.owed_points


async def _moved(caller: Caller, loyalty_id: str) -> tuple[int, int, int]:
    moved: Counter[int] = Counter()
    token = ""
    while True:
        page = await caller.call(
            caller.members.ListTransfers,
            member_service_pb2.ListTransfersRequest(
                loyalty_id=loyalty_id, page_size=1000, page_token=token
            ),
        )
        for entry in page.transfers:
            moved[entry.destination] += entry.points
            moved[entry.source] -= entry.points
        token = page.next_page_token
        if not token:
            break
    account = member_service_pb2.Transfer
    available, held = moved[account.ACCOUNT_AVAILABLE], moved[account.ACCOUNT_HELD]
    return available, held, -moved[account.ACCOUNT_DEBT]


async def run(trial: Trial) -> None:
    """
    Let 64 tills do whatever they like at once to 8 members, and read all of it meanwhile.

    All accounts sum to zero, each is what was posted to it, none of a member's is below zero, and
    held points are those of the open holds; no call gets an undocumented outcome. On PostgreSQL
    the tills are shared out between two servers.
    """
    seconds = trial.choose(300.0, 0.6)
    opened = open_bank_on(
        trial.new_database(),
        trial.folder,
        [POINTS] * MEMBERS,
        PENDING_LIFETIME_S,
        servers=1 if trial.kind == SQLITE else 2,
        processes=trial.full,
    )
    async with opened as bank, open_callers(bank.addresses, CHANNELS) as callers:
        shared = Ledgers(bank)
        clients = [
            Client(shared, callers[n % len(callers)], trial.chance(n), n) for n in range(CLIENTS)
        ]
        done = asyncio.Event()
        started = time.monotonic()
        auditor = asyncio.create_task(_look_on(shared, callers[0], done))
        await asyncio.gather(*(client.run(started + seconds) for client in clients))
        elapsed_s = time.monotonic() - started
        done.set()
        await auditor
        for loyalty_id in bank.loyalty_ids:
            shared.wrong += await unexplained(callers[0], loyalty_id)
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
    trial.require(shared.reads, "nobody read the whole ledger meanwhile")
    if trial.full:  # In the short form no order comes of age.
        trial.require(swept[0], "the sweeper voided nothing, so it was not tried")


GOALS = (
    Goal(
        "G4",
        "Bank",
        "Whatever 64 tills do at once to 8 members, every state that can be read balances.",
        run,
    ),
)
