"""
How many wrong codes are too many: what is counted, what is allowed, and how long the waits are.

A code has a million values, so whoever may try many finds one that is live. Honest stores make
typing mistakes in proportion to their business; a thief has no business. Business is what a thief
with an app's key and a till's key can't make in a day: codes of regulars, members who enrolled a
month ago and have a paid order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from zlib import crc32

from loyalty_service.domain.clock import DAY_MS

HOUR_MS = 3_600_000
HOURS_COUNTED = 24
"""Whole hours that count, besides the current one; older ones are forgotten."""

MONTH_DAYS = 30
MONTH_MS = MONTH_DAYS * DAY_MS
"""
How long a member must be enrolled to be a regular, and for how long one counts for a key.

In that time a regular earns a key one wrong code.
"""

KEYS_SHARE = 4
"""
One in so many regulars earns for the key as a whole, the others for the terminal where they came.

What terminals earn keeps those of a store apart; what the key earns is for terminals that have
nothing left, new ones for instance.
"""

FIRST_WAIT_MS = 30_000

LATE_COUNTED = 3
"""Wrong codes of a terminal that count for its store and key after the one that made it wait."""

TERMINALS_MAX = 4096
"""Terminals that a store of a key is told apart by; other names share their counts."""

REPEATS_PER_LIFETIME = 10
"""The same wrong code again counts once within this part of a code's life."""


class ScopeKind(StrEnum):
    """Whose wrong codes are counted together."""

    TERMINAL = "terminal"
    STORE = "store"
    KEY = "key"
    PROGRAM = "program"


FREE: Mapping[ScopeKind, int] = {
    ScopeKind.TERMINAL: 6,
    ScopeKind.STORE: 12,
    ScopeKind.KEY: 12,
    ScopeKind.PROGRAM: 60,
}
"""
Wrong codes a day that nothing has to be earned for.

With those that the waits let through, a key without regulars has 15 tries a day: two stolen keys
and a third at whose kiosks somebody plays find fewer than 0.05 of 1,000 live codes.
"""

RIGHT_PER_WRONG: Mapping[ScopeKind, int] = {
    ScopeKind.TERMINAL: 5,
    ScopeKind.STORE: 10,
    ScopeKind.KEY: 10,
    ScopeKind.PROGRAM: 10,
}
"""
Right codes of a day that earn a wrong one; of a key only as far as its regulars earned it.

A terminal shows few codes, so that chance alone makes a tenth of them wrong on some day.
"""

EARNED_AT_ONCE = 6
"""
Wrong codes a day, beyond the others, that a terminal shows of those its regulars earned, or its
right codes of the day during a rollout.

Without them chance alone makes a busy till wait on some days of a year, which then has far more
left to show than it would ever mistype.
"""

WAIT_DOUBLINGS: Mapping[ScopeKind, int] = {
    ScopeKind.TERMINAL: 4,
    ScopeKind.STORE: 6,
    ScopeKind.KEY: 6,
}
"""
How often each wait is doubled to make the next one, up to a day.

A terminal waits 30 seconds, 8 minutes, 2 hours, a day; a store and a key 30 seconds, 32 minutes,
a day: who has no regulars has few tries that way.
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """
    Whose wrong codes are counted together.

    A store is one key's store and a terminal one key's terminal, so that the thief of a key can't
    have another vendor refused. A till that does not tell its terminal has one without a name.

    Attributes:
        name: Names it among the scopes of all programs.
        terminal: As the caller last called it; a rare few other names share its counts.
    """

    kind: ScopeKind
    name: str
    program_id: str
    key_id: str = ""
    store_id: int | None = None
    terminal: str | None = None


@lru_cache(maxsize=4096)
def scopes_of(
    program_id: str, key_id: str, store_id: int | None = None, terminal: str | None = None
) -> tuple[Scope, ...]:
    """
    Give the scopes that a call belongs to, the program first and the narrowest last.

    The terminal is the caller's own text: its digest names it, so that a store of a key has at
    most `TERMINALS_MAX`, whatever callers make up.
    """
    key = f"key/{key_id}"
    scopes = [
        Scope(ScopeKind.PROGRAM, f"program/{program_id}", program_id),
        Scope(ScopeKind.KEY, key, program_id, key_id),
    ]
    if store_id is not None:
        store = f"{key}/{store_id}"
        scopes.append(Scope(ScopeKind.STORE, store, program_id, key_id, store_id))
        name = f"{store}/{crc32((terminal or '').encode()) % TERMINALS_MAX}"
        scopes.append(Scope(ScopeKind.TERMINAL, name, program_id, key_id, store_id, terminal))
    return tuple(scopes)


def by_sight(key_id: str) -> str:
    """Name an API key among the scopes in which phone numbers and cards are counted."""
    return f"{key_id}/by-sight"


def scopes_by_sight(
    program_id: str, key_id: str, store_id: int, terminal: str | None
) -> tuple[Scope, ...]:
    """
    Give the scopes in which phone numbers and cards are counted, apart from codes.

    They are those of the key under another name, without the program's: who tries numbers keeps
    nobody from showing codes.
    """
    return scopes_of(program_id, by_sight(key_id), store_id, terminal)[1:]


@dataclass(frozen=True, slots=True)
class Tally:
    """
    Codes that a scope showed of late.

    Attributes:
        matched: Right ones in the last day.
        failed: Wrong ones in the last day; of a key and a store those that no terminal had earned.
        regulars: Regulars who earned for it in the last month; each counts once for a key.
        spent: Wrong ones of the last month that count against what they earned.
    """

    matched: int = 0
    failed: int = 0
    regulars: int = 0
    spent: int = 0

    @property
    def unspent(self) -> int:
        """Wrong codes that regulars earned in a month and that were not shown."""
        return self.regulars - self.spent

    def excess(self, kind: ScopeKind, *, attacked: bool = False, rollout: bool = False) -> int:
        """
        Count the wrong codes that are neither free nor earned; below 1 there are none.

        Args:
            kind: What has shown them.
            attacked: Whether nothing is free to it any more.
            rollout: Whether right codes of all members earn a key and a terminal wrong ones.
        """
        earned = self.matched // RIGHT_PER_WRONG[kind]
        if kind is ScopeKind.KEY and not rollout:
            earned = min(earned, max(0, self.unspent + self.failed))
        elif kind is ScopeKind.TERMINAL:
            left = self.matched - self.failed if rollout else self.unspent
            earned += min(EARNED_AT_ONCE, max(0, left))
        return self.failed - earned - (0 if attacked else FREE[kind])

    def with_wrong(self, *, spent: bool = True) -> Tally:
        """Add a wrong code, which may be one that counts against what regulars earned."""
        return replace(self, failed=self.failed + 1, spent=self.spent + spent)


def under_attack(shown: Tally) -> bool:
    """Tell whether a program was shown more wrong codes than are free and earned."""
    return shown.excess(ScopeKind.PROGRAM) > 0


@dataclass(frozen=True, slots=True)
class Wait:
    """
    A scope that has shown too many wrong codes.

    Attributes:
        tally: What it had shown when the wait began.
        until_ms: When it may show a code again.
    """

    scope: Scope
    tally: Tally
    since_ms: int
    until_ms: int

    def is_on(self, now_ms: int) -> bool:
        """
        Tell whether the scope must wait now.

        Nobody must for a wait that is still to begin: it was counted by a clock that was ahead,
        perhaps by years, and has been put right.
        """
        return self.since_ms <= now_ms + HOUR_MS and now_ms < self.until_ms


def has_earned(terminal: Tally, *, rollout: bool = False) -> bool:
    """
    Tell whether a terminal's next wrong code is one that it has earned.

    Such a one counts for the terminal alone, and codes are looked at there while its store or key
    waits. A thief who calls himself by its name has no more tries than its regulars earned. During
    a *rollout* there are no regulars yet: then it is the right codes of the last day.
    """
    if rollout:
        return terminal.matched > terminal.failed
    return terminal.unspent > 0


def counts_widely(terminal: Tally) -> bool:
    """
    Tell whether a terminal's newest wrong code, which *terminal* contains, counts beyond it.

    Who plays at a kiosk makes it wait, and a few tries later stops nobody else.
    """
    return terminal.excess(ScopeKind.TERMINAL) <= 1 + LATE_COUNTED


def earner_of(member_number: int) -> ScopeKind:
    """Tell for whom a regular earns: their key as a whole, or the terminal where they came."""
    return ScopeKind.KEY if member_number % KEYS_SHARE == 0 else ScopeKind.TERMINAL


def waits(tallies: Iterable[tuple[Scope, Tally]], *, rollout: bool = False) -> dict[Scope, int]:
    """
    Tell, after a wrong code, which of its scopes must wait, and for how many milliseconds.

    The program itself never waits. When it has too many wrong codes it is under attack, and then
    nothing is free any more to keys and stores: who has shown more wrong codes than they have
    earned waits, and a key without a single right code for a day. During a *rollout* right codes
    of all members earn a key wrong ones.
    """
    counted = dict(tallies)
    attacked = any(
        scope.kind is ScopeKind.PROGRAM and under_attack(tally) for scope, tally in counted.items()
    )
    found = {}
    for scope, tally in counted.items():
        if scope.kind is ScopeKind.PROGRAM:
            continue
        is_key = scope.kind is ScopeKind.KEY
        unfree = attacked and scope.kind is not ScopeKind.TERMINAL
        excess = tally.excess(scope.kind, attacked=unfree, rollout=rollout)
        if excess < 1:
            continue
        if attacked and is_key and not tally.matched:
            found[scope] = DAY_MS
        else:
            found[scope] = wait_ms(scope.kind, excess)
    return found


def wait_ms(kind: ScopeKind, excess: int) -> int:
    """Lengthen the wait with every further wrong code, from 30 seconds up to a day."""
    doublings = min(WAIT_DOUBLINGS[kind] * (excess - 1), DAY_MS.bit_length())
    return min(FIRST_WAIT_MS << doublings, DAY_MS)


def hour_of(instant_ms: int) -> int:
    """Number the hours since 1970."""
    return instant_ms // HOUR_MS


def day_of(instant_ms: int) -> int:
    """Number the days since 1970, of UTC."""
    return instant_ms // DAY_MS


def hours_counted(now_ms: int) -> tuple[int, int]:
    """
    Give the first and the last hour whose codes count.

    What is further ahead was counted by a clock that was wrong, and nobody need wait for it; the
    clocks of two servers differ by less than the hour that is let through.
    """
    return hour_of(now_ms) - HOURS_COUNTED, hour_of(now_ms) + 1


def days_counted(now_ms: int) -> tuple[int, int]:
    """Give the first and the last day of which counts what regulars earned and what is spent."""
    return day_of(now_ms) - MONTH_DAYS, day_of(now_ms) + 1


def repeat_ms(code_lifetime_s: int) -> int:
    """
    Tell for how long the same wrong code again is the same mistake.

    A till that sends again and a guest who insists try within seconds. For longer it would be a
    new guess: codes that were not live then may be by now.
    """
    return code_lifetime_s * 1000 // REPEATS_PER_LIFETIME
