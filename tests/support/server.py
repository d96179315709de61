"""A running server with the sandbox's data, real sockets and, if asked for, a real Envoy."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from pydantic import SecretStr

from loyalty.v1 import (
    code_service_pb2_grpc,
    identify_service_pb2,
    identify_service_pb2_grpc,
    incentive_service_pb2_grpc,
    member_service_pb2,
    member_service_pb2_grpc,
    order_pb2,
    session_service_pb2_grpc,
)
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.bootstrap import Running, serve
from loyalty_service.config import Settings
from loyalty_service.sandbox.demo_data import put_demo_data
from loyalty_service.sandbox.envoy_process import EnvoyProcess
from loyalty_service.sandbox.fixed_codes import identify_in_sandbox
from loyalty_service.storage.store import Store
from loyalty_service.transport.choosing import NATIVE
from tests.support.doing import adjust_points
from tests.support.http import HttpClient
from tests.support.trailers import trailer_bytes

POS_KEY = "sandbox-pos-key"
APP_KEY = "sandbox-app-key"
ADMIN_KEY = "sandbox-admin-key"
POINTS_KEY = "sandbox-points-key"
PROGRAM_ID = "demo-ca"

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    A gRPC error as its caller reads it.

    Attributes:
        violations: What each wrong field must be.
        rules: Code and subject of each broken rule.
        trailer_bytes: All that ended the call, as HTTP/2 counts it.
    """

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    violations: dict[str, str]
    rules: list[tuple[str, str]]
    retry_s: float | None
    trailer_bytes: int
    request_id: str


class Caller:
    """Calls every service over one channel, with one API key unless another is given."""

    def __init__(self, channel: grpc.aio.Channel, key: str | None = ADMIN_KEY) -> None:
        self.channel = channel
        self.key = key
        self.sessions = stub_on(session_service_pb2_grpc.SessionServiceStub, channel)
        self.identifies = stub_on(identify_service_pb2_grpc.IdentifyServiceStub, channel)
        self.codes = stub_on(code_service_pb2_grpc.CodeServiceStub, channel)
        self.incentives = stub_on(incentive_service_pb2_grpc.IncentiveServiceStub, channel)
        self.members = stub_on(member_service_pb2_grpc.MemberServiceStub, channel)

    def with_key(self, key: str | None) -> Caller:
        """Call over the same channel with another key, or without one."""
        return Caller(self.channel, key)

    def metadata(self, **extra: str) -> Sequence[tuple[str, str]]:
        """Give the metadata of a call; underscores in names stand for dashes."""
        key = () if self.key is None else (("x-api-key", self.key),)
        return (*key, *((name.replace("_", "-"), value) for name, value in extra.items()))

    async def call(self, method: Any, request: Message, **extra: str) -> Any:
        """Make a call; return the response."""
        return await method(request, metadata=self.metadata(**extra))

    async def refused(self, method: Any, request: Message, **extra: str) -> Refusal:
        """Make a call that must be refused; return the error."""
        return await refusal_of(method(request, metadata=self.metadata(**extra)))

    async def enroll(self, name: str = "Guest") -> str:
        """Enroll a member; return the loyalty ID."""
        request = member_service_pb2.EnrollMemberRequest(name=name)
        response = await self.with_key(ADMIN_KEY).call(self.members.EnrollMember, request)
        loyalty_id: str = response.member.loyalty_id
        return loyalty_id

    async def balances(self, loyalty_id: str) -> tuple[int, int]:
        """Read a member's available and held points."""
        request = member_service_pb2.GetMemberRequest(loyalty_id=loyalty_id)
        response = await self.with_key(ADMIN_KEY).call(self.members.GetMember, request)
        return response.member.available_points, response.member.held_points


def stub_on(stub: Any, channel: grpc.aio.Channel) -> Any:
    """Make a stub; what protoc writes for them has no types."""
    return stub(channel)


async def refusal_of(call: Any) -> Refusal:
    """Wait for a call that must be refused; return the error with its details unpacked."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return _read(error)
    raise AssertionError("the call was not refused")


def _read(error: grpc.aio.AioRpcError) -> Refusal:
    trailers: tuple[tuple[str, Any], ...] = tuple(error.trailing_metadata() or ())  # type: ignore[arg-type]
    packed = next((value for name, value in trailers if name == "grpc-status-details-bin"), b"")
    info = error_details_pb2.ErrorInfo()
    bad = error_details_pb2.BadRequest()
    broken = error_details_pb2.PreconditionFailure()
    retry = error_details_pb2.RetryInfo()
    retry_s = None
    status = status_pb2.Status.FromString(bytes(packed))
    for detail in status.details:
        if detail.Unpack(retry):
            retry_s = retry.retry_delay.ToTimedelta().total_seconds()
        else:
            assert detail.Unpack(info) or detail.Unpack(bad) or detail.Unpack(broken)
    if packed:
        assert status.code == error.code().value[0]
        assert status.message == error.details()
        assert info.domain == "loyalty.v1"
    return Refusal(
        code=error.code(),
        message=error.details() or "",
        reason=info.reason,
        metadata=dict(info.metadata),
        violations={wrong.field: wrong.description for wrong in bad.field_violations},
        rules=[(rule.type, rule.subject) for rule in broken.violations],
        retry_s=retry_s,
        request_id=next((str(value) for name, value in trailers if name == "x-request-id"), ""),
        trailer_bytes=trailer_bytes(error.code(), error.details() or "", trailers),
    )


def new_order() -> str:
    """Number an order that nobody has numbered before."""
    return f"order-{next(_numbers)}"


def identify_request(
    identifier: str, order: str | None = None, **pos: Any
) -> identify_service_pb2.IdentifyMemberRequest:
    """Show an identifier at store 9999, for a new order unless one is named."""
    vendor: dict[str, Any] = {
        "store_id": 9999,
        "pos_type": "Partner",
        "transaction_id": order or new_order(),
    }
    return identify_service_pb2.IdentifyMemberRequest(
        identifier=identifier, pos_vendor=order_pb2.PosVendor(**(vendor | pos))
    )


async def give_points(store: Store, loyalty_id: str, points: int) -> None:
    """Adjust a member's points, as an operator would."""
    command = AdjustPoints(PROGRAM_ID, loyalty_id, points, "test", beyond_limits=True)
    await store.write(lambda unit, now_ms: adjust_points(unit, command, now_ms))


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers, and a caller with the admin key."""

    running: Running
    settings: Settings
    admin: Caller

    @property
    def store(self) -> Store:
        """The server's storage."""
        return self.running.store

    @property
    def address(self) -> str:
        """Where gRPC is served."""
        return f"127.0.0.1:{self.running.grpc_port}"

    @property
    def till(self) -> Caller:
        """A caller with the till's key."""
        return self.admin.with_key(POS_KEY)

    @property
    def app(self) -> Caller:
        """A caller with the app's key."""
        return self.admin.with_key(APP_KEY)


def settings_in(folder: Path, **other: Any) -> Settings:
    """Give the settings of a server that keeps everything in a folder of its own."""
    values: dict[str, Any] = {
        "grpc_port": 0,
        "http_port": 0,
        "data_dir": folder,
        "code_pepper": SecretStr("a pepper of thirty-two bytes....."),
        "shutdown_notice_s": 0,
    }
    return Settings(**(values | other))


@asynccontextmanager
async def run_server(
    folder: Path,
    *,
    sandbox: bool = True,
    credentials: grpc.ChannelCredentials | None = None,
    **other: Any,
) -> AsyncIterator[Server]:
    """Run a server in this process, on a free port and, unless told, an embedded database."""
    settings = settings_in(folder, **other)
    async with serve(settings, identify=identify_in_sandbox, sandbox=sandbox) as running:
        await running.store.write(put_demo_data)
        await running.store.refresh_catalog()
        async with open_channel(f"127.0.0.1:{running.grpc_port}", credentials) as channel:
            yield Server(running, settings, Caller(channel))


def open_channel(
    address: str, credentials: grpc.ChannelCredentials | None = None
) -> grpc.aio.Channel:
    """Open a channel that shares its connection with no other, over TLS if told how."""
    # Else a second channel to the same address takes the first one's connection.
    options = [("grpc.use_local_subchannel_pool", 1)]
    if credentials is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, credentials, options=options)


@dataclass(frozen=True, slots=True)
class Front:
    """A server behind a real Envoy, which serves JSON, gRPC and gRPC-Web on one port."""

    server: Server
    envoy: EnvoyProcess

    @property
    def http(self) -> HttpClient:
        """An HTTP client of Envoy's port."""
        return HttpClient("127.0.0.1", self.envoy.http_port)

    async def post(self, path: str, body: Any, key: str | None = ADMIN_KEY, **headers: str) -> Any:
        """Send JSON; return the response."""
        return await self.http.request("POST", path, json.dumps(body), _headers(key, headers))

    async def get(self, path: str, key: str | None = ADMIN_KEY, **headers: str) -> Any:
        """Ask for JSON; return the response."""
        return await self.http.request("GET", path, None, _headers(key, headers))


def _headers(key: str | None, extra: dict[str, str]) -> dict[str, str]:
    headers = {"content-type": "application/json"}
    if key is not None:
        headers["x-api-key"] = key
    return headers | {name.replace("_", "-"): value for name, value in extra.items()}


@asynccontextmanager
async def run_front(
    folder: Path,
    *,
    tls: Path | None = None,
    origins: Sequence[str] = (),
    adapt: Callable[[dict[str, Any]], None] | None = None,
    **other: Any,
) -> AsyncIterator[Front]:
    """
    Run a server with Envoy in front of it.

    Args:
        folder: Where both keep what they write.
        tls: Where Envoy finds its certificates, if it has any.
        origins: Of which web pages may call.
        adapt: Changes Envoy's configuration at the end.
        other: The server's own arguments.
    """
    async with run_server(folder, **other) as server:
        envoy = EnvoyProcess(
            folder=folder / "envoy",
            grpc_port=server.running.grpc_port,
            tls=tls,
            origins=origins,
            native=server.settings.transport == NATIVE,
            adapt=adapt,
        )
        async with envoy:
            yield Front(server, envoy)
