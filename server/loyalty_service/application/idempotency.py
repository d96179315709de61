"""Exactly once: the answer is kept in the same unit of work as the effect."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from loyalty_service.application.unit import Refused, Unit
from loyalty_service.domain.errors import IdempotencyKeyReusedError, LoyaltyError
from loyalty_service.domain.flags import Flag
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.records import Code, Remembered, Transaction

R = TypeVar("R")

KEY_FORM = re.compile(r"[\x20-\x7e]{1,255}")
"""What an idempotency key is made of, without the blanks at its ends."""

OPERATOR_SCOPE = "operator"
"""Scope of operators' idempotency keys; a partner's scope always has a slash."""


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
        kept_with: Record that keeps the rendered answer, so that a retry gets the same bytes.
        flags: What was let through although it should not be, for operators.
        stores: The stores that the call acted in: its answer is for keys that may act there.
    """

    result: R
    kept_with: Code | Transaction | Remembered | None = None
    flags: tuple[Flag, ...] = ()
    stores: frozenset[int] = frozenset()


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
        """Tell whether this request means what one did whose fingerprint was kept."""
        return kept == self.fingerprint or self.repeats_kept(kept)


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


def require_kept_stores(remembered: Remembered, caller: ApiKey) -> None:
    """
    Keep an answer from those keys of its partner that may not act where its call did.

    An answer that an older version kept does not say where that was, and is any of them.

    Raises:
        StoreNotAllowedError: The key is limited to other stores.
    """
    caller.require_stores(json.loads(remembered.stores or "[]"))


@dataclass(frozen=True, slots=True)
class Answer:
    """Rendered answer, whether an earlier call gave it, and what operators are told of it."""

    body: bytes
    repeated: bool
    flags: tuple[Flag, ...] = ()


def run_once(
    unit: Unit,
    now_ms: int,
    use_case: Callable[[Unit, Any, int], Done[R] | Repeated | Refused],
    command: object,
    render: Callable[[R], bytes],
    keyed: Keyed | None,
    caller: ApiKey | None = None,
    again: Callable[[Unit, Any, int], None] | None = None,
) -> Answer | Refused:
    """
    Run a use case unless its idempotency key was answered before.

    A refused call leaves its key free, also one that is answered rather than raised.
    Whatever is answered, anew or again, is for keys of the stores that the call acted in: the
    *caller* is the API key that makes it; an operator has none. What the call does even when it
    comes *again* under a key that was answered is done besides.

    Raises:
        IdempotencyKeyReusedError: The key was used with another request.
        StoreNotAllowedError: The answer is one of a store that the caller is not for.
        LoyaltyError: The use case refuses; the key stays free.
    """
    earlier = _earlier_answer(unit, keyed, caller)
    if earlier is not None:
        if again is not None:
            again(unit, command, now_ms)
        return earlier
    try:
        outcome = use_case(unit, command, now_ms)
    except LoyaltyError:
        # While this call waited for a lock, its twin may have done what it is now too late for.
        # Where the key was read ahead, that was after all locks, and this finds nothing new.
        earlier = _earlier_answer(unit, keyed, caller)
        if earlier is None:
            raise
        return earlier
    if isinstance(outcome, Refused):
        return _earlier_answer(unit, keyed, caller) or outcome
    if caller is not None:
        # Each use case looks for itself before it writes; what it says it repeats is seen here.
        caller.require_stores(outcome.stores)
    if isinstance(outcome, Repeated):
        answer = Answer(outcome.answer, repeated=True, flags=outcome.flags)
    else:
        answer = Answer(render(outcome.result), repeated=False, flags=outcome.flags)
        if outcome.kept_with is not None:
            unit.change(outcome.kept_with, answer=answer.body)
    if keyed is not None:
        unit.add(
            Remembered(
                scope=keyed.scope,
                idempotency_key=keyed.key,
                method=keyed.method,
                fingerprint=keyed.fingerprint,
                answer=answer.body,
                created_ms=now_ms,
                stores=json.dumps(sorted(outcome.stores)),
            )
        )
    return answer


def _earlier_answer(unit: Unit, keyed: Keyed | None, caller: ApiKey | None) -> Answer | None:
    """Find what the key was answered before."""
    if keyed is None:
        return None
    remembered = unit.remembered(keyed.scope, keyed.key)
    if remembered is None:
        return None
    if not keyed.repeats(remembered.fingerprint):
        raise IdempotencyKeyReusedError(keyed.key)
    if caller is not None:
        require_kept_stores(remembered, caller)
    return Answer(remembered.answer, repeated=True)
