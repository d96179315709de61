"""Words the cashier's part of a case, for people and for tills that drive themselves."""

from __future__ import annotations

from typing import Any

from loyalty_service.certification.cases import Case
from loyalty_service.certification.patterns import CaseError
from loyalty_service.certification.program import TestProgram

VERBS = {
    "scan": "Type the code {what}.",
    "ring": "Ring up {what}.",
    "add": "Add {what} from the till's own list.",
    "remove": "Take {what} out of the order.",
    "pay": "Take the payment{what}.",
    "cancel": "Cancel the order: the guest leaves.",
    "send": "Send the order to the counter, unpaid.",
    "refund": "Give the money back: void the paid order.",
    "wait": "Wait until the till has sent what it kept.",
    "start": "Start an order without a card.",
    "promo": "Type the promo code {what}.",
    "show": "Show what the guest may use.",
}
_PAYMENTS = {
    "card": " by card",
    "cash": " in cash",
    "declined": ": the card is declined",
    "counter": " at the counter",
}


def actions_of(case: Case, program: TestProgram) -> list[dict[str, Any]]:
    """
    Give what a cashier does, one thing after the other.

    Raises:
        CaseError: The case names something that the program does not have.
    """
    if case.watch is None:
        return []
    actions: list[dict[str, Any]] = []
    for text in case.watch.cashier:
        verb, _, what = text.partition(" ")
        action: dict[str, Any] = {"do": verb}
        if verb == "scan":
            action["code"] = _digits(case, program, what)
        elif verb in {"ring", "add", "remove"}:
            if what not in program.products:
                raise CaseError(f"{case.id}: there is no product {what}")
            product = program.products[what]
            action["product"] = product.model_dump(exclude_defaults=True)
        elif verb == "promo":
            promo = program.promo_codes.get(what)
            action["code"] = promo.code if promo else what
        elif verb == "pay":
            if what not in _PAYMENTS:
                raise CaseError(f"{case.id}: nobody can pay {what}")
            action["by"] = what
        elif verb not in VERBS:
            raise CaseError(f"{case.id}: nobody can {verb}")
        actions.append(action)
    return actions


def _digits(case: Case, program: TestProgram, name: str) -> str:
    """
    Give a code that a cashier can type.

    Raises:
        CaseError: The program has no such code, or no fixed digits for it.
    """
    code = program.codes.get(name)
    if code is None or not isinstance(code.digits, str) or not code.digits:
        raise CaseError(f"{case.id}: there is no code {name} to type")
    return code.digits


def said(case: Case, program: TestProgram) -> str:
    """Word what a cashier does, in one line."""
    parts = []
    for action in actions_of(case, program):
        what = action.get("code", "")
        if "product" in action:
            product = action["product"]
            what = f"{product['name']} ({product['productId']})"
            if "price" in product:
                what += f" for {product['price']:.2f}"
                what += f" and {product['tax']:.2f} tax" if "tax" in product else ""
        if action["do"] == "pay":
            what = _PAYMENTS[action["by"]]
        parts.append(VERBS[action["do"]].format(what=what))
    return " ".join(parts)
