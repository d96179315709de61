"""What a store has done, in figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loyalty_service.storage.tally import Distribution


@dataclass(frozen=True, slots=True)
class StoreStats:
    """
    What the store has done since it was opened.

    Attributes:
        writes: Units of work settled.
        commits: Transactions committed, each durable; fewer than writes, since calls share them.
        retries: Transactions that ran again after a conflict or a lost connection.
        waiting: Units of work that wait for a writer now.
        oldest_waiting_s: How long the first of them has waited.
        catalog_age_s: Seconds since the catalogue was last looked at.
        batch_calls: Calls that shared a commit, of the commits that changed anything.
        commit_s: Seconds such a commit took, until it was durable.
        flags: What was let through although it should not be, by kind and reason.
    """

    writes: int
    commits: int
    retries: int
    waiting: int
    oldest_waiting_s: float
    catalog_age_s: float
    batch_calls: Distribution
    commit_s: Distribution
    flags: Mapping[tuple[str, str], int]
