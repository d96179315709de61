"""
What one person or one key may move beside orders, at once and in a day.

`domain.limits` has the figures. They are passed only at the command line, which is flagged.
"""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.application.limits import beyond, key_scope
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import AmountBeyondLimitError, LimitExceededError
from loyalty_service.domain.flags import Flag
from loyalty_service.domain.keys import ApiKey, Role
from loyalty_service.domain.limits import LIMITS, Limit, LimitName
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import Member

_ADJUSTMENT = LIMITS[LimitName.POINTS_PER_OPERATOR_ADJUSTMENT]
_OPERATOR_DAY = LIMITS[LimitName.ADJUSTED_PER_OPERATOR_DAY]
_ADMIN_DAY = LIMITS[LimitName.ADJUSTED_PER_ADMIN_DAY]


@dataclass(frozen=True, slots=True)
class Adjuster:
    """
    Who moves points beside orders: a key, or where it is absent a person at the command line.

    Attributes:
        name: The person's, as far as the machine knows.
    """

    key: ApiKey | None = None
    name: str = ""

    @property
    def limited(self) -> bool:
        """Whether an operator's limits hold, rather than an admin's."""
        return self.key is not None and self.key.role is not Role.ADMIN

    def day(self, program: Program) -> tuple[Limit, str]:
        """Tell which limit a day of theirs has, and what is counted for it."""
        if self.key is None:
            return _ADMIN_DAY, f"adjuster/{program.program_id}/{self.name}"
        return (_OPERATOR_DAY if self.limited else _ADMIN_DAY), key_scope(self.key.key_id)


def require_adjustable(
    unit: Unit, program: Program, by: Adjuster | None, points: int, now_ms: int
) -> None:
    """
    Refuse points beyond what a person or a key may move; what is taken counts as what is given.

    Raises:
        AmountBeyondLimitError: They are more than an operator may move at once.
        LimitExceededError: As many as may be moved in a day were moved.
    """
    if by is None:
        return
    if by.limited and abs(points) > program.limits[_ADJUSTMENT.name]:
        raise AmountBeyondLimitError(_ADJUSTMENT.name.value, program.limits[_ADJUSTMENT.name])
    limit, scope = by.day(program)
    allowed = program.limits[limit.name]
    if unit.counted(limit, scope, now_ms) + abs(points) > allowed:
        raise LimitExceededError(limit.name.value, allowed, limit.ends_in_ms(now_ms))


def flag_adjusted(
    unit: Unit, program: Program, by: Adjuster | None, member: Member, points: int, now_ms: int
) -> tuple[Flag, ...]:
    """Flag points that a person or a key moves beyond what a day of theirs allows."""
    if by is None:
        return ()
    limit, scope = by.day(program)
    value = unit.counted(limit, scope, now_ms) + abs(points)
    if value <= program.limits[limit.name]:
        return ()
    return (beyond(limit, value, program, by.key, None, member),)


def count_adjusted(
    unit: Unit, program: Program, by: Adjuster | None, points: int, now_ms: int
) -> None:
    """Count points that a person or a key moved beside orders."""
    if by is None:
        return
    limit, scope = by.day(program)
    unit.count(limit, scope, abs(points), now_ms)
