"""What use cases may ask of a unit of work about counts: of codes shown, and for limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from loyalty_service.domain.guessing import Scope, Tally, Wait
from loyalty_service.domain.limits import Limit
from loyalty_service.domain.records import Member


class CountingUnit(Protocol):
    """The part of a unit of work that counts."""

    def code_waits(self, program_id: str) -> Mapping[str, Wait]:
        """Find, by the names of their scopes, who of a program must or had to wait."""

    def lock_key(self, key_id: str) -> None:
        """Keep others from counting wrong codes of a key until the unit ends."""

    def count_alone(self, key_id: str) -> None:
        """
        Keep others from adding to the counts of a key until the unit ends, where they do this too.

        What the key has done is read again, for otherwise it may be a moment old.
        """

    def note_wrong_code(self, scope: Scope, digest: bytes, now_ms: int, repeat_ms: int) -> bool:
        """Keep a wrong code; return whether it is another than those of the last *repeat_ms*."""

    def tally_right(self, scopes: Sequence[Scope], now_ms: int) -> None:
        """Count a right code for each scope."""

    def tally_wrong(self, scopes: Sequence[Scope], spender: Scope | None, now_ms: int) -> None:
        """Count a wrong code for each scope, and against what *spender*'s regulars earned."""

    def tallies(self, scopes: Sequence[Scope], now_ms: int) -> dict[Scope, Tally]:
        """Tell what each scope has shown in the last day, to the hour, and month, to the day."""

    def code_month(self, scope: Scope, now_ms: int) -> Tally:
        """Tell what regulars earned a scope in the last month and what is spent, no more."""

    def has_regulars(self, key_id: str) -> bool:
        """Tell whether anybody was counted as a regular of a key."""

    def regular_since(self, key_id: str, member: Member) -> int | None:
        """Tell when a member was last counted as a regular of a key; None for never."""

    def count_regular(self, earner: Scope, member: Member, now_ms: int) -> None:
        """Count a member as a regular of a key, who earns for the key or a terminal of it."""

    def begin_wait(self, wait: Wait) -> None:
        """Let a scope wait."""

    def forgive_codes(self, key_id: str) -> int:
        """End all waits of a key and forget what it has shown; return how many waits."""

    def forget_counts(self, now_ms: int, limit: int) -> int:
        """Delete at most *limit* of each: counts, wrong codes, waits that matter no more."""

    def counted(self, limit: Limit, scope: str, now_ms: int) -> int:
        """
        Tell what was counted for a limit in the period of a moment.

        It lacks what other units add at this time, and for keys and programs what other writers
        added within the last second.
        """

    def counts(self, scope: str, since_ms: int) -> Mapping[str, int]:
        """Give all that is counted of a scope in the period since then, by the limit's name."""

    def count_all(self, scope: str, since_ms: int, amounts: Mapping[str, int]) -> None:
        """Add to several counts of a scope at once."""

    def count(self, limit: Limit, scope: str, amount: int, now_ms: int) -> None:
        """Add to what is counted for a limit."""
