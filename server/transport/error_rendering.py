"""Turns a refusal into what its caller reads: gRPC status details, or a legacy JSON body."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import fields
from enum import StrEnum
from functools import lru_cache
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from server.domain.errors import (
    FieldViolation,
    LoyaltyError,
    RequestInvalidError,
    RulesFailedError,
    ServerBusyError,
)
from server.domain.rules import RuleFailure
from server.transport.error_catalogue import CATALOGUE, ErrorRow, retry_after_ms

DOMAIN = "loyalty.v1"
NAMED_MAX = 5
RULES_SHOWN_MAX = 10
TARGETS_SHOWN_MAX = 20
DETAILS_BYTES_MAX = 2700
"""In base64, and beside the message, details of this size keep the trailers below 4 KiB."""

LEGACY_BODY_BYTES_MAX = 40_000

_WORD_START = re.compile(r"_([a-z0-9])")


class Dialect(StrEnum):
    """Which legacy contract's JSON a caller reads; Envoy names it by the path."""

    ES = "es"
    RBI = "rbi"


def json_field(path: str) -> str:
    """Spell a field path as JSON callers do: `pos_vendor.store_id` is `posVendor.storeId`."""
    return _WORD_START.sub(lambda match: match[1].upper(), path)


def message_of(error: LoyaltyError) -> str:
    """Give the English text of an error; of broken fields it names the first few."""
    if isinstance(error, RequestInvalidError):
        named = [f"{broken.field} {broken.message}".strip() for broken in error.violations]
        more = [f"and {len(named) - NAMED_MAX} more"] if len(named) > NAMED_MAX else []
        return "; ".join(named[:NAMED_MAX] + more)
    return CATALOGUE[type(error)].message.format(**_metadata(error))


def grpc_trailers(error: LoyaltyError) -> tuple[tuple[str, bytes], ...]:
    """Render `google.rpc.Status` with as many of its details as 4 KiB of trailers hold."""
    row = CATALOGUE[type(error)]
    violations = list(error.violations) if isinstance(error, RequestInvalidError) else []
    shown = violations
    while True:
        packed = _status(row, error, shown, len(violations)).SerializeToString()
        if len(packed) <= DETAILS_BYTES_MAX or not shown:
            return (("grpc-status-details-bin", packed),)
        shown = shown[: len(shown) * 3 // 4]


def _status(
    row: ErrorRow, error: LoyaltyError, shown: Sequence[FieldViolation], total: int
) -> status_pb2.Status:
    metadata = _metadata(error)
    if shown:
        metadata["fields"] = ",".join(violation.field for violation in shown[:10])
        metadata["violations"] = str(total)
    details: list[Any] = [
        error_details_pb2.ErrorInfo(reason=row.reason, domain=DOMAIN, metadata=metadata)
    ]
    if shown:
        bad = error_details_pb2.BadRequest()
        for violation in shown:
            bad.field_violations.add(field=violation.field, description=violation.message)
        details.append(bad)
    if isinstance(error, RulesFailedError):
        broken = error_details_pb2.PreconditionFailure()
        for failure in error.failures[:RULES_SHOWN_MAX]:
            broken.violations.add(
                type=failure.code,
                subject=f"{failure.rule_id}/{failure.incentive_id or ''}",
                description=failure.message,
            )
        details.append(broken)
    wait_ms = retry_after_ms(error)
    if wait_ms is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(wait_ms)
        details.append(retry)
    status = status_pb2.Status(code=row.code.value[0], message=message_of(error))
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status


def legacy_trailers(error: LoyaltyError, dialect: Dialect) -> tuple[tuple[str, str], ...]:
    """Render the HTTP status and ready JSON body that Envoy puts in place of the answer."""
    row = CATALOGUE[type(error)]
    body = _es_body(row, error) if dialect is Dialect.ES else _rbi_body(row, error)
    trailers = [("loyalty-http-status", str(row.http)), ("loyalty-http-body", body)]
    wait_ms = retry_after_ms(error)
    if wait_ms is not None:
        trailers.append(("retry-after", str(-(-wait_ms // 1000))))
    return tuple(trailers)


def _es_body(row: ErrorRow, error: LoyaltyError) -> str:
    message = message_of(error)
    if isinstance(error, RequestInvalidError):
        message = "; ".join(_es_violation(violation) for violation in error.violations)[:8000]
    return _json({"statusCode": row.http, "errorMessage": message, "errorCode": row.es})


def _es_violation(violation: FieldViolation) -> str:
    """Word a broken rule; for the correlation ID the contract fixes the words."""
    if violation.field == "correlation_id":
        return "Invalid Correlation ID"
    return f"{json_field(violation.field)} {violation.message}".strip()


def _rbi_body(row: ErrorRow, error: LoyaltyError) -> str:
    details: dict[str, Any] = {}
    body = {
        "statusCode": row.http,
        "isEngineError": False,
        "code": row.rbi,
        "message": row.message.format(**_metadata(error)),
        "details": details,
    }
    if isinstance(error, RequestInvalidError):
        listed = [
            {"field": json_field(violation.field), "message": violation.message}
            for violation in error.violations
        ]
        details["errors"] = listed
        while len(text := _json(body)) > LEGACY_BODY_BYTES_MAX:
            details["errors"] = listed = listed[: len(listed) * 3 // 4]
        return text
    if isinstance(error, RulesFailedError):
        # The contract's pages disagree where this stands: in both places it suits either.
        body["isEngineError"] = details["isEngineError"] = True
        rules = [_rule_json(failure) for failure in error.failures]
        details["ruleEvaluation"] = rules
        while len(text := _json(body)) > LEGACY_BODY_BYTES_MAX:
            details["ruleEvaluation"] = rules = rules[: len(rules) * 3 // 4]
        return text
    return _json(body)


def _rule_json(failure: RuleFailure) -> dict[str, Any]:
    target = failure.target_value
    rendered = {
        "code": failure.code,
        "ruleId": failure.rule_id,
        "message": failure.message,
        "currentValue": failure.current_value,
        "targetValue": target[:TARGETS_SHOWN_MAX] if isinstance(target, tuple) else target,
        "incentiveId": failure.incentive_id,
    }
    return {name: value for name, value in rendered.items() if value is not None}


def _metadata(error: LoyaltyError) -> dict[str, str]:
    """Give every dynamic value of an error; what is listed has a detail of its own besides."""
    if isinstance(error, RequestInvalidError):
        return {}
    if isinstance(error, RulesFailedError):
        shown = error.failures[:RULES_SHOWN_MAX]
        return {"failures": ",".join(f"{broken.rule_id}/{broken.code}" for broken in shown)}
    return {
        field.name: str(getattr(error, field.name))
        for field in fields(error)  # type: ignore[arg-type]
    }


def _json(body: dict[str, Any]) -> str:
    return json.dumps(body, separators=(",", ":"))


def _trailers(error: LoyaltyError, dialect: Dialect | None) -> tuple[tuple[str, Any], ...]:
    return grpc_trailers(error) if dialect is None else legacy_trailers(error, dialect)


_busy_trailers = lru_cache(maxsize=64)(_trailers)
"""Kept, because a server that has too much to do must spend nothing on saying so."""


async def refuse(
    context: grpc.aio.ServicerContext[Any, Any],
    error: LoyaltyError,
    dialect: Dialect | None,
    request_id: str,
) -> None:
    """End a call with an error, in the words of its door; Envoy tells the request ID by itself."""
    row = CATALOGUE[type(error)]
    render = _busy_trailers if isinstance(error, ServerBusyError) else _trailers
    trailers = render(error, dialect)
    if dialect is None:
        trailers = (*trailers, ("x-request-id", request_id))
    await context.abort(row.code, message_of(error), trailers)
