"""Points that partners give and take in a session without an order, and their voids."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loyalty_service.domain.account_errors import (
    AdhocRewardUnknownError,
    AlreadyVoidedError,
    BusinessUnitUnknownError,
    RedemptionNotAllowedError,
    ReferenceReusedError,
    ReservationInvalidError,
    VoidNotAllowedError,
)
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.errors import (
    AmountBeyondLimitError,
    LimitExceededError,
    MemberBlockedError,
    PointsInsufficientError,
    RequestInvalidError,
    TransactionNotFoundError,
    VoidTooLateError,
)
from loyalty_service.domain.es_terms import EsTerms
from loyalty_service.domain.expiry import Expiry, ExpiryPolicy
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.limits import Limits
from loyalty_service.domain.program import Program
from loyalty_service.domain.purchase_errors import OriginalOfAnotherMemberError
from tests.support.ledger import balances, execute
from tests.support.orders import CLAIMED, DAY_MS, Till, basket, item
from tests.support.programs import demo_program, enroll, other_program, put_program
from tests.support.visits import STEP, block, open_visit, redeem, reserve, reward, void

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def _guest(till: Till, points: int = 0) -> tuple[str, str]:
    guest = await enroll(till.store, points)
    return guest, await open_visit(till, guest)


def _spent(choice: Any) -> Program:
    return replace(demo_program(), void_spent=choice)


# --- Rewards ------------------------------------------------------------------------------------


async def test_reward_gives_points_and_below_zero_takes_some(till: Till, database_url: str) -> None:
    """What is taken is what the member has, at most."""
    guest, visit = await _guest(till)
    await reward(till, visit, 500)
    await reward(till, visit, -200)
    assert balances(database_url, guest) == (300, 0)
    with pytest.raises(PointsInsufficientError):
        await reward(till, visit, -301)
    await reward(till, visit, -300)
    assert balances(database_url, guest) == (0, 0)


async def test_reserved_points_are_not_taken_before_their_time(
    till: Till, database_url: str
) -> None:
    """What is set aside can be taken only once it is past its time."""
    guest, visit = await _guest(till, STEP)
    await reserve(till, visit)
    with pytest.raises(PointsInsufficientError):
        await reward(till, visit, -100)
    till.now_ms += 900_000
    await reward(till, visit, -100)
    assert balances(database_url, guest) == (STEP - 100, 0)


async def test_void_takes_what_is_past_its_time(till: Till, database_url: str) -> None:
    """Points whose reservation is over are the member's again, and nobody owes any."""
    await put_program(till.store, _spent("refuse"))
    guest, visit = await _guest(till, STEP - 500)
    given = await reward(till, visit, 500)
    await reserve(till, visit)
    with pytest.raises(PointsInsufficientError):
        await void(till, visit, given.adhoc_id)
    till.now_ms += 900_000
    await void(till, visit, given.adhoc_id)
    assert balances(database_url, guest) == (STEP - 500, 0)


async def test_reward_pays_a_debt_first(till: Till, database_url: str) -> None:
    """As all points do that come."""
    await put_program(till.store, _spent("debt"))
    guest, visit = await _guest(till)
    first = await reward(till, visit, 500)
    await reward(till, visit, -400)
    await void(till, visit, first.adhoc_id)
    assert balances(database_url, guest) == (0, 0)
    await reward(till, visit, 450)
    assert balances(database_url, guest) == (50, 0)


async def test_program_names_what_may_be_given_and_by_which_unit(till: Till) -> None:
    """A program with business units needs one, and one with a list of rewards takes no other."""
    _, visit = await _guest(till)
    terms = EsTerms(business_units=("RETAIL",), adhoc_rewards=("WELCOME_500",))
    await put_program(till.store, replace(demo_program(), es=terms))
    with pytest.raises(RequestInvalidError):
        await reward(till, visit)
    with pytest.raises(BusinessUnitUnknownError):
        await reward(till, visit, business_unit="WHOLESALE")
    with pytest.raises(AdhocRewardUnknownError):
        await reward(till, visit, business_unit="RETAIL", reward_id="OTHER")
    assert (await reward(till, visit, business_unit="RETAIL")).business_unit == "RETAIL"


@pytest.mark.parametrize(
    ("points", "error"),
    [(10_001, AmountBeyondLimitError), (-10_001, AmountBeyondLimitError)],
)
async def test_reward_beyond_what_may_be_moved_at_once_is_refused(
    till: Till, points: int, error: type[Exception]
) -> None:
    """The limit of points that partners assign holds for rewards too."""
    _, visit = await _guest(till, 20_000)
    with pytest.raises(error):
        await reward(till, visit, points)


async def test_rewards_beyond_a_day_are_refused(till: Till) -> None:
    """What is given counts for the day of the member."""
    limits = Limits.of({"points_per_member_day": 900})
    await put_program(till.store, replace(demo_program(), limits=limits))
    _, visit = await _guest(till)
    await reward(till, visit, 500)
    with pytest.raises(LimitExceededError):
        await reward(till, visit, 500)


async def test_reward_beyond_what_the_ledger_carries_is_refused(till: Till) -> None:
    """No part of it is given."""
    _, visit = await _guest(till, POINTS_MAX)
    with pytest.raises(RequestInvalidError):
        await reward(till, visit, 1)


@pytest.mark.parametrize("what", [Blocked.EARN, Blocked.BOTH])
async def test_member_who_may_not_earn_is_given_nothing(till: Till, what: Blocked) -> None:
    """Who may only not redeem is."""
    guest, visit = await _guest(till)
    await block(till, guest, Blocked.REDEEM)
    await reward(till, visit)
    await block(till, guest, what)
    with pytest.raises(MemberBlockedError):
        await reward(till, visit)


async def test_shopper_without_a_loyalty_id_is_given_nothing(till: Till) -> None:
    """There is nobody to give it to; a member named by a phone number earns."""
    visit = await open_visit(till, None)
    with pytest.raises(RedemptionNotAllowedError):
        await reward(till, visit)
    guest, _ = await _guest(till)
    await reward(till, await open_visit(till, guest, earn_only=True))


# --- References ---------------------------------------------------------------------------------


async def test_reference_is_done_once(till: Till, database_url: str) -> None:
    """The same request is answered alike in another session; another one is refused."""
    guest, visit = await _guest(till)
    first = await reward(till, visit, reference="P-1")
    later = await open_visit(till, guest)
    assert (await reward(till, later, reference="P-1")).adhoc_id == first.adhoc_id
    assert balances(database_url, guest) == (500, 0)
    for other in (
        reward(till, visit, 501, reference="P-1"),
        void(till, visit, first.adhoc_id, reference="P-1"),
    ):
        with pytest.raises(ReferenceReusedError):
            await other
    _, strange = await _guest(till)
    with pytest.raises(ReferenceReusedError):
        await reward(till, strange, reference="P-1")
    partner = replace(till, key=replace(till.key, partner="another"))
    assert (await reward(partner, strange, reference="P-1")).adhoc_id != first.adhoc_id


async def test_redemption_and_void_repeat_under_their_references(
    till: Till, database_url: str
) -> None:
    """A used token and a voided transaction do not refuse what was done under the reference."""
    guest, visit = await _guest(till, STEP)
    token = (await reserve(till, visit)).reservation_token
    spent = await redeem(till, visit, token, reference="GC-1")
    assert (await redeem(till, visit, token, reference="GC-1")).adhoc_id == spent.adhoc_id
    undone = await void(till, visit, spent.adhoc_id, reference="V-1")
    assert (await void(till, visit, spent.adhoc_id, reference="V-1")).adhoc_id == undone.adhoc_id
    assert balances(database_url, guest) == (STEP, 0)


# --- Redemptions --------------------------------------------------------------------------------


async def test_redemption_takes_a_reservation_once(till: Till, database_url: str) -> None:
    """The points leave for good."""
    guest, visit = await _guest(till, 2 * STEP)
    token = (await reserve(till, visit)).reservation_token
    assert (await redeem(till, visit, token)).points == -STEP
    assert balances(database_url, guest) == (STEP, 0)
    with pytest.raises(ReservationInvalidError):
        await redeem(till, visit, token)


async def test_redemption_of_a_blocked_member_is_refused_and_the_points_stay_held(
    till: Till, database_url: str
) -> None:
    """Once the block is lifted the token can be used."""
    guest, visit = await _guest(till, STEP)
    token = (await reserve(till, visit)).reservation_token
    await block(till, guest, Blocked.REDEEM)
    with pytest.raises(RedemptionNotAllowedError):
        await redeem(till, visit, token)
    assert balances(database_url, guest) == (0, STEP)
    await block(till, guest, Blocked.NOTHING)
    await redeem(till, visit, token)


# --- Voids --------------------------------------------------------------------------------------


async def test_void_takes_a_reward_back_and_gives_a_redemption_back(
    till: Till, database_url: str
) -> None:
    """Each once, whichever way its points went."""
    guest, visit = await _guest(till, STEP)
    given = await reward(till, visit, 500)
    taken = await reward(till, visit, -200)
    spent = await redeem(till, visit, (await reserve(till, visit)).reservation_token)
    for made, points in ((taken, 500), (spent, STEP + 500), (given, STEP)):
        assert (await void(till, visit, made.adhoc_id.upper())).points == -made.points
        assert balances(database_url, guest) == (points, 0)
        with pytest.raises(AlreadyVoidedError):
            await void(till, visit, made.adhoc_id)


async def test_void_of_spent_points_is_as_the_program_says(till: Till, database_url: str) -> None:
    """It is refused, or leaves a debt."""
    await put_program(till.store, _spent("refuse"))
    guest, visit = await _guest(till)
    given = await reward(till, visit, 500)
    await reward(till, visit, -500)
    with pytest.raises(PointsInsufficientError):
        await void(till, visit, given.adhoc_id)
    await put_program(till.store, _spent("debt"))
    await void(till, visit, given.adhoc_id)
    assert balances(database_url, guest) == (0, 0)
    await reward(till, visit, 600)
    assert balances(database_url, guest) == (100, 0)


async def test_void_of_another_members_or_of_nothing_is_refused(till: Till) -> None:
    """Another program's is not known."""
    _, visit = await _guest(till)
    _, strange = await _guest(till)
    made = await reward(till, strange)
    with pytest.raises(OriginalOfAnotherMemberError):
        await void(till, visit, made.adhoc_id)
    for named in (UNKNOWN, "no transaction"):
        with pytest.raises(TransactionNotFoundError):
            await void(till, visit, named)
    await put_program(till.store, other_program())


async def test_void_of_an_order_or_of_a_void_is_refused(till: Till) -> None:
    """Orders have their own ways back, and a void has none."""
    guest, visit = await _guest(till)
    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, basket(item(1000)))
    undone = await void(till, visit, (await reward(till, visit)).adhoc_id)
    for named in (transaction, undone.adhoc_id):
        with pytest.raises(VoidNotAllowedError):
            await void(till, visit, named)


async def test_late_void_is_refused(till: Till) -> None:
    """It may come on the last day that the program allows."""
    guest, visit = await _guest(till)
    first, second = await reward(till, visit), await reward(till, visit)
    till.now_ms += demo_program().void_days * DAY_MS
    visit = await open_visit(till, guest)
    await void(till, visit, first.adhoc_id)
    till.now_ms += 1
    with pytest.raises(VoidTooLateError):
        await void(till, visit, second.adhoc_id)


async def test_points_that_come_back_have_their_old_day(till: Till, database_url: str) -> None:
    """Those whose day is over are gone at once."""
    terms = Expiry(ExpiryPolicy.ISSUE_DATE, days=30)
    await put_program(till.store, replace(demo_program(), expiry=terms))
    guest, visit = await _guest(till, 2 * STEP)
    early = await redeem(till, visit, (await reserve(till, visit)).reservation_token)
    late = await redeem(till, visit, (await reserve(till, visit)).reservation_token)
    await void(till, visit, early.adhoc_id)
    assert balances(database_url, guest) == (STEP, 0)
    execute(database_url, "UPDATE bucket SET gone_ms = 1, last_day = '1970-01-01'")
    await void(till, visit, late.adhoc_id)
    assert balances(database_url, guest) == (0, 0)
