"""Words a call for the board: its name, its JSON, and no API key whole."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import grpc
from google.api import annotations_pb2
from google.protobuf import descriptor_pool, json_format
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import (
    error_details_pb2,  # noqa: F401 - so that the details of an error are known by name.
    status_pb2,
)

from loyalty_service.domain.clock import rfc3339
from loyalty_service.sandbox.board.exchange import BODY_MAX, Exchange, Fields, Side
from loyalty_service.sandbox.demo_data import KEYS, SINGLE_KEYS
from loyalty_service.transport.rpcs import RPCS, Rpc

SECRET = re.compile(
    r"(?!idempotency)(?:.*[-_]|cc|access)?(?:api[-_]?key|key|token|secret|password|authorization|cookie)",
    re.IGNORECASE,
)
"""Names of headers, parameters and fields whose values are not shown, misspelt ones too."""

SHOWN_OF_KEY = 4
HIDDEN_MIN = 6
"""Keys that are shorter are not looked for elsewhere: they would be found in any text."""

_PAIR = re.compile(r'"([\w-]{1,64})"\s*:\s*"([^"\\]*)"')
_DETAILS = "grpc-status-details-bin"
_FORM = "x-www-form-urlencoded"
_STATUSES = {code.value[0]: code.name for code in grpc.StatusCode}
_ORDER_PATH = re.compile(r"/pos/(?:validate/)?([0-9a-f-]{36})\b")
_VISIT_PATH = re.compile(r"/(?:client/users|loyalty/visits)/([^/]+)/(?!sessions$)")
_GRPC_FRAME = 5


def told(call: Exchange) -> dict[str, object]:
    """
    Word a call.

    Returns:
        What the board's page reads: times in ms, bodies as text.
    """
    rpc = RPCS.get(call.request.field(":path").lstrip("/").removeprefix("loyalty.v1."))
    kind = call.request.field("content-type")
    protocol = (
        "grpc-web"
        if "grpc-web" in kind
        else "grpc"
        if kind.startswith("application/grpc")
        else "json"
    )
    messages = _messages(call.request.field(":path"))
    asked = _body(call.request, messages[0], protocol)
    answered = _body(call.answer, messages[1], protocol)
    trailers = call.trailers
    if protocol == "grpc-web":
        trailers = [*trailers, *_web_trailers(call.answer)]
    status, ok, problem = _outcome(call, trailers, protocol)
    hide = _Hiding(call.request.fields, asked, answered)
    name = rpc or _route(call.request.field(":method"), call.request.field(":path"))
    return {
        "number": call.number,
        "at": rfc3339(call.at_ms),
        "door": call.door,
        "protocol": protocol,
        "name": name.name.partition("/")[2] if name else "",
        "verb": call.request.field(":method"),
        "path": hide(call.request.field(":path")),
        "caller": hide.caller,
        "status": status,
        "ok": ok,
        "tookMs": None if call.took_s is None else round(call.took_s * 1000, 1),
        "fault": call.fault,
        "broken": call.broken,
        "kept": call.answer.field("idempotent-replayed") == "true",
        "order": _order(call, asked, answered),
        "gist": hide(" ".join(_gist(asked, answered or problem, ok=ok))),
        "request": {"fields": hide.fields(call.request.fields), "body": hide(asked)},
        "answer": {
            "fields": hide.fields([*call.answer.fields, *trailers]),
            "body": hide(answered or problem),
        },
    }


class _Hiding:
    """Leaves a caller's API key out of texts, and a token that it gets."""

    def __init__(self, fields: Fields, asked: str, answered: str) -> None:
        self._secrets = sorted(_secrets(fields, asked, answered), key=len, reverse=True)
        known = KEYS | SINGLE_KEYS
        self.caller = next((known[one].value for one in self._secrets if one in known), "")

    def __call__(self, text: str) -> str:
        """Give the text without the key."""
        for secret in self._secrets:
            for form in {secret, json.dumps(secret)[1:-1], quote(secret, safe="")}:
                text = text.replace(form, masked(secret))
        return text

    def fields(self, fields: Fields) -> list[list[str]]:
        """Give headers without their own secrets and without the key."""
        return [
            [
                name,
                _masked_field(name, value)
                if SECRET.fullmatch(name)
                else self(_printed(name, value)),
            ]
            for name, value in fields
            if name != _DETAILS  # It is shown as JSON.
        ]


def _secrets(fields: Fields, asked: str, answered: str) -> Iterator[str]:
    named = dict(fields)
    query = parse_qsl(named.get(":path", "").partition("?")[2])
    form = parse_qsl(asked) if _FORM in named.get("content-type", "").lower() else []
    for name, value in (*fields, *query, *form, *_PAIR.findall(asked), *_PAIR.findall(answered)):
        if SECRET.fullmatch(name):
            for part in (value, value.partition(" ")[2]):
                if len(part.strip()) >= HIDDEN_MIN:
                    yield part.strip()


def _masked_field(name: str, value: str) -> str:
    scheme, blank, rest = value.partition(" ")
    if name == "authorization" and blank:
        return f"{scheme} {masked(rest.strip())}"
    return masked(value)


def _printed(name: str, value: str) -> str:
    """Give a header in letters: two ends that know each other send bytes after a zero."""
    if name.endswith("-bin") and value.startswith("\0"):
        return base64.b64encode(value[1:].encode("latin-1")).decode()
    return value


def masked(secret: str) -> str:
    """Give the first characters of a key, and never more than a third of it."""
    return f"{secret[: min(SHOWN_OF_KEY, len(secret) // 3)]}…"


def _body(side: Side, message: type[Message] | None, protocol: str) -> str:
    """Give a body as text; that of gRPC as the JSON that it stands for."""
    data = bytes(side.body)
    if protocol == "json":
        plain = _unchunked(data) if "chunked" in side.field("transfer-encoding") else data
        return plain.decode("utf-8", "replace") + _cut(side)
    texts = []
    for flags, payload in _grpc_frames(_web(side) if protocol == "grpc-web" else data):
        if flags & 0x80:
            continue
        if message is None:
            texts.append(f"{len(payload)} bytes of a message that is not known here")
            continue
        try:
            plain = _inflated(payload) if flags & 1 else payload
            texts.append(_json(message.FromString(plain)))
        except (ValueError, DecodeError, zlib.error):
            texts.append(f"{len(payload)} bytes that are not a {message.DESCRIPTOR.name}")
    return "\n".join(texts) + _cut(side)


def _messages(path: str) -> tuple[type[Message] | None, type[Message] | None]:
    """Find what a method of gRPC takes and gives; absent where this process has no such method."""
    try:
        method = descriptor_pool.Default().FindMethodByName(path.lstrip("/").replace("/", "."))
    except KeyError:
        return None, None
    return GetMessageClass(method.input_type), GetMessageClass(method.output_type)


def _cut(side: Side) -> str:
    return f"\n… {side.size - len(side.body)} more bytes" if side.cut else ""


def _json(message: Message) -> str:
    return json_format.MessageToJson(message, indent=None, ensure_ascii=False)


def _inflated(payload: bytes) -> bytes:
    return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(payload, BODY_MAX)


def _grpc_frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _GRPC_FRAME:
        end = _GRPC_FRAME + int.from_bytes(data[1:_GRPC_FRAME])
        yield data[0], data[_GRPC_FRAME:end]
        data = data[end:]


def _web(side: Side) -> bytes:
    """Give the frames of gRPC-Web."""
    data = bytes(side.body)
    if "chunked" in side.field("transfer-encoding"):
        data = _unchunked(data)
    if "text" in side.field("content-type"):
        return base64.b64decode(data[: len(data) // 4 * 4])
    return data


def _web_trailers(side: Side) -> Fields:
    lines = [
        line.partition(":")
        for flags, payload in _grpc_frames(_web(side))
        if flags & 0x80
        for line in payload.decode("latin-1").splitlines()
    ]
    return [(name.strip().lower(), value.strip()) for name, colon, value in lines if colon]


def _unchunked(data: bytes) -> bytes:
    whole = b""
    while data:
        line, _, data = data.partition(b"\r\n")
        size = re.match(rb"[0-9a-fA-F]+", line)
        if size is None or not int(size[0], 16):
            break
        length = int(size[0], 16)
        whole += data[:length]
        data = data[length + 2 :]
    return whole


def _outcome(call: Exchange, trailers: Fields, protocol: str) -> tuple[str, bool, str]:
    """Give the status in words, whether it is a success, and an error's details as JSON."""
    http = call.answer.field(":status")
    if protocol == "json" or not http:
        return http, http.startswith(("2", "3")), ""
    fields = [*call.answer.fields, *trailers]
    found = next((value for name, value in fields if name == "grpc-status"), "")
    if not found.isdigit():
        return (http if call.took_s is not None else ""), False, ""
    packed = next((value for name, value in fields if name == _DETAILS), "")
    message = next((value for name, value in fields if name == "grpc-message"), "")
    problem = json.dumps({"message": unquote(message)}, ensure_ascii=False) if message else ""
    if packed:
        try:
            raw = base64.b64decode(_printed(_DETAILS, packed) + "==")
            problem = _json(status_pb2.Status.FromString(raw))
        except (ValueError, TypeError, DecodeError):
            pass  # It is not ours.
    return _STATUSES.get(int(found), found), found == "0", "" if found == "0" else problem


def _order(call: Exchange, asked: str, answered: str) -> str:
    """Find the transaction that a call is about, or the session that it is made in."""
    asked_path = call.request.field(":path").partition("?")[0]
    path = _ORDER_PATH.search(asked_path) or _VISIT_PATH.match(asked_path)
    if path:
        return unquote(path[1])
    for text in (asked, answered):
        for name in ("loyaltyTransactionId", "correlationId", "transactionId"):
            found = _object(text).get(name)
            if isinstance(found, str) and found:
                return found
    return ""


def _gist(asked: str, answered: str, *, ok: bool) -> Iterator[str]:
    """Give what tells a call from others of its name, and why it was refused."""
    request, answer = _object(asked), _object(answered)
    for name in ("identifier", "status"):
        if isinstance(request.get(name), str):
            yield request[name][:40]
    if ok:
        return
    details = answer.get("details")
    for part in details if isinstance(details, list) else [details]:
        if isinstance(part, dict) and isinstance(part.get("reason"), str):
            yield part["reason"]
            return
    for name in ("code", "errorMessage", "error"):
        if isinstance(answer.get(name), str):
            yield answer[name]
            return


def _object(text: str) -> dict[str, Any]:
    """Read a JSON object; empty for anything else."""
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _bindings(rpc: Rpc) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Give the routes of an RPC over JSON."""
    extension: Any = annotations_pb2.http
    rule: Any = rpc.method.GetOptions().Extensions[extension]
    for one in (rule, *rule.additional_bindings):
        verb = one.WhichOneof("pattern")
        if verb:
            path = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(getattr(one, verb)))
            yield verb.upper(), re.compile(path)


def _routes(rpcs: Iterable[Rpc]) -> list[tuple[str, re.Pattern[str], Rpc]]:
    return [(verb, path, rpc) for rpc in rpcs for verb, path in _bindings(rpc)]


_ROUTES = _routes(RPCS.values())


def _route(verb: str, path: str) -> Rpc | None:
    plain = path.partition("?")[0]
    found = (rpc for known, route, rpc in _ROUTES if known == verb and route.fullmatch(plain))
    return next(found, None)
