"""How a movement of points is shown: from the member's side."""

from __future__ import annotations

from collections.abc import Mapping

from loyalty.v1 import member_service_pb2 as pb

OWN = frozenset({"available", "held", "unconfirmed", "debt"})
"""Accounts that a member has; all others are the program's."""


def told(transfer: pb.Transfer) -> Mapping[str, object]:
    """Tell a movement: what came to the member is above zero, and 0 moved among its accounts."""
    source, destination = map(_account, (transfer.source, transfer.destination))
    sign = (destination in OWN) - (source in OWN)
    return {
        "time": transfer.effective_time,
        "points": sign * transfer.points,
        "moved": transfer.points,
        "way": f"{source} → {destination}",
        "cause": pb.Transfer.Cause.Name(transfer.cause).removeprefix("CAUSE_"),
        "order": transfer.transaction_id,
        "note": transfer.note,
    }


def _account(account: pb.Transfer.Account) -> str:
    return pb.Transfer.Account.Name(account).removeprefix("ACCOUNT_").lower()
