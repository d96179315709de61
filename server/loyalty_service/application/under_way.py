"""
Calls with an idempotency key that have arrived and may still take effect.

A call is entered when its headers have arrived, before anything else is done for it, and leaves
when it is settled: committed, refused, or dropped for good. Whoever hangs up or runs out of time
ends the waiting, not the work, so the call has a holder for each part of the server that may still
act for it: the handler, and the work in the queue or in a batch. It leaves with the last of them.

A commit whose outcome nobody knows is held on until it is known, or can't take effect any more.
"""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar
from hashlib import blake2b

DIGEST_BYTES = 8
"""Bytes by which a key is known: two that are alike by chance only make an outcome open."""


class Arrival:
    """
    One call with a key, from its arrival until it is settled.

    Attributes:
        registration: What its server was registered as when it arrived; empty where a server need
            not register, None where it was not registered and the call may not be served.
        mark: What the database knows the transaction by whose outcome is unknown; absent where it
            has no marks for them.
    """

    __slots__ = ("_calls", "_digest", "_holders", "_key", "_scoped", "mark", "registration")

    def __init__(self, calls: UnderWay, scope: str | None, key: str) -> None:
        self.registration = calls.registration
        self.mark: int | None = None
        self._calls = calls
        self._key = key
        self._scoped = scope is not None
        self._digest = digest_of(scope, key)
        self._holders = 1
        calls.add(self._digest)

    def belongs_to(self, scope: str) -> None:
        """Take note of whose key it is, where that was not known at the arrival."""
        if self._scoped or not self._holders:
            return
        self._calls.drop(self._digest)
        self._digest = digest_of(scope, self._key)
        self._calls.add(self._digest)
        self._scoped = True

    def hold(self) -> None:
        """Count one more part of the server that may act for the call."""
        self._holders += 1

    def release(self) -> None:
        """Count one less; the last one settles the call."""
        self._holders -= 1
        if not self._holders:
            self._calls.drop(self._digest)


class UnderWay:
    """
    The calls with a key that this server has taken on and not settled.

    Attributes:
        registration: What arrivals are registered as from now on; see `Arrival`.
        unsettled: Calls whose commit may still come through, though nobody waits for it.
    """

    def __init__(self) -> None:
        self.registration: str | None = ""
        self.unsettled: list[Arrival] = []
        self._digests: Counter[bytes] = Counter()

    def enter(self, scope: str | None, key: str) -> Arrival:
        """
        Take note of a call that has arrived; whoever asks must release it.

        Without a *scope*, because the caller is not known yet, it counts as everybody's.
        """
        return Arrival(self, scope, key)

    def has(self, digests: tuple[bytes, ...]) -> bool:
        """Tell whether a call with such a key is under way here; see `digests_of`."""
        return any(digest in self._digests for digest in digests)

    def sample(self) -> bytes:
        """Give the digests of all that is under way, one after the other."""
        return b"".join(self._digests)

    def add(self, digest: bytes) -> None:
        """Count one more call with this digest."""
        self._digests[digest] += 1

    def settle(self, arrivals: list[Arrival]) -> None:
        """Let go of calls whose commit can't come through any more, unless it has."""
        for arrival in arrivals:
            self.unsettled.remove(arrival)
            arrival.release()

    def drop(self, digest: bytes) -> None:
        """Count one call less with this digest."""
        left = self._digests[digest] - 1
        if left:
            self._digests[digest] = left
        else:
            del self._digests[digest]


ARRIVAL: ContextVar[Arrival | None] = ContextVar("arrival", default=None)
"""The call that is being served, where it has a key."""


def digest_of(scope: str | None, key: str) -> bytes:
    """Digest a key within its scope."""
    words = f"{scope or ''}\0{key}".encode("utf-8", "surrogatepass")
    return blake2b(words, digest_size=DIGEST_BYTES).digest()


def digests_of(scope: str, key: str) -> tuple[bytes, ...]:
    """Give all that a call with this key may be entered as."""
    return digest_of(scope, key), digest_of(None, key)


def is_among(digests: tuple[bytes, ...], sample: bytes) -> bool:
    """Tell whether one of these is in a server's sample."""
    return any(
        sample[at : at + DIGEST_BYTES] in digests for at in range(0, len(sample), DIGEST_BYTES)
    )
