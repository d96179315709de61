"""Calls about the points of one member that meet: no point is spent twice, and none is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from loyalty_service.application.accounts.redemption_locks import LockRedemption, lock_redemption
from loyalty_service.domain.account_errors import (
    AlreadyVoidedError,
    RedemptionNotAllowedError,
    ReservationInvalidError,
)
from loyalty_service.domain.errors import PointsInsufficientError
from tests.support.ledger import audit, balances
from tests.support.orders import COFFEE, PENDING, Till, basket, item
from tests.support.orders import reward as reward_line
from tests.support.programs import enroll
from tests.support.racing import outcomes, refusals
from tests.support.stores import demo_store, open_store
from tests.support.visits import (
    STEP,
    cancel,
    open_visit,
    redeem,
    reserve,
    reward,
    sweep_reservations,
    void,
)

ROUNDS = 6


@pytest_asyncio.fixture
async def tills(database_url: str) -> AsyncIterator[tuple[Till, Till]]:
    """Tills of two servers that share a database, audited at the end."""
    async with demo_store(database_url) as store, open_store(database_url) as other:
        till = Till(store)
        yield till, replace(till, store=other)  # They know one another's answers.
    audit(database_url)


async def test_reservations_at_once_never_exceed_what_is_there(
    tills: tuple[Till, Till], database_url: str
) -> None:
    """Of many that ask for it, as many get it as there is."""
    till, _ = tills
    guest = await enroll(till.store, 2 * STEP + 1)
    visits = [await open_visit(till, guest) for _ in range(8)]
    found = await outcomes(
        *(reserve(one, visit) for one, visit in zip(tills * 4, visits, strict=True))
    )
    assert refusals(found) == [RedemptionNotAllowedError] * 6
    assert balances(database_url, guest) == (1, 2 * STEP)


async def test_reservation_meets_the_hold_of_an_order(
    tills: tuple[Till, Till], database_url: str
) -> None:
    """A till of each contract wants the same points: one of them gets them, whole."""
    till, other = tills
    for _ in range(ROUNDS):
        guest = await enroll(till.store, STEP)
        visit = await open_visit(till, guest)
        transaction = await till.identify(guest)
        found = await outcomes(
            reserve(till, visit),
            other.update(transaction, PENDING, basket(reward_line(COFFEE), item(1000))),
        )
        assert refusals(found) in ([RedemptionNotAllowedError], [PointsInsufficientError])
        available, held = balances(database_url, guest)
        assert available + held == STEP
        assert (available == 0) is (held == STEP)


async def test_cancellation_meets_the_sweeper_and_a_redemption(
    tills: tuple[Till, Till], database_url: str
) -> None:
    """A reservation ends once, whoever ends it."""
    till, other = tills
    for _ in range(ROUNDS):
        guest = await enroll(till.store, STEP)
        visit = await open_visit(till, guest)
        token = (await reserve(till, visit)).reservation_token
        late = replace(other, now_ms=other.now_ms + 900_000)
        found = await outcomes(
            cancel(till, visit, token), sweep_reservations(late), redeem(other, visit, token)
        )
        refused = refusals(found)
        assert set(refused) <= {ReservationInvalidError}
        spent = STEP - sum(balances(database_url, guest))
        assert spent in {0, STEP}
        ends = 3 - len(refused) - (found[1] == 0)
        assert ends == 1
        assert (spent == STEP) is (not isinstance(found[2], Exception))


async def test_lock_meets_redemptions(tills: tuple[Till, Till], database_url: str) -> None:
    """What is redeemed was redeemed before the lock; afterwards nothing is."""
    till, other = tills
    for _ in range(ROUNDS):
        guest = await enroll(till.store, STEP)
        visit = await open_visit(till, guest)
        token = (await reserve(till, visit)).reservation_token
        found = await outcomes(
            till.call(lock_redemption, LockRedemption(till.key, visit)),
            redeem(other, visit, token),
        )
        assert refusals(found) in ([], [RedemptionNotAllowedError])
        assert balances(database_url, guest) == ((0, 0) if not refusals(found) else (0, STEP))
        with pytest.raises((RedemptionNotAllowedError, ReservationInvalidError)):
            await redeem(till, visit, token)


async def test_void_twice_gives_back_once(tills: tuple[Till, Till], database_url: str) -> None:
    """Of several voids one takes effect, whichever way its points went."""
    till, _ = tills
    guest = await enroll(till.store, STEP)
    visit = await open_visit(till, guest)
    spent = await redeem(till, visit, (await reserve(till, visit)).reservation_token)
    given = await reward(till, visit, 500)
    for made, left in ((spent, STEP + 500), (given, STEP)):
        found = await outcomes(*(void(one, visit, made.adhoc_id) for one in tills * 3))
        assert refusals(found) == [AlreadyVoidedError] * 5
        assert balances(database_url, guest) == (left, 0)


async def test_one_reference_at_once_is_done_once(
    tills: tuple[Till, Till], database_url: str
) -> None:
    """All callers get the same answer."""
    till, _ = tills
    guest = await enroll(till.store)
    visits = [await open_visit(till, guest) for _ in range(6)]
    found = await outcomes(
        *(
            reward(one, visit, 500, reference="P-1")
            for one, visit in zip(tills * 3, visits, strict=True)
        )
    )
    assert len({made.adhoc_id for made in found}) == 1
    assert balances(database_url, guest) == (500, 0)
