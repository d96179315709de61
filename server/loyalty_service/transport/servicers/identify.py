"""IdentifyService: the RBI contract's identify."""

from __future__ import annotations

from collections.abc import Callable

from loyalty.v1 import discount_pb2, order_pb2
from loyalty.v1 import identify_service_pb2 as pb
from loyalty_service.application.orders.identify_again import (
    IdentifiedAgain,
    IdentifyAgain,
    identify_again,
)
from loyalty_service.application.orders.identify_member import (
    Identified,
    IdentifyMember,
)
from loyalty_service.application.orders.shown_codes import SelectedLine
from loyalty_service.application.perform import Done, Repeated
from loyalty_service.application.unit import Unit
from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.identifiers import plain_identifier
from loyalty_service.domain.program import DiscountKind, Incentive, Program
from loyalty_service.transport.call import Call
from loyalty_service.transport.servicers.order import point_of_sale

IdentifyUseCase = Callable[[Unit, IdentifyMember, int], Done[Identified] | Repeated]

_PRODUCT_TYPES = {"reward": order_pb2.OrderLine.reward, "offer": order_pb2.OrderLine.offer}
_DISCOUNT_TYPES = {
    "reward": discount_pb2.DiscountDetails.reward,
    "offer": discount_pb2.DiscountDetails.offer,
}
_ENTRY_TYPES = {"reward": "Reward", "offer": "Offer"}
_SUBTYPES = {
    DiscountKind.PERCENTAGE: discount_pb2.DiscountDetails.PERCENTAGE_DISCOUNT,
    DiscountKind.AMOUNT: discount_pb2.DiscountDetails.AMOUNT_DISCOUNT,
}


class IdentifyServicer:
    """Serves loyalty.v1.IdentifyService."""

    def __init__(self, identify: IdentifyUseCase) -> None:
        self._identify = identify

    async def IdentifyMember(self, request: pb.IdentifyMemberRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        command = IdentifyMember(
            key=call.key,
            identifier=plain_identifier(request.identifier),
            point_of_sale=point_of_sale(request.pos_vendor),
            local_time=call.local_time(request.pos_vendor.store_id),
        )
        return await call.write(self._identify, command, _render)

    async def IdentifyMemberAgain(  # noqa: N802
        self, request: pb.IdentifyMemberAgainRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = IdentifyAgain(
            key=call.key,
            identifier=plain_identifier(request.identifier),
            transaction_id=request.transaction_id.lower(),
        )
        return await call.write(identify_again, command, _render_again)


def _render_again(identified: IdentifiedAgain) -> bytes:
    return pb.IdentifyMemberAgainResponse(
        balance=identified.available_points,
        cart=[
            pb.IdentifyMemberAgainResponse.CartEntry(
                external_reference_id=line.plu,
                quantity=line.quantity,
                type=_ENTRY_TYPES[line.incentive.kind],
            )
            for line in identified.selection
        ],
    ).SerializeToString()


def _render(identified: Identified) -> bytes:
    member, program = identified.member, identified.program
    response = pb.IdentifyMemberResponse(transaction_id=identified.transaction_id)
    response.balances.add(amount=identified.available_points, currency=program.points_name)
    user = response.loyalty_user
    user.created = rfc3339(member.created_ms)
    user.id = member.loyalty_id
    user.name = member.name
    for line in identified.selection:
        if line.incentive.discount is None:
            response.order.append(_order_line(line, program, len(response.order)))
        else:
            # The contract's discount has no quantity: each is announced for itself.
            announced = _discount(line, program)
            response.eligible_discounts.extend(announced for _ in range(line.quantity))
    return response.SerializeToString()


def _order_line(line: SelectedLine, program: Program, index: int) -> order_pb2.OrderLine:
    incentive = line.incentive
    order_line = order_pb2.OrderLine(
        product_id=line.plu,
        incentive_id=incentive.incentive_id,
        loyalty_engine_id=incentive.engine_id,
        quantity=line.quantity,
        product_type=_PRODUCT_TYPES[incentive.kind],
        reference_id=f"{index:02d}",
    )
    if incentive.price is not None:
        order_line.price = incentive.price / 10**program.currency_digits
    elif incentive.kind == "reward":
        order_line.price = 0  # Tills add it up, and a reward without a price is free.
    return order_line


def _discount(line: SelectedLine, program: Program) -> discount_pb2.Discount:
    incentive = line.incentive
    return discount_pb2.Discount(
        details=discount_details(incentive, program),
        incentive_id=incentive.incentive_id,
        product_id=line.plu,
        reference_id=incentive.engine_id,
    )


def discount_details(incentive: Incentive, program: Program) -> discount_pb2.DiscountDetails:
    """
    Tell what an incentive takes off.

    Raises:
        TypeError: It is no discount.
    """
    if incentive.discount is None:
        raise TypeError(f"incentive {incentive.incentive_id} is not a discount")
    return discount_pb2.DiscountDetails(
        display_name=incentive.display_name,
        discount_value=incentive.discount.told_value(program.currency_digits),
        subtype=_SUBTYPES[incentive.discount.kind],
        type=_DISCOUNT_TYPES[incentive.kind],
    )
