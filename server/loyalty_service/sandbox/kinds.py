"""What can go wrong on purpose, in which call."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """What happens to a call or to its answer."""

    LOST = "lost"
    LATE = "late"
    NEVER = "never"
    UNAVAILABLE = "unavailable"
    BUSY = "busy"
    TIMEOUT = "timeout"
    TWICE = "twice"
    KILLED = "killed"
    HALF = "half"
    UNKNOWN = "unknown"
    SLOW = "slow"


KINDS = tuple(kind.value for kind in Kind)


def word_of(kind: Kind | str) -> str:
    """Write a kind, or the reason of an error, as callers do."""
    return kind.value if isinstance(kind, Kind) else kind


class Step(Enum):
    """In which call of an order."""

    IDENTIFY = "identify"
    VALIDATE = "validate"
    PENDING = "pending"
    CLAIM = "claim"
    VOID = "void"
    UNCLAIMED = "unclaimed"


STEPS = tuple(step.value for step in Step if step is not Step.UNCLAIMED)
"""Those that a code can be bound to: an order without a guest has none."""


@dataclass(frozen=True, slots=True)
class Fault:
    """
    What a code brings about.

    Attributes:
        kind: What happens, or the reason of the error that the call is refused with.
        times: How often for each order, from the first call on.
    """

    kind: Kind | str
    step: Step = Step.IDENTIFY
    times: int = 1


FAULT_CODES = {
    f"{prefix}{number:03}": Fault(kind, step)
    for prefix, step in (("910", Step.IDENTIFY), ("920", Step.CLAIM))
    for number, kind in enumerate(Kind, 1)
}
"""Codes that have a fault from the start."""
