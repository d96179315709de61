"""What reports of an order do and refuse, on every storage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loyalty_service.application.members.list_transfers import ListTransfers, list_transfers
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.orders.get_transaction import get_transaction
from loyalty_service.application.orders.report_order import report_again, report_order
from loyalty_service.application.reading import TransferEntry
from loyalty_service.domain.basket import AppliedDiscount, BasketLine
from loyalty_service.domain.errors import (
    IdempotencyKeyReusedError,
    PointsInsufficientError,
    RequestInvalidError,
    RulesFailedError,
    StoreNotAllowedError,
    TransactionNotClaimableError,
    TransactionNotFoundError,
)
from loyalty_service.domain.ledger import POINTS_MAX, AccountKind
from loyalty_service.domain.limits import LimitName, Limits
from loyalty_service.domain.records import HoldStatus, TransactionStatus
from loyalty_service.transport.errors.rendering import message_of
from tests.support.doing import adjust_points, apply_program
from tests.support.ledger import balances, rows
from tests.support.orders import (
    CARD_OFFER,
    CLAIMED,
    COFFEE,
    COOKIE,
    DAY_MS,
    PENDING,
    SANDWICH,
    START_MS,
    TWENTY_PERCENT,
    Till,
    basket,
    item,
    offer,
    report,
    reward,
)
from tests.support.programs import KEY, PROGRAM_ID, demo_program, enroll

COFFEE_ENGINE_ID = "0b7c5f0e-9d0c-4c0a-8a52-5f6f2f0d1c11"


async def test_pending_report_replaces_what_is_held(till: Till, database_url: str) -> None:
    """Rewards added are held, missing ones released; kept ones move no points."""
    guest = await enroll(till.store, 3000)
    transaction = await till.identify(guest, COFFEE)
    assert balances(database_url, guest) == (2200, 800)

    told = await till.update(transaction, PENDING, basket(reward(COFFEE), reward(SANDWICH)))
    assert (told.result.available_points, told.result.redeemed_points) == (1000, 2000)
    assert (told.result.earned_points, told.result.presentation) == (0, None)

    told = await till.update(transaction, PENDING, basket(reward(SANDWICH), item(999)))
    assert (told.result.available_points, told.result.redeemed_points) == (1800, 1200)
    holds = rows(database_url, "SELECT points, status FROM hold ORDER BY points")
    assert [(hold.points, hold.status) for hold in holds] == [
        (800, HoldStatus.REPLACED),
        (1200, HoldStatus.OPEN),
    ]


async def test_open_holds_expire_with_their_transaction(till: Till, database_url: str) -> None:
    """A report prolongs the transaction and all of its holds, new and kept."""
    guest = await enroll(till.store, 3000)
    transaction = await till.identify(guest, COFFEE)
    till.now_ms += 1000
    await till.update(transaction, PENDING, basket(reward(COFFEE), reward(SANDWICH)))

    expiries = rows(
        database_url, "SELECT expires_ms FROM hold UNION SELECT expires_ms FROM loyalty_transaction"
    )
    assert [row.expires_ms for row in expiries] == [START_MS + 1000 + 86_400_000]


async def test_same_report_again_moves_nothing(till: Till) -> None:
    """A repeat tells the same as long as nothing else happens; an older one is a new report."""
    guest = await enroll(till.store, 3000)
    transaction = await till.identify(guest)
    first = await till.update(transaction, PENDING, basket(reward(COFFEE)))
    again = await till.update(transaction, PENDING, basket(reward(COFFEE)))
    assert (first.repeated, again.repeated) == (False, False)
    assert again.result == first.result
    assert not (await till.update(transaction, PENDING, basket(item(100)))).repeated
    assert not (await till.update(transaction, PENDING, basket(reward(COFFEE)))).repeated


@pytest.mark.parametrize("key", ["key", None])
async def test_repeated_report_keeps_an_order_open(
    till: Till, database_url: str, key: str | None
) -> None:
    """Its time moves on, with its holds'; without a key it tells the points of today."""
    guest = await enroll(till.store, 1000)
    transaction = await till.identify(guest)
    order = report(transaction, PENDING, basket(reward(COFFEE)))
    await till.call(report_order, order, idempotency_key=key)
    give = AdjustPoints(PROGRAM_ID, guest, 50, "gift")
    await till.store.write(lambda unit, now: adjust_points(unit, give, now))
    for _ in range(3):
        till.now_ms += DAY_MS - 1
        told = await till.call(report_order, order, idempotency_key=key, again=report_again)
        assert told.result.available_points == (200 if key else 250)
        assert await till.sweep() == ()
    expiries = rows(
        database_url, "SELECT expires_ms FROM hold UNION SELECT expires_ms FROM loyalty_transaction"
    )
    assert [row.expires_ms for row in expiries] == [till.now_ms + DAY_MS]


async def test_validation_keeps_an_order_open_and_changes_nothing_else(
    till: Till, database_url: str
) -> None:
    """Its time moves on whether rules are broken or not, up to the program's limit."""
    transaction = await till.identify(await enroll(till.store, 1000), COFFEE)
    before = rows(database_url, "SELECT * FROM loyalty_transaction")
    for day in range(1, 40):
        till.now_ms += DAY_MS - 1
        try:
            await till.validate(transaction, CLAIMED, basket(reward(COFFEE, day % 3)))
        except RulesFailedError:
            assert day % 3 == 2
        except TransactionNotClaimableError:
            break
        after = rows(database_url, "SELECT * FROM loyalty_transaction")
        assert {**before[0]._asdict(), "expires_ms": 0} == {**after[0]._asdict(), "expires_ms": 0}
        await till.sweep()
    assert after[0].expires_ms == START_MS + 30 * DAY_MS


@pytest.mark.parametrize("status", [TransactionStatus.VOID, TransactionStatus.UNCLAIMED])
async def test_other_status_words_are_refused(till: Till, status: TransactionStatus) -> None:
    """ValidateOrder and ReportOrder take PENDING and CLAIMED alone, and tell what the order is."""
    transaction = await till.identify(await enroll(till.store))
    for call in (till.validate, till.update):
        with pytest.raises(TransactionNotClaimableError) as refused:
            await call(transaction, status, basket(item(100)))
        told = refused.value
        assert (told.status, told.requested_status) == ("PENDING", status.name)
        assert message_of(told).endswith(f"not {status.name}; transaction {transaction} is PENDING")


async def test_validation_judges_the_minimum_spend_of_an_unpaid_order(till: Till) -> None:
    """What a claim of the same basket would fail for fails its validation, paid or not."""
    transaction = await till.identify(await enroll(till.store))
    with pytest.raises(RulesFailedError) as refused:
        await till.validate(transaction, PENDING, basket(item(1499), offer(CARD_OFFER)))
    assert [failure.rule_id for failure in refused.value.failures] == ["minimum-spend"]


async def test_validation_leaves_unknown_payments_unjudged(till: Till) -> None:
    """An order that is not paid yet may still be paid rightly; one claimed unpaid may not."""
    transaction = await till.identify(await enroll(till.store))
    content = basket(item(1500), offer(CARD_OFFER))
    await till.validate(transaction, PENDING, content)
    with pytest.raises(RulesFailedError) as refused:
        await till.validate(transaction, CLAIMED, content)
    assert [failure.rule_id for failure in refused.value.failures] == ["payment-method"]


async def test_pending_report_may_still_grow(till: Till) -> None:
    """An unmet minimum spend does not stop a report of an order that is neither paid nor done."""
    transaction = await till.identify(await enroll(till.store))
    await till.update(transaction, PENDING, basket(item(100), offer(CARD_OFFER)))
    with pytest.raises(RulesFailedError):
        await till.update(
            transaction, CLAIMED, basket(item(100), offer(CARD_OFFER), paid=("VISA",))
        )


async def test_too_few_points_have_a_code_of_their_own_at_update(till: Till) -> None:
    """ValidateOrder lists the balance among the rules; ReportOrder names it alone."""
    transaction = await till.identify(await enroll(till.store, 799))
    with pytest.raises(RulesFailedError) as refused:
        await till.validate(transaction, PENDING, basket(reward(COFFEE)))
    (failure,) = refused.value.failures
    assert (failure.code, failure.current_value) == ("insufficient-point-balance", 799)
    with pytest.raises(PointsInsufficientError) as insufficient:
        await till.update(transaction, PENDING, basket(reward(COFFEE)))
    assert insufficient.value == PointsInsufficientError(799, 800)


async def test_held_reward_is_not_charged_twice(till: Till) -> None:
    """A guest with exactly enough points may validate, report and claim what is held."""
    guest = await enroll(till.store, 800)
    transaction = await till.identify(guest, COFFEE)
    content = basket(reward(COFFEE), item(1000))
    await till.validate(transaction, CLAIMED, content)
    await till.update(transaction, PENDING, content)
    told = await till.update(transaction, CLAIMED, content)
    assert (told.result.redeemed_points, told.result.earned_points) == (800, 100)


async def test_discount_as_line_and_applied_is_used_once(till: Till, database_url: str) -> None:
    """A discount told of twice is redeemed once."""
    transaction = await till.identify(await enroll(till.store))
    applied = (AppliedDiscount(TWENTY_PERCENT, None, "702"),)
    await till.update(
        transaction, CLAIMED, basket(item(800), offer(TWENTY_PERCENT), discounts=applied)
    )
    used = rows(database_url, "SELECT incentive_id, quantity FROM redemption")
    assert [(row.incentive_id, row.quantity) for row in used] == [(TWENTY_PERCENT, 1)]


async def test_report_on_another_program_looks_absent(till: Till) -> None:
    """No key of another program tells whether a transaction exists."""
    transaction = await till.identify(await enroll(till.store))
    us = replace(demo_program(), program_id="demo-us", region="US")
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(us), now))
    stranger = Till(till.store, replace(KEY, program_id="demo-us"))
    for call in (
        stranger.update(transaction, PENDING, basket()),
        stranger.validate(transaction, PENDING, basket()),
        stranger.void(transaction),
    ):
        with pytest.raises(TransactionNotFoundError):
            await call


async def test_key_of_other_stores_may_not_touch_a_transaction(till: Till) -> None:
    """A key limited to other stores neither reports, validates, repeats nor voids."""
    transaction = await till.identify(await enroll(till.store))
    await till.update(transaction, CLAIMED, basket(item(100)))
    limited = Till(till.store, replace(KEY, stores=frozenset({1001})))
    for call in (
        limited.update(transaction, CLAIMED, basket(item(100))),
        limited.update(transaction, CLAIMED, basket(item(100)), store_id=1001),
        limited.validate(transaction, CLAIMED, basket(item(100)), store_id=1001),
        limited.void(transaction),
    ):
        with pytest.raises(StoreNotAllowedError):
            await call


async def test_another_partner_claims_what_one_opened(till: Till) -> None:
    """A kiosk opens and reports, the till of another partner claims: pay at counter."""
    guest = await enroll(till.store, 1000)
    transaction = await till.identify(guest, COFFEE)
    content = basket(reward(COFFEE), item(500))
    await till.update(transaction, PENDING, content)
    counter = Till(till.store, replace(KEY, key_id="other", partner="counter"), till.now_ms)
    paid = basket(reward(COFFEE), item(500), paid=("CASH",))
    told = await counter.update(transaction, CLAIMED, paid)
    assert (told.result.available_points, told.result.redeemed_points) == (250, 800)


async def test_void_of_a_claim_restores_everything(till: Till, database_url: str) -> None:
    """Balances and counts of redemptions are as before, and the claim may not be repeated."""
    guest = await enroll(till.store, 1000)
    transaction = await till.identify(guest)
    content = basket(item(5000), reward(COOKIE, 2))
    await till.update(transaction, CLAIMED, content)
    assert balances(database_url, guest) == (900, 0)

    told = await till.void(transaction)

    assert (told.result.available_points, told.result.earned_points) == (1000, 500)
    assert told.result.redeemed_points == 600
    assert balances(database_url, guest) == (1000, 0)
    assert [row.quantity for row in rows(database_url, "SELECT quantity FROM incentive_usage")] == [
        0
    ]
    assert (await till.void(transaction)).repeated
    with pytest.raises(TransactionNotClaimableError, match="VOID"):
        await till.update(transaction, CLAIMED, content)


async def test_void_of_spent_points_is_refused(till: Till, database_url: str) -> None:
    """A program that makes no debts keeps the claim when the points are gone."""
    program = replace(demo_program(), void_spent="refuse")
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    guest = await enroll(till.store)
    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, basket(item(8000)))
    spending = await till.identify(guest)
    await till.update(spending, CLAIMED, basket(reward(COFFEE)))

    with pytest.raises(PointsInsufficientError) as refused:
        await till.void(transaction)

    assert refused.value == PointsInsufficientError(0, 800)
    assert balances(database_url, guest) == (0, 0)


async def test_void_of_spent_points_leaves_a_debt(till: Till, database_url: str) -> None:
    """Unless a program says otherwise, what is there is taken; later earnings pay the rest."""
    guest = await enroll(till.store)
    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, basket(item(9000)))
    spending = await till.identify(guest)
    await till.update(spending, CLAIMED, basket(reward(COFFEE)))

    told = await till.void(transaction)
    assert (told.result.available_points, told.result.earned_points) == (0, 900)
    assert _debt(database_url) == -800

    earning = await till.identify(guest)
    told = await till.update(earning, CLAIMED, basket(item(10_000)))
    assert (told.result.earned_points, told.result.available_points) == (1000, 200)
    assert _debt(database_url) == 0
    told = await till.void(earning)
    assert told.result.available_points == 0
    assert _debt(database_url) == -800


async def test_debt_is_bounded_as_a_balance_is(till: Till, database_url: str) -> None:
    """A void that would leave a debt beyond what a member can be told of is refused whole."""
    large_orders = Limits.of({LimitName.POINTS_PER_ORDER.value: POINTS_MAX})
    program = replace(demo_program(), void_spent="debt", limits=large_orders)
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    guest = await enroll(till.store)

    async def claim_and_spend(points: int) -> str:
        transaction = await till.identify(guest)
        told = await till.update(transaction, CLAIMED, basket(item(points * 10)))
        assert told.result.earned_points == points
        if told.result.available_points:
            take = AdjustPoints(PROGRAM_ID, guest, -told.result.available_points, "spent")
            await till.store.write(lambda unit, now: adjust_points(unit, take, now))
        return transaction

    first, small, large = [
        await claim_and_spend(points) for points in (POINTS_MAX - 1, 1, POINTS_MAX)
    ]
    await till.void(first)
    with pytest.raises(PointsInsufficientError):
        await till.void(large)
    await till.void(small)
    assert _debt(database_url) == -POINTS_MAX

    with pytest.raises(PointsInsufficientError) as refused:
        await till.void(large)

    assert refused.value == PointsInsufficientError(0, POINTS_MAX)
    assert (_debt(database_url), balances(database_url, guest)) == (-POINTS_MAX, (0, 0))
    await claim_and_spend(POINTS_MAX)
    await till.void(large)
    assert _debt(database_url) == -POINTS_MAX


@pytest.mark.parametrize("page_size", [1, 2, 50])
async def test_history_tells_of_a_debt(till: Till, page_size: int) -> None:
    """What became a debt, and what paid it, is listed on its page between the other transfers."""
    program = replace(demo_program(), void_spent="debt")
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))
    guest = await enroll(till.store)
    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, basket(item(9000)))
    spending = await till.identify(guest)
    await till.update(spending, CLAIMED, basket(reward(COFFEE)))
    await till.void(transaction)
    await till.update(await till.identify(guest), CLAIMED, basket(item(10_000)))

    moves = [
        (entry.source, entry.destination, entry.points)
        for entry in await _history(till, guest, None, page_size)
    ]

    assert moves == [
        (AccountKind.ISSUED, AccountKind.AVAILABLE, 200),
        (AccountKind.ISSUED, AccountKind.DEBT, 800),
        (AccountKind.DEBT, AccountKind.ISSUED, 800),
        (AccountKind.AVAILABLE, AccountKind.ISSUED, 100),
        (AccountKind.HELD, AccountKind.REDEEMED, 800),
        (AccountKind.AVAILABLE, AccountKind.HELD, 800),
        (AccountKind.ISSUED, AccountKind.AVAILABLE, 900),
    ]
    for entry in await _history(till, guest, AccountKind.AVAILABLE, page_size):
        assert AccountKind.AVAILABLE in {entry.source, entry.destination}


async def _history(
    till: Till, guest: str, account: AccountKind | None, page_size: int
) -> list[TransferEntry]:
    """List a guest's transfers page by page."""
    told: list[TransferEntry] = []
    token = ""
    async with till.store.read() as reader:
        while True:
            command = ListTransfers(KEY, guest, page_size, token, account)
            page = await list_transfers(reader, command)
            told += page.transfers
            token = page.next_page_token
            if not token:
                return told


def _debt(database_url: str) -> int:
    (row,) = rows(database_url, "SELECT balance FROM account WHERE kind = 7")
    debt: int = row.balance
    return debt


async def test_refund_never_overfills_an_account(till: Till, database_url: str) -> None:
    """A guest who has all points there can be gets back what fits, and the void succeeds."""
    guest = await enroll(till.store, 1000)
    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, basket(reward(COFFEE)))
    fill = AdjustPoints(PROGRAM_ID, guest, POINTS_MAX - 300, "fill", beyond_limits=True)
    await till.store.write(lambda unit, now: adjust_points(unit, fill, now))

    told = await till.void(transaction)

    assert told.result.redeemed_points == 100
    assert balances(database_url, guest) == (POINTS_MAX, 0)


async def test_sweeper_gives_abandoned_points_back(till: Till, database_url: str) -> None:
    """A transaction is voided at its time, not a millisecond before."""
    guest = await enroll(till.store, 1000)
    transaction = await till.identify(guest, COFFEE)
    till.now_ms += 86_400_000 - 1
    assert (await till.sweep()) == ()
    till.now_ms += 1
    assert (await till.sweep()) == (transaction,)
    assert balances(database_url, guest) == (1000, 0)
    with pytest.raises(TransactionNotClaimableError, match="VOID"):
        await till.update(transaction, CLAIMED, basket(reward(COFFEE)))


async def test_second_scan_holds_beside_the_first(till: Till, database_url: str) -> None:
    """Two open transactions of one guest each hold their own; voiding one leaves the other."""
    guest = await enroll(till.store, 3000)
    first = await till.identify(guest, COFFEE)
    second = await till.identify(guest, COFFEE)
    assert balances(database_url, guest) == (1400, 1600)
    await till.void(first)
    assert balances(database_url, guest) == (2200, 800)
    told = await till.update(second, PENDING, basket(reward(COFFEE), reward(SANDWICH)))
    assert (told.result.available_points, told.result.redeemed_points) == (1000, 2000)
    told = await till.update(second, CLAIMED, basket(reward(COFFEE), reward(SANDWICH)))
    assert balances(database_url, guest) == (1000, 0)


@pytest.mark.parametrize(
    "line",
    [
        reward(COFFEE),
        offer(COFFEE),
        BasketLine("1", "1", "offer", 1, 0, loyalty_engine_id=COFFEE_ENGINE_ID),
        reward("nothing"),
    ],
)
async def test_unknown_guest_may_not_use_rewards(till: Till, line: BasketLine) -> None:
    """Whatever a line calls itself, a reward needs a guest who pays for it."""
    with pytest.raises(RulesFailedError) as refused:
        await till.unclaimed(basket(item(100), line))
    (failure,) = refused.value.failures
    named = line.incentive_id or COFFEE
    assert (failure.code, failure.incentive_id) == ("user-not-logged-in", named)


async def test_unknown_guest_may_not_use_a_discount_for_points(till: Till) -> None:
    """A reward among the applied discounts is refused as well."""
    content = basket(item(100), discounts=(AppliedDiscount(SANDWICH, None, "9003", "reward"),))
    with pytest.raises(RulesFailedError) as refused:
        await till.unclaimed(content)
    assert [failure.code for failure in refused.value.failures] == ["user-not-logged-in"]


async def test_unknown_guest_pays_in_the_programs_currency(till: Till) -> None:
    """An order in another currency can't be counted, and is refused."""
    with pytest.raises(RequestInvalidError):
        await till.unclaimed(replace(basket(item(100)), currency="USD"))


@pytest.mark.parametrize("status", [PENDING, CLAIMED])
async def test_repeat_for_another_guest_is_refused(till: Till, status: TransactionStatus) -> None:
    """A till that mixes two guests up is told so, and not what the other one got."""
    guest, other = await enroll(till.store), await enroll(till.store)
    transaction = await till.identify(guest)
    told = await till.update(transaction, status, basket(item(500)))
    order = report(transaction, status, basket(item(500)))
    for wrong in (replace(order, loyalty_id=other), replace(order, repeated_id=other)):
        with pytest.raises(RequestInvalidError):
            await till.call(report_order, wrong)
    again = await till.call(report_order, replace(order, loyalty_id=guest))
    assert again.result == told.result


@pytest.mark.parametrize("status", [PENDING, CLAIMED])
async def test_report_from_another_store_is_repeated_to_no_key_of_this_one(
    till: Till, database_url: str, status: TransactionStatus
) -> None:
    """Opened here and reported there by a key of both: a key of here gets no answer of there."""
    guest = await enroll(till.store, 1000)
    transaction = await till.identify(guest)
    told = await till.update(transaction, status, basket(reward(COFFEE), item(500)), store_id=1001)
    before = balances(database_url, guest)
    here = replace(till, key=replace(till.key, stores=frozenset({9999})))
    order = report(
        transaction, status, basket(reward(COFFEE), item(500)), key=here.key, store_id=1001
    )
    for key in (None, "fresh"):
        with pytest.raises(StoreNotAllowedError) as refused:
            await here.call(report_order, order, idempotency_key=key)
        assert refused.value.store_id == 1001
    assert balances(database_url, guest) == before
    both = replace(till, key=replace(till.key, stores=frozenset({9999, 1001})))
    again = await both.call(report_order, replace(order, key=both.key))
    assert (again.repeated, again.result) == (status is CLAIMED, told.result)


async def test_order_is_for_keys_of_the_store_where_it_was_paid(
    till: Till, database_url: str
) -> None:
    """A key of the store where it was opened neither cancels it, nor learns that somebody did."""
    guest = await enroll(till.store, 1000)
    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, basket(item(500)), store_id=1001)
    paid = balances(database_url, guest)
    here = replace(till, key=replace(till.key, stores=frozenset({9999})))

    async def refuse() -> None:
        for call in (
            here.void(transaction),
            here.update(transaction, CLAIMED, basket(item(500))),
            here.validate(transaction, CLAIMED, basket(item(500))),
        ):
            with pytest.raises(StoreNotAllowedError) as refused:
                await call
            assert refused.value.store_id == 1001
        async with till.store.read() as reader:
            with pytest.raises(StoreNotAllowedError):
                await get_transaction(reader, here.key, transaction)

    await refuse()
    assert balances(database_url, guest) == paid
    both = replace(till, key=replace(till.key, stores=frozenset({9999, 1001})))
    await both.void(transaction)
    assert balances(database_url, guest) == (1000, 0)
    await refuse()


async def test_repeat_keeps_its_idempotency_key_too(till: Till) -> None:
    """A key that was answered with a repeat is used up like any other."""
    guest = await enroll(till.store, 1000)
    transaction = await till.identify(guest)
    order = report(transaction, PENDING, basket(reward(COFFEE)))
    await till.call(report_order, order)
    await till.call(report_order, order, idempotency_key="k")
    other = report(transaction, PENDING, basket(item(100)))
    with pytest.raises(IdempotencyKeyReusedError):
        await till.call(report_order, other, idempotency_key="k")
