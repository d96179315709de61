"""For how long a program keeps what no rule needs any more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Retention:
    """
    Days for which a program keeps what no rule needs any more; absent where it keeps it for good.

    Attributes:
        orders_days: Baskets and operators of orders that have ended, and what they had reserved.
        answers_days: What calls were answered, beyond the names and numbers in it.
        events_days: What happened, one by one.
        visits_days: Sessions that no call has closed, and codes that were used or have ended.
    """

    orders_days: int | None = None
    answers_days: int | None = None
    events_days: int | None = None
    visits_days: int | None = None

    def ends(self) -> Iterator[tuple[str, int]]:
        """Give what is not kept for good, by its name, with its days."""
        for one in fields(self):
            days = getattr(self, one.name)
            if days is not None:
                yield one.name, days


KEEP_ALL = Retention()
