"""Every error of the catalogue, and what Envoy answers by itself, as JSON callers read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from loyalty_service.transport.errors.advice import ADVICE, EDGE_ADVICE
from loyalty_service.transport.errors.advice_terms import WRITING, Advice
from loyalty_service.transport.errors.catalogue import ROWS
from loyalty_service.transport.errors.dialects import NO_WORDS, RBI_CODES, RPCS, oauth_words
from loyalty_service.transport.errors.edge import DOOR, EdgeRow
from loyalty_service.transport.errors.edge_bodies import body_of, es_body, oauth_body
from loyalty_service.transport.errors.error_row import ErrorRow
from loyalty_service.transport.errors.rendering import DOMAIN
from loyalty_service.transport.errors.words import Dialect, EsWords, RpcWords

Json = dict[str, Any]

SCHEMAS: Mapping[Dialect, str] = {Dialect.ES: "EsError", Dialect.RBI: "RbiError"}
"""The schema of an error in each contract."""


def schema_of(rpc: str) -> str:
    """Name the schema of an RPC's errors."""
    words = RPCS.get(rpc, NO_WORDS)
    return SCHEMAS[words.dialect] if words.oauth is None else "OAuthError"


ERROR_SCHEMAS: Mapping[str, Json] = {
    "EsError": {
        "type": "object",
        "description": "A refused call, in the words of the ES contract.",
        "properties": {
            "statusCode": {"type": "integer", "description": "The HTTP status."},
            "errorMessage": {"type": "string", "description": "What is wrong, in English."},
            "errorCode": {"type": "string", "description": "The kind of error."},
        },
        "required": ["statusCode", "errorMessage", "errorCode"],
    },
    "RbiError": {
        "type": "object",
        "description": "A refused call, in the words of the RBI contract.",
        "properties": {
            "statusCode": {"type": "integer", "description": "The HTTP status."},
            "isEngineError": {
                "type": "boolean",
                "description": "True if the order breaks rules of the program.",
            },
            "code": {"type": "string", "description": "The kind of error."},
            "message": {"type": "string", "description": "What is wrong, in English."},
            "details": {"$ref": "#/components/schemas/RbiErrorDetails"},
        },
        "required": ["statusCode", "isEngineError", "code", "message", "details"],
    },
    "OAuthError": {
        "type": "object",
        "description": "A refused call for a token, in the words of OAuth 2.0 (RFC 6749).",
        "properties": {"error": {"type": "string", "description": "The kind of error."}},
        "required": ["error"],
    },
    "RbiErrorDetails": {
        "type": "object",
        "description": "The details of an error; empty for most of what Envoy answers by itself.",
        "properties": {
            "reason": {
                "type": "string",
                "description": "What x-errors lists; the reason that gRPC callers read.",
            },
            "metadata": {
                "type": "object",
                "description": "Every value that the message has, as text.",
                "additionalProperties": {"type": "string"},
            },
            "errors": {
                "type": "array",
                "description": "Every wrong field.",
                "items": {
                    "type": "object",
                    "properties": {
                        "field": {"type": "string", "description": "The field, by its JSON name."},
                        "message": {"type": "string", "description": "What is wrong with it."},
                    },
                    "required": ["field", "message"],
                },
            },
            "isEngineError": {"type": "boolean", "description": "As beside details."},
            "ruleEvaluation": {
                "type": "array",
                "description": "Every rule that the order breaks.",
                "items": {
                    "type": "object",
                    "properties": {
                        "code": {"type": "string", "description": "What is broken."},
                        "ruleId": {"type": "string", "description": "The kind of the rule."},
                        "message": {"type": "string", "description": "The same in English."},
                        "currentValue": {"description": "What the order has."},
                        "targetValue": {"description": "What the rule allows."},
                        "incentiveId": {
                            "type": "string",
                            "description": "The incentive that has the rule.",
                        },
                    },
                    "required": ["code", "ruleId", "message"],
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True)
class Shown:
    """
    How one error looks to callers of one RPC.

    Attributes:
        name: Of its example.
        key: Its reason, or the status that Envoy answers.
        status: Of HTTP.
        message: Its words, with names in place of values.
        text: What it means.
        body: An example.
    """

    name: str
    key: str
    status: int
    message: str
    text: str
    body: Json


def again_of(advice: Advice, wait_ms: int | None) -> Json:
    """Say whether and how to send again."""
    told: Json = {"sendAgain": str(advice.again)}
    return told | ({"waitMs": wait_ms} if wait_ms is not None else {})


def cashier_of(advice: Advice) -> Json:
    """Say what the cashier reads."""
    return {"en": advice.cashier_en, "fr": advice.cashier_fr}


def error_list(comments: Mapping[str, str]) -> list[Json]:
    """List every error of the catalogue with all that is known of it."""
    return [
        {
            "reason": row.reason,
            "grpcStatus": row.code.name,
            "httpStatus": row.http,
            "code": row.rbi,
            "errorCode": row.es,
            "message": row.message,
            "description": _described(row, comments)[0],
            **again_of(ADVICE[row.reason], row.retry_after_ms),
            "cashier": cashier_of(ADVICE[row.reason]),
        }
        for row in ROWS
    ]


def edge_list() -> list[Json]:
    """List what Envoy answers by itself."""
    return [
        {
            "httpStatus": row.http,
            "code": row.rbi,
            "errorCode": row.es,
            "message": row.message,
            **({"reason": row.reason} if row.reason else {}),
            **again_of(EDGE_ADVICE[row.http], None),
            "cashier": cashier_of(EDGE_ADVICE[row.http]),
        }
        for row in DOOR
    ]


def errors_of(rpc: str, *, writes: bool, comments: Mapping[str, str]) -> list[Shown]:
    """List what callers of an RPC may be refused with, in the words of its contract."""
    words = RPCS.get(rpc, NO_WORDS)
    codes = RBI_CODES.get(rpc, {})
    method = rpc.partition("/")[2]
    found = [
        _shown(row, words, comments, codes.get(row.error))
        for row in ROWS
        if not (calls := ADVICE[row.reason].calls)
        or method in calls
        or (writes and WRITING in calls)
    ]
    return found + [_edge_shown(row, words) for row in DOOR if row.http not in {404, 405, 501}]


def _described(row: ErrorRow, comments: Mapping[str, str]) -> tuple[str, Json]:
    """Give the comment of a reason, and the example in it."""
    comment = comments[f"{DOMAIN}.ErrorReason.{row.reason}"]
    text, _, example = comment.partition("\n\n")
    info: Json = json.loads(example)
    return text.removesuffix(f" {row.code.name}."), info["metadata"]


def _shown(row: ErrorRow, words: RpcWords, comments: Mapping[str, str], code: str | None) -> Shown:
    text, metadata = _described(row, comments)
    message = row.message.format_map(metadata)
    if words.oauth is not None:
        told = words.oauth.get(row.error) or oauth_words(row.http)
        body = json.loads(oauth_body(told))
        return Shown(f"OAUTH_{row.reason}", row.reason, told.status, row.message, text, body)
    if words.dialect is Dialect.ES:
        es = words.errors.get(row.error) or EsWords(message, row.es, row.http)
        name = f"ES_{row.reason}"
        return Shown(name, row.reason, es.status, row.message, text, json.loads(es_body(es)))
    body = {
        "statusCode": row.http,
        "isEngineError": row.reason == "RULES_FAILED",
        "code": code or row.rbi,
        "message": message,
        "details": {"reason": row.reason, "metadata": metadata},
    }
    name = f"RBI_{row.reason}" if code is None else f"RBI_{code}"
    return Shown(name, row.reason, row.http, row.message, text, body)


def _edge_shown(row: EdgeRow, words: RpcWords) -> Shown:
    key = f"ENVOY_{HTTPStatus(row.http).name}"
    text = "Envoy answers it by itself."
    own = words.answers.get(row.http)
    if words.oauth is not None:
        told = oauth_words(row.http)
        body = oauth_body(told)
        return Shown(f"OAUTH_{key}", key, told.status, row.message, text, json.loads(body))
    es = own if isinstance(own, EsWords) else None
    status = es.status if es else row.http
    body = (
        es_body(es) if es else body_of(row, words.dialect).replace("%RESPONSE_CODE%", str(status))
    )
    name = f"{words.dialect.name}_{key}"
    return Shown(name, key, status, row.message, text, json.loads(body))
