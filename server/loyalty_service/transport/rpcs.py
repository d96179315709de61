"""What is true of each RPC, by its name: `Service/Method`."""

from __future__ import annotations

from collections.abc import Mapping

_KEPT_AS: Mapping[str, str] = {
    "IdentifyService/IdentifyMember": "IdentifyService/Identify",
    "TransactionService/ReportOrder": "TransactionService/Update",
    "TransactionService/VoidTransaction": "TransactionService/Void",
    "TransactionService/RecordUnclaimedOrder": "TransactionService/Unclaimed",
}
"""
Names of RPCs in stores, where they differ: kept answers and fingerprints have the name that the
RPC was first called by, so that a call which was answered before it was renamed is known again.
"""

_RPCS = {kept: rpc for rpc, kept in _KEPT_AS.items()}


def kept_name(rpc: str) -> str:
    """Give the name under which the answers of an RPC are kept."""
    return _KEPT_AS.get(rpc, rpc)


def rpc_kept_as(name: str) -> str:
    """Give the RPC whose answers are kept under a name."""
    return _RPCS.get(name, name)
