"""The OpenAPI document has every route and every error, with what a till does about it."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from kit.transcripts import transcripts
from loyalty_service.transport.errors.advice import ADVICE, EDGE_ADVICE
from loyalty_service.transport.errors.advice_terms import WRITING, Again
from loyalty_service.transport.errors.catalogue import REASONS, ROWS
from loyalty_service.transport.errors.edge import DOOR, LOCAL_REPLIES, EdgeRow
from loyalty_service.transport.rpcs import RPCS

GENERATED = Path(__file__).resolve().parents[2] / "generated"
DOCUMENT: dict[str, Any] = json.loads(
    (GENERATED / "openapi" / "openapi.json").read_text(encoding="utf-8")
)
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{verb.upper()} {path}": operation
    for path, operations in DOCUMENT["paths"].items()
    for verb, operation in operations.items()
}
METHODS = {name.partition("/")[2] for name in RPCS}


def _routes() -> dict[str, str]:
    """Give the RPC of each route, spelt as JSON callers do."""
    lines = (GENERATED / "routes.txt").read_text(encoding="utf-8").splitlines()
    return {
        re.sub(r"_([a-z])", lambda match: match[1].upper(), f"{verb} {path}"): rpc
        for verb, path, rpc in map(str.split, lines)
    }


def test_every_route_is_described() -> None:
    """Each route is there, with its RPC, ValidateOrder's two as well."""
    told = {route: operation["x-rpc"] for route, operation in OPERATIONS.items()}
    assert told == {route: rpc.replace("/", ".") for route, rpc in _routes().items()}
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("route", OPERATIONS)
def test_route_has_words_fields_and_errors(route: str) -> None:
    """A route says what it does, takes and answers, and what it may be refused with."""
    operation = OPERATIONS[route]
    assert operation["summary"]
    assert all(one["description"] for one in operation["parameters"])
    in_path = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", route))
    expected = {"200", "400", "401", "403", "429", "500", "503", "504"}
    # OAuth has no other status for who may not.
    expected -= {"403"} if route == "POST /oauth2/token" else set()
    assert expected <= operation["responses"].keys()
    (answer,) = operation["responses"]["200"]["content"].values()
    assert answer["examples"]
    if "requestBody" in operation:
        (body,) = operation["requestBody"]["content"].values()
        assert body["examples"]


def test_every_field_is_described() -> None:
    """No field is without its comment."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        assert schema["description"], name
        for field, told in schema["properties"].items():
            assert told.get("description") or "$ref" in told, f"{name}.{field}"


def test_every_error_has_advice() -> None:
    """Each reason and each answer of Envoy's says whether to send again, and what to tell whom."""
    assert ADVICE.keys() == REASONS
    by_envoy = {row.http for row in DOOR} | {
        reply.row.http
        for replies in LOCAL_REPLIES.values()
        for reply in replies
        if isinstance(reply.row, EdgeRow)
    }
    assert by_envoy <= EDGE_ADVICE.keys()
    for advice in (*ADVICE.values(), *EDGE_ADVICE.values()):
        assert re.fullmatch(r"[A-Z].+\.", advice.cashier_en)
        assert re.fullmatch(r"[A-ZÀ-Ý].+\.", advice.cashier_fr)
        assert advice.cashier_en != advice.cashier_fr
        assert set(advice.calls) <= METHODS | {WRITING}


def test_advice_agrees_with_the_catalogue() -> None:
    """What tells when to try again may be sent again as it is; a caller's mistake may not."""
    for row in ROWS:
        again = ADVICE[row.reason].again
        if row.retry_after_ms is not None or row.http >= 500:
            assert again is Again.SAME_KEY, row.reason
        else:
            assert again is not Again.SAME_KEY, row.reason


def test_every_error_is_listed_with_all_that_is_known() -> None:
    """The document has one row for each reason, and each stands at a route at least."""
    listed = {error["reason"]: error for error in DOCUMENT["x-errors"]}
    assert listed.keys() == REASONS
    for row in ROWS:
        error = listed[row.reason]
        assert error["grpcStatus"] == row.code.name
        assert (error["httpStatus"], error["code"], error["errorCode"]) == (
            row.http,
            row.rbi,
            row.es,
        )
        assert error["sendAgain"] == ADVICE[row.reason].again
        assert error["description"]
        assert error["cashier"].keys() == {"en", "fr"}
    at_routes = {
        reason
        for operation in OPERATIONS.values()
        for answer in operation["responses"].values()
        for reason in re.findall(r"- `(\w+)`", answer["description"])
    }
    assert at_routes >= REASONS


def test_routes_name_the_errors_that_tills_were_heard_to_get() -> None:
    """What a transcript shows of a route stands there in the document."""
    heard = 0
    routes = {
        route: re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(route))) for route in OPERATIONS
    }
    for one in transcripts():
        called = f"{one.last.method} {one.last.path}"
        found = [name for name, form in routes.items() if form.fullmatch(called)]
        route = min(found, key=lambda name: name.count("{"))  # Who is called anonymous is nobody.
        status = str(one.status)
        assert status in OPERATIONS[route]["responses"]
        # A good answer may tell why somebody did something.
        refused = one.answer if one.status >= HTTPStatus.BAD_REQUEST else ""
        for reason in re.findall(r'"reason": ?"(\w+)"', refused):
            assert f"`{reason}`" in OPERATIONS[route]["responses"][status]["description"], route
            heard += 1
    assert heard > 30


def test_reference_page_has_no_dead_link() -> None:
    """Every link within the page leads to a place of it."""
    page = (GENERATED / "openapi" / "index.html").read_text(encoding="utf-8")
    places = set(re.findall(r' id="([^"]+)"', page))

    assert set(re.findall(r' href="#([^"]+)"', page)) <= places
