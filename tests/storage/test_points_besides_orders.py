"""Points that partners and promo codes give beside orders, and what a search finds of a member."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from loyalty_service.application.incentives.redeem_promo_code import (
    AGAIN_MS,
    RedeemPromoCode,
    redeem_promo_code,
)
from loyalty_service.application.members.assign_points import (
    AssignPoints,
    assign_points,
    short_id,
)
from loyalty_service.application.operators.promo_codes import (
    CreatePromoCodes,
    PromoCodeTakenError,
    PromoCodeUnusedError,
    ReleasePromoCode,
)
from loyalty_service.application.orders.search_transactions import (
    SearchTransactions,
    search_transactions,
)
from loyalty_service.domain.clock import now_ms
from loyalty_service.domain.codes import plain_promo_code
from loyalty_service.domain.errors import (
    AmountBeyondLimitError,
    LimitExceededError,
    MemberNotFoundError,
    PointsInsufficientError,
    PromoCodeAlreadyRedeemedError,
    PromoCodeInvalidError,
    PromoCodeNotFoundError,
    RequestInvalidError,
    StoreNotFoundError,
)
from loyalty_service.domain.expiry import Expiry, ExpiryPolicy, Going, day_of
from loyalty_service.domain.gifts import PointsAssignment
from loyalty_service.domain.keys import Role
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.domain.limits import LimitName, Limits
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit as find_problems
from tests.support.doing import create_promo_codes, release_promo_code
from tests.support.ledger import execute, rows
from tests.support.orders import CLAIMED, Till, basket, item
from tests.support.programs import KEY, PROGRAM_ID, demo_program, enroll, other_program, put_program

CROISSANT = "b8d3f7a1-46c2-4e95-8a0b-2f7c9d51e364"
NOBODY = "00000000-0000-4000-8000-000000000000"
PARTNER = replace(KEY, role=Role.POINTS, key_id="points")


def _assign(guest: str, points: int, **values: Any) -> AssignPoints:
    asked: dict[str, Any] = {"key": PARTNER, "partner": " Partner ", "reference": "A game"}
    return AssignPoints(loyalty_id=guest, points=points, **(asked | values))


def _redeem(guest: str | None, code: str, **values: Any) -> RedeemPromoCode:
    asked: dict[str, Any] = {
        "key": KEY,
        "store_id": 9999,
        "terminal": None,
        "transaction_id": None,
    }
    return RedeemPromoCode(loyalty_id=guest, promo_code=code, **(asked | values))


def _limited(**limits: int) -> Program:
    return replace(demo_program(), limits=Limits.of(limits))


async def _points(till: Till, guest: str) -> int:
    async with till.store.read() as reader:
        member = await reader.member(PROGRAM_ID, guest)
    assert member is not None
    return member.available.balance


# --- Points of partners -------------------------------------------------------------------------


async def test_partner_gives_and_takes_points(till: Till) -> None:
    """What is given and taken moves the balance, and is kept with who did it and why."""
    guest = await enroll(till.store, points=100)
    given = (await till.call(assign_points, _assign(guest.upper(), 250))).result.assignment
    taken = (await till.call(assign_points, _assign(guest, -100))).result.assignment
    assert await _points(till, guest) == 250
    assert (given.points, taken.points) == (250, -100)
    assert (given.partner, given.reference) == ("Partner", "A game")
    assert short_id(given.assignment_id) != short_id(taken.assignment_id)
    assert short_id(given.assignment_id).isalnum()
    assert len(short_id(given.assignment_id)) == 16


async def test_partner_is_told_on_which_day_points_go(till: Till) -> None:
    """Where points go, those given are told with their day, and those taken with theirs."""
    terms = Expiry(ExpiryPolicy.ISSUE_DATE, days=30)
    await put_program(till.store, replace(demo_program(), expiry=terms))
    guest = await enroll(till.store)
    given = (await till.call(assign_points, _assign(guest, 250))).result.goings
    taken = (await till.call(assign_points, _assign(guest, -100))).result.goings
    day = (day_of(now_ms(), demo_program().time_zone) + timedelta(31)).isoformat()
    assert (given, taken) == ((Going(day, 250),), (Going(day, -100),))


REFUSED: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"points": 10_001}, AmountBeyondLimitError),
    ({"points": -10_001}, AmountBeyondLimitError),
    ({"points": -101}, PointsInsufficientError),
    ({"points": 1, "partner": "another"}, RequestInvalidError),
    ({"points": 1, "guest": NOBODY}, MemberNotFoundError),
]


@pytest.mark.parametrize(("values", "error"), REFUSED)
async def test_partner_does_not_go_beyond(
    till: Till, values: dict[str, Any], error: type[Exception]
) -> None:
    """Too many at once, more than there are, another's name and nobody are refused."""
    guest = await enroll(till.store, points=100)
    command = _assign(**({"guest": guest} | values))
    with pytest.raises(error):
        await till.call(assign_points, command)
    assert await _points(till, guest) == 100


async def test_operator_names_any_partner(till: Till) -> None:
    """With an operator's key points are given in anybody's name."""
    guest = await enroll(till.store)
    told = await till.call(assign_points, _assign(guest, 1, key=KEY, partner="another"))
    assert told.result.assignment.partner == "another"


async def test_day_of_a_key_limits_what_it_gives_and_takes(till: Till) -> None:
    """Points that are taken count for the key as those that are given."""
    await put_program(till.store, _limited(points_per_key_day=100))
    guest = await enroll(till.store, points=1000)
    await till.call(assign_points, _assign(guest, -60))
    await till.call(assign_points, _assign(guest, 40))
    for points in (1, -1):
        with pytest.raises(LimitExceededError) as refused:
            await till.call(assign_points, _assign(guest, points))
        assert refused.value.limit == LimitName.POINTS_PER_KEY_DAY


async def test_full_account_takes_no_more(till: Till) -> None:
    """A member never has more points than the ledger carries."""
    guest = await enroll(till.store, points=POINTS_MAX)
    with pytest.raises(RequestInvalidError):
        await till.call(assign_points, _assign(guest, 1))


# --- Promo codes --------------------------------------------------------------------------------


async def _make(till: Till, *codes: str, **values: Any) -> Sequence[str]:
    asked: dict[str, Any] = {"program_id": PROGRAM_ID, "label": "spring", "points": 500}
    command = CreatePromoCodes(codes=codes, **(asked | values))
    made: Sequence[str] = await till.store.write(
        lambda unit, now_ms: create_promo_codes(unit, command, now_ms)
    )
    return made


async def test_promo_code_gives_its_points_once(till: Till) -> None:
    """A code is found however it is typed, is used up by its first use, and is kept as a digest."""
    guest, other = await enroll(till.store), await enroll(till.store)
    (made,) = await _make(till, "")
    assert await _make(till, "spring-26") == ("SPRING-26",)
    redeemed = (
        await till.call(redeem_promo_code, _redeem(guest.upper(), f" {made.lower()}"))
    ).result
    assert (redeemed.loyalty_id, redeemed.earned_points, redeemed.available_points) == (
        guest,
        500,
        500,
    )
    for one in (guest, other):
        with pytest.raises(PromoCodeAlreadyRedeemedError):
            await till.call(redeem_promo_code, _redeem(one, made))
    await till.call(redeem_promo_code, _redeem(other, "SPRING-26"))
    assert (await _points(till, guest), await _points(till, other)) == (500, 500)


async def test_code_for_many_is_once_for_each(till: Till) -> None:
    """Each member uses a code of many uses as often as allowed, until all are used."""
    guests = [await enroll(till.store) for _ in range(3)]
    await _make(till, "MANY", most_uses=4, most_per_member=2)
    for guest in (guests[0], guests[0], guests[1]):
        await till.call(redeem_promo_code, _redeem(guest, "many"))
    with pytest.raises(PromoCodeAlreadyRedeemedError):
        await till.call(redeem_promo_code, _redeem(guests[0], "many"))
    await till.call(redeem_promo_code, _redeem(guests[2], "many"))
    with pytest.raises(PromoCodeAlreadyRedeemedError):
        await till.call(redeem_promo_code, _redeem(guests[1], "many"))


async def test_promo_code_holds_in_its_time_and_stores(till: Till) -> None:
    """Before, after and elsewhere a code is refused and stays unused."""
    guest = await enroll(till.store)
    now = till.now_ms
    await _make(till, "TIMED", begins_ms=now, ends_ms=now + 1000, stores=frozenset({1001}))
    for at, store_id in ((now - 1, 1001), (now + 1000, 1001), (now, 9999)):
        till.now_ms = at
        with pytest.raises(PromoCodeInvalidError):
            await till.call(redeem_promo_code, _redeem(guest, "TIMED", store_id=store_id))
    till.now_ms = now
    with pytest.raises(RequestInvalidError):
        await till.call(redeem_promo_code, _redeem(None, "TIMED", store_id=1001))
    with pytest.raises(StoreNotFoundError):
        await till.call(redeem_promo_code, _redeem(guest, "TIMED", store_id=4))
    with pytest.raises(MemberNotFoundError):
        await till.call(redeem_promo_code, _redeem(NOBODY, "TIMED", store_id=1001))
    await till.call(redeem_promo_code, _redeem(guest, "TIMED", store_id=1001))


async def test_guest_without_a_name_uses_what_a_code_gives(till: Till, database_url: str) -> None:
    """The code is used and gives nobody points, and its incentive is told; the audit knows it."""
    await _make(till, "LEAF-26", most_uses=2, incentive_id=CROISSANT)
    told = (await till.call(redeem_promo_code, _redeem(None, "LEAF-26"))).result
    assert (told.loyalty_id, told.earned_points, told.incentive_id) == (None, 0, CROISSANT)
    guest = await enroll(till.store)
    told = (await till.call(redeem_promo_code, _redeem(guest, "LEAF-26"))).result
    assert (told.earned_points, told.grant.incentive_id) == (500, CROISSANT)
    for one in (None, await enroll(till.store)):
        with pytest.raises(PromoCodeAlreadyRedeemedError):
            await till.call(redeem_promo_code, _redeem(one, "LEAF-26"))
    await _make(till, "POINTS")
    with pytest.raises(RequestInvalidError):
        await till.call(redeem_promo_code, _redeem(None, "POINTS"))
    assert not find_problems(Database.from_text(database_url)).problems


async def test_same_order_gets_the_first_answer_for_a_while(till: Till) -> None:
    """A code that comes again for its order within 15 minutes is no second use."""
    guest = await enroll(till.store)
    await _make(till, "AGAIN")
    order = _redeem(guest, "AGAIN", terminal="1", transaction_id="257")
    first = await till.call(redeem_promo_code, order)
    till.now_ms += AGAIN_MS - 1
    again = await till.call(redeem_promo_code, replace(order, promo_code="again"))
    assert (again.repeated, again.result) == (True, first.result)
    for other in (replace(order, terminal="2"), replace(order, transaction_id="258")):
        with pytest.raises(PromoCodeAlreadyRedeemedError):
            await till.call(redeem_promo_code, other)
    till.now_ms += 1
    with pytest.raises(PromoCodeAlreadyRedeemedError):
        await till.call(redeem_promo_code, order)
    assert await _points(till, guest) == 500


async def test_wrong_promo_codes_make_a_key_wait_and_no_identify(
    till: Till, database_url: str
) -> None:
    """Guesses count by key and minute; a key that waits shows no code, and identifies guests."""
    await put_program(till.store, _limited(wrong_promo_codes_per_key_minute=2))
    guest = await enroll(till.store)
    await _make(till, "RIGHT")
    till.now_ms -= till.now_ms % 60_000
    for wrong in ("WRONG-1", "WRONG-1"):
        with pytest.raises(PromoCodeNotFoundError):
            await till.call(redeem_promo_code, _redeem(guest, wrong))
    with pytest.raises(LimitExceededError) as waits:
        await till.call(redeem_promo_code, _redeem(guest, "RIGHT"))
    assert waits.value.retry_after_ms == 60_000
    assert await till.identify(guest)
    other = _redeem(guest, "RIGHT", key=replace(KEY, key_id="other"))
    await till.call(redeem_promo_code, other)
    assert rows(database_url, "SELECT * FROM code_tally") == []


async def test_release_lets_a_member_use_a_code_once_more(till: Till) -> None:
    """A released use may be made again, and the points of the first stay."""
    guest, other = await enroll(till.store), await enroll(till.store)
    await _make(till, "BACK")
    await till.call(redeem_promo_code, _redeem(guest, "BACK"))

    async def release(loyalty_id: str, code: str = "back") -> None:
        command = ReleasePromoCode(PROGRAM_ID, code, loyalty_id)
        await till.store.write(lambda unit, now_ms: release_promo_code(unit, command, now_ms))

    await release(guest)
    for who, error in ((guest, PromoCodeUnusedError), (other, PromoCodeUnusedError)):
        with pytest.raises(error):
            await release(who)
    with pytest.raises(PromoCodeNotFoundError):
        await release(guest, "nothing")
    await till.call(redeem_promo_code, _redeem(guest, "BACK"))
    assert await _points(till, guest) == 1000


async def test_code_that_is_there_is_not_made_again(till: Till) -> None:
    """None of the codes is made if one of them is there; another program has its own."""
    await _make(till, "TAKEN")
    with pytest.raises(PromoCodeTakenError):
        await _make(till, "NEW-1", "taken")
    await put_program(till.store, other_program())
    await _make(till, "TAKEN", program_id="demo-us")
    guest = await enroll(till.store)
    with pytest.raises(PromoCodeNotFoundError):
        await till.call(redeem_promo_code, _redeem(guest, "NEW-1"))
    async with till.store.read() as reader:
        (entry,) = await reader.promo_codes("demo-us")
    assert (entry.label, entry.codes, entry.uses, entry.most_uses) == ("spring", 1, 0, 1)


def test_promo_code_is_compared_without_case_and_blanks() -> None:
    """People type codes in small letters and with blanks around them."""
    assert plain_promo_code(" a00001\n") == "A00001"


# --- Searching ----------------------------------------------------------------------------------


async def _found(till: Till, guest: str, **values: Any) -> list[str]:
    asked: dict[str, Any] = {
        "statuses": frozenset(),
        "excluded_channels": frozenset(),
        "cursor": None,
        "limit": 0,
    }
    command = SearchTransactions(key=KEY, loyalty_id=guest, **(asked | values))
    async with till.store.read() as reader:
        found = await search_transactions(reader, command)
    return [
        entry.assignment_id if isinstance(entry, PointsAssignment) else entry.transaction_id
        for entry in found.entries
    ]


async def test_search_finds_what_a_member_did_newest_first(till: Till) -> None:
    """Orders in every state and what was given are found, by state, channel and in pages."""
    guest, other = await enroll(till.store, points=100), await enroll(till.store)
    made: dict[str, str] = {}
    for name in ("open", "claimed", "given", "void"):
        till.now_ms += 1000
        if name == "given":
            told = await till.call(assign_points, _assign(guest, 5))
            made[name] = told.result.assignment.assignment_id
            continue
        made[name] = await till.identify(guest)
        if name == "claimed":
            await till.update(made[name], CLAIMED, basket(item(900)))
        elif name == "void":
            await till.void(made[name])
    await till.identify(other)
    newest_first = [made[name] for name in ("void", "given", "claimed", "open")]
    assert await _found(till, guest.upper()) == newest_first
    status = TransactionStatus
    for statuses, channels, names in (
        ({status.CLAIMED}, set(), ["given", "claimed"]),
        ({status.CLAIMED}, {"CAMPAIGN", "REMEDIATION"}, ["claimed"]),
        ({status.VOID, status.PENDING}, set(), ["void", "open"]),
        (set(), {"RESTAURANT"}, ["given"]),
    ):
        found = await _found(
            till, guest, statuses=frozenset(statuses), excluded_channels=frozenset(channels)
        )
        assert found == [made[name] for name in names]
    pages: list[str] = []
    while page := await _found(till, guest, limit=1, cursor=pages[-1].upper() if pages else None):
        pages += page
    assert pages == newest_first


async def test_promo_code_is_found_with_its_label(till: Till, database_url: str) -> None:
    """What a promo code gave stands among what partners gave."""
    guest = await enroll(till.store)
    await _make(till, "FOUND")
    await till.call(redeem_promo_code, _redeem(guest, "FOUND"))
    (found,) = rows(database_url, "SELECT partner, reference, points FROM points_assignment")
    assert tuple(found) == (KEY.partner, "spring", 500)
    (event,) = rows(database_url, "SELECT detail FROM event WHERE kind = 61")
    assert json.loads(event.detail) == {"codes": 1, "points": 500, "most_uses": 1}


async def test_audit_counts_the_uses_of_promo_codes(till: Till, database_url: str) -> None:
    """A code that counts other uses than members have made is named."""
    guest = await enroll(till.store)
    await _make(till, "COUNT", most_uses=2)
    await till.call(redeem_promo_code, _redeem(guest, "COUNT"))
    database = Database.from_text(database_url)
    for uses in (2, 0, 1):
        execute(database_url, "UPDATE promo_code SET uses = :uses", uses=uses)
        tables = {problem.table for problem in find_problems(database).problems}
        assert tables == ({"promo_code"} if uses != 1 else set())
