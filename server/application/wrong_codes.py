"""
Counts the codes that are shown, right and wrong, and refuses those who guess.

A wrong code is counted although its call is refused. While somebody must wait, no code of theirs
is looked at, so that a right one and a wrong one are answered alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from server.application.unit import Refused, Unit
from server.domain.errors import LoyaltyError, TooManyWrongCodesError
from server.domain.guessing import Refusal, Scope, ScopeKind, repeat_ms, waits
from server.domain.records import Code


def require_no_wait(unit: Unit, scopes: Sequence[Scope], now_ms: int) -> None:
    """
    Refuse to look at a code while one of its scopes must wait.

    Raises:
        TooManyWrongCodesError: Too many wrong codes were shown; it tells of the wait that is the
            last to end.
    """
    refusals = unit.code_refusals(scopes[0].program_id)
    if not refusals:
        return
    found = (refusals[scope.name] for scope in scopes if scope.name in refusals)
    last = max(found, key=lambda refusal: refusal.until_ms, default=None)
    if last is not None and last.until_ms > now_ms:
        raise TooManyWrongCodesError(last.scope.kind.value, last.until_ms - now_ms)


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
    Count a wrong code, and let whoever has shown too many wait; answers the refusal of its call.

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
    unit.tally_code(scopes, now_ms, matched=False)
    tallies = unit.tallies(scopes, now_ms)
    begun = []
    for scope, wait in waits(tallies.items()).items():
        refusal = Refusal(scope, tallies[scope], now_ms, now_ms + wait)
        unit.refuse_codes(refusal)
        begun.append(refusal)
    return Refused(error, tuple(begun))
