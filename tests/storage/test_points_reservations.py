"""Points that are set aside in a session: reserved, lowered, cancelled, used and expired."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loyalty_service.application.accounts.reserve_points import Item
from loyalty_service.application.members.erase_member import EraseMember, erase_member
from loyalty_service.application.perform import Run, perform
from loyalty_service.application.unit import Unit
from loyalty_service.domain.account_errors import (
    RedemptionNotAllowedError,
    ReservationInvalidError,
    ReservationRaisedError,
)
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.contracts import RBI_V2
from loyalty_service.domain.errors import (
    ContractNotServedError,
    RequestInvalidError,
    StoreNotAllowedError,
)
from loyalty_service.domain.es_errors import SessionClosedError, SessionNotFoundError
from loyalty_service.domain.es_terms import EsTerms
from loyalty_service.domain.expiry import Expiry, ExpiryPolicy
from loyalty_service.domain.redeeming import NO_BALANCE, Balance
from loyalty_service.domain.sessions import SessionStatus
from tests.support.ledger import balances, execute, rows
from tests.support.orders import CLAIMED, COFFEE, PENDING, Till, basket, item
from tests.support.orders import reward as reward_line
from tests.support.programs import PROGRAM_ID, demo_program, enroll, put_program
from tests.support.visits import (
    STEP,
    balance_in,
    block,
    cancel,
    lower,
    merge,
    open_visit,
    redeem,
    reserve,
    sweep_reservations,
    void,
)

LIFETIME_MS = 900_000
UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def _guest(till: Till, points: int = 62_000) -> tuple[str, str]:
    guest = await enroll(till.store, points)
    return guest, await open_visit(till, guest)


# --- Balance ------------------------------------------------------------------------------------


async def test_balance_tells_what_is_available_and_what_one_redemption_may_take(
    till: Till,
) -> None:
    """A reservation lowers what is available and not what the member has."""
    _, visit = await _guest(till)
    assert await balance_in(till, visit) == Balance(62_000, 62_000, STEP, 2 * STEP)
    await reserve(till, visit)
    assert await balance_in(till, visit) == Balance(62_000, 37_000, STEP, STEP)
    await reserve(till, visit)
    assert await balance_in(till, visit) == Balance(62_000, 12_000)


async def test_balance_counts_what_another_contracts_till_holds(till: Till) -> None:
    """Points that an order holds are the member's and can't be spent."""
    guest, visit = await _guest(till)
    transaction = await till.identify(guest)
    await till.update(transaction, PENDING, basket(reward_line(COFFEE), item(1000)))
    balance = await balance_in(till, visit)
    assert balance.points == 62_000 > balance.available


async def test_shopper_without_a_loyalty_id_has_nothing_and_reserves_nothing(till: Till) -> None:
    """All figures of an anonymous session are 0."""
    visit = await open_visit(till, None)
    assert await balance_in(till, visit) == NO_BALANCE
    with pytest.raises(RedemptionNotAllowedError):
        await reserve(till, visit)


async def test_member_named_by_a_phone_number_redeems_nothing(till: Till) -> None:
    """What is redeemable is 0, nothing can be reserved, and no token of theirs can be used."""
    guest, visit = await _guest(till)
    reserved = await reserve(till, visit)
    known = await open_visit(till, guest, earn_only=True)
    assert await balance_in(till, known) == Balance(62_000, 37_000)
    for call in (reserve(till, known), redeem(till, known, reserved.reservation_token)):
        with pytest.raises(RedemptionNotAllowedError):
            await call


async def test_points_whose_day_is_over_are_not_told(till: Till, database_url: str) -> None:
    """Where points go, the balance is that of now."""
    terms = Expiry(ExpiryPolicy.ISSUE_DATE, days=30)
    await put_program(till.store, replace(demo_program(), expiry=terms))
    _, visit = await _guest(till)
    assert (await balance_in(till, visit)).points == 62_000
    execute(database_url, "UPDATE bucket SET gone_ms = 1")
    assert await balance_in(till, visit) == NO_BALANCE


# --- Sessions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [SessionStatus.CLOSED, SessionStatus.EXPIRED])
async def test_call_in_a_session_that_has_ended_is_refused(
    till: Till, status: SessionStatus
) -> None:
    """Whether it reads or writes."""
    guest, visit = await _guest(till)
    token = (await reserve(till, visit)).reservation_token
    over = await open_visit(till, guest, status=status)
    calls = (balance_in(till, over), reserve(till, over), cancel(till, over, token))
    for call in calls:
        with pytest.raises(SessionClosedError):
            await call
    for call in (balance_in(till, UNKNOWN), reserve(till, UNKNOWN)):
        with pytest.raises(SessionNotFoundError):
            await call


async def test_key_of_another_store_is_refused(till: Till) -> None:
    """A session is for keys that may act in its store."""
    guest = await enroll(till.store, 62_000)
    visit = await open_visit(till, guest, store_id=9999)
    other = replace(till, key=replace(till.key, stores=frozenset({1})))
    for call in (balance_in(other, visit), reserve(other, visit)):
        with pytest.raises(StoreNotAllowedError):
            await call
    await reserve(till, visit)


async def test_program_without_the_contract_serves_none_of_it(till: Till) -> None:
    """Sessions are of the contract of ES."""
    _, visit = await _guest(till)
    await put_program(till.store, replace(demo_program(), contracts=frozenset({RBI_V2})))
    for call in (balance_in(till, visit), reserve(till, visit)):
        with pytest.raises(ContractNotServedError):
            await call


# --- Reserve ------------------------------------------------------------------------------------


@pytest.mark.parametrize("points", [1, STEP - 1, STEP + 1, 4 * STEP])
async def test_points_outside_the_rules_are_refused(till: Till, points: int) -> None:
    """Only steps within the program's bounds can be reserved."""
    _, visit = await _guest(till, 200_000)
    with pytest.raises(RedemptionNotAllowedError):
        await reserve(till, visit, points)


async def test_more_than_is_available_is_refused(till: Till, database_url: str) -> None:
    """Several reservations together never take more than there is, orders' holds included."""
    guest, visit = await _guest(till, 2 * STEP + 100)
    await reserve(till, visit)
    transaction = await till.identify(guest)
    await till.update(transaction, PENDING, basket(reward_line(COFFEE), item(1000)))
    with pytest.raises(RedemptionNotAllowedError):
        await reserve(till, visit)
    await till.void(transaction)
    await reserve(till, visit)
    assert balances(database_url, guest) == (100, 2 * STEP)


async def test_items_tell_how_many_points(till: Till, database_url: str) -> None:
    """Without an amount the items' points count; what was said besides is kept."""
    _, visit = await _guest(till)
    items = (Item("card", 2, 10_000), Item("bag", 1, 5_000))
    values: dict[str, Any] = {"items": items, "redeemer_id": "r", "redemption_id": "GIFT"}
    assert (await reserve(till, visit, None, **values)).points == STEP
    (row,) = rows(database_url, "SELECT items, redeemer_id, redemption_id FROM points_reservation")
    assert tuple(row) == ('[["card", 2, 10000], ["bag", 1, 5000]]', "r", "GIFT")


async def test_erased_member_is_no_redeemer_any_more(till: Till, database_url: str) -> None:
    """What a caller called them goes, in what the same batch has read of it too."""
    guest, visit = await _guest(till)
    token = (await reserve(till, visit, redeemer_id="Maya")).reservation_token
    command = EraseMember(PROGRAM_ID, guest, "She asked for it")

    def batch(unit: Unit, now_ms: int) -> None:
        member = unit.member(PROGRAM_ID, guest)
        assert member is not None
        found = unit.points_reservation(member, token)
        assert found is not None
        perform(unit, now_ms, Run(erase_member, command))
        unit.change(found, expires_ms=now_ms + 1)

    await till.store.write(batch, reads=command.reads())
    (row,) = rows(database_url, "SELECT redeemer_id, points FROM points_reservation")
    assert tuple(row) == (None, STEP)


async def test_reservation_that_says_too_little_is_refused(till: Till) -> None:
    """The amount, and for some redemptions the e-mail's key, must be told."""
    _, visit = await _guest(till)
    for values in (
        {"points": None},
        {"points": 0},
        {"points": STEP, "redemption_id": "STATEMENT_CREDIT"},
    ):
        with pytest.raises(RequestInvalidError):
            await reserve(till, visit, **values)
    await reserve(till, visit, redemption_id="DIRECT_DEPOSIT", has_email_key=True)


async def test_blocked_member_reserves_nothing(till: Till) -> None:
    """Who may not redeem may not set points aside either."""
    guest, visit = await _guest(till)
    await block(till, guest, Blocked.REDEEM)
    with pytest.raises(RedemptionNotAllowedError):
        await reserve(till, visit)
    assert await balance_in(till, visit) == Balance(62_000, 62_000)


# --- Lower and cancel ---------------------------------------------------------------------------


async def test_lowered_reservation_gives_the_rest_back_and_keeps_its_time(
    till: Till, database_url: str
) -> None:
    """The same amount changes nothing; a higher one is refused."""
    guest, visit = await _guest(till, 2 * STEP)
    reserved = await reserve(till, visit, 2 * STEP)
    till.now_ms += 60_000
    lowered = await lower(till, visit, reserved.reservation_token.upper(), STEP)
    assert (lowered.points, lowered.expires_ms) == (STEP, reserved.expires_ms)
    assert balances(database_url, guest) == (STEP, STEP)
    assert (await lower(till, visit, reserved.reservation_token, STEP)).points == STEP
    with pytest.raises(ReservationRaisedError):
        await lower(till, visit, reserved.reservation_token, 2 * STEP)
    with pytest.raises(RedemptionNotAllowedError):
        await lower(till, visit, reserved.reservation_token, STEP - 1)
    assert (await redeem(till, visit, reserved.reservation_token)).points == -STEP


async def test_cancelled_reservation_gives_all_back(till: Till, database_url: str) -> None:
    """It can be cancelled in another session of its member, and again for ten minutes."""
    guest, visit = await _guest(till)
    token = (await reserve(till, visit)).reservation_token
    later = await open_visit(till, guest)
    assert (await cancel(till, later, token)).correlation_id == later
    assert balances(database_url, guest) == (62_000, 0)
    till.now_ms += 600_000
    assert (await cancel(till, later, token)).reserved.reservation_token == token
    with pytest.raises(ReservationInvalidError):
        await cancel(till, visit, token)
    till.now_ms += 1
    with pytest.raises(ReservationInvalidError):
        await cancel(till, later, token)


async def test_no_token_is_told_from_another(till: Till) -> None:
    """One error for those that are unknown, another member's, used and past their time."""
    _, visit = await _guest(till)
    _, strange = await _guest(till)
    others = (await reserve(till, strange)).reservation_token
    used = (await reserve(till, visit)).reservation_token
    await redeem(till, visit, used)
    late = (await reserve(till, visit)).reservation_token
    till.now_ms += LIFETIME_MS
    for token in (UNKNOWN, "no token", others, used, late):
        for call in (
            lower(till, visit, token, STEP),
            cancel(till, visit, token),
            redeem(till, visit, token),
        ):
            with pytest.raises(ReservationInvalidError):
                await call


# --- Expiry -------------------------------------------------------------------------------------


async def test_unused_reservation_expires_by_the_sweeper(till: Till, database_url: str) -> None:
    """Its points are available again, once."""
    await put_program(till.store, replace(demo_program(), es=EsTerms(reservation_lifetime_s=60)))
    guest, visit = await _guest(till)
    await reserve(till, visit)
    till.now_ms += 59_999
    assert await sweep_reservations(till) == 0
    till.now_ms += 1
    assert await sweep_reservations(till) == 1
    assert await sweep_reservations(till) == 0
    assert balances(database_url, guest) == (62_000, 0)


async def test_reservation_past_its_time_is_available_before_the_sweeper_comes(
    till: Till, database_url: str
) -> None:
    """Who looks finds its points, and who reserves gets them."""
    guest, visit = await _guest(till, STEP)
    await reserve(till, visit)
    till.now_ms += LIFETIME_MS
    assert await balance_in(till, visit) == Balance(STEP, STEP, STEP, STEP)
    await reserve(till, visit)
    assert balances(database_url, guest) == (0, STEP)
    statuses = rows(database_url, "SELECT status FROM points_reservation ORDER BY created_ms")
    assert [row.status for row in statuses] == [4, 1]


async def test_refused_reservation_leaves_what_is_past_its_time_to_the_sweeper(
    till: Till, database_url: str
) -> None:
    """A refusal changes nothing."""
    guest, visit = await _guest(till, STEP)
    await reserve(till, visit)
    till.now_ms += LIFETIME_MS
    with pytest.raises(RedemptionNotAllowedError):
        await reserve(till, visit, 2 * STEP)
    assert balances(database_url, guest) == (0, STEP)
    assert await sweep_reservations(till) == 1


async def test_reserved_points_keep_their_day(till: Till, database_url: str) -> None:
    """What comes back after its day is gone, and what is used in time is used."""
    terms = Expiry(ExpiryPolicy.ISSUE_DATE, days=30)
    await put_program(till.store, replace(demo_program(), expiry=terms))
    guest, visit = await _guest(till, 2 * STEP)
    kept = await reserve(till, visit)
    used = await reserve(till, visit)
    execute(database_url, "UPDATE bucket SET gone_ms = 1, last_day = '1970-01-01'")
    await redeem(till, visit, used.reservation_token)
    await cancel(till, visit, kept.reservation_token)
    assert balances(database_url, guest) == (0, 0)


async def test_reserved_points_are_not_an_orders(till: Till, database_url: str) -> None:
    """A till of another contract claims its order beside a reservation; each takes its own."""
    guest, visit = await _guest(till, STEP + 1000)
    token = (await reserve(till, visit)).reservation_token
    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, basket(reward_line(COFFEE)))
    spent = STEP + 1000 - sum(balances(database_url, guest))
    assert spent > 0
    await redeem(till, visit, token)
    assert balances(database_url, guest) == (1000 - spent, 0)


async def test_reserved_points_go_with_a_member_who_is_merged(
    till: Till, database_url: str
) -> None:
    """The token is used in a session of either, and what was redeemed before goes back."""
    first, _ = await _guest(till, 1000)
    second, visit = await _guest(till, 2 * STEP)
    spent = await redeem(till, visit, (await reserve(till, visit)).reservation_token)
    token = (await reserve(till, visit)).reservation_token
    await merge(till, first, second)
    assert balances(database_url, first) == (1000, STEP)
    with pytest.raises(RequestInvalidError):
        await merge(till, first, second, undo=True)
    await redeem(till, await open_visit(till, first), token)
    await merge(till, first, second, undo=True)
    await void(till, visit, spent.adhoc_id)
    assert balances(database_url, second) == (STEP, 0)
