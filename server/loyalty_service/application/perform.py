"""
Runs what changes the store, for calls, operators and the sweeper alike, once for each key.

The answer kept under the key is looked for, the caller is held to its program's limits, the use
case is run, its answer is kept, its events are appended and its load is counted, all in one unit
of work.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Generic, NamedTuple, TypeVar

from loyalty_service.application.limits import Load, count_written, judge_load
from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.errors import IdempotencyKeyReusedError, LoyaltyError
from loyalty_service.domain.events import OPERATOR, Actor, Event
from loyalty_service.domain.flags import Flag
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.records import KeptAnswer

R = TypeVar("R")

KEY_FORM = re.compile(r"[\x20-\x7e]{1,255}")
"""What an idempotency key is made of, without the blanks at its ends."""

OPERATOR_SCOPE = "operator"
"""Scope of operators' idempotency keys; a partner's scope always has a slash."""


@dataclass(frozen=True, slots=True)
class NaturalKey:
    """
    What an answer is kept under.

    Attributes:
        fingerprint: What tells whether a later call means the same; empty where nothing need.
        fresh: Whether there can be no earlier answer, so that none is looked for.
        also: What an earlier call that meant the same may have told as well.
    """

    scope: str
    key: str
    method: str
    fingerprint: bytes = b""
    fresh: bool = False
    also: frozenset[bytes] = frozenset()

    def repeats(self, kept: bytes) -> bool:
        """Tell whether a call means the same as the one whose fingerprint was kept."""
        return kept == self.fingerprint or kept in self.also


@dataclass(frozen=True, slots=True)
class Repeated:
    """
    The answer of an earlier call that this one repeats; the rest is as in `Done`.

    Attributes:
        stores: All stores that the earlier call acted in.
    """

    answer: bytes
    stores: frozenset[int]
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class Done(Generic[R]):
    """
    The result of a use case that writes.

    Attributes:
        kept_as: What the rendered answer is kept under besides an idempotency key, so that a call
            that comes again without one gets the same bytes.
        flags: What was let through although it should not be, for operators.
        stores: The stores that the call acted in: its answer is for keys that may act there.
        events: What happened; `perform` adds who did it.
    """

    result: R
    kept_as: NaturalKey | None = None
    flags: tuple[Flag, ...] = ()
    stores: frozenset[int] = frozenset()
    events: tuple[Event, ...] = ()


UseCase = Callable[[Unit, Any, int], Done[R] | Repeated]
"""Reads, decides and writes: `use_case(unit, command, now_ms)`. It refuses by raising."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """
    An idempotency key as `plain_key` gives it.

    Attributes:
        scope: Whose key it is: a program's partner, or an operator.
        method: The RPC, as `Service/Method`, or the command of an operator.
        fingerprint: Hash of the request's meaning, to be kept.
        repeats_kept: Tells whether a fingerprint that was kept, by any version, is of this request.
    """

    scope: str
    key: str
    method: str
    fingerprint: bytes
    repeats_kept: Callable[[bytes], bool] = field(
        default=lambda _kept: False, repr=False, compare=False
    )

    def repeats(self, kept: bytes) -> bool:
        """Tell whether this request means the same as the one whose fingerprint was kept."""
        return kept == self.fingerprint or self.repeats_kept(kept)


class Run(NamedTuple, Generic[R]):
    """
    A use case, and all that decides how it is run.

    Attributes:
        render: Makes the bytes of the answer; without it the answer has none.
        keyed: The idempotency key; absent where a repeated call is done again.
        caller: API key that makes the call; absent for operators and the sweeper.
        load: What it brings with it; absent where no limit of a day counts it.
        again: What is done even when the call comes again under a key that was answered.
        by: Who makes the change, for the events.
        nameless: Gives the form in which an answer is kept, without what names a person; absent
            where it names none.
    """

    use_case: UseCase[R]
    command: Any
    render: Callable[[R], bytes] | None = None
    keyed: Keyed | None = None
    caller: ApiKey | None = None
    load: Load | None = None
    again: Callable[[Unit, Any, int], None] | None = None
    by: Actor = OPERATOR
    nameless: Callable[[bytes], bytes] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """
    Rendered answer, whether an earlier call gave it, and what operators are told of it.

    Attributes:
        result: What the use case returned; absent where an earlier call did.
    """

    body: bytes
    repeated: bool
    flags: tuple[Flag, ...] = ()
    result: Any = field(default=None, compare=False)


def plain_key(text: str) -> str:
    """
    Give an idempotency key as a caller means it, however it came; empty when it is blank.

    HTTP drops the blanks at the ends of a header. gRPC metadata, the query of an address and an
    operator's shell keep them: one key must not be two.
    """
    return text.strip(" \t")


def idempotency_scope(key: ApiKey) -> str:
    """Give the scope of a key's idempotency keys: a partner's are its own."""
    return f"{key.program_id}/{key.partner}"


def require_kept_stores(kept: KeptAnswer, caller: ApiKey) -> None:
    """
    Keep an answer from those keys of its partner that may not act where its call did.

    An answer that an older version kept does not say where that was, and is any of them.

    Raises:
        StoreNotAllowedError: The key is limited to other stores.
    """
    caller.require_stores(json.loads(kept.stores or "[]"))


def perform(unit: Unit, now_ms: int, run: Run[Any]) -> Answer:
    """
    Run a use case unless its idempotency key was answered before, and count what it writes.

    Raises:
        IdempotencyKeyReusedError: The key was used with another request.
        LimitExceededError: Its key or program has written a day's worth.
        StoreNotAllowedError: The answer is one of a store that the caller is not for.
        LoyaltyError: The use case refuses; the key stays free.
        Refused: As above, and yet what it wrote is kept.
    """
    if run.load is None:
        return _once(unit, now_ms, run)
    rows, size = unit.rows, unit.bytes_written
    try:
        answer = _once(unit, now_ms, run)
    except Refused:
        count_written(unit, run.load, unit.rows - rows, unit.bytes_written - size, now_ms)
        raise
    count_written(unit, run.load, unit.rows - rows, unit.bytes_written - size, now_ms)
    return answer


def _once(unit: Unit, now_ms: int, run: Run[Any]) -> Answer:
    """Give the answer kept under the key, or run the use case and keep its answer."""
    earlier = _earlier_answer(unit, run)
    if earlier is not None:
        if run.again is not None:
            run.again(unit, run.command, now_ms)
        return earlier
    try:
        outcome = _flagged(unit, now_ms, run)
    except (LoyaltyError, Refused):
        # While this call waited for a lock, its twin may have done what it is now too late for.
        # Where the key was read ahead, that was after all locks, and this finds nothing new.
        earlier = _earlier_answer(unit, run)
        if earlier is None:
            raise
        return earlier
    if run.caller is not None:
        # Each use case looks for itself before it writes; what it says it repeats is seen here.
        run.caller.require_stores(outcome.stores)
    answer = _answer(unit, now_ms, run, outcome)
    keyed = run.keyed
    natural = outcome.kept_as if isinstance(outcome, Done) else None
    if natural is None and keyed is None:
        return answer
    body = answer.body if run.nameless is None else run.nameless(answer.body)
    if natural is not None:
        _keep(unit, now_ms, natural, body, outcome.stores)
    if keyed is not None:
        unit.add(_kept(now_ms, keyed, body, outcome.stores))
    return answer


def _keep(unit: Unit, now_ms: int, key: NaturalKey, body: bytes, stores: frozenset[int]) -> None:
    """Keep an answer under a natural key, in place of an earlier one if there is one."""
    kept = _kept(now_ms, key, body, stores)
    earlier = None if key.fresh else unit.kept_answer(key.scope, key.key)
    if earlier is None:
        unit.add(kept)
        return
    unit.change(
        earlier,
        method=kept.method,
        fingerprint=kept.fingerprint,
        answer=kept.answer,
        created_ms=kept.created_ms,
        stores=kept.stores,
    )


def _kept(now_ms: int, key: Keyed | NaturalKey, body: bytes, stores: frozenset[int]) -> KeptAnswer:
    return KeptAnswer(
        scope=key.scope,
        idempotency_key=key.key,
        method=key.method,
        fingerprint=key.fingerprint,
        answer=body,
        created_ms=now_ms,
        stores=json.dumps(sorted(stores)),
    )


def _earlier_answer(unit: Unit, run: Run[Any]) -> Answer | None:
    """Find what the key was answered before."""
    keyed = run.keyed
    if keyed is None:
        return None
    kept = unit.kept_answer(keyed.scope, keyed.key)
    if kept is None:
        return None
    if not keyed.repeats(kept.fingerprint):
        raise IdempotencyKeyReusedError(keyed.key)
    if run.caller is not None:
        require_kept_stores(kept, run.caller)
    return Answer(kept.answer, repeated=True)


def _flagged(unit: Unit, now_ms: int, run: Run[Any]) -> Done[Any] | Repeated:
    """Run the use case within the limits of its program, and add what operators are told."""
    flags = () if run.load is None else judge_load(unit, run.load, now_ms)
    outcome = run.use_case(unit, run.command, now_ms)
    return replace(outcome, flags=(*outcome.flags, *flags)) if flags else outcome


def _answer(unit: Unit, now_ms: int, run: Run[Any], outcome: Done[Any] | Repeated) -> Answer:
    """Render the answer and the events at once: the next call may change what was found."""
    if isinstance(outcome, Repeated):
        return Answer(outcome.answer, repeated=True, flags=outcome.flags)
    body = b"" if run.render is None else run.render(outcome.result)
    for event in outcome.events:
        unit.append(event, run.by, now_ms)
    return Answer(body, repeated=False, flags=outcome.flags, result=outcome.result)
