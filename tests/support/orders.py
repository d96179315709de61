"""Orders at the level of use cases: built, reported and answered at chosen instants."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from loyalty_service.application.codes.issue_code import issue_code
from loyalty_service.application.orders.claim_receipt import ClaimReceipt, claim_receipt
from loyalty_service.application.orders.expire_overdue import find_overdue_transactions
from loyalty_service.application.orders.identify_member import identify_member
from loyalty_service.application.orders.order_review import Order
from loyalty_service.application.orders.record_unclaimed_order import (
    RecordUnclaimedOrder,
    record_unclaimed_order,
)
from loyalty_service.application.orders.report_order import report_order
from loyalty_service.application.orders.validate_order import validate_order
from loyalty_service.application.orders.void_transaction import VoidTransaction, void_transaction
from loyalty_service.application.perform import Keyed, Run, perform
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import (
    AppliedDiscount,
    Basket,
    BasketLine,
    Payment,
    basket_to_json,
)
from loyalty_service.domain.earning_rules import ProductType
from loyalty_service.domain.keys import ApiKey
from loyalty_service.domain.records import TransactionStatus
from loyalty_service.domain.visit import PointOfSale
from loyalty_service.storage.store import Store
from tests.support.doing import void_overdue
from tests.support.programs import KEY, identify_command, issue_command

COFFEE = "3e9a71a8-75f8-493a-bb2a-e13f92052427"
SANDWICH = "6c1d94e7-2b58-4f3a-a0c9-7e5b1f84d033"
COOKIE = "21636369-8b52-4b4a-97b7-50923ceb3ffd"
TWENTY_PERCENT = "1b97c0c1-2a03-4b5c-be0d-2470fbed5696"
CARD_OFFER = "28ce6f24-1064-4d51-86f8-da3eabe19f58"
SOUP = "9b08923d-10c6-4fd9-94b2-b8fda02f34a6"

START_MS = 1_700_000_000_000
DAY_MS = 86_400_000

PENDING = TransactionStatus.PENDING
CLAIMED = TransactionStatus.CLAIMED


def item(
    price: int, *, quantity: int = 1, plu: str = "1", kind: ProductType = "item"
) -> BasketLine:
    """Sell something at *price* minor units."""
    return BasketLine(plu, plu, kind, quantity, price)


def reward(incentive_id: str, quantity: int = 1) -> BasketLine:
    """Use a reward."""
    return BasketLine("r", "r", "reward", quantity, 0, incentive_id=incentive_id)


def offer(incentive_id: str, quantity: int = 1) -> BasketLine:
    """Use an offer."""
    return BasketLine("o", "o", "offer", quantity, 0, incentive_id=incentive_id)


def basket(
    *lines: BasketLine, paid: tuple[str, ...] = (), discounts: tuple[AppliedDiscount, ...] = ()
) -> Basket:
    """Put lines together, with a payment of each type."""
    return Basket(lines, tuple(Payment(kind, 100) for kind in paid), discounts, "CAD")


def report(
    transaction_id: str,
    status: TransactionStatus,
    content: Basket,
    *,
    key: ApiKey = KEY,
    store_id: int = 9999,
    service_mode: str = "EAT_IN",
    local_time: datetime | None = None,
) -> Order:
    """Report an order at a store."""
    return Order(
        key=key,
        transaction_id=transaction_id,
        loyalty_id=None,
        repeated_id=None,
        status=status,
        channel="RESTAURANT",
        service_mode=service_mode,
        point_of_sale=PointOfSale("1", store_id, "Partner", None, None, None),
        basket=content,
        basket_json=basket_to_json(content),
        local_time=local_time,
    )


@dataclass(frozen=True, slots=True)
class Told:
    """What a call was answered, and whether it repeated an earlier one."""

    result: Any
    repeated: bool


@dataclass
class Till:
    """Calls use cases as the transport does, at instants of its own choosing."""

    store: Store
    key: ApiKey = KEY
    now_ms: int = START_MS
    results: dict[bytes, Any] = field(default_factory=dict)

    async def call(
        self,
        use_case: Callable[[Unit, Any, int], Any],
        command: Any,
        *,
        idempotency_key: str | None = None,
        again: Callable[[Unit, Any, int], None] | None = None,
    ) -> Told:
        """Run a use case at the till's time; a key's fingerprint is that of the whole command."""
        keyed = None
        if idempotency_key is not None:
            meaning = hashlib.sha256(repr((use_case.__name__, command)).encode()).digest()
            keyed = Keyed("scope", idempotency_key, use_case.__name__, meaning)
        now_ms = self.now_ms
        run = Run(use_case, command, self._render, keyed, command.key, again=again)
        answer = await self.store.write(
            lambda unit, _: perform(unit, now_ms, run),
            timeout_s=30,
            reads=command.reads(),
        )
        return Told(self.results[answer.body], answer.repeated)

    def _render(self, result: Any) -> bytes:
        body = repr(result).encode()
        self.results[body] = result
        return body

    async def identify(self, loyalty_id: str, *incentives: str) -> str:
        """Identify by loyalty ID, or by a fresh code that selects incentives."""
        identifier = loyalty_id
        if incentives:
            issued = await self.call(issue_code, issue_command(loyalty_id, *incentives))
            identifier = issued.result.digits
        command = replace(identify_command(identifier), key=self.key)
        told = await self.call(identify_member, command)
        transaction_id: str = told.result.transaction_id
        return transaction_id

    async def update(
        self, transaction_id: str, status: TransactionStatus, content: Basket, **other: Any
    ) -> Told:
        """Report an order."""
        order = report(transaction_id, status, content, key=self.key, **other)
        return await self.call(report_order, order)

    async def validate(
        self, transaction_id: str, status: TransactionStatus, content: Basket, **other: Any
    ) -> Told:
        """Ask whether an order breaks rules."""
        order = report(transaction_id, status, content, key=self.key, **other)
        return await self.call(validate_order, replace(order, asking=True))

    async def void(self, transaction_id: str) -> Told:
        """Cancel a transaction."""
        return await self.call(void_transaction, VoidTransaction(self.key, transaction_id))

    async def unclaimed(self, content: Basket, **other: Any) -> Any:
        """Record an order without a guest; return the result with its receipt code."""
        return (await self.record(content, **other)).result

    async def record(
        self,
        content: Basket,
        *,
        store_id: int = 9999,
        service_mode: str = "EAT_IN",
        number: str = "1",
        terminal: str | None = None,
        created: str | None = None,
        idempotency_key: str | None = None,
    ) -> Told:
        """Record an order without a guest."""
        pos = PointOfSale(number, store_id, "Partner", None, terminal, None)
        command = RecordUnclaimedOrder(
            self.key,
            "RESTAURANT",
            service_mode,
            pos,
            content,
            basket_to_json(content),
            created=created,
            keyed=idempotency_key is not None,
        )
        return await self.call(record_unclaimed_order, command, idempotency_key=idempotency_key)

    async def claim_receipt(self, loyalty_id: str, receipt_code: str) -> Told:
        """Turn a receipt into points."""
        return await self.call(claim_receipt, ClaimReceipt(self.key, loyalty_id, receipt_code))

    async def sweep(self) -> tuple[str, ...]:
        """Void what is overdue at the till's time; return which transactions."""
        now_ms = self.now_ms
        found = await self.store.write(
            lambda unit, _: find_overdue_transactions(unit, None, 100, now_ms), timeout_s=30
        )
        voided = [
            await self.store.write(
                lambda unit, _, overdue=overdue: void_overdue(unit, overdue, now_ms),
                timeout_s=30,
                reads=overdue.reads(),
            )
            for overdue in found
        ]
        return tuple(
            overdue.transaction_id for overdue, ended in zip(found, voided, strict=True) if ended
        )
