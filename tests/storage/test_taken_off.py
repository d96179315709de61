"""What a reward takes off, from the validation to what is kept of a paid order."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from loyalty_service.application.orders.report_order import report_order
from loyalty_service.application.perform import Run, perform
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import AppliedDiscount, BasketLine
from loyalty_service.domain.flags import FlagKind
from loyalty_service.domain.money_off import MoneyOff, Pick
from loyalty_service.domain.products import listed
from loyalty_service.domain.program import Program
from loyalty_service.domain.taken_off import TakenOff
from loyalty_service.transport.servicers.taken_off import render_allowed, render_given_away
from tests.support.ledger import rows
from tests.support.orders import CLAIMED, COFFEE, PENDING, Till, basket, item, report
from tests.support.programs import demo_program, enroll, put_program

pytestmark = pytest.mark.any_database

MUG = item(2495, plu="9401")


def _program() -> Program:
    """Describe the demo program where 800 points are any mug, up to 20.00."""
    demo = demo_program()
    rule = MoneyOff(listed(["9401"]), Pick.GUEST, up_to=2000)
    reward = replace(demo.incentives[COFFEE], takes_off=rule)
    return replace(demo, incentives={**demo.incentives, COFFEE: reward})


def _used(price: int | None, amount_off: int | None = None) -> BasketLine:
    line = BasketLine("r", "700101", "reward", 1, price, incentive_id=COFFEE)
    return replace(line, applies_to=MUG.reference_id, amount_off=amount_off)


async def _open(till: Till, points: int = 1000) -> str:
    await put_program(till.store, _program())
    return await till.identify(await enroll(till.store, points))


async def test_validation_tells_what_is_allowed(till: Till) -> None:
    """The till asks with the price of before, and gets the amount and the line."""
    told = await till.validate(await _open(till), PENDING, basket(MUG, _used(0)))
    (allowed,) = told.result.allowed
    assert (allowed.incentive_id, allowed.allowed) == (COFFEE, 2000)
    assert allowed.applies_to == MUG.reference_id
    plain = await till.validate(await _open(till), PENDING, basket(MUG))
    assert plain.result.allowed == ()


async def test_order_earns_what_is_paid(till: Till, database_url: str) -> None:
    """A mug of 24.95 with 20.00 off earns for 4.95, and what was given away is kept."""
    opened = await _open(till)
    claimed = await till.update(opened, CLAIMED, basket(MUG, _used(-2000)))
    assert claimed.result.earned_points == 49
    (event,) = rows(database_url, "SELECT detail FROM event WHERE detail LIKE '%taken_off%'")
    assert json.loads(event.detail) == {"taken_off": {COFFEE: 2000}}
    async with till.store.read() as reader:
        entry = await reader.transaction(opened)
    assert entry is not None
    told = render_given_away(entry.transaction)
    assert told is not None
    assert [(one.incentive_id, one.amount) for one in told.incentives] == [(COFFEE, 2000)]


async def test_till_that_nets_its_prices_goes_on(till: Till) -> None:
    """With a net price nothing is flagged, whether the till tells the amount or not."""
    net = replace(MUG, price=495)
    applied = AppliedDiscount(COFFEE, None, "700101", "reward", MUG.reference_id, 2000)
    for content in (
        basket(net, discounts=(applied,)),
        basket(net, discounts=(replace(applied, amount_off=None),)),
        basket(net, _used(0)),
    ):
        flags, earned = await _claim(till, content)
        assert (flags, earned) == ([], 49)


async def test_till_that_takes_off_more_is_flagged(till: Till) -> None:
    """Its price is taken: the guest has paid it."""
    flags, earned = await _claim(till, basket(MUG, _used(-2495)))
    assert flags == [(FlagKind.TAKEN_OFF, "more", 2495, 2000)]
    assert earned == 0


async def test_amount_beyond_what_can_be_told_is_told_as_the_most(till: Till) -> None:
    """A till that says nonsense gets its claim, and whoever asks for the order an answer."""
    opened = await _open(till, 2400)
    nonsense = [replace(_used(0, 1_000_000_000), reference_id=name) for name in "abc"]
    await till.update(opened, CLAIMED, basket(MUG, *nonsense))
    async with till.store.read() as reader:
        entry = await reader.transaction(opened)
    assert entry is not None
    told = render_given_away(entry.transaction)
    assert told is not None
    assert [one.amount for one in told.incentives] == [2**31 - 1]
    allowed = render_allowed([TakenOff(COFFEE, 1, 3_000_000_000, None, None)])
    assert allowed is not None
    assert [one.amount for one in allowed.incentives] == [2**31 - 1]


async def _claim(till: Till, content: object) -> tuple[list[tuple[object, ...]], int]:
    order = report(await _open(till), CLAIMED, content)  # type: ignore[arg-type]

    def work(unit: Unit, now_ms: int) -> object:
        return perform(unit, now_ms, Run(report_order, order))

    answer = await till.store.write(work)
    flags = [
        (flag.kind, flag.reason, flag.about["taken"], flag.about["allowed"])
        for flag in answer.flags  # type: ignore[attr-defined]
        if flag.kind is FlagKind.TAKEN_OFF
    ]
    return flags, answer.result.earned_points  # type: ignore[attr-defined]
