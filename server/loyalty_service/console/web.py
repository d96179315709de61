"""What is true of every page: who is signed in, which forms are believed, which headers go out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

import grpc
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from loyalty.v1 import method_pb2, operator_service_pb2
from loyalty_service.console.rendering import Local, render
from loyalty_service.console.server_calls import CallRefusedError, ServerCalls
from loyalty_service.console.sign_ins import SignIn, SignIns

FORM_BYTES_MAX = 16 * 1024
COOKIE = "loyalty-console"
HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
"""No page has a script, and none may be shown within another site's."""


class FormRefusedError(Exception):
    """Raised when a form is too large, or was not one of the console's own."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """
    A proxy that signs people in.

    Attributes:
        header: Header that names them.
        secret: API key that all of them act with.
    """

    header: str
    secret: str

    def names(self, request: Request) -> str:
        """Tell who sends a request; nobody where two are named, of whom a browser sent one."""
        named = request.headers.getlist(self.header)
        return named[0] if len(named) == 1 else ""


@dataclass(frozen=True, slots=True)
class Desk:
    """
    What the pages share.

    Attributes:
        secure: Whether browsers reach it over TLS alone, so that they send the cookie only then.
        proxy: Who signs people in; absent where an API key does.
    """

    calls: ServerCalls
    sign_ins: SignIns
    secure: bool
    proxy: Proxy | None = None

    @property
    def cookie(self) -> str:
        """Name of the cookie; with this prefix no other host can set it."""
        return f"__Host-{COOKIE}" if self.secure else COOKIE


Page = Callable[[Request, SignIn], Awaitable[Response]]


def desk_of(request: Request) -> Desk:
    """Give what the pages share."""
    desk: Desk = request.app.state.desk
    return desk


def page(status: int, name: str, signed_in: SignIn | None, **values: Any) -> HTMLResponse:
    """Answer with a page."""
    here = Local(signed_in.time_zone) if signed_in else None
    text = render(name, signed_in=signed_in, here=here, **{"problem": "", **values})
    return HTMLResponse(text, status)


async def read_form(request: Request) -> dict[str, str]:
    """
    Read the fields of a form.

    Raises:
        FormRefusedError: It is larger than any of the console's, or from another site.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    if site not in {"same-origin", "none"}:
        raise FormRefusedError("The form is from another site.")
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > FORM_BYTES_MAX:
                raise FormRefusedError("The form is too large.")
    except ClientDisconnect:
        raise FormRefusedError("The form did not come as a whole.") from None
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body)))
    except ValueError:
        raise FormRefusedError("The form can't be read.") from None


async def sign_in(desk: Desk, secret: str, name: str = "") -> tuple[str, SignIn]:
    """
    Sign somebody in with an API key.

    Raises:
        CallRefusedError: The key is not one of an admin, an operator or a help desk.
    """
    found = await desk.calls.ask(
        "OperatorService/GetProgram", operator_service_pb2.GetProgramRequest(), secret
    )
    caller = found.caller
    return desk.sign_ins.open(
        secret=secret,
        name=name or caller.partner,
        role=method_pb2.MethodRules.Role.Name(caller.role),
        program_id=found.program_id,
        time_zone=found.time_zone,
    )


def signed_in_by(request: Request) -> SignIn | None:
    """Tell who is signed in already; nobody where a proxy names somebody else by now."""
    desk = desk_of(request)
    found = desk.sign_ins.find(request.cookies.get(desk.cookie, ""))
    if found is not None and desk.proxy is not None and desk.proxy.names(request) != found.name:
        return None
    return found


def signed_in_page(of: Page) -> Callable[[Request], Awaitable[Response]]:
    """Show a page to those who are signed in; send others to where they can."""

    async def answer(request: Request) -> Response:
        desk = desk_of(request)
        token = request.cookies.get(desk.cookie, "")
        found, new = desk.sign_ins.find(token), ""
        try:
            if desk.proxy is not None:
                named = desk.proxy.names(request)
                if not named:
                    return page(403, "refused", None, problem="The proxy did not say who you are.")
                if found is None or found.name != named:
                    new, found = await sign_in(desk, desk.proxy.secret, named)
            if found is None:
                wanted = request.url.path if request.method == "GET" else "/"
                return RedirectResponse(f"/sign-in?{urlencode({'to': wanted})}", 303)
            response = await of(request, found)
        except FormRefusedError as refused:
            return page(400, "refused", found, problem=str(refused))
        except CallRefusedError as refused:
            if refused.code is grpc.StatusCode.UNAUTHENTICATED:
                desk.sign_ins.close(token)
                return page(401, "refused", None, problem="The key is not valid any more.")
            status = _STATUSES.get(refused.code, 502)
            return page(status, "refused", found, problem=refused.message)
        if new:
            keep_cookie(desk, response, new)
        return response

    return answer


_STATUSES: Mapping[grpc.StatusCode, int] = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNAVAILABLE: 503,
}


async def read_own_form(request: Request, signed_in: SignIn) -> dict[str, str]:
    """
    Read a form of somebody who is signed in.

    Raises:
        FormRefusedError: It did not come from a page that they were shown.
    """
    form = await read_form(request)
    if not signed_in.owns_form(form.get("form_token", "")):
        raise FormRefusedError("The form is not one that you were shown. Open the page again.")
    return form


def keep_cookie(desk: Desk, response: Response, token: str) -> None:
    """Let a browser keep its token until it is closed."""
    response.set_cookie(
        desk.cookie, token, path="/", secure=desk.secure, httponly=True, samesite="strict"
    )
