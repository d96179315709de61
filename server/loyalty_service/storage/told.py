"""What the log is told of calls that were settled: flags, and waits that began."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import structlog

from loyalty_service.application.unit import Refused
from loyalty_service.domain.flags import Flag, every_flag
from loyalty_service.domain.keys import ApiKey
from loyalty_service.storage.batch import Item, names_of

FLAG_LINES_MAX = 10
"""Lines about one reason of a flag in a second: a thief's orders must not be the log's load."""

log = structlog.get_logger(__name__)


class Flags:
    """
    Counts and logs what was let through although it should not be.

    Attributes:
        counts: How often, by kind and reason.
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(every_flag(), 0)
        self._lines: Counter[tuple[str, str]] = Counter()
        self._lines_of = 0

    def take(self, flags: Sequence[Flag], item: Item, second: int) -> None:
        """
        Count and log what was let through, whether or not its caller still waits.

        Of one kind and reason a few lines a second are written: all are counted.
        """
        for flag in flags:
            place = flag.kind.value, flag.reason
            self.counts[place] += 1
            if second != self._lines_of:
                self._lines_of = second
                self._lines.clear()
            self._lines[place] += 1
            if self._lines[place] <= FLAG_LINES_MAX:
                named = {"flag": flag.kind.value, "reason": flag.reason, **flag.about}
                log.warning("flagged", **named, **names_of([item]))


def tell_waits(refused: Refused, item: Item, keys: Mapping[bytes, ApiKey]) -> None:
    """Log who must wait, without any digits."""
    for refusal in refused.begun:
        scope, tally = refusal.scope, refusal.tally
        log.warning(
            "code guessing refused",
            scope=scope.kind.value,
            program_id=scope.program_id,
            key_id=scope.key_id,
            partner=next(
                (key.partner for key in keys.values() if key.key_id == scope.key_id), None
            ),
            store_id=scope.store_id,
            terminal=scope.terminal,
            wrong=tally.failed,
            right=tally.matched,
            regulars=tally.regulars,
            seconds=(refusal.until_ms - refusal.since_ms) // 1000,
            **names_of([item]),
        )
