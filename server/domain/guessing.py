"""
How many wrong codes are too many: what is counted, what is allowed, and how long is waited.

A code has a million values, so whoever may try many finds one that is live. Honest stores mistype
in proportion to their business; a thief has none of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from server.domain.clock import DAY_MS

HOUR_MS = 3_600_000
HOURS_COUNTED = 24
"""Whole hours that count, beside the one that is not over: what is older is forgotten."""

RIGHT_PER_WRONG = 10
"""Right codes that earn a wrong one."""

FIRST_WAIT_MS = 30_000
LONGEST_WAIT_MS = HOUR_MS
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
    ScopeKind.STORE: 14,
    ScopeKind.KEY: 14,
    ScopeKind.PROGRAM: 60,
}
"""
Wrong codes a day that nothing has to be earned for.

With those that the waits let through, a key has at most 44 tries a day.
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """
    Whose wrong codes are counted together.

    A store is one key's store and a terminal one key's terminal, so that the thief of a key can't
    have another vendor refused.

    Attributes:
        name: Names it among the scopes of all programs.
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
    """Give the scopes that a call belongs to, the program first and the narrowest last."""
    key = f"key/{key_id}"
    scopes = [
        Scope(ScopeKind.PROGRAM, f"program/{program_id}", program_id),
        Scope(ScopeKind.KEY, key, program_id, key_id),
    ]
    if store_id is not None:
        store = f"{key}/{store_id}"
        scopes.append(Scope(ScopeKind.STORE, store, program_id, key_id, store_id))
        if terminal:
            name = f"{store}/{terminal}"
            scopes.append(Scope(ScopeKind.TERMINAL, name, program_id, key_id, store_id, terminal))
    return tuple(scopes)


@dataclass(frozen=True, slots=True)
class Tally:
    """Codes that a scope showed of late."""

    matched: int = 0
    failed: int = 0

    def excess(self, free: int) -> int:
        """Count the wrong codes that are neither free nor earned; below 1 there are none."""
        return self.failed - free - self.matched // RIGHT_PER_WRONG


def under_attack(shown: Tally) -> bool:
    """Tell whether a program was shown more wrong codes than are free and earned."""
    return shown.excess(FREE[ScopeKind.PROGRAM]) > 0


@dataclass(frozen=True, slots=True)
class Refusal:
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


def waits(tallies: Iterable[tuple[Scope, Tally]]) -> dict[Scope, int]:
    """
    Tell, after a wrong code, which of its scopes must wait, and for how many milliseconds.

    The program itself never waits. When it has too many wrong codes it is under attack, and then
    nothing is free any more: who has shown more wrong codes than they have earned waits, and
    a key without a single right code for a day.
    """
    counted = dict(tallies)
    attacked = any(
        scope.kind is ScopeKind.PROGRAM and under_attack(tally) for scope, tally in counted.items()
    )
    found = {}
    for scope, tally in counted.items():
        if scope.kind is ScopeKind.PROGRAM:
            continue
        excess = tally.excess(0 if attacked else FREE[scope.kind])
        if excess < 1:
            continue
        if attacked and scope.kind is ScopeKind.KEY and not tally.matched:
            found[scope] = DAY_MS
        else:
            found[scope] = wait_ms(excess)
    return found


def wait_ms(excess: int) -> int:
    """Double the wait with every further wrong code, from 30 seconds up to an hour."""
    doublings = min(excess - 1, LONGEST_WAIT_MS.bit_length())
    return min(FIRST_WAIT_MS << doublings, LONGEST_WAIT_MS)


def hour_of(instant_ms: int) -> int:
    """Number the hours since 1970."""
    return instant_ms // HOUR_MS


def repeat_ms(code_lifetime_s: int) -> int:
    """
    Tell for how long the same wrong code again is the same mistake.

    A till that sends again and a guest who insists try within seconds. For longer it would be a
    new guess: codes that were not live then may be by now.
    """
    return code_lifetime_s * 1000 // REPEATS_PER_LIFETIME
