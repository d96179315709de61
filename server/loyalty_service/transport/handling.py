"""The path of every call, from bytes to an answer or a refusal in bytes."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any, cast

import structlog
from google.protobuf.message import Message

from loyalty_service.application.perform import idempotency_scope, plain_key
from loyalty_service.application.under_way import ARRIVAL, Arrival
from loyalty_service.domain.contracts import ES_DRAFTS, require_served
from loyalty_service.domain.errors import (
    ApiKeyInvalidError,
    ApiKeyMissingError,
    LimitExceededError,
    LoyaltyError,
    ServerBusyError,
    ServerFailedError,
    StorageUnavailableError,
)
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.program import Catalog
from loyalty_service.observability.access_log import AccessLog
from loyalty_service.observability.metrics import CallMetrics
from loyalty_service.observability.outcomes import CANCELLED, OK
from loyalty_service.observability.trail import Tracing, Trail
from loyalty_service.transport.admission import Admission, Place
from loyalty_service.transport.authentication import authenticate, require_role
from loyalty_service.transport.call import (
    DEADLINE_MAX_S,
    Call,
    Storage,
)
from loyalty_service.transport.errors.catalogue import CATALOGUE, GRPC_CODES
from loyalty_service.transport.errors.rendering import refuse
from loyalty_service.transport.errors.words import Dialect
from loyalty_service.transport.headers import require_key_once, require_spelling
from loyalty_service.transport.messages import (
    KEYLESS_SEND_S,
    SEND_S,
    Context,
    end_answer_within,
    receive,
)
from loyalty_service.transport.paid_orders import mends_told
from loyalty_service.transport.parsing import parse
from loyalty_service.transport.rpcs import Effect, Rpc

DIALECTS: Mapping[str, Dialect] = {dialect.value: dialect for dialect in Dialect}

TURNED_AWAY = (LimitExceededError, ServerBusyError)
"""What a key hears that calls more than it may."""

FROM_EDGE = "loyalty-caller"
"""Set by Envoy, of whose few places a refusal would keep one while it waits."""

log = structlog.get_logger(__name__)

Endpoint = Callable[[Any, Call], Awaitable[bytes]]
Handler = Callable[[object, Context], Awaitable[bytes]]


class _Passage:
    """
    What is known of a call on its way, for whoever ends it.

    Attributes:
        key: Who calls; absent until that is sure.
        found: Whose key it was by the catalogue of its arrival, where that was looked up.
        place: Among the calls under way; absent until its message is there.
        repeated: Whether the answer is an earlier call's.
    """

    __slots__ = (
        "arrival",
        "began_s",
        "found",
        "key",
        "metadata",
        "place",
        "repeated",
        "sent_twice",
        "trail",
        "until_s",
    )

    def __init__(
        self, metadata: Mapping[str, str], sent_twice: list[str], began_s: float, until_s: float
    ) -> None:
        self.metadata = metadata
        self.sent_twice = sent_twice
        self.began_s = began_s
        self.until_s = until_s
        self.arrival: Arrival | None = None
        self.found: tuple[Catalog, ApiKey] | None = None
        self.key: ApiKey | None = None
        self.place: Place | None = None
        self.repeated = False
        self.trail: Trail


class Handling:
    """
    Takes calls from their arrival to their end.

    Args:
        store: Runs units of work.
        sandbox: Whether the published sandbox keys are taken.
        calls: Counts and times calls.
        tracing: Names and traces calls.

    Attributes:
        admission: Counts the calls of each key, and lets them in.
        under_way: Calls that have arrived and not ended.
        last_call_s: When the last one arrived, by `perf_counter`.
    """

    def __init__(
        self, store: Storage, *, sandbox: bool, calls: CallMetrics, tracing: Tracing
    ) -> None:
        self.under_way = 0
        self.last_call_s = 0.0
        self._store = store
        self._sandbox = sandbox
        self._calls = calls
        self._tracing = tracing
        self._access_log = AccessLog()
        self.admission = Admission()
        self._idle: asyncio.Event | None = None

    async def idle(self) -> None:
        """Wait until no call is under way."""
        if self.under_way:
            self._idle = asyncio.Event()
            await self._idle.wait()

    def handler(self, rpc: Rpc, endpoint: Endpoint) -> Handler:
        """Build what serves the calls of an RPC with its endpoint."""
        name, request_class = rpc.name, rpc.request_class
        writes = rpc.effect is not Effect.READS
        self._calls.expect(name, rpc.expected)

        async def handle(message: object, context: Context) -> bytes:
            passage = self._begin(name, context, writes=writes)
            outcome = OK
            try:
                answer = await self._serve(rpc, request_class, endpoint, passage, message, context)
            except LoyaltyError as error:
                outcome = CATALOGUE[type(error)].reason
                self._calls.limits.refused(error, passage.key)
                if isinstance(error, TURNED_AWAY) and _waits(passage):
                    await self.admission.hold_back()
                return await _refuse(context, error, passage, name)
            except asyncio.CancelledError:
                outcome = CANCELLED
                raise
            except Exception:
                outcome = "SERVER_FAILED"
                request_id = passage.trail.request_id
                log.exception("call failed", method=name, request_id=request_id)
                return await _refuse(context, ServerFailedError(request_id), passage, name)
            finally:
                self._end(name, outcome, passage)
            if passage.repeated:
                await context.send_initial_metadata((("idempotent-replayed", "true"),))
            return answer

        return handle

    def _begin(self, name: str, context: Context, *, writes: bool) -> _Passage:
        """Take note of a call that has arrived."""
        began_s = self.last_call_s = perf_counter()
        until_s = asyncio.get_running_loop().time() + DEADLINE_MAX_S
        passage = _Passage(*plain_metadata(context), began_s, until_s)
        # First of all: from here on nobody may be told that no such call is under way.
        self._arrive(passage, writes=writes)
        passage.trail = self._tracing.begin(name, passage.metadata)
        self.under_way += 1
        return passage

    async def _serve(
        self,
        rpc: Rpc,
        request_class: type[Message],
        endpoint: Endpoint,
        passage: _Passage,
        message: object,
        context: Context,
    ) -> bytes:
        """
        Let a call in, wait for its message, and let its endpoint answer.

        Raises:
            LoyaltyError: It is refused.
        """
        metadata = passage.metadata
        await self._store.require_fresh_catalog()
        key = passage.key = self._caller(passage)
        self._store.key_uses.note(key.key_id)
        _require_registered(passage.arrival, key)
        # Only now, so that the log names the caller that is refused.
        require_role(key, rpc.name)
        require_key_once(passage.sent_twice)
        program = self._store.catalog.programs[key.program_id]
        if metadata.get("loyalty-alias") is not None:  # Envoy tells it: see json_door.lua.
            require_served(program.contracts, ES_DRAFTS)
        # Refusing must cost next to nothing: before the call's message is waited for.
        self.admission.count(key, program.limits)
        if rpc.effect is not Effect.READS:
            self._store.require_room(key.key_id)
        # Some transports call when the message is there, others when its headers are.
        data = message if isinstance(message, bytes) else await receive(context)
        # Who sends no message never takes the place of who does.
        place = passage.place = self.admission.enter(key)
        await place.turn()
        mends = list(mends_told(metadata.get("loyalty-mended")))
        place.begin()
        request = parse(request_class, data, mends)
        call = Call(
            key,
            rpc.name,
            request,
            metadata,
            min(passage.until_s, asyncio.get_running_loop().time() + _left_s(context)),
            self._store,
            self._calls.tills,
            mends=tuple(dict.fromkeys(mends)) if mends else (),
        )
        answer = await place.watch(endpoint(request, call))
        passage.repeated = call.repeated
        return answer

    def _caller(self, passage: _Passage) -> ApiKey:
        """
        Tell who calls.

        Raises:
            LoyaltyError: Nobody who may, or who sends what it believes to be a key.
        """
        require_spelling(passage.metadata)
        catalog = self._store.catalog
        if passage.found is not None and passage.found[0] is catalog:
            return passage.found[1]
        return authenticate(passage.metadata, self._store, sandbox=self._sandbox)

    def _arrive(self, passage: _Passage, *, writes: bool) -> None:
        """Take note of a call with an idempotency key, if it writes."""
        text = passage.metadata.get("idempotency-key") if writes else None
        if text is None:
            ARRIVAL.set(None)
            return
        scope = None
        catalog = self._store.catalog
        try:
            key = authenticate(passage.metadata, self._store, sandbox=self._sandbox)
        except (ApiKeyMissingError, ApiKeyInvalidError):
            pass  # The caller may be known only once the catalogue has been looked at.
        else:
            passage.found = catalog, key
            scope = idempotency_scope(key)
        passage.arrival = self._store.under_way.enter(scope, plain_key(text))
        ARRIVAL.set(passage.arrival)

    def _end(self, method: str, outcome: str, passage: _Passage) -> None:
        """Let go of a call, whose answer is to leave now, and tell everyone who keeps count."""
        now = perf_counter()
        if passage.place is not None:
            passage.place.leave()
        if outcome == OK:
            end_answer_within(SEND_S)
        if passage.arrival is not None:
            passage.arrival.release()
        self.under_way -= 1
        if self._idle is not None and not self.under_way:
            self._idle.set()
        seconds = now - passage.began_s
        self._calls.record(method, outcome, seconds)
        code = GRPC_CODES[outcome]
        if passage.trail.span is not None:
            self._tracing.end(passage.trail, outcome, code)
        self._access_log.write(method, outcome, code, seconds, passage.key)


def _waits(passage: _Passage) -> bool:
    """Tell whether a refusal may wait: before its call had a place, and not in one of Envoy's."""
    return passage.place is None and passage.key is not None and FROM_EDGE not in passage.metadata


def _require_registered(arrival: Arrival | None, key: ApiKey) -> None:
    """
    Take note of whose call with an idempotency key it is, and refuse it if no server knows of us.

    Raises:
        StorageUnavailableError: This server is not registered with the others.
    """
    if arrival is None:
        return
    arrival.belongs_to(idempotency_scope(key))
    if arrival.registration is None:
        raise StorageUnavailableError


def _left_s(context: Context) -> float:
    """Give the time that the caller leaves, without end where it sets no deadline."""
    left_s = cast("float | None", context.time_remaining())
    return math.inf if left_s is None else left_s


def plain_metadata(context: Context) -> tuple[dict[str, str], list[str]]:
    """Give the call's text metadata, and names sent more than once; their last value counts."""
    plain: dict[str, str] = {}
    sent_twice = []
    for name, value in context.invocation_metadata() or ():
        if isinstance(value, str):
            if name in plain:
                sent_twice.append(name)
            plain[name] = value
    return plain, sent_twice


async def _refuse(context: Context, error: LoyaltyError, passage: _Passage, rpc: str) -> bytes:
    end_answer_within(KEYLESS_SEND_S if passage.key is None else SEND_S)
    # Envoy sets one of ours; whatever a caller invents is not one.
    dialect = DIALECTS.get(passage.metadata.get("loyalty-dialect", ""))
    await refuse(context, error, dialect, passage.trail.request_id, rpc)
    return b""
