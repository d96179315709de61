"""The console as a web application."""

from __future__ import annotations

import re

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loyalty_service.console.members import adjust_points, find_members, show_member
from loyalty_service.console.orders import find_orders, show_order
from loyalty_service.console.program import (
    show_health,
    show_liability,
    show_program,
    show_waits,
)
from loyalty_service.console.rendering import style_sheet
from loyalty_service.console.server_calls import CallRefusedError
from loyalty_service.console.sign_ins import SignIn
from loyalty_service.console.web import (
    HEADERS,
    Desk,
    FormRefusedError,
    desk_of,
    keep_cookie,
    page,
    read_form,
    read_own_form,
    sign_in,
    signed_in_by,
    signed_in_page,
)

KEY_FORM = re.compile(r"[\x20-\x7e]{1,256}")
"""What may be sent as an API key."""


class SafeHeaders:
    """Adds to every answer what keeps it from other sites."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, send_more)


async def show_sign_in(request: Request) -> Response:
    """Show the form in which an API key is typed."""
    if desk_of(request).proxy is not None:
        return RedirectResponse("/", 303)
    return page(200, "sign_in", None, to=_own_path(request.query_params.get("to", "/")))


async def take_sign_in(request: Request) -> Response:
    """Sign somebody in who has the key of an admin, an operator or a help desk."""
    desk = desk_of(request)
    try:
        form = await read_form(request)
    except FormRefusedError as refused_form:
        return page(400, "refused", None, problem=str(refused_form))
    to, secret = _own_path(form.get("to", "/")), form.get("key", "").strip()
    problem, token = "Type an API key.", ""
    if desk.proxy is None and KEY_FORM.fullmatch(secret):
        try:
            token, _ = await sign_in(desk, secret)
        except CallRefusedError as refused:
            problem = refused.message
    if not token:
        return page(403, "sign_in", None, to=to, problem=problem)
    desk.sign_ins.close(request.cookies.get(desk.cookie, ""))
    response = RedirectResponse(to, 303)
    keep_cookie(desk, response, token)
    return response


async def sign_out(request: Request, signed_in: SignIn) -> Response:
    """Sign somebody out."""
    await read_own_form(request, signed_in)
    desk = desk_of(request)
    desk.sign_ins.close(request.cookies.get(desk.cookie, ""))
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(
        desk.cookie, path="/", secure=desk.secure, httponly=True, samesite="strict"
    )
    return response


async def send_style_sheet(_: Request) -> Response:
    """Send the style sheet."""
    return Response(style_sheet(), media_type="text/css")


async def show_not_found(request: Request, _: Exception) -> Response:
    """Answer where there is no page, or none that takes a form; who is signed in gets the menu."""
    return page(404, "refused", signed_in_by(request), problem="There is no such page.")


async def show_fault(request: Request, _: Exception) -> Response:
    """Answer when the console itself has failed; the log tells why."""
    del request
    return page(500, "refused", None, problem="The console has failed. Its log tells why.")


def _own_path(path: str) -> str:
    """Keep to the console's own pages."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"


def make_app(desk: Desk) -> Starlette:
    """Make the application."""
    shown = signed_in_page
    app = Starlette(
        routes=[
            Route("/", shown(find_members)),
            Route("/members/{loyalty_id}", shown(show_member)),
            Route("/members/{loyalty_id}/adjust", shown(adjust_points), methods=["POST"]),
            Route("/orders", shown(find_orders)),
            Route("/orders/{transaction_id}", shown(show_order)),
            Route("/program", shown(show_program)),
            Route("/waits", shown(show_waits)),
            Route("/liability", shown(show_liability)),
            Route("/health", shown(show_health)),
            Route("/sign-in", show_sign_in),
            Route("/sign-in", take_sign_in, methods=["POST"]),
            Route("/sign-out", shown(sign_out), methods=["POST"]),
            Route("/console.css", send_style_sheet),
        ],
        exception_handlers={404: show_not_found, 405: show_not_found, 500: show_fault},
    )
    app.add_middleware(SafeHeaders)
    app.state.desk = desk
    return app
