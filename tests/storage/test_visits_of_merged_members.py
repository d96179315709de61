"""Visits of the ES contract whose member is merged into another meanwhile, or was before."""

from __future__ import annotations

import uuid
from typing import Any

from loyalty_service.application.accounts.list_history import ListHistory, list_history
from loyalty_service.application.members.assign_points import AssignPoints, assign_points
from loyalty_service.application.sessions.start_session import StartSession, start_session
from loyalty_service.domain.es_identifiers import EsIdentifier
from tests.support.ledger import audit, balances
from tests.support.orders import Till
from tests.support.programs import KEY, PROGRAM_ID, enroll
from tests.support.purchases import pay, start
from tests.support.visits import STEP, merge, redeem, reserve, reward, void


async def _begin(till: Till, guest: str, visit: str) -> Any:
    command = StartSession(till.key, EsIdentifier.LOYALTY_ID, guest, visit, None, None, None, None)
    return (await till.call(start_session, command)).result


async def _history(till: Till, visit: str, **values: Any) -> Any:
    asked: dict[str, Any] = {"limit": None, "after": "", "from_ms": None, "to_ms": None}
    async with till.store.read() as reader:
        program = till.store.catalog.programs[PROGRAM_ID]
        command = ListHistory(KEY, visit, **(asked | values))
        return await list_history(reader, program, command, till.now_ms)


async def test_session_goes_on_whichever_of_the_two_is_named(till: Till) -> None:
    """A till that was not answered starts it again, and is told of the one who goes on."""
    one, other = await enroll(till.store), await enroll(till.store)
    visit = str(uuid.uuid4())
    await _begin(till, other, visit)

    await merge(till, one, other)

    for named in (other, one):
        started = await _begin(till, named, visit)
        assert started.member.loyalty_id == one
    await merge(till, one, other, undo=True)
    assert (await _begin(till, other, str(uuid.uuid4()))).member.loyalty_id == other


async def test_history_has_what_both_did_under_the_names_that_tills_know(till: Till) -> None:
    """Page by page, orders are named by their sessions, and points of partners are told."""
    one, other = await enroll(till.store), await enroll(till.store)
    paid = []
    for guest in (other, one, other):
        till.now_ms += 1000
        paid.append(await start(till, guest))
        await pay(till, paid[-1])
    till.now_ms += 1000
    await till.call(assign_points, AssignPoints(KEY, other, 70, "partner", "A game"))
    await merge(till, one, other)
    visit = await start(till, one)

    whole = (await _history(till, visit)).entries

    assert [entry.transaction_id for entry in whole[1:]] == paid[::-1]
    assert (whole[0].kind, whole[0].earned) == ("ADJUSTMENT", 70)
    read, after = [], ""
    for _ in whole:
        page = await _history(till, visit, limit=1, after=after)
        read += page.entries
        after = read[-1].transaction_id
    assert read == [*whole]
    assert not page.more


async def test_reference_of_before_the_merge_gets_the_first_answer(
    till: Till, database_url: str
) -> None:
    """What a partner sends again because no answer came is not done again, nor refused."""
    one, other = await enroll(till.store), await enroll(till.store, 2 * STEP)
    visit = await start(till, other)
    given = await reward(till, visit, 500, reference="give")
    token = (await reserve(till, visit)).reservation_token
    spent = await redeem(till, visit, token, reference="spend")
    undone = await void(till, visit, given.adhoc_id, reference="undo")
    await merge(till, one, other)
    before = balances(database_url, one)

    again = [
        await reward(till, visit, 500, reference="give"),
        await redeem(till, visit, token, reference="spend"),
        await void(till, visit, given.adhoc_id, reference="undo"),
    ]

    assert again == [given, spent, undone]
    assert balances(database_url, one) == before
    audit(database_url)
