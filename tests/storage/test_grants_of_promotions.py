"""Promotions that need a grant: a coupon for more points, used by the order that earned by it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest

from loyalty_service.application.orders.return_lines import ReturnLines, return_lines
from loyalty_service.domain.earning_rules import Promotion
from loyalty_service.domain.restrictions import MinimumSpend
from loyalty_service.domain.returns import ReturnedLine
from loyalty_service.storage.databases import Database
from loyalty_service.storage.tools.audit import audit
from tests.storage.test_grants import apply, give, granted_soup, take_back
from tests.support.ledger import rows
from tests.support.orders import CLAIMED, PENDING, SOUP, Till, basket, item, offer
from tests.support.programs import enroll

DOUBLE = Promotion("double", "Double", multiplier=Fraction(2), granted=SOUP)
BONUS = Promotion("bonus", "Bonus", bonus=50, granted=SOUP, rules=(MinimumSpend(500),))


@pytest.fixture(autouse=True)
def _audited(database_url: str) -> Iterator[None]:
    """Let uses of grants agree with what orders used after each test."""
    yield
    assert audit(Database.from_text(database_url)).problems == []


async def guest_with(till: Till, *promotions: Promotion) -> str:
    """Enroll a guest of a program with promotions that need a grant."""
    program = replace(granted_soup(), promotions={one.promotion_id: one for one in promotions})
    await apply(till, program)
    return await enroll(till.store)


async def earned(till: Till, guest: str, *lines: object) -> tuple[str, int]:
    """Claim an order of 10.00; tell which it is and what it earned."""
    transaction = await till.identify(guest)
    content = basket(item(600), item(400, plu="2"), *lines)  # type: ignore[arg-type]
    done = await till.update(transaction, CLAIMED, content)
    return transaction, done.result.earned_points


def used(database_url: str) -> list[int]:
    """Tell how often each grant is used."""
    found = rows(database_url, "SELECT used FROM member_grant ORDER BY grant_id")
    return [row.used for row in found]


async def test_one_use_is_taken_by_the_order_that_earned_by_it(
    till: Till, database_url: str
) -> None:
    """Without one nothing more is earned, with one once, and none is refused for it."""
    guest = await guest_with(till, DOUBLE)
    assert (await earned(till, guest))[1] == 100
    await give(till, guest, activated=False)
    assert (await earned(till, guest))[1] == 100
    await give(till, guest, origin="activated")

    transaction, points = await earned(till, guest)
    assert points == 200
    assert sum(used(database_url)) == 1
    assert (await earned(till, guest))[1] == 100

    await till.void(transaction)
    assert sum(used(database_url)) == 0
    assert (await earned(till, guest))[1] == 200


async def test_return_of_all_gives_it_back_and_of_a_part_not(till: Till, database_url: str) -> None:
    """The rest of an order earns by it still."""
    guest = await guest_with(till, DOUBLE)
    await give(till, guest)
    transaction, _ = await earned(till, guest)

    for line, back, uses in (("1", 120, 1), ("2", 80, 0)):
        command = ReturnLines(till.key, transaction, (ReturnedLine(line),), None, keyed=False)
        done = (await till.call(return_lines, command)).result
        assert (done.returned_points, used(database_url)) == (back, [uses])


async def test_one_use_serves_all_promotions_and_the_line_of_an_order(
    till: Till, database_url: str
) -> None:
    """Two promotions take one use together, and none where the order has the offer itself."""
    guest = await guest_with(till, DOUBLE, BONUS)
    await give(till, guest, uses=3)
    assert (await earned(till, guest))[1] == 250
    assert used(database_url) == [1]
    assert (await earned(till, guest, offer(SOUP)))[1] == 250
    assert used(database_url) == [2]


async def test_nothing_is_taken_where_nothing_was_earned_by_it(
    till: Till, database_url: str
) -> None:
    """A rule that does not hold, and another promotion as good or better, leave it for later."""
    as_good = Promotion("as-good", "As good", multiplier=Fraction(2))
    guest = await guest_with(till, DOUBLE, as_good)
    await give(till, guest)
    assert (await earned(till, guest))[1] == 200
    promised = await till.unclaimed(basket(item(1000)))
    claimed = (await till.claim_receipt(guest, promised.receipt_code)).result
    assert [one.promotion_id for one in claimed.promotions] == ["as-good"]
    assert used(database_url) == [0]

    better = Promotion("better", "Better", multiplier=Fraction(3))
    guest = await guest_with(till, DOUBLE, replace(BONUS, rules=(MinimumSpend(2000),)), better)
    await give(till, guest)

    assert (await earned(till, guest))[1] == 300
    assert used(database_url) == [0, 0]


async def test_receipt_takes_it_from_who_claims_it(till: Till, database_url: str) -> None:
    """Nobody is promised it, and a member has it besides what the receipt promised."""
    guest = await guest_with(till, DOUBLE)
    await give(till, guest)
    promised = await till.unclaimed(basket(item(1000)))

    claimed = (await till.claim_receipt(guest, promised.receipt_code)).result

    assert claimed.earned_points == 200
    assert used(database_url) == [1]
    await till.void(claimed.transaction_id)
    assert used(database_url) == [0]


async def test_what_was_taken_back_earns_nothing(till: Till) -> None:
    """An operator's withdrawal holds here as it does for offers."""
    guest = await guest_with(till, DOUBLE)
    await give(till, guest)
    await take_back(till, guest)
    assert (await earned(till, guest))[1] == 100


async def test_what_an_open_order_was_accepted_with_is_left_to_it(
    till: Till, database_url: str
) -> None:
    """Another order of the guest earns nothing by it; the open one may use it still."""
    guest = await guest_with(till, DOUBLE)
    await give(till, guest)
    opened = await till.identify(guest)
    content = basket(item(1000), offer(SOUP))
    await till.update(opened, PENDING, content)

    assert (await earned(till, guest))[1] == 100
    done = await till.update(opened, CLAIMED, content)

    assert done.result.earned_points == 200
    assert used(database_url) == [1]
