"""How long who has shown wrong codes must wait."""

from __future__ import annotations

import pytest

from server.domain.clock import DAY_MS
from server.domain.guessing import (
    FIRST_WAIT_MS,
    FREE,
    LONGEST_WAIT_MS,
    Scope,
    ScopeKind,
    Tally,
    repeat_ms,
    scopes_of,
    wait_ms,
    waits,
)

PROGRAM, KEY, STORE, TERMINAL = scopes_of("demo-ca", "key-1", 9999, "kiosk-1")
ATTACKED = (PROGRAM, Tally(0, FREE[ScopeKind.PROGRAM] + 1))


def test_scopes_are_named_apart() -> None:
    """No two scopes share a name, and a call without a terminal has none."""
    names = [scope.name for scope in (PROGRAM, KEY, STORE, TERMINAL)]
    assert names == ["program/demo-ca", "key/key-1", "key/key-1/9999", "key/key-1/9999/kiosk-1"]
    assert scopes_of("demo-ca", "key-1", 9999) == (PROGRAM, KEY, STORE)
    assert scopes_of("demo-ca", "key-1") == (PROGRAM, KEY)


@pytest.mark.parametrize(
    ("excess", "seconds"), [(1, 30), (2, 60), (7, 1920), (8, 3600), (9, 3600), (1000, 3600)]
)
def test_wait_doubles_up_to_an_hour(excess: int, seconds: int) -> None:
    """The first wrong code too many costs 30 seconds, each further one twice as much."""
    assert wait_ms(excess) == seconds * 1000
    assert FIRST_WAIT_MS <= wait_ms(excess) <= LONGEST_WAIT_MS


@pytest.mark.parametrize("scope", [KEY, STORE, TERMINAL])
def test_free_and_earned_wrong_codes_cost_nothing(scope: Scope) -> None:
    """What is free, and one for every ten right codes, is no reason to wait."""
    free = FREE[scope.kind]
    assert waits([(scope, Tally(0, free))]) == {}
    assert waits([(scope, Tally(100, free + 10))]) == {}
    assert waits([(scope, Tally(100, free + 11))]) == {scope: FIRST_WAIT_MS}


def test_program_never_waits() -> None:
    """However many wrong codes a program has seen, it does not wait as a whole."""
    assert waits([(PROGRAM, Tally(0, 10**6))]) == {}


def test_attack_takes_what_is_free_from_who_has_not_earned_it() -> None:
    """Under attack a store that has earned its wrong codes goes on; another waits."""
    assert waits([ATTACKED, (KEY, Tally(20, 2)), (STORE, Tally(20, 2))]) == {}
    assert waits([ATTACKED, (KEY, Tally(20, 2)), (STORE, Tally(9, 1))]) == {STORE: FIRST_WAIT_MS}


def test_key_without_a_right_code_waits_a_day_under_attack() -> None:
    """Under attack a key that never showed a right code has one try a day."""
    assert waits([ATTACKED, (KEY, Tally(0, 1))]) == {KEY: DAY_MS}
    assert waits([ATTACKED, (KEY, Tally(1, 1))]) == {KEY: FIRST_WAIT_MS}


@pytest.mark.parametrize(("lifetime_s", "seconds"), [(30, 3), (300, 30), (600, 60)])
def test_same_code_again_is_the_same_mistake_for_a_moment(lifetime_s: int, seconds: int) -> None:
    """A wrong code shown again counts once within a tenth of a code's life."""
    assert repeat_ms(lifetime_s) == seconds * 1000


def test_idle_key_has_fewer_than_45_tries_a_day() -> None:
    """Free tries and those that the waits let through stay below what G20 allows."""
    now_ms, tries, free = 0, 0, FREE[ScopeKind.KEY]
    while now_ms <= DAY_MS:
        tries += 1
        now_ms += wait_ms(tries - free) if tries > free else 1
    assert tries <= 44
