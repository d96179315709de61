"""Members who are merged into others, and parted again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from loyalty_service.application.codes.issue_code import issue_code
from loyalty_service.application.incentives.redeem_promo_code import RedeemPromoCode
from loyalty_service.application.members.block_member import BlockMember, block_member
from loyalty_service.application.members.erase_member import EraseMember, erase_member
from loyalty_service.application.members.export_member import ExportMember, Part, export_member
from loyalty_service.application.members.merge_members import MergeMembers, merge_members
from loyalty_service.application.members.search_members import SearchMembers, search_members
from loyalty_service.application.members.unmerge_members import UnmergeMembers, unmerge_members
from loyalty_service.application.members.update_member import UpdateMember, update_member
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.application.orders.report_order import report_order
from loyalty_service.application.perform import Keyed, Run, perform
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.clock import now_ms, set_ahead_ms
from loyalty_service.domain.errors import (
    LoyaltyError,
    MemberNotFoundError,
    PromoCodeAlreadyRedeemedError,
    RequestInvalidError,
)
from loyalty_service.domain.expiry import Expiry, ExpiryPolicy
from loyalty_service.domain.grants import Grant
from loyalty_service.domain.identifiers import IdentifierKind, new_id
from loyalty_service.domain.merges import UNMERGE_DAYS
from loyalty_service.domain.peppers import Peppers
from loyalty_service.domain.program import Program
from loyalty_service.program_file.goal_records import goals_from_json, tier_from_json
from loyalty_service.sandbox.demo_data import promo_codes_of
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.archive import archive
from loyalty_service.storage.tools.audit import audit as find_problems
from loyalty_service.storage.tools.make_checkpoint import make_checkpoint
from tests.support.doing import adjust_points, create_promo_codes, redeem_promo_code
from tests.support.ledger import audit, balances, rows
from tests.support.orders import (
    CLAIMED,
    COFFEE,
    DAY_MS,
    PENDING,
    Till,
    basket,
    item,
    report,
    reward,
)
from tests.support.programs import (
    KEY,
    PROGRAM_ID,
    demo_program,
    enroll,
    identify_command,
    issue_command,
    put_program,
)
from tests.support.stores import PEPPER, demo_store

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def _audited(database_url: str) -> Iterator[None]:
    """Let all that rows promise hold after each test, and set the clock back."""
    yield
    set_ahead_ms(0)
    findings = find_problems(Database.from_text(database_url))
    assert findings.all_hold, [*map(str, findings.problems)]


def holds(database_url: str) -> None:
    """Require that nothing is wrong."""
    audit(database_url)
    findings = find_problems(Database.from_text(database_url))
    assert findings.all_hold, [*map(str, findings.problems)]


async def do(till: Till, use_case: Any, command: Any, key: str | None = None) -> Any:
    """Run a use case as an operator does, at the till's time."""
    keyed = None if key is None else Keyed("s", key, use_case.__name__, repr(command).encode())
    run = Run(use_case, command, render=lambda result: repr(result).encode(), keyed=keyed)
    return await till.store.write(
        lambda unit, _: perform(unit, till.now_ms, run), reads=command.reads()
    )


async def merge(till: Till, into: str, merged: str, key: str | None = None) -> Any:
    """Merge a member into another."""
    command = MergeMembers(PROGRAM_ID, into, merged, "Enrolled twice")
    return await do(till, merge_members, command, key)


async def unmerge(till: Till, into: str, merged: str) -> Any:
    """Part them again."""
    return await do(till, unmerge_members, UnmergeMembers(PROGRAM_ID, into, merged, "Mistake"))


async def wrong(work: Any) -> dict[str, str]:
    """Tell which fields a call is refused for."""
    with pytest.raises(RequestInvalidError) as refused:
        await work
    return {one.field: one.message for one in refused.value.violations}


async def pay(till: Till, guest: str, *lines: Any) -> str:
    """Pay an order; return its transaction."""
    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, basket(*(lines or (item(1000),))))
    return transaction


async def take(till: Till, guest: str, points: int) -> None:
    """Give a guest points, or take some."""
    command = AdjustPoints(PROGRAM_ID, guest, points, "note", beyond_limits=True, allow_debt=True)
    await till.store.write(lambda unit, now: adjust_points(unit, command, now))


def owed(database_url: str, guest: str) -> int:
    """Read what a guest owes."""
    found = rows(
        database_url,
        "SELECT -balance AS owed FROM account JOIN member ON number = member_number "
        "WHERE kind = 7 AND loyalty_id = :guest",
        guest=guest,
    )
    return found[0].owed if found else 0


async def test_whoever_is_shown_is_the_one_who_goes_on(till: Till, database_url: str) -> None:
    """Points are theirs together, and an order by the merged loyalty ID earns for the other."""
    one, two = await enroll(till.store, 300), await enroll(till.store, 200)
    await merge(till, one, two)
    assert (balances(database_url, one), balances(database_url, two)) == ((500, 0), (0, 0))
    told = await till.call(identify_member, identify_command(two.upper()))
    assert told.result.member.loyalty_id == one
    assert told.result.available_points == 500
    done = await till.update(told.result.transaction_id, CLAIMED, basket(item(1000)))
    assert balances(database_url, one) == (500 + done.result.earned_points, 0)
    async with till.store.read() as reader:
        member = await reader.member(PROGRAM_ID, two)
    assert member is not None
    assert member.loyalty_id == one


async def test_orders_of_before_are_voided_for_the_one_who_goes_on(
    till: Till, database_url: str
) -> None:
    """What it earned goes from them, and what it burned comes back to them."""
    one, two = await enroll(till.store, 100), await enroll(till.store, 2000)
    transaction = await pay(till, two, item(1000), reward(COFFEE))
    await merge(till, one, two)
    await till.void(transaction)
    assert balances(database_url, one) == (2100, 0)
    await unmerge(till, one, two)
    assert (balances(database_url, one), balances(database_url, two)) == ((100, 0), (2000, 0))


async def test_open_order_is_paid_by_the_till_that_knows_the_merged_one(
    till: Till, database_url: str
) -> None:
    """It goes on with what it holds, whichever of the two its till names."""
    one, two = await enroll(till.store, 100), await enroll(till.store, 2000)
    transaction = await till.identify(two)
    await till.update(transaction, PENDING, basket(item(1000), reward(COFFEE)))
    held = balances(database_url, two)[1]
    assert held > 0
    await merge(till, one, two)
    assert balances(database_url, one) == (2100 - held, held)
    assert "open" in str(await wrong(unmerge(till, one, two)))
    order = report(transaction, CLAIMED, basket(item(1000), reward(COFFEE)))
    done = await till.call(report_order, replace(order, loyalty_id=two))
    assert done.result.redeemed_points == held
    await unmerge(till, one, two)
    assert balances(database_url, one) == (100 + done.result.earned_points, 0)
    assert balances(database_url, two) == (2000 - held, 0)
    await till.void(transaction)


async def test_code_of_the_merged_one_is_the_others(till: Till, database_url: str) -> None:
    """It is taken with what it selects; a newer code of theirs takes its place."""
    one, two = await enroll(till.store, 2000), await enroll(till.store, 100)
    issued = await till.call(issue_code, issue_command(two, COFFEE))
    late = (await till.call(issue_code, issue_command(one))).result.digits
    await merge(till, one, two)
    told = await till.call(identify_member, identify_command(issued.result.digits))
    assert told.result.member.loyalty_id == one
    assert len(told.result.selection) == 1
    await till.call(issue_code, issue_command(two))
    with pytest.raises(LoyaltyError):
        await till.call(identify_member, identify_command(late))
    await till.void(told.result.transaction_id)
    await unmerge(till, one, two)
    assert (balances(database_url, one), balances(database_url, two)) == ((2000, 0), (100, 0))


async def test_what_was_spent_was_the_others_first(till: Till, database_url: str) -> None:
    """Parted, the merged one has what it brought, as far as there is as much."""
    one, two = await enroll(till.store, 300), await enroll(till.store, 200)
    await merge(till, one, two)
    await take(till, two, -250)
    await unmerge(till, one, two)
    assert (balances(database_url, one), balances(database_url, two)) == ((50, 0), (200, 0))
    await merge(till, one, two)
    await take(till, one, -150)
    answer = await unmerge(till, one, two)
    assert answer.result.points == 100
    assert (balances(database_url, one), balances(database_url, two)) == ((0, 0), (100, 0))


@pytest.mark.parametrize(("first", "second"), [(-300, 500), (500, -300), (-100, -200), (200, -500)])
async def test_what_one_owes_the_other_pays(
    till: Till, database_url: str, first: int, second: int
) -> None:
    """Together they have or owe the sum; parted, each has what was theirs."""
    one, two = await enroll(till.store), await enroll(till.store)
    await take(till, one, first)
    await take(till, two, second)
    await merge(till, one, two)
    together = first + second
    assert balances(database_url, one)[0] == max(together, 0)
    assert owed(database_url, one) == max(-together, 0)
    assert (balances(database_url, two), owed(database_url, two)) == ((0, 0), 0)
    holds(database_url)
    await unmerge(till, one, two)
    back = second if second < 0 else min(second, max(together, 0))
    assert balances(database_url, two)[0] - owed(database_url, two) == back
    assert balances(database_url, one)[0] - owed(database_url, one) == together - back


async def test_who_cannot_be_merged_is_named_by_field(till: Till) -> None:
    """Each obstacle is told for the member that it is of."""
    one, two, three, four = [await enroll(till.store, 10) for _ in range(4)]
    assert await wrong(merge(till, one, one.upper())) == {
        "merged_loyalty_id": "must be another member than loyalty_id"
    }
    for pair in ((one, NOBODY), (NOBODY, one)):
        with pytest.raises(MemberNotFoundError) as refused:
            await merge(till, *pair)
        assert refused.value.loyalty_id == NOBODY
    await do(till, block_member, BlockMember(PROGRAM_ID, two, Blocked.EARN, "Fraud"))
    blocked = "is blocked: lift the block first"
    assert await wrong(merge(till, one, two)) == {"merged_loyalty_id": blocked}
    assert await wrong(merge(till, two, one)) == {"loyalty_id": blocked}
    assert "not merged" in str(await wrong(unmerge(till, one, three)))
    await merge(till, one, three)
    merged = "was merged into another member already"
    assert await wrong(merge(till, four, three)) == {"merged_loyalty_id": merged}
    assert await wrong(merge(till, three, four)) == {"loyalty_id": merged}
    assert "other way round" in str(await wrong(merge(till, four, one)))
    await do(till, erase_member, EraseMember(PROGRAM_ID, four, "Asked"))
    with pytest.raises(MemberNotFoundError):
        await merge(till, one, four)


async def test_same_key_merges_once(till: Till, database_url: str) -> None:
    """The answer comes again, and nothing moves."""
    one, two = await enroll(till.store, 10), await enroll(till.store, 20)
    first = await merge(till, one, two, "key")
    again = await merge(till, one, two, "key")
    assert (first.body, again.repeated) == (again.body, True)
    assert len(rows(database_url, "SELECT 1 FROM member_merge")) == 1


async def test_merge_ends_being_undone(till: Till) -> None:
    """After its days it stays."""
    one, two = await enroll(till.store, 10), await enroll(till.store, 20)
    await merge(till, one, two)
    till.now_ms += UNMERGE_DAYS * DAY_MS + 1
    assert "days ago" in str(await wrong(unmerge(till, one, two)))


async def test_both_are_told_of_with_what_they_had(till: Till, database_url: str) -> None:
    """An event for each, with the reason, the other's ID, and the points before and after."""
    one, two = await enroll(till.store, 10), await enroll(till.store, 20)
    await merge(till, one, two)
    await unmerge(till, one, two)
    told = rows(
        database_url,
        "SELECT kind, loyalty_id, reason, detail FROM event JOIN member ON number = member_number "
        "WHERE kind IN (7, 8) ORDER BY event_id",
    )
    assert [(row.kind, row.loyalty_id) for row in told] == [(7, one), (7, two), (8, one), (8, two)]
    details = [json.loads(row.detail) for row in told]
    assert all((one_of["into"], one_of["merged"]) == (one, two) for one_of in details)
    points = [(one_of["before"]["available"], one_of["after"]["available"]) for one_of in details]
    assert points == [(10, 30), (20, 0), (30, 10), (0, 20)]


def aging(policy: ExpiryPolicy) -> Program:
    """Describe the demo program with points that go after 30 days."""
    return replace(demo_program(), expiry=Expiry(policy, days=30))


def buckets(database_url: str) -> list[tuple[str, str, int]]:
    """Read who has how many points, and until when."""
    found = rows(
        database_url,
        "SELECT loyalty_id, last_day, sum(points) AS points FROM bucket "
        "JOIN member ON number = member_number WHERE points > 0 "
        "GROUP BY loyalty_id, last_day ORDER BY last_day, loyalty_id",
    )
    return [(row.loyalty_id, row.last_day, int(row.points)) for row in found]


async def test_points_keep_the_day_on_which_they_go(till: Till, database_url: str) -> None:
    """They do in one account, in another, and back again; what is spent is what goes first."""
    await put_program(till.store, aging(ExpiryPolicy.ISSUE_DATE))
    one, two = await enroll(till.store), await enroll(till.store)
    await take(till, two, 200)
    set_ahead_ms(10 * DAY_MS)
    till.now_ms = now_ms()
    await take(till, one, 100)
    before = buckets(database_url)
    await merge(till, one, two)
    holds(database_url)
    assert buckets(database_url) == [(one, day, points) for _, day, points in before]
    await take(till, one, -50)
    assert buckets(database_url)[0][2] == 150
    await unmerge(till, one, two)
    first, *others = buckets(database_url)
    assert first == (two, before[0][1], 150)
    assert sorted(others) == sorted([(one, before[1][1], 50), (two, before[1][1], 50)])
    assert (balances(database_url, one), balances(database_url, two)) == ((50, 0), (200, 0))


async def test_points_that_went_meanwhile_do_not_come_back(till: Till, database_url: str) -> None:
    """A day that is over is over for both."""
    await put_program(till.store, aging(ExpiryPolicy.ISSUE_DATE))
    one, two = await enroll(till.store), await enroll(till.store)
    till.now_ms = now_ms()
    await take(till, two, 200)
    set_ahead_ms(20 * DAY_MS)
    till.now_ms = now_ms()
    await take(till, one, 100)
    await merge(till, one, two)
    set_ahead_ms(35 * DAY_MS)
    till.now_ms = now_ms()
    await unmerge(till, one, two)
    assert (balances(database_url, one), balances(database_url, two)) == ((100, 0), (0, 0))


async def test_activity_moves_the_day_of_what_was_brought(till: Till, database_url: str) -> None:
    """Where all of a member's points go together, those of both do."""
    await put_program(till.store, aging(ExpiryPolicy.INACTIVITY))
    one, two = await enroll(till.store, 100), await enroll(till.store, 200)
    till.now_ms = now_ms()
    await merge(till, one, two)
    set_ahead_ms(10 * DAY_MS)
    till.now_ms = now_ms()
    await pay(till, two)
    assert len(buckets(database_url)) == 1
    await unmerge(till, one, two)
    assert balances(database_url, two) == (200, 0)


async def test_order_with_points_of_both_is_voided_after_parting(
    till: Till, database_url: str
) -> None:
    """What it burned comes back to whose order it is, in the buckets that are theirs."""
    await put_program(till.store, aging(ExpiryPolicy.ISSUE_DATE))
    one, two = await enroll(till.store, 1000), await enroll(till.store, 1000)
    earlier = await pay(till, two, item(1000), reward(COFFEE))
    await merge(till, one, two)
    later = await pay(till, two, item(1000), reward(COFFEE))
    holds(database_url)
    await unmerge(till, one, two)
    holds(database_url)
    await till.void(earlier)
    await till.void(later)
    assert balances(database_url, one)[0] + balances(database_url, two)[0] == 2000


GOAL = {"id": "three", "name": "Three", "count": "visits", "target": 3, "gives": {"points": 500}}


async def with_goals(till: Till, *goals: dict[str, Any]) -> None:
    """Let an operator describe goals and two tiers."""
    tiers = ({"id": "green", "name": "Green"}, {"id": "gold", "name": "Gold", "months": 12})
    program = replace(
        demo_program(),
        promotions={},
        goals=goals_from_json(list(goals), {}),
        tiers={tier["id"]: tier_from_json(tier) for tier in tiers},
    )
    await put_program(till.store, program)


async def reached(till: Till, guest: str) -> int:
    """Pay an order; tell what goals gave."""
    transaction = await till.identify(guest)
    done = await till.update(transaction, CLAIMED, basket(item(100)))
    points: int = done.result.reached.points
    return points


async def test_goals_count_what_both_ordered(till: Till, database_url: str) -> None:
    """Two visits of one and one of the other make three; parted, each counts alone again."""
    await with_goals(till, GOAL)
    one, two = await enroll(till.store), await enroll(till.store)
    assert [await reached(till, who) for who in (one, two)] == [0, 0]
    till.now_ms += DAY_MS
    await merge(till, one, two)
    assert await reached(till, two) == 500
    holds(database_url)
    await unmerge(till, one, two)
    holds(database_url)
    assert [await reached(till, two) for _ in range(2)] == [0, 500]


async def test_goal_is_lost_with_an_order_of_the_merged_one(till: Till) -> None:
    """An award of before goes from the one who goes on."""
    await with_goals(till, GOAL)
    one, two = await enroll(till.store, 600), await enroll(till.store)
    first = await pay(till, two)
    assert [await reached(till, two) for _ in range(2)] == [0, 500]
    await merge(till, one, two)
    done = await till.void(first)
    assert done.result.reached.points == -500
    await unmerge(till, one, two)


async def test_tier_of_one_is_theirs(till: Till) -> None:
    """The better tier of two holds, until they part."""
    await with_goals(till, GOAL | {"gives": {"tier": "gold"}})
    one, two = await enroll(till.store), await enroll(till.store)
    for _ in range(3):
        await reached(till, two)
    await merge(till, one, two)

    async def tier(guest: str) -> str:
        found = await till.store.write(
            lambda unit, _: unit.member(PROGRAM_ID, guest).tiers[0].tier_id  # type: ignore[union-attr]
        )
        return str(found)

    assert await tier(one) == "gold"
    await unmerge(till, one, two)
    assert [await tier(one), await tier(two)] == ["green", "gold"]


async def test_erasing_one_erases_both(till: Till, database_url: str) -> None:
    """Nothing of either is left, by whichever ID they are erased."""
    one, two = await enroll(till.store, 10), await enroll(till.store, 20)
    given = (("email", "two@example.com"), ("phone", "+14165550123"))
    await do(till, update_member, UpdateMember(PROGRAM_ID, two, given))
    await merge(till, one, two)
    await do(till, erase_member, EraseMember(PROGRAM_ID, two, "Asked"))
    assert rows(database_url, "SELECT 1 FROM member WHERE name <> 'erased'") == []
    assert rows(database_url, "SELECT 1 FROM member_term") == []
    assert rows(database_url, "SELECT 1 FROM member_email") == []
    with pytest.raises(MemberNotFoundError):
        await unmerge(till, one, two)


async def test_phone_of_the_merged_one_identifies_the_other(till: Till) -> None:
    """So it does where both gave the same number."""
    program = replace(
        demo_program(),
        identifier_kinds=frozenset(IdentifierKind),
        redeem_by_loyalty_id=False,
    )
    await put_program(till.store, program)
    one, two = await enroll(till.store, 10), await enroll(till.store, 20)
    await do(till, update_member, UpdateMember(PROGRAM_ID, two, (("phone", "+14165550123"),)))
    await merge(till, one, two)
    await do(till, update_member, UpdateMember(PROGRAM_ID, one, (("phone", "+14165550123"),)))
    told = await till.call(identify_member, identify_command("+14165550123"))
    assert told.result.member.loyalty_id == one


async def test_grant_of_the_merged_one_is_used_by_the_other(till: Till, database_url: str) -> None:
    """What is left of it goes back when they part."""
    one, two = await enroll(till.store), await enroll(till.store)
    number = rows(database_url, "SELECT number FROM member WHERE loyalty_id = :id", id=two)[
        0
    ].number
    grant = Grant(
        grant_id=new_id(till.now_ms),
        program_id=PROGRAM_ID,
        member_number=number,
        incentive_id=COFFEE,
        origin="test",
        uses=2,
        used=0,
        first_day=date(2020, 1, 1).isoformat(),
        last_day=date(2099, 1, 1).isoformat(),
        given_ms=till.now_ms,
        activated_ms=None,
        withdrawn_ms=None,
    )
    await till.store.write(lambda unit, _: unit.add(grant))
    await merge(till, one, two)

    async def left(guest: str) -> int:
        def work(unit: Any, _: int) -> int:
            member = unit.member(PROGRAM_ID, guest)
            return sum(one.left for one in unit.grants(member, {COFFEE}, "2026-01-01"))

        return await till.store.write(work)

    assert await left(one) == 2
    await unmerge(till, one, two)
    assert [await left(one), await left(two)] == [0, 2]


async def test_several_are_merged_into_one(till: Till, database_url: str) -> None:
    """They part in any order, each with their own."""
    guests = [await enroll(till.store, 10 * (number + 1)) for number in range(4)]
    for guest in guests[1:]:
        await pay(till, guest)
        await merge(till, guests[0], guest)
    for guest in (guests[2], guests[3], guests[1]):
        await unmerge(till, guests[0], guest)
    assert [balances(database_url, guest)[0] for guest in guests[:1]] == [10]


async def test_merged_again_into_another(till: Till, database_url: str) -> None:
    """Orders go where their member goes, and the ledger tells of all three."""
    one, two, three = [await enroll(till.store, 100) for _ in range(3)]
    order = await pay(till, three, item(1000))
    await merge(till, one, three)
    await unmerge(till, one, three)
    await merge(till, two, three)
    await till.void(order)
    holds(database_url)
    assert balances(database_url, two) == (200, 0)


async def test_old_details_find_the_one_who_goes_on(till: Till) -> None:
    """A search by what only the merged one has, or by both, tells of the other once."""
    one, two = await enroll(till.store, 10), await enroll(till.store, 20)
    for guest, name in ((one, "Maya Torres"), (two, "Maya Smith")):
        await do(till, update_member, UpdateMember(PROGRAM_ID, guest, (("name", name),)))
    await merge(till, one, two)
    for words in ("smith", "maya", two):
        command = SearchMembers(PROGRAM_ID, words, frozenset(), by_loyalty_id=False, exact=False)
        async with till.store.read() as reader:
            page = await search_members(reader, command)
        assert [(found.loyalty_id, found.balance) for found in page.members] == [(one, 30)]


async def test_export_has_both_accounts(till: Till) -> None:
    """By either loyalty ID it has the transfers, the details and the merge of both."""
    one, two = await enroll(till.store, 10), await enroll(till.store, 20)
    await merge(till, one, two)
    async with till.store.read() as reader:
        page = await export_member(reader, ExportMember(PROGRAM_ID, two, 200))
    kinds = [record.kind for record in page.records]
    assert kinds.count(Part.TRANSFERS) == 3
    assert kinds.count(Part.MERGES) == 1
    told = {
        record.kind: record.values["loyaltyId"]
        for record in page.records
        if record.kind in {Part.MEMBER, Part.MERGED}
    }
    assert told == {Part.MEMBER: one, Part.MERGED: two}


async def test_promo_code_is_used_once_by_both(till: Till) -> None:
    """What the merged one has used is used."""
    codes = promo_codes_of(PROGRAM_ID)
    await till.store.write(lambda unit, now: create_promo_codes(unit, codes, now))
    one, two = await enroll(till.store), await enroll(till.store)

    async def use(guest: str, number: str) -> None:
        command = RedeemPromoCode(KEY, guest, codes.codes[0], 9999, "1", number)
        await till.store.write(lambda unit, now: redeem_promo_code(unit, command, now))

    await use(two, "1")
    await merge(till, one, two)
    with pytest.raises(PromoCodeAlreadyRedeemedError):
        await use(one, "2")


async def test_merge_stays_once_transfers_are_archived(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What undoing it is computed from has left; orders of both go on, and the ledger holds."""
    monkeypatch.setattr("loyalty_service.storage.tools.make_checkpoint.SETTLED_MS", -DAY_MS)
    async with demo_store(database_url) as store:
        till = Till(store, now_ms=now_ms())
        one, two = await enroll(store, 100), await enroll(store, 2000)
        order = await pay(till, two, item(1000), reward(COFFEE))
        await merge(till, one, two)
        await pay(till, two)
        await pay(till, one)
        peppers, database = Peppers(PEPPER), Database.from_text(database_url)
        make_checkpoint(database, peppers, before_ms=now_ms() + DAY_MS)
        archive(database, tmp_path / "archive", peppers)
        assert "archived" in str(await wrong(unmerge(till, one, two)))
        await till.void(order)
