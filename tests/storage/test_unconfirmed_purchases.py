"""Points that wait for a confirmation do not wait for ever: the sweeper takes them back."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from loyalty_service.domain.purchase_errors import ConfirmationTooLateError
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit as audit_store
from loyalty_service.sweeper import sweep
from tests.support.ledger import audit, balances, rows
from tests.support.orders import DAY_MS, Till, item
from tests.support.programs import enroll
from tests.support.purchases import adjust, confirm, pay, start

WINDOW_MS = 30 * DAY_MS

WAITING = "SELECT coalesce(sum(balance), 0) AS points FROM account WHERE kind = 8 AND balance <> 0"


@dataclass(frozen=True)
class _At:
    """A clock that stands."""

    now_ms: int
    may_end: bool = True

    def time_ms(self) -> int:
        return self.now_ms


def _waiting(database_url: str) -> int:
    (found,) = rows(database_url, WAITING)
    return int(found.points)


async def test_points_that_nobody_confirms_are_taken_back(till: Till, database_url: str) -> None:
    """Once the window is over, and not before; what was confirmed in time stays."""
    guest = await enroll(till.store)
    late, part, confirmed = [await start(till, guest) for _ in range(3)]
    for visit in (late, part, confirmed):
        await pay(till, visit, item(1000, plu="a", quantity=2), confirmation_mode="CART")
    await adjust(till, part, await start(till, guest), ("a", 1))
    await confirm(till, await start(till, guest), confirmed)
    paid_ms = till.now_ms

    in_time = await sweep(till.store, _At(paid_ms + WINDOW_MS))
    over = await sweep(till.store, _At(paid_ms + WINDOW_MS + 1))
    again = await sweep(till.store, _At(paid_ms + WINDOW_MS + 2))

    assert (in_time.purchases, over.purchases, again.purchases) == (0, 2, 0)
    assert over.left == 0
    assert balances(database_url, guest) == (200, 0)
    assert _waiting(database_url) == 0
    told = rows(database_url, "SELECT actor_kind, available FROM event WHERE kind = 29")
    assert [tuple(row) for row in told] == [(3, 200)] * 2
    audit(database_url)
    assert audit_store(Database.from_text(database_url)).all_hold


async def test_purchase_whose_points_lapsed_is_still_one(till: Till, database_url: str) -> None:
    """It can't be confirmed any more; what comes back of it, or its void, takes nothing."""
    guest = await enroll(till.store)
    visit, other = await start(till, guest), await start(till, guest)
    for one in (visit, other):
        await pay(till, one, item(1000, plu="a", quantity=2), confirmation_mode="CART")
    await sweep(till.store, _At(till.now_ms + WINDOW_MS + 1))

    with pytest.raises(ConfirmationTooLateError):
        await confirm(till, await start(till, guest), visit)
    some = (await adjust(till, visit, await start(till, guest), ("a", 1))).result
    rest = (await adjust(till, visit, await start(till, guest), ("a", 1))).result
    (order,) = rows(
        database_url,
        "SELECT transaction_id FROM loyalty_transaction WHERE pos_transaction_id = :visit",
        visit=other,
    )
    voided = await till.void(order.transaction_id)

    assert (some.earned_points, rest.earned_points, voided.result.earned_points) == (0, 0, 0)
    assert balances(database_url, guest) == (0, 0)
    assert audit_store(Database.from_text(database_url)).all_hold
