"""A guest sees what may be used here and now, and what is nearly met."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from loyalty_service.application.incentives.list_incentives import (
    IncentivePage,
    KnownOrder,
    ListIncentives,
    list_incentives,
    offered,
)
from loyalty_service.application.members.block_member import BlockMember, block_member
from loyalty_service.domain.basket import BasketLine
from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.clock import parse_rfc3339
from loyalty_service.domain.errors import (
    MemberNotFoundError,
    RequestInvalidError,
    StoreNotAllowedError,
    StoreNotFoundError,
)
from loyalty_service.domain.products import Products, listed
from loyalty_service.domain.program import Incentive, Program
from loyalty_service.domain.restrictions import (
    CartDemand,
    CartExclusion,
    CartRequirement,
    Cooldown,
    DateSpan,
    DaysOfWeek,
    FirstOrder,
    MaximumRedemptions,
    MinimumSpend,
    PaymentMethods,
    Rule,
    ServiceModes,
    Stores,
)
from loyalty_service.storage.store import Store
from tests.support.orders import CLAIMED, Till, basket
from tests.support.programs import KEY, demo_program, enroll, put_program

NOON = datetime(2026, 5, 14, 12, 0)  # noqa: DTZ001 - local by definition; a Thursday.
NOON_MS = parse_rfc3339("2026-05-14T16:00:00Z")
BUSY = 1_000


@pytest.fixture
def store(till: Till) -> Store:
    """Where the demo program is, until a test applies its own."""
    return till.store


def _incentive(name: str, *rules: Rule, cost: int = 0) -> Incentive:
    return Incentive(
        incentive_id=name,
        engine_id=f"engine-{name}",
        kind="reward" if cost else "offer",
        display_name=name,
        point_cost=cost,
        price=None,
        discount=None,
        plus={"default": "1", "Kiosk": "2"},
        rules=rules,
    )


def _program(*incentives: Incentive) -> Program:
    listed_by_id = {one.incentive_id: one for one in incentives}
    return replace(demo_program(), incentives=listed_by_id, groups={"soups": SOUPS})


def _ask(**values: Any) -> ListIncentives:
    asked: dict[str, Any] = {
        "key": KEY,
        "loyalty_id": None,
        "store_id": 9999,
        "order": KnownOrder(),
        "usable_only": False,
        "local_time": NOON,
        "page_size": 0,
        "page_token": "",
    }
    return ListIncentives(**(asked | values))


async def _list(store: Store, command: ListIncentives) -> IncentivePage:
    done = await store.write(lambda unit, _: list_incentives(unit, command, NOON_MS))
    return done.result


def _told(page: IncentivePage) -> Mapping[str, list[tuple[str, int | None]]]:
    """Give what is shown, each with the codes that it breaks and what is missing."""
    return {
        one.incentive.incentive_id: [(failure.code, failure.missing) for failure in one.failures]
        for one in page.incentives
    }


SOUPS = Products(categories=("Soups",), group="soups")

SANDWICH = CartRequirement((CartDemand(listed(("2001", "2002")), 2), CartDemand(listed(("2101",)))))

GONE: Mapping[str, tuple[Rule, KnownOrder]] = {
    "not yet": (DateSpan(date(2026, 5, 15), None), KnownOrder()),
    "no more": (DateSpan(None, date(2026, 5, 13)), KnownOrder()),
    "another day": (DaysOfWeek(("mon",)), KnownOrder()),
    "another store": (Stores((1001,)), KnownOrder()),
}
"""What no guest can change now."""

NEARLY: Mapping[str, tuple[Rule, KnownOrder, list[tuple[str, int | None]]]] = {
    "amount": (
        MinimumSpend(1500),
        KnownOrder(subtotal=1065),
        [("minimum-spend-not-met", 435)],
    ),
    "enough": (MinimumSpend(1500), KnownOrder(subtotal=1500), []),
    "amount untold": (MinimumSpend(1500), KnownOrder(products=("2001",)), []),
    "quantity": (
        SANDWICH,
        KnownOrder(products=("2001", "2101")),
        [("cart-requirements-not-met", 1)],
    ),
    "two quantities": (
        SANDWICH,
        KnownOrder(products=()),
        [("cart-requirements-not-met", 2), ("cart-requirements-not-met", 1)],
    ),
    "enough bought": (SANDWICH, KnownOrder(products=("2001", "2101", "2002")), []),
    "products untold": (SANDWICH, KnownOrder(subtotal=900), []),
    "category untold": (
        CartRequirement((CartDemand(SOUPS, 1),)),
        KnownOrder(products=()),
        [],
    ),
    "excluded": (
        CartExclusion(listed(("702",))),
        KnownOrder(products=("702",)),
        [("cart-requirements-exclusion", None)],
    ),
    "paid otherwise": (
        PaymentMethods(("VISA",)),
        KnownOrder(payment_method="cash"),
        [("invalid-payment-method", None)],
    ),
    "paid so": (PaymentMethods(("VISA",)), KnownOrder(payment_method=" visa "), []),
    "payment untold": (PaymentMethods(("VISA",)), KnownOrder(subtotal=900), []),
    "another mode": (
        ServiceModes(("EAT_IN",)),
        KnownOrder(service_mode="TAKEOUT"),
        [("invalid-service-mode", None)],
    ),
    "mode untold": (ServiceModes(("EAT_IN",)), KnownOrder(), []),
}
"""What a guest can still change, with what is told of it."""


async def test_what_is_nearly_met_comes_with_what_is_missing(store: Store) -> None:
    """A rule that the guest can still meet is told with what is missing; others hide."""
    names = [*GONE, *NEARLY]
    rules = [*(rule for rule, _ in GONE.values()), *(rule for rule, *_ in NEARLY.values())]
    await put_program(store, _program(*map(_incentive, names, rules)))
    guest = await enroll(store)
    for name, (_, order, told) in NEARLY.items():
        command = _ask(loyalty_id=guest.upper(), order=order)
        shown = _told(await _list(store, command))
        assert shown[name] == told, name
        assert not GONE.keys() & shown.keys()
        usable = _told(await _list(store, replace(command, usable_only=True)))
        assert (name in usable) is not told, name


async def test_points_that_are_missing_are_told(store: Store) -> None:
    """A reward that is too dear is shown with the points that it lacks."""
    await put_program(store, _program(_incentive("dear", cost=800), _incentive("cheap", cost=300)))
    guest = await enroll(store, points=500)
    shown = _told(await _list(store, _ask(loyalty_id=guest)))
    assert shown == {"cheap": [], "dear": [("insufficient-point-balance", 300)]}


async def test_without_a_guest_open_offers_and_locked_rewards_are_shown(store: Store) -> None:
    """Offers that ask nothing of the guest can be used, rewards need one; other offers hide."""
    await put_program(
        store,
        _program(
            _incentive("open"),
            _incentive("first", FirstOrder()),
            _incentive("once", MaximumRedemptions(per_member=1)),
            _incentive("reward", Cooldown(60), cost=1),
        ),
    )
    signed_out = _told(await _list(store, _ask()))
    assert signed_out == {"open": [], "reward": [("user-not-logged-in", None)]}
    assert _told(await _list(store, _ask(usable_only=True))).keys() == {"open"}


async def test_history_of_a_guest_decides(store: Store) -> None:
    """What a guest has used up, or waits for, is no longer shown; others still see it."""
    await put_program(
        store,
        _program(
            _incentive("once", MaximumRedemptions(per_member=1)),
            _incentive("first", FirstOrder()),
            _incentive("again", Cooldown(BUSY), cost=1),
        ),
    )
    guest, other = await enroll(store, points=10), await enroll(store, points=10)
    till = Till(store, now_ms=NOON_MS - 1000)
    opened = await till.identify(guest, "once", "again")
    used = (
        BasketLine("1", "1", "offer", 1, 0, incentive_id="once"),
        BasketLine("2", "1", "reward", 1, 0, incentive_id="again"),
    )
    await till.update(opened, CLAIMED, basket(*used))
    assert not _told(await _list(store, _ask(loyalty_id=guest)))
    assert _told(await _list(store, _ask(loyalty_id=other))).keys() == {"once", "first", "again"}


async def test_member_who_may_not_redeem_is_shown_nothing(store: Store) -> None:
    """What nobody would let them use is not offered; who only may not earn sees all."""
    await put_program(store, _program(_incentive("open"), _incentive("paid", cost=100)))
    guest = await enroll(store, 1000)
    for blocked, shown in (
        (Blocked.EARN, ["open", "paid"]),
        (Blocked.REDEEM, []),
        (Blocked.BOTH, []),
        (Blocked.NOTHING, ["open", "paid"]),
    ):
        block = BlockMember(KEY.program_id, guest, blocked, "a test")
        await store.write(
            lambda unit, now, block=block: block_member(unit, block, now), reads=block.reads()
        )
        page = await _list(store, _ask(loyalty_id=guest))
        assert [one.incentive.incentive_id for one in page.incentives] == shown


async def test_store_without_loyalty_shows_no_rewards(store: Store) -> None:
    """Where no points move no reward can be used, so that none is shown; offers are."""
    await put_program(store, _program(_incentive("offer"), _incentive("reward", cost=1)))
    guest = await enroll(store, points=10)
    told = await _list(store, _ask(loyalty_id=guest, store_id=1099))
    assert _told(told).keys() == {"offer"}
    told = await _list(store, _ask(loyalty_id=guest, store_id=None))
    assert _told(told).keys() == {"offer", "reward"}


async def test_pages_show_each_incentive_once(store: Store) -> None:
    """Pages of any size show all once, in the order of their IDs, whatever is left out of one."""
    names = [f"offer {number:02d}" for number in range(7)]
    retired = replace(_incentive("offer 03x"), retired=True)
    await put_program(store, _program(retired, *map(_incentive, reversed(names))))
    for size in (1, 2, 3, 8, 500, 501):
        shown: list[str] = []
        token = ""
        while True:
            page = await _list(store, _ask(page_size=size, page_token=token))
            shown += _told(page)
            token = page.next_page_token
            if not token:
                break
        assert shown == names, size


REFUSED: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"loyalty_id": "4711fc2a-3a8f-414f-a9e7-44dd5231dca7"}, MemberNotFoundError),
    ({"store_id": 4}, StoreNotFoundError),
    ({"key": replace(KEY, stores=frozenset({1001}))}, StoreNotAllowedError),
    ({"page_token": "nothing"}, RequestInvalidError),
]


@pytest.mark.parametrize(("values", "error"), REFUSED)
async def test_what_there_is_not_is_refused(
    store: Store, values: dict[str, Any], error: type[Exception]
) -> None:
    """An unknown member, store or token, and a store of other keys, are refused."""
    await put_program(store)
    with pytest.raises(error):
        await _list(store, _ask(**values))


def _days(*spans: tuple[int | None, int | None]) -> Callable[[date], Program]:
    def at(today: date) -> Program:
        def day(off: int | None) -> date | None:
            return None if off is None else today + timedelta(days=off)

        return _program(
            *(
                _incentive(f"{first} to {last}", DateSpan(day(first), day(last)))
                for first, last in spans
            )
        )

    return at


def test_content_is_what_has_begun_and_not_ended() -> None:
    """Content has what can be used on some day from now on, whoever may use it."""
    program = _days((None, None), (0, 0), (None, 0), (1, None), (None, -1))(NOON.date())
    page = offered(program, NOON_MS, 0, "")
    assert {one.incentive.incentive_id for one in page.incentives} == {
        "None to None",
        "0 to 0",
        "None to 0",
    }
    assert not page.next_page_token
