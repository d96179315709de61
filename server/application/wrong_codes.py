"""
Counts the codes that are shown, right and wrong, and refuses those who guess.

A wrong code is counted although its call is refused. While somebody must wait, no code of theirs
is looked at, so that a right one and a wrong one are answered alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.application.reads import Reads
from server.application.unit import Refused, Unit
from server.domain.errors import CodeNotFoundError, LoyaltyError, TooManyWrongCodesError
from server.domain.guessing import Refusal, Scope, ScopeKind, repeat_ms, scopes_of, waits
from server.domain.keys import ApiKey
from server.domain.records import Code


def require_no_wait(unit: Unit, scopes: Sequence[Scope], now_ms: int) -> None:
    """
    Refuse to look at a code while one of its scopes must wait.

    Raises:
        TooManyWrongCodesError: Too many wrong codes were shown.
    """
    refusals = unit.code_refusals(scopes[0].program_id)
    if not refusals:
        return
    found = [refusals[scope.name] for scope in scopes if scope.name in refusals]
    require_none_open(found, now_ms)


def require_none_open(refusals: Sequence[Refusal], now_ms: int) -> None:
    """
    Refuse while one of these refusals is not over.

    Raises:
        TooManyWrongCodesError: One is not; the error tells about the last to end.
    """
    last = max(refusals, key=lambda refusal: refusal.until_ms, default=None)
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


@dataclass(frozen=True, slots=True)
class CountUnknownCode:
    """Digits that an app asked about and nobody has, and who asked."""

    key: ApiKey
    digits: str

    def reads(self) -> Reads:
        """Tell what the use case starts from."""
        return Reads()


def count_unknown_code(unit: Unit, command: CountUnknownCode, now_ms: int) -> Refused:
    """Count digits that an app asked about in vain; answers the refusal of its call."""
    key = command.key
    digest = unit.code_digest(key.program_id, command.digits)
    scopes = scopes_of(key.program_id, key.key_id)
    return count_wrong_code(unit, scopes, digest, now_ms, CodeNotFoundError())
