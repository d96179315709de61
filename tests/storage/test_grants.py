"""Grants: who was given an incentive uses it, in its days, as often as it was given."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from loyalty_service.application import grants
from loyalty_service.application.codes.issue_code import IssueCode, Selected, issue_code
from loyalty_service.application.incentives.list_incentives import (
    KnownOrder,
    ListIncentives,
    list_incentives,
)
from loyalty_service.application.incentives.redeem_promo_code import (
    RedeemPromoCode,
    redeem_promo_code,
)
from loyalty_service.application.incentives.take_grant import TakeGrant, TakenGrant, take_grant
from loyalty_service.application.members.enroll_member import EnrollMember, enroll_member
from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.operators.grants import IncentiveNotGrantedError
from loyalty_service.application.operators.promo_codes import CreatePromoCodes
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.application.orders.return_lines import ReturnLines, return_lines
from loyalty_service.domain.basket import Basket
from loyalty_service.domain.errors import (
    PointsInsufficientError,
    PromoCodeInvalidError,
    RequestInvalidError,
    RulesFailedError,
)
from loyalty_service.domain.expiry import Expiry, ExpiryPolicy
from loyalty_service.domain.grants import GivenOn, Grant, GrantTerms
from loyalty_service.domain.program import Program
from loyalty_service.domain.restrictions import Granted, MaximumRedemptions
from loyalty_service.domain.returns import ReturnedLine
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.repair import propose
from tests.support.doing import apply_program, create_promo_codes
from tests.support.ledger import execute, rows
from tests.support.orders import CLAIMED, COFFEE, DAY_MS, PENDING, SOUP, Till, basket, item, offer
from tests.support.programs import PROGRAM_ID, demo_program, enroll, identify_command

TODAY = date(2023, 11, 14)
"""The day of `START_MS` in the demo program's place."""

ORDER = basket(offer(SOUP), item(1000))


def granted_soup(**words: Any) -> Program:
    """Describe the demo program with soup for those alone who were given it."""
    program = demo_program()
    soup = replace(
        program.incentives[SOUP], rules=(Granted(),), retired=False, point_cost=0, **words
    )
    return replace(program, incentives={**program.incentives, SOUP: soup})


async def apply(till: Till, program: Program) -> None:
    """Let an operator apply a program."""
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))


async def give(
    till: Till,
    guest: str,
    *,
    uses: int = 1,
    days: int = 30,
    origin: str = "test",
    activated: bool = True,
) -> Grant:
    """Give a guest soup from today on; *days* is until how many days later."""

    def do(unit: Any, _: int) -> Grant:
        member = unit.member(PROGRAM_ID, guest)
        grant, _events = grants.give(
            unit,
            member,
            SOUP,
            uses=uses,
            first_day=TODAY,
            last_day=TODAY + timedelta(days),
            origin=origin,
            now_ms=till.now_ms,
            activated=activated,
        )
        return replace(grant)

    return await till.store.write(do)


async def take_back(till: Till, guest: str, origin: str = "test") -> None:
    """Take back what is left."""

    def do(unit: Any, _: int) -> None:
        member = unit.member(PROGRAM_ID, guest)
        grants.take_back(unit, member, SOUP, origin, till.now_ms)

    await till.store.write(do)


async def guest_of(till: Till) -> str:
    """Enroll somebody where soup is given."""
    await apply(till, granted_soup())
    return await enroll(till.store, 0)


async def refused(till: Till, guest: str, order: Basket = ORDER) -> str:
    """Tell by which code the order of a guest is refused."""
    with pytest.raises(RulesFailedError) as caught:
        await till.update(await till.identify(guest), CLAIMED, order)
    (failure,) = caught.value.failures
    return failure.code


async def order(till: Till, guest: str, content: Basket = ORDER) -> str:
    """Claim an order."""
    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, content)
    return transaction


async def test_only_who_was_given_it_uses_it_and_only_so_often(till: Till) -> None:
    """Without a grant the order is refused by name; with one of two uses two orders are not."""
    guest = await guest_of(till)
    assert await refused(till, guest) == "not-granted"
    await give(till, guest, uses=2)

    await order(till, guest)
    await order(till, guest)

    assert await refused(till, guest) == "not-granted"


async def test_given_again_for_the_same_it_gives_nothing_more(till: Till) -> None:
    """A goal that tells twice of one window gives one grant; another window gives another."""
    guest = await guest_of(till)
    first = await give(till, guest)
    assert await give(till, guest) == first
    second = await give(till, guest, origin="another")
    assert second.grant_id != first.grant_id

    await order(till, guest)
    await order(till, guest)

    assert await refused(till, guest) == "not-granted"


@pytest.mark.parametrize(("days_later", "usable"), [(0, True), (30, True), (31, False)])
async def test_it_holds_to_its_last_day(till: Till, *, days_later: int, usable: bool) -> None:
    """A grant of 30 days from the 14th can be used on the 30th day after, and not later."""
    guest = await guest_of(till)
    await give(till, guest)
    till.now_ms += days_later * DAY_MS
    if usable:
        await order(till, guest)
    else:
        assert await refused(till, guest) == "not-granted"


async def test_a_void_returns_it_with_its_old_day(till: Till) -> None:
    """Voided in time it can be used again; voided after its last day it has lapsed."""
    guest = await guest_of(till)
    await give(till, guest)
    transaction = await order(till, guest)
    till.now_ms += DAY_MS
    await till.void(transaction)
    transaction = await order(till, guest)
    till.now_ms += 30 * DAY_MS

    await till.void(transaction)

    assert await refused(till, guest) == "not-granted"


async def test_what_ends_first_is_used_first_unless_the_order_names_another(till: Till) -> None:
    """Of two grants the order uses the one that it names, else the one that ends first."""
    guest = await guest_of(till)
    late = await give(till, guest, days=20, origin="late")
    early = await give(till, guest, days=10, origin="early")
    named = replace(offer(SOUP), loyalty_engine_id=late.grant_id)
    first = await order(till, guest, basket(named, item(1000)))
    await till.void(first)
    await order(till, guest)
    till.now_ms += 15 * DAY_MS

    await order(till, guest, basket(named, item(1000)))

    assert early.last_day < late.last_day
    assert await refused(till, guest) == "not-granted"


async def test_a_grant_alone_names_its_incentive(till: Till) -> None:
    """RBI's personalised offers are named by their engine ID, without an incentive ID."""
    guest = await guest_of(till)
    grant = await give(till, guest)
    line = replace(offer(SOUP), incentive_id=None, loyalty_engine_id=grant.grant_id.upper())
    content = basket(line, item(1000))
    await till.validate(await till.identify(guest), CLAIMED, content)

    await order(till, guest, content)

    assert await refused(till, guest, content) == "not-granted"


async def test_what_has_to_be_activated_says_so(till: Till) -> None:
    """A grant that is only offered does not count, and the till learns why."""
    guest = await guest_of(till)
    await give(till, guest, activated=False)

    assert await refused(till, guest) == "grant-not-activated"


async def test_an_open_order_reserves_it_and_is_honoured(till: Till) -> None:
    """The last use is promised once, and the promise holds after the last day and a take-back."""
    guest = await guest_of(till)
    await give(till, guest, days=0)
    accepted = await till.identify(guest)
    await till.update(accepted, PENDING, ORDER)
    assert await refused(till, guest) == "not-granted"
    till.now_ms += DAY_MS
    await till.validate(accepted, CLAIMED, ORDER)
    await till.update(accepted, PENDING, basket(offer(SOUP), item(900)))
    await take_back(till, guest)

    await till.update(accepted, CLAIMED, ORDER)


async def test_an_open_order_pays_with_what_it_was_accepted_with(till: Till) -> None:
    """Accepted on a grant's last day and claimed after it, it leaves the next one alone."""
    guest = await guest_of(till)
    await give(till, guest, days=0, origin="last")
    accepted = await till.identify(guest)
    await till.update(accepted, PENDING, ORDER)
    till.now_ms += DAY_MS
    await give(till, guest, origin="next")

    await till.update(accepted, CLAIMED, ORDER)

    await order(till, guest)
    assert await refused(till, guest) == "not-granted"


async def test_an_open_order_of_last_month_leaves_this_month_alone(till: Till) -> None:
    """It pays with November's; December's is there for another order, and then no more."""
    await apply(till, giving(GrantTerms("treat", SOUP, GivenOn.MONTH)))
    guest = await enroll_by_call(till)
    till.now_ms += 16 * DAY_MS
    accepted = await till.identify(guest)
    await till.update(accepted, PENDING, ORDER)
    assert await refused(till, guest) == "not-granted"
    till.now_ms += DAY_MS

    (december,) = await listed(till, guest)
    assert december[1:4] == ("2023-12-01", "2023-12-31", 1)
    await order(till, guest)
    assert await refused(till, guest) == "not-granted"
    await till.update(accepted, CLAIMED, ORDER)


async def test_what_an_open_order_reserves_is_not_listed(till: Till) -> None:
    """Of two grants one is shown while an open order is accepted with the other."""
    guest = await guest_of(till)
    await give(till, guest, days=3, uses=2, origin="early")
    await give(till, guest, origin="late")
    transaction = await till.identify(guest)
    soups = basket(offer(SOUP, 2), item(1000))
    await till.update(transaction, PENDING, soups)

    assert [shown[2:4] for shown in await listed(till, guest)] == [("2023-12-14", 1)]


class Asking:
    """A connection that counts the statements that are run on it."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.statements = 0

    def execute(self, *statement: Any) -> Any:
        """Count a statement, and run it."""
        self.statements += 1
        return self.connection.execute(*statement)


async def test_what_the_calendar_gives_is_looked_for_at_once(till: Till, database_url: str) -> None:
    """Across a network twenty kinds cost no more statements than one."""
    terms = [GrantTerms(f"treat-{number}", SOUP, GivenOn.MONTH) for number in range(20)]
    asked = []
    for given in (terms[:1], terms):
        await apply(till, giving(*given))
        guest = await enroll_by_call(till)

        def do(unit: Any, _: int, guest: str = guest) -> tuple[int, int]:
            member = unit.member(PROGRAM_ID, guest)
            connection, unit._connection = unit._connection, Asking(unit._connection)
            found = len(grants.known_grants(unit, member, (SOUP,), TODAY))
            asking, unit._connection = unit._connection, connection
            return found, asking.statements

        asked.append(await till.store.write(do))
    assert asked == [(1, 2), (20, 21 if database_url.startswith("sqlite") else 2)]


async def test_taken_back_it_is_gone_until_it_is_given_again(till: Till) -> None:
    """What a voided order had brought goes as a whole, and comes again for the same."""
    guest = await guest_of(till)
    await give(till, guest, uses=2)
    await order(till, guest)
    await take_back(till, guest)
    assert await refused(till, guest) == "not-granted"

    await give(till, guest, uses=2)

    await order(till, guest)
    assert await refused(till, guest) == "not-granted"


async def test_given_again_it_waits_only_if_it_does_now(till: Till) -> None:
    """What was only offered and was taken back may be given again to be used at once."""
    guest = await guest_of(till)
    await give(till, guest, activated=False)
    await take_back(till, guest)

    await give(till, guest)

    await order(till, guest)


async def test_the_receipt_of_an_order_without_a_guest_uses_it_up(till: Till) -> None:
    """Who claims the receipt of such an order pays with the grant; without one it is flagged."""
    guest = await guest_of(till)
    await give(till, guest)
    for _ in range(2):
        receipt = await till.unclaimed(ORDER)
        await till.claim_receipt(guest, receipt.receipt_code)

    assert await refused(till, guest) == "not-granted"


async def test_the_audit_finds_a_count_that_no_order_explains(
    till: Till, database_url: str
) -> None:
    """A use that was counted without an order is named by the audit, and so is one too few."""
    guest = await guest_of(till)
    grant = await give(till, guest, uses=3)
    await order(till, guest)
    for used in (2, 0):
        execute(database_url, "UPDATE member_grant SET used = :used", used=used)
        database = Database.from_text(database_url)
        assert grant.grant_id in str(audit(database).problems[0])
        (mend,) = propose(database).mends
        assert (mend.key, mend.new) == ({"grant_id": grant.grant_id}, {"used": 1})
    execute(database_url, "UPDATE member_grant SET used = 1")
    assert rows(database_url, "SELECT grant_id FROM redemption") == [(grant.grant_id,)]


def giving(*terms: GrantTerms) -> Program:
    """Describe the demo program that gives soup."""
    return replace(granted_soup(), grants={one.terms_id: one for one in terms})


async def enroll_by_call(till: Till, birth_date: str | None = None) -> str:
    """Enroll a guest as an app does."""
    command = EnrollMember(till.key, "Guest", None, None, birth_date)
    told = await till.call(enroll_member, command)
    loyalty_id: str = told.result.loyalty_id
    return loyalty_id


async def test_a_new_member_has_what_the_enrolment_gives(till: Till) -> None:
    """It is good for its days from the enrolment on, once."""
    await apply(till, giving(GrantTerms("welcome", SOUP, GivenOn.ENROLMENT, days=30)))
    guest, late = await enroll_by_call(till), await enroll_by_call(till)
    till.now_ms += 29 * DAY_MS
    await order(till, guest)
    assert await refused(till, guest) == "not-granted"
    till.now_ms += DAY_MS

    assert await refused(till, late) == "not-granted"


async def test_the_first_order_gives_it_and_its_void_takes_it_back(till: Till) -> None:
    """It comes with the claim of the first order, goes with its void and comes again, once."""
    await apply(till, giving(GrantTerms("chips", SOUP, GivenOn.FIRST_ORDER, days=30)))
    guest = await enroll_by_call(till)
    assert await refused(till, guest) == "not-granted"
    plain = basket(item(1000))
    first = await order(till, guest, plain)
    await till.void(first)
    assert await refused(till, guest) == "not-granted"
    receipt = await till.unclaimed(plain)
    await till.claim_receipt(guest, receipt.receipt_code)
    await order(till, guest, plain)

    await order(till, guest)
    assert await refused(till, guest) == "not-granted"


async def test_a_birthday_gives_it_once_and_a_void_gives_it_back(till: Till) -> None:
    """It is there from the birthday on without anybody giving it, until its old last day."""
    await apply(till, giving(GrantTerms("cake", SOUP, GivenOn.BIRTHDAY, days=7)))
    guest = await enroll_by_call(till, "1990-11-16")
    assert await refused(till, guest) == "not-granted"
    till.now_ms += 2 * DAY_MS
    transaction = await order(till, guest)
    assert await refused(till, guest) == "not-granted"
    till.now_ms += 6 * DAY_MS
    await till.void(transaction)
    await order(till, guest)
    till.now_ms += 360 * DAY_MS

    await order(till, guest)
    assert await refused(till, guest) == "not-granted"


async def test_each_month_has_its_own(till: Till) -> None:
    """What November gave is gone in December, which gives one itself."""
    await apply(till, giving(GrantTerms("treat", SOUP, GivenOn.MONTH)))
    guest, other = await enroll_by_call(till), await enroll_by_call(till)
    await order(till, guest)
    assert await refused(till, guest) == "not-granted"
    till.now_ms += 17 * DAY_MS

    for each in (guest, other):
        await order(till, each)
        assert await refused(till, each) == "not-granted"


async def listed(till: Till, guest: str | None) -> list[tuple[str, str, str, int, list[str]]]:
    """List soup as the app shows it: state, first and last day, uses, and what keeps it back."""
    command = ListIncentives(till.key, guest, None, KnownOrder(), False, None, 0, "")  # noqa: FBT003
    told = await till.call(list_incentives, command)
    return [
        (
            one.state.value,
            one.grant.first_day,
            one.grant.last_day,
            one.grant.left,
            [failure.code for failure in one.failures],
        )
        for one in told.result.incentives
        if one.incentive.incentive_id == SOUP
    ]


async def test_the_app_lists_each_grant_with_its_days_and_state(till: Till) -> None:
    """What ends first comes first; what is over, used up or not given is not listed."""
    await apply(till, giving(GrantTerms("treat", SOUP, GivenOn.MONTH, activate=True)))
    guest = await enroll_by_call(till)
    await give(till, guest, uses=2, days=3)
    await give(till, guest, origin="over", days=-1)
    await order(till, guest)

    assert await listed(till, None) == []
    assert await listed(till, guest) == [
        ("activated", "2023-11-14", "2023-11-17", 1, []),
        ("offered", "2023-11-01", "2023-11-30", 1, ["grant-not-activated"]),
    ]
    await order(till, guest)
    assert [one[0] for one in await listed(till, guest)] == ["offered"]


async def take(till: Till, guest: str, name: str) -> TakenGrant:
    """Take a grant as an app does."""
    told = await till.call(take_grant, TakeGrant(till.key, guest, name))
    taken: TakenGrant = told.result
    return taken


async def test_what_was_offered_is_activated_once(till: Till) -> None:
    """By the name in the program file or by its ID; a second time changes nothing."""
    await apply(till, giving(GrantTerms("treat", SOUP, GivenOn.MONTH, activate=True)))
    guest, other = await enroll_by_call(till), await enroll_by_call(till)
    assert await refused(till, guest) == "grant-not-activated"
    taken = await take(till, guest, "treat")
    assert await take(till, guest, taken.grant.grant_id) == taken
    await order(till, guest)
    assert await refused(till, guest) == "not-granted"
    for name in ("treat", "nothing", taken.grant.grant_id):
        with pytest.raises(RequestInvalidError):
            await take(till, guest if name == "treat" else other, name)


async def test_points_buy_it_for_its_days(till: Till) -> None:
    """The points are gone at once and do not come back; each purchase is one more."""
    await apply(till, giving(GrantTerms("entree", SOUP, points=1625, days=60)))
    guest = await enroll(till.store, 5000)
    for left in (3375, 1750, 125):
        taken = await take(till, guest, "entree")
        assert (taken.points_used, taken.available_points) == (1625, left)
    with pytest.raises(PointsInsufficientError):
        await take(till, guest, "entree")
    await order(till, guest)
    await order(till, guest)
    till.now_ms += 60 * DAY_MS

    assert await refused(till, guest) == "not-granted"


async def test_what_is_bought_by_itself_goes_with_the_order_that_bought_it(till: Till) -> None:
    """At 40 points it comes by itself; the void takes it back with its points, unless used."""
    terms = GrantTerms("cash", SOUP, points=40, by_itself=True)
    await apply(till, giving(terms))
    guest = await enroll_by_call(till)
    transaction = await till.identify(guest)
    told = await till.update(transaction, CLAIMED, basket(item(1000)))
    assert (told.result.earned_points, told.result.available_points) == (100, 20)
    voided = await till.void(transaction)
    assert voided.result.available_points == 0
    assert await refused(till, guest) == "not-granted"
    second = await order(till, guest, basket(item(500)))
    await order(till, guest, basket(offer(SOUP), item(100)))

    await till.void(second)
    assert await refused(till, guest) == "not-granted"


async def test_points_that_bought_it_come_back_as_old_as_they_were(
    till: Till, database_url: str
) -> None:
    """An order that buys by itself and is cancelled lets no point stay for longer, nor be more."""
    terms = GrantTerms("cash", SOUP, points=150, by_itself=True)
    ages = Expiry(ExpiryPolicy.ISSUE_DATE, days=30)
    program = replace(giving(terms), expiry=ages)
    await apply(till, program)
    guest = await enroll(till.store, 0)
    await order(till, guest, basket(item(1490)))
    buckets = "SELECT last_day, points FROM bucket WHERE points > 0"
    (before,) = rows(database_url, buckets)
    till.now_ms += 5 * DAY_MS
    dearer = replace(program, grants={"cash": replace(terms, points=200)}, void_spent="refuse")
    for comes_back in (False, True):
        await apply(till, program)
        bought = await order(till, guest, basket(item(10)))
        assert rows(database_url, buckets) == []
        await apply(till, dearer)
        if comes_back:
            lines = (ReturnedLine("1", None),)
            await till.call(return_lines, ReturnLines(till.key, bought, lines, None, keyed=False))
        else:
            await till.void(bought)
        assert rows(database_url, buckets) == [before]
    assert audit(Database.from_text(database_url)).problems == []


async def test_what_the_calendar_gives_is_named_by_its_grant_from_the_code_on(till: Till) -> None:
    """An app selects it by the id of the listing; the till is told that name, and uses it alone."""
    await apply(till, giving(GrantTerms("treat", SOUP, GivenOn.MONTH)))
    guest = await enroll_by_call(till)
    command = ListIncentives(till.key, guest, None, KnownOrder(), False, None, 0, "")  # noqa: FBT003
    shown = (await till.call(list_incentives, command)).result.incentives
    grant_id = next(one.grant.grant_id for one in shown if one.grant)
    selected = IssueCode(till.key, guest, (Selected("", 1, grant_id),), None)
    issued = await till.call(issue_code, selected)
    identified = await till.call(identify_member, identify_command(issued.result.digits))
    (line,) = identified.result.selection
    assert (line.incentive.incentive_id, line.incentive.engine_id) == (SOUP, grant_id)

    told = replace(offer(SOUP), incentive_id=None, loyalty_engine_id=grant_id)
    transaction = identified.result.transaction_id
    await till.update(transaction, CLAIMED, basket(told, item(1000)))

    assert await refused(till, guest) == "not-granted"


async def test_a_promo_code_gives_it(till: Till) -> None:
    """A code without points gives the incentive alone, from the day on, to who types it."""
    guest = await guest_of(till)
    command = CreatePromoCodes(PROGRAM_ID, "soup", ("SOUP-1",), 0, incentive_id=SOUP, grant_days=2)
    await till.store.write(lambda unit, now: create_promo_codes(unit, command, now))
    typed = RedeemPromoCode(till.key, guest, "soup-1", 9999, None, None)
    redeemed = (await till.call(redeem_promo_code, typed)).result
    assert (redeemed.earned_points, redeemed.grant.last_day) == (0, "2023-11-15")
    await order(till, guest)
    assert await refused(till, guest) == "not-granted"
    wrong = replace(command, incentive_id=COFFEE)
    with pytest.raises(IncentiveNotGrantedError):
        await till.store.write(lambda unit, now: create_promo_codes(unit, wrong, now))


async def test_a_promo_code_that_gives_nothing_more_is_refused_and_not_used_up(till: Till) -> None:
    """Its incentive is retired, and it gives no points; when that is back, so is the code."""
    guest = await guest_of(till)
    command = CreatePromoCodes(PROGRAM_ID, "soup", ("SOUP-1",), 0, incentive_id=SOUP)
    await till.store.write(lambda unit, now: create_promo_codes(unit, command, now))
    typed = RedeemPromoCode(till.key, guest, "soup-1", 9999, None, None)
    program = granted_soup()
    gone = {name: one for name, one in program.incentives.items() if name != SOUP}
    await apply(till, replace(program, incentives=gone))
    with pytest.raises(PromoCodeInvalidError):
        await till.call(redeem_promo_code, typed)
    await apply(till, program)

    redeemed = (await till.call(redeem_promo_code, typed)).result

    assert redeemed.grant is not None


async def test_order_uses_up_all_that_it_uses_where_members_share_a_number(
    till: Till, database_url: str
) -> None:
    """One order counts for few uses of a shared number, but for all that its member was given."""
    limited = granted_soup()
    rules = (*limited.incentives[SOUP].rules, MaximumRedemptions(total=1000))
    soup = replace(limited.incentives[SOUP], rules=rules)
    await apply(till, replace(limited, incentives={**limited.incentives, SOUP: soup}))
    guest = await enroll(till.store)
    await give(till, guest, uses=20)

    transaction = await till.identify(guest)
    await till.update(transaction, CLAIMED, basket(offer(SOUP, 15)))
    assert rows(database_url, "SELECT used FROM member_grant") == [(15,)]
    await till.void(transaction)
    assert rows(database_url, "SELECT used FROM member_grant") == [(0,)]
