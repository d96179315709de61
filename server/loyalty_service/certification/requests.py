"""Builds the calls of the contracts from the steps of a case."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from loyalty_service.certification.cases import Step
from loyalty_service.certification.patterns import Known, filled
from loyalty_service.certification.program import TestProgram
from loyalty_service.certification.visit_requests import (
    VISIT_CALLERS,
    VISIT_MAKERS,
    Made,
    correlation_id,
)

_POS = "/loyalty/transaction/pos"

CALLERS: Mapping[str, str] = {
    **dict.fromkeys(("issue", "code", "member", "receipt", "user", "search"), "app"),
    "points": "points",
    **VISIT_CALLERS,
}
"""Whose API key calls have that no till makes."""

MADE = "2026-01-15T12:00:00Z"
"""What orders say of when they were made: hosts need not look at it."""


@dataclass(frozen=True, slots=True)
class Request:
    """
    One call.

    Attributes:
        role: Whose API key it carries: `till`, `app`, `points`, `single`, or the key itself.
        said: It in words.
    """

    call: str
    method: str
    path: str
    body: Any
    role: str
    said: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Give it as it is written down: without a key."""
        told = {"call": self.call, "method": self.method, "path": self.path, "body": self.body}
        return told | {"headers": dict(self.headers)}


def built(step: Step, program: TestProgram, known: Known, order: str, shown: str) -> Request:
    """
    Build the call of a step.

    Args:
        step: What is done.
        program: What the host has.
        known: What the case knows by now.
        order: The till's own number of the order.
        shown: What identifies the guest.
    """
    make = MAKERS[step.call or ""]
    method, path, body, said = make(step, program, known, order, shown)
    changed = _changed(body, filled(step.body, known))
    headers = {}
    if step.key:
        headers["idempotency-key"] = f"{order}-{step.key}"
    if step.at:
        headers["x-user-datetime"] = step.at
    if step.fault:
        headers["sandbox-fault"] = step.fault
        said += f" The host plays: {step.fault}."
    role = step.api_key or CALLERS.get(step.call or "", "till")
    path += filled(step.query, known)
    return Request(step.call or "", method, path, changed, role, said, headers)


def _changed(body: Any, changes: Mapping[str, Any]) -> Any:
    """Put changes into a body; a null leaves a field out."""
    if not isinstance(body, dict):
        return dict(changes) or body
    made = dict(body)
    for name, part in changes.items():
        if part is None:
            made.pop(name, None)
        elif isinstance(part, Mapping):
            made[name] = _changed(made.get(name, {}), part)
        else:
            made[name] = part
    return made


def _vendor(step: Step, program: TestProgram, order: str) -> dict[str, Any]:
    return {
        "transactionId": order,
        "storeId": str(program.stores[step.store]),
        "posType": program.pos_types["kiosk" if step.kiosk else "pos"],
        "terminal": "1",
        "operator": "300",
    }


def _line(name: str, number: int, step: Step, program: TestProgram) -> dict[str, Any]:
    product = program.products[name]
    line: dict[str, Any] = {
        "productId": product.kiosk if step.kiosk and product.kiosk else product.productId,
        "productType": product.productType,
        "referenceId": f"{number:02}",
        "quantity": 1 if product.productType in {"item", "combo"} else step.quantity,
        "price": product.price,
    }
    for field_name in ("name", "incentiveId", "loyaltyEngineId"):
        if value := getattr(product, field_name):
            line[field_name] = value
    if product.tax:
        line["tax"] = product.tax
    return line


def _order(step: Step, program: TestProgram, order: str, *, paid: bool) -> dict[str, Any]:
    lines = [_line(name, number, step, program) for number, name in enumerate(step.lines, 1)]
    cents = sum(round((one["price"] + one.get("tax", 0)) * 100) * one["quantity"] for one in lines)
    types = {"card": "VISA", "cash": "CASH"}
    details: dict[str, Any] = {
        "currency": program.currency,
        "order": lines,
        "payments": [{"type": types.get(step.pay, step.pay), "amount": cents}]
        if paid and step.pay != "nothing"
        else [],
        "posVendor": _vendor(step, program, order),
    }
    if step.discounts:
        details["appliedDiscounts"] = [_discount(name, program) for name in step.discounts]
    return {
        "channel": "RESTAURANT",
        "created": MADE,
        "serviceMode": step.mode,
        "transactionDetails": details,
    }


def _discount(name: str, program: TestProgram) -> dict[str, Any]:
    product = program.products[name]
    return {
        "incentiveId": product.incentiveId,
        "productId": product.productId,
        "referenceId": product.loyaltyEngineId,
        "details": {"displayName": product.name, "type": product.productType},
    }


def _transaction(step: Step, known: Known) -> str:
    """Give the transaction that a step is for."""
    label = known.get(step.of)
    if isinstance(label, Mapping):
        return str(label.get("transactionId", ""))
    return str(filled(step.of, known))


def _identify(step: Step, program: TestProgram, _known: Known, order: str, shown: str) -> Made:
    body = {"identifier": shown, "posVendor": _vendor(step, program, order)}
    return "POST", "/loyalty/identify", body, f"A guest shows {step.show or 'nothing'}."


def _report(
    step: Step, program: TestProgram, known: Known, order: str, status: str
) -> tuple[str, Any]:
    paid = status == "CLAIMED"
    body = {"status": status, **_order(step, program, order, paid=paid)}
    return f"{_POS}/{quote(_transaction(step, known), safe='')}", body


def _validate(step: Step, program: TestProgram, known: Known, order: str, _shown: str) -> Made:
    path, body = _report(step, program, known, order, "PENDING")
    said = f"The till validates {_words(step)}."
    return "POST", path.replace(_POS, f"{_POS}/validate", 1), body, said


def _pending(step: Step, program: TestProgram, known: Known, order: str, _shown: str) -> Made:
    path, body = _report(step, program, known, order, "PENDING")
    return "PUT", path, body, f"The till reports {_words(step)}, not paid yet."


def _claim(step: Step, program: TestProgram, known: Known, order: str, _shown: str) -> Made:
    path, body = _report(step, program, known, order, "CLAIMED")
    return "PUT", path, body, f"The till claims {_words(step)}, paid."


def _void(step: Step, _program: TestProgram, known: Known, _order: str, _shown: str) -> Made:
    path = f"{_POS}/{quote(_transaction(step, known), safe='')}/void"
    return "PUT", path, None, "The till voids the order."


def _unclaimed(step: Step, program: TestProgram, _known: Known, order: str, _shown: str) -> Made:
    body = {"status": "CLAIMED", **_order(step, program, order, paid=True)}
    return "POST", _POS, body, f"The till reports {_words(step)}, without a guest."


def _outcome(_step: Step, _program: TestProgram, _known: Known, order: str, _shown: str) -> Made:
    key = quote(f"{order}-{_step.of}", safe="")
    return "GET", f"{_POS}?idempotencyKey={key}", None, "The till asks what became of its call."


def _one_order(step: Step, _program: TestProgram, known: Known, _order: str, _shown: str) -> Made:
    path = f"{_POS}/{quote(_transaction(step, known), safe='')}"
    return "GET", path, None, "The till asks for the order."


def _session(step: Step, _program: TestProgram, _known: Known, order: str, _shown: str) -> Made:
    body = {"correlationId": correlation_id(order), "channel": "STORE"}
    said = f"The till opens a session {json.dumps(dict(step.body), ensure_ascii=False)}."
    return "POST", "/client/users/anonymous/sessions", body, said


def _issue(step: Step, program: TestProgram, _known: Known, _order: str, shown: str) -> Made:
    chosen = [
        {"incentiveId": program.products[name].incentiveId, "quantity": 1} for name in step.lines
    ]
    body = {"loyaltyId": shown, "order": chosen}
    return "POST", "/otp", body, f"The guest's app makes a code for {_words(step)}."


def _code(_step: Step, _program: TestProgram, _known: Known, _order: str, shown: str) -> Made:
    return "GET", f"/otp/{quote(shown, safe='')}", None, "The guest's app asks about its code."


def _member(_step: Step, _program: TestProgram, _known: Known, _order: str, shown: str) -> Made:
    return "GET", f"/loyalty/members/{quote(shown, safe='')}", None, "The app reads the member."


def _receipt(_step: Step, _program: TestProgram, _known: Known, _order: str, shown: str) -> Made:
    path = f"/loyalty/members/{quote(shown, safe='')}/receipts"
    return "POST", path, {}, "The guest claims a receipt in the app."


def _promo(step: Step, program: TestProgram, _known: Known, order: str, shown: str) -> Made:
    code = program.promo_codes.get(step.promo)
    typed = code.code if code else step.promo
    body = {"promoCode": typed, "posVendor": _vendor(step, program, order)}
    guest = {"loyaltyId": shown} if shown else {}
    return "POST", "/loyalty/promo-code/redeem", body | guest, "A guest types a promo code."


def _incentives(step: Step, program: TestProgram, _known: Known, _order: str, shown: str) -> Made:
    path = f"/loyalty/incentives?storeId={program.stores[step.store]}"
    path += f"&posType={quote(_vendor(step, program, '')['posType'], safe='')}"
    path += f"&loyaltyId={quote(shown, safe='')}" if shown else ""
    return "GET", path, None, f"The till asks what {step.show or 'anybody'} may use."


def _content(step: Step, program: TestProgram, _known: Known, _order: str, _shown: str) -> Made:
    kind = quote(_vendor(step, program, "")["posType"], safe="")
    return "GET", f"/loyalty/v2/content?posType={kind}", None, "A screen asks what there is."


def _user(_step: Step, _program: TestProgram, _known: Known, _order: str, shown: str) -> Made:
    return "GET", f"/loyalty/user/{quote(shown, safe='')}", None, "The app reads the user."


def _search(_step: Step, _program: TestProgram, _known: Known, _order: str, shown: str) -> Made:
    body = {"loyaltyId": shown}
    return "POST", "/loyalty/transactions/search", body, "The app asks what the member did."


def _points(step: Step, program: TestProgram, _known: Known, _order: str, shown: str) -> Made:
    body = {"partner": program.partner, "reference": "certification"}
    path = f"/loyalty/user/{quote(shown, safe='')}/points"
    return "POST", path, body, f"A partner moves {step.body.get('points', 'some')} points."


def _return(step: Step, _program: TestProgram, known: Known, _order: str, _shown: str) -> Made:
    path = f"{_POS}/{quote(_transaction(step, known), safe='')}/return"
    return "POST", path, {}, "The guest brings a part of the order back."


def _rescan(step: Step, _program: TestProgram, known: Known, _order: str, shown: str) -> Made:
    body = {"identifier": shown, "transactionId": _transaction(step, known)}
    return "PUT", "/loyalty/v2/identify", body, f"A guest shows {step.show} for the same order."


def _status(step: Step, _program: TestProgram, known: Known, _order: str, _shown: str) -> Made:
    status = step.body.get("newStatus", "CLAIMED")
    body = {"newStatus": status, "transactionId": _transaction(step, known)}
    return "PUT", "/loyalty/transaction/v2/status", body, f"The till says that it is {status}."


MAKERS = {
    "identify": _identify,
    "validate": _validate,
    "pending": _pending,
    "claim": _claim,
    "void": _void,
    "unclaimed": _unclaimed,
    "outcome": _outcome,
    "order": _one_order,
    "session": _session,
    "issue": _issue,
    "code": _code,
    "member": _member,
    "receipt": _receipt,
    "promo": _promo,
    "incentives": _incentives,
    "content": _content,
    "user": _user,
    "search": _search,
    "points": _points,
    "return": _return,
    "rescan": _rescan,
    "status": _status,
    **VISIT_MAKERS,
}
"""What builds each call that a case can name."""


def _words(step: Step) -> str:
    return ", ".join(one.replace("_", " ") for one in step.lines) or "nothing"
