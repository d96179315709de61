"""The sandbox's clock: how far it is ahead of the machine's, kept beside its data."""

from __future__ import annotations

import re
from pathlib import Path

from loyalty_service.domain.clock import DAY_MS, ahead_ms, now_ms, rfc3339, set_ahead_ms
from loyalty_service.domain.operator_error import OperatorError

AHEAD_MAX_MS = 3650 * DAY_MS
"""Ten years: beyond that dates of the contract end, and nothing more could be learned."""

_UNITS_MS = {"d": DAY_MS, "h": 3_600_000, "m": 60_000, "s": 1000}
_DURATION = re.compile(r"(?:\d{1,7}[dhms])+")
_PART = re.compile(r"(\d+)([dhms])")


class ClockError(OperatorError):
    """Raised when the clock can't be moved so; the message says how it can."""


def duration_ms(text: str) -> int:
    """
    Read a duration such as `61h` or `2d13h`.

    Raises:
        ClockError: It is none.
    """
    if not _DURATION.fullmatch(text):
        raise ClockError(
            f"{text!r} is no time to advance by: write it as 3d, 61h, 90m, 45s or 2d13h"
        )
    return sum(int(count) * _UNITS_MS[unit] for count, unit in _PART.findall(text))


def duration_text(ms: int) -> str:
    """Write a duration in hours, minutes and seconds."""
    seconds = ms // 1000
    parts = ((seconds // 3600, "h"), (seconds // 60 % 60, "m"), (seconds % 60, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0s"


class SandboxClock:
    """
    Moves the clock of this process forward, and keeps how far in a file.

    Args:
        file: Where; it is absent on the first day.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def resume(self) -> None:
        """Go on from where the last start left the clock."""
        kept = self._file.read_text(encoding="ascii").strip() if self._file.exists() else "0"
        set_ahead_ms(int(kept) if kept.isdigit() else 0)

    def advance(self, text: str) -> None:
        """
        Move the clock forward.

        Raises:
            ClockError: By nothing that it can be moved by.
        """
        ahead = ahead_ms() + duration_ms(text)
        if ahead > AHEAD_MAX_MS:
            raise ClockError("The clock can be at most ten years ahead: reset the sandbox instead")
        draft = self._file.with_suffix(".draft")
        draft.write_text(str(ahead), encoding="ascii")
        draft.replace(self._file)
        set_ahead_ms(ahead)

    def reset(self) -> None:
        """Go back to the machine's time; only a database without rows may be served after it."""
        self._file.unlink(missing_ok=True)
        set_ahead_ms(0)


def told() -> dict[str, object]:
    """Tell the time, as the control port does."""
    return {
        "now": rfc3339(now_ms()),
        "ahead": duration_text(ahead_ms()),
        "aheadMs": ahead_ms(),
    }
