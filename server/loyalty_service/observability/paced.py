"""Lines of the log about a trouble that lasts: the first, and then one a minute."""

from __future__ import annotations

import time

LINE_EVERY_S = 60.0


class Paced:
    """Says which lines about one trouble are written, so that it does not flood the log."""

    def __init__(self) -> None:
        self._written_s: float | None = None
        self._left_out = 0

    def due(self) -> dict[str, int] | None:
        """Count a line; returns what it has to say of those left out, or none to leave it out."""
        now_s = time.monotonic()
        if self._written_s is not None and now_s - self._written_s < LINE_EVERY_S:
            self._left_out += 1
            return None
        left_out, self._left_out, self._written_s = self._left_out, 0, now_s
        return {"left_out": left_out} if left_out else {}
