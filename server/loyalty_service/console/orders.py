"""Pages about orders: find them, and see what one moved."""

from __future__ import annotations

import json
from datetime import date

from google.protobuf.json_format import MessageToDict
from starlette.requests import Request
from starlette.responses import Response

from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.console.movements import told
from loyalty_service.console.sign_ins import SignIn
from loyalty_service.console.web import desk_of, page

FIELDS = ("store", "number", "day", "operator", "partner", "member")


async def find_orders(request: Request, signed_in: SignIn) -> Response:
    """Show fields to search in, and the orders that were found."""
    given = {name: request.query_params.get(name, "").strip() for name in FIELDS}
    if not any(given.values()):
        return page(200, "orders", signed_in, given=given, found=(), next_page="")
    asked, problem = _search(given)
    if problem:
        return page(400, "orders", signed_in, given=given, found=(), next_page="", problem=problem)
    asked.page_token = request.query_params.get("page", "")
    found = await desk_of(request).calls.ask(
        "TransactionService/SearchOrders", asked, signed_in.secret
    )
    return page(
        200,
        "orders",
        signed_in,
        given=given,
        found=[(one, pb.Transaction.Status.Name(one.status)) for one in found.orders],
        next_page=found.next_page_token,
    )


def _search(given: dict[str, str]) -> tuple[pb.SearchOrdersRequest, str]:
    """Make a search from the fields, or tell what is wrong in them."""
    asked = pb.SearchOrdersRequest()
    if given["store"]:
        if not (given["store"].isascii() and given["store"].isdigit()):
            return asked, "Store: give its number."
        asked.store_id = min(int(given["store"]), 2**31 - 1)
    if given["day"]:
        try:
            asked.first_day = asked.last_day = date.fromisoformat(given["day"]).isoformat()
        except ValueError:
            return asked, "Day: give it as 2026-12-24."
    if given["number"]:
        asked.pos_transaction_id = given["number"]
    if given["operator"]:
        asked.operator = given["operator"]
    if given["partner"]:
        asked.partner = given["partner"]
    if given["member"]:
        asked.loyalty_id = given["member"]
    return asked, ""


async def show_order(request: Request, signed_in: SignIn) -> Response:
    """Show an order: its basket, and what it moved in the ledger."""
    asked = pb.GetTransactionRequest(loyalty_transaction_id=request.path_params["transaction_id"])
    found = await desk_of(request).calls.ask(
        "TransactionService/GetTransaction", asked, signed_in.secret
    )
    status = pb.Transaction.Status.Name(found.transaction.status)
    basket = MessageToDict(found.details.basket)
    return page(
        200,
        "order",
        signed_in,
        order=found.transaction,
        details=found.details,
        state=status,
        basket=json.dumps(basket, indent=2, ensure_ascii=False) if basket else "",
        transfers=[told(transfer) for transfer in found.details.transfers],
    )
