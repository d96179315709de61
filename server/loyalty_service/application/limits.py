"""
Holds calls to the limits of their program, whose figures `domain.limits` explains.

A claim, an unclaimed order and a void are flagged beyond a limit, for their guest has paid; any
other call is refused before its first write.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import AmountBeyondLimitError, LimitExceededError
from loyalty_service.domain.flags import Flag, FlagKind
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.limits import (
    LIMITS,
    Limit,
    LimitName,
    Paid,
    key_scope,
    member_scope,
    program_scope,
)
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member, Transaction

RETRY_AFTER_MIN_MS = 1000
_ORDER = LIMITS[LimitName.POINTS_PER_ORDER]
_MEMBER_DAY = LIMITS[LimitName.POINTS_PER_MEMBER_DAY]
_KEY_DAY = LIMITS[LimitName.POINTS_PER_KEY_DAY]
_BYTES = LIMITS[LimitName.BYTES_PER_KEY_DAY], LIMITS[LimitName.BYTES_PER_PROGRAM_DAY]
_ROWS = LIMITS[LimitName.ROWS_PER_KEY_DAY], LIMITS[LimitName.ROWS_PER_PROGRAM_DAY]


@dataclass(frozen=True, slots=True)
class Load:
    """
    What a call that writes brings with it.

    Attributes:
        paid: Whether the guest has paid, so that it is flagged rather than refused.
    """

    key: ApiKey
    paid: bool

    def reads(self, reads: Reads, now_ms: int) -> Reads:
        """Add to what the call starts from what `judge_load` reads."""
        day = _KEY_DAY.since_ms(now_ms)
        key, program = self.key.key_id, self.key.program_id
        counts = (*reads.counts, (key_scope(key), day), (program_scope(program), day))
        # Of orders that are paid, which may earn; who claims a receipt reads its member's alone.
        members = (("", _MEMBER_DAY.since_ms(now_ms)),) if self.paid else ()
        members = (*reads.counts_of_members, *members)
        return replace(reads, counts=counts, counts_of_members=members)


def count_written(unit: Unit, load: Load, rows: int, size: int, now_ms: int) -> None:
    """Count the rows and bytes that a whole call wrote, the answers kept of it included."""
    for limits, amount in ((_BYTES, size), (_ROWS, rows)):
        for limit, scope in zip(limits, _scopes(load.key), strict=True):
            if amount:
                unit.count(limit, scope, amount, now_ms)


def _scopes(key: ApiKey) -> tuple[str, str]:
    return key_scope(key.key_id), program_scope(key.program_id)


def judge_load(unit: Unit, load: Load, now_ms: int) -> Iterator[Flag]:
    """
    Flag a call, or refuse it, once its key or program has written a day's worth.

    Raises:
        LimitExceededError: It is refused, because no guest has paid.
    """
    program = unit.catalog.programs[load.key.program_id]
    for limits in (_BYTES, _ROWS):
        for limit, scope in zip(limits, _scopes(load.key), strict=True):
            # How much it writes is known afterwards.
            value = unit.counted(limit, scope, now_ms) + 1
            allowed = program.limits[limit.name]
            if value <= allowed:
                continue
            if not load.paid:
                raise LimitExceededError(limit.name.value, allowed, limit.ends_in_ms(now_ms))
            if limit.paid is Paid.PACED:
                _require_pace(limit, value, allowed, now_ms)
            yield _flag(limit, value, program, load.key)


def _require_pace(limit: Limit, value: int, allowed: int, now_ms: int) -> None:
    """Let through beyond a limit what it allows once more, evenly over its period."""
    period_ms = limit.period_s * 1000
    # The moment at which as much is allowed, after the beginning of the period.
    due_ms = -(-(value - allowed) * period_ms // allowed)
    wait_ms = due_ms - (now_ms - limit.since_ms(now_ms))
    if wait_ms > 0:
        wait_ms = min(max(wait_ms, RETRY_AFTER_MIN_MS), limit.ends_in_ms(now_ms))
        raise LimitExceededError(limit.name.value, allowed, max(wait_ms, RETRY_AFTER_MIN_MS))


def flag_order(
    program: Program,
    key: ApiKey,
    points: int,
    transaction: Transaction,
    member: Member | None = None,
) -> tuple[Flag, ...]:
    """Flag an order that earns more points than one may."""
    if points <= program.limits[_ORDER.name]:
        return ()
    return (_flag(_ORDER, points, program, key, transaction, member),)


def require_points(
    unit: Unit, program: Program, key: ApiKey | None, member: Member, points: int, now_ms: int
) -> None:
    """
    Refuse points beyond what one call, a member or a key may be given; an operator has no *key*.

    Raises:
        AmountBeyondLimitError: They are more than an order may earn.
        LimitExceededError: The member, or members by this key, were given a day's worth.
    """
    allowed = program.limits[_ORDER.name]
    if points > allowed:
        raise AmountBeyondLimitError(_ORDER.name.value, allowed)
    for limit, scope in _given(key, member):
        allowed = program.limits[limit.name]
        if points > 0 and unit.counted(limit, scope, now_ms) + points > allowed:
            raise LimitExceededError(limit.name.value, allowed, limit.ends_in_ms(now_ms))


def require_one_more(unit: Unit, program: Program, limit: Limit, scope: str, now_ms: int) -> None:
    """
    Refuse what a key or a member has done as often as it may in the period of a moment.

    Raises:
        LimitExceededError: It has.
    """
    allowed = program.limits[limit.name]
    if unit.counted(limit, scope, now_ms) >= allowed:
        raise LimitExceededError(limit.name.value, allowed, limit.ends_in_ms(now_ms))


def count_points(
    unit: Unit,
    program: Program,
    key: ApiKey | None,
    member: Member,
    points: int,
    now_ms: int,
    transaction: Transaction | None = None,
) -> tuple[Flag, ...]:
    """Count points that a member was given, and flag those beyond a limit; see `flag_points`."""
    if points <= 0:
        return ()
    flags = flag_points(unit, program, key, member, points, now_ms, transaction)
    for limit, scope in _given(key, member):
        unit.count(limit, scope, points, now_ms)
    return flags


def flag_points(
    unit: Unit,
    program: Program,
    key: ApiKey | None,
    member: Member,
    points: int,
    now_ms: int,
    transaction: Transaction | None = None,
) -> tuple[Flag, ...]:
    """Flag points given to a member beyond a limit, by the order that they are for."""
    if points <= 0:
        return ()
    return tuple(
        _flag(limit, value, program, key, transaction, member)
        for limit, scope in _given(key, member)
        if (value := unit.counted(limit, scope, now_ms) + points) > program.limits[limit.name]
    )


def _given(key: ApiKey | None, member: Member) -> Iterator[tuple[Limit, str]]:
    yield _MEMBER_DAY, member_scope(member.number)
    if key is not None:
        yield _KEY_DAY, key_scope(key.key_id)


def _flag(
    limit: Limit,
    value: int,
    program: Program,
    key: ApiKey | None,
    transaction: Transaction | None = None,
    member: Member | None = None,
) -> Flag:
    """Say all that who voids the order or takes the points back has to name."""
    about: dict[str, Any] = {
        "value": value,
        "allowed": program.limits[limit.name],
        "program_id": program.program_id,
    }
    if key is not None:
        about |= {"key_id": key.key_id, "partner": key.partner}
    if transaction is not None:
        about |= {"transaction_id": transaction.transaction_id, "store_id": transaction.store_id}
    if member is not None:
        about["loyalty_id"] = member.loyalty_id
    return Flag(FlagKind.BEYOND_LIMIT, limit.name.value, about)
