"""
What is let through although it breaks a rule or a limit: operators are told, callers are not.

The guest has paid for the order, so a till that reports it too late or against a rule is not
refused. A use case puts its flags into its result; they are logged and counted after the commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from loyalty_service.domain.breaches import Breach
from loyalty_service.domain.limits import LimitName


class FlagKind(StrEnum):
    """What was let through; a value of a metric's label."""

    OFFER_INVALID = "offer_invalid"
    """
    An offer of an order without a guest does not hold, or nobody knows one of a claimed order: it
    earns nothing and is not counted.
    """

    VOID_LATE = "void_late"
    """An order was cancelled later than the program allows."""

    TILL_TIME = "till_time"
    """The till's own time of a paid order is far from the server's clock; it was believed."""

    BEYOND_LIMIT = "beyond_limit"
    """A paid order came beyond a limit; the reason is the limit's name."""

    ORDER_MENDED = "order_mended"
    """A paid order was corrected; an open order would have been refused."""

    ORDER_REPEATED = "order_repeated"
    """An order looks like another one of its day, so that one order may earn twice."""

    OTHER_PARTNER = "other_partner"
    """An order was claimed or cancelled by another partner than the one that opened it."""
    STORE_REMOVED = "store_removed"
    """An order comes from a store that the program has removed; it was taken as before."""
    POINTS_CUT = "points_cut"
    """A member got fewer points than were due, by an order or by its void."""

    MEMBER_BLOCKED = "member_blocked"
    """A paid order is of a member who is blocked, or was erased: it is taken as it is."""

    TAKEN_OFF = "taken_off"
    """A till took off more by a reward or offer than the program says; its price was taken."""

    OFFLINE_ORDER = "offline_order"
    """An order that a till reported later has something odd; it was taken as far as it can be."""


OFFER_UNKNOWN = "unknown"
"""Reason of an offer that the program does not have, or no longer."""

DAYS_PASSED = "days"
"""Reason of an order that is reported more days late than the program allows."""

AMOUNT_ROUNDED = "amount"
"""Reason of a price with more digits than the currency: it was rounded."""

PARENT_IGNORED = "parent"
"""Reason of a line that is a part of one that is not there, or of itself: it is a part of none."""

INCENTIVE_UNNAMED = "incentive"
"""Reason of an offer that names none of the program's: nothing is counted for it."""

TEXT_REPAIRED = "text"
"""Reason of a text that is not Unicode: U+FFFD replaced what is not a character."""

FIELD_IGNORED = "field"
"""Reason of a field that changes no point and has an invalid value: it is cut or left out."""

HOURS_PASSED = "hours"
"""Reason of a till's time that is further off than that of another call may be."""

ORDER_CLAIMED = "claimed"
"""Reason of an order that looks like one which is claimed, or of one that is claimed."""

ORDER_RECORDED = "recorded"
"""Reason of an order without a guest; of one that looks like another, which nobody has claimed."""

ORDER_OPEN = "open"
"""Reason of an order that is reported and not paid yet."""

CLAIMED_BY_OTHER = "claim"
"""Reason of an order that another partner claimed: the guest may pay at another vendor's till."""

VOIDED_BY_OTHER = "void"
"""Reason of an order that another partner cancelled."""

CUT_ORDER = "order"
"""Reason of an order worth so many points that it earned what the limit of an order allows."""

CUT_FULL = "full"
"""Reason of an order that earned less because its member can't have more points."""

CUT_REFUND = "refund"
"""Reason of a void that gave back less because the member can't have more points."""

BEYOND_ALLOWED = "more"
"""Reason of an order whose till took off more than the program allows."""

REDEMPTION_LEFT_OUT = "redemption"
"""Reason of an order that was to spend points: it only earns."""

TOO_OLD = "old"
"""Reason of an order that is older than the program takes: it earns nothing."""

TIME_AHEAD = "ahead"
"""Reason of an order whose till's time is still to come, or none: it counts as paid now."""

NO_MEMBER_YET = "enrolment"
"""Reason of an order from before its member enrolled: nobody has claimed it."""

MEMBER_UNKNOWN = "member"
"""Reason of an order whose member nobody knows: nobody has claimed it."""

LISTED_MAX = 10
"""Offers or fields that the line about one flag names; it counts all."""

REASONS: Mapping[FlagKind, tuple[str, ...]] = {
    FlagKind.OFFER_INVALID: (OFFER_UNKNOWN, *(breach.value.code for breach in Breach)),
    FlagKind.VOID_LATE: (DAYS_PASSED,),
    FlagKind.TILL_TIME: (HOURS_PASSED,),
    FlagKind.BEYOND_LIMIT: tuple(name.value for name in LimitName),
    FlagKind.ORDER_MENDED: (
        AMOUNT_ROUNDED,
        PARENT_IGNORED,
        INCENTIVE_UNNAMED,
        TEXT_REPAIRED,
        FIELD_IGNORED,
    ),
    FlagKind.ORDER_REPEATED: (ORDER_CLAIMED, ORDER_RECORDED),
    FlagKind.OTHER_PARTNER: (CLAIMED_BY_OTHER, VOIDED_BY_OTHER),
    FlagKind.MEMBER_BLOCKED: ("earn", "redeem", "both"),
    FlagKind.STORE_REMOVED: (ORDER_OPEN, ORDER_CLAIMED, ORDER_RECORDED),
    FlagKind.POINTS_CUT: (CUT_ORDER, CUT_FULL, CUT_REFUND),
    FlagKind.TAKEN_OFF: (BEYOND_ALLOWED,),
    FlagKind.OFFLINE_ORDER: (
        REDEMPTION_LEFT_OUT,
        TOO_OLD,
        TIME_AHEAD,
        NO_MEMBER_YET,
        MEMBER_UNKNOWN,
    ),
}
"""Every reason of each kind: both are labels of a metric, so that they must be few and fixed."""

NEVER_LEFT_OUT = frozenset(
    {
        (FlagKind.OTHER_PARTNER.value, VOIDED_BY_OTHER),
        (FlagKind.BEYOND_LIMIT.value, LimitName.POINTS_PER_ORDER.value),
        (FlagKind.BEYOND_LIMIT.value, LimitName.POINTS_PER_MEMBER_DAY.value),
        (FlagKind.BEYOND_LIMIT.value, LimitName.POINTS_PER_KEY_DAY.value),
        (FlagKind.BEYOND_LIMIT.value, LimitName.USES_PER_ORDER.value),
        (FlagKind.POINTS_CUT.value, CUT_ORDER),
        (FlagKind.POINTS_CUT.value, CUT_FULL),
        (FlagKind.POINTS_CUT.value, CUT_REFUND),
    }
)
"""Flags that always have a line in the log, because an operator needs the order to undo it."""


@dataclass(frozen=True, slots=True)
class Flag:
    """
    One thing that was let through.

    Attributes:
        reason: One of `REASONS` of its kind.
        about: What the log says besides, by name, for instance the transaction and its store.
    """

    kind: FlagKind
    reason: str
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Mend:
    """
    One thing that was corrected in a paid order.

    Attributes:
        reason: One of those of `FlagKind.ORDER_MENDED`.
        field: Where it was in the request.
    """

    reason: str
    field: str


def every_flag() -> Iterator[tuple[str, str]]:
    """Give each kind with each of its reasons."""
    for kind, reasons in REASONS.items():
        for reason in reasons:
            yield kind.value, reason
