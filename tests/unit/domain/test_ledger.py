"""Transfers keep the sum, the bounds and both chains."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_service.domain.ledger import (
    ACCOUNTS,
    GENESIS,
    MEMBER_KINDS,
    MOVES,
    NOBODY,
    OWNED_KINDS,
    POINTS_MAX,
    PROGRAM_KINDS,
    RARE_KINDS,
    Account,
    AccountKind,
    Cause,
    LedgerBrokenError,
    Origin,
    Owner,
    OwnerKind,
    Transfer,
    facts_of,
    link,
    transfer,
)

ORDER = Owner(OwnerKind.TRANSACTION, "order")
ORIGIN = Origin(Cause.ADJUST, NOBODY, "note", 1, 2)


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


@pytest.mark.parametrize("kind", [AccountKind.AVAILABLE, AccountKind.HELD, AccountKind.UNCONFIRMED])
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


def test_most_points_are_what_an_int32_carries() -> None:
    """A member's account is full at the largest number that the wire carries."""
    program, member = _account(1, AccountKind.ADJUSTED), _account(2, AccountKind.AVAILABLE)
    transfer(program, member, 2_147_483_647, ORIGIN)
    with pytest.raises(LedgerBrokenError):
        transfer(program, member, 1, ORIGIN)
    assert member.balance == 2_147_483_647


def test_programs_account_has_no_bounds() -> None:
    """What a program gave out and took back adds up beyond what one member can have."""
    source, destination = _account(1, AccountKind.ISSUED), _account(2, AccountKind.REDEEMED)
    transfer(source, destination, POINTS_MAX, ORIGIN)
    transfer(source, destination, POINTS_MAX, ORIGIN)
    assert (source.balance, destination.balance) == (-2 * POINTS_MAX, 2 * POINTS_MAX)


@pytest.mark.parametrize(
    "other",
    [
        (GENESIS, 2, (1, 2, 5), ORIGIN),
        (GENESIS, 1, (3, 2, 5), ORIGIN),
        (GENESIS, 1, (1, 3, 5), ORIGIN),
        (GENESIS, 1, (1, 2, 6), ORIGIN),
        (bytes(31) + b"\x01", 1, (1, 2, 5), ORIGIN),
        (GENESIS, 1, (1, 2, 5), Origin(Cause.HOLD, NOBODY, "note", 1, 2)),
        (
            GENESIS,
            1,
            (1, 2, 5),
            Origin(Cause.ADJUST, Owner(OwnerKind.TRANSACTION, "t"), "note", 1, 2),
        ),
        (GENESIS, 1, (1, 2, 5), Origin(Cause.ADJUST, NOBODY, "Note", 1, 2)),
        (GENESIS, 1, (1, 2, 5), Origin(Cause.ADJUST, NOBODY, "note", 2, 2)),
        (GENESIS, 1, (1, 2, 5), Origin(Cause.ADJUST, NOBODY, "note", 1, 1)),
    ],
)
def test_every_fact_is_in_the_hash(other: tuple[bytes, int, tuple[int, ...], Origin]) -> None:
    """A link differs as soon as one fact of its transfer does."""
    head, sequence, moved, origin = other
    assert _link(head, sequence, *moved, origin=origin) != _link(GENESIS, 1, 1, 2, 5)


def test_hashes_are_those_of_every_store_there_is() -> None:
    """A transfer is hashed as it always was, or no chain that is stored would hold."""
    source, destination = _account(11, AccountKind.HELD, 9), _account(12, AccountKind.REDEEMED)
    destination.sequence, destination.head = 6, bytes(range(32))
    moved = transfer(source, destination, 5, Origin(Cause.REDEEM, ORDER, "why", 1000, 2000))
    assert facts_of(11, 12, 5, Origin(Cause.REDEEM, ORDER, "why", 1000, 2000)) == (
        b"|11|12|5|4|1000|2000|order|why"
    )
    assert moved.source_hash.hex() == (
        "60e0fd274b58685b031842ed7a89fc9996ff506397c79dccc7fa2bf4564ce270"
    )
    assert moved.destination_hash.hex() == (
        "215915c13eacefcb685a41d0e027983aaba37d2052ef9eae4cd1e06799f2e98f"
    )
    assert moved == Transfer(
        source_id=11,
        destination_id=12,
        points=5,
        cause=Cause.REDEEM,
        owner_kind=OwnerKind.TRANSACTION,
        owner_id="order",
        note="why",
        effective_ms=1000,
        recorded_ms=2000,
        source_sequence=1,
        source_hash=source.head,
        destination_sequence=7,
        destination_hash=destination.head,
    )


def test_stored_numbers_stay() -> None:
    """The numbers that stand for accounts and causes in every store are given out for good."""
    assert {kind.name: kind.value for kind in AccountKind} == {
        "AVAILABLE": 1,
        "HELD": 2,
        "ISSUED": 3,
        "REDEEMED": 4,
        "EXPIRED": 5,
        "ADJUSTED": 6,
        "DEBT": 7,
        "UNCONFIRMED": 8,
    }
    assert {cause.name: cause.value for cause in Cause} == {
        "HOLD": 1,
        "RELEASE": 2,
        "ADJUST": 3,
        "REDEEM": 4,
        "EARN": 5,
        "REFUND": 6,
        "REVERSE": 7,
        "CONFIRM": 8,
        "EXPIRE": 9,
        "RETURN": 10,
        "CORRECT": 11,
        "MERGE": 12,
    }
    assert {kind.name: kind.value for kind in OwnerKind} == {
        "TRANSACTION": 1,
        "BUCKET": 4,
        "GOAL": 5,
        "GRANT": 6,
        "MERGE": 7,
        "RESERVATION": 8,
        "ADHOC": 9,
    }


def test_every_kind_and_cause_is_described() -> None:
    """Each kind of account has its terms, and each cause says what it moves between."""
    assert set(ACCOUNTS) == set(AccountKind) == {*OWNED_KINDS, *PROGRAM_KINDS}
    assert MEMBER_KINDS == (AccountKind.AVAILABLE, AccountKind.HELD)
    assert RARE_KINDS == (AccountKind.DEBT, AccountKind.UNCONFIRMED)
    assert set(MOVES) == set(Cause)


def test_kind_of_owner_is_in_the_hash() -> None:
    """The same ID of another kind of owner is another fact."""
    strange = Owner(2, "order")  # type: ignore[arg-type]

    facts = [facts_of(1, 2, 5, Origin(Cause.HOLD, one, "", 3, 4)) for one in (ORDER, strange)]

    assert facts == [b"|1|2|5|1|3|4|order|", b"|1|2|5|1|3|4|2:order|"]


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


@pytest.mark.parametrize("kind", [AccountKind.AVAILABLE, AccountKind.HELD, AccountKind.DEBT])
def test_times_of_a_members_account_never_go_back(kind: AccountKind) -> None:
    """A transfer before the last one, of either side, is of its moment; a later one of its own."""
    ours, theirs = _account(1, AccountKind.ISSUED), _account(2, kind, -100)
    theirs.balance = -100 if kind is AccountKind.DEBT else 100
    pairs = [(ours, theirs), (theirs, ours), (ours, theirs), (theirs, ours)]
    told = [(10, 20), (9, 18), (11, 20), (14, 21)]
    due = [(10, 20), (11, 20), (11, 20), (14, 21)]

    moved = [
        transfer(*pair, 5, Origin(Cause.EARN, NOBODY, "", *times))
        for pair, times in zip(pairs, told, strict=True)
    ]

    assert [(one.effective_ms, one.recorded_ms) for one in moved] == due
    assert (ours.moved_ms, theirs.moved_ms) == (21, 21)


def test_program_goes_by_the_clock() -> None:
    """A clock that was ahead spoils the times of no other member."""
    ours, theirs = _account(1, AccountKind.ISSUED), _account(2, AccountKind.AVAILABLE)
    transfer(ours, theirs, 5, Origin(Cause.EARN, NOBODY, "", 90, 90))
    other = _account(3, AccountKind.AVAILABLE)

    moved = transfer(ours, other, 5, Origin(Cause.EARN, NOBODY, "", 40, 40))

    assert (moved.recorded_ms, other.moved_ms, ours.moved_ms) == (40, 40, 40)
