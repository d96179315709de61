"""Purchases at the level of use cases: sessions of members and of nobody, tried and paid."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from loyalty_service.application.operators.apply_program import ApplyProgram
from loyalty_service.application.orders.report_offline_order import (
    ReportOfflineOrder,
    report_offline_order,
)
from loyalty_service.application.purchases.adjust_purchase import AdjustPurchase, adjust_purchase
from loyalty_service.application.purchases.award_purchase import AwardPurchase, award_purchase
from loyalty_service.application.purchases.confirm_purchase import (
    ConfirmPurchase,
    confirm_purchase,
)
from loyalty_service.application.purchases.finalize_purchase import finalize_purchase
from loyalty_service.application.purchases.purchase import Purchase
from loyalty_service.application.purchases.report_offline_purchase import (
    OfflinePurchase,
    report_offline_purchase,
)
from loyalty_service.application.purchases.try_purchase import try_purchase
from loyalty_service.application.unit import Unit
from loyalty_service.domain.basket import Basket, BasketLine, basket_to_json
from loyalty_service.domain.returns import ReturnedLine
from loyalty_service.domain.sessions import Session, SessionStatus
from loyalty_service.domain.visit import PointOfSale
from loyalty_service.program_file.earning_records import (
    earning_from_json,
    promotions_from_json,
)
from tests.support.doing import apply_program
from tests.support.orders import Till, basket, item
from tests.support.programs import PROGRAM_ID, demo_program


async def describe(till: Till, *promotions: dict[str, Any], **words: Any) -> None:
    """Let an operator say what orders earn, and other words of the program."""
    program = replace(
        demo_program(),
        earning=earning_from_json(words.pop("earning", {}), {}),
        promotions=promotions_from_json(
            [{"name": one["id"], "rules": {}} | one for one in promotions], {}
        ),
        **words,
    )
    await till.store.write(lambda unit, now: apply_program(unit, ApplyProgram(program), now))


async def start(till: Till, guest: str | None = None, **words: Any) -> str:
    """Open a session, of a member or of nobody; return its correlation ID."""
    name, now_ms = str(words.pop("correlation_id", uuid.uuid4())), till.now_ms

    def open_one(unit: Unit, _now_ms: int) -> None:
        member = None if guest is None else unit.member(PROGRAM_ID, guest)
        plain: dict[str, Any] = {"external_identifier": None, "channel": "STORE", "locale": "en-CA"}
        unit.add(
            Session(
                program_id=PROGRAM_ID,
                correlation_id=name,
                status=SessionStatus.OPEN,
                member_number=None if member is None else member.number,
                created_ms=now_ms,
                updated_ms=now_ms,
                **({"anonymous_flag": None, "store_id": 9999} | plain | words),
            )
        )

    await till.store.write(open_one)
    return name


def purchase(till: Till, visit: str, *lines: BasketLine, **words: Any) -> Purchase:
    """Describe a purchase; of 10.00 unless lines are told."""
    bought = words.pop("basket", None) or basket(*(lines or (item(1000),)))
    return Purchase(till.key, visit, bought, **words)


async def try_(till: Till, visit: str, *lines: BasketLine, **words: Any) -> Any:
    """Try a purchase."""
    return (await till.call(try_purchase, purchase(till, visit, *lines, **words))).result


async def pay(till: Till, visit: str, *lines: BasketLine, **words: Any) -> Any:
    """Take a paid purchase; return what was told."""
    return (await till.call(finalize_purchase, purchase(till, visit, *lines, **words))).result


async def offline(
    till: Till, visit: str, guest: str | None, paid_ms: int, *lines: BasketLine, **words: Any
) -> Any:
    """Report a purchase that was paid at an earlier moment; return what was told."""
    told_time = datetime.fromtimestamp(paid_ms / 1000, UTC)
    command = OfflinePurchase(
        purchase(till, visit, *lines, told_time=told_time, **words), loyalty_id=guest
    )
    return await till.call(report_offline_purchase, command)


async def award(till: Till, original_id: str, current_id: str) -> Any:
    """Give the member of a session the points of a purchase; return what was told."""
    return await till.call(award_purchase, AwardPurchase(till.key, original_id, current_id))


async def adjust(
    till: Till, original_id: str, current_id: str, *lines: tuple[str, int | None]
) -> Any:
    """Take back lines of a purchase, each by its name and how many; return what was told."""
    returned = tuple(ReturnedLine(*line) for line in lines)
    command = AdjustPurchase(till.key, original_id, current_id, returned)
    return await till.call(adjust_purchase, command)


async def confirm(till: Till, current_id: str, original_id: str, mode: str = "CART") -> Any:
    """Confirm a purchase; return what was told."""
    return await till.call(
        confirm_purchase, ConfirmPurchase(till.key, current_id, original_id, mode)
    )


async def offline_order(
    till: Till, guest: str | None, paid_ms: int, content: Basket, *, number: str = "1"
) -> Any:
    """Report an order of a till of the RBI contract that was paid at an earlier moment."""
    command = ReportOfflineOrder(
        key=till.key,
        channel="RESTAURANT",
        service_mode="EAT_IN",
        point_of_sale=PointOfSale(number, 9999, "Partner", None, None, None),
        basket=content,
        basket_json=basket_to_json(content),
        told_time=datetime.fromtimestamp(paid_ms / 1000, UTC),
        loyalty_id=guest,
    )
    return await till.call(report_offline_order, command)
