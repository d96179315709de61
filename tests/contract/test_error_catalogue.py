"""Errors: classes, rows and reasons are one list, and every one renders on every door."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2, status_pb2

from loyalty.v1 import error_reason_pb2
from loyalty_service.domain.breaches import RuleFailure
from loyalty_service.domain.errors import (
    CorrelationIdInvalidError,
    FieldViolation,
    LoyaltyError,
    RequestInvalidError,
    RulesFailedError,
    TooManyWrongCodesError,
)
from loyalty_service.sandbox.errors_on_purpose import error_of
from loyalty_service.transport.errors.catalogue import CATALOGUE, REASONS, ROWS, retry_after_ms
from loyalty_service.transport.errors.rendering import (
    LEGACY_BODY_BYTES_MAX,
    grpc_trailers,
    json_field,
    legacy_trailers,
    message_of,
)
from loyalty_service.transport.errors.words import Dialect
from tests.support.longest_errors import (
    WIDE,
    error_kinds,
    longest_error,
    most_failures,
    most_violations,
)
from tests.support.trailers import trailer_bytes

DESCRIPTOR_SET = Path(__file__).resolve().parents[2] / "generated" / "loyalty.binpb"
TRAILER_BYTES_MAX = 4096
ENVOY_TRAILER_BYTES_MAX = 64 * 1024
CLASSES = error_kinds()
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
    """Count the trailers of an error, beside the longest request ID that a caller may choose."""
    trailers = (*grpc_trailers(error), ("x-request-id", "r" * 128))
    return trailer_bytes(CATALOGUE[type(error)].code, message_of(error), trailers)


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
    text = message_of(longest_error(kind))
    assert text
    assert not re.search(r"[{}]|\.$", text)


@every_error
def test_sandbox_has_a_value_for_each_field(kind: type[LoyaltyError]) -> None:
    """Whoever asks the sandbox for a reason gets an error of its class."""
    assert type(error_of(CATALOGUE[kind].reason)) is kind


@every_error
def test_error_renders_for_grpc(kind: type[LoyaltyError]) -> None:
    """The longest error of each kind has reason, domain and all its values in at most 4 KiB."""
    error = longest_error(kind)
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
    error = longest_error(kind)
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
            info = _detail(_status(error), error_details_pb2.ErrorInfo())
            assert body["details"]["reason"] == info.reason
            assert body["details"]["metadata"].keys() == info.metadata.keys()


@every_error
def test_refusal_passes_through_a_context_manager(kind: type[LoyaltyError]) -> None:
    """Every error leaves a with statement as itself."""

    @contextmanager
    def manager() -> Iterator[None]:
        yield

    error = longest_error(kind)
    with pytest.raises(kind) as caught, manager():
        raise error
    assert caught.value is error
    assert error == longest_error(kind)


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


@every_error
def test_value_of_any_length_stays_below_the_limit(kind: type[LoyaltyError]) -> None:
    """Texts longer than there can be are cut, and show it, rather than pass 4 KiB."""
    error = longest_error(kind)
    texts = [name for name, value in vars(error).items() if isinstance(value, str)]
    for text in ("%" * 10_000, WIDE * 10_000):
        longer = replace(error, **dict.fromkeys(texts, text))  # type: ignore[type-var]
        info = _detail(_status(longer), error_details_pb2.ErrorInfo())
        assert all(info.metadata[name].endswith("…") for name in texts)
        assert _wire_bytes(longer) <= TRAILER_BYTES_MAX


@pytest.mark.parametrize("count", [1, 10, 100, 1000])
def test_many_violations_stay_below_the_limit(count: int) -> None:
    """However many fields are wrong, trailers stay in 4 KiB and say how many there were."""
    violations = most_violations()[:count]
    error = RequestInvalidError(violations)
    status = _status(error)
    info = _detail(status, error_details_pb2.ErrorInfo())
    bad = _detail(status, error_details_pb2.BadRequest())
    listed = [(broken.field, broken.description) for broken in bad.field_violations]
    assert listed == [(broken.field, broken.message) for broken in violations[: len(listed)]]
    assert len(listed) == count or len(listed) >= 5
    assert info.metadata["violations"] == str(count)
    assert _wire_bytes(error) <= TRAILER_BYTES_MAX


@pytest.mark.parametrize("count", [1, 10, 100, 1000])
def test_many_broken_rules_stay_below_the_limit(count: int) -> None:
    """However many rules an order breaks, trailers stay in 4 KiB and say how many there were."""
    failures = most_failures()[:count]
    error = RulesFailedError(failures)
    status = _status(error)
    info = _detail(status, error_details_pb2.ErrorInfo())
    broken = _detail(status, error_details_pb2.PreconditionFailure())
    listed = [(one.type, one.subject, one.description) for one in broken.violations]
    assert listed == [
        (one.code, f"{one.rule_id}/{one.incentive_id}", one.message)
        for one in failures[: len(listed)]
    ]
    assert len(listed) == count or len(listed) >= 2
    assert info.metadata["violations"] == str(count)
    assert _wire_bytes(error) <= TRAILER_BYTES_MAX


def test_ten_broken_rules_of_ordinary_names_are_all_told() -> None:
    """What an order ordinarily breaks fits as a whole."""
    named = "3e9a71a8-75f8-493a-bb2a-e13f92052427"
    failures = tuple(replace(one, incentive_id=named) for one in most_failures()[:10])
    broken = _detail(_status(RulesFailedError(failures)), error_details_pb2.PreconditionFailure())
    assert len(broken.violations) == 10


def test_grpc_caller_is_told_the_values_of_broken_rules() -> None:
    """By the place of the violation, as JSON callers read them; a long list is cut."""
    failures = (
        RuleFailure("minimum-spend-not-met", "minimum-spend", "", 500, 1500, "a"),
        RuleFailure("not-birthday", "birthday", ""),
        RuleFailure("invalid-store-id", "store-restrictions", "", "9999", (1, 2)),
        RuleFailure("cart-requirements-not-met", "cart-requirements", "", 0, ("p" * 64,) * 20),
    )
    info = _detail(_status(RulesFailedError(failures)), error_details_pb2.ErrorInfo())
    values = {name: json.loads(text) for name, text in info.metadata.items() if "Value" in name}
    assert values.pop("targetValue3") == ["p" * 64] * 3
    assert values == {
        "currentValue0": 500,
        "targetValue0": 1500,
        "currentValue2": "9999",
        "targetValue2": ["1", "2"],
        "currentValue3": 0,
    }


@pytest.mark.parametrize("dialect", Dialect)
@every_error
def test_longest_error_fits_the_legacy_body(kind: type[LoyaltyError], dialect: Dialect) -> None:
    """The legacy body of thousands of wrong fields or broken rules is one that Envoy can carry."""
    trailers = legacy_trailers(longest_error(kind), dialect)
    assert sum(len(name) + len(value) for name, value in trailers) < ENVOY_TRAILER_BYTES_MAX
    body = dict(trailers)["loyalty-http-body"]
    assert len(body) <= LEGACY_BODY_BYTES_MAX
    assert json.loads(body)["statusCode"] == CATALOGUE[kind].http


@pytest.mark.parametrize(
    "error",
    [
        CorrelationIdInvalidError(),
        RequestInvalidError((FieldViolation("correlation_id", "whatever it says"),)),
        RequestInvalidError((FieldViolation("a", "b"), FieldViolation("correlation_id", "c"))),
    ],
)
def test_invalid_correlation_id_is_the_documented_body(error: LoyaltyError) -> None:
    """A correlation ID that is refused, for whatever reason, is the contract's 88 bytes."""
    trailers = dict(legacy_trailers(error, Dialect.ES, "SessionService/StartAnonymousSession"))
    body = trailers["loyalty-http-body"]
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
    assert json.loads(body)["details"] == {
        "reason": "REQUEST_INVALID",
        "metadata": {"fields": spelling, "violations": "1"},
        "errors": [{"field": spelling, "message": "must be"}],
    }


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
    info = _detail(_status(longest_error(row.error)), error_details_pb2.ErrorInfo())
    assert (example["reason"], example["domain"]) == (info.reason, info.domain)
    assert example["metadata"].keys() == info.metadata.keys()
    assert all(isinstance(value, str) and value for value in example["metadata"].values())
    assert row.code.name in comment, "the comment names the status code"
