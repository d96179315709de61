"""What Envoy is given of the table of errors: bodies to the letter, and what gRPC callers read."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2, status_pb2
from ruamel.yaml import YAML

from loyalty_service.domain.errors import (
    ApiKeyMissingError,
    CorrelationIdInvalidError,
    FieldViolation,
    LoyaltyError,
    MemberNotFoundError,
    RequestInvalidError,
)
from loyalty_service.transport.errors import edge_mappers, edge_tables, rendering
from loyalty_service.transport.errors.dialects import RPCS
from loyalty_service.transport.errors.edge import MISSPELT_KEY, NO_KEY, PARTIAL
from loyalty_service.transport.errors.rendering import grpc_trailers, legacy_trailers
from loyalty_service.transport.errors.words import Dialect, EsWords, FieldWords, RpcWords

ROOT = Path(__file__).resolve().parents[3]
SESSION = "SessionService/StartAnonymousSession"
ROUTES = {
    "POST /client/users/anonymous/sessions": SESSION,
    "DELETE /client/users/{id}/sessions": "SessionService/End",
    "POST /token": "SessionService/Token",
}
KEY_NEEDED = "An API key is required: send x-api-key, or Authorization: Bearer"
MISSPELT = "must be spelt with dashes: x_api_key is not read"
TOKENS = [
    '{"error":"invalid_client"}',
    *['{"error":"temporarily_unavailable"}'] * 3,
]
BODIES = [
    "",
    (
        '{"statusCode":%RESPONSE_CODE%,"errorMessage":"The service is not available, try again '
        'later","errorCode":"SERVICE_UNAVAILABLE"}'
    ),
    (
        '{"statusCode":%RESPONSE_CODE%,"errorMessage":"Too many requests, try again later",'
        '"errorCode":"TOO_MANY_REQUESTS"}'
    ),
    f'{{"statusCode":%RESPONSE_CODE%,"errorMessage":"{KEY_NEEDED}","errorCode":"UNAUTHORIZED"}}',
    (
        f'{{"statusCode":%RESPONSE_CODE%,"errorMessage":"x-api-key {MISSPELT}",'
        '"errorCode":"INVALID_REQUEST"}'
    ),
    (
        '{"statusCode":%RESPONSE_CODE%,"errorMessage":"The request is not valid HTTP",'
        '"errorCode":"INVALID_REQUEST"}'
    ),
    (
        '{"statusCode":%RESPONSE_CODE%,"isEngineError":false,"code":"HeadersTooLarge",'
        '"message":"Request headers are too large","details":{}}'
    ),
    (
        '{"statusCode":%RESPONSE_CODE%,"isEngineError":false,"code":"Unauthorized",'
        f'"message":"{KEY_NEEDED}","details":{{"reason":"API_KEY_MISSING","metadata":{{}}}}}}'
    ),
    (
        '{"statusCode":%RESPONSE_CODE%,"isEngineError":false,"code":"ValidationError",'
        '"message":"Request body is invalid","details":{"reason":"REQUEST_INVALID",'
        '"metadata":{"fields":"x-api-key","violations":"1"},'
        f'"errors":[{{"field":"x-api-key","message":"{MISSPELT}"}}]}}}}'
    ),
    (
        '{"statusCode":%RESPONSE_CODE%,"isEngineError":false,"code":"PayloadTooLarge",'
        '"message":"Request body is larger than 512 KiB","details":{}}'
    ),
    (
        '{"statusCode":%RESPONSE_CODE%,"isEngineError":false,"code":"RequestTimeout",'
        '"message":"The request did not arrive in time","details":{}}'
    ),
    (
        '{"statusCode":%RESPONSE_CODE%,"isEngineError":false,"code":"UpgradeRequired",'
        '"message":"This protocol version is not supported","details":{}}'
    ),
    (
        '{"statusCode":%RESPONSE_CODE%,"isEngineError":false,"code":"Forbidden",'
        '"message":"Protocol upgrades are not supported","details":{}}'
    ),
    (
        '{"statusCode":%RESPONSE_CODE%,"isEngineError":false,"code":"ServiceUnavailable",'
        '"message":"The service is not available, try again later","details":{}}'
    ),
    (
        '{"statusCode":%RESPONSE_CODE%,"isEngineError":false,"code":"TooManyRequests",'
        '"message":"Too many requests, try again later","details":{"reason":"SERVER_BUSY",'
        '"metadata":{"retry_after_ms":"1000"}}}'
    ),
    (
        '{"statusCode":%RESPONSE_CODE%,"isEngineError":false,"code":"ValidationError",'
        '"message":"The request is not valid HTTP","details":{"reason":"REQUEST_INVALID",'
        '"metadata":{"fields":"","violations":"1"},'
        '"errors":[{"field":"","message":"is not valid HTTP"}]}}'
    ),
    "Too many requests, try again later",
    "Request is larger than 512 KiB",
    KEY_NEEDED,
    f"x-api-key {MISSPELT}",
    "must be one whole message",
]
"""In the order of Envoy's mappers: ES, RBI, gRPC."""


def _mappers(text: str) -> list[dict[str, Any]]:
    config = YAML(typ="safe").load(text)
    chain = config["static_resources"]["listeners"][0]["filter_chains"][0]
    manager = chain["filters"][0]["typed_config"]
    mappers: list[dict[str, Any]] = manager["local_reply_config"]["mappers"]
    return mappers


@pytest.fixture(scope="module")
def text() -> str:
    """The configuration as it is deployed."""
    return (ROOT / "envoy" / "envoy.yaml").read_text(encoding="utf-8")


def _body(mapper: dict[str, Any]) -> str:
    body: str = mapper["body_format_override"]["text_format_source"]["inline_string"]
    return body


def test_bodies_of_envoy_are_those_of_the_contracts(text: str) -> None:
    """To the letter, and JSON for everybody but gRPC's callers."""
    fine, *mappers = _mappers(text)
    of_tokens, mappers = mappers[: len(TOKENS)], [fine, *mappers[len(TOKENS) :]]
    assert [_body(mapper) for mapper in of_tokens] == TOKENS
    assert [_body(mapper) for mapper in mappers] == BODIES
    formats = {mapper["body_format_override"].get("content_type") for mapper in mappers[1:16]}
    assert formats == {"application/json"}
    for body in BODIES[1:16]:
        assert json.loads(body.replace("%RESPONSE_CODE%", "400"))["statusCode"] == 400


def _status_of(mapper: dict[str, Any]) -> status_pb2.Status:
    """Read what a mapper tells a gRPC caller, which must agree wherever it stands."""
    headers = {part["header"]["key"]: part["header"]["value"] for part in mapper["headers_to_add"]}
    # Envoy, as gRPC, leaves the padding out.
    status = status_pb2.Status.FromString(
        base64.b64decode(headers["grpc-status-details-bin"] + "==")
    )
    assert status.code == int(headers["grpc-status"])
    assert status.message == _body(mapper)
    return status


def _unpacked(status: status_pb2.Status) -> list[Any]:
    """Give code, text and details: bytes may hold a detail's metadata in any order."""
    found: list[Any] = [status.code, status.message]
    for detail in status.details:
        found += [
            kind.FromString(detail.value)
            for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest)
            if detail.Is(kind.DESCRIPTOR)
        ]
    return found


@pytest.mark.parametrize(
    ("place", "error"),
    [(-3, NO_KEY), (-2, MISSPELT_KEY), (-1, PARTIAL)],
    ids=["no key", "misspelt key", "no whole message"],
)
def test_grpc_caller_reads_what_the_server_would_say(
    text: str, place: int, error: LoyaltyError
) -> None:
    """What the gate refuses is worded and detailed as the server's own refusal."""
    ((_, packed),) = grpc_trailers(error)
    told = _status_of(_mappers(text)[place])
    assert _unpacked(told) == _unpacked(status_pb2.Status.FromString(packed))


def test_grpc_caller_reads_when_to_come_back(text: str) -> None:
    """What Envoy refuses has the details that the server's own refusals have."""
    status = _status_of(_mappers(text)[-5])
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.code == 8
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(retry)
    assert (info.reason, info.domain) == ("SERVER_BUSY", "loyalty.v1")
    assert retry.retry_delay.ToSeconds() == 1


def test_configuration_needs_a_place_for_the_table(text: str) -> None:
    """Without its two comments nothing is written over."""
    for broken in (
        text.replace(edge_tables.BEGIN, "#"),
        text.replace(edge_tables.END, "#"),
        text.replace(edge_tables.BEGIN, edge_tables.END),
        text + edge_tables.BEGIN,
    ):
        with pytest.raises(ValueError, match=r"envoy\.yaml needs one line"):
            edge_tables.configured(broken, {})


@pytest.fixture
def _more_rpcs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two RPCs whose contract has words of its own."""
    rpcs = {
        **RPCS,
        "SessionService/End": RpcWords(
            Dialect.ES,
            fields={
                "id": FieldWords(
                    EsWords("Session does not exist"), EsWords("id is mandatory", "MISSING")
                )
            },
            errors={MemberNotFoundError: EsWords("Invalid loyaltyId {loyalty_id}", status=409)},
            answers={401: EsWords("Log in", "NO_LOGIN", 400), 429: EsWords("Slowly")},
        ),
        "SessionService/Token": RpcWords(Dialect.ES),
    }
    for module in (edge_mappers, edge_tables, rendering):
        monkeypatch.setattr(module, "RPCS", rpcs)


@pytest.mark.usefixtures("_more_rpcs")
def test_rpc_has_words_of_its_own_at_the_edge(text: str) -> None:
    """Before its dialect's, for its own paths alone; and another path may be of the dialect."""
    mappers = _mappers(edge_tables.configured(text, ROUTES))
    assert [_body(mapper) for mapper in mappers[1:3]] == [
        '{"statusCode":400,"errorMessage":"Log in","errorCode":"NO_LOGIN"}',
        '{"statusCode":400,"errorMessage":"Slowly","errorCode":"INVALID_REQUEST"}',
    ]
    _, path, status = mappers[1]["filter"]["and_filter"]["filters"]
    assert path["header_filter"]["header"]["string_match"] == {
        "safe_regex": {"regex": r"/client/users/[^/]+/sessions/?(\?.*)?"}
    }
    assert status["status_code_filter"]["comparison"]["value"]["default_value"] == 401
    es = mappers[3]["filter"]["and_filter"]["filters"][1]["or_filter"]["filters"]
    assert [part["header_filter"]["header"]["string_match"] for part in es] == [
        {"prefix": "/client/"},
        {"prefix": "/loyalty/visits/"},
        {"safe_regex": {"regex": r"/token/?(\?.*)?"}},
        {"exact": "es"},
    ]
    assert [_body(mapper) for mapper in [mappers[0], *mappers[3:]]] == BODIES


@pytest.mark.usefixtures("_more_rpcs")
@pytest.mark.parametrize(
    ("error", "status", "message", "code"),
    [
        (MemberNotFoundError("x"), 409, "Invalid loyaltyId x", "INVALID_REQUEST"),
        (ApiKeyMissingError(), 401, KEY_NEEDED, "UNAUTHORIZED"),
        (
            RequestInvalidError((FieldViolation("a", "b"), FieldViolation("id", "is no ID"))),
            *(400, "Session does not exist", "INVALID_REQUEST"),
        ),
        (
            RequestInvalidError((FieldViolation("id", "must not be blank"),)),
            *(400, "id is mandatory", "MISSING"),
        ),
        (
            RequestInvalidError((FieldViolation("pos_vendor.x", "b"), FieldViolation("", "c"))),
            *(400, "posVendor.x b; c", "INVALID_REQUEST"),
        ),
        (CorrelationIdInvalidError(), 400, "Invalid Correlation ID", "INVALID_REQUEST"),
    ],
)
def test_rpc_has_words_of_its_own_at_the_server(
    error: LoyaltyError, status: int, message: str, code: str
) -> None:
    """For an error, and for a field that is wrong or left out; others have the catalogue's."""
    told = dict(legacy_trailers(error, Dialect.ES, "SessionService/End"))
    assert told["loyalty-http-status"] == str(status)
    assert json.loads(told["loyalty-http-body"]) == {
        "statusCode": status,
        "errorMessage": message,
        "errorCode": code,
    }


def test_words_of_rpcs_name_rpcs_that_exist() -> None:
    """An RPC that is renamed keeps the words of its contract, or fails here."""
    lines = (ROOT / "generated" / "routes.txt").read_text(encoding="utf-8").splitlines()
    assert set(RPCS) <= {line.rpartition(".")[2] for line in lines}
