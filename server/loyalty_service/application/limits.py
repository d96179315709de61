"""
Keeps calls within the limits of their program; `domain.limits` explains the figures.

What a guest has paid, a void and a return are flagged beyond a limit, and not refused. Any
other call is refused before its first write.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from loyalty_service.application.reads import Reads
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import AmountBeyondLimitError, LimitExceededError
from loyalty_service.domain.flags import CUT_FULL, CUT_ORDER, Flag, FlagKind
from loyalty_service.domain.incentive_uses import IncentiveUse
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.limits import LIMITS, Limit, LimitName, Paid
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Code, Member, Transaction
from loyalty_service.domain.restrictions import Granted, MaximumRedemptions

RETRY_AFTER_MIN_MS = 1000
ROW_BYTES = 100
"""What a row takes besides its texts, with its places in indexes: about as much on SQLite."""

CUT_BEYOND = 10
"""Times the limit of an order beyond which a claim earns the limit alone."""

_ORDER = LIMITS[LimitName.POINTS_PER_ORDER]
_MEMBER_DAY = LIMITS[LimitName.POINTS_PER_MEMBER_DAY]
_KEY_DAY = LIMITS[LimitName.POINTS_PER_KEY_DAY]
_LIVE_CODES = LIMITS[LimitName.CODES_LIVE_PER_PARTNER]
_USES = LIMITS[LimitName.USES_PER_ORDER]
_BYTES = LIMITS[LimitName.BYTES_PER_KEY_DAY], LIMITS[LimitName.BYTES_PER_PROGRAM_DAY]
_ROWS = LIMITS[LimitName.ROWS_PER_KEY_DAY], LIMITS[LimitName.ROWS_PER_PROGRAM_DAY]
_NAMES = tuple(
    tuple(limit.name.value for limit in pair) for pair in zip(_BYTES, _ROWS, strict=True)
)
"""
Plain names of what is counted in bytes and in rows, for a key and for a program, all in a day.

Every call that writes looks at them; a member of an enumeration takes longer to look up.
"""

MEMBER_PREFIX = "member/"


def key_scope(key_id: str) -> str:
    """Name what is counted for an API key."""
    return f"key/{key_id}"


def partner_scope(program_id: str, partner: str) -> str:
    """Name what is counted for all keys of a partner."""
    return f"partner/{program_id}/{partner}"


def program_scope(program_id: str) -> str:
    """Name what is counted for a program."""
    return f"program/{program_id}"


def member_scope(number: int, partner: str = "") -> str:
    """Name what is counted for a member, of one partner's calls alone if it is named."""
    return f"{MEMBER_PREFIX}{number}/{partner}" if partner else f"{MEMBER_PREFIX}{number}"


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
        return reads._replace(counts=counts, counts_of_members=members)


def count_written(unit: Unit, load: Load, rows: int, size: int, now_ms: int) -> None:
    """Count the rows and bytes that a whole call wrote, with its events and its kept answers."""
    size += rows * ROW_BYTES
    if not size:
        return
    since_ms = _KEY_DAY.since_ms(now_ms)
    for scope, (of_bytes, of_rows) in zip(_scopes(load.key), _NAMES, strict=True):
        amounts = {of_bytes: size, of_rows: rows} if rows else {of_bytes: size}
        unit.count_all(scope, since_ms, amounts)


def _scopes(key: ApiKey) -> tuple[str, str]:
    return _scopes_of(key.key_id, key.program_id)


@lru_cache(maxsize=1024)
def _scopes_of(key_id: str, program_id: str) -> tuple[str, str]:
    """Name what is counted for a key and for its program: every call that writes asks twice."""
    return key_scope(key_id), program_scope(program_id)


def judge_load(unit: Unit, load: Load, now_ms: int) -> tuple[Flag, ...]:
    """
    Flag a call, or refuse it, once its key or program has written a day's worth.

    Raises:
        LimitExceededError: It is refused, because no guest has paid.
    """
    allowed = unit.catalog.programs[load.key.program_id].limits.figures
    since_ms = _KEY_DAY.since_ms(now_ms)
    for scope, (of_bytes, of_rows) in zip(_scopes(load.key), _NAMES, strict=True):
        counts = unit.counts(scope, since_ms)
        # How much it writes is known afterwards.
        if (
            counts.get(of_bytes, 0) >= allowed[of_bytes]
            or counts.get(of_rows, 0) >= allowed[of_rows]
        ):
            return tuple(_look_beyond(unit, load, now_ms))
    return ()


def _look_beyond(unit: Unit, load: Load, now_ms: int) -> Iterator[Flag]:
    """Look at the limits one by one, as nearly no call has to."""
    program = unit.catalog.programs[load.key.program_id]
    scopes = _scopes(load.key)
    for limits in (_BYTES, _ROWS):
        for limit, scope in zip(limits, scopes, strict=True):
            value = unit.counted(limit, scope, now_ms) + 1
            allowed = program.limits[limit.name]
            if value <= allowed:
                continue
            if not load.paid:
                raise LimitExceededError(limit.name.value, allowed, limit.ends_in_ms(now_ms))
            if limit.paid is Paid.PACED:
                _require_pace(limit, value, allowed, now_ms)
            yield beyond(limit, value, program, load.key)


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
    return (beyond(_ORDER, points, program, key, transaction, member),)


def within_an_order(program: Program, points: int) -> int:
    """
    Tell how many of its points a claimed order may earn.

    One that is worth far more than the limit earns the limit alone, so that nobody fills a member's
    account by one order that was never paid: it has room for so many points, and orders that are
    paid would earn nothing.
    """
    allowed = program.limits[_ORDER.name]
    return points if points <= allowed * CUT_BEYOND else allowed


def reason_of_cut(program: Program, points: int) -> str:
    """Tell why a claim earns less than it is worth."""
    return CUT_FULL if within_an_order(program, points) == points else CUT_ORDER


def uses_counted(program: Program, use: IncentiveUse) -> int:
    """
    Tell how many of the uses of an incentive in one order count.

    Where all members share a number of uses, one order that nobody paid must not take them all
    from the guests. Where each member may have only so many, or was given so many, no order has
    more.
    """
    rules = use.incentive.rules
    shared = not any(isinstance(rule, Granted) for rule in rules) and any(
        isinstance(rule, MaximumRedemptions) and rule.total is not None and rule.per_member is None
        for rule in rules
    )
    return min(use.quantity, program.limits[_USES.name]) if shared else use.quantity


def flag_uses(
    program: Program,
    key: ApiKey,
    uses: Iterable[IncentiveUse],
    transaction: Transaction,
    member: Member,
) -> tuple[Flag, ...]:
    """Flag an order that uses a shared incentive more often than one order counts for."""
    most = max(
        (use.quantity for use in uses if uses_counted(program, use) < use.quantity), default=0
    )
    return (beyond(_USES, most, program, key, transaction, member),) if most else ()


def count_code_gone(unit: Unit, code: Code) -> None:
    """Take a code that lives no longer off those of its partner, in the time of its issue."""
    if code.partner is not None:
        scope = partner_scope(code.program_id, code.partner)
        unit.count(_LIVE_CODES, scope, -1, code.created_ms)


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


def count_taken(unit: Unit, key: ApiKey, points: int, now_ms: int) -> None:
    """Count points that a key took from a member, as if it had given them."""
    unit.count(_KEY_DAY, key_scope(key.key_id), points, now_ms)


def require_one_more(unit: Unit, program: Program, limit: Limit, scope: str, now_ms: int) -> None:
    """
    Refuse what a key or a member has done as often as it may in the period of a moment.

    Raises:
        LimitExceededError: It has.
    """
    allowed = program.limits[limit.name]
    if unit.counted(limit, scope, now_ms) >= allowed:
        raise LimitExceededError(limit.name.value, allowed, limit.ends_in_ms(now_ms))


def count_points(unit: Unit, key: ApiKey | None, member: Member, points: int, now_ms: int) -> None:
    """Count points that a member was given; see `require_points` and `flag_points`."""
    if points > 0:
        for limit, scope in _given(key, member):
            unit.count(limit, scope, points, now_ms)


def uncount_points(unit: Unit, member: Member, points: int, given_ms: int, now_ms: int) -> None:
    """
    Take points that are voided off what their member was given on this day.

    With another partner's key a thief could otherwise use up a member's day for nothing. The day
    of the key keeps its count, by which such a thief is found.
    """
    if points > 0 and _MEMBER_DAY.since_ms(given_ms) == _MEMBER_DAY.since_ms(now_ms):
        unit.count(_MEMBER_DAY, member_scope(member.number), -points, now_ms)


def flag_points(
    unit: Unit,
    program: Program,
    key: ApiKey | None,
    member: Member,
    points: int,
    now_ms: int,
    transaction: Transaction | None = None,
) -> tuple[Flag, ...]:
    """
    Flag points given to a member beyond a limit, by the order that they are for.

    They are not counted yet.
    """
    if points <= 0:
        return ()
    return tuple(
        beyond(limit, value, program, key, transaction, member)
        for limit, scope in _given(key, member)
        if (value := unit.counted(limit, scope, now_ms) + points) > program.limits[limit.name]
    )


def _given(key: ApiKey | None, member: Member) -> Iterator[tuple[Limit, str]]:
    yield _MEMBER_DAY, member_scope(member.number)
    if key is not None:
        yield _KEY_DAY, key_scope(key.key_id)


def beyond(
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
