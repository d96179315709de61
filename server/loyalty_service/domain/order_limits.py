"""How many rewards and offers one order may use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.restrictions import OrderLimits


def beyond_order_limits(
    uses: Iterable[IncentiveUse], limits: OrderLimits
) -> Iterator[tuple[IncentiveUse, int, int]]:
    """Give the uses that an order may not have as well, with their count and the limit of it."""
    used: Counter[str] = Counter()
    for use in uses:
        own = (
            (("offers", limits.offers), (use.incentive.incentive_id, limits.same_offer))
            if use.incentive.kind == "offer"
            else (("rewards", limits.rewards),)
        )
        counts = [
            (word, used[word] + use.quantity, limit)
            for word, limit in (*own, ("incentives", limits.incentives))
        ]
        beyond = [
            (count, limit) for _, count, limit in counts if limit is not None and count > limit
        ]
        if beyond:
            yield use, *beyond[0]
        else:
            used.update({word: use.quantity for word, _, _ in counts})
