"""What IdentifyMember or a report accepted is honoured at the claim, and taken from nobody else."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import structlog

from loyalty_service.application.codes.issue_code import issue_code
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.domain.basket import AppliedDiscount
from loyalty_service.domain.errors import (
    LoyaltyError,
    OfferNotFoundError,
    RewardNotFoundError,
    RewardRefusedError,
    RulesFailedError,
)
from loyalty_service.domain.program import Program
from loyalty_service.domain.restrictions import (
    Cooldown,
    DateSpan,
    DaysOfWeek,
    FirstOrder,
    MaximumRedemptions,
    MinimumSpend,
    OrderLimits,
    Rule,
    ServiceModes,
    Stores,
)
from tests.support.doing import apply_program
from tests.support.ledger import balances, rows
from tests.support.orders import (
    CLAIMED,
    COFFEE,
    DAY_MS,
    PENDING,
    SOUP,
    Till,
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
    issue_command,
)

pytestmark = pytest.mark.any_database

TODAY = date(2023, 11, 14)
"""The day of `START_MS` in the demo program's place."""


def with_rules(*rules: Rule, **words: Any) -> Program:
    """Describe the demo program with these rules, and nothing else, on coffee and soup."""
    program = demo_program()
    changed = {
        name: replace(program.incentives[name], rules=rules, retired=False, **words)
        for name in (COFFEE, SOUP)
    }
    changed[SOUP] = replace(changed[SOUP], point_cost=0)
    return replace(program, incentives={**program.incentives, **changed})


async def apply(till: Till, program: Program) -> None:
    """Let an operator apply a program."""
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))


def without(*names: str) -> Program:
    """Describe the demo program without some incentives, which are retired so."""
    program = with_rules()
    kept = {name: one for name, one in program.incentives.items() if name not in names}
    return replace(program, incentives=kept)


CHANGES = {
    "retired": without(COFFEE, SOUP),
    "repriced": with_rules(point_cost=1000),
    "ended": with_rules(DateSpan(end=TODAY)),
    "another weekday": with_rules(DaysOfWeek(("tue",))),
    "another store only": with_rules(Stores((1001,))),
    "another service mode only": with_rules(ServiceModes(("DRIVE_THRU",))),
    "used up": with_rules(MaximumRedemptions(total=1)),
    "not the first order": with_rules(FirstOrder()),
    "redeemed of late": with_rules(Cooldown(7 * 86_400)),
    "only one in an order": replace(with_rules(), order_limits=OrderLimits(incentives=1)),
}
"""What may become of a program between the report and the payment."""


@pytest.mark.parametrize("change", CHANGES)
async def test_what_a_report_accepted_is_honoured_at_the_claim(
    till: Till, database_url: str, change: str
) -> None:
    """The guest pays by what the till was told, at the price that was held."""
    await apply(till, with_rules())
    guest = await enroll(till.store, 900)
    transaction = await till.identify(guest)
    content = basket(reward(COFFEE), offer(SOUP), item(1000))
    await till.update(transaction, PENDING, content)
    await till.update(await till.identify(guest), CLAIMED, basket(offer(SOUP)))
    await apply(till, CHANGES[change])
    till.now_ms += DAY_MS

    await till.validate(transaction, CLAIMED, content)
    await till.update(transaction, PENDING, replace(content, currency="CAD"))
    paid = basket(reward(COFFEE), offer(SOUP), item(1000), paid=("CASH",))
    told = await till.update(transaction, CLAIMED, paid)

    assert (told.result.redeemed_points, told.result.earned_points) == (800, 100)
    assert balances(database_url, guest) == (200, 0)


@pytest.mark.parametrize("change", CHANGES)
async def test_what_identify_accepted_is_honoured_at_the_claim(till: Till, change: str) -> None:
    """Whatever asks about the order itself could not be known then, and may still fail."""
    await apply(till, with_rules())
    guest = await enroll(till.store, 900)
    transaction = await till.identify(guest, COFFEE, SOUP)
    await till.update(await till.identify(guest), CLAIMED, basket(offer(SOUP)))
    await apply(till, CHANGES[change])
    till.now_ms += DAY_MS
    claim = till.update(transaction, CLAIMED, basket(reward(COFFEE), offer(SOUP)))
    if change == "another service mode only":
        with pytest.raises(RulesFailedError):
            await claim
    else:
        assert (await claim).result.redeemed_points == 800


async def test_what_was_not_known_when_accepted_is_judged_at_the_claim(till: Till) -> None:
    """An order that may still grow is accepted without its minimum spend, and not claimed so."""
    await apply(till, with_rules(MinimumSpend(2000)))
    transaction = await till.identify(await enroll(till.store))
    content = basket(offer(SOUP), item(1999))
    await till.update(transaction, PENDING, content)
    with pytest.raises(RulesFailedError):
        await till.update(transaction, CLAIMED, content)


REPORTED = basket(
    replace(item(1000), name="Soup", tax=130),
    offer(SOUP),
    discounts=(AppliedDiscount(SOUP, None, "702"),),
)


@pytest.mark.parametrize(
    ("told", "honoured"),
    [
        ({}, True),
        ({"lines": (replace(item(1000), name="SOUP"), offer(SOUP))}, True),
        ({"lines": (item(1001), offer(SOUP))}, False),
        ({"applied_discounts": ()}, False),
        ({"service_mode": "TAKE_OUT"}, False),
    ],
)
async def test_facts_of_an_order_are_honoured_while_it_is_unchanged(
    till: Till, told: dict[str, Any], *, honoured: bool
) -> None:
    """What a line is called or taxed makes no other order; what it buys or uses does."""
    await apply(till, with_rules())
    transaction = await till.identify(await enroll(till.store))
    await till.update(transaction, PENDING, REPORTED)
    await apply(till, CHANGES["another service mode only"])
    mode = told.get("service_mode", "EAT_IN")
    content = replace(REPORTED, **{name: told[name] for name in told if name != "service_mode"})
    claim = till.update(transaction, CLAIMED, content, service_mode=mode)
    with nullcontext() if honoured else pytest.raises(RulesFailedError):
        await claim


async def test_incentives_are_honoured_together_when_all_were_accepted(till: Till) -> None:
    """One that is new in the order is one too many, wherever it stands."""
    await apply(till, with_rules())
    transaction = await till.identify(await enroll(till.store, 900))
    await till.update(transaction, PENDING, basket(reward(COFFEE), item(1000)))
    await apply(till, CHANGES["only one in an order"])
    with pytest.raises(RulesFailedError):
        await till.update(transaction, CLAIMED, basket(offer(SOUP), reward(COFFEE), item(1000)))


async def test_what_is_put_back_is_reserved_anew(till: Till, database_url: str) -> None:
    """It is of the key, the time and the rules that accepted it last."""
    await apply(till, with_rules())
    transaction = await till.identify(await enroll(till.store))
    await till.update(transaction, PENDING, basket(offer(SOUP)))
    await till.update(transaction, PENDING, basket(item(100)))
    await apply(till, with_rules(FirstOrder()))
    till.now_ms += 5
    till.key = replace(KEY, key_id="another")
    await till.update(transaction, PENDING, basket(offer(SOUP)))
    kept = "SELECT quantity, reserved_by, reserved_ms, first_order FROM reservation"
    assert rows(database_url, kept) == [(1, "another", till.now_ms, 1)]


async def test_what_an_order_does_without_is_accepted_no_more(till: Till) -> None:
    """Taken out and put back, it is judged and priced as of then."""
    await apply(till, with_rules())
    guest = await enroll(till.store, 3000)
    transaction = await till.identify(guest, COFFEE, SOUP)
    await till.update(transaction, PENDING, basket(item(100)))
    await apply(till, without(SOUP))
    with pytest.raises(OfferNotFoundError):
        await till.update(transaction, PENDING, basket(offer(SOUP)))
    await apply(till, with_rules(point_cost=1000))
    told = await till.update(transaction, PENDING, basket(reward(COFFEE)))
    assert told.result.redeemed_points == 1000


async def test_more_than_was_accepted_of_a_retired_reward_is_not_found(
    till: Till, database_url: str
) -> None:
    """What was accepted is honoured in its quantity; more is gone as for everybody else."""
    guest = await enroll(till.store, 5000)
    transaction = await till.identify(guest, COFFEE)
    await apply(till, without(COFFEE))
    for status in (PENDING, CLAIMED):
        with pytest.raises(RewardNotFoundError):
            await till.update(transaction, status, basket(reward(COFFEE, 2)))
    told = await till.update(transaction, CLAIMED, basket(reward(COFFEE)))
    assert told.result.redeemed_points == 800
    assert balances(database_url, guest) == (4200, 0)


async def test_more_than_was_accepted_costs_what_it_costs_today(
    till: Till, database_url: str
) -> None:
    """Each keeps the price at which it was accepted, and the dearest is given back first."""
    guest = await enroll(till.store, 5000)
    transaction = await till.identify(guest, COFFEE)
    await apply(till, with_rules(point_cost=1000))
    costs = []
    for quantity in (2, 1, 2, 0, 1):
        lines = [reward(COFFEE, quantity)] if quantity else []
        told = await till.update(transaction, PENDING, basket(*lines, item(quantity)))
        costs.append(told.result.redeemed_points)
        assert balances(database_url, guest) == (5000 - costs[-1], costs[-1])
    assert costs == [1800, 800, 1800, 0, 1000]


async def test_selection_that_could_not_be_had_is_judged_anew(till: Till) -> None:
    """Listed is not accepted: without loyalty in the store, a reward is refused by its rule."""
    guest = await enroll(till.store, 800)
    transaction = await till.identify(guest, COFFEE)
    second = await till.identify(guest, COFFEE)
    with pytest.raises(RewardRefusedError):
        await till.update(transaction, CLAIMED, basket(reward(COFFEE)), store_id=1099)
    with pytest.raises(LoyaltyError):
        await till.update(second, CLAIMED, basket(reward(COFFEE)))
    await till.void(transaction)
    await till.update(second, CLAIMED, basket(reward(COFFEE)))


async def test_store_without_loyalty_lists_rewards_and_takes_none(
    till: Till, database_url: str
) -> None:
    """The guest is identified; ValidateOrder and the claim refuse the reward; nothing is burned."""
    guest = await enroll(till.store, 1000)
    issued = await till.call(issue_code, issue_command(guest, COFFEE, SOUP))
    command = identify_command(issued.result.digits)
    there = replace(command, point_of_sale=replace(command.point_of_sale, store_id=1099))
    identified = (await till.call(identify_member, there)).result
    assert [line.incentive.incentive_id for line in identified.selection] == [COFFEE, SOUP]
    assert balances(database_url, guest) == (1000, 0)
    transaction = identified.transaction_id
    content = basket(reward(COFFEE), offer(SOUP), item(1000))
    with pytest.raises(RewardRefusedError):
        await till.validate(transaction, CLAIMED, content, store_id=1099)
    with pytest.raises(RewardRefusedError):
        await till.update(transaction, CLAIMED, content, store_id=1099)
    told = await till.update(transaction, CLAIMED, basket(offer(SOUP), item(1000)), store_id=1099)
    assert (told.result.earned_points, told.result.redeemed_points) == (0, 0)
    assert balances(database_url, guest) == (1000, 0)


CAPS = {
    "by a member": MaximumRedemptions(per_member=1),
    "by all": MaximumRedemptions(total=1),
    "first order": FirstOrder(),
    "cooldown": Cooldown(3600),
}


@pytest.mark.parametrize("given_back", ["void", "sweep", "basket without it", "never"])
@pytest.mark.parametrize("cap", CAPS)
async def test_last_use_is_promised_to_one_open_order(
    till: Till, database_url: str, cap: str, given_back: str
) -> None:
    """The second is told before its guest pays, unless the first order does without."""
    await apply(till, with_rules(CAPS[cap]))
    guest = await enroll(till.store)
    first, second = await till.identify(guest, SOUP), await till.identify(guest, SOUP)
    content = basket(offer(SOUP), item(1000))
    for status in (PENDING, CLAIMED):
        with pytest.raises(RulesFailedError):
            await till.update(second, status, content)
    await till.update(second, PENDING, basket(item(1000)))
    if given_back == "never":
        await till.update(first, CLAIMED, content)
        with pytest.raises(RulesFailedError):
            await till.update(second, CLAIMED, content)
        return
    if given_back == "void":
        await till.void(first)
    elif given_back == "sweep":
        till.now_ms += DAY_MS - 1
        await till.update(second, PENDING, basket(item(999)))
        till.now_ms += 1
        assert await till.sweep() == (first,)
    else:
        await till.update(first, PENDING, basket(item(500)))
    await till.update(second, PENDING, content)
    await till.update(second, CLAIMED, content)
    taken = rows(database_url, "SELECT sum(quantity) AS taken FROM reservation")
    assert [row.taken for row in taken] == [0]


async def test_open_orders_beyond_a_limit_that_is_new_are_not_all_counted(till: Till) -> None:
    """Their number is told as if there were as many as the limit allows: more are not read."""
    await apply(till, with_rules())
    for _ in range(5):
        guest = await enroll(till.store)
        await till.update(await till.identify(guest, SOUP), PENDING, basket(offer(SOUP)))
    await apply(till, with_rules(MaximumRedemptions(total=2)))
    transaction = await till.identify(await enroll(till.store))
    with pytest.raises(RulesFailedError) as refused:
        await till.update(transaction, PENDING, basket(offer(SOUP)))
    (failure,) = refused.value.failures
    assert (failure.current_value, failure.target_value) == (3, 2)


async def test_open_orders_of_one_key_leave_uses_for_all_others(till: Till) -> None:
    """A key reserves half of what is left of a limited incentive; another key gets the rest."""
    await apply(till, with_rules(MaximumRedemptions(total=10)))

    async def taken(some: Till) -> int:
        accepted = 0
        for _ in range(10):
            transaction = await some.identify(await enroll(till.store))
            try:
                await some.update(transaction, PENDING, basket(offer(SOUP)))
            except RulesFailedError:
                continue
            accepted += 1
        return accepted

    others = [Till(till.store, replace(KEY, key_id=name)) for name in ("a", "b", "c")]
    assert [await taken(some) for some in (till, *others)] == [5, 3, 1, 1]


async def test_one_key_uses_a_limited_incentive_up_by_paid_orders(till: Till) -> None:
    """Only what is open is shared out: a claim takes any that is left, and so does the last."""
    await apply(till, with_rules(MaximumRedemptions(total=4)))
    for _ in range(4):
        transaction = await till.identify(await enroll(till.store), SOUP)
        await till.update(transaction, CLAIMED, basket(offer(SOUP)))
    last = await till.identify(await enroll(till.store))
    with pytest.raises(RulesFailedError):
        await till.update(last, CLAIMED, basket(offer(SOUP)))


async def test_one_order_counts_for_few_of_a_limited_incentive(till: Till) -> None:
    """An order that nobody paid takes a limited offer from no guest; it is told of."""
    await apply(till, with_rules(MaximumRedemptions(total=1000)))
    with structlog.testing.capture_logs() as logs:
        transaction = await till.identify(await enroll(till.store))
        await till.update(transaction, CLAIMED, basket(offer(SOUP, 999)))
        for _ in range(2):
            guest = await till.identify(await enroll(till.store))
            await till.update(guest, CLAIMED, basket(offer(SOUP)))
    (line,) = [one for one in logs if one.get("flag") == "beyond_limit"]
    assert (line["reason"], line["value"], line["allowed"]) == ("uses_per_order", 999, 10)
    assert line["transaction_id"] == transaction


async def test_receipt_counts_for_few_of_a_limited_incentive(till: Till) -> None:
    """So does an order without a guest, when its receipt is claimed."""
    await apply(till, with_rules(MaximumRedemptions(total=1000)))
    thief, guest = await enroll(till.store), await enroll(till.store)
    receipt = await till.unclaimed(basket(offer(SOUP, 999)))
    await till.claim_receipt(thief, receipt.receipt_code)
    await till.update(await till.identify(guest), CLAIMED, basket(offer(SOUP, 2)))


async def test_order_counts_whole_where_each_member_has_a_limit(
    till: Till, database_url: str
) -> None:
    """What a member has used is counted to the last."""
    await apply(till, with_rules(MaximumRedemptions(total=1000, per_member=20)))
    transaction = await till.identify(await enroll(till.store))
    await till.update(transaction, CLAIMED, basket(offer(SOUP, 15)))
    used = rows(database_url, "SELECT sum(quantity) AS used FROM redemption")
    assert [row.used for row in used] == [15]
