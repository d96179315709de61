"""Members who are kept from earning, from redeeming, or from both."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from loyalty_service.application.codes.issue_code import issue_code
from loyalty_service.application.incentives.redeem_promo_code import RedeemPromoCode
from loyalty_service.application.members.block_member import BlockMember, block_member
from loyalty_service.application.members.erase_member import EraseMember, erase_member
from loyalty_service.application.members.update_member import UpdateMember, update_member
from loyalty_service.application.orders.claim_receipt import ClaimReceipt
from loyalty_service.application.perform import Run, perform
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.errors import (
    EmailTakenError,
    MemberBlockedError,
    MemberNotFoundError,
    RequestInvalidError,
)
from loyalty_service.domain.records import Member
from loyalty_service.storage.store import Store
from tests.support.doing import claim_receipt, redeem_promo_code
from tests.support.ledger import balances, rows
from tests.support.orders import CLAIMED, COFFEE, PENDING, Till, basket, item, reward
from tests.support.programs import KEY, PROGRAM_ID, demo_program, enroll, issue_command, put_program

NOBODY = "00000000-0000-4000-8000-000000000000"


async def do(store: Store, use_case: Any, command: Any) -> Member:
    """Run a use case about a member as an operator does."""
    answer = await store.write(
        lambda unit, now: perform(unit, now, Run(use_case, command)), reads=command.reads()
    )
    member: Member = answer.result
    return member


async def block(store: Store, guest: str, blocked: Blocked, reason: str = "Fraud") -> Member:
    """Block a member, or lift it."""
    return await do(store, block_member, BlockMember(PROGRAM_ID, guest, blocked, reason))


def flags(till: Till) -> dict[str, int]:
    """Count what was flagged, by reason."""
    counted = till.store.stats().flags
    return {reason: n for (kind, reason), n in counted.items() if n and kind == "member_blocked"}


async def test_paid_order_of_who_may_not_earn_is_recorded_and_earns_nothing(
    till: Till, database_url: str
) -> None:
    """The guest has paid: the order is there, flagged, and gives no point."""
    guest = await enroll(till.store)
    transaction = await till.identify(guest)
    await block(till.store, guest, Blocked.EARN)
    before = balances(database_url, guest)
    done = await till.update(transaction, CLAIMED, basket(item(1000)))
    assert done.result.earned_points == 0
    assert balances(database_url, guest) == before
    assert flags(till) == {"earn": 1}


async def test_who_may_not_redeem_earns(till: Till) -> None:
    """A reward is refused by name, until the block is lifted; what is bought earns."""
    guest = await enroll(till.store, 2000)
    await block(till.store, guest, Blocked.REDEEM)
    transaction = await till.identify(guest)
    with pytest.raises(MemberBlockedError) as refused:
        await till.update(transaction, PENDING, basket(item(1000), reward(COFFEE)))
    assert refused.value.blocked == "redeem"
    done = await till.update(transaction, CLAIMED, basket(item(1000)))
    assert done.result.earned_points > 0
    await block(till.store, guest, Blocked.NOTHING, "It was a mistake")
    transaction = await till.identify(guest)
    done = await till.update(transaction, CLAIMED, basket(item(1000), reward(COFFEE)))
    assert done.result.redeemed_points > 0


async def test_what_was_accepted_before_is_honoured(till: Till) -> None:
    """The kitchen has begun: an order that was accepted with a reward is claimed with it."""
    guest = await enroll(till.store, 2000)
    transaction = await till.identify(guest)
    await till.update(transaction, PENDING, basket(item(1000), reward(COFFEE)))
    await block(till.store, guest, Blocked.BOTH)
    done = await till.update(transaction, CLAIMED, basket(item(1000), reward(COFFEE)))
    assert done.result.redeemed_points > 0
    assert done.result.earned_points == 0


async def test_who_may_do_nothing_is_refused_by_name(till: Till) -> None:
    """Neither a code nor a receipt nor a promo code is for them; their orders are recorded."""
    guest = await enroll(till.store)
    await block(till.store, guest, Blocked.BOTH)
    with pytest.raises(MemberBlockedError) as refused:
        await till.call(issue_code, issue_command(guest))
    assert refused.value.blocked == "both"
    transaction = await till.identify(guest)
    done = await till.update(transaction, CLAIMED, basket(item(1000)))
    assert done.result.earned_points == 0
    for use_case, command in (
        (claim_receipt, ClaimReceipt(KEY, guest, "x" * 12)),
        (redeem_promo_code, RedeemPromoCode(KEY, guest, "SPRING", 9999, None, None)),
    ):
        with pytest.raises(MemberBlockedError):
            await till.store.write(lambda unit, now, do=use_case, what=command: do(unit, what, now))


async def test_block_is_an_event_with_before_and_after(till: Till, database_url: str) -> None:
    """Who did it, why, and what was said before; the same again adds none."""
    guest = await enroll(till.store)
    for blocked in (Blocked.EARN, Blocked.EARN, Blocked.BOTH, Blocked.NOTHING, Blocked.NOTHING):
        await block(till.store, guest, blocked)
    told = rows(
        database_url,
        "SELECT kind, before_state, after_state FROM event WHERE kind IN (4, 5) ORDER BY event_id",
    )
    assert sorted(map(tuple, told)) == [(4, 0, 1), (4, 1, 3), (5, 3, 0)]


async def test_who_was_erased_is_blocked(till: Till) -> None:
    """An order that was open is recorded, flagged, and earns nothing for nobody."""
    guest = await enroll(till.store)
    transaction = await till.identify(guest)
    await do(till.store, erase_member, EraseMember(PROGRAM_ID, guest, "Asked"))
    done = await till.update(transaction, CLAIMED, basket(item(1000)))
    assert done.result.earned_points == 0
    assert flags(till) == {"both": 1}
    with pytest.raises(MemberNotFoundError):
        await block(till.store, guest, Blocked.EARN)


def update(guest: str, **given: str) -> UpdateMember:
    """Say what to change."""
    return UpdateMember(PROGRAM_ID, guest, tuple(given.items()), "ticket 7")


async def test_update_changes_what_is_given(till: Till, database_url: str) -> None:
    """The rest stays, an empty text takes a value away, and the event has no values."""
    guest = await enroll(till.store)
    await do(
        till.store,
        update_member,
        update(guest, name="Ada", email="Ada@Example.com", phone="+14165550123", card="A1"),
    )
    member = await do(till.store, update_member, update(guest, phone="", birth_date="1990-02-28"))
    assert (member.name, member.email, member.phone, member.card, member.birth_date) == (
        "Ada",
        "Ada@Example.com",
        None,
        "A1",
        "1990-02-28",
    )
    await do(till.store, update_member, update(guest, name="Ada"))
    told = rows(
        database_url, "SELECT detail, reason FROM event WHERE kind = 3 ORDER BY recorded_ms"
    )
    assert [json.loads(row.detail) for row in told] == [
        ["card", "email", "name", "phone"],
        ["birth_date", "phone"],
    ]
    assert {row.reason for row in told} == {"ticket 7"}


async def test_update_takes_what_an_enrolment_takes(till: Till) -> None:
    """A day that is none and a language that nobody writes are refused, and nobody is nobody."""
    guest = await enroll(till.store)
    for wrong in ({"birth_date": "2021-02-29"}, {"locale": "tlh"}):
        with pytest.raises(RequestInvalidError):
            await do(till.store, update_member, update(guest, **wrong))
    with pytest.raises(MemberNotFoundError):
        await do(till.store, update_member, update(NOBODY, name="X"))


async def test_address_of_another_is_refused_and_one_that_was_left_is_free(till: Till) -> None:
    """Where members may not share an address, a change may not take another's."""
    await put_program(till.store, replace(demo_program(), shared_email="refuse"))
    one, other = await enroll(till.store), await enroll(till.store)
    await do(till.store, update_member, update(one, email="Zoe@example.com"))
    with pytest.raises(EmailTakenError):
        await do(till.store, update_member, update(other, email="zoe@EXAMPLE.com"))
    await do(till.store, update_member, update(one, email="zoe@EXAMPLE.com"))
    await do(till.store, update_member, update(one, email=""))
    await do(till.store, update_member, update(other, email="zoe@example.com"))
    with pytest.raises(EmailTakenError):
        await do(till.store, update_member, update(one, email="zoe@example.com"))
