"""
What a till does about each error, beside the catalogue: whether to send again, and what to say.

The OpenAPI document and the reference page are made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from loyalty_service.transport.errors.account_advice import ACCOUNT_ADVICE, VISIT_CALLS
from loyalty_service.transport.errors.advice_terms import WRITING, Advice, Again
from loyalty_service.transport.errors.purchase_advice import (
    ADJUST,
    AWARD,
    NO_RECEIPT,
    PURCHASE_ADVICE,
    PURCHASES,
)

_IDENTIFY = "IdentifyMember"
_AGAIN = "IdentifyMemberAgain"
_STATUS = "ChangeTransactionStatus"
_VALIDATE = "ValidateOrder"
_REPORT = "ReportOrder"
_VOID = "VoidTransaction"
_RETURN = "ReturnLines"
_UNCLAIMED = "RecordUnclaimedOrder"
_RECEIPT = "ClaimReceipt"
_PROMO = "RedeemPromoCode"
_POINTS = "AssignPoints"
_GRANT = "TakeGrant"
_SESSION = "StartSession"
_ANONYMOUS = "StartAnonymousSession"
_ORDERS = (_VALIDATE, _REPORT)
_BY_ID = (*_ORDERS, _VOID, _RETURN, "GetTransaction", _AGAIN, _STATUS)

_SETUP = Advice(
    Again.CORRECTED,
    "This till is not set up for loyalty. Serve the guest without it and call support.",
    "Cette caisse n'est pas configurée pour la fidélité. Servez le client sans elle et appelez le "
    "soutien technique.",
)
_LATER = Advice(
    Again.SAME_KEY,
    "Loyalty does not answer right now. Please try again in a moment.",
    "Le programme de fidélité ne répond pas. Veuillez réessayer dans un instant.",
)
_OPEN = Advice(
    Again.SAME_KEY,
    "The answer took too long. Try again: nothing is counted twice.",
    "La réponse a trop tardé. Réessayez : rien ne sera compté deux fois.",
)
_REWARD_GONE = Advice(
    Again.CORRECTED,
    "This reward is not available any more. Ask the guest to choose another one.",
    "Cette récompense n'est plus offerte. Demandez au client d'en choisir une autre.",
    (_IDENTIFY, _AGAIN, *_ORDERS, _STATUS),
)
_RETYPE = Advice(
    Again.CORRECTED,
    "This is not a valid code. Ask the guest to show the code again.",
    "Ce code n'est pas valide. Demandez au client de montrer son code de nouveau.",
    (_IDENTIFY, _AGAIN),
)
_UNKNOWN_ORDER = Advice(
    Again.CORRECTED,
    "Loyalty does not know this order. Ask the guest to identify again.",
    "Le programme de fidélité ne connaît pas cette commande. Demandez au client de s'identifier de "
    "nouveau.",
    _BY_ID,
)
_NOT_A_CASHIERS = Advice(
    Again.CORRECTED,
    "Loyalty did not accept the order. Serve the guest and call support.",
    "Le programme de fidélité n'a pas accepté la commande. Servez le client et appelez le soutien "
    "technique.",
)

ADVICE: Mapping[str, Advice] = {
    **ACCOUNT_ADVICE,
    "REQUEST_INVALID": _NOT_A_CASHIERS,
    "CORRELATION_ID_INVALID": Advice(
        Again.CORRECTED,
        "This visit has ended. Start a new order.",
        "Cette visite est terminée. Commencez une nouvelle commande.",
        (_SESSION, _ANONYMOUS),
    ),
    "SESSION_NOT_FOUND": Advice(
        Again.CORRECTED,
        "Loyalty does not know this visit. Start a new order.",
        "Le programme de fidélité ne connaît pas cette visite. Commencez une nouvelle commande.",
        (*PURCHASES, *VISIT_CALLS),
    ),
    "SESSION_CLOSED": Advice(
        Again.CORRECTED,
        "This visit has ended. Start a new order.",
        "Cette visite est terminée. Commencez une nouvelle commande.",
        (*PURCHASES, *VISIT_CALLS),
    ),
    "ACCOUNT_NOT_FOUND": Advice(
        Again.CORRECTED,
        "No member is known by this. Ask the guest for another way to find the membership.",
        "Aucun membre n'est connu ainsi. Demandez au client une autre façon de trouver l'adhésion.",
        (_SESSION, AWARD, NO_RECEIPT),
    ),
    "GRANT_TYPE_UNSUPPORTED": replace(_SETUP, calls=("IssueToken",)),
    "IDENTIFIER_TYPE_INVALID": replace(_SETUP, calls=(_SESSION,)),
    **PURCHASE_ADVICE,
    "API_KEY_MISSING": _SETUP,
    "API_KEY_INVALID": _SETUP,
    "ROLE_NOT_ALLOWED": _SETUP,
    "STORE_NOT_ALLOWED": replace(
        _SETUP, calls=(WRITING, *_BY_ID, "GetOutcome", _PROMO, "ListIncentives", *VISIT_CALLS)
    ),
    "STORE_NOT_FOUND": replace(
        _SETUP,
        calls=(_SESSION, _IDENTIFY, *_ORDERS, _UNCLAIMED, "ReportOfflineOrder", "ListIncentives"),
    ),
    "MEMBER_NOT_FOUND": Advice(
        Again.CORRECTED,
        "No member has this loyalty ID. Ask the guest to show the app again.",
        "Aucun membre n'a ce numéro de fidélité. Demandez au client de montrer l'application de "
        "nouveau.",
        (
            _SESSION,
            _IDENTIFY,
            _AGAIN,
            *_ORDERS,
            _VOID,
            _RECEIPT,
            "IssueCode",
            "GetMember",
            "MergeMembers",
            "UnmergeMembers",
            "GetUser",
            "UpdateMember",
            "BlockMember",
            "EraseMember",
            "ExportMember",
            "AdjustPoints",
            _POINTS,
            _GRANT,
            _PROMO,
            "SearchTransactions",
            "ListIncentives",
            "ListTransfers",
        ),
    ),
    "IDENTIFICATION_FAILED": _RETYPE,
    "IDENTIFIER_INVALID": _RETYPE,
    "IDENTIFIER_TYPE_DISABLED": Advice(
        Again.CORRECTED,
        "This way to identify is not accepted here. Ask the guest for the code in the app.",
        "Ce moyen d'identification n'est pas accepté ici. Demandez au client le code de "
        "l'application.",
        (_IDENTIFY, _AGAIN),
    ),
    "CODE_NOT_FOUND": Advice(
        Again.CORRECTED,
        "This code is not known or has expired. Ask the guest for a new code.",
        "Ce code est inconnu ou expiré. Demandez un nouveau code au client.",
        (_IDENTIFY, _AGAIN, "GetCode"),
    ),
    "CODE_ALREADY_USED": Advice(
        Again.CORRECTED,
        "This code was already used. Ask the guest for a new code.",
        "Ce code a déjà servi. Demandez un nouveau code au client.",
        (_IDENTIFY, _AGAIN),
    ),
    "GUEST_CHANGED": Advice(
        Again.CORRECTED,
        "This code is of another guest. Cancel the order and begin again, or ask for their own.",
        "Ce code est celui d'un autre client. Annulez la commande et recommencez, ou demandez le "
        "sien au client.",
        (_AGAIN,),
    ),
    "TOO_MANY_WRONG_CODES": Advice(
        Again.SAME_KEY,
        "Too many wrong codes were entered. Wait before you enter another one.",
        "Trop de codes erronés ont été saisis. Attendez avant d'en saisir un autre.",
        (_IDENTIFY, _AGAIN, "GetCode"),
    ),
    "REWARD_NOT_FOUND": _REWARD_GONE,
    "OFFER_NOT_FOUND": Advice(
        Again.CORRECTED,
        "This offer is not available any more. Ask the guest to choose another one.",
        "Cette offre n'est plus disponible. Demandez au client d'en choisir une autre.",
        (_IDENTIFY, _AGAIN, *_ORDERS, _STATUS, _UNCLAIMED),
    ),
    "POINTS_INSUFFICIENT": Advice(
        Again.CORRECTED,
        "The guest does not have enough points. Remove a reward and try again.",
        "Le client n'a pas assez de points. Retirez une récompense et réessayez.",
        (
            *(_IDENTIFY, _AGAIN, _REPORT, _VOID, _STATUS, _RETURN, _POINTS, "AdjustPoints"),
            *(_GRANT, ADJUST, NO_RECEIPT, "IssueAdhocReward", "VoidAdhocTransaction"),
        ),
    ),
    "TRANSACTION_NOT_FOUND": replace(
        _UNKNOWN_ORDER, calls=(*_UNKNOWN_ORDER.calls, "VoidAdhocTransaction")
    ),
    "TRANSACTION_NOT_CLAIMABLE": Advice(
        Again.NEVER,
        "This order is already closed for loyalty. Its points do not change any more.",
        "Cette commande est déjà fermée pour la fidélité. Ses points ne changent plus.",
        (*_ORDERS, _AGAIN, _STATUS),
    ),
    "RULES_FAILED": Advice(
        Again.CORRECTED,
        "A reward or offer can't be used with this order. Remove it or change the order.",
        "Une récompense ou une offre ne s'applique pas à cette commande. Retirez-la ou modifiez la "
        "commande.",
        (*_ORDERS, _AGAIN, _STATUS, _UNCLAIMED),
    ),
    "REWARD_REFUSED": Advice(
        Again.CORRECTED,
        "This store takes no rewards. Remove the reward and try again.",
        "Ce restaurant n'accepte pas les récompenses. Retirez la récompense et réessayez.",
        (_IDENTIFY, _AGAIN, *_ORDERS, _STATUS),
    ),
    "RECEIPT_NOT_FOUND": Advice(
        Again.CORRECTED,
        "This receipt code is not known. Check the code on the receipt.",
        "Ce code de reçu est inconnu. Vérifiez le code sur le reçu.",
        (_RECEIPT,),
    ),
    "RECEIPT_ALREADY_CLAIMED": Advice(
        Again.NEVER,
        "The points of this receipt were already given.",
        "Les points de ce reçu ont déjà été accordés.",
        (_RECEIPT, AWARD),
    ),
    "ORDER_ALREADY_CLAIMED": Advice(
        Again.NEVER,
        "The points of this order were already given.",
        "Les points de cette commande ont déjà été accordés.",
        (_REPORT, _STATUS, _RECEIPT),
    ),
    "RECEIPT_EXPIRED": Advice(
        Again.NEVER,
        "This receipt is too old to earn points.",
        "Ce reçu est trop ancien pour donner des points.",
        (_RECEIPT, AWARD),
    ),
    "RECEIPT_LIMIT_REACHED": Advice(
        Again.CORRECTED,
        "You have claimed as many receipts as you can for now. Try again later.",
        "Vous avez réclamé autant de reçus que possible pour le moment. Réessayez plus tard.",
        (_RECEIPT, AWARD),
    ),
    "VOID_TOO_LATE": Advice(
        Again.NEVER,
        "This order is too old to be cancelled.",
        "Cette commande est trop ancienne pour être annulée.",
        (_VOID, _STATUS, "VoidAdhocTransaction"),
    ),
    "RETURN_TOO_LATE": Advice(
        Again.NEVER,
        "This order is too old: its points stay as they are.",
        "Cette commande est trop ancienne: ses points restent tels quels.",
        (_RETURN, ADJUST),
    ),
    "TRANSACTION_NOT_RETURNABLE": Advice(
        Again.NEVER,
        "This order is not paid or was cancelled: there are no points to take back.",
        "Cette commande n'est pas payée ou a été annulée: il n'y a pas de points à reprendre.",
        (_RETURN, ADJUST),
    ),
    "PROMO_CODE_NOT_FOUND": Advice(
        Again.CORRECTED,
        "This promo code is not known. Check the code and type it again.",
        "Ce code promotionnel est inconnu. Vérifiez le code et entrez-le de nouveau.",
        (_PROMO,),
    ),
    "PROMO_CODE_ALREADY_REDEEMED": Advice(
        Again.NEVER,
        "This promo code was already used.",
        "Ce code promotionnel a déjà été utilisé.",
        (_PROMO,),
    ),
    "PROMO_CODE_INVALID": Advice(
        Again.CORRECTED,
        "This promo code can't be used now or here.",
        "Ce code promotionnel n'est pas valable maintenant ou ici.",
        (_PROMO,),
    ),
    "CONTRACT_NOT_SERVED": replace(
        _SETUP, calls=(_ANONYMOUS, _SESSION, *PURCHASES, *VISIT_CALLS, _AGAIN, _STATUS)
    ),
    "EMAIL_TAKEN": Advice(
        Again.CORRECTED,
        "Another member already has this e-mail address. Ask the guest for another one.",
        "Un autre membre a déjà cette adresse courriel. Demandez-en une autre au client.",
        ("EnrollMember", "UpdateMember"),
    ),
    "IDENTIFIER_TAKEN": Advice(
        Again.CORRECTED,
        "Another member already has this phone number or card. Ask the guest for another one.",
        "Un autre membre a déjà ce numéro ou cette carte. Demandez-en un autre au client.",
        ("EnrollMember", "UpdateMember"),
    ),
    "MEMBER_BLOCKED": Advice(
        Again.NEVER,
        "This membership is blocked. Go on without it, and ask the guest to call us.",
        "Cette adhésion est bloquée. Continuez sans elle et demandez au client de nous appeler.",
        (
            *(_IDENTIFY, _AGAIN, *_ORDERS, _STATUS, _RECEIPT, AWARD, _PROMO, "IssueCode"),
            *(_POINTS, _GRANT, "IssueAdhocReward"),
        ),
    ),
    "CODE_REQUIRED": Advice(
        Again.CORRECTED,
        "To use a reward or offer, the guest shows a code in the app. Scan it, or leave them out.",
        "Pour une récompense ou une offre, le client montre un code. Balayez-le, ou retirez-les.",
        (*_ORDERS, _STATUS),
    ),
    "IDEMPOTENCY_KEY_REUSED": Advice(
        Again.NEW_KEY,
        "The till repeated a number. Please try again.",
        "La caisse a répété un numéro. Veuillez réessayer.",
        (WRITING,),
    ),
    "SERVER_BUSY": _LATER,
    "LIMIT_EXCEEDED": _LATER,
    "AMOUNT_BEYOND_LIMIT": Advice(
        Again.NEVER,
        "This is more than the program gives at once. Call support.",
        "C'est plus que ce que le programme accorde en une fois. Appelez le soutien technique.",
        (_RECEIPT, AWARD, _POINTS, "AdjustPoints", _PROMO, "IssueAdhocReward"),
    ),
    "STORAGE_UNAVAILABLE": _LATER,
    "REQUEST_NOT_RECEIVED": _LATER,
    "SERVER_CLOCK_WRONG": _LATER,
    "DEADLINE_PASSED": _OPEN,
    "SERVER_FAILED": _OPEN,
}
"""One row for each reason of the catalogue."""

EDGE_ADVICE: Mapping[int, Advice] = {
    400: _NOT_A_CASHIERS,
    401: _SETUP,
    403: _SETUP,
    404: _SETUP,
    405: _SETUP,
    408: _LATER,
    413: _NOT_A_CASHIERS,
    415: _SETUP,
    426: _SETUP,
    429: _LATER,
    431: _SETUP,
    500: _OPEN,
    501: replace(_SETUP, again=Again.NEVER),
    502: _OPEN,
    503: _LATER,
    504: _OPEN,
}
"""What Envoy answers by itself, by its HTTP status."""
