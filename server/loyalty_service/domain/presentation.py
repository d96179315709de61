"""Texts for receipts, in the guest's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import lru_cache

from loyalty_service.domain.expiry import Going, NamedDay
from loyalty_service.domain.program import DEFAULT_LOCALE, Program
from loyalty_service.domain.receipts import PLACEHOLDER, ReceiptTexts

_EN = {
    "points_earned": "Earned: {points}",
    "points_redeemed": "Redeemed: {points}",
    "total_points": "Balance: {points}",
    "identifier": "Transaction ID: {transaction_id}",
    "footer": "Thank you.",
    "points_gone": "{points} points go on {day}",
    "points_good": "{points} points are good until {day}",
    "receipt": "Enter this code in the app to claim {points} points: {code}",
}
_FR = {
    "points_earned": "Accumulés : {points}",
    "points_redeemed": "Échangés : {points}",
    "total_points": "Solde : {points}",
    "identifier": "Numéro de transaction : {transaction_id}",
    "footer": "Merci.",
    "points_gone": "{points} points expirent le {day}",
    "points_good": "{points} points sont valables jusqu'au {day}",
    "receipt": "Entrez ce code dans l'application pour obtenir {points} points : {code}",
}
TEXTS: Mapping[str, Mapping[str, str]] = {
    "en-CA": _EN,
    "en-US": _EN,
    "fr-CA": _FR,
    # Of members alone: by contract neither sessions nor programs have these two.
    "EN": _EN,
    "FR": _FR,
}
"""What programs print that have no texts of their own."""

_VALUE_OF = {
    "points_earned": "points",
    "points_redeemed": "redeemed",
    "total_points": "total",
    "identifier": "transaction_id",
    "qr_code": "scanned",
    "points_expiring": "day",
}
"""What follows a text that only stands before something."""


@dataclass(frozen=True, slots=True)
class Presentation:
    """Lines to print and to show; an absent one is not."""

    header: str | None = None
    footer: str | None = None
    identifier: str | None = None
    points_earned: str | None = None
    points_redeemed: str | None = None
    total_points: str | None = None
    marketing: str | None = None
    qr_code: str | None = None
    guest_display: str | None = None
    operator_display: str | None = None
    points_expiring: str | None = None


def claimed_presentation(
    program: Program,
    locale: str | None,
    pos_type: str,
    transaction_id: str,
    earned: int,
    redeemed: int,
    total: int,
    going: Going | None = None,
) -> Presentation:
    """Word what a claimed order did to the guest's points, and which of them go next."""
    if program.receipts is not None:
        wanted = filter(None, (locale, program.locale))
        chosen, own = program.receipts.texts(wanted, pos_type, claimed=True)
        expiring = 0 if going is None else going.points
        numbers = {"points": earned, "redeemed": redeemed, "total": total, "expiring": expiring}
        words = {"transaction_id": transaction_id, "scanned": transaction_id, "code": ""}
        words["day"] = "" if going is None else _day(going.expiration_date, chosen)
        left_out = set() if redeemed else {"points_redeemed"}
        left_out |= {"points_expiring"} if going is None else set()
        return _worded(own, _written(numbers, chosen) | words, left_out)
    texts = TEXTS.get(locale or program.locale or DEFAULT_LOCALE, _EN)
    return Presentation(
        *_frame(program.name, texts, transaction_id),
        points_earned=texts["points_earned"].format(points=earned),
        points_redeemed=texts["points_redeemed"].format(points=redeemed) if redeemed else None,
        total_points=texts["total_points"].format(points=total),
        points_expiring=None if going is None else _going(texts, going, program),
    )


def _going(texts: Mapping[str, str], going: Going, program: Program) -> str:
    named = program.expiry.expiration_date
    text = texts["points_good" if named is NamedDay.LAST_GOOD else "points_gone"]
    return text.format(points=going.points, day=going.expiration_date)


def unclaimed_presentation(
    program: Program, pos_type: str, transaction_id: str, points: int, code: str
) -> Presentation:
    """Word how a guest who did not identify gets the points of an order."""
    if program.receipts is not None:
        chosen, own = program.receipts.texts((program.locale,), pos_type, claimed=False)
        words = {"transaction_id": transaction_id, "scanned": code, "code": code}
        # Nothing is burned, and no balance is known.
        words |= dict.fromkeys(("redeemed", "total", "expiring", "day"), "")
        left_out = {"points_redeemed", "total_points", "points_expiring"}
        return _worded(own, _written({"points": points}, chosen) | words, left_out)
    texts = TEXTS.get(program.locale, _EN)
    return Presentation(
        *_frame(program.name, texts, transaction_id),
        marketing=texts["receipt"].format(points=points, code=code),
    )


def _frame(header: str, texts: Mapping[str, str], transaction_id: str) -> tuple[str, str, str]:
    """Give the lines that every order has: header, footer and identifier."""
    return header, texts["footer"], texts["identifier"].format(transaction_id=transaction_id)


def _worded(texts: ReceiptTexts, values: Mapping[str, str], left_out: set[str]) -> Presentation:
    """Put the values into the texts of a program."""
    lines = {}
    for one in fields(texts):
        text = getattr(texts, one.name)
        if text is None or one.name in left_out:
            continue
        line = PLACEHOLDER.sub(lambda found: values[found[1]], text)
        if one.name in _VALUE_OF and line == text:
            line += values[_VALUE_OF[one.name]]
        lines[one.name] = line
    return Presentation(**lines)


def _written(numbers: Mapping[str, int], locale: str) -> dict[str, str]:
    return {name: _number(number, locale) for name, number in numbers.items()}


@lru_cache(maxsize=4096)
def _number(number: int, locale: str) -> str:
    """Write a number as people of a locale do."""
    # Only programs with texts of their own pay for this.
    from babel import Locale  # noqa: PLC0415
    from babel.numbers import format_decimal  # noqa: PLC0415

    return format_decimal(number, locale=Locale.parse(locale, sep="-")) if locale else str(number)


@lru_cache(maxsize=4096)
def _day(day: str, locale: str) -> str:
    """Write a day, as YYYY-MM-DD, as people of a locale do."""
    from babel import Locale  # noqa: PLC0415
    from babel.dates import format_date  # noqa: PLC0415

    if not locale:
        return day
    return format_date(date.fromisoformat(day), locale=Locale.parse(locale, sep="-"))
