"""What a case looks at in a till's order beside its fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from loyalty_service.certification.patterns import Known, value_of
from loyalty_service.domain.till_time import read_till_time, till_time

Request = Mapping[str, Any]
Look = Callable[[Mapping[str, Any], Known], str]

CLOCK_OFF_MS_MAX = 15 * 60_000
"""How wrong a till's clock may be: less than any zone is from the next."""


def lines_of(request: Request) -> list[Mapping[str, Any]]:
    """Give the lines of an order, as the till sent them."""
    return list(request.get("transactionDetails", {}).get("order", []))


def carries(request: Request, product: Mapping[str, Any]) -> bool:
    """Tell whether an order has an incentive: as a line or as a discount, by either of its IDs."""
    details = request.get("transactionDetails", {})
    return any(
        one.get("incentiveId") == product["incentiveId"]
        or product["loyaltyEngineId"] in {one.get("loyaltyEngineId"), one.get("referenceId")} - {""}
        for one in [*lines_of(request), *details.get("appliedDiscounts", [])]
    )


def _payments(request: Request) -> list[Mapping[str, Any]]:
    return list(request.get("transactionDetails", {}).get("payments", []))


def _items(request: Request) -> list[Mapping[str, Any]]:
    return [line for line in lines_of(request) if line.get("productType") in {"item", "combo"}]


def _no_payments(request: Request, _known: Known) -> str:
    return "it has payments" if _payments(request) else ""


def _some_payment(request: Request, _known: Known) -> str:
    return "" if _payments(request) else "it has no payment"


def _some_item(request: Request, _known: Known) -> str:
    return "" if _items(request) else "it has no product but incentives"


def _two_items(request: Request, _known: Known) -> str:
    count = sum(int(line.get("quantity", 1)) for line in _items(request))
    return "" if count > 1 else f"it has {count} of the products that were rung up"


def _payments_in_cents(request: Request, _known: Known) -> str:
    """Compare what is paid with what the lines cost; a line's tax is of one or of all of it."""
    lines = lines_of(request)
    net = sum(round(line.get("price", 0) * 100) * line.get("quantity", 1) for line in lines)
    taxes = [round(line.get("tax", 0) * 100) for line in lines]
    each = sum(tax * line.get("quantity", 1) for tax, line in zip(taxes, lines, strict=True))
    paid = sum(payment.get("amount", 0) for payment in _payments(request))
    if paid in {net, net + sum(taxes), net + each}:
        return ""
    return f"{paid} cents are paid, and the lines cost {net + sum(taxes)}"


def _tender_in_dollars(request: Request, _known: Known) -> str:
    """Compare what is paid, in dollars, with what the lines cost, in cents."""
    lines = request.get("saleLineItems", [])
    net = sum(round(line.get("saleAmount", 0)) for line in lines)
    taxes = sum(round(line.get("itemTax", 0)) for line in lines)
    tender = request.get("tender", {}).values()
    paid = round(sum(_dollars(one) for one in tender) * 100)
    if paid in {net, net + taxes}:
        return ""
    return f"{paid / 100:.2f} dollars are paid, and the lines cost {(net + taxes) / 100:.2f}"


def _dollars(paid: Any) -> float:
    """Give what was paid in one way: an amount, its text, or a list with an amount for each."""
    if isinstance(paid, list):
        return sum(float(one["amount"]) for one in paid)
    return float(paid)


def _some_sale(request: Request, _known: Known) -> str:
    return "" if request.get("saleLineItems") else "it has no line"


def _tells_discount(request: Request, known: Known) -> str:
    told = carries(request, value_of(known, "discount"))
    return "" if told else "it does not tell the discount"


def _one(kind: str) -> Look:
    """Look for a single incentive of a kind, told as a line, as a discount or both ways."""

    def look(request: Request, _known: Known) -> str:
        discounts = request.get("transactionDetails", {}).get("appliedDiscounts", [])
        told = {line.get("incentiveId") for line in lines_of(request) if _kind(line) == kind}
        told |= {one.get("incentiveId") for one in discounts if _kind(one["details"]) == kind}
        return "" if len(told) == 1 else f"it has {len(told)} {kind}s"

    return look


def _kind(told: Mapping[str, Any]) -> str:
    return str(told.get("productType") or told.get("type", "offer"))


_OF_REQUESTS: Mapping[str, Look] = {
    "no_payments": _no_payments,
    "some_payment": _some_payment,
    "some_item": _some_item,
    "two_items": _two_items,
    "payments_in_cents": _payments_in_cents,
    "tells_discount": _tells_discount,
    "some_sale": _some_sale,
    "tender_in_dollars": _tender_in_dollars,
    "one_offer": _one("offer"),
    "one_reward": _one("reward"),
}


def _of_request(look: Look) -> Look:
    return lambda call, known: look(call["request"], known)


def _nothing_mended(call: Mapping[str, Any], _known: Known) -> str:
    """Name what the host had to put right, which an open order would have been refused for."""
    told = [f"{one['field']} {_MENDS.get(one['reason'], '')}".strip() for one in call["mended"]]
    return f"the host had to put right: {', '.join(told)}" if told else ""


_MENDS = {
    "amount": "has more digits than the currency",
    "parent": "names no line of the order",
    "incentive": "names no incentive",
    "text": "is not Unicode",
    "field": "is of a wrong kind, or too long",
}
"""By the reasons of the flag `order_mended`."""


def _tells_the_time(call: Mapping[str, Any], known: Known) -> str:
    """Compare the till's own time, where it tells one, with the machine's."""
    told, name = call["headers"].get("x-user-datetime", "").strip(), known["time_zone"]
    if not told or not name:
        return ""
    zone = ZoneInfo(name)
    was = datetime.fromtimestamp(call["at_ms"] / 1000, zone)
    try:
        there = till_time(read_till_time(told), zone, call["at_ms"])
    except ValueError:
        there = None
    if there is None:
        return f"x-user-datetime {told!r} is not a date and time"
    if abs(there.off_ms) <= CLOCK_OFF_MS_MAX:
        return ""
    return f"x-user-datetime is {told}, and it was {was.isoformat(timespec='seconds')} ({name})"


LOOKS: Mapping[str, Look] = {
    **{name: _of_request(look) for name, look in _OF_REQUESTS.items()},
    "nothing_mended": _nothing_mended,
    "tells_the_time": _tells_the_time,
}
"""Each says what is wrong with a call, or nothing."""
