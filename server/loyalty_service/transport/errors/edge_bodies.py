"""The bodies of what Envoy answers by itself, in the form of either contract."""

from __future__ import annotations

import json
from typing import Any

from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.transport.errors.edge import EdgeRow
from loyalty_service.transport.errors.rendering import legacy_trailers
from loyalty_service.transport.errors.words import Dialect, EsWords, OAuthWords

STATUS = "%RESPONSE_CODE%"
"""Envoy puts in its place the status that it answers."""


def details_of(row: EdgeRow) -> dict[str, Any]:
    """Give the RBI dialect's `details`: those of an error of the server's, or none."""
    if not row.reason:
        return {}
    details: dict[str, Any] = {"reason": row.reason, "metadata": row.metadata}
    if row.violations:
        details["errors"] = [
            {"field": broken.field, "message": broken.message} for broken in row.violations
        ]
    return details


def body_of(reply: EdgeRow | LoyaltyError, dialect: Dialect) -> str:
    """Render a body of either contract, with Envoy's placeholder for the status."""
    if isinstance(reply, LoyaltyError):
        told = dict(legacy_trailers(reply, dialect))
        return _with_placeholder(told["loyalty-http-body"], int(told["loyalty-http-status"]))
    if dialect is Dialect.ES:
        words = EsWords(reply.message, reply.es, reply.http)
        return _with_placeholder(es_body(words), reply.http)
    body = {
        "statusCode": reply.http,
        "isEngineError": False,
        "code": reply.rbi,
        "message": reply.message,
        "details": details_of(reply),
    }
    return _with_placeholder(compact(body), reply.http)


def es_body(words: EsWords) -> str:
    """Render a body of the ES contract."""
    return compact(
        {"statusCode": words.status, "errorMessage": words.message, "errorCode": words.code}
    )


def oauth_body(words: OAuthWords) -> str:
    """Render a body of OAuth 2.0."""
    return compact({"error": words.error})


def _with_placeholder(body: str, status: int) -> str:
    return body.replace(f'{{"statusCode":{status},', f'{{"statusCode":{STATUS},', 1)


def compact(value: Any) -> str:
    """Write JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))
