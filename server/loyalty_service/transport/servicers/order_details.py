"""What a help desk is told of an order beside what its caller is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from google.protobuf.struct_pb2 import Struct

from loyalty.v1 import member_service_pb2 as members
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.application.reading import TransferEntry
from loyalty_service.domain.records import Transaction
from loyalty_service.transport.servicers.timestamps import timestamp


def render_details(
    order: Transaction, transfers: Sequence[TransferEntry], archived_until_ms: int | None
) -> pb.OrderDetails:
    """Tell how an order came about, and what it moved."""
    return pb.OrderDetails(
        partner=order.partner,
        terminal=order.terminal,
        operator=order.operator,
        pos_type=order.pos_type,
        supporting_pos=order.supporting_pos,
        channel=order.channel,
        service_mode=order.service_mode,
        paid_store_id=order.paid_store_id,
        business_day=order.business_day,
        claim_time=None if order.claimed_ms is None else timestamp(order.claimed_ms),
        program_version=order.program_version,
        basket=_basket(order.basket),
        transfers=map(render_transfer, transfers),
        archived_until_time=None if archived_until_ms is None else timestamp(archived_until_ms),
    )


def render_transfer(entry: TransferEntry) -> members.Transfer:
    """Tell of a movement of points."""
    return members.Transfer(
        transfer_id=str(entry.transfer_id),
        source=members.Transfer.Account.Name(entry.source),
        destination=members.Transfer.Account.Name(entry.destination),
        points=entry.points,
        cause=members.Transfer.Cause.Name(entry.cause),
        transaction_id=entry.transaction_id or None,
        note=entry.note or None,
        effective_time=timestamp(entry.effective_ms),
        record_time=timestamp(entry.recorded_ms),
    )


def _basket(kept: str | None) -> Struct | None:
    if kept is None:
        return None
    basket = Struct()
    basket.update(json.loads(kept, object_hook=_told))
    return basket


def _told(part: dict[str, Any]) -> dict[str, Any]:
    """Name what is told of a part of a basket as JSON callers do."""
    return {_camel_case(name): value for name, value in part.items() if value is not None}


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
