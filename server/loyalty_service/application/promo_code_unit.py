"""What use cases about promo codes may ask of a unit of work."""

from __future__ import annotations

from typing import Protocol

from loyalty_service.domain.gifts import PromoCode, PromoRedemption


class PromoCodeUnit(Protocol):
    """The part of a unit of work that keeps promo codes."""

    def promo_code(self, program_id: str, digest: bytes) -> PromoCode | None:
        """Find a promo code and lock it."""

    def promo_redemption(self, code: PromoCode, number: int) -> PromoRedemption | None:
        """Find a member's use of a locked promo code, released or not."""
