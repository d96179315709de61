"""What a validation promises of any order, and a receipt of what it recorded."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from loyalty_service.application.members.enroll_member import new_member
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import AppliedDiscount, Basket, BasketLine, Payment
from loyalty_service.domain.clock import parse_rfc3339
from loyalty_service.domain.errors import (
    LoyaltyError,
    PointsInsufficientError,
    RulesFailedError,
)
from loyalty_service.domain.incentive_uses import as_catalogued, incentive_uses
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.storage.store import Store
from tests.support.databases import Sqlite, fresh_database
from tests.support.doing import adjust_points
from tests.support.ledger import audit
from tests.support.orders import (
    CLAIMED,
    DAY_MS,
    PENDING,
    START_MS,
    Till,
)
from tests.support.programs import PROGRAM_ID, demo_program, put_program
from tests.support.stores import open_store

PLUS = ["1", "2001", "2002", "2101", "702", "9901"]
INCENTIVES = [
    name for name in demo_program().incentives if not demo_program().incentives[name].retired
]


@st.composite
def orders(draw: st.DrawFn, of: Sequence[str] = INCENTIVES) -> Basket:
    """Any products with one or two incentives, under their true or the other kind."""
    names = draw(st.lists(st.sampled_from(of), min_size=1, max_size=2))
    products = st.builds(
        BasketLine,
        st.just("1"),
        st.sampled_from(PLUS),
        st.sampled_from(["item", "combo"]),
        st.integers(1, 3),
        st.none() | st.integers(0, 2000),
    )
    uses = st.builds(
        BasketLine,
        st.just("2"),
        st.sampled_from(PLUS),
        st.sampled_from(["reward", "offer"]),
        st.integers(1, 3),
        st.sampled_from([0, 0, 755]),
        incentive_id=st.sampled_from(names),
    )
    discounts = st.builds(AppliedDiscount, st.sampled_from(names), st.none(), st.just("702"))
    payments = st.builds(Payment, st.sampled_from(["VISA", "CASH"]), st.integers(0, 5000))
    return Basket(
        (*draw(st.lists(products, max_size=4)), *draw(st.lists(uses, max_size=2))),
        tuple(draw(st.lists(payments, max_size=2))),
        tuple(draw(st.lists(discounts, max_size=1))),
        "CAD",
    )


def _run(sqlite: Sqlite, life: Callable[[Store], Awaitable[None]]) -> None:
    async def run(url: str) -> None:
        async with open_store(url) as store:
            await life(store)

    with fresh_database(sqlite) as url:
        asyncio.run(run(url))
        audit(url)


@settings(max_examples=100, deadline=None)
@given(
    points=st.sampled_from([0, 500, 5000]),
    born=st.sampled_from([None, "1990-11-14", "1990-03-01"]),
    enrolled=st.sampled_from(["2021-06-01", "2022-06-01"]),
    before=st.lists(orders(), max_size=2),
    gap_ms=st.sampled_from([0, 3_599_999, 3_600_000]),
    content=orders(),
    status=st.sampled_from([PENDING, CLAIMED]),
    circumstances=st.fixed_dictionaries(
        {
            "store_id": st.sampled_from([9999, 1001, 1099]),
            "service_mode": st.sampled_from(["EAT_IN", "DRIVE_THRU"]),
            "local_time": st.none()
            | st.integers(0, 400).map(lambda days: datetime(2026, 3, 1) + timedelta(days)),  # noqa: DTZ001
        }
    ),
)
def test_clean_validation_means_that_the_claim_succeeds(
    sqlite: Sqlite,
    points: int,
    born: str | None,
    enrolled: str,
    before: list[Basket],
    gap_ms: int,
    content: Basket,
    status: TransactionStatus,
    circumstances: dict[str, Any],
) -> None:
    """
    A clean validation promises the claim, and a refused one its refusal.

    An order that is not paid yet is claimed paid by a means that every rule takes.
    """

    async def life(store: Store) -> None:
        await put_program(store)
        till = Till(store)
        guest = await _guest(store, points, born, enrolled)
        for earlier in before:
            transaction = await till.identify(guest)
            await _outcome(till.update(transaction, CLAIMED, earlier))
        till.now_ms += gap_ms
        transaction = await till.identify(guest)
        validated = await _outcome(till.validate(transaction, status, content, **circumstances))
        paid = content
        if status is PENDING and not content.payments:
            paid = replace(content, payments=(Payment("VISA", 100),))
        claimed = await _outcome(till.update(transaction, CLAIMED, paid, **circumstances))
        if isinstance(validated, RulesFailedError) and isinstance(claimed, PointsInsufficientError):
            assert {failure.rule_id for failure in validated.failures} == {"point-balance"}
        else:
            assert claimed == validated

    _run(sqlite, life)


OFFERS = [name for name in INCENTIVES if demo_program().incentives[name].kind == "offer"]


@settings(max_examples=60, deadline=None)
@given(
    born=st.sampled_from([None, "1990-11-14", "1990-03-01"]),
    enrolled=st.sampled_from(["2021-06-01", "2022-06-01"]),
    before=st.lists(orders(OFFERS), max_size=2),
    now_ms=st.integers(0, 900).map(lambda days: START_MS + days * DAY_MS),
    gap_ms=st.sampled_from([0, DAY_MS, 30 * DAY_MS]),
    content=orders(OFFERS),
    circumstances=st.fixed_dictionaries(
        {
            "store_id": st.sampled_from([9999, 1001, 1099]),
            "service_mode": st.sampled_from(["EAT_IN", "DRIVE_THRU"]),
        }
    ),
)
def test_receipt_counts_what_a_claim_would(
    sqlite: Sqlite,
    born: str | None,
    enrolled: str,
    before: list[Basket],
    now_ms: int,
    gap_ms: int,
    content: Basket,
    circumstances: dict[str, Any],
) -> None:
    """
    Offers hold for a receipt exactly where they hold for a guest who identifies for the order.

    What holds counts, what does not counts for nothing, and a receipt earns on what holds.
    """
    program = demo_program()

    async def life(store: Store) -> None:
        await put_program(store)
        till = Till(store, now_ms=now_ms)
        guest = await _guest(store, 0, born, enrolled)
        for earlier in before:
            transaction = await till.identify(guest)
            await _outcome(till.update(transaction, CLAIMED, earlier))
        transaction = await till.identify(guest)
        judged = await _outcome(till.validate(transaction, CLAIMED, content, **circumstances))
        failures = judged.failures if isinstance(judged, RulesFailedError) else ()
        broken = {failure.incentive_id for failure in failures}
        read = as_catalogued(content, program)
        recorded = await till.unclaimed(content, **circumstances)
        till.now_ms += gap_ms

        told = await till.claim_receipt(guest, recorded.receipt_code)

        def counted(unit: Unit, _now_ms: int) -> dict[str, int]:
            claimed = unit.transaction(recorded.transaction_id)
            assert claimed is not None
            return {one.incentive_id: one.quantity for one in unit.redemptions_of(claimed)}

        assert await store.write(counted) == {
            use.incentive.incentive_id: use.quantity
            for use in incentive_uses(read, program)
            if use.incentive.incentive_id not in broken
        }
        worth = sum(
            (line.price or 0) * line.quantity
            for line in read.lines
            if line.incentive_id not in broken and line.product_id != "9901"
        )
        loyalty = program.stores[circumstances["store_id"]].loyalty_enabled
        assert told.result.earned_points == worth // 10 * loyalty

    _run(sqlite, life)


async def _guest(store: Store, points: int, born: str | None, enrolled: str) -> str:
    loyalty_id = str(uuid.uuid4())
    member = new_member(PROGRAM_ID, loyalty_id, "Guest", parse_rfc3339(f"{enrolled}T12:00:00Z"))
    member.birth_date = born

    def add(unit: Unit, now_ms: int) -> None:
        unit.add_member(member)
        if points:
            adjust_points(
                unit,
                AdjustPoints(PROGRAM_ID, loyalty_id, points, "welcome", beyond_limits=True),
                now_ms,
            )

    await store.write(add)
    return loyalty_id


async def _outcome(call: Coroutine[Any, Any, Any]) -> LoyaltyError | None:
    try:
        await call
    except LoyaltyError as refused:
        return refused
    return None
