"""Puts the OpenAPI document together: every route, its fields, its answers and its errors."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from google.api import annotations_pb2
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import LiteralScalarString

from kit.errors import ERROR_SCHEMAS, Shown, edge_list, error_list, errors_of, schema_of
from kit.schemas import Schemas, comments_of
from kit.transcripts import Transcript, shown, transcripts
from loyalty_service.transport.rpcs import RPCS as ROWS
from loyalty_service.transport.rpcs import Effect

Json = dict[str, Any]

INTRODUCTION = """\
What tills, kiosks and apps call over JSON. Every call carries an API key.

Names of fields may also be written as in the protos, for instance `loyalty_id`. Any
`Content-Type` is accepted, or none. A body has at most 512 KiB and is not compressed.

A call that writes may carry an `idempotency-key`: sent again under the same key it has no second
effect and gets the first answer. Wait 6 s for an answer; after a 502, a 504 or none, send the call
again under its key.

`x-errors` lists every error: its gRPC status, its HTTP status, its words in both contracts, whether
to send the call again, and a sentence for the cashier in English and French. `sendAgain` is
"same key" (as it is, under the same key, after the wait if one is told), "corrected" (once what is
wrong has changed; the same key may be used), "new key" (as it is, under another key) or "never".
`x-envoy-errors` lists what Envoy answers by itself.
"""

SHOWN_MAX = 4
"""Good calls that are shown of each route."""

LENIENT = ("as_a_number", "in_any_case", "of_a_fixed_width")
"""Transcripts of what is accepted and no till should send."""

LISTS = {
    "GetMembership": "programs",
    "ListRedemptionLocks": "locks",
    "SearchTransactions": "transactions",
}
"""Methods whose JSON answer is a list, and the field of their message that has it."""

QUERY_TOO = {"StartAnonymousSession": frozenset({"locale"})}
"""Fields of a body that may also stand in the query, as comments on them say."""

HEADERS = {
    "x-region": (
        (
            "Country of the caller's program, as two letters (ISO 3166), in any case. If it is not "
            "the region of the API key, the call is refused with API_KEY_INVALID."
        ),
        "CA",
    ),
    "x-user-datetime": (
        (
            "Date and time where the guest is, ISO 8601, as the till's clock shows it. Rules about "
            "days, dates and hours are checked with it; without it the server's time counts."
        ),
        "2026-11-22T12:00:00-05:00",
    ),
    "idempotency-key": (
        (
            "A name of the call that the caller chooses, so that it can be sent again: 1 to 255 "
            "printable ASCII characters, best a random UUID."
        ),
        None,  # Two calls with the one that were shown would be refused.
    ),
}
"""Headers of calls, most with an example."""

ANSWER_HEADERS: Json = {
    "RequestId": "Names the call in the server's logs.",
    "RetryAfter": "Seconds to wait before the call is sent again.",
    "IdempotentReplayed": "`true` if the answer is that of an earlier call with the same key.",
}


def openapi(descriptor_set: bytes, version: str) -> Json:
    """Make the document from the contract's descriptors, the errors and the transcripts."""
    files = FileDescriptorSet.FromString(descriptor_set)
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return _Document(files, pool).write(version)


def as_json(document: Json) -> str:
    """Write the document as JSON."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def as_yaml(document: Json) -> str:
    """Write the document as YAML."""
    writer = YAML()
    writer.width = 100
    writer.indent(mapping=2, sequence=4, offset=2)
    target = io.StringIO()
    # Without anchors for what is named twice.
    writer.representer.ignore_aliases = lambda _: True
    writer.dump(_blocks(document), target)
    return target.getvalue()


def _blocks(value: Any) -> Any:
    """Write texts of several lines as such."""
    if isinstance(value, dict):
        return {name: _blocks(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_blocks(one) for one in value]
    return LiteralScalarString(value) if isinstance(value, str) and "\n" in value else value


class _Document:
    def __init__(self, files: FileDescriptorSet, pool: DescriptorPool) -> None:
        self._comments = comments_of(files)
        self._methods = [
            pool.FindMethodByName(f"{file.package}.{service.name}.{method.name}")
            for file in files.file
            for service in file.service
            for method in service.method
        ]
        self._services = sorted({one.containing_service.name for one in self._methods})
        self._schemas = Schemas(
            [one.input_type for one in self._methods],
            [one.output_type for one in self._methods],
            self._comments,
        )
        self._transcripts = list(transcripts())
        self._bodies: set[str] = set()
        self._errors: Json = {}

    def write(self, version: str) -> Json:
        paths: dict[str, Json] = {}
        for verb, path, method in sorted(self._routes(), key=lambda route: route[1]):
            spelt = _json_path(path)
            before = sum(
                one["x-rpc"] == method.full_name for at in paths.values() for one in at.values()
            )
            paths.setdefault(spelt, {})[verb.lower()] = self._operation(verb, path, method, before)
        unread = {
            self._schemas.name(method.input_type, request=True) for method in self._methods
        } - self._bodies
        schemas = {
            name: schema for name, schema in self._schemas.all().items() if name not in unread
        }
        return {
            "openapi": "3.1.1",
            "info": {
                "title": "Loyalty service",
                "version": version,
                "description": INTRODUCTION,
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "servers": [{"url": "http://127.0.0.1:8080", "description": "The sandbox"}],
            "security": [{"apiKey": []}, {"bearer": []}],
            "tags": [
                {"name": name, "description": self._comments[f"loyalty.v1.{name}"]}
                for name in self._services
            ],
            "paths": paths,
            "components": {
                "schemas": dict(sorted((schemas | dict(ERROR_SCHEMAS)).items())),
                "examples": dict(sorted(self._errors.items())),
                "headers": {
                    name: {"description": text, "schema": {"type": "string"}}
                    for name, text in ANSWER_HEADERS.items()
                },
                "securitySchemes": {
                    "apiKey": {
                        "type": "apiKey",
                        "in": "header",
                        "name": "x-api-key",
                        "description": "The sandbox has sandbox-pos-key, sandbox-app-key, "
                        "sandbox-points-key and sandbox-admin-key.",
                    },
                    "bearer": {"type": "http", "scheme": "bearer"},
                },
            },
            "x-errors": error_list(self._comments),
            "x-envoy-errors": edge_list(),
        }

    def _routes(self) -> Iterator[tuple[str, str, MethodDescriptor]]:
        for method in self._methods:
            rule = method.GetOptions().Extensions[annotations_pb2.http]
            for binding in (rule, *rule.additional_bindings):
                verb = binding.WhichOneof("pattern")
                # A stream is for gRPC alone.
                if verb is not None:
                    yield verb.upper(), getattr(binding, verb), method

    def _operation(self, verb: str, path: str, method: MethodDescriptor, before: int) -> Json:
        rpc = f"{method.containing_service.name}/{method.name}"
        row = ROWS[rpc]
        comment = self._comments[method.full_name]
        mine = [one for one in self._transcripts if one.calls(verb, path)]
        in_path = _fields_in(path)
        fields = frozenset(field.name for field in method.input_type.fields)
        has_body = verb != "GET" and bool(fields - in_path)
        in_query = QUERY_TOO.get(method.name, frozenset()) if has_body else fields - in_path
        roles = " or ".join(sorted(role.name.lower() for role in row.roles))
        operation: Json = {
            "operationId": _operation_id(method.name, verb, before),
            "summary": comment.partition(". ")[0].partition("\n")[0].removesuffix("."),
            "description": f"{comment}\n\nFor API keys of role {roles}. {_EFFECTS[row.effect]}",
            "tags": [method.containing_service.name],
            "x-rpc": method.full_name,
            "parameters": [
                *self._parameters(method.input_type, path, in_query, mine),
                *_headers(row.effect),
            ],
        }
        if not any(one.status == HTTPStatus.OK for one in mine):
            mine += self._by_another_route(method)
        if has_body:
            operation["requestBody"] = self._body(method.input_type, in_path, mine)
        operation["responses"] = self._responses(rpc, method, mine)
        return operation

    def _by_another_route(self, method: MethodDescriptor) -> list[Transcript]:
        """Find calls of an RPC that succeed, for a route that few programs serve."""
        rule = method.GetOptions().Extensions[annotations_pb2.http]
        bindings = (rule, *rule.additional_bindings)
        routes = [
            (verb, getattr(one, verb)) for one in bindings if (verb := one.WhichOneof("pattern"))
        ]
        return [
            one
            for one in self._transcripts
            if one.status == HTTPStatus.OK
            and any(one.calls(verb.upper(), path) for verb, path in routes)
        ]

    def _parameters(
        self,
        message: Descriptor,
        path: str,
        in_query: frozenset[str],
        mine: list[Transcript],
    ) -> Iterator[Json]:
        in_path = _fields_in(path)
        for field in message.fields:
            if field.name not in in_path | in_query:
                continue
            schema = self._schemas.field(field, request=True)
            told: Json = {
                "name": field.json_name,
                "in": "path" if field.name in in_path else "query",
                "description": schema.pop("description"),
                "required": field.name in in_path
                or (self._schemas.required(field, request=True) and field.name not in _BODY_FIRST),
                "schema": schema,
            }
            for one in mine:
                values = one.last.query | _in_path(_json_path(path), shown(one.last.path))
                if one.status == HTTPStatus.OK and field.json_name in values:
                    told.setdefault("example", values[field.json_name])
            yield told

    def _body(self, message: Descriptor, in_path: frozenset[str], mine: list[Transcript]) -> Json:
        schema: Json
        if in_path:
            schema = self._schemas.message(message, request=True, without=in_path)
        else:
            name = self._schemas.name(message, request=True)
            self._bodies.add(name)
            schema = {"$ref": f"#/components/schemas/{name}"}
        content: Json = {"schema": schema}
        examples = {
            one.name: {"summary": one.words, "value": one.last.fields}
            for one in _simplest(mine)
            if one.last.body
        }
        if examples:
            content["examples"] = examples
        required = any(
            self._schemas.required(f, request=True) for f in message.fields if f.name not in in_path
        )
        form = any(one.last.is_form for one in mine)
        kind = "application/x-www-form-urlencoded" if form else "application/json"
        return {"required": required, "content": {kind: content}}

    def _responses(self, rpc: str, method: MethodDescriptor, mine: list[Transcript]) -> Json:
        name = self._schemas.name(method.output_type, request=False)
        writes = ROWS[rpc].effect is Effect.WRITES
        content: Json = {"schema": {"$ref": f"#/components/schemas/{name}"}}
        if method.name in LISTS:
            content["schema"]["$ref"] += f"/properties/{LISTS[method.name]}"
        content["examples"] = {one.name: _example(one) for one in _simplest(mine)}
        headers = {"x-request-id": {"$ref": "#/components/headers/RequestId"}}
        replayed = {"idempotent-replayed": {"$ref": "#/components/headers/IdempotentReplayed"}}
        responses: Json = {
            "200": {
                "description": self._comments[method.output_type.full_name],
                "headers": headers | (replayed if writes else {}),
                "content": {"application/json": content},
            }
        }
        by_status: dict[int, list[Shown]] = {}
        for error in errors_of(rpc, writes=writes, comments=self._comments):
            by_status.setdefault(error.status, []).append(error)
            self._errors[error.name] = {
                "summary": error.key,
                "description": error.text,
                "value": error.body,
            }
        for status, errors in sorted(by_status.items()):
            again = status in _WAITING
            wait = {"retry-after": {"$ref": "#/components/headers/RetryAfter"}} if again else {}
            responses[str(status)] = {
                "description": "\n".join(f"- `{one.key}`: {one.message}" for one in errors),
                "headers": headers | wait,
                "content": {
                    "application/json": {
                        "schema": {"$ref": f"#/components/schemas/{schema_of(rpc)}"},
                        "examples": _error_examples(
                            errors, [one for one in mine if one.status == status]
                        ),
                    }
                },
            }
        return responses


_WAITING = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)

_BODY_FIRST = frozenset({"locale"})

_EFFECTS = {
    Effect.READS: "It changes nothing.",
    Effect.CHECKS: "It judges and changes nothing.",
    Effect.WRITES: "It writes, once for each idempotency key.",
}


def _error_examples(errors: list[Shown], heard: list[Transcript]) -> Json:
    """Show each error once: as a till heard it, or as the catalogue has it."""
    by_reason = {one.reason: one for one in reversed(heard)}
    told = {
        error.key: _example(by_reason[error.key])
        if error.key in by_reason
        else {"$ref": f"#/components/examples/{error.name}"}
        for error in errors
    }
    return told | {one.name: _example(one) for one in heard if not one.reason}


def _simplest(mine: list[Transcript]) -> list[Transcript]:
    """Choose the calls to show: the collection has them all."""
    good = [
        one
        for one in mine
        if one.status == HTTPStatus.OK and not any(word in one.name for word in LENIENT)
    ]
    return sorted(sorted(good, key=lambda one: len(one.name))[:SHOWN_MAX], key=lambda one: one.name)


def _example(one: Transcript) -> Json:
    return {"summary": one.words, "value": one.shown_answer}


def _headers(effect: Effect) -> Iterator[Json]:
    for name, (text, example) in HEADERS.items():
        if name != "idempotency-key" or effect is Effect.WRITES:
            yield {
                "name": name,
                "in": "header",
                "description": text,
                "required": False,
                "schema": {"type": "string"},
                **({"example": example} if example else {}),
            }


def _fields_in(path: str) -> frozenset[str]:
    """Name the fields in a path."""
    return frozenset(re.findall(r"\{(\w+)\}", path))


def _json_path(path: str) -> str:
    """Spell the fields in a path as JSON callers do."""
    return re.sub(
        r"\{(\w+)\}",
        lambda match: "{" + re.sub(r"_([a-z])", lambda at: at[1].upper(), match[1]) + "}",
        path,
    )


def _in_path(template: str, path: str) -> dict[str, str]:
    """Read the values of a path's fields."""
    parts = zip(template.split("/"), path.split("/"), strict=True)
    return {name[1:-1]: value for name, value in parts if name.startswith("{")}


def _operation_id(method: str, verb: str, before: int) -> str:
    """Name a route of a method that has so many others *before* it."""
    if not before:
        return method
    return f"{method}With{verb.capitalize()}{before if before > 1 else ''}"
