"""Plays faults: decides which call has one, and does what only the server can do of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from loyalty.v1 import identify_service_pb2, transaction_service_pb2
from loyalty_service.domain.errors import (
    DeadlinePassedError,
    FieldViolation,
    LoyaltyError,
    RequestInvalidError,
    ServerBusyError,
    StorageUnavailableError,
)
from loyalty_service.domain.identifiers import plain_identifier
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.sandbox.call_watch import CallWatch
from loyalty_service.sandbox.errors_on_purpose import add_surprise, error_of, is_reason
from loyalty_service.sandbox.kinds import FAULT_CODES, KINDS, STEPS, Fault, Kind, Step, word_of
from loyalty_service.transport.call import Call
from loyalty_service.transport.handling import Endpoint
from loyalty_service.transport.rpcs import SERVICES

CLAIMED = transaction_service_pb2.Transaction.CLAIMED
HEADER = "sandbox-fault"
BUSY_MS = 3000
REMEMBERED_MAX = 10_000
TIMES_MAX = 100
CODE_DIGITS = 6
KNOWN = f"must be one of {', '.join(KINDS)}, or the reason of an error"


class FaultError(OperatorError):
    """Raised when faults can't be bound as told; the message says which."""


class Faults:
    """
    Which codes have which fault, and how often it was played.

    Args:
        plans: Takes what is to become of an answer on its way, by the name of its call.
        kill: Ends the server as if it were killed, and starts it again.
        watch: Is told of each call, and of its fault.

    Attributes:
        note: Hears the name of a call that has a fault, and which.
    """

    def __init__(
        self, plans: dict[str, Kind], kill: Callable[[], None], watch: CallWatch | None = None
    ) -> None:
        self._plans = plans
        self._kill = kill
        self._watch = watch or CallWatch()
        self._bound: dict[str, Fault] = {}
        self._of_case: dict[str, Fault] = {}
        """Those of the case that a till is tried with, before all others."""
        self._codes: dict[str, str] = {}
        self._played: dict[tuple[str, str, Step], int] = {}
        self._surprise = add_surprise()
        self.note: Callable[[str, str], None] = _ignore

    def told(self) -> dict[str, object]:
        """List the codes with a fault, as the control port does."""
        codes = {
            code: {"fault": word_of(fault.kind), "on": fault.step.value, "times": fault.times}
            for code, fault in sorted((FAULT_CODES | self._bound).items())
        }
        return {
            "codes": codes,
            "kinds": list(KINDS),
            "steps": list(STEPS),
            "bound": sorted(self._bound),
        }

    def code_of(self, transaction_id: str) -> str:
        """Give the code with which a transaction was opened; empty where that is not known."""
        return self._codes.get(transaction_id, "")

    def bind(self, told: object) -> None:
        """
        Bind codes to faults, in place of what was bound before.

        Raises:
            FaultError: A code or a fault is none.
        """
        if not isinstance(told, dict):
            raise FaultError('send an object such as {"234567": "lost"}')
        bound = {_code(code): _fault(code, fault) for code, fault in told.items()}
        # What was played before counts no more for codes that are bound again.
        self._played = {one: n for one, n in self._played.items() if one[0] not in bound}
        self._bound = bound

    def bind_case(self, faults: Mapping[str, Fault]) -> None:
        """Bind the faults of a case, in place of the last case's; `` is for no code at all."""
        self._played.clear()
        self._of_case = dict(faults)

    def reset(self) -> None:
        """Forget what was bound and played, but for a case that is being tried."""
        self._bound, self._codes, self._played = {}, {}, {}
        self._plans.clear()

    def dress(self, servicers: Mapping[str, object]) -> Mapping[str, object]:
        """Put this around each method of the servicers."""
        return {
            service.name: SimpleNamespace(
                **{
                    method.name: endpoint if method.server_streaming else self._around(endpoint)
                    for method in service.methods
                    for endpoint in (getattr(servicers[service.name], method.name),)
                }
            )
            for service in SERVICES
        }

    def _around(self, endpoint: Endpoint) -> Endpoint:
        async def serve(request: Any, call: Call) -> bytes:
            seen = self._watch.begin(request, call)
            outcome: bytes | LoyaltyError | None = None
            try:
                kind = self._kind(request, call)
                if kind is None:
                    outcome = await endpoint(request, call)
                    self._learn(request, outcome)
                    return outcome
                if seen is not None:
                    seen["fault"] = word_of(kind)
                outcome = await self._play(kind, endpoint, request, call)
            except LoyaltyError as error:
                outcome = error
                raise
            else:
                return outcome
            finally:
                await self._watch.end(seen, call, outcome)

        return serve

    async def _play(self, kind: Kind | str, endpoint: Endpoint, request: Any, call: Call) -> bytes:
        """
        Serve a call with its fault.

        Raises:
            LoyaltyError: It is refused, or is to seem so.
        """
        name = _last(call.metadata.get("sandbox-call", ""))
        self.note(name, word_of(kind))
        if isinstance(kind, str):
            raise error_of(kind)
        if kind is Kind.UNAVAILABLE:
            raise StorageUnavailableError
        if kind is Kind.BUSY:
            raise ServerBusyError(BUSY_MS)
        if kind is Kind.UNKNOWN:
            raise self._surprise
        if kind not in {Kind.TIMEOUT, Kind.TWICE, Kind.KILLED}:
            # Also where it is refused: a bad network tells no answers apart.
            self._plans[name] = kind
        again = replace(call) if kind is Kind.TWICE else call
        answer = await endpoint(request, call)
        self._learn(request, answer)
        if kind is Kind.TIMEOUT:
            raise DeadlinePassedError
        if kind is Kind.TWICE:
            answer = await endpoint(request, again)
            call.repeated = again.repeated
        if kind is Kind.KILLED:
            self._kill()
            await asyncio.Event().wait()  # Until the connection is gone, and this call with it.
        return answer

    def _kind(self, request: Any, call: Call) -> Kind | str | None:
        """
        Tell what is to happen to a call, and count it.

        Raises:
            RequestInvalidError: Its header names no fault.
        """
        named = call.metadata.get(HEADER)
        if named is not None:
            kind = _known(named)
            if kind is None:
                raise RequestInvalidError((FieldViolation(HEADER, KNOWN),))
            return kind
        step = _step(request)
        if step is None:
            return None
        if step is Step.IDENTIFY:
            code, order = plain_identifier(request.identifier), request.pos_vendor.transaction_id
        elif step is Step.UNCLAIMED:
            code, order = "", request.transaction_details.pos_vendor.transaction_id
        else:
            order = request.loyalty_transaction_id
            code = self._codes.get(order, "")
        fault = self._of_case.get(code) or self._bound.get(code) or FAULT_CODES.get(code)
        if fault is None or fault.step is not step:
            return None
        played = self._played.get((code, order, step), 0)
        if played >= fault.times:
            return None
        if len(self._played) >= REMEMBERED_MAX:
            self._played.clear()
        self._played[code, order, step] = played + 1
        return fault.kind

    def _learn(self, request: Any, answer: bytes) -> None:
        """Take note of which order belongs to which code."""
        if not isinstance(request, identify_service_pb2.IdentifyMemberRequest):
            return
        opened = identify_service_pb2.IdentifyMemberResponse.FromString(answer).transaction_id
        if len(self._codes) >= REMEMBERED_MAX:
            self._codes.clear()
        self._codes[opened] = plain_identifier(request.identifier)


def _ignore(_name: str, _fault: str) -> None:
    """Hear nothing."""


def _known(word: object) -> Kind | str | None:
    """Give the kind that a word names, or the reason that it is."""
    if not isinstance(word, str):
        return None
    if word in KINDS:
        return Kind(word)
    return word if is_reason(word) else None


def _step(request: Any) -> Step | None:
    match request:
        case identify_service_pb2.IdentifyMemberRequest():
            return Step.IDENTIFY
        case transaction_service_pb2.ValidateOrderRequest():
            return Step.VALIDATE
        case transaction_service_pb2.VoidTransactionRequest():
            return Step.VOID
        case transaction_service_pb2.RecordUnclaimedOrderRequest():
            return Step.UNCLAIMED
        case transaction_service_pb2.ReportOrderRequest():
            return Step.CLAIM if request.status == CLAIMED else Step.PENDING
        case _:
            return None


def _last(names: str) -> str:
    """Give our own name for a call, which stands behind whatever the caller sent under it."""
    return names.rpartition(",")[2].strip()


def _code(code: str) -> str:
    if not (code.isascii() and code.isdigit() and len(code) == CODE_DIGITS):
        raise FaultError(f"{code!r} is no code of six digits")
    return code


def _fault(code: str, told: object) -> Fault:
    entry = {"fault": told} if isinstance(told, str) else told
    if not isinstance(entry, dict) or not entry.keys() <= {"fault", "on", "times"}:
        raise FaultError(f"{code}: a fault is a kind, or an object with fault, on and times")
    kind, step, times = (
        _known(entry.get("fault")),
        entry.get("on", "identify"),
        entry.get("times", 1),
    )
    if kind is None:
        raise FaultError(f"{code}: fault {KNOWN}")
    if step not in STEPS:
        raise FaultError(f"{code}: on must be one of {', '.join(STEPS)}")
    if type(times) is not int or not 1 <= times <= TIMES_MAX:
        raise FaultError(f"{code}: times must be a whole number from 1 to {TIMES_MAX}")
    return Fault(kind, Step(step), times)
