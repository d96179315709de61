"""TransactionService: the RBI contract's life of an order."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import fields, replace
from functools import partial
from urllib.parse import unquote, unquote_plus

from loyalty.v1 import order_pb2
from loyalty.v1 import transaction_service_pb2 as pb
from loyalty_service.application.orders.change_status import (
    ChangeStatus,
    StatusChanged,
    change_status,
)
from loyalty_service.application.orders.claim_receipt import (
    ClaimedReceipt,
    ClaimReceipt,
    claim_receipt,
)
from loyalty_service.application.orders.get_transaction import (
    get_kept_answer,
    order_named,
    show_order,
)
from loyalty_service.application.orders.order_review import Order
from loyalty_service.application.orders.record_unclaimed_order import (
    RecordedUnclaimedOrder,
    RecordUnclaimedOrder,
    record_unclaimed_order,
)
from loyalty_service.application.orders.report_order import (
    Reported,
    report_again,
    report_order,
)
from loyalty_service.application.orders.return_lines import (
    LinesReturned,
    ReturnLines,
    return_lines,
)
from loyalty_service.application.orders.search_orders import search_orders
from loyalty_service.application.orders.search_transactions import (
    SearchTransactions,
    search_transactions,
)
from loyalty_service.application.orders.validate_order import Validated, validate_order
from loyalty_service.application.orders.void_transaction import (
    Voided,
    VoidTransaction,
    void_transaction,
)
from loyalty_service.application.perform import plain_key
from loyalty_service.application.reading import TransactionEntry
from loyalty_service.domain.basket import basket_to_json
from loyalty_service.domain.errors import FieldViolation, RequestInvalidError
from loyalty_service.domain.identifiers import is_uuid
from loyalty_service.domain.presentation import Presentation
from loyalty_service.domain.records import KeptAnswer, TransactionStatus
from loyalty_service.domain.returns import ReturnedLine
from loyalty_service.domain.texts import label
from loyalty_service.transport.authentication import require_role
from loyalty_service.transport.call import Call
from loyalty_service.transport.persons import PLACES, Find, put_names
from loyalty_service.transport.rpcs import rpc_kept_as
from loyalty_service.transport.servicers.found import (
    orders_wanted,
    render_found,
    render_orders,
)
from loyalty_service.transport.servicers.goals import reached_told
from loyalty_service.transport.servicers.order import point_of_sale, read_basket
from loyalty_service.transport.servicers.order_details import render_details
from loyalty_service.transport.servicers.shown_transaction import (
    render_earning,
    render_transaction,
)
from loyalty_service.transport.servicers.taken_off import render_allowed
from loyalty_service.transport.shortened import is_shortened, recall

_COMMITTED = pb.GetOutcomeResponse.OUTCOME_COMMITTED
_UNDER_WAY = pb.GetOutcomeResponse.OUTCOME_UNDER_WAY
_NEVER_SEEN = pb.GetOutcomeResponse.OUTCOME_NEVER_SEEN


class TransactionServicer:
    """Serves loyalty.v1.TransactionService."""

    async def ValidateOrder(self, request: pb.ValidateOrderRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        order = replace(_order(request, call, paid=False), asking=True)
        return await call.decide(validate_order, order, _render_validated)

    async def ReportOrder(self, request: pb.ReportOrderRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        order = _order(request, call, paid=request.status == pb.Transaction.CLAIMED)
        return await call.write(
            report_order, order, _render_reported, paid=order.claiming, again=report_again
        )

    async def VoidTransaction(self, request: pb.VoidTransactionRequest, call: Call) -> bytes:  # noqa: N802
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

    async def ReturnLines(self, request: pb.ReturnLinesRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        command = ReturnLines(
            key=call.key,
            transaction_id=request.loyalty_transaction_id.lower(),
            lines=tuple(
                ReturnedLine(one.reference_id, one.quantity if one.HasField("quantity") else None)
                for one in request.lines
            ),
            created=label(request.created) or None,
            keyed="idempotency-key" in call.metadata,
        )
        return await call.write(return_lines, command, _render_returned, paid=True)

    async def ChangeTransactionStatus(  # noqa: N802
        self, request: pb.ChangeTransactionStatusRequest, call: Call
    ) -> bytes:
        """See the contract."""
        status = TransactionStatus(request.new_status)
        command = ChangeStatus(call.key, request.transaction_id.lower(), status)
        return await call.write(change_status, command, _render_changed, paid=True)

    async def RecordUnclaimedOrder(  # noqa: N802
        self, request: pb.RecordUnclaimedOrderRequest, call: Call
    ) -> bytes:
        """See the contract."""
        basket, mends = read_basket(request.transaction_details, call.program, paid=True)
        call.mends += mends
        store_id = request.transaction_details.pos_vendor.store_id
        local_time = call.local_time(store_id, paid=True)
        command = RecordUnclaimedOrder(
            key=call.key,
            channel=order_pb2.TransactionDetails.Channel.Name(request.channel),
            service_mode=order_pb2.TransactionDetails.ServiceMode.Name(request.service_mode),
            point_of_sale=point_of_sale(request.transaction_details.pos_vendor),
            basket=basket,
            basket_json=basket_to_json(basket),
            local_time=local_time,
            mends=call.mends,
            created=label(request.created) or None,
            keyed="idempotency-key" in call.metadata,
            late_hours=call.late_hours,
        )
        return await call.write(record_unclaimed_order, command, _render_unclaimed, paid=True)

    async def ClaimReceipt(self, request: pb.ClaimReceiptRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        command = ClaimReceipt(call.key, request.loyalty_id, request.receipt_code)
        return await call.write(claim_receipt, command, _render_claimed)

    async def GetTransaction(self, request: pb.GetTransactionRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        async with call.read() as reader:
            shown = await show_order(reader, call.key, request.loyalty_transaction_id)
        order, moved = shown.entry.transaction, shown.transfers
        return pb.GetTransactionResponse(
            outcome=_COMMITTED,
            transaction=render_transaction(shown.entry),
            details=(
                None if moved is None else render_details(order, moved, shown.archived_until_ms)
            ),
        ).SerializeToString()

    async def SearchTransactions(  # noqa: N802
        self, request: pb.SearchTransactionsRequest, call: Call
    ) -> bytes:
        """See the contract."""
        command = SearchTransactions(
            key=call.key,
            loyalty_id=request.loyalty_id,
            statuses=frozenset(map(TransactionStatus, request.statuses)),
            excluded_channels=frozenset(word.strip().upper() for word in request.excluded_channels),
            cursor=request.cursor or None,
            limit=request.page_size,
        )
        async with call.read() as reader:
            found = await search_transactions(reader, command)
        return render_found(found)

    async def SearchOrders(self, request: pb.SearchOrdersRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        command = orders_wanted(request, call.key)
        async with call.read() as reader:
            page = await search_orders(reader, call.program, command)
        return render_orders(page)

    async def GetOutcome(self, request: pb.GetOutcomeRequest, call: Call) -> bytes:  # noqa: N802
        """See the contract."""
        keys = _asked_keys(request, call.metadata.get("loyalty-query-key"))
        told = await _tell_outcome(keys, call)
        if told is None:
            under_way = [await call.is_under_way(key) for key in keys]
            # What was settled while that was found out can be seen only now.
            told = await _tell_outcome(keys, call)
        if told is None:
            outcome = _UNDER_WAY if any(under_way) else _NEVER_SEEN
            told = pb.GetOutcomeResponse(outcome=outcome)
        return told.SerializeToString()


def _asked_keys(request: pb.GetOutcomeRequest, written: str | None) -> tuple[str, ...]:
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


def _order(
    request: pb.ValidateOrderRequest | pb.ReportOrderRequest, call: Call, *, paid: bool
) -> Order:
    details = request.transaction_details
    basket, mends = read_basket(details, call.program, paid=paid)
    call.mends += mends
    local_time = call.local_time(details.pos_vendor.store_id, paid=paid)
    return Order(
        key=call.key,
        transaction_id=request.loyalty_transaction_id.lower(),
        loyalty_id=request.loyalty_id or None,
        repeated_id=request.transaction_id or None,
        status=TransactionStatus(request.status),
        channel=order_pb2.TransactionDetails.Channel.Name(request.channel),
        service_mode=order_pb2.TransactionDetails.ServiceMode.Name(request.service_mode),
        point_of_sale=point_of_sale(details.pos_vendor),
        basket=basket,
        basket_json=basket_to_json(basket),
        local_time=local_time,
        mends=call.mends,
        late_hours=call.late_hours,
        first_fingerprint=partial(_first_fingerprint, request),
    )


def _first_fingerprint(request: pb.ValidateOrderRequest | pb.ReportOrderRequest) -> bytes:
    """Hash a report as the first version of `domain.meaning` did."""
    meaning = type(request).FromString(request.SerializeToString())
    meaning.ClearField("created")
    for payment in meaning.transaction_details.payments:
        payment.ClearField("cc_token")
    return hashlib.sha256(meaning.SerializeToString(deterministic=True)).digest()


async def _tell_outcome(keys: Iterable[str], call: Call) -> pb.GetOutcomeResponse | None:
    """
    Tell what the call with one of these keys was answered; absent when none took effect.

    Raises:
        RequestInvalidError: Several did, and which was meant can't be told.
    """
    told = []
    async with call.read() as reader:
        for key in keys:
            kept = await get_kept_answer(reader, call.key, key)
            if kept is not None:
                require_role(call.key, rpc_kept_as(kept.method).name)
                response = pb.GetOutcomeResponse(outcome=_COMMITTED)
                find = partial(order_named, reader, call.key)
                if is_shortened(kept.answer):
                    answer_class = rpc_kept_as(kept.method).answer_class
                    kept.answer = await recall(reader, call.program, answer_class, kept.answer)
                whose = partial(reader.member, call.key.program_id)
                await _tell_answer(response, kept, find, whose)
                told.append(response)
    if len(told) > 1:
        raise _key_invalid('names two calls: write "+" as %2B, or a blank as %20')
    return told[0] if told else None


async def _tell_answer(
    response: pb.GetOutcomeResponse,
    kept: KeptAnswer,
    find: Callable[[str], Awaitable[TransactionEntry | None]],
    whose: Find,
) -> None:
    """Put the kept answer in its place, with the transaction it speaks of."""
    rpc = rpc_kept_as(kept.method)
    answer = rpc.answer_class.FromString(kept.answer)
    if (place := PLACES.get(kept.method)) is not None:
        await put_names(answer, place, whose)
    getattr(response, rpc.answer_field).CopyFrom(answer)
    entry = await find(getattr(answer, "transaction_id", ""))
    if entry is not None:
        response.transaction.CopyFrom(render_transaction(entry))


def _render_validated(validated: Validated) -> bytes:
    return pb.ValidateOrderResponse(
        loyalty_id=validated.loyalty_id,
        transaction_id=validated.transaction_id,
        allowed=render_allowed(validated.allowed),
    ).SerializeToString()


def _render_reported(reported: Reported) -> bytes:
    return pb.ReportOrderResponse(
        loyalty_id=reported.loyalty_id,
        points=reported.available_points,
        points_earned=reported.earned_points,
        points_redeemed=reported.redeemed_points,
        transaction_id=reported.transaction_id,
        presentation=_presentation(reported.presentation),
        earning=render_earning(reported.earned_points, reported.promotions),
        goals=reached_told(reported.reached),
    ).SerializeToString()


def _render_voided(voided: Voided) -> bytes:
    return pb.VoidTransactionResponse(
        loyalty_id=voided.loyalty_id,
        points=voided.available_points,
        points_earned=voided.earned_points,
        points_redeemed=voided.redeemed_points,
        transaction_id=voided.transaction_id,
        goals=reached_told(voided.reached),
    ).SerializeToString()


def _render_returned(returned: LinesReturned) -> bytes:
    return pb.ReturnLinesResponse(
        loyalty_id=returned.loyalty_id,
        points=returned.available_points,
        points_earned=returned.earned_points,
        points_returned=returned.returned_points,
        points_redeemed=returned.redeemed_points,
        transaction_id=returned.transaction_id,
        status=returned.status.name,
        goals=reached_told(returned.reached),
    ).SerializeToString()


def _render_changed(changed: StatusChanged) -> bytes:
    return pb.ChangeTransactionStatusResponse(
        loyalty_id=changed.loyalty_id,
        transaction_id=changed.transaction_id,
        balance=changed.available_points,
        points_earned=changed.earned_points,
        points_redeemed=changed.redeemed_points,
    ).SerializeToString()


def _render_unclaimed(recorded: RecordedUnclaimedOrder) -> bytes:
    return pb.RecordUnclaimedOrderResponse(
        transaction_id=recorded.transaction_id,
        receipt_code=recorded.receipt_code,
        presentation=_presentation(recorded.presentation),
    ).SerializeToString()


def _render_claimed(claimed: ClaimedReceipt) -> bytes:
    return pb.ClaimReceiptResponse(
        loyalty_id=claimed.loyalty_id,
        points=claimed.available_points,
        points_earned=claimed.earned_points,
        transaction_id=claimed.transaction_id,
        earning=render_earning(claimed.earned_points, claimed.promotions),
        goals=reached_told(claimed.reached),
    ).SerializeToString()


def _presentation(texts: Presentation | None) -> pb.Presentation | None:
    if texts is None:
        return None
    return pb.Presentation(**{field.name: getattr(texts, field.name) for field in fields(texts)})
