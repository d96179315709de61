"""Writes the transcripts as a collection for Bruno: a folder each, whose calls run in order."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from kit.transcripts import PLACEHOLDER, Request, Transcript, transcripts

SETTINGS = {"version": "1", "name": "Loyalty service", "type": "collection", "ignore": []}

ENVIRONMENT = """\
vars {
  base: http://127.0.0.1:8080
  till_key: sandbox-pos-key
  app_key: sandbox-app-key
}
"""

README = """\
# Collection

Calls of tills and apps for [Bruno](https://www.usebruno.com), made from the transcripts that the
service is tested with. Open this folder in Bruno, choose the environment `sandbox`, start the
sandbox and run a folder. Without a window: `npx @usebruno/cli run -r --env sandbox`.

Each folder is one case: its last call is what the case is about, and the calls before it make ready
what that needs.
"""

KEYS = {"sandbox-pos-key": "{{till_key}}", "sandbox-app-key": "{{app_key}}"}

SKIPPED = {"Host", "Content-Length", "Connection"}
"""Headers that Bruno sends by itself."""

POINTS_PER_DOLLAR = 10
"""What the demo program gives for an order, which is how a new member gets points."""

STORE = {"storeId": "9999", "posType": "Partner", "terminal": "9"}


def write_collection(folder: Path) -> None:
    """Write the collection into a folder; what was there before is deleted."""
    shutil.rmtree(folder, ignore_errors=True)
    for place, text in files().items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text, encoding="utf-8")


def files() -> dict[str, str]:
    """Give every file of the collection by its path."""
    found = {
        "bruno.json": json.dumps(SETTINGS, indent=2) + "\n",
        "environments/sandbox.bru": ENVIRONMENT,
        "README.md": README,
    }
    for number, one in enumerate(transcripts(), start=1):
        found[f"{one.name}/folder.bru"] = f"meta {{\n  name: {one.words}\n  seq: {number}\n}}\n"
        for place, text in enumerate(_calls(one), start=1):
            found[f"{one.name}/{place}.bru"] = text.replace("SEQ", str(place), 1)
    return found


def _calls(one: Transcript) -> Iterator[str]:
    """Give the calls of a transcript, after those that make ready what they name."""
    for words in dict.fromkeys(
        match[0] for request in one.requests for match in PLACEHOLDER.finditer(_text(request))
    ):
        match = PLACEHOLDER.fullmatch(words)
        if match is not None:
            yield from _ready(match[1], match[2] or "")
    wanted = {
        (number, path)
        for request in one.requests
        for number, path in re.findall(r"\{\{answer:(\d+)\.([^}]+)\}\}", _text(request))
    }
    first = next((request for request in one.requests if "{{new}}" in _text(request)), None)
    for number, request in enumerate(one.requests, start=1):
        name = one.words if request is one.last else f"Before, {number}"
        kept = {
            _variable("answer", f"{number}.{path}"): f"res.body.{path}"
            for at, path in wanted
            if int(at) == number
        }
        expected = _expected(one) if request is one.last else {"res.status": "eq 200"}
        yield _call(name, request, kept, expected, first=request is first)


def _text(request: Request) -> str:
    return "\n".join([request.target, *request.headers.values(), request.body])


def _variable(name: str, argument: str) -> str:
    """Name the variable that stands for a placeholder."""
    return re.sub(r"\W", "_", f"{name}_{argument}") if argument else name


def _expected(one: Transcript) -> dict[str, str]:
    """Say what must be true of the last answer."""
    expected = {"res.status": f"eq {one.status}"}
    if one.status >= 400:  # noqa: PLR2004
        for name in ("code", "errorCode"):
            if name in one.shown_answer:
                expected[f"res.body.{name}"] = f"eq {one.shown_answer[name]}"
    if one.reason:
        expected["res.body.details.reason"] = f"eq {one.reason}"
    return expected


def _ready(name: str, argument: str) -> Iterator[str]:
    """Make ready what a placeholder of a request stands for."""
    member = _variable(name, argument)
    if name == "code":
        member = f"member_{member}"
    if name in {"member", "points", "code"}:
        enroll = Request("POST", "/loyalty/members", _APP, '{"name": "Guest"}')
        yield _call("Enroll a guest", enroll, {member: "res.body.member.loyaltyId"}, _FINE)
    if name in {"points", "code"}:
        yield from _earn(member, int(argument) if name == "points" else 1000)
    if name == "code":
        line = {"loyaltyId": f"{{{{{member}}}}}", "order": [{"incentiveId": argument}]}
        issue = Request("POST", "/otp", _APP, json.dumps(line))
        yield _call("Issue a code", issue, {_variable(name, argument): "res.body.otp"}, _FINE)


def _earn(member: str, points: int) -> Iterator[str]:
    """Let a guest earn points by an order."""
    if not points:
        return
    place = {**STORE, "transactionId": f"{{{{{member}}}}}"}
    body = {"identifier": f"{{{{{member}}}}}", "posVendor": place}
    identify = Request("POST", "/loyalty/identify", _TILL, json.dumps(body))
    opened = f"order_of_{member}"
    yield _call("Identify the guest", identify, {opened: "res.body.transactionId"}, _FINE)
    price = points / POINTS_PER_DOLLAR
    line = {"productId": "1001", "productType": "item", "price": price, "referenceId": "1"}
    order = {
        "channel": "RESTAURANT",
        "serviceMode": "EAT_IN",
        "status": "CLAIMED",
        "transactionDetails": {
            "currency": "CAD",
            "order": [line],
            "payments": [{"amount": round(price * 100), "type": "VISA"}],
            "posVendor": place,
        },
    }
    target = f"/loyalty/transaction/pos/{{{{{opened}}}}}"
    report = Request("PUT", target, _TILL, json.dumps(order))
    earned = {**_FINE, "res.body.pointsEarned": f"eq {points}"}
    yield _call(f"Claim an order of {points} points", report, {}, earned)


def _call(
    name: str,
    request: Request,
    kept: dict[str, str],
    expected: dict[str, str],
    *,
    first: bool = False,
) -> str:
    """Write one call as Bruno reads it; the *first* one makes the text that nobody has sent."""
    body = _placed(request.body)
    kind = "formUrlEncoded" if request.is_form else "json"
    if body and not request.is_form:
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    headers = {
        key: KEYS.get(value, _placed(value))
        for key, value in request.headers.items()
        if key not in SKIPPED
    }
    parts = [
        f"meta {{\n  name: {name}\n  type: http\n  seq: SEQ\n}}",
        _block(
            request.method.lower(),
            {
                "url": f"{{{{base}}}}{_placed(request.target)}",
                "body": kind if body else "none",
                "auth": "none",
            },
        ),
        _block("headers", headers),
    ]
    if first:
        parts.append(_NEW)
    if body and request.is_form:
        parts.append(_block("body:form-urlencoded", request.fields))
    elif body:
        indented = "\n".join(f"  {line}" for line in body.split("\n"))
        parts.append(f"body:json {{\n{indented}\n}}")
    if kept:
        parts.append(_block("vars:post-response", kept))
    parts.append(_block("assert", expected))
    return "\n\n".join(parts) + "\n"


def _placed(text: str) -> str:
    """Put Bruno's variables in place of the placeholders."""
    return PLACEHOLDER.sub(lambda match: f"{{{{{_variable(match[1], match[2] or '')}}}}}", text)


def _block(name: str, values: dict[str, str]) -> str:
    lines = "".join(f"  {key}: {value}\n" for key, value in values.items())
    return f"{name} {{\n{lines}}}"


_NEW = """\
script:pre-request {
  bru.setVar("new", require("uuid").v4());
}"""
_TYPED = {"Content-Type": "application/json"}
_APP = {"x-api-key": "sandbox-app-key", **_TYPED}
_TILL = {"x-api-key": "sandbox-pos-key", **_TYPED}
_FINE = {"res.status": "eq 200"}
