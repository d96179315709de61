"""
What becomes of a member's points in sessions, beside orders of another contract, as a model says.

It shares no arithmetic with the server: a member is a purse, and each call is told in a few lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field

STEP = 25_000
MOST = 3 * STEP
LIFETIME_MS = 900_000
REPEATED_MS = 600_000

HELD, USED, CANCELLED, EXPIRED = "held", "used", "cancelled", "expired"

NOT_ALLOWED = "RedemptionNotAllowedError"
INVALID = "ReservationInvalidError"
RAISED = "ReservationRaisedError"
TOO_FEW = "PointsInsufficientError"
VOIDED = "AlreadyVoidedError"
BLOCKED = "MemberBlockedError"
CLOSED = "SessionClosedError"
GONE = "PurchaseNotFoundError"
TAKEN = "ReceiptAlreadyClaimedError"
CONFIRMED = "ConfirmationDoneError"
NOT_NEEDED = "ConfirmationNotNeededError"


class ExpectedRefusal(Exception):  # noqa: N818 - it is no error that the model refuses.
    """Raised where the server must refuse, with the name of its error."""


@dataclass
class Token:
    """A reservation."""

    points: int
    expires_ms: int
    made_ms: int = 0
    state: str = HELD
    ended_ms: int = 0
    ended_in: str = ""


@dataclass
class Made:
    """An ad hoc transaction: the points that came or, below zero, went."""

    points: int
    voided: bool = False


@dataclass
class Bought:
    """
    A paid order of two pieces.

    Attributes:
        each: What each piece earns.
        pieces: How many were not brought back.
        waits: Whether its points wait.
        mode: Whether it is one that is to be confirmed.
    """

    each: int
    pieces: int = 2
    waits: bool = False
    mode: bool = False

    @property
    def points(self) -> int:
        """What it earns still."""
        return self.each * self.pieces


@dataclass
class Purse:
    """
    A member.

    Attributes:
        may_owe: Whether what is taken back may be owed.
        orders: What open orders of the other contract hold.
        bought: Paid orders, by their sessions or, of the other contract, their IDs.
        blocked_ms: When the member was blocked last.
    """

    available: int
    may_owe: bool
    debt: int = 0
    locked: bool = False
    blocked: bool = False
    tokens: dict[str, Token] = field(default_factory=dict)
    made: dict[str, Made] = field(default_factory=dict)
    orders: dict[str, int] = field(default_factory=dict)
    bought: dict[str, Bought] = field(default_factory=dict)
    blocked_ms: int = 0

    @property
    def waiting(self) -> int:
        """All points that wait."""
        return sum(one.points for one in self.bought.values() if one.waits)

    @property
    def held(self) -> int:
        """All points that are set aside."""
        reserved = sum(one.points for one in self.tokens.values() if one.state == HELD)
        return reserved + sum(self.orders.values())

    @property
    def redeems(self) -> bool:
        """Whether the member may redeem."""
        return not (self.locked or self.blocked)

    def reserve(self, points: int, now_ms: int) -> Token:
        """Set points aside."""
        late = self._late(now_ms)
        free = self.available + max(0, sum(one.points for one in late) - self.debt)
        if not self.redeems or points % STEP or not STEP <= points <= min(MOST, free):
            raise ExpectedRefusal(NOT_ALLOWED)
        self.sweep(now_ms)
        self.available -= points
        return Token(points, now_ms + LIFETIME_MS, now_ms)

    def lower(self, token: str, points: int, now_ms: int) -> None:
        """Set fewer aside."""
        kept = self._live(token, now_ms)
        if points > kept.points:
            raise ExpectedRefusal(RAISED)
        if points == kept.points:
            return
        if points < STEP or points % STEP:
            raise ExpectedRefusal(NOT_ALLOWED)
        self._give(kept.points - points)
        kept.points = points

    def cancel(self, token: str, visit: str, now_ms: int) -> None:
        """Give all of it back, or be told that it was."""
        known = self.tokens.get(token)
        again = known is not None and known.state == CANCELLED and known.ended_in == visit
        if known is not None and again and now_ms - known.ended_ms <= REPEATED_MS:
            return
        kept = self._live(token, now_ms)
        self._give(kept.points)
        kept.state, kept.ended_ms, kept.ended_in = CANCELLED, now_ms, visit

    def redeem(self, token: str, now_ms: int) -> Made:
        """Spend it."""
        if not self.redeems:
            raise ExpectedRefusal(NOT_ALLOWED)
        kept = self._live(token, now_ms)
        kept.state = USED
        return Made(-kept.points)

    def reward(self, points: int, now_ms: int) -> Made:
        """Give points, or take some that are there."""
        late = sum(one.points for one in self._late(now_ms))
        if self.available + max(0, late - self.debt) + points < 0:
            raise ExpectedRefusal(TOO_FEW)
        self.sweep(now_ms)
        if points > 0:
            self._give(points)
        else:
            self.available += points
        return Made(points)

    def void(self, made: str, now_ms: int) -> None:
        """Take it back, also from what is past its time."""
        one = self.made[made]
        if one.voided:
            raise ExpectedRefusal(VOIDED)
        late = sum(kept.points for kept in self._late(now_ms))
        if one.points > self.available + max(0, late - self.debt) and not self.may_owe:
            raise ExpectedRefusal(TOO_FEW)
        self.sweep(now_ms)
        short = max(0, one.points - self.available)
        one.voided = True
        if one.points < 0:
            self._give(-one.points)
        else:
            self.available -= one.points - short
            self.debt += short

    def pay(self, each: int, token: str | None, mode: bool, now_ms: int) -> Bought:  # noqa: FBT001
        """Pay two pieces in a session, with what is set aside if there is a token."""
        if token is not None:
            if self.locked:
                raise ExpectedRefusal(NOT_ALLOWED)
            kept = self._live(token, now_ms)
            # Goods that were promised before the block are paid with what was set aside.
            if self.blocked and self.blocked_ms <= kept.made_ms:
                raise ExpectedRefusal(NOT_ALLOWED)
            kept.state = USED
        return self.earn(Bought(each, mode=mode, waits=mode))

    def earn(self, bought: Bought) -> Bought:
        """Get what an order earns."""
        if not bought.waits:
            self._give(bought.points)
        return bought

    def confirm(self, visit: str) -> None:
        """Let points be spent that wait."""
        one = self._paid(visit)
        if not one.mode:
            raise ExpectedRefusal(NOT_NEEDED)
        if not one.waits:
            raise ExpectedRefusal(CONFIRMED)
        one.waits = False
        self._give(one.points)

    def bring_back(self, visit: str, pieces: int) -> None:
        """Give back what pieces earned; all of them end the order."""
        one = self._paid(visit)
        pieces = min(pieces, one.pieces)
        taken = 0 if one.waits else one.each * pieces
        short = max(0, taken - self.available)
        if short and not self.may_owe:
            raise ExpectedRefusal(TOO_FEW)
        one.pieces -= pieces
        self.available -= taken - short
        self.debt += short

    def _paid(self, visit: str) -> Bought:
        one = self.bought[visit]
        if not one.pieces:
            raise ExpectedRefusal(GONE)
        return one

    def order(self, points: int) -> None:
        """Hold points for an order of the other contract."""
        if self.available < points:
            raise ExpectedRefusal(TOO_FEW)
        self.available -= points

    def forget(self, order: str) -> None:
        """Cancel such an order."""
        self._give(self.orders.pop(order))

    def sweep(self, now_ms: int) -> int:
        """End what is past its time."""
        late = self._late(now_ms)
        for one in late:
            one.state = EXPIRED
            self._give(one.points)
        return len(late)

    def _late(self, now_ms: int) -> list[Token]:
        held = (one for one in self.tokens.values() if one.state == HELD)
        return [one for one in held if one.expires_ms <= now_ms]

    def _live(self, token: str, now_ms: int) -> Token:
        kept = self.tokens.get(token)
        if kept is None or kept.state != HELD or kept.expires_ms <= now_ms:
            raise ExpectedRefusal(INVALID)
        return kept

    def _give(self, points: int) -> None:
        paid = min(points, self.debt)
        self.debt -= paid
        self.available += points - paid
