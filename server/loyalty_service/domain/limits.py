"""
The one table of limits: what a key, a program, a member or an order may do, and in what time.

Each default is more than an honest restaurant needs, and limits what somebody with a stolen key can
do. A program file may set others. To add a limit, add a name and a row: the program file, its
document, what is counted and the metrics follow the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

DAY_S = 86_400
MINUTE_S = 60
POINTS_MOST = 2**53
"""More points than a JSON number carries exactly are nobody's limit."""

COUNT_MOST = 2**63 - 1


class LimitName(StrEnum):
    """Names of limits: keys of `limits` in a program file, and labels of metrics."""

    CALLS_PER_KEY_SECOND = "calls_per_key_second"
    BYTES_PER_KEY_DAY = "bytes_per_key_day"
    ROWS_PER_KEY_DAY = "rows_per_key_day"
    BYTES_PER_PROGRAM_DAY = "bytes_per_program_day"
    ROWS_PER_PROGRAM_DAY = "rows_per_program_day"
    POINTS_PER_ORDER = "points_per_order"
    POINTS_PER_MEMBER_DAY = "points_per_member_day"
    POINTS_PER_KEY_DAY = "points_per_key_day"
    CODES_PER_MEMBER_MINUTE = "codes_per_member_minute"
    CODES_PER_KEY_MINUTE = "codes_per_key_minute"
    ENROLMENTS_PER_KEY_MINUTE = "enrolments_per_key_minute"
    CODES_LIVE_PER_PARTNER = "codes_live_per_partner"
    USES_PER_ORDER = "uses_per_order"
    POINTS_PER_ASSIGNMENT = "points_per_assignment"
    WRONG_PROMO_CODES_PER_KEY_MINUTE = "wrong_promo_codes_per_key_minute"
    POINTS_PER_OPERATOR_ADJUSTMENT = "points_per_operator_adjustment"
    ADJUSTED_PER_OPERATOR_DAY = "adjusted_per_operator_day"
    ADJUSTED_PER_ADMIN_DAY = "adjusted_per_admin_day"
    POINTS_PER_CASHIER_DAY = "points_per_cashier_day"


class Paid(StrEnum):
    """What becomes of a claim, an unclaimed order or a void beyond a limit: its guest has paid."""

    FLAGGED = "flagged"
    """It succeeds, and is counted and logged."""

    PACED = "paced"
    """As flagged, but no faster than the limit once more a day: what is beyond that waits."""

    WAITS = "waits"
    """It is refused for a moment; a till sends it again."""


@dataclass(frozen=True, slots=True)
class Limit:
    """
    One limit.

    Attributes:
        period_s: Seconds after which the count begins again, at a multiple of them since 1970; a
            day is one of UTC. 0 where each order is judged for itself.
        default: How many, unless the program says otherwise.
        most: The most that a program may set.
        paid: What becomes of a paid order beyond it. Every other call is refused.
    """

    name: LimitName
    period_s: int
    default: int
    most: int
    paid: Paid = Paid.FLAGGED

    def since_ms(self, now_ms: int) -> int:
        """Tell when the period of a moment began, in milliseconds since 1970."""
        return now_ms - now_ms % (self.period_s * 1000)

    def ends_in_ms(self, now_ms: int) -> int:
        """Tell how long the period of a moment still lasts, in milliseconds."""
        return self.period_s * 1000 - now_ms % (self.period_s * 1000)


_N = LimitName

LIMITS: Mapping[LimitName, Limit] = {
    limit.name: limit
    for limit in (
        Limit(_N.CALLS_PER_KEY_SECOND, 1, 500, 1_000_000, Paid.WAITS),
        Limit(_N.BYTES_PER_KEY_DAY, DAY_S, 4 * 2**30, COUNT_MOST, Paid.PACED),
        Limit(_N.ROWS_PER_KEY_DAY, DAY_S, 10_000_000, COUNT_MOST, Paid.PACED),
        Limit(_N.BYTES_PER_PROGRAM_DAY, DAY_S, 16 * 2**30, COUNT_MOST),
        Limit(_N.ROWS_PER_PROGRAM_DAY, DAY_S, 40_000_000, COUNT_MOST),
        Limit(_N.POINTS_PER_ORDER, 0, 100_000, POINTS_MOST),
        Limit(_N.POINTS_PER_MEMBER_DAY, DAY_S, 250_000, POINTS_MOST),
        Limit(_N.POINTS_PER_KEY_DAY, DAY_S, 100_000_000, POINTS_MOST),
        # An app at 5,000 stores has some 10,000 guests in the busiest minute.
        Limit(_N.CODES_PER_MEMBER_MINUTE, MINUTE_S, 10, 1_000),
        Limit(_N.CODES_PER_KEY_MINUTE, MINUTE_S, 12_000, 1_000_000),
        Limit(_N.ENROLMENTS_PER_KEY_MINUTE, MINUTE_S, 1_200, 1_000_000),
        # Whoever mistypes a code meets one of these with a chance of 1 in 50, and where two periods
        # meet 1 in 25. No code lives longer than a period.
        Limit(_N.CODES_LIVE_PER_PARTNER, 10 * MINUTE_S, 20_000, 1_000_000),
        Limit(_N.USES_PER_ORDER, 0, 10, 1_000_000_000),
        Limit(_N.POINTS_PER_ASSIGNMENT, 0, 10_000, POINTS_MOST),
        # A code of 12 characters, as operators have them made, is found by nobody at this pace.
        Limit(_N.WRONG_PROMO_CODES_PER_KEY_MINUTE, MINUTE_S, 60, 1_000_000),
        # A free meal or two for a guest who complains, and some fifty of these guests a day.
        Limit(_N.POINTS_PER_OPERATOR_ADJUSTMENT, 0, 5_000, POINTS_MOST),
        Limit(_N.ADJUSTED_PER_OPERATOR_DAY, DAY_S, 100_000, POINTS_MOST),
        Limit(_N.ADJUSTED_PER_ADMIN_DAY, DAY_S, 10_000_000, POINTS_MOST),
        # Not counted: the fraud report tells who is beyond it.
        Limit(_N.POINTS_PER_CASHIER_DAY, DAY_S, 500_000, POINTS_MOST),
    )
}
"""Every limit, in the order in which documents list them."""


@dataclass(frozen=True, slots=True)
class Limits(Mapping[str, int]):
    """
    How many of each limit a program allows: its own figures, and the defaults of the rest.

    Attributes:
        figures: The same as a plain mapping, for what every call looks up.
    """

    own: tuple[tuple[str, int], ...] = ()
    figures: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Put figures and defaults together: every call looks at some of them."""
        defaults = {name.value: limit.default for name, limit in LIMITS.items()}
        object.__setattr__(self, "figures", defaults | dict(self.own))

    @classmethod
    def of(cls, figures: Mapping[str, int]) -> Limits:
        """Take the figures that differ from the defaults; names of a later version are ignored."""
        return cls(
            tuple(
                (name.value, figures[name])
                for name, limit in LIMITS.items()
                if figures.get(name, limit.default) != limit.default
            )
        )

    def __getitem__(self, name: str) -> int:
        """Tell how many a limit allows."""
        return self.figures[name]

    def __iter__(self) -> Iterator[str]:
        """Name every limit."""
        return iter(self.figures)

    def __len__(self) -> int:
        """Count the limits."""
        return len(self.figures)


NO_OWN_LIMITS = Limits()
"""The defaults."""
