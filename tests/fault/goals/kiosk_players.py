"""G35: people who play at kiosks, thieves with two keys, and honest guests at other tills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import DAY_MS, now_ms, rfc3339
from loyalty_service.domain.guessing import MONTH_DAYS
from loyalty_service.domain.keys import Role
from loyalty_service.domain.program import Program
from tests.fault.goal import Goal, Trial
from tests.fault.shops import Seen, put_guests, shops_of, trade
from tests.fault.thieves import HITS_MAX, LIVE_CODES, Gang, Thief, hits, new_key
from tests.support.doing import issue_code
from tests.support.programs import KEY, add_member, demo_program, issue_command, put_program
from tests.support.stores import open_store

KIOSKS = (1, 2, 5)
"""Kiosks at which somebody plays all day: of each store one number of them."""


async def players(trial: Trial) -> None:
    """
    Let people play at 1, 2 and 5 kiosks of three stores all day, and thieves guess with two keys.

    Each store has a key of its own, the smallest that there is for it to lose. The first day
    nobody plays, for the regulars of each till to come once.
    """
    days = trial.choose(MONTH_DAYS, 2)
    sizes = trial.choose((100, 200, 400), (60, 80, 140))
    seen = await _month(trial, "players", sizes, days, demo_program(), regular=0.6)
    _require_served(trial, "players", seen)
    most = max((_unearned(seen, key_id) / days for key_id, _ in seen.unearned), default=0)
    guessed = await _two_keys(trial)
    trial.figure("thieves' guesses looked at", guessed)
    trial.figure("codes a day of a store's players that no regular earned", f"{most:.1f}")
    together = hits(guessed + most)
    trial.figure("hits to expect in a day", f"{together:.4f}")
    trial.require(together <= HITS_MAX, f"{together:.4f} hits are to be expected in a day")


def _unearned(seen: Seen, key_id: str) -> int:
    return sum(count for (shown_by, _), count in seen.unearned.items() if shown_by == key_id)


async def rollout(trial: Trial) -> None:
    """Let players play where the program is new, no guest is a regular, and the file says so."""
    days = trial.choose(MONTH_DAYS, 2)
    sizes = trial.choose((200, 400, 800), (60, 80, 140))
    end = rfc3339(now_ms() + (days + 1) * DAY_MS)[:10]
    program = replace(demo_program(), rollout_until=end)
    seen = await _month(trial, "rollout", sizes, days, program, regular=0)
    _require_served(trial, "rollout", seen)


async def _month(
    trial: Trial, name: str, sizes: Sequence[int], days: int, program: Program, *, regular: float
) -> Seen:
    """Let stores do business, with players from the second day on."""
    url = trial.new_database()
    start = now_ms() // DAY_MS * DAY_MS
    async with open_store(url) as store:
        await put_program(store, program)
        keys = [(await new_key(store, f"vendor-{n}", Role.TILL)).key_id for n in range(len(sizes))]
        shops = shops_of(sizes, keys, kiosks=KIOSKS, regular=regular)
        put_guests(url, shops, start)
        return await trade(store, shops, days, start, trial.chance(name), players_from=1)


def _require_served(trial: Trial, name: str, seen: Seen) -> None:
    """Require that players were refused, and that nobody was at a till where none of them plays."""
    every = ("terminal", "store", "key")
    elsewhere = seen.refused_at(*every, kiosks=False)
    trial.figure(f"{name}: honest codes", seen.shown)
    trial.figure(f"{name}: of these wrong", seen.wrong)
    trial.figure(f"{name}: players' codes looked at", sum(seen.tried.values()))
    trial.figure(
        f"{name}: refused at kiosks that they play at", seen.refused_at(*every, kiosks=True)
    )
    trial.figure(f"{name}: refused at other tills", elsewhere)
    trial.require(not elsewhere, f"{name}: {elsewhere} honest guests waited: {seen.refused}")
    trial.require(seen.tried, f"{name}: nobody played")


async def _two_keys(trial: Trial) -> int:
    """Let a thief with an app's key and a till's key guess for a day, with codes of his own."""
    async with open_store(trial.new_database()) as store:
        await put_program(store)

        def fill(unit: Unit, now: int) -> Sequence[str]:
            return [
                issue_code(unit, issue_command(add_member(unit, now)), now).result.digits
                for _ in range(trial.choose(LIVE_CODES, 10))
            ]

        live = await store.write(fill, timeout_s=120)
        start = now_ms()
        thief = partial(Thief, store, live=live, now_ms=start)
        gang = Gang(
            [
                thief(await new_key(store, KEY.partner, role), chance=trial.chance(role))
                for role in (Role.APP, Role.TILL)
            ]
        )
        await gang.show_own(trial.choose(400, 4))
        await gang.guess_for_a_day()
    return gang.looked_at


async def run(trial: Trial) -> None:
    """Let people play at kiosks where guests are regulars, and where a program is new."""
    await players(trial)
    await rollout(trial)


GOALS = (
    Goal(
        "G35",
        "Guesses",
        "Thieves with two keys and players at five kiosks together find less than 0.05 codes a "
        "day beyond what regulars earn, and honest guests at other tills are never refused.",
        run,
        any_database=True,
    ),
)
