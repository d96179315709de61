"""Every call that writes: how to get ready for it, and two requests that differ."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial

from google.protobuf.message import Message

from loyalty.v1 import code_service_pb2, member_service_pb2
from loyalty.v1 import session_service_pb2 as session_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.transport.authentication import ROLES
from tests.support.server import Caller, identify_request, new_order
from tests.support.transactions import (
    COFFEE,
    line,
    open_transaction,
    reward_line,
    transactions,
    unclaimed_request,
    update_request,
)

Requests = tuple[Message, Message]


@dataclass(frozen=True, slots=True)
class Desk:
    """Where calls are made ready: somebody who may call anything, and members with points."""

    admin: Caller
    members: Iterator[str]

    def guest(self) -> str:
        """Give the next member."""
        return next(self.members)


@dataclass(frozen=True, slots=True)
class Writing:
    """A call that writes: how to get ready for it, and two requests that differ."""

    method: str
    prepare: Callable[[Desk], Awaitable[Requests]]


async def _session(_: Desk) -> Requests:
    values = {"correlation_id": str(uuid.uuid4())}
    request = session_pb2.StartAnonymousSessionRequest
    return request(**values), request(**values, channel="KIOSK")


async def _identify(desk: Desk) -> Requests:
    loyalty_id = desk.guest()
    return identify_request(loyalty_id), identify_request(loyalty_id, new_order())


async def _issue(desk: Desk) -> Requests:
    loyalty_id = desk.guest()
    request = code_service_pb2.IssueCodeRequest
    selected = code_service_pb2.SelectedIncentive(incentive_id=COFFEE)
    return request(loyalty_id=loyalty_id), request(loyalty_id=loyalty_id, order=[selected])


async def _enroll(_: Desk) -> Requests:
    request = member_service_pb2.EnrollMemberRequest
    return request(name="One"), request(name="Two")


async def _update(desk: Desk, status: str) -> Requests:
    transaction_id = await open_transaction(desk.admin, desk.guest())
    return (
        update_request(transaction_id, status, reward_line(), line(5)),
        update_request(transaction_id, status, line(6)),
    )


async def _void(desk: Desk) -> Requests:
    loyalty_id = desk.guest()
    transaction_id = await open_transaction(desk.admin, loyalty_id)
    claim = update_request(transaction_id, "CLAIMED", reward_line(), line(5))
    await desk.admin.call(transactions(desk.admin).ReportOrder, claim)
    return (
        pb.VoidTransactionRequest(loyalty_transaction_id=transaction_id),
        pb.VoidTransactionRequest(
            loyalty_transaction_id=await open_transaction(desk.admin, loyalty_id)
        ),
    )


async def _unclaimed(_: Desk) -> Requests:
    return unclaimed_request(line(5)), unclaimed_request(line(6))


async def _receipt(desk: Desk) -> Requests:
    stub = transactions(desk.admin)
    recorded = await desk.admin.call(stub.RecordUnclaimedOrder, unclaimed_request(line(5)))
    request = partial(pb.ClaimReceiptRequest, receipt_code=recorded.receipt_code)
    return request(loyalty_id=desk.guest()), request(loyalty_id=desk.guest())


CALLS = {
    "StartAnonymousSession": Writing("SessionService/StartAnonymousSession", _session),
    "IdentifyMember": Writing("IdentifyService/IdentifyMember", _identify),
    "IssueCode": Writing("CodeService/IssueCode", _issue),
    "EnrollMember": Writing("MemberService/EnrollMember", _enroll),
    "ReportOrderPending": Writing(
        "TransactionService/ReportOrder", partial(_update, status="PENDING")
    ),
    "ReportOrderClaimed": Writing(
        "TransactionService/ReportOrder", partial(_update, status="CLAIMED")
    ),
    "VoidTransaction": Writing("TransactionService/VoidTransaction", _void),
    "RecordUnclaimedOrder": Writing("TransactionService/RecordUnclaimedOrder", _unclaimed),
    "ClaimReceipt": Writing("TransactionService/ClaimReceipt", _receipt),
}


READING = frozenset(
    {
        "CodeService/GetCode",
        "MemberService/GetMember",
        "MemberService/ListTransfers",
        "TransactionService/GetOutcome",
        "TransactionService/GetTransaction",
        "TransactionService/ValidateOrder",
    }
)
"""Calls that change nothing."""


def unlisted_calls() -> set[str]:
    """Name the calls that are served and neither known to read nor listed among the writing."""
    return set(ROLES) - READING - {writing.method for writing in CALLS.values()}
