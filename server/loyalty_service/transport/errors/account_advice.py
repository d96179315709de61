"""What a till does about errors of points that are moved in a session, besides orders."""

from __future__ import annotations

from collections.abc import Mapping

from loyalty_service.transport.errors.advice_terms import Advice, Again

_RESERVE = "ReservePoints"
_LOWER = "LowerReservation"
_CANCEL = "CancelReservation"
_REDEEM = "IssueAdhocRedemption"
_REWARD = "IssueAdhocReward"
_VOID = "VoidAdhocTransaction"
_LOCKS = ("CreateRedemptionLock", "DeleteRedemptionLock")
_BY_TOKEN = (_LOWER, _CANCEL, _REDEEM)
_FINALIZE = "FinalizePurchase"

VISIT_CALLS = (
    *("GetBalance", "GetMembership", "ListVisitHistory", "ListRedemptionLocks"),
    *(_RESERVE, *_BY_TOKEN, _REWARD, _VOID, *_LOCKS),
)
"""Names of the calls that show and move points in a session."""

ACCOUNT_ADVICE: Mapping[str, Advice] = {
    "REDEMPTION_NOT_ALLOWED": Advice(
        Again.CORRECTED,
        "The guest can't pay with these points now. Take another payment.",
        "Le client ne peut pas payer avec ces points. Acceptez un autre paiement.",
        (_RESERVE, *_BY_TOKEN, _REWARD, _VOID, *_LOCKS, _FINALIZE),
    ),
    "RESERVATION_INVALID": Advice(
        Again.CORRECTED,
        "The points are no longer set aside. Reserve them again, or take another payment.",
        "Les points ne sont plus réservés. Réservez-les de nouveau, ou acceptez un autre paiement.",
        (*_BY_TOKEN, _FINALIZE),
    ),
    "RESERVATION_RAISED": Advice(
        Again.CORRECTED,
        "A reservation can't be raised. Cancel it, and reserve again.",
        "Une réservation ne peut pas être augmentée. Annulez-la, puis réservez de nouveau.",
        (_LOWER,),
    ),
    "BUSINESS_UNIT_UNKNOWN": Advice(
        Again.CORRECTED,
        "This till is not set up for loyalty. Call support.",
        "Cette caisse n'est pas configurée pour la fidélité. Appelez le soutien technique.",
        (_REDEEM, _REWARD),
    ),
    "ADHOC_REWARD_UNKNOWN": Advice(
        Again.CORRECTED,
        "This bonus is not available. Call support.",
        "Ce boni n'est pas offert. Appelez le soutien technique.",
        (_REWARD,),
    ),
    "REFERENCE_REUSED": Advice(
        Again.CORRECTED,
        "The till repeated a number. Please try again.",
        "La caisse a répété un numéro. Veuillez réessayer.",
        (_REDEEM, _REWARD, _VOID),
    ),
    "ALREADY_VOIDED": Advice(
        Again.NEVER,
        "This was taken back already.",
        "Cette opération a déjà été annulée.",
        (_VOID,),
    ),
    "VOID_NOT_ALLOWED": Advice(
        Again.NEVER,
        "This can't be taken back here. Return the items of the order instead.",
        "Cette opération ne peut pas être annulée ici. Retournez plutôt les articles.",
        (_VOID,),
    ),
}
