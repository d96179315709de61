"""Counts and logs the times of tills that are not believed."""

from __future__ import annotations

import structlog
from prometheus_client import CollectorRegistry, Counter

from loyalty_service.domain.keys import ApiKey
from loyalty_service.observability.paced import Paced

NAMED_MAX = 1000
"""Keys and stores that are told apart: a series each is kept while the server runs."""

OTHER = "other"

log = structlog.get_logger(__name__)


class TillClocks:
    """Hears of every time that is not believed; without a registry it only logs."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._counted = (
            None
            if registry is None
            else Counter(
                "loyalty_till_times_not_believed",
                "Times in x-user-datetime that can't be right, by whose till sent them.",
                ("key_id", "store_id"),
                registry=registry,
            )
        )
        if self._counted is not None:
            self._counted.labels(OTHER, OTHER)  # So that it is there before the first.
        self._said: dict[tuple[str, str], Paced] = {}

    def not_believed(self, key: ApiKey, store_id: int, off_ms: int | None) -> None:
        """
        Take note of a time.

        Args:
            key: Who sent it.
            store_id: A store of the program.
            off_ms: How far it is ahead of the server's clock; absent when it can't be read.
        """
        place = key.key_id, str(store_id)
        if place not in self._said and len(self._said) >= NAMED_MAX:
            place = OTHER, OTHER
        if self._counted is not None:
            self._counted.labels(*place).inc()
        due = self._said.setdefault(place, Paced()).due()
        if due is None:
            return
        log.warning(
            "till's time not believed",
            program_id=key.program_id,
            key_id=key.key_id,
            partner=key.partner,
            store_id=store_id,
            off_hours=None if off_ms is None else round(off_ms / 3_600_000, 1),
            left_out=due.get("left_out", 0),
        )
