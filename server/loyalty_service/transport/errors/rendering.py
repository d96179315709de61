"""Turns a refusal into what its caller reads: gRPC status details, or a legacy JSON body."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from loyalty_service.domain.breaches import RuleFailure
from loyalty_service.domain.errors import (
    ApiKeyInvalidError,
    ApiKeyMissingError,
    FieldViolation,
    LimitExceededError,
    LoyaltyError,
    RequestInvalidError,
    RequestNotReceivedError,
    RulesFailedError,
    ServerBusyError,
    TransactionNotClaimableError,
)
from loyalty_service.observability.trail import REQUEST_ID_MAX
from loyalty_service.transport.errors.catalogue import CATALOGUE, retry_after_ms
from loyalty_service.transport.errors.dialects import (
    MISSING,
    NO_WORDS,
    RBI_CODES,
    RPCS,
    oauth_words,
)
from loyalty_service.transport.errors.error_row import ErrorRow
from loyalty_service.transport.errors.words import Dialect, EsWords, OAuthWords, RpcWords

DOMAIN = "loyalty.v1"
NAMED_MAX = 5
SUMMED_UP_MAX = 10
LISTED_MAX = 100
"""Broken fields or rules to begin with when as many are sought as fit: more never do."""

TARGETS_SHOWN_MAX = 20
VALUE_BYTES_MAX = 256
"""What a list of allowed values takes in the metadata of a gRPC refusal; it is cut to that."""

TRAILERS_BYTES_MAX = 4096
"""All trailers of a gRPC refusal as HTTP/2 counts them: half of what callers' libraries take."""

ENTRY_BYTES = 32
"""What HTTP/2 counts for a trailer besides its name and value."""

VALUES_BYTES_MAX = 512
"""All values of an error: a program file's longest name is 128 characters of up to 4 bytes."""

LEGACY_BODY_BYTES_MAX = 40_000
LEGACY_LISTED_MAX = 1000
"""Broken fields or rules that are tried first, when as many as fit are named; more never fit."""

BUSY = ("loyalty-busy", "1")
"""Tells Envoy's gate, which shows it to nobody, that a key has more under way than its share."""

CHALLENGED = 401
CHALLENGE = ("www-authenticate", 'Basic realm="loyalty"')
"""Tells a client of OAuth how it may say who it is."""

WHOLE = "body"
"""Stands for a JSON caller's field where it is the request as a whole, as in Envoy's own words."""

STATUS_NOT_REPORTED = (
    "A report must say PENDING or CLAIMED, not {requested_status}; "
    "transaction {transaction_id} is {status}"
)
"""Words a report that asks for another status, whatever the transaction's is."""

_WORD_START = re.compile(r"_([a-z0-9])")
_ESCAPED = re.compile(rb"[^\x20-\x24\x26-\x7e]")
"""Bytes that gRPC sends as `%XX` in a message."""


def json_field(path: str) -> str:
    """Spell a field path as JSON callers do: `pos_vendor.store_id` is `posVendor.storeId`."""
    return _WORD_START.sub(lambda match: match[1].upper(), path)


def message_of(error: LoyaltyError) -> str:
    """Give the English text of an error; of broken fields it names the first few."""
    if isinstance(error, RequestInvalidError):
        first, left = error.violations[:NAMED_MAX], len(error.violations) - NAMED_MAX
        named = [f"{broken.field} {broken.message}".strip() for broken in first]
        return "; ".join([*named, f"and {left} more"] if left > 0 else named)
    return _sentence(error)


def _sentence(error: LoyaltyError) -> str:
    """Give the English text of an error, without what it lists."""
    text = CATALOGUE[type(error)].message
    if isinstance(error, TransactionNotClaimableError) and error.requested_status:
        text = STATUS_NOT_REPORTED
    return text.format(**_values(error))


def grpc_trailers(error: LoyaltyError) -> tuple[tuple[str, bytes], ...]:
    """Render `google.rpc.Status` with as many of its details as 4 KiB of trailers hold."""
    listed = min(len(_listed(error)), LISTED_MAX)
    while True:
        status = _status(error, listed)
        packed = status.SerializeToString()
        if not listed or _trailers_bytes(status.message, packed) <= TRAILERS_BYTES_MAX:
            if isinstance(error, RulesFailedError):
                packed = _with_values(error, listed, status) or packed
            return (("grpc-status-details-bin", packed),)
        listed = listed * 3 // 4


def _with_values(error: RulesFailedError, listed: int, status: status_pb2.Status) -> bytes | None:
    """Render a status with the values of the first broken rules that there is room for."""
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    while listed:
        told = error_details_pb2.ErrorInfo()
        told.CopyFrom(info)
        told.metadata.update(_rule_values(error.failures[:listed]))
        status.details[0].Pack(told)
        packed: bytes = status.SerializeToString()
        if _trailers_bytes(status.message, packed) <= TRAILERS_BYTES_MAX:
            return packed
        listed = listed * 3 // 4
    return None


def _trailers_bytes(message: str, details: bytes) -> int:
    """Count everything that ends a refused call, its request ID as long as it may be."""
    text = message.encode()
    sizes = {
        "grpc-status": 2,
        "grpc-message": len(text) + 2 * len(_ESCAPED.findall(text)),
        "grpc-status-details-bin": -(-len(details) // 3) * 4,
        "x-request-id": REQUEST_ID_MAX,
    }
    return sum(len(name) + size + ENTRY_BYTES for name, size in sizes.items())


def _listed(error: LoyaltyError) -> tuple[FieldViolation, ...] | tuple[RuleFailure, ...]:
    """Give the broken fields or rules that an error lists, if it is of that kind."""
    if isinstance(error, RequestInvalidError):
        return error.violations
    return error.failures if isinstance(error, RulesFailedError) else ()


def _status(error: LoyaltyError, listed: int) -> status_pb2.Status:
    """Build a status that lists the first *listed* broken fields or rules and counts them all."""
    row = CATALOGUE[type(error)]
    details: list[Any] = [
        error_details_pb2.ErrorInfo(
            reason=row.reason, domain=DOMAIN, metadata=_metadata(error, listed)
        )
    ]
    if isinstance(error, RequestInvalidError):
        bad = error_details_pb2.BadRequest()
        for violation in error.violations[:listed]:
            bad.field_violations.add(field=violation.field, description=violation.message)
        details.append(bad)
    if isinstance(error, RulesFailedError):
        broken = error_details_pb2.PreconditionFailure()
        for failure in error.failures[:listed]:
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


def _rule_values(failures: Sequence[RuleFailure]) -> dict[str, str]:
    """Give what was seen and what is allowed, as JSON; each key ends in the violation's place."""
    told = {}
    for place, failure in enumerate(failures):
        rendered = _rule_json(failure)
        for name in ("currentValue", "targetValue"):
            if name not in rendered:
                continue
            value = rendered[name]
            while len(_json(value)) > VALUE_BYTES_MAX and isinstance(value, list):
                value = value[:-1]
            told[f"{name}{place}"] = _json(value)
    return told


def _metadata(error: LoyaltyError, listed: int) -> dict[str, str]:
    """Give every dynamic value of an error; of what it lists the first names, and the count."""
    shown = min(listed, SUMMED_UP_MAX)
    if isinstance(error, RequestInvalidError):
        named = ",".join(violation.field for violation in error.violations[:shown])
        return {"fields": named, "violations": str(len(error.violations))}
    if isinstance(error, RulesFailedError):
        named = ",".join(f"{broken.rule_id}/{broken.code}" for broken in error.failures[:shown])
        return {"failures": named, "violations": str(len(error.failures))}
    return _values(error)


def _values(error: LoyaltyError) -> dict[str, str]:
    """Give every dynamic value of an error that lists nothing, cut to what the trailers hold."""
    if isinstance(error, RequestInvalidError | RulesFailedError):
        return {}
    names = [field.name for field in fields(error)]  # type: ignore[arg-type]
    names = [name for name in names if getattr(error, name) is not None]
    return {name: _cut(str(getattr(error, name)), VALUES_BYTES_MAX // len(names)) for name in names}


def _cut(text: str, bytes_max: int) -> str:
    """Shorten a text to a size in UTF-8, and show that something is missing."""
    data = text.encode()
    if len(data) <= bytes_max:
        return text
    return data[: bytes_max - len("…".encode())].decode(errors="ignore") + "…"


def legacy_trailers(
    error: LoyaltyError, dialect: Dialect, rpc: str = ""
) -> tuple[tuple[str, str], ...]:
    """
    Render the HTTP status and ready JSON body that Envoy puts in place of the answer.

    Args:
        error: The refusal.
        dialect: The contract of the call.
        rpc: `Service/Method` that was called; its contract may have words of its own.
    """
    row = CATALOGUE[type(error)]
    oauth = RPCS.get(rpc, NO_WORDS).oauth
    if oauth is not None:
        told = oauth.get(type(error)) or oauth_words(row.http)
        return _oauth_trailers(told, retry_after_ms(error))
    if dialect is Dialect.ES:
        words = _es_words(row, error, RPCS.get(rpc, NO_WORDS))
        status, body = words.status, _es_body(words)
    else:
        status, body = row.http, _rbi_body(row, error, rpc)
    return _legacy_trailers(status, body, retry_after_ms(error))


def _legacy_trailers(status: int, body: str, wait_ms: int | None) -> tuple[tuple[str, str], ...]:
    told = ("loyalty-http-status", str(status)), ("loyalty-http-body", body)
    if wait_ms is None:
        return told
    return (*told, ("retry-after", str(-(-wait_ms // 1000))))


def _oauth_trailers(told: OAuthWords, wait_ms: int | None) -> tuple[tuple[str, str], ...]:
    trailers = _legacy_trailers(told.status, _json({"error": told.error}), wait_ms)
    return (*trailers, CHALLENGE) if told.status == CHALLENGED else trailers


def _es_words(row: ErrorRow, error: LoyaltyError, words: RpcWords) -> EsWords:
    """Word an error; of what the RPC's contract fixes words for, the first broken field speaks."""
    if fixed := words.errors.get(type(error)):
        return replace(fixed, message=fixed.message.format(**_values(error)))
    if not isinstance(error, RequestInvalidError):
        return EsWords(message_of(error), row.es, row.http)
    for violation in error.violations:
        if told := words.fields.get(json_field(violation.field)):
            missing = violation.message in MISSING
            return (missing and told.missing) or told.wrong
    return EsWords(_es_message(error.violations), row.es, row.http)


def _es_body(words: EsWords) -> str:
    return _json(
        {"statusCode": words.status, "errorMessage": words.message, "errorCode": words.code}
    )


def _es_message(violations: Sequence[FieldViolation]) -> str:
    named = (f"{json_field(broken.field)} {broken.message}".strip() for broken in violations)
    return "; ".join(named)[:8000]


def _rbi_body(row: ErrorRow, error: LoyaltyError, rpc: str) -> str:
    details: dict[str, Any] = {"reason": row.reason, "metadata": _json_metadata(error)}
    body = {
        "statusCode": row.http,
        "isEngineError": False,
        "code": RBI_CODES.get(rpc, {}).get(type(error), row.rbi),
        "message": _sentence(error),
        "details": details,
    }
    if isinstance(error, RequestInvalidError):
        listed = [
            {"field": json_field(violation.field) or WHOLE, "message": violation.message}
            for violation in error.violations[:LEGACY_LISTED_MAX]
        ]
        details["errors"] = listed
        while len(text := _json(body)) > LEGACY_BODY_BYTES_MAX:
            details["errors"] = listed = listed[: len(listed) * 3 // 4]
        return text
    if isinstance(error, RulesFailedError):
        # The contract's pages disagree where this stands: in both places it suits either.
        body["isEngineError"] = details["isEngineError"] = True
        rules = [_rule_json(failure) for failure in error.failures[:LEGACY_LISTED_MAX]]
        details["ruleEvaluation"] = rules
        while len(text := _json(body)) > LEGACY_BODY_BYTES_MAX:
            details["ruleEvaluation"] = rules = rules[: len(rules) * 3 // 4]
        return text
    return _json(body)


def _json_metadata(error: LoyaltyError) -> dict[str, str]:
    """Give the metadata of the error's `ErrorInfo`, with fields as JSON callers spell them."""
    values = _metadata(error, SUMMED_UP_MAX)
    if "fields" in values:
        values["fields"] = json_field(values["fields"]) or WHOLE
    return values


def _rule_json(failure: RuleFailure) -> dict[str, Any]:
    target: Any = failure.target_value
    if isinstance(target, tuple):
        target = [str(one) for one in target[:TARGETS_SHOWN_MAX]]
    rendered = {
        "code": failure.code,
        "ruleId": failure.rule_id,
        "message": failure.message,
        "currentValue": failure.current_value,
        "targetValue": target,
        "incentiveId": failure.incentive_id,
    }
    return {name: value for name, value in rendered.items() if value is not None}


def _json(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"))


def _trailers(
    error: LoyaltyError, dialect: Dialect | None, rpc: str
) -> tuple[tuple[str, Any], ...]:
    trailers: tuple[tuple[str, Any], ...] = (
        grpc_trailers(error) if dialect is None else legacy_trailers(error, dialect, rpc)
    )
    return (*trailers, BUSY) if isinstance(error, ServerBusyError) else trailers


_kept_trailers = lru_cache(maxsize=64)(_trailers)
_KEPT = (
    ServerBusyError,
    LimitExceededError,
    ApiKeyMissingError,
    ApiKeyInvalidError,
    RequestNotReceivedError,
)
"""What is said to whom nothing may be spent on: those whom a server with too much to do turns
away, those beyond a limit, and those who have no key or send no request."""


async def refuse(
    context: grpc.aio.ServicerContext[Any, Any],
    error: LoyaltyError,
    dialect: Dialect | None,
    request_id: str,
    rpc: str = "",
) -> None:
    """End a call with an error, in the words of its door; Envoy tells the request ID by itself."""
    row = CATALOGUE[type(error)]
    render = _kept_trailers if isinstance(error, _KEPT) else _trailers
    # All that have no words of their own share what is kept.
    trailers = render(error, dialect, rpc if rpc in RPCS or rpc in RBI_CODES else "")
    if dialect is None:
        trailers = (*trailers, ("x-request-id", request_id))
    await context.abort(row.code, message_of(error), trailers)
