"""A key of some stores acts in no session of another store, and on nothing that was done there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from loyalty_service.application.accounts.list_history import ListHistory, list_history
from loyalty_service.application.purchases.adjust_without_receipt import (
    AdjustWithoutReceipt,
    adjust_without_receipt,
)
from loyalty_service.application.sessions.start_anonymous_session import (
    StartAnonymousSession,
    start_anonymous_session,
)
from loyalty_service.application.sessions.start_session import StartSession, start_session
from loyalty_service.domain.errors import StoreNotAllowedError
from loyalty_service.domain.es_identifiers import EsIdentifier
from tests.support.ledger import balances
from tests.support.orders import Till, basket, item
from tests.support.programs import KEY, PROGRAM_ID, demo_program, enroll
from tests.support.purchases import adjust, award, confirm, pay, start, try_
from tests.support.visits import STEP, reserve, reward, void

HERE, ELSEWHERE = 1001, 9999


@pytest.fixture
def narrow(till: Till) -> Till:
    """A till whose key is for one store."""
    return replace(till, key=replace(KEY, stores=frozenset({HERE})))


async def _history(till: Till, visit: str) -> Any:
    command = ListHistory(till.key, visit, None, "", None, None)
    async with till.store.read() as reader:
        return await list_history(reader, demo_program(), command, till.now_ms)


async def _return(till: Till, visit: str) -> Any:
    command = AdjustWithoutReceipt(till.key, visit, basket(item(1000)))
    return await till.call(adjust_without_receipt, command)


CALLS: dict[str, Callable[[Till, str], Awaitable[Any]]] = {
    "try": try_,
    "pay": pay,
    "return without a receipt": _return,
    "reserve": reserve,
    "reward": reward,
    "history": _history,
}


@pytest.mark.parametrize("name", CALLS)
async def test_session_of_another_store_is_refused(till: Till, narrow: Till, name: str) -> None:
    """Each call of a session is for a key of its store, or of all stores."""
    guest = await enroll(till.store, 3 * STEP)
    with pytest.raises(StoreNotAllowedError) as refused:
        await CALLS[name](narrow, await start(till, guest, store_id=ELSEWHERE))
    assert refused.value.store_id == ELSEWHERE
    await CALLS[name](narrow, await start(till, guest, store_id=HERE))
    await CALLS[name](till, await start(till, guest, store_id=ELSEWHERE))


async def test_purchase_of_ones_own_store_is_changed_in_no_session_of_another(
    till: Till, narrow: Till
) -> None:
    """An award, a return and a confirmation ask for both stores: the purchase's and their own."""
    guest = await enroll(till.store)
    there = await start(till, guest, store_id=ELSEWHERE)
    nobodys, mine = await start(till, store_id=HERE), await start(till, guest, store_id=HERE)
    await pay(till, nobodys)
    await pay(till, mine, confirmation_mode="CART")
    for call in (
        award(narrow, nobodys, there),
        confirm(narrow, there, mine),
        adjust(narrow, mine, there, ("1", None)),
    ):
        with pytest.raises(StoreNotAllowedError):
            await call
    here = await start(till, guest, store_id=HERE)
    await confirm(narrow, here, mine)
    await award(narrow, nobodys, here)


async def test_points_given_in_another_store_are_not_taken_back(
    till: Till, narrow: Till, database_url: str
) -> None:
    """A void is for a key of the store of the transaction, in whichever session it comes."""
    guest = await enroll(till.store)
    there = await start(till, guest, store_id=ELSEWHERE)
    here = await start(till, guest, store_id=HERE)
    given = await reward(till, there, 500)
    with pytest.raises(StoreNotAllowedError):
        await void(narrow, here, given.adhoc_id)
    assert balances(database_url, guest) == (500, 0)
    await void(till, here, given.adhoc_id)
    assert balances(database_url, guest) == (0, 0)


async def test_session_of_another_store_is_not_started_again(till: Till, narrow: Till) -> None:
    """Nobody brings a session into a store of theirs by its correlation ID."""
    guest = await enroll(till.store)
    for mine in (guest, None):
        visit = await start(till, mine, store_id=ELSEWHERE)
        member = StartSession(
            narrow.key, EsIdentifier.LOYALTY_ID, guest, visit, None, None, None, None
        )
        with pytest.raises(StoreNotAllowedError):
            await narrow.call(start_session, member)
        anonymous = StartAnonymousSession(narrow.key, visit, None, None, None, None)
        with pytest.raises(StoreNotAllowedError):
            await narrow.call(start_anonymous_session, anonymous)
        async with till.store.read() as reader:
            kept = await reader.session_named(PROGRAM_ID, visit)
        assert kept is not None
        assert kept.store_id == ELSEWHERE
