"""What the log is told of calls that were settled: flags, and waits that began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import structlog

from loyalty_service.application.perform import Answer, Done
from loyalty_service.application.unit import Refused
from loyalty_service.domain.flags import Flag, every_flag
from loyalty_service.domain.keys import ApiKey
from loyalty_service.storage.batch import Item, names_of

log = structlog.get_logger(__name__)


class Flags:
    """
    Counts and logs what was let through although it should not be.

    Attributes:
        counts: How often, by kind and reason.
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(every_flag(), 0)

    def tell(self, outcomes: Iterable[tuple[Item, Any]], keys: Mapping[bytes, ApiKey]) -> None:
        """Log what is to be known of calls that are settled, by what came of each."""
        for item, outcome in outcomes:
            if isinstance(outcome, Refused):
                tell_waits(outcome, item, keys)
            elif isinstance(outcome, Answer | Done) and outcome.flags:
                self.take(outcome.flags, item)

    def take(self, flags: Sequence[Flag], item: Item) -> None:
        """
        Count and log what was let through, whether or not its caller still waits.

        How many lines a second are written is for the log to say, which tells what it leaves out.
        """
        for flag in flags:
            self.counts[flag.kind.value, flag.reason] += 1
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
