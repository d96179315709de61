"""Codes are claimed once, live for their time, and hold exactly what they cost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from loyalty_service.application.codes.get_code import GetCode
from loyalty_service.application.orders.identify_member import (
    Identified,
    IdentifyMember,
    identify_member,
)
from loyalty_service.application.orders.void_transaction import void
from loyalty_service.application.perform import Answer, Run, perform
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import now_ms as wall_clock_ms
from loyalty_service.domain.errors import (
    CodeAlreadyUsedError,
    CodeNotFoundError,
    LoyaltyError,
    PointsInsufficientError,
    RewardNotFoundError,
    RewardRefusedError,
    StoreNotFoundError,
)
from loyalty_service.domain.records import Code
from loyalty_service.sandbox.fixed_codes import COFFEE, HASH_BROWN, PARTY_PLATTER
from loyalty_service.storage.store import Store
from loyalty_service.sweeper import sweep
from tests.support.doing import get_code, issue_code
from tests.support.ledger import audit, balances, count_rows, execute, rows
from tests.support.programs import (
    KEY,
    PROGRAM_ID,
    demo_program,
    enroll,
    identify_command,
    issue,
    issue_command,
    put_program,
    tireless_program,
)
from tests.support.stores import demo_store, open_store, writers_busy

COFFEE_POINTS = 800


def _render(identified: Identified) -> bytes:
    return f"{identified.transaction_id} {identified.available_points}".encode()


async def _identify(store: Store, command: IdentifyMember) -> Answer:
    work = partial(perform, run=Run(identify_member, command, _render))
    return await store.write(work, timeout_s=60)


async def _get(store: Store, digits: str) -> Code:
    command = GetCode(KEY, digits)
    return await store.write(
        lambda unit, now_ms: get_code(unit, command, now_ms), reads=command.reads()
    )


async def _void(store: Store, answer: Answer) -> None:
    transaction_id = answer.body.decode().split()[0]

    def work(unit: Unit, now_ms: int) -> None:
        transaction = unit.transaction(transaction_id)
        assert transaction is not None
        void(unit, unit.catalog.programs[PROGRAM_ID], transaction, now_ms)

    await store.write(work)


async def test_network_retry_gets_the_same_bytes(database_url: str) -> None:
    """The same code, store and order again are answered with the first bytes while PENDING."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 1000)
        command = identify_command(await issue(store, loyalty_id, COFFEE))
        first = await _identify(store, command)
        await enroll(store, 1)
        again = await _identify(store, command)
    assert (first.repeated, again.repeated) == (False, True)
    assert again.body == first.body
    assert balances(database_url, loyalty_id) == (200, COFFEE_POINTS)


async def test_retries_at_once_get_the_same_bytes(database_url: str) -> None:
    """A retry that overtakes its first try, on another server even, costs the guest nothing."""
    async with demo_store(database_url) as one, open_store(database_url) as two:
        loyalty_id = await enroll(one, 1000)
        command = identify_command(await issue(one, loyalty_id, COFFEE))
        answers = await asyncio.gather(*(_identify(store, command) for store in (one, two) * 10))
    assert len({answer.body for answer in answers}) == 1
    assert [answer.repeated for answer in answers].count(False) == 1
    assert balances(database_url, loyalty_id) == (200, COFFEE_POINTS)


@pytest.mark.parametrize(
    "change", [{"store_id": 1001}, {"transaction_id": "another"}, {"terminal": "2"}]
)
async def test_second_use_elsewhere_is_refused(database_url: str, change: dict[str, Any]) -> None:
    """A used code is refused at another store or terminal and for another order."""
    async with demo_store(database_url) as store:
        command = identify_command(await issue(store, await enroll(store, 1000), COFFEE))
        await _identify(store, command)
        elsewhere = replace(command, point_of_sale=replace(command.point_of_sale, **change))
        with pytest.raises(CodeAlreadyUsedError):
            await _identify(store, elsewhere)


async def test_second_use_by_another_partner_is_refused(database_url: str) -> None:
    """A used code is refused to another partner, though its till and order are called alike."""
    async with demo_store(database_url) as store:
        command = identify_command(await issue(store, await enroll(store, 1000), COFFEE))
        await _identify(store, command)
        another = replace(command, key=replace(command.key, partner="another"))
        with pytest.raises(CodeAlreadyUsedError):
            await _identify(store, another)


async def test_claim_that_an_older_version_kept_is_retried(database_url: str) -> None:
    """A retry across an upgrade is a retry still, from the same partner and terminal alone."""
    async with demo_store(database_url) as store:
        command = identify_command(await issue(store, await enroll(store, 1000), COFFEE))
        first = await _identify(store, command)
        pos = command.point_of_sale
        order = f"{pos.store_id}/{pos.transaction_id}"
        execute(
            database_url,
            "UPDATE code SET claim_key = :kept, answer = :answer",
            kept=order,
            answer=first.body,
        )
        execute(database_url, "DELETE FROM remembered_answer")
        assert (await _identify(store, command)).body == first.body
        elsewhere = replace(command.point_of_sale, terminal="2")
        with pytest.raises(CodeAlreadyUsedError):
            await _identify(store, replace(command, point_of_sale=elsewhere))


async def test_retry_after_the_transaction_ended_is_refused(database_url: str) -> None:
    """Once its transaction is over, a code is used up for its own order too."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 1000)
        command = identify_command(await issue(store, loyalty_id, COFFEE))
        await _void(store, await _identify(store, command))
        with pytest.raises(CodeAlreadyUsedError):
            await _identify(store, command)
    assert balances(database_url, loyalty_id) == (1000, 0)
    audit(database_url)


async def test_hold_keeps_the_sum_of_transfers(database_url: str) -> None:
    """Available and held points are always, together, what the transfers brought."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 2000)
        for expected in ((1200, 800), (400, 1600)):
            await _identify(store, identify_command(await issue(store, loyalty_id, COFFEE)))
            assert balances(database_url, loyalty_id) == expected
            audit(database_url)
        await _identify(store, identify_command(await issue(store, loyalty_id, COFFEE)))
    assert balances(database_url, loyalty_id) == (400, 1600)
    audit(database_url)


async def test_refused_identify_leaves_the_code_live(database_url: str) -> None:
    """A code that failed at an unknown store works afterwards."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, COFFEE_POINTS)
        digits = await issue(store, loyalty_id, COFFEE)
        command = identify_command(digits)
        nowhere = replace(command, point_of_sale=replace(command.point_of_sale, store_id=5))
        with pytest.raises(StoreNotFoundError):
            await _identify(store, nowhere)
        answer = await _identify(store, command)
    assert not answer.repeated
    assert balances(database_url, loyalty_id) == (0, COFFEE_POINTS)


async def test_selection_that_cannot_be_had_identifies_the_guest(database_url: str) -> None:
    """What there are points for is held; what costs more is listed and not held."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 1000)
        digits = await issue(store, loyalty_id, PARTY_PLATTER, COFFEE)
        command = identify_command(digits)
        done = await _identify(store, command)
    listed = [line.incentive.incentive_id for line in done.result.selection]
    assert listed == [PARTY_PLATTER, COFFEE]
    assert done.result.available_points == 200
    assert balances(database_url, loyalty_id) == (200, COFFEE_POINTS)


async def test_program_may_refuse_a_selection_that_cannot_be_had(database_url: str) -> None:
    """Then nothing is held, and the code stays usable."""
    async with demo_store(database_url) as store:
        await put_program(store, replace(demo_program(), refuse_unusable=True))
        loyalty_id = await enroll(store, 1000)
        command = identify_command(await issue(store, loyalty_id, COFFEE, PARTY_PLATTER))
        with pytest.raises(PointsInsufficientError):
            await _identify(store, command)
        there = replace(command, point_of_sale=replace(command.point_of_sale, store_id=1099))
        with pytest.raises(RewardRefusedError):
            await _identify(store, there)
        assert count_rows(database_url, "loyalty_transaction") == 0
        await put_program(store)
        assert not (await _identify(store, command)).repeated
    assert balances(database_url, loyalty_id) == (200, COFFEE_POINTS)


async def test_offers_hold_nothing(database_url: str) -> None:
    """An offer costs no points, so no transfer is made for it."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store)
        await _identify(store, identify_command(await issue(store, loyalty_id, HASH_BROWN)))
    assert balances(database_url, loyalty_id) == (0, 0)
    assert count_rows(database_url, "transfer") == 0


async def test_selected_reward_that_is_retired_is_not_found(database_url: str) -> None:
    """A reward that was retired after its selection is named, and the code stays unclaimed."""
    async with demo_store(database_url) as store:
        program = demo_program()
        digits = await issue(store, await enroll(store, 1000), COFFEE)
        without = {name: value for name, value in program.incentives.items() if name != COFFEE}
        await put_program(store, replace(program, incentives=without))
        command = identify_command(digits)
        with pytest.raises(RewardNotFoundError) as refusal:
            await _identify(store, command)
        assert refusal.value.incentive_id == COFFEE
        await put_program(store, program)
        assert not (await _identify(store, command)).repeated


async def test_replaced_code_is_not_found(database_url: str) -> None:
    """A newer code ends the member's earlier one, at the till and in the app."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store)
        old = await issue(store, loyalty_id)
        new = await issue(store, loyalty_id)
        with pytest.raises(CodeNotFoundError):
            await _identify(store, identify_command(old))
        with pytest.raises(CodeNotFoundError):
            await _get(store, old)
        assert (await _get(store, new)).loyalty_id == loyalty_id
        await _identify(store, identify_command(new))


async def test_code_of_another_partner_replaces_none(database_url: str) -> None:
    """A thief with another partner's key does not end the code that the guest's app shows."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store)
        own = await issue(store, loyalty_id)
        another = replace(issue_command(loyalty_id), key=replace(KEY, partner="another"))
        old, new = [
            await store.write(lambda unit, now_ms: issue_code(unit, another, now_ms))
            for _ in range(2)
        ]
        with pytest.raises(CodeNotFoundError):
            await _identify(store, identify_command(old.result.digits))
        for digits in (own, new.result.digits):
            await _identify(store, identify_command(digits))


async def test_claimed_code_survives_a_newer_one(database_url: str) -> None:
    """A newer code does not change what became of a code that a till has used."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store)
        command = identify_command(await issue(store, loyalty_id))
        first = await _identify(store, command)
        await issue(store, loyalty_id)
        assert (await _identify(store, command)).body == first.body


@pytest.mark.parametrize(("age_ms", "live"), [(299_999, True), (300_000, False)])
async def test_code_lives_for_its_lifetime(
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    age_ms: int,
    live: bool,  # noqa: FBT001 - a parameter of the case.
) -> None:
    """A code is found until its 300 seconds are over, and not from then on."""
    clock = wall_clock_ms()
    async with demo_store(database_url) as store:
        monkeypatch.setattr("loyalty_service.storage.writer.now_ms", lambda: clock)
        digits = await issue(store, await enroll(store))
        monkeypatch.setattr("loyalty_service.storage.writer.now_ms", lambda: clock + age_ms)
        if live:
            await _get(store, digits)
            await _identify(store, identify_command(digits))
        else:
            with pytest.raises(CodeNotFoundError):
                await _get(store, digits)
            with pytest.raises(CodeNotFoundError):
                await _identify(store, identify_command(digits))


async def test_expired_code_is_not_found_by_a_clock_that_is_behind(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one server's sweeper has expired is gone, also by the clock of a server behind it."""
    async with demo_store(database_url) as store:
        digits = await issue(store, await enroll(store))
        now = wall_clock_ms()
        monkeypatch.setattr("loyalty_service.storage.writer.now_ms", lambda: now + 600_000)
        assert (await sweep(store)).codes == 1
        monkeypatch.undo()
        with pytest.raises(CodeNotFoundError):
            await _identify(store, identify_command(digits))
    assert count_rows(database_url, "loyalty_transaction") == 0


async def test_digits_of_a_dead_code_are_drawn_again(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live digits are never drawn again; those of an expired code are, for another member."""
    clock = wall_clock_ms()
    drawn = iter(["314159", "314159", "271828", "314159"])
    monkeypatch.setattr(
        "loyalty_service.application.codes.issue_code.new_code", lambda: next(drawn)
    )
    monkeypatch.setattr("loyalty_service.storage.writer.now_ms", lambda: clock)
    async with demo_store(database_url) as store:
        one, two = await enroll(store), await enroll(store)
        assert await issue(store, one) == "314159"
        assert await issue(store, two) == "271828"
        monkeypatch.setattr("loyalty_service.storage.writer.now_ms", lambda: clock + 300_000)
        assert await issue(store, two) == "314159"
        assert (await _get(store, "314159")).loyalty_id == two
        await _identify(store, identify_command("314159"))
    assert count_rows(database_url, "code") == 2


async def test_simultaneous_issues_leave_one_live_code(database_url: str) -> None:
    """However many codes are issued for a member at once, on two servers, one is live."""
    async with demo_store(database_url, tireless_program()) as one, open_store(database_url) as two:
        loyalty_id = await enroll(one)
        issued = await asyncio.gather(*(issue(store, loyalty_id) for store in (one, two) * 15))
        outcomes = await asyncio.gather(
            *(_identify(one, identify_command(digits)) for digits in issued),
            return_exceptions=True,
        )
    assert len(set(issued)) == 30
    assert sum(isinstance(outcome, Answer) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, CodeNotFoundError) for outcome in outcomes) == 29
    assert len(rows(database_url, "SELECT 1 FROM code WHERE status = 1")) == 0


async def test_issue_and_identify_at_once_agree(database_url: str) -> None:
    """A code that is shown while its successor is issued is either claimed or replaced."""
    async with demo_store(database_url, tireless_program()) as one, open_store(database_url) as two:
        loyalty_id = await enroll(one, 100 * COFFEE_POINTS)
        claimed = 0
        for _ in range(10):
            digits = await issue(one, loyalty_id, COFFEE)
            outcome, _new = await asyncio.gather(
                _identify(one, identify_command(digits)),
                issue(two, loyalty_id),
                return_exceptions=True,
            )
            assert isinstance(outcome, Answer | CodeNotFoundError)
            claimed += isinstance(outcome, Answer)
    assert len(rows(database_url, "SELECT 1 FROM code WHERE status = 1")) == 1
    assert balances(database_url, loyalty_id) == (
        (100 - claimed) * COFFEE_POINTS,
        claimed * COFFEE_POINTS,
    )
    audit(database_url)


async def test_mixed_batch_answers_every_call(database_url: str) -> None:
    """Calls of all kinds about one member, in one batch, are each answered in its own words."""
    async with demo_store(database_url) as store:
        loyalty_id = await enroll(store, 1000)
        digits = await issue(store, loyalty_id, COFFEE)
        async with writers_busy(store):
            tasks: list[asyncio.Task[Any]] = [
                asyncio.create_task(work)
                for work in (
                    _identify(store, identify_command(digits)),
                    _identify(store, identify_command(digits)),
                    _identify(store, identify_command(loyalty_id)),
                    store.write(lambda u, t: issue_code(u, issue_command(loyalty_id, COFFEE), t)),
                    _identify(store, identify_command("not one")),
                )
            ]
            await asyncio.sleep(0)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(outcome, LoyaltyError) for outcome in outcomes] == [
            False,
            True,
            False,
            False,
            True,
        ]
        async with store.read() as reader:
            assert await reader.imbalance() == 0
    audit(database_url)
