"""Transfers keep the sum, the bounds and both chains."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.domain.ledger import (
    GENESIS,
    POINTS_MAX,
    Account,
    AccountKind,
    Cause,
    LedgerBrokenError,
    Origin,
    facts_of,
    link,
    transfer,
)

ORIGIN = Origin(Cause.ADJUST, "", "note", 1, 2)


def _link(head: bytes, sequence: int, *moved: int, origin: Origin = ORIGIN) -> bytes:
    source_id, destination_id, points = moved
    return link(head, sequence, facts_of(source_id, destination_id, points, origin))


def _account(number: int, kind: AccountKind, balance: int = 0) -> Account:
    return Account(number, kind, balance, 0, GENESIS)


def test_transfer_moves_points_and_links_both_chains() -> None:
    """A transfer changes both balances and is the next link of both chains."""
    source, destination = _account(1, AccountKind.ADJUSTED), _account(2, AccountKind.AVAILABLE)
    moved = transfer(source, destination, 5, ORIGIN)
    assert (source.balance, destination.balance) == (-5, 5)
    assert (source.sequence, destination.sequence) == (1, 1)
    assert source.head == moved.source_hash == _link(GENESIS, 1, 1, 2, 5)
    assert destination.head == moved.destination_hash
    again = transfer(source, destination, 5, ORIGIN)
    assert again.source_hash != moved.source_hash
    assert again.source_hash == _link(moved.source_hash, 2, 1, 2, 5)


@pytest.mark.parametrize("points", [0, -1])
def test_transfer_of_nothing_is_broken(points: int) -> None:
    """Only a positive number of points can move."""
    source, destination = _account(1, AccountKind.AVAILABLE, 9), _account(2, AccountKind.HELD)
    with pytest.raises(LedgerBrokenError):
        transfer(source, destination, points, ORIGIN)
    assert (source.balance, source.sequence) == (9, 0)


def test_transfer_to_itself_is_broken() -> None:
    """Points can't move within one account."""
    account = _account(1, AccountKind.AVAILABLE, 9)
    with pytest.raises(LedgerBrokenError):
        transfer(account, account, 1, ORIGIN)


@pytest.mark.parametrize("kind", [AccountKind.AVAILABLE, AccountKind.HELD])
def test_members_account_stays_in_its_bounds(kind: AccountKind) -> None:
    """A member's account gives no more than it has and takes no more than an int32 carries."""
    program = _account(1, AccountKind.ADJUSTED)
    member = _account(2, kind, 10)
    with pytest.raises(LedgerBrokenError):
        transfer(member, program, 11, ORIGIN)
    with pytest.raises(LedgerBrokenError):
        transfer(program, member, POINTS_MAX - 9, ORIGIN)
    assert (program.balance, member.balance, member.head) == (0, 10, GENESIS)
    transfer(program, member, POINTS_MAX - 10, ORIGIN)
    assert member.balance == POINTS_MAX


def test_debt_stays_in_its_bounds() -> None:
    """A debt grows to what an int32 carries, and is paid to nothing, never beyond."""
    program, debt = _account(1, AccountKind.ISSUED), _account(2, AccountKind.DEBT, -10)
    with pytest.raises(LedgerBrokenError):
        transfer(program, debt, 11, ORIGIN)
    with pytest.raises(LedgerBrokenError):
        transfer(debt, program, POINTS_MAX - 9, ORIGIN)
    assert (program.balance, debt.balance, debt.head) == (0, -10, GENESIS)
    transfer(debt, program, POINTS_MAX - 10, ORIGIN)
    assert debt.balance == -POINTS_MAX
    transfer(program, debt, POINTS_MAX, ORIGIN)
    assert debt.balance == 0


@pytest.mark.parametrize(
    "other",
    [
        _link(GENESIS, 2, 1, 2, 5),
        _link(GENESIS, 1, 3, 2, 5),
        _link(GENESIS, 1, 1, 3, 5),
        _link(GENESIS, 1, 1, 2, 6),
        _link(bytes(31) + b"\x01", 1, 1, 2, 5),
        _link(GENESIS, 1, 1, 2, 5, origin=Origin(Cause.HOLD, "", "note", 1, 2)),
        _link(GENESIS, 1, 1, 2, 5, origin=Origin(Cause.ADJUST, "t", "note", 1, 2)),
        _link(GENESIS, 1, 1, 2, 5, origin=Origin(Cause.ADJUST, "", "Note", 1, 2)),
        _link(GENESIS, 1, 1, 2, 5, origin=Origin(Cause.ADJUST, "", "note", 2, 2)),
        _link(GENESIS, 1, 1, 2, 5, origin=Origin(Cause.ADJUST, "", "note", 1, 1)),
    ],
)
def test_every_fact_is_in_the_hash(other: bytes) -> None:
    """A link differs as soon as one fact of its transfer does."""
    assert other != _link(GENESIS, 1, 1, 2, 5)


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(-5, 2**32)), max_size=50
    )
)
def test_all_accounts_sum_to_zero(steps: list[tuple[int, int, int]]) -> None:
    """Whatever is tried, all accounts sum to zero and a member's never fall below it."""
    accounts = [
        _account(number, kind)
        for number, kind in enumerate(
            (AccountKind.AVAILABLE, AccountKind.HELD, AccountKind.ISSUED, AccountKind.ADJUSTED)
        )
    ]
    moved = 0
    for source, destination, points in steps:
        try:
            transfer(accounts[source], accounts[destination], points, ORIGIN)
        except LedgerBrokenError:
            continue
        moved += 1
    assert sum(account.balance for account in accounts) == 0
    assert sum(account.sequence for account in accounts) == 2 * moved
    assert all(0 <= account.balance <= POINTS_MAX for account in accounts[:2])
