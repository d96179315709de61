"""Texts for receipts, in the guest's language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loyalty_service.domain.program import DEFAULT_LOCALE

_EN = {
    "points_earned": "Earned: {points}",
    "points_redeemed": "Redeemed: {points}",
    "total_points": "Balance: {points}",
    "identifier": "Transaction ID: {transaction_id}",
    "footer": "Thank you.",
    "receipt": "Enter this code in the app to claim {points} points: {code}",
}
_FR = {
    "points_earned": "Accumulés : {points}",
    "points_redeemed": "Échangés : {points}",
    "total_points": "Solde : {points}",
    "identifier": "Numéro de transaction : {transaction_id}",
    "footer": "Merci.",
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


@dataclass(frozen=True, slots=True)
class Presentation:
    """Lines to print; an absent one is not printed."""

    header: str
    footer: str
    identifier: str
    points_earned: str | None = None
    points_redeemed: str | None = None
    total_points: str | None = None
    marketing: str | None = None


def claimed_presentation(
    header: str, locale: str | None, transaction_id: str, earned: int, redeemed: int, total: int
) -> Presentation:
    """Word what a claimed order did to the guest's points."""
    texts = TEXTS.get(locale or DEFAULT_LOCALE, _EN)
    return Presentation(
        *_frame(header, texts, transaction_id),
        points_earned=texts["points_earned"].format(points=earned),
        points_redeemed=texts["points_redeemed"].format(points=redeemed) if redeemed else None,
        total_points=texts["total_points"].format(points=total),
    )


def unclaimed_presentation(
    header: str, locale: str | None, transaction_id: str, points: int, code: str
) -> Presentation:
    """Word how a guest who did not identify gets the points of an order."""
    texts = TEXTS.get(locale or DEFAULT_LOCALE, _EN)
    return Presentation(
        *_frame(header, texts, transaction_id),
        marketing=texts["receipt"].format(points=points, code=code),
    )


def _frame(header: str, texts: Mapping[str, str], transaction_id: str) -> tuple[str, str, str]:
    """Give the lines that every order has: header, footer and identifier."""
    return header, texts["footer"], texts["identifier"].format(transaction_id=transaction_id)
