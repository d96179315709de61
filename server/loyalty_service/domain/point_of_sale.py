"""Who calls: the point of sale or kiosk behind a request."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PointOfSale:
    """
    The wire's `posVendor`.

    Attributes:
        transaction_id: The caller's own number for the order.
        pos_type: Vendor of the calling system.
        supporting_pos: Vendor of the store's own system when a kiosk calls.
    """

    transaction_id: str
    store_id: int
    pos_type: str
    supporting_pos: str | None
    terminal: str | None
    operator: str | None

    def claim_key(self, partner: str) -> str:
        """Name what shows a code, by which a retry is known: partner, till and order."""
        return json.dumps([partner, self.store_id, self.terminal, self.transaction_id])

    @property
    def order_key(self) -> str:
        """Name the order as claims of older versions did: without partner and terminal."""
        return f"{self.store_id}/{self.transaction_id}"

    @property
    def plu_vendors(self) -> tuple[str, ...]:
        """Vendors whose PLUs the answer carries, the store's own before the caller."""
        return (self.supporting_pos, self.pos_type) if self.supporting_pos else (self.pos_type,)
