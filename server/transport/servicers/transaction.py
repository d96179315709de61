"""TransactionService: the RBI contract's life of an order."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import fields
from functools import partial

from google.protobuf.message import Message

from loyalty.v1 import (
    code_service_pb2,
    identify_service_pb2,
    member_service_pb2,
    order_pb2,
    session_service_pb2,
)
from loyalty.v1 import transaction_service_pb2 as pb
from server.application.basket_records import basket_to_json
from server.application.claim_receipt import ClaimedReceipt, ClaimReceipt, claim_receipt
from server.application.get_transaction import get_remembered, get_transaction
from server.application.idempotency import plain_key
from server.application.order_review import Order
from server.application.reading import TransactionEntry
from server.application.record_unclaimed import (
    RecordedUnclaimed,
    RecordUnclaimed,
    record_unclaimed,
)
from server.application.update_transaction import Updated, report_again, update_transaction
from server.application.validate_transaction import Validated, validate_transaction
from server.application.void_transaction import Voided, VoidTransaction, void_transaction
from server.domain.errors import FieldViolation, RequestInvalidError
from server.domain.presentation import Presentation
from server.domain.records import Remembered, TransactionStatus
from server.transport.authentication import require_role
from server.transport.call import Call
from server.transport.servicers.order import point_of_sale, read_basket
from server.transport.servicers.timestamps import timestamp

# Where the answer of each RPC stands in a GetTransactionResponse.
_ANSWERS: dict[str, tuple[str, type[Message]]] = {
    "IdentifyService/Identify": ("identify", identify_service_pb2.IdentifyResponse),
    "TransactionService/Update": ("update", pb.UpdateResponse),
    "TransactionService/Void": ("void", pb.VoidResponse),
    "TransactionService/Unclaimed": ("unclaimed", pb.UnclaimedResponse),
    "TransactionService/ClaimReceipt": ("claim_receipt", pb.ClaimReceiptResponse),
    "SessionService/StartAnonymousSession": (
        "start_anonymous_session",
        session_service_pb2.StartAnonymousSessionResponse,
    ),
    "CodeService/IssueCode": ("issue_code", code_service_pb2.IssueCodeResponse),
    "MemberService/EnrollMember": ("enroll_member", member_service_pb2.EnrollMemberResponse),
}


class TransactionServicer:
    """Serves loyalty.v1.TransactionService."""

    async def Validate(self, request: pb.ValidateRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        order = _order(request, call)
        return await call.decide(validate_transaction, order, _render_validated)

    async def Update(self, request: pb.UpdateRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        order = _order(request, call)
        return await call.write(
            update_transaction, order, _render_updated, paid=order.claiming, again=report_again
        )

    async def Void(self, request: pb.VoidRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        vendor = request.transaction_details.pos_vendor
        command = VoidTransaction(
            key=call.key,
            transaction_id=request.loyalty_transaction_id.lower(),
            loyalty_id=request.loyalty_id or None,
            repeated_id=request.transaction_id or None,
            store_id=vendor.store_id if vendor.HasField("store_id") else None,
        )
        return await call.write(void_transaction, command, _render_voided, paid=True)

    async def Unclaimed(self, request: pb.UnclaimedRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        basket = read_basket(request.transaction_details, call.program)
        command = RecordUnclaimed(
            key=call.key,
            channel=order_pb2.Channel.Name(request.channel),
            service_mode=order_pb2.ServiceMode.Name(request.service_mode),
            point_of_sale=point_of_sale(request.transaction_details.pos_vendor),
            basket=basket,
            basket_json=basket_to_json(basket),
            local_time=call.local_time(),
            created=request.created.strip() or None,
            keyed="idempotency-key" in call.metadata,
        )
        return await call.write(record_unclaimed, command, _render_unclaimed, paid=True)

    async def ClaimReceipt(self, request: pb.ClaimReceiptRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        command = ClaimReceipt(call.key, request.loyalty_id, request.receipt_code)
        return await call.write(claim_receipt, command, _render_claimed)

    async def GetTransaction(self, request: pb.GetTransactionRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        committed = pb.GetTransactionResponse.OUTCOME_COMMITTED
        response = pb.GetTransactionResponse(outcome=committed)
        if request.loyalty_transaction_id:
            async with call.read() as reader:
                entry = await get_transaction(reader, call.key, request.loyalty_transaction_id)
                response.transaction.CopyFrom(_transaction(entry))
            return response.SerializeToString()
        key = _asked_key(request)
        if not await _tell_outcome(response, key, call):
            under_way = await call.is_under_way(key)
            # What was settled while that was found out can be seen only now.
            if not await _tell_outcome(response, key, call):
                response.outcome = (
                    pb.GetTransactionResponse.OUTCOME_UNDER_WAY
                    if under_way
                    else pb.GetTransactionResponse.OUTCOME_NEVER_SEEN
                )
        return response.SerializeToString()


def _asked_key(request: pb.GetTransactionRequest) -> str:
    """
    Give the key that is asked about.

    Raises:
        RequestInvalidError: It is blank, which no call's key is.
    """
    key = plain_key(request.idempotency_key)
    if not key:
        raise RequestInvalidError((FieldViolation("idempotency_key", "must not be all blank"),))
    return key


def _order(request: pb.ValidateRequest | pb.UpdateRequest, call: Call) -> Order:
    details = request.transaction_details
    basket = read_basket(details, call.program)
    return Order(
        key=call.key,
        transaction_id=request.loyalty_transaction_id.lower(),
        loyalty_id=request.loyalty_id or None,
        repeated_id=request.transaction_id or None,
        status=TransactionStatus(request.status),
        channel=order_pb2.Channel.Name(request.channel),
        service_mode=order_pb2.ServiceMode.Name(request.service_mode),
        point_of_sale=point_of_sale(details.pos_vendor),
        basket=basket,
        basket_json=basket_to_json(basket),
        local_time=call.local_time(),
        first_fingerprint=partial(_first_fingerprint, request),
    )


def _first_fingerprint(request: pb.ValidateRequest | pb.UpdateRequest) -> bytes:
    """Hash a report as the first version of `application.meaning` did."""
    meaning = type(request).FromString(request.SerializeToString())
    meaning.ClearField("created")
    for payment in meaning.transaction_details.payments:
        payment.ClearField("cc_token")
    return hashlib.sha256(meaning.SerializeToString(deterministic=True)).digest()


async def _tell_outcome(
    response: pb.GetTransactionResponse, idempotency_key: str, call: Call
) -> bool:
    """Tell what a call with this key was answered; returns whether one took effect."""
    async with call.read() as reader:
        remembered = await get_remembered(reader, call.key, idempotency_key)
        if remembered is None:
            return False
        require_role(call.key, remembered.method)
        await _tell_answer(response, remembered, partial(get_transaction, reader, call.key))
    return True


async def _tell_answer(
    response: pb.GetTransactionResponse,
    remembered: Remembered,
    find: Callable[[str], Awaitable[TransactionEntry]],
) -> None:
    """Put the kept answer in its place, with the transaction it speaks of."""
    name, answer_class = _ANSWERS[remembered.method]
    answer = answer_class.FromString(remembered.answer)
    getattr(response, name).CopyFrom(answer)
    transaction_id = getattr(answer, "transaction_id", "")
    if transaction_id:
        response.transaction.CopyFrom(_transaction(await find(transaction_id)))


def _transaction(entry: TransactionEntry) -> pb.Transaction:
    record = entry.transaction
    void = record.status is TransactionStatus.VOID
    return pb.Transaction(
        transaction_id=record.transaction_id,
        loyalty_id=entry.loyalty_id,
        status=record.status.name,
        store_id=record.store_id,
        pos_transaction_id=record.pos_transaction_id,
        points_held=entry.held_points,
        points_earned=0 if void else record.points_earned,
        points_redeemed=0 if void else record.points_redeemed,
        create_time=timestamp(record.created_ms),
        update_time=timestamp(record.updated_ms),
        expire_time=timestamp(record.expires_ms),
    )


def _render_validated(validated: Validated) -> pb.ValidateResponse:
    return pb.ValidateResponse(
        loyalty_id=validated.loyalty_id, transaction_id=validated.transaction_id
    )


def _render_updated(updated: Updated) -> pb.UpdateResponse:
    return pb.UpdateResponse(
        loyalty_id=updated.loyalty_id,
        points=updated.available_points,
        points_earned=updated.earned_points,
        points_redeemed=updated.redeemed_points,
        transaction_id=updated.transaction_id,
        presentation=_presentation(updated.presentation),
    )


def _render_voided(voided: Voided) -> pb.VoidResponse:
    return pb.VoidResponse(
        loyalty_id=voided.loyalty_id or "",
        points=voided.available_points,
        points_earned=voided.earned_points,
        points_redeemed=voided.redeemed_points,
        transaction_id=voided.transaction_id,
    )


def _render_unclaimed(recorded: RecordedUnclaimed) -> pb.UnclaimedResponse:
    return pb.UnclaimedResponse(
        transaction_id=recorded.transaction_id,
        receipt_code=recorded.receipt_code,
        presentation=_presentation(recorded.presentation),
    )


def _render_claimed(claimed: ClaimedReceipt) -> pb.ClaimReceiptResponse:
    return pb.ClaimReceiptResponse(
        loyalty_id=claimed.loyalty_id,
        points=claimed.available_points,
        points_earned=claimed.earned_points,
        transaction_id=claimed.transaction_id,
    )


def _presentation(texts: Presentation | None) -> pb.Presentation | None:
    if texts is None:
        return None
    return pb.Presentation(**{field.name: getattr(texts, field.name) for field in fields(texts)})
