"""
The double-entry ledger: accounts, transfers and the hash chain of each account.

Every change of points is a transfer of a positive amount from one account to another. A member
has points available and points held, which never fall below zero, and at most a debt, which never
rises above it; a program has the rest, so that all accounts of a program always sum to zero.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import IntEnum

POINTS_MAX = 2**31 - 1
"""Most points a member can have, or owe: what an int32 on the wire carries."""

GENESIS = bytes(32)
"""Head of the chain of an account that no transfer has touched."""


class AccountKind(IntEnum):
    """Kinds of account; the numbers are stored and printed in the contract's enum."""

    AVAILABLE = 1
    HELD = 2
    ISSUED = 3
    REDEEMED = 4
    EXPIRED = 5
    ADJUSTED = 6
    DEBT = 7


MEMBER_KINDS = (AccountKind.AVAILABLE, AccountKind.HELD)
"""A member's accounts from the day of enrolment; a debt is opened when there is one."""

OWNED_KINDS = (*MEMBER_KINDS, AccountKind.DEBT)
"""All accounts of a member: what happened to them is told in the order of its times."""

PROGRAM_KINDS = (
    AccountKind.ISSUED,
    AccountKind.REDEEMED,
    AccountKind.EXPIRED,
    AccountKind.ADJUSTED,
)


class Cause(IntEnum):
    """What moved points; the numbers are stored and printed in the contract's enum."""

    HOLD = 1
    RELEASE = 2
    ADJUST = 3
    REDEEM = 4
    EARN = 5
    REFUND = 6
    REVERSE = 7


class LedgerBrokenError(Exception):
    """Raised when code above asks for a transfer that the rules of the ledger forbid."""


@dataclass(slots=True)
class Account:
    """
    The running state of an account within a unit of work.

    Attributes:
        account_id: Number of the account.
        balance: Points in it; 0 to `POINTS_MAX` in `MEMBER_KINDS`, -`POINTS_MAX` to 0 in a debt.
        sequence: Transfers that touched it so far.
        head: Hash over all of them.
        moved_ms: When the last of them was recorded.
    """

    account_id: int
    kind: AccountKind
    balance: int
    sequence: int
    head: bytes
    moved_ms: int = 0


@dataclass(frozen=True, slots=True)
class Origin:
    """
    Why a transfer happens.

    Attributes:
        transaction_id: Loyalty transaction behind it; empty on adjustments.
        note: Reason an operator gave; empty otherwise.
        effective_ms: When it happened for the member.
        recorded_ms: When the ledger learned of it.
    """

    cause: Cause
    transaction_id: str
    note: str
    effective_ms: int
    recorded_ms: int


@dataclass(frozen=True, slots=True)
class Transfer:
    """One movement of points. The sequences and hashes are its places in two chains."""

    source_id: int
    destination_id: int
    points: int
    cause: Cause
    transaction_id: str
    note: str
    effective_ms: int
    recorded_ms: int
    source_sequence: int
    source_hash: bytes
    destination_sequence: int
    destination_hash: bytes


def facts_of(source_id: int, destination_id: int, points: int, origin: Origin) -> bytes:
    """Write down what a transfer is, as both of its chains hash it."""
    return (
        f"|{source_id}|{destination_id}|{points}|{origin.cause:d}|"
        f"{origin.effective_ms}|{origin.recorded_ms}|{origin.transaction_id}|{origin.note}"
    ).encode()


def link(head: bytes, sequence: int, facts: bytes) -> bytes:
    """Hash one transfer onto the chain of an account whose head and next sequence are given."""
    return hashlib.sha256(b"%b%d%b" % (head, sequence, facts)).digest()


def transfer(source: Account, destination: Account, points: int, origin: Origin) -> Transfer:
    """
    Move points and advance both accounts and their chains.

    The times of a member's accounts never go back, whatever the clocks of servers say: a transfer
    that would be before the last one is of the same moment. A program's accounts, which all
    members share, go by the clock alone, so that a clock that was ahead spoils no others' times.

    Raises:
        LedgerBrokenError: *points* is not positive, the accounts are one, or a member's account
            would leave its bounds. Callers check first and refuse in their own words.
    """
    if points <= 0 or source is destination:
        raise LedgerBrokenError(f"no transfer of {points} points within one account")
    if source.kind in MEMBER_KINDS and source.balance < points:
        raise LedgerBrokenError(f"account {source.account_id} has less than {points} points")
    if destination.kind in MEMBER_KINDS and destination.balance + points > POINTS_MAX:
        raise LedgerBrokenError(f"account {destination.account_id} would exceed {POINTS_MAX}")
    if source.kind is AccountKind.DEBT and source.balance - points < -POINTS_MAX:
        raise LedgerBrokenError(f"debt {source.account_id} would exceed {POINTS_MAX}")
    if destination.kind is AccountKind.DEBT and destination.balance + points > 0:
        raise LedgerBrokenError(f"debt {destination.account_id} is less than {points} points")
    origin = _after(source, _after(destination, origin))
    facts = facts_of(source.account_id, destination.account_id, points, origin)
    for account, change in ((source, -points), (destination, points)):
        account.balance += change
        account.sequence += 1
        account.head = link(account.head, account.sequence, facts)
        account.moved_ms = origin.recorded_ms
    return Transfer(
        source_id=source.account_id,
        destination_id=destination.account_id,
        points=points,
        cause=origin.cause,
        transaction_id=origin.transaction_id,
        note=origin.note,
        effective_ms=origin.effective_ms,
        recorded_ms=origin.recorded_ms,
        source_sequence=source.sequence,
        source_hash=source.head,
        destination_sequence=destination.sequence,
        destination_hash=destination.head,
    )


def _after(account: Account, origin: Origin) -> Origin:
    """Correct a clock that is behind the last transfer of a member's account."""
    behind_ms = account.moved_ms - origin.recorded_ms
    if account.kind not in OWNED_KINDS or behind_ms <= 0:
        return origin
    return replace(
        origin,
        effective_ms=origin.effective_ms + behind_ms,
        recorded_ms=origin.recorded_ms + behind_ms,
    )
