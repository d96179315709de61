"""Tells operators what was put right in an order that is paid, where any other is refused."""

from __future__ import annotations

from collections.abc import Sequence

from loyalty_service.domain.flags import LISTED_MAX, Flag, FlagKind, Mend
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.records import Transaction


def mend_flags(
    mends: Sequence[Mend], key: ApiKey, transaction: Transaction, store_id: int
) -> tuple[Flag, ...]:
    """Flag what was put right in an order, together by reason."""
    by_reason: dict[str, list[str]] = {}
    for mend in mends:
        by_reason.setdefault(mend.reason, []).append(mend.field)
    return tuple(
        Flag(
            FlagKind.ORDER_MENDED,
            reason,
            {
                "program_id": transaction.program_id,
                "store_id": store_id,
                "partner": key.partner,
                "key_id": key.key_id,
                "transaction_id": transaction.transaction_id,
                "fields": fields[:LISTED_MAX],
                "field_count": len(fields),
            },
        )
        for reason, fields in by_reason.items()
    )
