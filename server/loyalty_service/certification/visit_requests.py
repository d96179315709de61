"""Builds the calls of the ES contract in a session: a visit's points and its purchase."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from loyalty_service.certification.cases import Step
from loyalty_service.certification.patterns import Known, value_of
from loyalty_service.certification.program import TestProgram

Made = tuple[str, str, Any, str]
Maker = Callable[[Step, TestProgram, Known, str, str], Made]

LOCK = {"entity": "ACCOUNT", "context": "REDEMPTION"}

UNDER: Mapping[str, tuple[str, str, str]] = {
    "balance": ("GET", "/client/users/{}/balance", "The till asks for the balance."),
    "membership": ("GET", "/client/users/{}/membership", "The till asks for the tier."),
    "history": ("GET", "/loyalty/visits/{}/history", "The app asks for the history."),
    "reserve": ("POST", "/client/users/{}/reservations", "The till reserves points."),
    "reward": ("POST", "/client/users/{}/adhoc-reward", "A partner gives an ad hoc reward."),
    "redeem": ("POST", "/client/users/{}/adhoc-redemption", "A partner redeems what is reserved."),
    "undo": ("POST", "/client/users/{}/void", "The till takes an ad hoc transaction back."),
    "lock": ("POST", "/client/users/{}/advices/loyalty", "The app locks redemptions."),
    "locks": ("GET", "/client/users/{}/advices/loyalty", "The app asks for locks."),
    "unlock": ("DELETE", "/client/users/{}/advices/loyalty", "The app lifts the lock."),
    "trial": ("POST", "/loyalty/visits/{}/trial", "The till asks what {} would earn."),
    "purchase": ("POST", "/loyalty/visits/{}/purchase", "The till sends {}, paid."),
    "offline": ("POST", "/loyalty/visits/{}/offline-purchase", "The till sends {}, paid offline."),
}
"""Calls whose path names their session alone: method, path, and in words."""


def correlation_id(order: str) -> str:
    """Give the session of a till's order."""
    return f"session-{order}"


def _path(pattern: str, name: str) -> str:
    return pattern.replace("{}", quote(name, safe=""), 1)


def _lines(step: Step, program: TestProgram) -> list[dict[str, Any]]:
    """Give the lines of a purchase: a PLU, how many, and cents for all of them."""
    return [
        {
            "sku": program.products[name].productId,
            "quantity": step.quantity,
            "saleAmount": round(program.products[name].price * 100) * step.quantity,
        }
        for name in step.lines
    ]


def _named(step: Step) -> str:
    return ", ".join(name.replace("_", " ") for name in step.lines) or "nothing"


def _in_session(call: str) -> Maker:
    method, pattern, said = UNDER[call]

    def make(step: Step, program: TestProgram, _known: Known, order: str, shown: str) -> Made:
        body: Any = None if method == "GET" else {}
        if call in {"lock", "unlock"}:
            body = dict(LOCK)
        elif call in {"trial", "purchase", "offline"}:
            body = {"action": "PURCHASE", "saleLineItems": _lines(step, program)}
            if call == "offline" and shown:
                body["loyaltyId"] = shown
        return method, _path(pattern, correlation_id(order)), body, said.format(_named(step))

    return make


def _visit(step: Step, _program: TestProgram, _known: Known, order: str, shown: str) -> Made:
    body = {"correlationId": correlation_id(order), "channel": "STORE"}
    said = f"The till opens a session of {step.show or 'nobody'}."
    return "POST", _path("/client/users/{}/sessions", shown), body, said


def _token(step: Step, known: Known) -> str:
    """Give the reservation that a step is for."""
    return str(value_of(known, f"{step.of}.reservationToken"))


def _lower(step: Step, _program: TestProgram, known: Known, order: str, _shown: str) -> Made:
    path = _path("/loyalty/visits/{}/reservations/", correlation_id(order)) + _token(step, known)
    return "PUT", path, {}, "The till holds fewer points."


def _cancel(step: Step, _program: TestProgram, known: Known, order: str, _shown: str) -> Made:
    path = _path("/client/users/{}/reservations/", correlation_id(order)) + _token(step, known)
    return "DELETE", path, None, "The till gives reserved points back."


def _original(step: Step, known: Known) -> str:
    """Give the purchase that a step is for, or the ID that stands in the case."""
    label = known.get(step.of)
    return str(label.get("transactionId", "")) if isinstance(label, Mapping) else step.of


def _award(step: Step, _program: TestProgram, known: Known, order: str, _shown: str) -> Made:
    path = _path("/client/users/{}/award", _original(step, known))
    body = {"currentCorrelationId": correlation_id(order)}
    return "POST", path, body, "The till gives a member the points of a purchase."


def _adjust(step: Step, program: TestProgram, known: Known, order: str, _shown: str) -> Made:
    path = _path("/loyalty/visits/{}/adjustments", _original(step, known))
    body = {
        "currentCorrelationId": correlation_id(order),
        "reversalLineItems": _lines(step, program),
    }
    return "POST", path, body, f"The guest brings {_named(step)} back."


def _confirm(step: Step, _program: TestProgram, known: Known, order: str, _shown: str) -> Made:
    path = _path("/client/users/{}/sessions/", correlation_id(order))
    path += quote(_original(step, known), safe="") + "/confirmations"
    return "POST", path, {"mode": "CART"}, "The till confirms a purchase."


VISIT_MAKERS: Mapping[str, Maker] = {
    **{call: _in_session(call) for call in UNDER},
    "visit": _visit,
    "lower": _lower,
    "cancel": _cancel,
    "award": _award,
    "adjust": _adjust,
    "confirm": _confirm,
}
"""What builds each of them."""

VISIT_CALLERS: Mapping[str, str] = {
    **dict.fromkeys(("lock", "locks", "unlock", "history"), "app"),
    **dict.fromkeys(("reward", "redeem"), "points"),
}
"""Whose API key those have that no till makes."""
