"""The power goes off at any moment of a recorded load; the disk keeps what it likes."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loyalty_service.application.codes.issue_code import issue_code
from loyalty_service.application.members.enroll_member import EnrollMember, enroll_member
from loyalty_service.application.orders.claim_receipt import ClaimReceipt, claim_receipt
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.application.orders.record_unclaimed_order import (
    RecordUnclaimedOrder,
    record_unclaimed_order,
)
from loyalty_service.application.orders.report_order import report_order
from loyalty_service.application.orders.void_transaction import VoidTransaction, void_transaction
from loyalty_service.bootstrap import open_store
from loyalty_service.config import Settings
from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.visit import PointOfSale
from loyalty_service.storage.databases import Database
from loyalty_service.storage.peppers import register
from loyalty_service.storage.store import Store
from loyalty_service.storage.tools.audit import audit
from tests.fault.goal import Trial
from tests.support.orders import (
    CLAIMED,
    COFFEE,
    COOKIE,
    PENDING,
    SANDWICH,
    Till,
    basket,
    item,
    report,
    reward,
)
from tests.support.programs import KEY, enroll, identify_command, issue_command, put_program
from tests.support.recorded_disk import Platter, RecordingDisk, Synced, Told
from tests.support.recorded_store import RecordedDatabase, content_digest
from tests.support.stores import PEPPER

WORKERS = 8
MEMBERS = 6
POINTS = 20_000
VISITS = 60
CUTS = 1000
REPEATED = 4
POINT_OF_SALE = PointOfSale("1", 9999, "Partner", None, None, None)
LIKELY = (0.0, 0.0, 0.5, 0.9, 1.0)
"""How much of what was not synced a power cut may keep, by turns."""


@dataclass(frozen=True, slots=True)
class _Call:
    use_case: Any
    command: Any
    result: Any


@dataclass
class _Load:
    """Guests who come and go, each call under a key of its own."""

    till: Till
    disk: RecordingDisk
    members: list[str]
    calls: dict[str, _Call] = field(default_factory=dict)

    async def visit(self, chance: random.Random, name: str) -> None:
        """Serve one guest, who may be unknown, use rewards, change their mind or come back."""
        member = chance.choice(self.members)
        rewards = chance.sample([COFFEE, SANDWICH, COOKIE], chance.randrange(3))
        content = basket(item(chance.randrange(3000)), *(reward(number) for number in rewards))
        if chance.random() < 0.2:
            meal = basket(item(500))
            command = RecordUnclaimedOrder(KEY, "RESTAURANT", "EAT_IN", POINT_OF_SALE, meal, "{}")
            order = await self._call(f"{name}-order", record_unclaimed_order, command)
            receipt = ClaimReceipt(KEY, member, order.receipt_code)
            await self._call(f"{name}-receipt", claim_receipt, receipt)
            return
        if chance.random() < 0.1:
            guest = EnrollMember(KEY, f"Guest {name}", None, None, None)
            await self._call(f"{name}-enroll", enroll_member, guest)
        identifier = member
        if chance.random() < 0.3:
            issued = await self._call(f"{name}-code", issue_code, issue_command(member, *rewards))
            identifier = issued.digits if issued else member
        identify = identify_command(identifier, name)
        opened = await self._call(f"{name}-identify", identify_member, identify)
        if opened is None:
            return
        transaction_id = opened.transaction_id
        if chance.random() < 0.5:
            pending = report(transaction_id, PENDING, content)
            await self._call(f"{name}-pending", report_order, pending)
        if chance.random() < 0.8:
            claimed = report(transaction_id, CLAIMED, content)
            await self._call(f"{name}-claimed", report_order, claimed)
        if chance.random() < 0.3:
            void = VoidTransaction(KEY, transaction_id)
            await self._call(f"{name}-void", void_transaction, void)

    async def _call(self, key: str, use_case: Any, command: Any) -> Any:
        try:
            told = await self.till.call(use_case, command, idempotency_key=key)
        except LoyaltyError:
            return None
        # What a caller was told must survive whatever happens from here on.
        self.disk.tell(key)
        self.calls[key] = _Call(use_case, command, told.result)
        return told.result


async def _record(trial: Trial, url: str) -> tuple[RecordedDatabase, _Load]:
    """Serve guests on a recorded disk."""
    disk = RecordingDisk()
    database = RecordedDatabase(Database.from_text(url), disk)
    async with Store(database, PEPPER) as store:  # type: ignore[arg-type]
        await put_program(store)
        members = [await enroll(store, POINTS) for _ in range(MEMBERS)]
        load = _Load(Till(store), disk, members)

        async def work(number: int) -> None:
            chance = trial.chance("guests", number)
            for visit in range(trial.choose(VISITS, 2)):
                await load.visit(chance, f"{number}-{visit}")

        await asyncio.gather(*(work(number) for number in range(WORKERS)))
    return database, load


def _platter(original: Path) -> Platter:
    return Platter({original.name: original.read_bytes()})


def _cuts(trial: Trial, disk: RecordingDisk) -> list[int]:
    """Choose cut points: before and after each sync, and anywhere between."""
    chance = trial.chance("cuts")
    ends = [n for n, event in enumerate(disk.events) if isinstance(event, Synced)]
    around = sorted({cut for end in ends for cut in (end, end + 1)})
    if not trial.full:
        around = chance.sample(around, 5)
    wanted = trial.choose(max(CUTS, len(around) * 5 // 4), 10)
    others = sorted(set(range(len(disk.events) + 1)) - set(around))
    return sorted([*around, *chance.sample(others, min(len(others), wanted - len(around)))])


@dataclass
class _Found:
    """What is known when the power goes off, and what is wrong with what was found after."""

    database: RecordedDatabase
    load: _Load
    answered: list[str] = field(default_factory=list)
    newest: int = -1
    ahead: int = 0

    def take(self, told: str) -> None:
        self.answered.append(told)
        self.newest = max(self.newest, self.database.commit_of[told])

    async def problems(self, folder: Path, chance: random.Random) -> Iterator[str]:
        """Start as a server does on what the disk kept, and compare."""
        url = f"sqlite:///{folder / Path(self.database.url.database).name}"
        settings = Settings(database_url=url, code_pepper=PEPPER.decode(), data_dir=folder)
        found: list[str] = []
        async with open_store(settings) as store:
            state = self.database.states.get(content_digest(url))
            if state is None:
                found.append("what is left is the state after no commit")
            elif state < self.newest:
                found.append(f"{self.newest - state} commits are lost that were acknowledged")
            else:
                self.ahead += state > self.newest
            if found:
                return iter(found)
            till = Till(store, results=self.load.till.results)
            newest = self.answered[-REPEATED:]
            for key in {*newest, *chance.sample(self.answered, min(2, len(self.answered)))}:
                found += await _repeat(till, key, self.load.calls[key])
            if store.catalog.programs:
                await self._go_on(till)
        found += [str(problem) for problem in audit(Database.from_text(url)).problems]
        return iter(found)

    async def _go_on(self, till: Till) -> None:
        """Send what was not answered: whether it is done now or was before, the audit must hold."""
        answered = set(self.answered)
        for key in [key for key in self.load.calls if key not in answered][:2]:
            call = self.load.calls[key]
            with suppress(LoyaltyError):
                await till.call(call.use_case, call.command, idempotency_key=key)


async def _repeat(till: Till, key: str, call: _Call) -> list[str]:
    """Send an acknowledged call again: it must be known, and answered in the same bytes."""
    try:
        told = await till.call(call.use_case, call.command, idempotency_key=key)
    except (LoyaltyError, KeyError) as problem:
        return [f"{key} was acknowledged and is now answered {problem!r}"]
    if not told.repeated or told.result != call.result:
        return [f"{key} was acknowledged and is now done again"]
    return []


async def cut_the_power(trial: Trial) -> None:
    """
    Record what a load writes and syncs, then cut the power at many points of the record.

    What a cut leaves is the state after one of the commits, whole, and not one from before the
    last that was acknowledged.
    """
    url = trial.new_database()
    # As every start does, so that a start after a cut has nothing of its own to write.
    register(Database.from_text(url), Peppers(PEPPER))
    platter = _platter(Path(url.removeprefix("sqlite:///")))
    database, load = await _record(trial, url)
    events = database.disk.events
    cuts = _cuts(trial, database.disk)
    found = _Found(database, load)
    folder = trial.folder / "cut"
    done = torn = 0
    for cut in cuts:
        for event in events[done:cut]:
            platter.take(event)
            if isinstance(event, Told):
                found.take(event.what)
        done = cut
        chance = trial.chance("cut", cut)
        likely = chance.choice(LIKELY)
        torn += 0 < likely < 1
        folder.mkdir()
        for name, content in platter.after_cut(chance, likely).items():
            (folder / name).touch(mode=0o600)
            (folder / name).write_bytes(content)
        for problem in await found.problems(folder, chance):
            trial.require(False, f"cut after {cut} of {len(events)}, {likely}: {problem}")  # noqa: FBT003
        shutil.rmtree(folder)
        if len(trial.problems) > 20:
            return
    trial.figure("cut points", len(cuts))
    trial.figure("of them torn", torn)
    trial.figure("commits", len(database.states))
    trial.figure("syncs", len(database.disk.syncs()))
    trial.figure("writes", len(events))
    trial.figure("acknowledged calls", len(load.calls))
    trial.figure("cuts that kept a commit not yet acknowledged", found.ahead)
