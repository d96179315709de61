"""
Counts the codes that are shown, right and wrong, and refuses callers that guess.

A wrong code is counted although its call is refused. While a caller must wait, none of its codes is
looked at, so a right one and a wrong one get the same answer. While a store or a key waits, its
terminals go on as long as they have earned wrong codes.
"""

from __future__ import annotations

from collections.abc import Sequence

from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.errors import LoyaltyError, TooManyWrongCodesError
from loyalty_service.domain.guessing import (
    MONTH_MS,
    Scope,
    ScopeKind,
    Tally,
    Wait,
    counts_widely,
    earner_of,
    has_earned,
    repeat_ms,
    waits,
)
from loyalty_service.domain.records import Code, Member


def require_no_wait(unit: Unit, scopes: Sequence[Scope], now_ms: int) -> None:
    """
    Refuse to look at a code while one of its scopes must wait.

    Raises:
        TooManyWrongCodesError: Too many wrong codes were shown; it tells of the wait that is the
            last to end.
    """
    waiting = _waiting(unit, scopes, now_ms)
    if waiting and not _goes_on(unit, scopes, waiting, now_ms):
        last = max(waiting, key=lambda one: one.until_ms)
        raise TooManyWrongCodesError(last.scope.kind.value, last.until_ms - now_ms)


def _goes_on(unit: Unit, scopes: Sequence[Scope], waiting: Sequence[Wait], now_ms: int) -> bool:
    """Tell whether a call's terminal goes on although its store or key waits."""
    own = {scope.kind: scope for scope in scopes}
    terminal = own.get(ScopeKind.TERMINAL)
    if terminal is None or any(one.scope.kind is terminal.kind for one in waiting):
        return False
    if unit.catalog.programs[terminal.program_id].rolls_out(now_ms):
        return has_earned(unit.tallies((terminal,), now_ms)[terminal], rollout=True)
    # Asked first, since a thief makes up a terminal for each guess and the key is always the same.
    if not unit.has_regulars(terminal.key_id):
        return False
    return has_earned(unit.code_month(terminal, now_ms))


def _waiting(unit: Unit, scopes: Sequence[Scope], now_ms: int) -> list[Wait]:
    """Find the waits of some scopes that are not over."""
    waits = unit.code_waits(scopes[0].program_id)
    if not waits:
        return []
    found = (waits[scope.name] for scope in scopes if scope.name in waits)
    return [one for one in found if one.is_on(now_ms)]


def count_right_code(unit: Unit, scopes: Sequence[Scope], member: Member, now_ms: int) -> None:
    """
    Count a right code, and once a month its member as a regular of the key.

    A regular enrolled a month ago and has a paid order: who steals an app's key and a till's key
    makes members, codes and orders as they like, but not a month.
    """
    unit.tally_right(scopes, now_ms)
    if member.created_ms > now_ms - MONTH_MS:
        return
    key_id = scopes[-1].key_id
    counted_ms = unit.regular_since(key_id, member)
    if counted_ms is not None and counted_ms > now_ms - MONTH_MS:
        return
    if unit.has_paid_order(member):
        kind = earner_of(member.number)
        earner = next(scope for scope in scopes if scope.kind is kind)
        unit.count_regular(earner, member, now_ms)


def could_be_guessed(code: Code | None, now_ms: int) -> bool:
    """
    Tell whether digits that were refused might have been live.

    While a code that was used or replaced has time left, its digits are drawn for nobody: who
    shows them again makes an honest mistake, and learns nothing.
    """
    return code is None or code.expires_ms <= now_ms


def count_wrong_code(
    unit: Unit, scopes: Sequence[Scope], digest: bytes, now_ms: int, error: LoyaltyError
) -> Refused:
    """
    Count a wrong code, and let whoever has shown too many wait; return the error of its call.

    Raises:
        TooManyWrongCodesError: Another server has just counted too many.
    """
    place = next(s for s in reversed(scopes) if s.kind in {ScopeKind.STORE, ScopeKind.KEY})
    program = unit.catalog.programs[place.program_id]
    # From here on no other server counts for this key, so that none is lost and none too many.
    unit.lock_key(place.key_id)
    require_no_wait(unit, scopes, now_ms)
    if not unit.note_wrong_code(place, digest, now_ms, repeat_ms(program.code_lifetime_s)):
        return Refused(error)
    rollout = program.rolls_out(now_ms)
    tallies = _with_wrong(unit, scopes, now_ms, rollout=rollout)
    begun = []
    for scope, wait in waits(tallies.items(), rollout=rollout).items():
        begins = Wait(scope, tallies[scope], now_ms, now_ms + wait)
        unit.begin_wait(begins)
        begun.append(begins)
    return Refused(error, tuple(begun))


def _with_wrong(
    unit: Unit, scopes: Sequence[Scope], now_ms: int, *, rollout: bool
) -> dict[Scope, Tally]:
    """
    Count a wrong code where it counts; return what those scopes have shown, with it.

    One that its terminal has earned counts there alone: while its store or key waits, it does not
    lengthen the wait of the others.
    """
    tallies = unit.tallies(scopes, now_ms)
    terminal = scopes[-1]
    if terminal.kind is ScopeKind.TERMINAL:
        earned = has_earned(tallies[terminal], rollout=rollout)
        own = tallies[terminal].with_wrong(spent=earned)
        if earned or not counts_widely(own):
            unit.tally_wrong((terminal,), terminal if earned else None, now_ms)
            return {terminal: own}
    key = next(scope for scope in scopes if scope.kind is ScopeKind.KEY)
    unit.tally_wrong(scopes, key, now_ms)
    return {scope: tally.with_wrong(spent=scope is key) for scope, tally in tallies.items()}
