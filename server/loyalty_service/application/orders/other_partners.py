"""
Orders that another partner ends than the one that opened them.

A guest may identify at a kiosk of one vendor and pay at a till of another, so that it is allowed;
but so does whoever holds a stolen key, and what they did must be found and undone.
"""

from __future__ import annotations

from loyalty_service.domain.flags import CLAIMED_BY_OTHER, Flag, FlagKind
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.records import Member, Transaction


def flag_other_partner(
    key: ApiKey, transaction: Transaction, member: Member | None, reason: str = CLAIMED_BY_OTHER
) -> tuple[Flag, ...]:
    """Flag a claim or void with a *key* of another partner, before it changes the transaction."""
    if key.partner == transaction.partner:
        return ()
    about = {
        "program_id": transaction.program_id,
        "store_id": transaction.store_id,
        "partner": key.partner,
        "key_id": key.key_id,
        "transaction_id": transaction.transaction_id,
        "order_partner": transaction.partner,
        "status": transaction.status.name,
        "points_earned": transaction.points_earned,
        "points_redeemed": transaction.points_redeemed,
    }
    if member is not None:
        about["loyalty_id"] = member.loyalty_id
    return (Flag(FlagKind.OTHER_PARTNER, reason, about),)
