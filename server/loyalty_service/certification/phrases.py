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
    "card": "Show the loyalty card {what}.",
    "set_aside": "Set {what} points aside, to pay with them.",
    "let_go": "Let the points go: the guest pays otherwise.",
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
    parts = (text.partition(" ") for text in case.watch.cashier)
    return [{"do": verb} | _beside(case, program, verb, what) for verb, _, what in parts]


def _beside(case: Case, program: TestProgram, verb: str, what: str) -> dict[str, Any]:
    """
    Give what stands beside the word of an action.

    Raises:
        CaseError: The program does not have it, or nobody can do so.
    """
    if verb == "scan":
        return {"code": _digits(case, program, what)}
    if verb == "promo":
        promo = program.promo_codes.get(what)
        return {"code": promo.code if promo else what}
    if verb == "card":
        return {"loyaltyId": _member(case, program, what)}
    if verb == "set_aside":
        return {"points": program.session["rules"]["minRedeemPoints"]}
    if verb in {"ring", "add", "remove"}:
        return {"product": _product(case, program, what)}
    if verb not in VERBS or (verb == "pay" and what not in _PAYMENTS):
        raise CaseError(f"{case.id}: nobody can {verb} {what}".rstrip())
    return {"by": what} if verb == "pay" else {}


def _product(case: Case, program: TestProgram, name: str) -> dict[str, Any]:
    """
    Give a product that can be rung up.

    Raises:
        CaseError: The program has no such product.
    """
    if name not in program.products:
        raise CaseError(f"{case.id}: there is no product {name}")
    return program.products[name].model_dump(exclude_defaults=True)


def _member(case: Case, program: TestProgram, name: str) -> str:
    """
    Give a member whose card can be shown.

    Raises:
        CaseError: The program has no such member.
    """
    if name not in program.members:
        raise CaseError(f"{case.id}: there is no member {name}")
    return program.members[name]


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
        what = str(action.get("code") or action.get("loyaltyId") or action.get("points", ""))
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
