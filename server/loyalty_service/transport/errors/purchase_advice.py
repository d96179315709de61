"""What a till does about errors of purchases of sessions."""

from __future__ import annotations

from collections.abc import Mapping

from loyalty_service.transport.errors.advice_terms import Advice, Again

AWARD = "AwardPurchase"
ADJUST = "AdjustPurchase"
NO_RECEIPT = "AdjustWithoutReceipt"
CONFIRM = "ConfirmPurchase"
PURCHASES = (
    *("TryPurchase", "FinalizePurchase", "ReportOfflinePurchase"),
    *(AWARD, ADJUST, NO_RECEIPT, CONFIRM),
)
"""Names of the calls about purchases."""

PURCHASE_ADVICE: Mapping[str, Advice] = {
    "PURCHASE_NOT_FOUND": Advice(
        Again.CORRECTED,
        "Loyalty does not know this order. Go on without it.",
        "Le programme de fidélité ne connaît pas cette commande. Continuez sans elle.",
        (AWARD, ADJUST, CONFIRM),
    ),
    "ORIGINAL_OF_ANOTHER_MEMBER": Advice(
        Again.CORRECTED,
        "This order is another guest's. Ask for the right card.",
        "Cette commande est celle d'un autre client. Demandez la bonne carte.",
        (AWARD, ADJUST, CONFIRM, "VoidAdhocTransaction"),
    ),
    "CONFIRMATION_NOT_NEEDED": Advice(
        Again.NEVER,
        "This order does not wait to be confirmed. Go on.",
        "Cette commande n'attend pas de confirmation. Continuez.",
        (CONFIRM,),
    ),
    "CONFIRMATION_MISMATCH": Advice(
        Again.CORRECTED,
        "This order is confirmed in another way. Confirm it from the cart.",
        "Cette commande se confirme autrement. Confirmez-la à partir du panier.",
        (CONFIRM,),
    ),
    "CONFIRMATION_IMPOSSIBLE": Advice(
        Again.NEVER,
        "This order has no items to confirm. Go on without it.",
        "Cette commande n'a aucun article à confirmer. Continuez sans elle.",
        (CONFIRM,),
    ),
    "CONFIRMATION_TOO_LATE": Advice(
        Again.NEVER,
        "This order is too old to be confirmed. Its points are not given.",
        "Cette commande est trop ancienne pour être confirmée. Ses points ne sont pas accordés.",
        (CONFIRM,),
    ),
    "CONFIRMATION_DONE": Advice(
        Again.NEVER,
        "This order is confirmed already. Go on.",
        "Cette commande est déjà confirmée. Continuez.",
        (CONFIRM,),
    ),
}
"""What to do, by the reason of the error."""
