"""Pages about members: find one, see every movement, give points back."""

from __future__ import annotations

import re
import uuid

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from loyalty.v1 import member_service_pb2 as pb
from loyalty_service.console.movements import told
from loyalty_service.console.rendering import points
from loyalty_service.console.server_calls import CallRefusedError
from loyalty_service.console.sign_ins import SignIn
from loyalty_service.console.web import desk_of, page, read_own_form
from loyalty_service.domain.ledger import POINTS_MAX

REASON_MAX = 180
"""Less than the contract allows, so that there is room for who it was behind a proxy."""

TRANSFERS = 50

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)


async def find_members(request: Request, signed_in: SignIn) -> Response:
    """Show a field to search in, and whom was found."""
    wanted = request.query_params.get("q", "").strip()
    if not wanted:
        return page(200, "find", signed_in, wanted="", found=(), next_page="")
    asked = pb.SearchMembersRequest(query=wanted, page_token=request.query_params.get("page", ""))
    found = await desk_of(request).calls.ask("MemberService/SearchMembers", asked, signed_in.secret)
    if len(found.members) == 1 and not asked.page_token and not found.next_page_token:
        return RedirectResponse(f"/members/{found.members[0].loyalty_id}", 303)
    return page(
        200,
        "find",
        signed_in,
        wanted=wanted,
        found=found.members,
        next_page=found.next_page_token,
    )


async def show_member(request: Request, signed_in: SignIn) -> Response:
    """Show a member, and how their points came and went."""
    return await _member_page(request, signed_in, 200)


async def _member_page(
    request: Request, signed_in: SignIn, status: int, problem: str = ""
) -> Response:
    calls, loyalty_id = desk_of(request).calls, request.path_params["loyalty_id"]
    asked = pb.GetMemberRequest(loyalty_id=loyalty_id)
    got = await calls.ask("MemberService/GetMember", asked, signed_in.secret)
    listed = await calls.ask(
        "MemberService/ListTransfers",
        pb.ListTransfersRequest(
            loyalty_id=loyalty_id,
            page_size=TRANSFERS,
            page_token=request.query_params.get("page", ""),
        ),
        signed_in.secret,
    )
    moved = request.query_params.get("moved", "")
    return page(
        status,
        "member",
        signed_in,
        problem=problem,
        member=got.member,
        transfers=[told(transfer) for transfer in listed.transfers],
        next_page=listed.next_page_token,
        moved=moved if _WHOLE.fullmatch(moved) else "",
    )


async def adjust_points(request: Request, signed_in: SignIn) -> Response:
    """
    Give a member points or take some: first show what it would do, then do it.

    The form that does it carries an idempotency key: sent twice, it moves points once.
    """
    form = await read_own_form(request, signed_in)
    reason, text = form.get("reason", "").strip(), form.get("points", "").strip()
    problem = _mistake(text, reason)
    if problem:
        return await _member_page(request, signed_in, 400, problem)
    desk, loyalty_id = desk_of(request), request.path_params["loyalty_id"]
    note = f"{reason} ({signed_in.name})" if desk.proxy else reason
    asked = pb.AdjustPointsRequest(loyalty_id=loyalty_id, points=int(text), reason=note)
    if "confirm" not in form:
        asked.validate_only = True
        would = await desk.calls.ask("MemberService/AdjustPoints", asked, signed_in.secret)
        key = f"console-{uuid.uuid4()}"
        return page(200, "adjust", signed_in, would=would, reason=reason, key=key, unknown=False)
    key = form.get("key", "")
    try:
        await desk.calls.ask(
            "MemberService/AdjustPoints", asked, signed_in.secret, idempotency_key=key
        )
    except CallRefusedError as refused:
        if not refused.is_unknown:
            raise
        would = pb.AdjustPointsResponse(loyalty_id=loyalty_id, points=int(text))
        return page(
            503,
            "adjust",
            signed_in,
            would=would,
            reason=reason,
            key=key,
            unknown=True,
            problem=refused.message,
        )
    return RedirectResponse(f"/members/{loyalty_id}?moved={int(text)}", 303)


def _mistake(text: str, reason: str) -> str:
    """Tell what is wrong in the form; empty where nothing is."""
    if not _WHOLE.fullmatch(text) or not int(text):
        return "Points: give a whole number that is not 0."
    if abs(int(text)) > POINTS_MAX:
        return f"Points: at most {points(POINTS_MAX)} at once."
    if not reason:
        return "Reason: tell why, so that everybody can see it later."
    return "" if len(reason) <= REASON_MAX else f"Reason: at most {REASON_MAX} characters."
