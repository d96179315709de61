"""Tills that send a call until it is answered: over gRPC, or in JSON over HTTP/1.1."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.protobuf.json_format import Parse
from google.protobuf.message import Message

from loyalty_service.transport.errors.catalogue import ROWS
from tests.fault.doors import all_rpcs
from tests.fault.tills import reason_of
from tests.support.banks import SECRET
from tests.support.http import Response, read_response
from tests.support.server import Caller

TIMEOUT_S = 10.0
RPCS = {rpc.name: rpc for rpc in all_rpcs()}
_REPLAYED = ("idempotent-replayed", "true")
_REASONS = {row.rbi: row.reason for row in ROWS}
_UNDECIDED = {
    "CANCELLED",
    "DEADLINE_EXCEEDED",
    "DEADLINE_PASSED",
    "SERVER_BUSY",
    "STORAGE_UNAVAILABLE",
    "UNAVAILABLE",
}
_UNDECIDED_STATUS = {408, 429, 502, 503, 504}


class LostError(Exception):
    """Raised when there is no answer: whether anything happened only the same key can tell."""


@dataclass(frozen=True, slots=True)
class Sent:
    """
    An answer, in the bytes in which it came.

    Attributes:
        reason: Why the call was refused; empty when it was not.
        repeated: Whether the server says that an earlier call was answered so.
    """

    body: bytes
    reason: str
    repeated: bool


class Sender(Protocol):
    """A way to call the server."""

    async def send(self, method: str, request: Message, key: str | None) -> Sent:
        """
        Call `Service/Method`, under an idempotency key if one is given.

        Raises:
            LostError: No answer came.
        """

    def read(self, method: str, sent: Sent) -> Any:
        """Give the response that an answer's bytes are."""


class GrpcSender:
    """Calls over a gRPC channel."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._channel: Any = caller.channel

    async def send(self, method: str, request: Message, key: str | None) -> Sent:
        """See `Sender.send`."""
        extra = {} if key is None else {"idempotency_key": key}
        call = self._channel.unary_unary(RPCS[method].path)(
            request.SerializeToString(),
            metadata=self._caller.metadata(**extra),
            timeout=TIMEOUT_S,
            # A till whose connection broke waits for the next one.
            wait_for_ready=True,
        )
        try:
            body: bytes = await call
        except grpc.aio.AioRpcError as error:
            reason = reason_of(error)
            if reason in _UNDECIDED:
                raise LostError(reason) from error
            return Sent(b"", reason, repeated=False)
        return Sent(body, "", repeated=_REPLAYED in tuple(await call.initial_metadata() or ()))

    def read(self, method: str, sent: Sent) -> Any:
        """See `Sender.read`."""
        return RPCS[method].response.FromString(sent.body)


class JsonSender:
    """Calls over a connection to Envoy that is kept alive, and opened again when it breaks."""

    def __init__(self, port: int, api_key: str = SECRET) -> None:
        self._port = port
        self._api_key = api_key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, request: Message, key: str | None) -> Sent:
        """See `Sender.send`."""
        verb, path, body = _json_call(method, request)
        headers = {
            "host": "loyalty",
            "x-api-key": self._api_key,
            "content-type": "application/json",
            "content-length": str(len(body)),
        }
        if key is not None:
            headers["idempotency-key"] = key
        lines = [f"{verb} {path} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
        try:
            async with asyncio.timeout(TIMEOUT_S):
                response = await self._exchange("\r\n".join([*lines, "", ""]).encode() + body)
        except (OSError, EOFError, TimeoutError) as problem:
            self.close()
            raise LostError(repr(problem)) from problem
        if response.status in _UNDECIDED_STATUS:
            raise LostError(f"{response.status}")
        return _sent(response)

    async def _exchange(self, data: bytes) -> Response:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(data)
        await writer.drain()
        return await read_response(reader)

    def read(self, method: str, sent: Sent) -> Any:
        """See `Sender.read`."""
        return Parse(sent.body, RPCS[method].response(), ignore_unknown_fields=True)

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def _json_call(method: str, request: Message) -> tuple[str, str, bytes]:
    """Say a request in JSON, as its HTTP binding has it: verb, path and body."""
    rpc = RPCS[method]
    route = rpc.route_for(request)
    path, body = rpc.call_of(request, route)
    return route.method, path, json.dumps(body).encode()


def _sent(response: Response) -> Sent:
    if response.status == 200:
        repeated = response.header(_REPLAYED[0]) == _REPLAYED[1]
        return Sent(response.body, "", repeated)
    told = response.json()
    code = told.get("code")
    if code is None:
        # The session's dialect has one code for many reasons, which its text tells apart.
        reused = "idempotency key" in told["errorMessage"].lower()
        return Sent(b"", "IDEMPOTENCY_KEY_REUSED" if reused else told["errorCode"], repeated=False)
    return Sent(b"", _REASONS.get(code, f"{response.status} {code}"), repeated=False)
