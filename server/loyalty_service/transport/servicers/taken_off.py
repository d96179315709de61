"""What rewards and offers take off an order, as the contract tells it."""

from __future__ import annotations

from collections.abc import Sequence

from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.domain.basket import basket_from_json
from loyalty_service.domain.records import Transaction, TransactionStatus
from loyalty_service.domain.taken_off import TakenOff, given_away

_MOST = 2**31 - 1
"""What the contract can tell of an amount at most; a till may say more, and its order is kept."""


def render_allowed(found: Sequence[TakenOff]) -> pb.TakenOff | None:
    """Tell what may be taken off; nothing where the program says it of none."""
    if not found:
        return None
    return pb.TakenOff(
        incentives=[
            pb.TakenOff.Incentive(
                incentive_id=one.incentive_id,
                amount=min(one.allowed, _MOST),
                applies_to=one.applies_to,
            )
            for one in found
            if one.allowed is not None
        ]
    )


def render_given_away(record: Transaction) -> pb.TakenOff | None:
    """Tell what the till of a paid order said that it took off."""
    paid = record.status in {TransactionStatus.CLAIMED, TransactionStatus.UNCLAIMED}
    given = given_away(basket_from_json(record.basket)) if paid and record.basket else {}
    if not given:
        return None
    return pb.TakenOff(
        incentives=[
            pb.TakenOff.Incentive(incentive_id=name, amount=min(amount, _MOST))
            for name, amount in given.items()
        ]
    )
