"""The part of envoy.yaml that words what Envoy answers by itself."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from loyalty_service.domain.errors import LoyaltyError
from loyalty_service.transport.errors.catalogue import CATALOGUE
from loyalty_service.transport.errors.dialects import PREFIXES, RPCS
from loyalty_service.transport.errors.edge import (
    BODY_TOO_LARGE,
    GRPC_TOO_LARGE,
    HEADERS,
    LOCAL_REPLIES,
    MISSPELT_KEY,
    NO_KEY,
    PARTIAL,
    TOO_MANY,
    LocalReply,
)
from loyalty_service.transport.errors.edge_bodies import body_of, es_body, oauth_body
from loyalty_service.transport.errors.rendering import (
    CHALLENGE,
    CHALLENGED,
    DOMAIN,
    grpc_trailers,
)
from loyalty_service.transport.errors.words import Dialect, EsWords, OAuthWords, RpcWords

GRPC_CONTENT = (
    {"exact": "application/grpc"},
    {"prefix": "application/grpc+"},
    {"prefix": "application/grpc-web"},
)
"""
The content types of gRPC and of gRPC-Web.

Not as a pattern, for each mapper tries them again: on a content type of 7 KB a pattern took a
worker some 4 ms a call, of calls that Envoy refuses before any filter bounds them.
"""

RETRY_AFTER = ("retry-after", "1")

Routes = Mapping[str, str]
"""`METHOD /path` of each route, and the `Service/Method` that it calls."""


class Mappers:
    """Builds `local_reply_config.mappers`; a part of several of them is one object."""

    def __init__(self, routes: Routes) -> None:
        self._grpc = _either(
            "grpc",
            *(_header("content-type", string_match=_flow(**match)) for match in GRPC_CONTENT),
        )
        # After the transcoder the content type and the path are those of a gRPC call; the header
        # that the JSON door's filter sets still tells.
        self._json = _either(
            "json",
            _both(
                [
                    _header(
                        "content-type",
                        string_match=_flow(**match),
                        treat_missing_header_as_empty=True,
                        invert_match=True,
                    )
                    for match in GRPC_CONTENT
                ]
            ),
            _header("loyalty-dialect", present_match=True),
        )
        self._es = _either(
            "es",
            *(
                _header(":path", string_match=_flow(prefix=prefix))
                for prefix, dialect in PREFIXES.items()
                if dialect is Dialect.ES
            ),
            *(
                _header(":path", string_match=_path_of(route))
                for route, words in _with_words(routes)
                if words.dialect is Dialect.ES
                and not route.partition(" ")[2].startswith(tuple(PREFIXES))
            ),
            _header("loyalty-dialect", string_match=_flow(exact="es")),
        )
        self._misspelt = _anchored("misspelt", _header("x_api_key", present_match=True))
        self._statuses: dict[str, CommentedMap] = {}
        self._request_id = _anchored(
            "request_id", _set_header("x-request-id", "%UNIQUE_ID%", "ADD_IF_ABSENT")
        )
        self._retry_after = _anchored("retry_after", _set_header(*RETRY_AFTER))
        self._headers = {
            dialect: [
                _anchored(f"{dialect}_{name.replace('-', '_')}", _set_header(name, value))
                for name, value in headers
            ]
            for dialect, headers in HEADERS.items()
        }
        self._lists: dict[tuple[Dialect, bool], CommentedSeq] = {}
        self._routes = routes

    def all(self) -> CommentedSeq:
        """Give all mappers, in their order: the first that fits a reply holds."""
        return CommentedSeq(
            [
                self._fine(),
                *self._by_rpc(),
                *(self._legacy(Dialect.ES, reply) for reply in LOCAL_REPLIES[Dialect.ES]),
                *(self._legacy(Dialect.RBI, reply) for reply in LOCAL_REPLIES[Dialect.RBI]),
                *self._to_grpc(),
            ]
        )

    def _fine(self) -> CommentedMap:
        """Leave alone what the gate tells a browser that asks whether it may call."""
        code = _flow(op="LE", value=_flow(default_value=299, runtime_key="loyalty.fine"))
        return CommentedMap(
            filter=CommentedMap(status_code_filter=_flow(comparison=code)),
            body_format_override=CommentedMap(text_format_source=_flow(inline_string="")),
        )

    def _by_rpc(self) -> Iterator[CommentedMap]:
        """Word what an RPC has words of its own for, before what its dialect says."""
        for route, words in _with_words(self._routes):
            for status, told in words.answers.items():
                code = _flow(
                    op="EQ",
                    value=_flow(default_value=status, runtime_key=f"loyalty.status_{status}"),
                )
                yield self._mapper(
                    [
                        CommentedMap(or_filter=self._json),
                        _header(":path", string_match=_path_of(route)),
                        CommentedMap(status_code_filter=_flow(comparison=code)),
                    ],
                    self._headers_of_answer(words.dialect, status, told),
                    oauth_body(told) if isinstance(told, OAuthWords) else es_body(told),
                )

    def _legacy(self, dialect: Dialect, reply: LocalReply) -> CommentedMap:
        filters = [CommentedMap(or_filter=self._json)]
        if dialect is Dialect.ES:
            filters.append(CommentedMap(or_filter=self._es))
        filters += self._conditions(reply)
        return self._mapper(
            filters, self._headers_of(dialect, again=reply.again), body_of(reply.row, dialect)
        )

    def _conditions(self, reply: LocalReply) -> list[CommentedMap]:
        filters = []
        if reply.at is not None:
            filters.append(
                CommentedMap(
                    status_code_filter=self._status(
                        reply.runtime_key, reply.at, "GE" if reply.or_above else "EQ"
                    )
                )
            )
        if reply.misspelt_key:
            filters.append(self._misspelt)
        return filters

    def _status(self, key: str, status: int, op: str = "EQ") -> CommentedMap:
        if key not in self._statuses:
            value = _flow(default_value=status, runtime_key=f"loyalty.{key}")
            comparison = _flow(comparison=_flow(op=op, value=value))
            self._statuses[key] = _anchored(f"status_{key}", comparison)
        return self._statuses[key]

    def _headers_of_answer(
        self, dialect: Dialect, status: int, told: EsWords | OAuthWords
    ) -> CommentedSeq:
        headers = self._headers_of(dialect, again=status == TOO_MANY.http)
        if isinstance(told, OAuthWords) and status == CHALLENGED:
            return CommentedSeq([*headers, _set_header(*CHALLENGE)])
        return headers

    def _headers_of(self, dialect: Dialect, *, again: bool) -> CommentedSeq:
        if (dialect, again) not in self._lists:
            headers = [*self._headers[dialect], self._request_id]
            listed = CommentedSeq([self._retry_after, *headers] if again else headers)
            name = f"{dialect}_{'later' if again else 'now'}"
            self._lists[dialect, again] = _anchored(name, listed)
        return self._lists[dialect, again]

    def _mapper(
        self, filters: list[CommentedMap], headers: CommentedSeq | None, body: str
    ) -> CommentedMap:
        mapper = CommentedMap(filter=_both(filters))
        if headers is not None:
            mapper["headers_to_add"] = headers
        mapper["body_format_override"] = CommentedMap(
            content_type="application/json",
            text_format_source=CommentedMap(inline_string=_quoted(body)),
        )
        return mapper

    def _to_grpc(self) -> Iterator[CommentedMap]:
        """Tell a gRPC caller the same: the status, and when to come back."""
        busy = status_pb2.Status(code=_code(grpc.StatusCode.RESOURCE_EXHAUSTED))
        busy.message = TOO_MANY.message
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromSeconds(int(RETRY_AFTER[1]))
        for detail in (
            error_details_pb2.ErrorInfo(reason=TOO_MANY.reason, domain=DOMAIN),
            retry,
        ):
            busy.details.add().Pack(detail, deterministic=True)
        large = status_pb2.Status(
            code=_code(grpc.StatusCode.RESOURCE_EXHAUSTED), message=GRPC_TOO_LARGE
        )
        yield self._grpc_mapper([self._status("many", TOO_MANY.http)], busy)
        yield self._grpc_mapper([self._status("large", BODY_TOO_LARGE.http)], large)
        keyless = CATALOGUE[type(NO_KEY)].http
        yield self._grpc_mapper([self._status("keyless", keyless)], _status_of(NO_KEY))
        refused = self._status("misspelt", CATALOGUE[type(MISSPELT_KEY)].http)
        yield self._grpc_mapper([refused], _status_of(MISSPELT_KEY), [self._misspelt])
        partial = self._status("partial", CATALOGUE[type(PARTIAL)].http)
        yield self._grpc_mapper([partial], _status_of(PARTIAL))

    def _grpc_mapper(
        self,
        codes: Iterable[CommentedMap],
        status: status_pb2.Status,
        more: Iterable[CommentedMap] = (),
    ) -> CommentedMap:
        headers = [_set_header("grpc-status", str(status.code))]
        if status.details:
            # As gRPC does, without the padding.
            packed = base64.b64encode(status.SerializeToString(deterministic=True)).decode()
            headers.append(_set_header("grpc-status-details-bin", packed.rstrip("=")))
        filters = [
            CommentedMap(or_filter=self._grpc),
            *(CommentedMap(status_code_filter=code) for code in codes),
            *more,
        ]
        return CommentedMap(
            filter=_both(filters),
            headers_to_add=CommentedSeq(headers),
            body_format_override=CommentedMap(
                text_format_source=_flow(inline_string=status.message)
            ),
        )


def _with_words(routes: Routes) -> Iterator[tuple[str, RpcWords]]:
    for route, rpc in routes.items():
        if rpc in RPCS:
            yield route, RPCS[rpc]


def _path_of(route: str) -> CommentedMap:
    """Match the paths of a route, with a slash at the end, a query, or neither."""
    path = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(route.partition(" ")[2]))
    return _flow(safe_regex=_flow(regex=rf"{path}/?(\?.*)?"))


def _status_of(error: LoyaltyError) -> status_pb2.Status:
    """Give what the server would say over gRPC; its bytes are the same each time."""
    ((_, packed),) = grpc_trailers(error)
    status = status_pb2.Status.FromString(packed)
    details = [*status.details]
    del status.details[:]
    for detail in details:
        status.details.append(_in_order(detail))
    return status


def _in_order(detail: any_pb2.Any) -> any_pb2.Any:
    for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest):
        message = kind()
        if detail.Unpack(message):
            packed = any_pb2.Any()
            packed.Pack(message, deterministic=True)
            return packed
    return detail


def _code(code: grpc.StatusCode) -> int:
    number: int = code.value[0]
    return number


def _flow(**members: Any) -> CommentedMap:
    made = CommentedMap({name: _quoted(value) for name, value in members.items()})
    made.fa.set_flow_style()
    return made


def _quoted(value: Any) -> Any:
    """Quote a text in which a reader of YAML could see more than a word."""
    if isinstance(value, str) and not re.fullmatch(r"[\w./-]+", value):
        return SingleQuotedScalarString(value)
    return value


def _anchored(name: str, value: Any) -> Any:
    value.yaml_set_anchor(name, always_dump=True)
    return value


def _header(name: str, **match: Any) -> CommentedMap:
    return _flow(header_filter=_flow(header=_flow(name=name, **match)))


def _set_header(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> CommentedMap:
    return _flow(append_action=action, header=_flow(key=name, value=value))


def _either(name: str, *filters: CommentedMap) -> CommentedMap:
    return _anchored(name, CommentedMap(filters=CommentedSeq(filters)))  # type: ignore[no-any-return]


def _both(filters: list[CommentedMap]) -> CommentedMap:
    if len(filters) == 1:
        return filters[0]
    return CommentedMap(and_filter=CommentedMap(filters=CommentedSeq(filters)))
