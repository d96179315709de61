"""Errors: classes, rows and reasons are one list, and every one renders on every door."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2, status_pb2

from loyalty.v1 import error_reason_pb2
from server.domain.errors import (
    CorrelationIdInvalidError,
    FieldViolation,
    LoyaltyError,
    RequestInvalidError,
    TooManyWrongCodesError,
)
from server.transport.error_catalogue import CATALOGUE, REASONS, ROWS, retry_after_ms
from server.transport.error_rendering import (
    Dialect,
    grpc_trailers,
    json_field,
    legacy_trailers,
    message_of,
)

DESCRIPTOR_SET = Path(__file__).resolve().parents[2] / "generated" / "loyalty.binpb"
TRAILER_BYTES_MAX = 4096
ENVOY_TRAILER_BYTES_MAX = 64 * 1024
MANY = tuple(
    FieldViolation(f"order[{number}].incentive_id", "must not contain control characters")
    for number in range(1000)
)
SAMPLES: dict[str, Any] = {
    "str": "a-value",
    "int": 4711,
    "tuple[FieldViolation, ...]": (FieldViolation("pos_vendor.store_id", "must be set"),),
}
"""A value for each type that a field of an error has; of other lists none at all."""


def _classes() -> list[type[LoyaltyError]]:
    found: list[type[LoyaltyError]] = []
    waiting: list[type[LoyaltyError]] = [LoyaltyError]
    while waiting:
        children = waiting.pop().__subclasses__()
        found += children
        waiting += children
    return sorted(found, key=lambda kind: kind.__name__)


def _sample(kind: type[LoyaltyError]) -> LoyaltyError:
    values = {field.name: SAMPLES.get(str(field.type), ()) for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**values)


CLASSES = _classes()
every_error = pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)


def _status(error: LoyaltyError) -> status_pb2.Status:
    ((name, packed),) = grpc_trailers(error)
    assert name == "grpc-status-details-bin"
    return status_pb2.Status.FromString(packed)


def _detail(status: status_pb2.Status, detail: Any) -> Any:
    found = [packed for packed in status.details if packed.Is(detail.DESCRIPTOR)]
    if not found:
        return None
    assert len(found) == 1
    assert found[0].Unpack(detail)
    return detail


def _wire_bytes(error: LoyaltyError) -> int:
    """Count the trailers of an error as HTTP/2 carries them, without compression."""
    ((name, packed),) = grpc_trailers(error)
    message = re.sub(rb"[^\x20-\x24\x26-\x7e]", b"%XX", message_of(error).encode())
    return len(name) + len(base64.b64encode(packed)) + len("grpc-message") + len(message)


def test_classes_rows_and_reasons_are_one_list() -> None:
    """Every class of error has one row, and every row a reason of its own."""
    assert sorted(row.error.__name__ for row in ROWS) == [kind.__name__ for kind in CLASSES]
    assert len(CATALOGUE) == len(ROWS)
    reasons = [row.reason for row in ROWS]
    assert len(set(reasons)) == len(reasons)
    unspecified, *named = error_reason_pb2.ErrorReason.keys()
    assert unspecified == "ERROR_REASON_UNSPECIFIED"
    assert set(reasons) == set(named) == REASONS


@every_error
def test_reason_is_named_like_its_class(kind: type[LoyaltyError]) -> None:
    """The reason is the class's name in the contract's spelling."""
    name = kind.__name__.removesuffix("Error")
    assert CATALOGUE[kind].reason == re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper()


@every_error
def test_message_names_only_fields_of_the_error(kind: type[LoyaltyError]) -> None:
    """A message has no braces left and is a sentence without its full stop."""
    text = message_of(_sample(kind))
    assert text
    assert not re.search(r"[{}]|\.$", text)


@every_error
def test_error_renders_for_grpc(kind: type[LoyaltyError]) -> None:
    """Every error has status, reason, domain and all of its values in at most 4 KiB."""
    error = _sample(kind)
    row = CATALOGUE[kind]
    status = _status(error)
    assert status.code == row.code.value[0] != 0
    assert row.code is not grpc.StatusCode.UNKNOWN
    assert status.message == message_of(error)
    info = _detail(status, error_details_pb2.ErrorInfo())
    assert (info.reason, info.domain) == (row.reason, "loyalty.v1")
    for field in fields(kind):  # type: ignore[arg-type]
        if field.type in {"str", "int"}:
            assert info.metadata[field.name] == str(getattr(error, field.name))
    retry = _detail(status, error_details_pb2.RetryInfo())
    assert (retry is None) == (row.retry_after_ms is None)
    if retry is not None:
        assert retry.retry_delay.ToMilliseconds() == retry_after_ms(error)
    assert _wire_bytes(error) <= TRAILER_BYTES_MAX


@every_error
def test_error_renders_in_both_dialects(kind: type[LoyaltyError]) -> None:
    """Every error has a status and a body of exactly the contract's keys in both dialects."""
    error = _sample(kind)
    row = CATALOGUE[kind]
    for dialect in Dialect:
        trailers = dict(legacy_trailers(error, dialect))
        assert trailers["loyalty-http-status"] == str(row.http)
        assert ("retry-after" in trailers) == (row.retry_after_ms is not None)
        assert all(re.fullmatch(r"[\x20-\x7e]+", value) for value in trailers.values())
        body = json.loads(trailers["loyalty-http-body"])
        assert body["statusCode"] == row.http
        if dialect is Dialect.ES:
            assert [*body] == ["statusCode", "errorMessage", "errorCode"]
            assert body["errorCode"] == row.es
            assert body["errorMessage"]
        else:
            assert [*body] == ["statusCode", "isEngineError", "code", "message", "details"]
            assert body["code"] == row.rbi
            assert body["message"]


@every_error
def test_refusal_passes_through_a_context_manager(kind: type[LoyaltyError]) -> None:
    """Every error leaves a with statement as itself."""

    @contextmanager
    def manager() -> Iterator[None]:
        yield

    error = _sample(kind)
    with pytest.raises(kind) as caught, manager():
        raise error
    assert caught.value is error
    assert error == _sample(kind)


@every_error
def test_http_status_agrees_with_the_grpc_code(kind: type[LoyaltyError]) -> None:
    """A caller's mistake is 4xx and the server's 5xx on both doors alike."""
    row = CATALOGUE[kind]
    server_fault = row.code in {
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNAVAILABLE,
    }
    assert (row.http >= 500) == server_fault
    assert (row.http == 401) == (row.code is grpc.StatusCode.UNAUTHENTICATED)
    assert (row.http == 403) == (row.code is grpc.StatusCode.PERMISSION_DENIED)


@pytest.mark.parametrize("count", [1, 10, 100, 1000])
def test_many_violations_stay_below_the_limit(count: int) -> None:
    """However many fields are wrong, trailers stay in 4 KiB and say how many there were."""
    error = RequestInvalidError(MANY[:count])
    status = _status(error)
    info = _detail(status, error_details_pb2.ErrorInfo())
    bad = _detail(status, error_details_pb2.BadRequest())
    assert info.metadata["violations"] == str(count)
    assert 0 < len(bad.field_violations) <= count
    assert bad.field_violations[0].field == "order[0].incentive_id"
    assert count > 10 or len(bad.field_violations) == count
    assert _wire_bytes(error) <= TRAILER_BYTES_MAX


@pytest.mark.parametrize("dialect", Dialect)
def test_many_violations_fit_the_legacy_body(dialect: Dialect) -> None:
    """The legacy body of a thousand wrong fields is whole JSON that Envoy can carry."""
    trailers = legacy_trailers(RequestInvalidError(MANY), dialect)
    assert sum(len(name) + len(value) for name, value in trailers) < ENVOY_TRAILER_BYTES_MAX
    body = json.loads(dict(trailers)["loyalty-http-body"])
    assert body["statusCode"] == 400


@pytest.mark.parametrize(
    "error",
    [
        CorrelationIdInvalidError(),
        RequestInvalidError((FieldViolation("correlation_id", "whatever it says"),)),
    ],
)
def test_invalid_correlation_id_is_the_documented_body(error: LoyaltyError) -> None:
    """A correlation ID that is refused, for whatever reason, is the contract's 88 bytes."""
    body = dict(legacy_trailers(error, Dialect.ES))["loyalty-http-body"]
    assert body == (
        '{"statusCode":400,"errorMessage":"Invalid Correlation ID","errorCode":"INVALID_REQUEST"}'
    )
    assert len(body) == 88


@pytest.mark.parametrize(
    ("path", "spelling"),
    [
        ("pos_vendor.store_id", "posVendor.storeId"),
        ("order[1].incentive_id", "order[1].incentiveId"),
        ("identifier", "identifier"),
        ("anonymous_session_id", "anonymousSessionId"),
        ("idempotency-key", "idempotency-key"),
    ],
)
def test_json_callers_read_json_names(path: str, spelling: str) -> None:
    """A field is named as the caller spells it."""
    assert json_field(path) == spelling
    body = dict(
        legacy_trailers(RequestInvalidError((FieldViolation(path, "must be"),)), Dialect.RBI)
    )["loyalty-http-body"]
    assert json.loads(body)["details"] == {"errors": [{"field": spelling, "message": "must be"}]}


@pytest.mark.parametrize(("wait_ms", "seconds"), [(1, "1"), (30_000, "30"), (30_001, "31")])
def test_wait_is_told_as_long_as_it_is(wait_ms: int, seconds: str) -> None:
    """Who must wait is told how long: to the millisecond in gRPC, in whole seconds in JSON."""
    error = TooManyWrongCodesError("store", wait_ms)
    retry = _detail(_status(error), error_details_pb2.RetryInfo())
    assert retry.retry_delay.ToMilliseconds() == wait_ms
    for dialect in Dialect:
        assert dict(legacy_trailers(error, dialect))["retry-after"] == seconds


def _reason_comments() -> dict[str, str]:
    """Read the comment of each reason from the descriptor set that Envoy loads."""
    files = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTOR_SET.read_bytes())
    (file,) = (file for file in files.file if file.name.endswith("/error_reason.proto"))
    values = file.enum_type[0].value
    return {
        values[location.path[3]].name: location.leading_comments
        for location in file.source_code_info.location
        if list(location.path[:3]) == [5, 0, 2] and len(location.path) == 4
    }


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.reason)
def test_reason_has_a_literal_example(row: Any) -> None:
    """The contract shows, under each reason, an ErrorInfo as the server really sends it."""
    comment = _reason_comments()[row.reason]
    (example,) = (
        json.loads(line)
        for line in map(str.strip, comment.splitlines())
        if line.startswith('{"reason"')
    )
    info = _detail(_status(_sample(row.error)), error_details_pb2.ErrorInfo())
    assert (example["reason"], example["domain"]) == (info.reason, info.domain)
    assert example["metadata"].keys() == info.metadata.keys()
    assert all(isinstance(value, str) and value for value in example["metadata"].values())
    assert row.code.name in comment, "the comment names the status code"
