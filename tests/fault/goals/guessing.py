"""G20: thieves with a key who guess codes for a day, and honest stores for a month."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from structlog.testing import capture_logs

from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import DAY_MS, now_ms
from loyalty_service.domain.codes import CODE_COUNT
from loyalty_service.domain.errors import LimitExceededError, TooManyWrongCodesError
from loyalty_service.domain.guessing import FREE, ScopeKind, repeat_ms
from loyalty_service.domain.keys import Role
from loyalty_service.storage.store import Store
from tests.fault.goal import Goal, Trial
from tests.fault.shops import put_guests, shops_of, trade
from tests.fault.thieves import (
    HITS_MAX,
    LIVE_CODES,
    PAIRS,
    Asker,
    Gang,
    Thief,
    hits,
    new_key,
)
from tests.support.doing import issue_code
from tests.support.ledger import rows
from tests.support.programs import (
    KEY,
    add_member,
    demo_program,
    enroll,
    issue_command,
    put_program,
)
from tests.support.stores import open_store

AT_ONCE = 200
AT_ONCE_LATER = 40
RING = 10
LIFETIME_MS = 300_000
TRIES_MAX = 15
"""Guesses a day of a key without regulars, as docs/operations/guessing.md has it."""


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
            key = await new_key(store, KEY.partner)
            thief = kind(store, key, live, trial.chance(name), now_ms())
            await guess(trial, thief)
        trial.figure(f"looked at, {name}", thief.looked_at)
        trial.require(thief.looked_at > FREE[ScopeKind.KEY], f"{name}: nobody guessed")
        most = max(most, thief.looked_at)
    trial.figure("hits to expect in a day", f"{hits(most):.4f}")
    trial.require(hits(most) <= HITS_MAX, f"{hits(most):.3f} hits are to be expected in a day")
    if not trial.full:
        return
    async with _program(trial) as (store, live):
        ring = [
            Thief(store, await new_key(store, f"thief-{n}"), live, trial.chance(n), now_ms())
            for n in range(RING)
        ]
        for thief in ring:
            await _guess_at_will(trial, thief)
        looked_at = sum(thief.looked_at for thief in ring)
        trial.figure(f"looked at, {RING} keys", looked_at)
        # From there on nobody has a guess that is free but their very first.
        most = FREE[ScopeKind.PROGRAM] + RING
        trial.require(looked_at <= most, f"{RING} keys together had {looked_at} guesses")


async def pairs(trial: Trial) -> None:
    """
    Let a thief of one admin key, and of two keys of any roles, show codes of his own and guess.

    He enrolls members, has them pay an order each and shows their codes: that earns nothing
    within a month.
    """
    own = trial.choose(400, 6)
    gangs = [(Role.ADMIN,), *PAIRS]
    if not trial.full:
        gangs = [(Role.ADMIN,), (Role.TILL, Role.APP), (Role.ADMIN, Role.ADMIN)]
    most = 0
    for roles in gangs:
        name = " and ".join(roles)
        async with _program(trial) as (store, live):
            start = now_ms()
            gang = Gang(
                [
                    Thief(
                        store,
                        await new_key(store, KEY.partner, role),
                        live,
                        trial.chance(name, n),
                        start,
                    )
                    for n, role in enumerate(roles)
                ]
            )
            shown = await gang.show_own(own)
            await gang.guess_for_a_day()
        trial.figure(f"looked at, {name}", gang.looked_at)
        trial.require(
            gang.looked_at <= TRIES_MAX * len(roles),
            f"{name}: {gang.looked_at} guesses after {shown} members of the thief's own",
        )
        most = max(most, gang.looked_at)
    trial.figure("members of their own", own)
    trial.figure("hits to expect of two keys in a day", f"{hits(most):.4f}")
    trial.require(hits(most) <= HITS_MAX, f"{hits(most):.3f} hits are to be expected of two keys")


@asynccontextmanager
async def _program(trial: Trial) -> AsyncIterator[tuple[Store, Sequence[str]]]:
    """Open a store of its own with members who all have a live code; return the codes as well."""
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
        with suppress(LimitExceededError):  # Of so many in a minute none is issued any more.
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
            ended = Counter(type(outcome).__name__ for outcome in outcomes)
            trial.require(
                looked_at == allowed,
                f"{type(thief).__name__}: {looked_at} of {guesses} at once were looked at: {ended}",
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


async def honest(trial: Trial) -> None:
    """
    Do honest business for a month, from each store's first day on, and count who must wait.

    Guests mistype, up to three times in a row, and once a week one plays at a kiosk for as long
    as it takes 30 codes. No store and no key is ever refused; the kiosk is, alone.
    """
    days = trial.choose(30, 1)
    sizes = trial.choose((20, 20, 50, 100, 100, 500, 2000, 5000), (20, 100, 400))
    url = trial.new_database()
    start = now_ms() // DAY_MS * DAY_MS
    async with open_store(url) as store:
        await put_program(store)
        keys = [(await new_key(store, f"vendor-{n}")).key_id for n in range(3)]
        # All but two have one vendor's key.
        own = len(sizes) - 2
        by = [keys[max(0, n - own + 1)] for n in range(len(sizes))]
        played = [(n + 1) % 2 for n in range(len(sizes))]
        shops = [replace(shop, weekly=True) for shop in shops_of(sizes, by, kiosks=played)]
        put_guests(url, shops, start)
        seen = await trade(store, shops, days, start, trial.chance("honest"))
    trial.figure("honest days", days)
    trial.figure("honest codes", seen.shown)
    trial.figure("of these wrong", seen.wrong)
    for kind in ("terminal", "store", "key"):
        refused = seen.refused_at(kind, kiosks=False) + seen.refused_at(kind, kiosks=True)
        trial.figure(f"refused by {kind}", refused)
    waited = sum(seen.refused_at("store", "key", kiosks=at) for at in (False, True))
    trial.require(not waited, f"honest stores waited: {seen.refused}")
    elsewhere = seen.refused_at("terminal", kiosks=False)
    trial.require(not elsewhere, f"tills where nobody plays waited {elsewhere} times")
    trial.require(
        seen.refused_at("terminal", kiosks=True) or not trial.full,
        "nobody played at a kiosk for long",
    )


async def run(trial: Trial) -> None:
    """Let thieves guess for a day, and honest stores do business for a month."""
    assert demo_program().code_lifetime_s * 1000 == LIFETIME_MS
    with capture_logs() as logged:
        await attack(trial)
        await pairs(trial)
        await honest(trial)
    told = {line["scope"] for line in logged if line["event"] == "code guessing refused"}
    trial.require("key" in told, f"the log told of {told} alone")


GOALS = (
    Goal(
        "G20",
        "Code guessing",
        "Somebody who steals one key, or any two, finds less than 0.05 codes a day, and honest "
        "stores never wait.",
        run,
        any_database=True,
    ),
)
