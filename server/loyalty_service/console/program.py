"""Pages about the program: how it is and was, who must wait, what is owed, whether it is served."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from loyalty.v1 import operator_service_pb2 as pb
from loyalty_service.console.rendering import bars
from loyalty_service.console.sign_ins import SignIn
from loyalty_service.console.web import desk_of, page


async def show_program(request: Request, signed_in: SignIn) -> Response:
    """Show the program that is live, or an earlier version of it, and the list of versions."""
    calls = desk_of(request).calls
    asked = pb.GetProgramRequest()
    version = request.query_params.get("version", "")
    if version.isascii() and version.isdigit():
        asked.version = min(int(version), 2**31 - 1)
    shown = await calls.ask("OperatorService/GetProgram", asked, signed_in.secret)
    listed = await calls.ask(
        "OperatorService/ListProgramVersions",
        pb.ListProgramVersionsRequest(page_token=request.query_params.get("page", "")),
        signed_in.secret,
    )
    return page(
        200,
        "program",
        signed_in,
        shown=shown,
        is_live=not asked.HasField("version"),
        versions=listed.versions,
        next_page=listed.next_page_token,
    )


async def show_waits(request: Request, signed_in: SignIn) -> Response:
    """Show who must wait because of too many wrong codes."""
    found = await desk_of(request).calls.ask(
        "OperatorService/ListCodeWaits", pb.ListCodeWaitsRequest(), signed_in.secret
    )
    return page(200, "waits", signed_in, waits=found.waits)


async def show_liability(request: Request, signed_in: SignIn) -> Response:
    """Show what the program owes its members, and in which months it goes."""
    owed = await desk_of(request).calls.ask(
        "OperatorService/GetLiability", pb.GetLiabilityRequest(), signed_in.secret
    )
    chart = bars([(month.month, month.points) for month in owed.months])
    return page(200, "liability", signed_in, owed=owed, chart=chart)


async def show_health(request: Request, signed_in: SignIn) -> Response:
    """Show whether the server lets calls in."""
    serves = await desk_of(request).calls.serves()
    return page(200 if serves else 503, "health", signed_in, serves=serves)
