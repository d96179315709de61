"""The calls of RBI's second version: later scans of an order, and the change of its status."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loyalty_service.application.orders.change_status import ChangeStatus, change_status
from loyalty_service.application.orders.identify_again import IdentifyAgain, identify_again
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.errors import (
    CodeAlreadyUsedError,
    CodeNotFoundError,
    ContractNotServedError,
    GuestChangedError,
    TransactionNotClaimableError,
)
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.sandbox.fixed_codes import COFFEE, HASH_BROWN
from tests.support.ledger import balances
from tests.support.orders import (
    CLAIMED,
    PENDING,
    SANDWICH,
    Till,
    Told,
    basket,
    item,
    offer,
    reward,
)
from tests.support.programs import (
    KEY,
    demo_program,
    enroll,
    identify_command,
    issue,
    put_program,
)

pytestmark = pytest.mark.any_database

VOID = TransactionStatus.VOID


async def _code(till: Till, loyalty_id: str, *incentives: str) -> str:
    return await issue(till.store, loyalty_id, *incentives)


async def _again(till: Till, opened: str, identifier: str) -> Told:
    return await till.call(identify_again, IdentifyAgain(KEY, identifier, opened))


async def _change(till: Till, opened: str, status: TransactionStatus) -> Told:
    return await till.call(change_status, ChangeStatus(KEY, opened, status))


@pytest.fixture(autouse=True)
def _now(till: Till) -> None:
    """Codes are issued by the machine's clock."""
    till.now_ms = now_ms()


async def test_later_scan_holds_beside_the_first(till: Till, database_url: str) -> None:
    """What a second code selects is held beside what the order holds, each at its price."""
    guest = await enroll(till.store, 3000)
    opened = await till.identify(guest, COFFEE)
    found = await _again(till, opened, await _code(till, guest, COFFEE, HASH_BROWN))
    assert found.result.available_points == 3000 - 2 * 800
    assert [line.incentive.incentive_id for line in found.result.selection] == [COFFEE, HASH_BROWN]
    assert balances(database_url, guest) == (1400, 1600)
    both = basket(reward(COFFEE, 2), offer(HASH_BROWN), item(500))
    claimed = await till.update(opened, CLAIMED, both)
    assert claimed.result.redeemed_points == 1600


async def test_later_scan_lists_what_points_do_not_pay(till: Till, database_url: str) -> None:
    """A reward that is too dear is told and not held, and what was held before stays."""
    guest = await enroll(till.store, 1000)
    opened = await till.identify(guest, COFFEE)
    found = await _again(till, opened, await _code(till, guest, COFFEE))
    assert found.result.available_points == 200
    assert len(found.result.selection) == 1
    assert balances(database_url, guest) == (200, 800)


async def test_later_scan_is_answered_again(till: Till) -> None:
    """The same code for the same transaction gets the first answer; elsewhere it is used up."""
    guest = await enroll(till.store, 3000)
    first, opened = await _code(till, guest, COFFEE), identify_command("x", "order-a")
    told = await till.call(identify_member, replace(opened, identifier=first))
    transaction_id = told.result.transaction_id
    code = await _code(till, guest, HASH_BROWN)
    found = await _again(till, transaction_id, code)
    assert (await _again(till, transaction_id, code)) == replace(found, repeated=True)
    with pytest.raises(CodeAlreadyUsedError):
        await till.call(identify_member, replace(opened, identifier=code))
    with pytest.raises(CodeAlreadyUsedError):
        await _again(till, transaction_id, first)
    # The first scan is still answered as before.
    assert (await till.call(identify_member, replace(opened, identifier=first))).repeated


async def test_code_of_another_guest_is_not_used(till: Till) -> None:
    """Who shows a friend's code is refused, and the friend may use it still."""
    guest, friend = await enroll(till.store, 1000), await enroll(till.store, 1000)
    opened = await till.identify(guest)
    code = await _code(till, friend, COFFEE)
    with pytest.raises(GuestChangedError):
        await _again(till, opened, code)
    with pytest.raises(GuestChangedError):
        await _again(till, opened, friend)
    with pytest.raises(CodeNotFoundError):
        await _again(till, opened, "000000")
    assert (await _again(till, opened, guest)).result.available_points == 1000
    assert (await till.call(identify_member, identify_command(code))).result.selection


async def test_closed_order_takes_no_later_scan(till: Till) -> None:
    """Once it is void, no code is held for it."""
    guest = await enroll(till.store, 1000)
    opened = await till.identify(guest)
    await till.void(opened)
    with pytest.raises(TransactionNotClaimableError):
        await _again(till, opened, guest)


async def test_status_claims_the_order_reported_last(till: Till, database_url: str) -> None:
    """The order that was reported PENDING is claimed, once, and then void, with what it moved."""
    guest = await enroll(till.store, 1000)
    opened = await till.identify(guest)
    with pytest.raises(TransactionNotClaimableError):
        await _change(till, opened, CLAIMED)
    await till.update(opened, PENDING, basket(item(399), reward(COFFEE)))
    claimed = await _change(till, opened, CLAIMED)
    told = claimed.result
    assert (told.available_points, told.earned_points, told.redeemed_points) == (239, 39, 800)
    assert (await _change(till, opened, CLAIMED)) == replace(claimed, repeated=True)
    voided = await _change(till, opened, VOID)
    told = voided.result
    assert (told.available_points, told.earned_points, told.redeemed_points) == (1000, 39, 800)
    assert (await _change(till, opened, VOID)) == replace(voided, repeated=True)
    with pytest.raises(TransactionNotClaimableError):
        await _change(till, opened, CLAIMED)
    assert balances(database_url, guest) == (1000, 0)


async def test_status_set_by_other_calls_is_told(till: Till) -> None:
    """An order that the first version's calls claimed or cancelled is told of as it is."""
    guest = await enroll(till.store, 3000)
    opened = await till.identify(guest)
    await till.update(opened, CLAIMED, basket(item(399), reward(SANDWICH)))
    told = (await _change(till, opened, CLAIMED)).result
    assert (told.earned_points, told.redeemed_points) == (39, 1200)
    other = await till.identify(guest, COFFEE)
    await till.void(other)
    told = (await _change(till, other, VOID)).result
    assert (told.earned_points, told.redeemed_points) == (0, 800)


async def test_program_serves_the_second_version_if_it_says_so(till: Till) -> None:
    """Without the contract both calls are refused."""
    await put_program(till.store, replace(demo_program(), contracts=frozenset({"es"})))
    opened = await till.identify(await enroll(till.store))
    with pytest.raises(ContractNotServedError):
        await _again(till, opened, "123456")
    with pytest.raises(ContractNotServedError):
        await _change(till, opened, VOID)
