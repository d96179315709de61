"""
The double-entry ledger: accounts, transfers and the hash chain of each account.

Every change of points is a transfer of a positive amount from one account to another. A member's
accounts never fall below zero, but for a debt, which never rises above it; a program has the rest,
so that all accounts of a program always sum to zero. `ACCOUNTS` has what is said of each kind.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import NamedTuple

POINTS_MAX = 2**31 - 1
"""Most points a member can have, or owe: what an int32 on the wire carries."""

GENESIS = bytes(32)
"""Head of the chain of an account that no transfer has touched."""


class AccountKind(IntEnum):
    """Kinds of account; the numbers are stored, those in use printed in the contract's enum."""

    AVAILABLE = 1
    HELD = 2
    ISSUED = 3
    REDEEMED = 4
    EXPIRED = 5
    ADJUSTED = 6
    DEBT = 7
    UNCONFIRMED = 8


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """
    What holds for all accounts of a kind.

    Attributes:
        of_member: Whether each member may have one, rather than the program.
        least: Fewest points in it.
        most: Most points in it.
        rare: Whether a member has one only once it was needed.
    """

    of_member: bool
    least: int
    most: int
    rare: bool = False


_OF_PROGRAM = AccountTerms(of_member=False, least=-(2**63), most=2**63)

ACCOUNTS: Mapping[AccountKind, AccountTerms] = {
    AccountKind.AVAILABLE: AccountTerms(of_member=True, least=0, most=POINTS_MAX),
    AccountKind.HELD: AccountTerms(of_member=True, least=0, most=POINTS_MAX),
    AccountKind.ISSUED: _OF_PROGRAM,
    AccountKind.REDEEMED: _OF_PROGRAM,
    AccountKind.EXPIRED: _OF_PROGRAM,
    AccountKind.ADJUSTED: _OF_PROGRAM,
    AccountKind.DEBT: AccountTerms(of_member=True, least=-POINTS_MAX, most=0, rare=True),
    # Points that were earned and wait to be confirmed.
    AccountKind.UNCONFIRMED: AccountTerms(of_member=True, least=0, most=POINTS_MAX, rare=True),
}
"""
Every kind of account. A new one of members is a number and a row here, and nothing else.

Only one that may go below zero, or must not rise above it, needs a migration of the checks of
accounts besides, as one of programs does; a test tries each kind in a migrated database.
"""

OWNED_KINDS = tuple(kind for kind, terms in ACCOUNTS.items() if terms.of_member)
"""All accounts of a member: what happened to them is told in the order of its times."""

MEMBER_KINDS = tuple(kind for kind in OWNED_KINDS if not ACCOUNTS[kind].rare)
"""A member's accounts from the day of enrolment; the others are opened when they are needed."""

RARE_KINDS = tuple(kind for kind in OWNED_KINDS if ACCOUNTS[kind].rare)
"""A member's accounts that most members never need."""

PROGRAM_KINDS = tuple(kind for kind, terms in ACCOUNTS.items() if not terms.of_member)


class Cause(IntEnum):
    """What moved points; the numbers are stored, those in use printed in the contract's enum."""

    HOLD = 1
    RELEASE = 2
    ADJUST = 3
    REDEEM = 4
    EARN = 5
    REFUND = 6
    REVERSE = 7
    CONFIRM = 8
    EXPIRE = 9
    RETURN = 10
    CORRECT = 11
    MERGE = 12


_SPENT_OR_OWED = (AccountKind.AVAILABLE, AccountKind.DEBT)

MOVES: Mapping[Cause, tuple[tuple[AccountKind, tuple[AccountKind, ...]], ...]] = {
    Cause.HOLD: ((AccountKind.AVAILABLE, (AccountKind.HELD,)),),
    Cause.RELEASE: ((AccountKind.HELD, _SPENT_OR_OWED),),
    Cause.ADJUST: (
        (AccountKind.ADJUSTED, _SPENT_OR_OWED),
        (AccountKind.AVAILABLE, (AccountKind.ADJUSTED,)),
        (AccountKind.DEBT, (AccountKind.ADJUSTED,)),
    ),
    Cause.REDEEM: ((AccountKind.HELD, (AccountKind.REDEEMED,)),),
    Cause.EARN: ((AccountKind.ISSUED, (*_SPENT_OR_OWED, AccountKind.UNCONFIRMED)),),
    Cause.REFUND: ((AccountKind.REDEEMED, _SPENT_OR_OWED),),
    Cause.REVERSE: (
        (AccountKind.AVAILABLE, (AccountKind.ISSUED,)),
        (AccountKind.DEBT, (AccountKind.ISSUED,)),
        (AccountKind.UNCONFIRMED, (AccountKind.ISSUED,)),
    ),
    Cause.CONFIRM: ((AccountKind.UNCONFIRMED, _SPENT_OR_OWED),),
    Cause.EXPIRE: ((AccountKind.AVAILABLE, (AccountKind.EXPIRED,)),),
    Cause.RETURN: (
        (AccountKind.AVAILABLE, (AccountKind.ISSUED,)),
        (AccountKind.DEBT, (AccountKind.ISSUED,)),
        (AccountKind.UNCONFIRMED, (AccountKind.ISSUED,)),
    ),
    Cause.CORRECT: (
        (AccountKind.AVAILABLE, (AccountKind.ISSUED,)),
        (AccountKind.DEBT, (AccountKind.ISSUED,)),
    ),
    Cause.MERGE: (
        (AccountKind.AVAILABLE, _SPENT_OR_OWED),
        (AccountKind.HELD, (AccountKind.HELD,)),
        (AccountKind.DEBT, _SPENT_OR_OWED),
        (AccountKind.UNCONFIRMED, (AccountKind.UNCONFIRMED,)),
    ),
}
"""From which account to which others each cause moves points, which the audit holds it to.

A merge moves them from one member to another; all others are of one member.
"""


class OwnerKind(IntEnum):
    """What the ID of an owner of holds and transfers names; the numbers are stored."""

    TRANSACTION = 1
    BUCKET = 4
    GOAL = 5
    GRANT = 6
    MERGE = 7
    RESERVATION = 8
    ADHOC = 9


class Owner(NamedTuple):
    """What points are held or moved for: the kind says what the ID names."""

    kind: OwnerKind
    owner_id: str


NOBODY = Owner(OwnerKind.TRANSACTION, "")
"""Owner of what an operator adjusts; every store has it as a transaction without an ID."""


class LedgerBrokenError(Exception):
    """Raised when code above asks for a transfer that the rules of the ledger forbid."""


@dataclass(slots=True)
class Account:
    """
    The running state of an account within a unit of work.

    Attributes:
        account_id: Number of the account.
        balance: Points in it, within the bounds of its kind in `ACCOUNTS`.
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
        owner: What is behind it; `NOBODY` on adjustments.
        note: Reason an operator gave; empty otherwise.
        effective_ms: When it happened for the member.
        recorded_ms: When the ledger learned of it.
    """

    cause: Cause
    owner: Owner
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
    owner_kind: OwnerKind
    owner_id: str
    note: str
    effective_ms: int
    recorded_ms: int
    source_sequence: int
    source_hash: bytes
    destination_sequence: int
    destination_hash: bytes


def facts_of(source_id: int, destination_id: int, points: int, origin: Origin) -> bytes:
    """Write down what a transfer is, as both of its chains hash it."""
    kind, owner = origin.owner
    if kind != OwnerKind.TRANSACTION:
        # Every chain that is stored has transactions without their kind. No ID of one has a colon.
        owner = f"{kind:d}:{owner}"
    return (
        f"|{source_id}|{destination_id}|{points}|{origin.cause:d}|"
        f"{origin.effective_ms}|{origin.recorded_ms}|{owner}|{origin.note}"
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
        LedgerBrokenError: *points* is not positive, the accounts are one, or one of them would
            leave the bounds of its kind. Callers check first and refuse in their own words.
    """
    if points <= 0 or source is destination:
        raise LedgerBrokenError(f"no transfer of {points} points within one account")
    if source.balance - points < ACCOUNTS[source.kind].least:
        raise LedgerBrokenError(f"account {source.account_id} has less than {points} points")
    most = ACCOUNTS[destination.kind].most
    if destination.balance + points > most:
        raise LedgerBrokenError(f"account {destination.account_id} would exceed {most}")
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
        owner_kind=origin.owner.kind,
        owner_id=origin.owner.owner_id,
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
    if not ACCOUNTS[account.kind].of_member or behind_ms <= 0:
        return origin
    return replace(
        origin,
        effective_ms=origin.effective_ms + behind_ms,
        recorded_ms=origin.recorded_ms + behind_ms,
    )
