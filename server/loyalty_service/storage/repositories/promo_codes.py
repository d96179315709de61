"""Promo codes, who used them, and what partners give members besides orders."""

from __future__ import annotations

from typing import ClassVar

from loyalty_service.domain.gifts import PointsAssignment, PromoCode, PromoRedemption
from loyalty_service.storage import tables as t
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.codes import Digests
from loyalty_service.storage.repositories.statements import Kept


class PromoCodes(Digests):
    """The promo codes of a unit of work, by their digests under every pepper that is known."""

    KEPT: ClassVar[tuple[Kept, ...]] = (
        Kept(PromoCode, t.PromoCodeTable, ("program_id", "digest"), Rank.PROMO_CODES),
        Kept(
            PromoRedemption,
            t.PromoRedemptionTable,
            ("program_id", "digest", "member_number"),
            Rank.PROMO_REDEMPTIONS,
        ),
        Kept(PointsAssignment, t.PointsAssignmentTable, ("assignment_id",), Rank.ASSIGNMENTS),
    )

    def promo_code(self, program_id: str, digest: bytes) -> PromoCode | None:
        """See `Unit.promo_code`."""
        found = (
            self._record(PromoCode, (program_id, one)) for one in self._under_every_pepper(digest)
        )
        return next(filter(None, found), None)

    def promo_redemption(self, code: PromoCode, number: int) -> PromoRedemption | None:
        """See `Unit.promo_redemption`."""
        return self._record(PromoRedemption, (code.program_id, code.digest, number))
