"""Counts and logs calls that were refused because of a limit of their program."""

from __future__ import annotations

import structlog
from prometheus_client import CollectorRegistry, Counter

from loyalty_service.domain.errors import AmountBeyondLimitError, LimitExceededError, LoyaltyError
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.limits import LIMITS
from loyalty_service.observability.paced import Paced

log = structlog.get_logger(__name__)


class LimitWatch:
    """Hears of every refusal; without a registry it only logs."""

    def __init__(self, registry: CollectorRegistry | None) -> None:
        self._refused = (
            None
            if registry is None
            else Counter(
                "loyalty_limit_refusals",
                "Calls refused because of a limit of their program.",
                ("limit",),
                registry=registry,
            )
        )
        self._said: dict[tuple[str, str], Paced] = {}
        if self._refused is not None:
            # A rate needs something to start from.
            for name in LIMITS:
                self._refused.labels(name.value)

    def refused(self, error: LoyaltyError, key: ApiKey | None) -> None:
        """Take note of a refusal, if it is because of a limit."""
        if not isinstance(error, AmountBeyondLimitError | LimitExceededError):
            return
        if self._refused is not None:
            self._refused.labels(error.limit).inc()
        if key is not None:
            self._say(error, key)

    def _say(self, error: AmountBeyondLimitError | LimitExceededError, key: ApiKey) -> None:
        """Write a line, but no more than one a minute for each limit of a key."""
        due = self._said.setdefault((error.limit, key.key_id), Paced()).due()
        if due is None:
            return
        log.warning(
            "limit exceeded",
            limit=error.limit,
            allowed=error.allowed,
            program_id=key.program_id,
            key_id=key.key_id,
            partner=key.partner,
            left_out=due.get("left_out", 0),
        )
