"""
What is served without a key, health and reflection, and how much of the server it may use.

Nobody without a key may hold a place for long. gRPC's own servicers wait without end, so they are
behind limits here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, ip_address, ip_network
from time import monotonic
from typing import Any
from urllib.parse import unquote

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from grpc_health.v1.health import SERVICE_NAME as HEALTH_SERVICE
from grpc_reflection.v1alpha import reflection, reflection_pb2

from loyalty_service.domain.errors import (
    FieldViolation,
    LoyaltyError,
    RequestInvalidError,
    ServerBusyError,
)
from loyalty_service.observability.trail import Trail
from loyalty_service.transport.errors.rendering import refuse
from loyalty_service.transport.messages import (
    KEYLESS_SEND_S,
    MESSAGE_WAIT_S,
    Context,
    end_within,
    ending,
    message_within,
    receive,
)
from loyalty_service.transport.parsing import wanted

CHECKS_MAX = 512
CHECKS_OF_ONE_MAX = 128
"""
Health checks at once, in all and of one address. One more ends the oldest: a check that is there
whole is answered long before as many newer ones have come.
"""

WATCHES_MAX = 256
"""Health watches at once: they last as long as their connections."""

WATCHES_OF_ONE_MAX = 32
"""Those of one address. Envoy, on the same machine, watches for many and has limits of its own."""

REFLECTIONS_MAX = 16
REFLECTION_S = 10.0
"""Time in which a developer's tool learns the whole contract many times over."""

HEALTH_BYTES_MAX = 1024
"""Of a request about health: a watch keeps it for as long as it lasts, and needs no key."""

RETRY_AFTER_MS = 1000
_IPV6_BITS = 64
"""Of an IPv6 address, those that tell whose it is: he has every address that begins so."""


def _whose(peer: str) -> str:
    """Tell whose a peer is, as gRPC names it: nobody's on this machine."""
    kind, _, rest = unquote(peer).partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return ""
    address = ip_address(rest.rpartition(":")[0].strip("[]").partition("%")[0])
    if address.is_loopback:
        return ""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((address, _IPV6_BITS), strict=False))


class Places:
    """How many streams may be open at once, in all and of one caller: one too many is refused."""

    def __init__(self, most: int, of_one: int) -> None:
        self._most = most
        self._of_one = of_one
        self._taken: Counter[str] = Counter()

    @contextmanager
    def one(self, peer: str) -> Iterator[None]:
        """
        Hold a place for a peer, as gRPC names it.

        Raises:
            ServerBusyError: There is no place left.
        """
        whose = _whose(peer)
        if self._taken.total() >= self._most or (whose and self._taken[whose] >= self._of_one):
            raise ServerBusyError(RETRY_AFTER_MS)
        self._taken[whose] += 1
        try:
            yield
        finally:
            self._taken[whose] -= 1
            if not self._taken[whose]:
                del self._taken[whose]


class LastPlaces:
    """
    How many short calls may be open at once: one too many ends the oldest.

    A call that is there whole needs its place for milliseconds; whoever has had one for longer
    waits for something, and must not keep out who does not.
    """

    def __init__(self, most: int, of_one: int) -> None:
        self._most = most
        self._of_one = of_one
        self._ends: dict[Callable[[], None], str] = {}
        self._of: dict[str, dict[Callable[[], None], None]] = {}

    @contextmanager
    def one(self, peer: str, end: Callable[[], None]) -> Iterator[None]:
        """
        Hold a place for a peer, as gRPC names it; *end* is called when a newer call takes it.
        """
        whose = _whose(peer)
        if whose and len(self._of.get(whose, ())) >= self._of_one:
            self._leave(oldest := next(iter(self._of[whose])))
            oldest()
        elif len(self._ends) >= self._most:
            self._leave(oldest := next(iter(self._ends)))
            oldest()
        self._ends[end] = whose
        self._of.setdefault(whose, {})[end] = None
        try:
            yield
        finally:
            self._leave(end)

    def _leave(self, end: Callable[[], None]) -> None:
        whose = self._ends.pop(end, None)
        if whose is None:
            return
        del self._of[whose][end]
        if not self._of[whose]:
            del self._of[whose]


class Health:
    """
    `grpc.health.v1.Health`: whether the server and each of its services take calls.

    gRPC's own servicer writes to a watch while it holds a lock that every other watch, and whoever
    changes the status, waits for: who takes no answer would keep the server from ending.
    """

    def __init__(self) -> None:
        self._statuses = {"": health_pb2.HealthCheckResponse.SERVING}
        self._changed = asyncio.Event()
        self._checks = LastPlaces(CHECKS_MAX, CHECKS_OF_ONE_MAX)
        self._watches = Places(WATCHES_MAX, WATCHES_OF_ONE_MAX)

    def show(self, names: Sequence[str], *, serves: bool) -> None:
        """Report whether these services take calls, and tell whoever watches them."""
        shown = health_pb2.HealthCheckResponse
        self._statuses |= dict.fromkeys(names, shown.SERVING if serves else shown.NOT_SERVING)
        self._changed.set()
        self._changed = asyncio.Event()

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """Give what serves Check and Watch."""
        encode = health_pb2.HealthCheckResponse.SerializeToString
        return grpc.method_handlers_generic_handler(
            HEALTH_SERVICE,
            {
                # As a stream the answer leaves while the check still has its place.
                "Check": grpc.stream_stream_rpc_method_handler(
                    self._check, response_serializer=encode
                ),
                "Watch": grpc.stream_stream_rpc_method_handler(
                    self._watch, response_serializer=encode
                ),
            },
        )

    async def _check(self, _requests: object, context: Any) -> None:
        with self._checks.one(context.peer(), ending()):
            request = await _health_request(context)
            end_within(KEYLESS_SEND_S)
            status = self._statuses.get(request.service)
            if status is None:
                await context.abort(grpc.StatusCode.NOT_FOUND)
            await context.write(health_pb2.HealthCheckResponse(status=status))

    async def _watch(self, _requests: object, context: Any) -> None:
        try:
            # Before the message: whoever sends none for its second has a place as well.
            with self._watches.one(context.peer()):
                request = await _health_request(context)
                await self._tell_changes(request.service, context)
        except ServerBusyError as error:
            await _refuse(context, error)

    async def _tell_changes(self, service: str, context: Any) -> None:
        """Send a service's status now and whenever it is another; each must be taken soon."""
        unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
        told = None
        while True:
            changed = self._changed
            status = self._statuses.get(service, unknown)
            if status != told:
                timer = end_within(KEYLESS_SEND_S)
                await context.write(health_pb2.HealthCheckResponse(status=status))
                timer.cancel()
                told = status
            await changed.wait()


async def _health_request(context: Context) -> health_pb2.HealthCheckRequest:
    try:
        data = await receive(context)
        if len(data) > HEALTH_BYTES_MAX:
            raise RequestInvalidError(
                (FieldViolation("", f"must have at most {HEALTH_BYTES_MAX} bytes"),)
            )
        return health_pb2.HealthCheckRequest.FromString(data)
    except LoyaltyError as error:
        await _refuse(context, error)
    except DecodeError:
        await _refuse(context, _no_message("HealthCheckRequest"))
    raise AssertionError  # A refusal raises.


def _no_message(name: str) -> RequestInvalidError:
    return RequestInvalidError((FieldViolation("", wanted(name)),))


async def _refuse(context: Any, error: LoyaltyError) -> None:
    end_within(KEYLESS_SEND_S)
    await refuse(context, error, None, Trail({}).request_id)


class Reflection:
    """`grpc.reflection.v1alpha`: tells developers' tools the contract."""

    def __init__(self, names: Sequence[str]) -> None:
        self._servicer = reflection.aio.ReflectionServicer(names)  # type: ignore[attr-defined]
        self._places = Places(REFLECTIONS_MAX, REFLECTIONS_MAX)

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """Give what serves it."""
        return grpc.method_handlers_generic_handler(
            reflection.SERVICE_NAME,
            {
                "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(
                    self._info,
                    request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
                    response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
                )
            },
        )

    async def _info(self, _requests: object, context: Any) -> None:
        end_within(REFLECTION_S + KEYLESS_SEND_S)
        try:
            with self._places.one(context.peer()):
                asked = _asked(context)
                async for answer in self._servicer.ServerReflectionInfo(asked, context):
                    await context.write(answer)
        except LoyaltyError as error:
            await _refuse(context, error)


async def _asked(context: Any) -> AsyncIterator[Any]:
    """
    Give the questions of a tool until it has no more, or has had its time.

    Raises:
        RequestNotReceivedError: The first one did not come soon.
    """
    until_s = monotonic() + REFLECTION_S
    wait_s = MESSAGE_WAIT_S
    while True:
        asked = await message_within(context, wait_s)
        if asked is None:
            return
        yield asked
        wait_s = until_s - monotonic()
