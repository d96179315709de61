"""G20: thieves with a key who guess codes for a day, and honest stores for a month."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from structlog.testing import capture_logs

from server.application.create_key import CreateKey, create_key
from server.application.get_code import GetCode, get_code
from server.application.identify_member import identify_member
from server.application.issue_code import issue_code
from server.application.unit import Unit
from server.application.wrong_codes import count_wrong_code, require_no_wait
from server.domain.clock import DAY_MS, now_ms
from server.domain.codes import CODE_COUNT
from server.domain.errors import CodeNotFoundError, LoyaltyError, TooManyWrongCodesError
from server.domain.guessing import FREE, REPEATS_PER_LIFETIME, ScopeKind, repeat_ms, scopes_of
from server.domain.keys import ApiKey, Role
from server.storage.store import Store
from server.transport.call import Command
from tests.fault.goal import Goal, Trial
from tests.support.ledger import rows
from tests.support.programs import (
    KEY,
    PROGRAM_ID,
    add_member,
    demo_program,
    enroll,
    identify_command,
    issue_command,
    put_program,
)
from tests.support.stores import open_store

LIVE_CODES = 1000
HITS_MAX = 0.05
AT_ONCE = 200
AT_ONCE_LATER = 40
RING = 10
STORES = (9999, 1001, 1002, 1003)
SECOND_MS = 1000
LIFETIME_MS = 300_000

SEEN_AGAIN = 1 + 1 / REPEATS_PER_LIFETIME
"""
What a guess is worth that may be shown again for free for a tenth of a code's life.

In that time a tenth of all live codes are new.
"""


@dataclass(slots=True)
class Thief:
    """
    Somebody with one valid key and no guests, whose clock the trial moves.

    Attributes:
        live: Codes that there are to find.
    """

    store: Store
    key: ApiKey
    live: Sequence[str]
    chance: random.Random
    now_ms: int
    looked_at: int = 0

    async def show(self, digits: str) -> LoyaltyError | None:
        """Show a code at any store and terminal; answers why it was refused."""
        command = identify_command(digits)
        place = replace(
            command.point_of_sale,
            store_id=self.chance.choice(STORES),
            terminal=f"kiosk-{self.chance.randrange(1000)}",
        )
        command = replace(command, key=self.key, point_of_sale=place)
        return await self._try(identify_member, command)

    async def _try(
        self, use_case: Callable[[Unit, Any, int], object], command: Command
    ) -> LoyaltyError | None:
        try:
            await self.store.write(
                lambda unit, _now: use_case(unit, command, self.now_ms),
                timeout_s=60,
                reads=command.reads(),
            )
        except TooManyWrongCodesError as error:
            return error
        except LoyaltyError as error:
            self.looked_at += 1
            return error
        self.looked_at += 1
        return None

    def digits(self) -> str:
        """Make up a code."""
        return f"{self.chance.randrange(CODE_COUNT):06d}"


class Asker(Thief):
    """Somebody with a key of the partner that issued the codes, who asks what became of them."""

    async def show(self, digits: str) -> LoyaltyError | None:
        """Ask about a code; answers why it was refused."""
        return await self._try(get_code, GetCode(self.key, digits))


async def _new_key(store: Store, partner: str) -> ApiKey:
    command = CreateKey(PROGRAM_ID, partner, Role.ADMIN)
    created = await store.write(lambda unit, now: create_key(unit, command, now))
    return created.key


async def attack(trial: Trial) -> None:
    """
    Let thieves guess for a day, each in a way of their own, among 1,000 live codes.

    What counts is how many of their codes are looked at: each is live with a chance of one in a
    thousand, and may be shown again for a moment without being counted.
    """
    ways: dict[str, tuple[type[Thief], Callable[[Trial, Thief], Awaitable[None]]]] = {
        "any store and terminal": (Thief, _guess_at_will),
        "at once": (Thief, _guess_at_once),
        "asked one by one": (Asker, _guess_at_will),
        "asked at once": (Asker, _guess_at_once),
    }
    if trial.full:
        ways |= {
            "same digits": (Thief, _guess_the_same),
            "new codes between": (Thief, _guess_and_issue),
        }
    most = 0
    for name, (kind, guess) in ways.items():
        async with _program(trial) as (store, live):
            key = await _new_key(store, KEY.partner)
            thief = kind(store, key, live, trial.chance(name), now_ms())
            await guess(trial, thief)
        trial.figure(f"looked at, {name}", thief.looked_at)
        trial.require(thief.looked_at > FREE[ScopeKind.KEY], f"{name}: nobody guessed")
        most = max(most, thief.looked_at)
    hits = most * SEEN_AGAIN * LIVE_CODES / CODE_COUNT
    trial.figure("hits to expect in a day", f"{hits:.4f}")
    trial.require(hits <= HITS_MAX, f"{hits:.3f} hits are to be expected in a day")
    if not trial.full:
        return
    async with _program(trial) as (store, live):
        ring = [
            Thief(store, await _new_key(store, f"thief-{n}"), live, trial.chance(n), now_ms())
            for n in range(RING)
        ]
        for thief in ring:
            await _guess_at_will(trial, thief)
        looked_at = sum(thief.looked_at for thief in ring)
        trial.figure(f"looked at, {RING} keys", looked_at)
        # From there on nobody has a guess that is free but their very first.
        most = FREE[ScopeKind.PROGRAM] + RING
        trial.require(looked_at <= most, f"{RING} keys together had {looked_at} guesses")


@asynccontextmanager
async def _program(trial: Trial) -> AsyncIterator[tuple[Store, Sequence[str]]]:
    """Open a store of its own with members who all have a live code; answers the codes as well."""
    async with open_store(trial.new_database()) as store:
        await put_program(store)

        def fill(unit: Unit, now: int) -> Sequence[str]:
            return [
                issue_code(unit, issue_command(add_member(unit, now)), now).result.digits
                for _ in range(trial.choose(LIVE_CODES, AT_ONCE // 2))
            ]

        yield store, await store.write(fill, timeout_s=120)


async def _guess_at_will(_trial: Trial, thief: Thief) -> None:
    """Guess again as soon as it is allowed."""
    until = thief.now_ms + DAY_MS
    while thief.now_ms < until:
        error = await thief.show(thief.digits())
        waits = isinstance(error, TooManyWrongCodesError)
        thief.now_ms += error.retry_after_ms if waits else 1


async def _guess_the_same(_trial: Trial, thief: Thief) -> None:
    """Show the same digits until they are somebody's, whenever that is a new guess."""
    digits = thief.digits()
    until = thief.now_ms + DAY_MS
    while thief.now_ms < until:
        error = await thief.show(digits)
        waits = isinstance(error, TooManyWrongCodesError)
        thief.now_ms += error.retry_after_ms if waits else repeat_ms(LIFETIME_MS // 1000)


async def _guess_and_issue(_trial: Trial, thief: Thief) -> None:
    """Have a code issued before each try: that resets nothing."""
    loyalty_id = await enroll(thief.store)
    until = thief.now_ms + DAY_MS
    while thief.now_ms < until:
        await thief.store.write(
            lambda unit, _now: issue_code(unit, issue_command(loyalty_id), thief.now_ms)
        )
        error = await thief.show(thief.digits())
        waits = isinstance(error, TooManyWrongCodesError)
        thief.now_ms += error.retry_after_ms if waits else 1


async def _guess_at_once(trial: Trial, thief: Thief) -> None:
    """
    Send guesses to two servers in one instant, 200 at first and 40 after each wait.

    As many are looked at as of those that come one after the other. After a wait, live codes stand
    behind the wrong ones, because one that is looked at and is right is not counted.
    """
    url = thief.store._database.url.render_as_string(hide_password=False)
    until = thief.now_ms + DAY_MS
    guesses, allowed = AT_ONCE, FREE[ScopeKind.KEY] + 1
    async with open_store(url) as other:
        elsewhere = replace(thief, store=other, chance=trial.chance("elsewhere"))
        while thief.now_ms < until:
            # At first nobody waits: who is let in beside the first wrong ones is no more of a
            # thief than whoever came before them.
            live = thief.live[: guesses // 2] if guesses == AT_ONCE_LATER else []
            drawn = thief.chance.sample(range(CODE_COUNT), guesses)
            wrong = [digits for digits in map("{:06d}".format, drawn) if digits not in thief.live]
            shown = [*wrong[: guesses - len(live)], *live]
            before = thief.looked_at + elsewhere.looked_at
            outcomes = await asyncio.gather(
                *((thief, elsewhere)[n % 2].show(digits) for n, digits in enumerate(shown))
            )
            looked_at = thief.looked_at + elsewhere.looked_at - before
            trial.require(
                looked_at == allowed,
                f"{type(thief).__name__}: {looked_at} of {guesses} at once were looked at",
            )
            waits = [each for each in outcomes if isinstance(each, TooManyWrongCodesError)]
            thief.now_ms += max(wait.retry_after_ms for wait in waits)
            elsewhere.now_ms = thief.now_ms
            guesses, allowed = AT_ONCE_LATER, 1
    thief.looked_at += elsewhere.looked_at
    (counted,) = rows(
        url,
        "SELECT sum(failed) AS failed FROM code_tally WHERE scope = :scope",
        scope=f"key/{thief.key.key_id}",
    )
    trial.require(
        int(counted.failed) == thief.looked_at,
        f"{counted.failed} were counted of {thief.looked_at}",
    )


# Honest business.


@dataclass(frozen=True, slots=True)
class Shop:
    """A store with so many guests a day, of whom some mistype."""

    store_id: int
    key_id: str
    guests: int
    mistyped: float
    terminals: int
    plays: bool


@dataclass(frozen=True, slots=True)
class Shown:
    """A code shown at a terminal: right, or the digits of a wrong one."""

    at_ms: int
    shop: Shop
    terminal: str
    wrong: int | None = None


def _day(shop: Shop, start_ms: int, chance: random.Random) -> Iterator[Shown]:
    """Give what is shown in a store on a day, between ten in the morning and ten at night."""
    for _ in range(shop.guests):
        at = start_ms + 10 * 3_600_000 + chance.randrange(12 * 3_600_000)
        terminal = f"till-{chance.randrange(shop.terminals)}"
        if chance.random() < shop.mistyped:
            # Most mistype once, some thrice in a row, and some insist on what they typed.
            for n in range(chance.choices((1, 2, 3), (7, 2, 1))[0]):
                digits = chance.randrange(CODE_COUNT)
                for again in range(1 + (chance.random() < 0.2)):
                    yield Shown(at + (8 * n + 3 * again) * SECOND_MS, shop, terminal, digits)
        yield Shown(at + 30 * SECOND_MS, shop, terminal)
    if shop.plays and chance.random() < 1 / 7:
        at = start_ms + 10 * 3_600_000 + chance.randrange(12 * 3_600_000)
        for n in range(30):
            digits = chance.randrange(CODE_COUNT)
            yield Shown(at + 5 * n * SECOND_MS, shop, "till-0", digits)


def _shops(trial: Trial, keys: Sequence[str]) -> list[Shop]:
    """Give stores of every size; all but two have one vendor's key, and some a kiosk to play at."""
    sizes = trial.choose((20, 20, 50, 100, 100, 500, 2000, 5000), (20, 100, 400))
    own = len(sizes) - 2
    return [
        Shop(
            store_id=7000 + n,
            key_id=keys[0] if n < own else keys[n - own + 1],
            guests=guests,
            mistyped=(0.01, 0.03, 0.05)[n % 3],
            terminals=max(2, guests // 100),
            plays=n % 2 == 0,
        )
        for n, guests in enumerate(sizes)
    ]


async def honest(trial: Trial) -> None:
    """
    Do honest business for a month, from each store's first day on, and count who must wait.

    Guests mistype, up to three times in a row, and once a week one plays at a kiosk for as long
    as it takes 30 codes. No store and no key is ever refused; the kiosk is, alone.
    """
    days = trial.choose(30, 1)
    chance = trial.chance("honest")
    refused: Counter[str] = Counter()
    shown = wrong = 0
    async with open_store(trial.new_database()) as store:
        await put_program(store)
        keys = [(await _new_key(store, f"vendor-{n}")).key_id for n in range(3)]
        shops = _shops(trial, keys)
        start = now_ms() // DAY_MS * DAY_MS
        for day in range(days):
            events = sorted(
                (event for shop in shops for event in _day(shop, start + day * DAY_MS, chance)),
                key=lambda event: event.at_ms,
            )
            shown += len(events)
            wrong += sum(event.wrong is not None for event in events)
            for first in range(0, len(events), 500):
                part = events[first : first + 500]
                refused += await store.write(
                    lambda unit, _now, part=part: _business(unit, part), timeout_s=60
                )
            await store.write(
                lambda unit, _now, now=start + (day + 1) * DAY_MS: unit.forget_codes(now, 10_000)
            )
    trial.figure("honest days", days)
    trial.figure("honest codes", shown)
    trial.figure("of these wrong", wrong)
    for kind in ("terminal", "store", "key"):
        trial.figure(f"refused by {kind}", refused[kind])
    trial.require(not refused["store"] and not refused["key"], f"honest stores waited: {refused}")
    trial.require(refused["terminal"] or not trial.full, "nobody played at a kiosk for long")


def _business(unit: Unit, events: Sequence[Shown]) -> Counter[str]:
    """Show codes one after the other; answers who had to wait how often."""
    refused: Counter[str] = Counter()
    for event in events:
        shop = event.shop
        scopes = scopes_of(PROGRAM_ID, shop.key_id, shop.store_id, event.terminal)
        try:
            require_no_wait(unit, scopes, event.at_ms)
            if event.wrong is None:
                unit.tally_code(scopes, event.at_ms, matched=True)
                continue
            digest = unit.code_digest(PROGRAM_ID, f"{event.wrong:06d}")
            count_wrong_code(unit, scopes, digest, event.at_ms, CodeNotFoundError())
        except TooManyWrongCodesError as error:
            refused[error.scope] += 1
    return refused


async def run(trial: Trial) -> None:
    """Let thieves guess for a day, and honest stores do business for a month."""
    assert demo_program().code_lifetime_s * 1000 == LIFETIME_MS
    with capture_logs() as logged:
        await attack(trial)
        await honest(trial)
    told = {line["scope"] for line in logged if line["event"] == "code guessing refused"}
    trial.require("key" in told, f"the log told of {told} alone")


GOALS = (
    Goal(
        "G20",
        "Code guessing",
        "Who steals a key finds less than 0.05 codes a day, and honest stores never wait.",
        run,
    ),
)
