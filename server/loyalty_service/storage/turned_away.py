"""How long callers are sent away for whom there is no room."""

from __future__ import annotations

RETRY_AFTER_S = 1.0
RETRY_AFTER_MAX_S = 10.0


class TurnedAway:
    """
    Counts of late who was let in and who was not.

    Attributes:
        admitted: Those who were let in.
    """

    def __init__(self) -> None:
        self.admitted = 0.0
        self._refused = 0.0
        self._counted_since = 0.0

    def retry_after_ms(self, now_s: float) -> int:
        """
        Send one more away, so long that those who come back are no more than can be served.

        Args:
            now_s: The time, by a clock that never goes back.
        """
        self._refused += 1
        times = self._refused / max(self.admitted, 1.0)
        if now_s - self._counted_since > 1.0:
            self._counted_since = now_s
            self._refused /= 2
            self.admitted /= 2
        wait_s = min(RETRY_AFTER_S * (1 + times), RETRY_AFTER_MAX_S)
        return round(wait_s) * 1000
