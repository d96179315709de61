"""A store in which everything has happened that can: for audits, copies and migrations."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from weakref import WeakKeyDictionary

from loyalty_service.application.members.enroll_member import EnrollMember
from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.application.orders.claim_receipt import ClaimReceipt
from loyalty_service.application.orders.identify_member import Identified
from loyalty_service.application.orders.order_review import Order
from loyalty_service.application.orders.record_unclaimed_order import RecordUnclaimedOrder
from loyalty_service.application.orders.report_order import Reported
from loyalty_service.application.orders.void_transaction import Voided, void, voided_events
from loyalty_service.application.perform import Done, Run, perform
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket, BasketLine, basket_to_json
from loyalty_service.domain.keys import Role
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.sandbox.fixed_codes import COFFEE, HASH_BROWN
from loyalty_service.storage.store import Store
from tests.support.databases import Backend
from tests.support.doing import (
    adjust_points,
    claim_receipt,
    create_key,
    enroll_member,
    identify_member,
    record_unclaimed_order,
    report_order,
)
from tests.support.programs import (
    KEY,
    PROGRAM_ID,
    demo_program,
    enroll,
    identify_command,
    issue,
    put_program,
)
from tests.support.stores import open_store

_MEAL = BasketLine("1", "1001", "product", 1, price=500000)
_COFFEE = BasketLine("2", "2001", "reward", 1, price=0, incentive_id=COFFEE)
_HASH_BROWN = BasketLine("3", "3001", "offer", 1, price=0, incentive_id=HASH_BROWN)


_filled: WeakKeyDictionary[Backend, str] = WeakKeyDictionary()


@contextmanager
def lived_database(backend: Backend) -> Iterator[str]:
    """Copy a store in which everything has happened, for the time of a context; return its URL."""
    url = asyncio.run(copy_lived(backend))
    try:
        yield url
    finally:
        backend.drop(url)


async def copy_lived(backend: Backend) -> str:
    """Copy a store in which everything has happened, filled once; returns the copy's URL."""
    if backend not in _filled:
        url = backend.new_database()
        await live(url)
        _filled[backend] = url
    return backend.copy_database(_filled[backend])


async def live(database_url: str) -> None:
    """Fill a migrated database by the doings of a few members."""
    async with open_store(database_url) as store:
        await put_program(store)
        command = CreateKey(PROGRAM_ID, "partner", Role.TILL)
        await store.write(lambda unit, now: create_key(unit, command, now))
        regular = await enroll(store, 5000)
        await _identify(store, regular)  # Stays open, with points held.
        await _report(store, await _identify(store, regular), TransactionStatus.CLAIMED)
        await issue(store, regular)
        await _cancel_claims(store, await enroll(store, 1600))
        await _receipts(store, await enroll(store))
        guest = EnrollMember(KEY, "Guest", "guest@example.com", None, "1990-02-28")
        await store.write(lambda unit, now: enroll_member(unit, guest, now))


async def live_on(database_url: str) -> None:
    """Let some more happen: orders that are claimed, voided and left open, and a debt."""
    async with open_store(database_url) as store:
        await _cancel_claims(store, await enroll(store, 1600))
        await _identify(store, await enroll(store, 1600))


async def _identify(store: Store, loyalty_id: str) -> str:
    """Identify with a code for a coffee and a hash brown; return the transaction."""
    command = identify_command(await issue(store, loyalty_id, COFFEE, HASH_BROWN))
    done = await store.write(lambda unit, now: identify_member(unit, command, now))
    result: Identified = done.result
    return result.transaction_id


async def _report(store: Store, transaction_id: str, status: TransactionStatus) -> int:
    """Report an order; return the points earned."""
    order = Order(
        key=KEY,
        transaction_id=transaction_id,
        loyalty_id=None,
        repeated_id=None,
        status=status,
        channel="till",
        service_mode="takeout",
        point_of_sale=identify_command("").point_of_sale,
        basket=_basket(_MEAL, _COFFEE, _HASH_BROWN),
        basket_json="{}",
        local_time=None,
    )
    done = await store.write(lambda unit, now: report_order(unit, order, now))
    result: Reported = done.result
    return result.earned_points


async def _cancel_claims(store: Store, loyalty_id: str) -> None:
    """Void an open order, one with its points still there, and one that leaves a debt."""
    await store.write(_voiding(await _identify(store, loyalty_id)))
    first = await _identify(store, loyalty_id)
    earned = await _report(store, first, TransactionStatus.CLAIMED)
    await store.write(_voiding(first))
    second = await _identify(store, loyalty_id)
    await _report(store, second, TransactionStatus.PENDING)
    await _report(store, second, TransactionStatus.CLAIMED)
    await store.write(lambda unit, now: _take(unit, loyalty_id, now))
    await store.write(_voiding(second))
    assert earned > 800  # Else giving the coffee back would pay for it.


async def _receipts(store: Store, loyalty_id: str) -> None:
    """Record three orders without a guest: one waits, one is claimed, one is cancelled."""
    order = _basket(_MEAL, _HASH_BROWN, replace(_HASH_BROWN, incentive_id="nothing"))
    vendor = identify_command("").point_of_sale
    command = RecordUnclaimedOrder(KEY, "till", "takeout", vendor, order, basket_to_json(order))
    for use in ("wait", "claim", "void"):
        done = await store.write(lambda unit, now: record_unclaimed_order(unit, command, now))
        if use == "claim":
            claim = ClaimReceipt(KEY, loyalty_id, done.result.receipt_code)
            await store.write(lambda unit, now, claim=claim: claim_receipt(unit, claim, now))
        elif use == "void":
            await store.write(_voiding(done.result.transaction_id))


def _take(unit: Unit, loyalty_id: str, now_ms: int) -> None:
    """Spend nearly all of a member's points, so that what they earned can't be taken back."""
    member = unit.member(PROGRAM_ID, loyalty_id)
    assert member is not None
    taken = AdjustPoints(PROGRAM_ID, loyalty_id, -member.available.balance, "spent")
    adjust_points(unit, taken, now_ms)


def _voiding(transaction_id: str) -> Callable[[Unit, int], Voided]:
    def cancel(unit: Unit, _command: object, now_ms: int) -> Done[Voided]:
        transaction = unit.transaction(transaction_id)
        assert transaction is not None
        program: Program = replace(unit.catalog.programs[PROGRAM_ID], void_spent="debt")
        before = transaction.status
        voided = void(unit, program, transaction, now_ms)
        return Done(voided, events=voided_events(unit, transaction, before))

    return lambda unit, now_ms: perform(unit, now_ms, Run(cancel, None)).result


def _basket(*lines: BasketLine) -> Basket:
    return Basket(lines, (), (), demo_program().currency)
