"""TransactionService: the RBI contract's life of an order."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import fields, replace
from functools import partial
from urllib.parse import unquote, unquote_plus

from google.protobuf.message import Message

from loyalty.v1 import (
    code_service_pb2,
    identify_service_pb2,
    member_service_pb2,
    order_pb2,
    session_service_pb2,
)
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.application.orders.basket_records import basket_to_json
from loyalty_service.application.orders.claim_receipt import (
    ClaimedReceipt,
    ClaimReceipt,
    claim_receipt,
)
from loyalty_service.application.orders.get_transaction import get_remembered, get_transaction
from loyalty_service.application.orders.order_review import Order
from loyalty_service.application.orders.record_unclaimed import (
    RecordedUnclaimed,
    RecordUnclaimed,
    record_unclaimed,
)
from loyalty_service.application.orders.update_transaction import (
    Updated,
    report_again,
    update_transaction,
)
from loyalty_service.application.orders.validate_transaction import Validated, validate_transaction
from loyalty_service.application.orders.void_transaction import (
    Voided,
    VoidTransaction,
    void_transaction,
)
from loyalty_service.application.perform import plain_key
from loyalty_service.application.reading import TransactionEntry
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.identifiers import is_uuid
from loyalty_service.domain.presentation import Presentation
from loyalty_service.domain.records import Remembered, TransactionStatus
from loyalty_service.domain.texts import label
from loyalty_service.transport.authentication import require_role
from loyalty_service.transport.call import Call
from loyalty_service.transport.servicers.order import point_of_sale, read_basket
from loyalty_service.transport.servicers.timestamps import timestamp

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


_COMMITTED = pb.GetTransactionResponse.OUTCOME_COMMITTED
_UNDER_WAY = pb.GetTransactionResponse.OUTCOME_UNDER_WAY
_NEVER_SEEN = pb.GetTransactionResponse.OUTCOME_NEVER_SEEN


class TransactionServicer:
    """Serves loyalty.v1.TransactionService."""

    async def Validate(self, request: pb.ValidateRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        order = replace(_order(request, call, paid=False), asking=True)
        return await call.decide(validate_transaction, order, _render_validated)

    async def Update(self, request: pb.UpdateRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        order = _order(request, call, paid=request.status == order_pb2.CLAIMED)
        return await call.write(
            update_transaction, order, _render_updated, paid=order.claiming, again=report_again
        )

    async def Void(self, request: pb.VoidRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        # The guest has the money back: nothing else that a till writes keeps a void from its end.
        loyalty_id, repeated_id = request.loyalty_id.strip(), request.transaction_id.strip()
        command = VoidTransaction(
            key=call.key,
            transaction_id=request.loyalty_transaction_id.lower(),
            loyalty_id=loyalty_id or None,
            repeated_id=repeated_id if is_uuid(repeated_id) else None,
        )
        return await call.write(void_transaction, command, _render_voided, paid=True)

    async def Unclaimed(self, request: pb.UnclaimedRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        basket, mends = read_basket(request.transaction_details, call.program, paid=True)
        command = RecordUnclaimed(
            key=call.key,
            channel=order_pb2.Channel.Name(request.channel),
            service_mode=order_pb2.ServiceMode.Name(request.service_mode),
            point_of_sale=point_of_sale(request.transaction_details.pos_vendor),
            basket=basket,
            basket_json=basket_to_json(basket),
            local_time=call.local_time(request.transaction_details.pos_vendor.store_id, paid=True),
            mends=(*call.mends, *mends),
            created=label(request.created) or None,
            keyed="idempotency-key" in call.metadata,
        )
        return await call.write(record_unclaimed, command, _render_unclaimed, paid=True)

    async def ClaimReceipt(self, request: pb.ClaimReceiptRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        command = ClaimReceipt(call.key, request.loyalty_id, request.receipt_code)
        return await call.write(claim_receipt, command, _render_claimed)

    async def GetTransaction(self, request: pb.GetTransactionRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        if request.loyalty_transaction_id:
            async with call.read() as reader:
                entry = await get_transaction(reader, call.key, request.loyalty_transaction_id)
                response = pb.GetTransactionResponse(outcome=_COMMITTED)
                response.transaction.CopyFrom(_transaction(entry))
            return response.SerializeToString()
        keys = _asked_keys(request, call.metadata.get("loyalty-query-key"))
        told = await _tell_outcome(keys, call)
        if told is None:
            under_way = [await call.is_under_way(key) for key in keys]
            # What was settled while that was found out can be seen only now.
            told = await _tell_outcome(keys, call)
        if told is None:
            outcome = _UNDER_WAY if any(under_way) else _NEVER_SEEN
            told = pb.GetTransactionResponse(outcome=outcome)
        return told.SerializeToString()


def _asked_keys(request: pb.GetTransactionRequest, written: str | None) -> tuple[str, ...]:
    """
    Give the key that is asked about, in each way that it can be meant.

    Args:
        request: Holds the key, decoded but for each "+".
        written: The key as it stands in a query with a "+", which in a form is a blank: Envoy
            tells it. Absent where it can be meant in one way only.

    Raises:
        RequestInvalidError: It is blank, which no call's key is, or there are two of them.
    """
    keys = [request.idempotency_key]
    if written is not None:
        if unquote(written) != request.idempotency_key:
            raise _key_invalid("must be given once")
        keys.append(unquote_plus(written))
    plain = tuple(dict.fromkeys(filter(None, map(plain_key, keys))))
    if not plain:
        raise _key_invalid("must not be all blank")
    return plain


def _key_invalid(message: str) -> RequestInvalidError:
    return RequestInvalidError((FieldViolation("idempotency_key", message),))


def _order(request: pb.ValidateRequest | pb.UpdateRequest, call: Call, *, paid: bool) -> Order:
    details = request.transaction_details
    basket, mends = read_basket(details, call.program, paid=paid)
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
        local_time=call.local_time(details.pos_vendor.store_id, paid=paid),
        mends=(*call.mends, *mends),
        first_fingerprint=partial(_first_fingerprint, request),
    )


def _first_fingerprint(request: pb.ValidateRequest | pb.UpdateRequest) -> bytes:
    """Hash a report as the first version of `application.meaning` did."""
    meaning = type(request).FromString(request.SerializeToString())
    meaning.ClearField("created")
    for payment in meaning.transaction_details.payments:
        payment.ClearField("cc_token")
    return hashlib.sha256(meaning.SerializeToString(deterministic=True)).digest()


async def _tell_outcome(keys: Iterable[str], call: Call) -> pb.GetTransactionResponse | None:
    """
    Tell what the call with one of these keys was answered; absent when none took effect.

    Raises:
        RequestInvalidError: Several did, and which was meant can't be told.
    """
    told = []
    async with call.read() as reader:
        for key in keys:
            remembered = await get_remembered(reader, call.key, key)
            if remembered is not None:
                require_role(call.key, remembered.method)
                response = pb.GetTransactionResponse(outcome=_COMMITTED)
                find = partial(get_transaction, reader, call.key)
                await _tell_answer(response, remembered, find)
                told.append(response)
    if len(told) > 1:
        raise _key_invalid('names two calls: write "+" as %2B, or a blank as %20')
    return told[0] if told else None


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
