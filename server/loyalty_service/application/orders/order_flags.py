"""What operators are told about an order that was accepted although something is unusual."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.flags import (
    BEYOND_ALLOWED,
    CLAIMED_BY_OTHER,
    HOURS_PASSED,
    LISTED_MAX,
    ORDER_CLAIMED,
    ORDER_OPEN,
    ORDER_RECORDED,
    Flag,
    FlagKind,
    Mend,
)
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member, Transaction, TransactionStatus
from loyalty_service.domain.taken_off import TakenOff

_REASONS = {
    TransactionStatus.CLAIMED: ORDER_CLAIMED,
    TransactionStatus.UNCLAIMED: ORDER_RECORDED,
}


def about_order(
    key: ApiKey, transaction: Transaction, store_id: int | None = None
) -> dict[str, Any]:
    """Say of which order and whose call a flag is; the store is the order's unless told."""
    return {
        "program_id": transaction.program_id,
        "store_id": transaction.store_id if store_id is None else store_id,
        "partner": key.partner,
        "key_id": key.key_id,
        "transaction_id": transaction.transaction_id,
    }


def flag_other_partner(
    key: ApiKey, transaction: Transaction, member: Member | None, reason: str = CLAIMED_BY_OTHER
) -> tuple[Flag, ...]:
    """
    Flag a claim or void with a *key* of another partner, before it changes the transaction.

    A guest may identify at a kiosk of one vendor and pay at a till of another, so this is allowed.
    But somebody with a stolen key does the same, and it must be possible to find and undo that.
    """
    if key.partner == transaction.partner:
        return ()
    about = about_order(key, transaction) | {
        "order_partner": transaction.partner,
        "status": transaction.status.name,
        "points_earned": transaction.points_earned,
        "points_redeemed": transaction.points_redeemed,
    }
    if member is not None:
        about["loyalty_id"] = member.loyalty_id
    return (Flag(FlagKind.OTHER_PARTNER, reason, about),)


def flag_blocked(key: ApiKey, transaction: Transaction, member: Member) -> tuple[Flag, ...]:
    """Flag a paid order of a member who is blocked: who may not earn gets nothing for it."""
    if not member.kept_from:
        return ()
    about = about_order(key, transaction) | {"loyalty_id": member.loyalty_id}
    return (Flag(FlagKind.MEMBER_BLOCKED, member.kept_from.word, about),)


def removed_flags(
    program: Program, store_id: int, key: ApiKey, transaction: Transaction
) -> tuple[Flag, ...]:
    """Flag an order of a store that the program has removed."""
    if store_id in program.stores:
        return ()
    reason = _REASONS.get(transaction.status, ORDER_OPEN)
    return (Flag(FlagKind.STORE_REMOVED, reason, about_order(key, transaction, store_id)),)


def late_flags(
    hours: int | None, key: ApiKey, transaction: Transaction, store_id: int
) -> tuple[Flag, ...]:
    """Flag a paid order whose time is so many hours from the server's clock, where that is told."""
    if hours is None:
        return ()
    about = about_order(key, transaction, store_id) | {"hours": hours}
    return (Flag(FlagKind.TILL_TIME, HOURS_PASSED, about),)


def mend_flags(
    mends: Sequence[Mend], key: ApiKey, transaction: Transaction, store_id: int
) -> tuple[Flag, ...]:
    """Flag what was corrected in an order, one flag for each reason."""
    by_reason: dict[str, list[str]] = {}
    for mend in mends:
        by_reason.setdefault(mend.reason, []).append(mend.field)
    return tuple(
        Flag(
            FlagKind.ORDER_MENDED,
            reason,
            about_order(key, transaction, store_id)
            | {"fields": fields[:LISTED_MAX], "field_count": len(fields)},
        )
        for reason, fields in by_reason.items()
    )


def offer_flags(
    program: Program, refused: Mapping[str, str], transaction: Transaction
) -> tuple[Flag, ...]:
    """
    Flag the offers that do not hold, together by reason.

    What the program does not have is the caller's own text, which is never logged.
    """
    by_reason: dict[str, list[str]] = {}
    for name, reason in refused.items():
        by_reason.setdefault(reason, []).append(name)
    return tuple(
        Flag(
            FlagKind.OFFER_INVALID,
            reason,
            {
                "program_id": transaction.program_id,
                "store_id": transaction.store_id,
                "partner": transaction.partner,
                "transaction_id": transaction.transaction_id,
                "status": transaction.status.name,
                "offers": [name for name in names if name in program.incentives][:LISTED_MAX],
                "offer_count": len(names),
            },
        )
        for reason, names in by_reason.items()
    )


def flag_taken_off(
    key: ApiKey, transaction: Transaction, found: Sequence[TakenOff]
) -> tuple[Flag, ...]:
    """Flag what a till took off beyond what the program allows; amounts are in minor units."""
    beyond = [
        one
        for one in found
        if one.told is not None and one.allowed is not None and one.told > one.allowed
    ]
    if not beyond:
        return ()
    about = about_order(key, transaction) | {
        "incentives": [one.incentive_id for one in beyond[:LISTED_MAX]],
        "taken": sum(one.told or 0 for one in beyond),
        "allowed": sum(one.allowed or 0 for one in beyond),
    }
    return (Flag(FlagKind.TAKEN_OFF, BEYOND_ALLOWED, about),)


def points_cut(
    key: ApiKey, transaction: Transaction, member: Member, reason: str, due: int, given: int
) -> tuple[tuple[Flag, ...], tuple[Event, ...]]:
    """
    Flag points that were *due* and not *given*, and tell of them as an event.

    An operator may give them by hand.
    """
    if given >= due:
        return (), ()
    told = {"due": due, "given": given}
    about = about_order(key, transaction) | {"loyalty_id": member.loyalty_id, **told}
    event = Event(
        EventKind.POINTS_CUT,
        transaction.program_id,
        member,
        subject=transaction.transaction_id,
        reason=reason,
        detail=json.dumps(told, separators=(",", ":")),
    )
    return (Flag(FlagKind.POINTS_CUT, reason, about),), (event,)
