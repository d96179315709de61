"""How a movement of points is shown: from the member's side."""

from __future__ import annotations

from collections.abc import Mapping

from loyalty.v1 import member_service_pb2 as pb

OWN = frozenset({"AVAILABLE", "HELD", "UNCONFIRMED", "DEBT"})
"""Accounts that a member has; all others are the program's."""


def told(transfer: pb.Transfer) -> Mapping[str, object]:
    """Tell a movement: what came to the member is above zero, and 0 moved among its accounts."""
    source = pb.Transfer.Account.Name(transfer.source)
    destination = pb.Transfer.Account.Name(transfer.destination)
    sign = (destination in OWN) - (source in OWN)
    return {
        "time": transfer.effective_time,
        "points": sign * transfer.points,
        "moved": transfer.points,
        "way": f"{source} → {destination}".lower().replace("_", " "),
        "cause": pb.Transfer.Cause.Name(transfer.cause),
        "order": transfer.transaction_id,
        "note": transfer.note,
    }
