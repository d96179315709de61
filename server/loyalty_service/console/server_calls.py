"""Calls of the console to a server, each with the key of whoever is signed in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from loyalty.v1 import member_service_pb2, operator_service_pb2, transaction_service_pb2

CALL_S = 6.0
"""More than a server takes for any call."""

_ANSWERS: Mapping[str, Any] = {
    "MemberService/AdjustPoints": member_service_pb2.AdjustPointsResponse,
    "MemberService/GetMember": member_service_pb2.GetMemberResponse,
    "MemberService/ListTransfers": member_service_pb2.ListTransfersResponse,
    "MemberService/SearchMembers": member_service_pb2.SearchMembersResponse,
    "OperatorService/GetLiability": operator_service_pb2.GetLiabilityResponse,
    "OperatorService/GetProgram": operator_service_pb2.GetProgramResponse,
    "OperatorService/ListCodeWaits": operator_service_pb2.ListCodeWaitsResponse,
    "OperatorService/ListProgramVersions": operator_service_pb2.ListProgramVersionsResponse,
    "TransactionService/GetTransaction": transaction_service_pb2.GetTransactionResponse,
    "TransactionService/SearchOrders": transaction_service_pb2.SearchOrdersResponse,
}


@dataclass(frozen=True, slots=True)
class CallRefusedError(Exception):
    """
    Raised when a server refuses a call, or does not answer.

    Attributes:
        message: What the server says, for people.
        code: The gRPC code.
    """

    message: str
    code: grpc.StatusCode

    @property
    def is_unknown(self) -> bool:
        """Whether the call may have been done although no answer came."""
        return self.code in {
            grpc.StatusCode.CANCELLED,
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.INTERNAL,
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.UNKNOWN,
        }


class ServerCalls:
    """
    Calls one server, or what stands before several.

    Args:
        address: Host and port that speak gRPC.
        credentials: For TLS; without it the calls are in plain text.
    """

    def __init__(self, address: str, credentials: grpc.ChannelCredentials | None = None) -> None:
        self._address = address
        self._credentials = credentials
        self._channel: grpc.aio.Channel

    async def __aenter__(self) -> Self:
        self._channel = (
            grpc.aio.insecure_channel(self._address)
            if self._credentials is None
            else grpc.aio.secure_channel(self._address, self._credentials)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._channel.close(None)

    async def ask(self, rpc: str, request: Message, secret: str, **metadata: str) -> Any:
        """
        Make a call with somebody's key; *metadata* is more of it, with `_` for `-` in its names.

        Raises:
            CallRefusedError: The server refuses it, or does not answer.
        """
        call: Callable[..., Awaitable[Any]] = self._channel.unary_unary(
            f"/loyalty.v1.{rpc}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=_ANSWERS[rpc].FromString,
        )
        sent = [(name.replace("_", "-"), value) for name, value in metadata.items()]
        try:
            return await call(request, timeout=CALL_S, metadata=[("x-api-key", secret), *sent])
        except grpc.aio.AioRpcError as problem:
            raise CallRefusedError(
                problem.details() or problem.code().name, problem.code()
            ) from None

    async def serves(self) -> bool:
        """Tell whether the server lets calls in."""
        check: Callable[..., Awaitable[Any]] = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(), timeout=CALL_S)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
