"""How long who has shown wrong codes must wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loyalty_service.domain.clock import DAY_MS
from loyalty_service.domain.guessing import (
    FIRST_WAIT_MS,
    FREE,
    LATE_COUNTED,
    RIGHT_PER_WRONG,
    TERMINALS_MAX,
    Scope,
    ScopeKind,
    Tally,
    counts_widely,
    earner_of,
    has_earned,
    repeat_ms,
    scopes_of,
    wait_ms,
    waits,
)

PROGRAM, KEY, STORE, TERMINAL = scopes_of("demo-ca", "key-1", 9999, "kiosk-1")
ATTACKED = (PROGRAM, Tally(0, FREE[ScopeKind.PROGRAM] + 1))


def test_scopes_are_named_apart() -> None:
    """No two scopes share a name, and an absent terminal is one like any other."""
    names = [scope.name for scope in (PROGRAM, KEY, STORE)]
    assert names == ["program/demo-ca", "key/key-1", "key/key-1/9999"]
    assert TERMINAL.name.startswith(f"{STORE.name}/")
    absent = scopes_of("demo-ca", "key-1", 9999)
    assert absent[:3] == (PROGRAM, KEY, STORE)
    assert absent[3].name == scopes_of("demo-ca", "key-1", 9999, "")[3].name != TERMINAL.name
    assert scopes_of("demo-ca", "key-1") == (PROGRAM, KEY)


def test_terminals_of_a_store_are_bounded() -> None:
    """However many terminals a caller makes up, a store of a key has so many and no more."""
    names = {scopes_of("demo-ca", "key-1", 9999, f"made-up-{n}")[3].name for n in range(50_000)}
    assert len(names) == TERMINALS_MAX


def test_tills_of_a_store_are_told_apart() -> None:
    """Terminals that are numbered or lettered, as tills are, share no counts."""
    for kinds in ("{}", "till-{}", "kiosk-{}", "Terminal {}", "POS{:02d}"):
        names = {scopes_of("p", "k", 1, kinds.format(n))[3].name for n in range(20)}
        assert len(names) == 20


@pytest.mark.parametrize(
    ("kinds", "seconds"),
    [
        ((ScopeKind.TERMINAL,), [30, 480, 7680, 86_400, 86_400]),
        ((ScopeKind.STORE, ScopeKind.KEY), [30, 1920, 86_400, 86_400]),
    ],
)
def test_wait_grows_up_to_a_day(kinds: tuple[ScopeKind, ...], seconds: list[int]) -> None:
    """The first wrong code too many costs 30 seconds, each further one far more, up to a day."""
    for kind in kinds:
        assert [wait_ms(kind, 1 + n) // 1000 for n in range(len(seconds))] == seconds
        assert wait_ms(kind, 1000) == DAY_MS


@pytest.mark.parametrize("scope", [KEY, STORE, TERMINAL])
def test_free_and_earned_wrong_codes_cost_nothing(scope: Scope) -> None:
    """What is free, and one for every ten right codes (at a terminal five), costs no wait."""
    free = FREE[scope.kind]
    right = 10 * RIGHT_PER_WRONG[scope.kind]
    assert waits([(scope, Tally(0, free))]) == {}
    assert waits([(scope, Tally(right, free + 10, 10, free + 10))]) == {}
    assert waits([(scope, Tally(right, free + 11, 10, free + 11))]) == {scope: FIRST_WAIT_MS}


def test_right_codes_earn_a_key_no_more_than_its_regulars_do() -> None:
    """A key has one wrong code in a month for each regular of its; earlier days spent some."""
    free = FREE[ScopeKind.KEY]
    assert waits([(KEY, Tally(1000, free + 1, 0, free + 1))]) == {KEY: FIRST_WAIT_MS}
    assert waits([(KEY, Tally(1000, free + 3, 3, free + 3))]) == {}
    assert waits([(KEY, Tally(1000, free + 3, 5, free + 3 + 2))]) == {}
    assert waits([(KEY, Tally(1000, free + 3, 5, free + 3 + 3))]) == {KEY: FIRST_WAIT_MS}


def test_busy_till_of_a_rollout_does_not_wait_for_a_bad_day() -> None:
    """Where nobody is a regular yet, right codes of the day stand for them at a terminal."""
    bad_day = [(TERMINAL, Tally(30, 18))]

    assert waits(bad_day) == {TERMINAL: wait_ms(ScopeKind.TERMINAL, 6)}
    assert waits(bad_day, rollout=True) == {}
    assert waits([(TERMINAL, Tally(30, 19))], rollout=True) == {TERMINAL: FIRST_WAIT_MS}


def test_rollout_takes_right_codes_of_all_members() -> None:
    """While a program is new its members earn before they are regulars."""
    free = FREE[ScopeKind.KEY]
    assert waits([(KEY, Tally(100, free + 10))], rollout=True) == {}
    assert waits([(KEY, Tally(100, free + 11))], rollout=True) == {KEY: FIRST_WAIT_MS}


def test_terminal_has_what_its_regulars_earned() -> None:
    """Right codes of others earn a terminal nothing of its own, but during a rollout they do."""
    assert has_earned(Tally(0, 0, 2, 1))
    assert not has_earned(Tally(100, 0, 2, 2))
    assert has_earned(Tally(2, 1), rollout=True)
    assert not has_earned(Tally(2, 2), rollout=True)


def test_regular_earns_for_the_key_or_for_a_terminal() -> None:
    """No regular earns for both, and most earn for the terminal where they came."""
    earners = [earner_of(number) for number in range(400)]
    assert earners.count(ScopeKind.KEY) == 100
    assert earners.count(ScopeKind.TERMINAL) == 300


def test_terminal_that_waits_counts_for_itself_alone() -> None:
    """Two wrong codes after the one that made a terminal wait count for its store and key."""
    last = FREE[ScopeKind.TERMINAL] + 1 + LATE_COUNTED
    assert counts_widely(Tally(0, last))
    assert not counts_widely(Tally(0, last + 1))
    assert counts_widely(Tally(5, last + 1))


def test_program_never_waits() -> None:
    """However many wrong codes a program has seen, it does not wait as a whole."""
    assert waits([(PROGRAM, Tally(0, 10**6))]) == {}


def test_attack_takes_what_is_free_from_who_has_not_earned_it() -> None:
    """Under attack a store that has earned its wrong codes goes on; another waits."""
    earned = (KEY, Tally(20, 2, 2, 2))
    assert waits([ATTACKED, earned, (STORE, Tally(20, 2))]) == {}
    assert waits([ATTACKED, earned, (STORE, Tally(9, 1))]) == {STORE: FIRST_WAIT_MS}
    assert waits([ATTACKED, earned, (STORE, Tally(20, 2)), (TERMINAL, Tally(0, 6))]) == {}


def test_key_without_a_right_code_waits_a_day_under_attack() -> None:
    """Under attack a key that never showed a right code has one try a day."""
    assert waits([ATTACKED, (KEY, Tally(0, 1))]) == {KEY: DAY_MS}
    assert waits([ATTACKED, (KEY, Tally(1, 1))]) == {KEY: FIRST_WAIT_MS}


@pytest.mark.parametrize(("lifetime_s", "seconds"), [(30, 3), (300, 30), (600, 60)])
def test_same_code_again_is_the_same_mistake_for_a_moment(lifetime_s: int, seconds: int) -> None:
    """A wrong code shown again counts once within a tenth of a code's life."""
    assert repeat_ms(lifetime_s) == seconds * 1000


@pytest.mark.parametrize("at_each", range(1, 12))
def test_key_without_regulars_has_15_tries_a_day(at_each: int) -> None:
    """However a thief spreads tries over terminals, three keys stay within G35's bound."""
    key, tries, terminal = Tally(), 0, Tally()
    key_wait = terminal_wait = 0
    while key_wait < DAY_MS:
        if terminal.failed == at_each or terminal_wait == DAY_MS:
            terminal, terminal_wait = Tally(), 0
        tries += 1
        terminal = terminal.with_wrong()
        terminal_wait = waits([(TERMINAL, terminal)]).get(TERMINAL, 0)
        if counts_widely(terminal):
            key = key.with_wrong()
            key_wait = waits([(KEY, key)]).get(KEY, 0)
    assert tries == 15


def test_till_with_regulars_bears_a_bad_day() -> None:
    """What its regulars earned and nobody has shown keeps a till from waiting by chance alone."""
    shown = Tally(matched=52, failed=17, regulars=142, spent=46)
    assert waits([(TERMINAL, shown)]) == {}
    spent = replace(shown, spent=142)
    assert waits([(TERMINAL, spent)]) == {TERMINAL: 30_000}
