"""The texts that a program puts on receipts and screens, by language and kind of till."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace

PLACEHOLDERS = ("points", "redeemed", "total", "expiring", "day", "code", "transaction_id")
"""
What may stand in braces in a text: numbers of points, the day on which points go next, the
receipt's code, the transaction.
"""

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class ReceiptTexts:
    """
    The texts of one language; what is absent is not printed.

    Attributes:
        points_earned: Stands before the points earned.
        points_redeemed: Stands before the points burned.
        total_points: Stands before the balance.
        identifier: Stands before the transaction.
        qr_code: Stands before what a guest scans: the receipt's code, or the transaction.
        points_expiring: Stands before the nearest day on which points go; not printed if none go.
        guest_display: For the screen that the guest sees.
        operator_display: For the screen that the cashier sees.
    """

    header: str | None = None
    marketing: str | None = None
    points_earned: str | None = None
    points_redeemed: str | None = None
    total_points: str | None = None
    identifier: str | None = None
    qr_code: str | None = None
    footer: str | None = None
    points_expiring: str | None = None
    guest_display: str | None = None
    operator_display: str | None = None

    def over(self, other: ReceiptTexts) -> ReceiptTexts:
        """Take those of *other* where there are none of its own."""
        own = {one.name: getattr(self, one.name) for one in fields(self)}
        return replace(other, **{name: text for name, text in own.items() if text is not None})


Texts = Mapping[str, ReceiptTexts]
"""Texts by locale."""


@dataclass(frozen=True, slots=True)
class ReceiptBlocks:
    """What is printed for a guest who has identified, and for one who has not."""

    claimed: Texts = field(default_factory=dict)
    unclaimed: Texts = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipts:
    """
    The texts of a program.

    Attributes:
        pos_types: What tills of a vendor print in their place, by pos type in lower case.
    """

    blocks: ReceiptBlocks
    pos_types: Mapping[str, ReceiptBlocks] = field(default_factory=dict)

    @property
    def locales(self) -> frozenset[str]:
        """The locales that have texts."""
        every = (self.blocks, *self.pos_types.values())
        return frozenset(
            locale for one in every for texts in (one.claimed, one.unclaimed) for locale in texts
        )

    def texts(
        self, wanted: Iterable[str], pos_type: str, *, claimed: bool
    ) -> tuple[str, ReceiptTexts]:
        """
        Choose the locale and the texts for a guest who wants one of some locales, the first most.

        A guest whose locale has none gets those of the same language, or else the first there are.
        """
        own = self.pos_types.get(pos_type.strip().casefold(), ReceiptBlocks())
        base, over = (one.claimed if claimed else one.unclaimed for one in (self.blocks, own))
        locale = _nearest(wanted, (*base, *over))
        if locale is None:
            return "", ReceiptTexts()
        return locale, over.get(locale, ReceiptTexts()).over(base.get(locale, ReceiptTexts()))


def _nearest(wanted: Iterable[str], known: Iterable[str]) -> str | None:
    """Find the locale that serves best: the same, one of the same language, or the first."""
    listed = tuple(known)
    for one in wanted:
        if one in listed:
            return one
        language = one.partition("-")[0].casefold()
        alike = [locale for locale in listed if locale.partition("-")[0].casefold() == language]
        if alike:
            return alike[0]
    return next(iter(listed), None)
