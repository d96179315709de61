"""
The request book: what each field of a request names.

A field that can name a thing is tried with one that belongs to somebody else.
"""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.descriptor import Descriptor

from loyalty_service.transport.rpcs import RPCS

PLAIN = ""
"""What a field names that names nothing."""

ALWAYS: Mapping[str, str] = {
    "idempotency_key": "idempotency key",
    "loyalty_id": "member",
    "loyalty_transaction_id": "transaction",
    "page_size": PLAIN,
    "page_token": "page token",
}
"""What fields of these names name in every request."""

FIELDS: Mapping[str, str] = {
    "ChangeTransactionStatusRequest.new_status": PLAIN,
    "ChangeTransactionStatusRequest.transaction_id": "transaction",
    "ClaimReceiptRequest.receipt_code": "receipt",
    "FinalizePurchaseRequest.action": PLAIN,
    "TryPurchaseRequest.action": PLAIN,
    "FinalizePurchaseRequest.call_id": PLAIN,
    "TryPurchaseRequest.call_id": PLAIN,
    "FinalizePurchaseRequest.channel": PLAIN,
    "TryPurchaseRequest.channel": PLAIN,
    "FinalizePurchaseRequest.locale": PLAIN,
    "TryPurchaseRequest.locale": PLAIN,
    "FinalizePurchaseRequest.transaction_date": PLAIN,
    "TryPurchaseRequest.transaction_date": PLAIN,
    "FinalizePurchaseRequest.sale_line_items": PLAIN,
    "TryPurchaseRequest.sale_line_items": PLAIN,
    "FinalizePurchaseRequest.tender": PLAIN,
    "TryPurchaseRequest.tender": PLAIN,
    "FinalizePurchaseRequest.confirmation": PLAIN,
    "TryPurchaseRequest.confirmation": PLAIN,
    "FinalizePurchaseRequest.correlation_id": "session",
    "FinalizePurchaseRequest.reservation_token": PLAIN,
    "TryPurchaseRequest.correlation_id": "session",
    "TryPurchaseRequest.reservation_token": PLAIN,
    "SaleLineItem.sub_category": PLAIN,
    "SaleLineItem.sku": PLAIN,
    "SaleLineItem.quantity": PLAIN,
    "SaleLineItem.original_sale_amount": PLAIN,
    "SaleLineItem.sale_amount": PLAIN,
    "SaleLineItem.item_discount": PLAIN,
    "SaleLineItem.item_tax": PLAIN,
    "ReportOfflinePurchaseRequest.action": PLAIN,
    "ReportOfflinePurchaseRequest.call_id": PLAIN,
    "ReportOfflinePurchaseRequest.channel": PLAIN,
    "ReportOfflinePurchaseRequest.locale": PLAIN,
    "ReportOfflinePurchaseRequest.transaction_date": PLAIN,
    "ReportOfflinePurchaseRequest.sale_line_items": PLAIN,
    "ReportOfflinePurchaseRequest.tender": PLAIN,
    "ReportOfflinePurchaseRequest.confirmation": PLAIN,
    "ReportOfflinePurchaseRequest.correlation_id": "session",
    "ReportOfflinePurchaseRequest.reservation_token": PLAIN,
    "AdjustPurchaseRequest.correlation_id": PLAIN,
    "AdjustPurchaseRequest.current_correlation_id": "session",
    "AdjustPurchaseRequest.original_transaction_id": "session",
    "AdjustPurchaseRequest.reversal_line_items": PLAIN,
    "AdjustPurchaseRequest.transaction_date": PLAIN,
    "AwardPurchaseRequest.current_correlation_id": "session",
    "AwardPurchaseRequest.external_transaction_id": PLAIN,
    "AwardPurchaseRequest.original_correlation_id": "session",
    "ConfirmPurchaseRequest.correlation_id": "session",
    "ConfirmPurchaseRequest.mode": PLAIN,
    "ConfirmPurchaseRequest.original_transaction_id": "session",
    "ReportOfflineOrderRequest.channel": PLAIN,
    "ReportOfflineOrderRequest.order_time": PLAIN,
    "ReportOfflineOrderRequest.service_mode": PLAIN,
    "ReportOfflineOrderRequest.transaction_details": PLAIN,
    "AdjustWithoutReceiptRequest.channel": PLAIN,
    "AdjustWithoutReceiptRequest.correlation_id": "session",
    "AdjustWithoutReceiptRequest.reversal_line_items": PLAIN,
    "Confirmation.mode": PLAIN,
    "Discount.amount_off": PLAIN,
    "Discount.applies_to": PLAIN,
    "Discount.details": PLAIN,
    "Discount.incentive_id": "incentive",
    "Discount.product_id": PLAIN,
    "Discount.reference_id": "engine",
    "DiscountDetails.discount_value": PLAIN,
    "DiscountDetails.display_name": PLAIN,
    "DiscountDetails.subtype": PLAIN,
    "DiscountDetails.type": PLAIN,
    "EnrollMemberRequest.birth_date": PLAIN,
    "EnrollMemberRequest.card": PLAIN,
    "EnrollMemberRequest.email": "email",
    "EnrollMemberRequest.locale": PLAIN,
    "EnrollMemberRequest.name": PLAIN,
    "EnrollMemberRequest.phone": PLAIN,
    "EraseMemberRequest.reason": PLAIN,
    "MergeMembersRequest.merged_loyalty_id": "member",
    "MergeMembersRequest.reason": PLAIN,
    "UnmergeMembersRequest.merged_loyalty_id": "member",
    "UnmergeMembersRequest.reason": PLAIN,
    "UpdateMemberRequest.birth_date": PLAIN,
    "UpdateMemberRequest.card": PLAIN,
    "UpdateMemberRequest.email": "email",
    "UpdateMemberRequest.locale": PLAIN,
    "UpdateMemberRequest.name": PLAIN,
    "UpdateMemberRequest.phone": PLAIN,
    "UpdateMemberRequest.reason": PLAIN,
    "BlockMemberRequest.earn": PLAIN,
    "BlockMemberRequest.reason": PLAIN,
    "BlockMemberRequest.redeem": PLAIN,
    "GetCodeRequest.otp": "code",
    "IdentifyMemberAgainRequest.identifier": "identifier",
    "IdentifyMemberAgainRequest.transaction_id": "transaction",
    "IdentifyMemberRequest.identifier": "identifier",
    "IdentifyMemberRequest.pos_vendor": PLAIN,
    "Incentive.id": "engine",
    "IssueTokenRequest.client_id": PLAIN,
    "IssueTokenRequest.grant_type": PLAIN,
    "IssueTokenRequest.scope": PLAIN,
    "IssueCodeRequest.order": PLAIN,
    "IssueCodeRequest.restaurant_id": PLAIN,
    "IssueCodeRequest.user_date_time": PLAIN,
    "AdjustPointsRequest.allow_debt": PLAIN,
    "AdjustPointsRequest.points": PLAIN,
    "AdjustPointsRequest.reason": PLAIN,
    "AdjustPointsRequest.validate_only": PLAIN,
    "GetLiabilityRequest.months": PLAIN,
    "GetProgramRequest.version": PLAIN,
    "ListCodeWaitsRequest.store_id": "store",
    "ListWebhooksRequest.max_messages": PLAIN,
    "AssignPointsRequest.partner": PLAIN,
    "AssignPointsRequest.points": PLAIN,
    "AssignPointsRequest.reference": PLAIN,
    "GetContentRequest.pos_type": PLAIN,
    "ListEventsRequest.from_now": PLAIN,
    "ListEventsRequest.types": PLAIN,
    "ListIncentivesRequest.omit_invalids": PLAIN,
    "ListIncentivesRequest.payment_method": PLAIN,
    "ListIncentivesRequest.pos_type": PLAIN,
    "ListIncentivesRequest.products": PLAIN,
    "ListIncentivesRequest.service_mode": PLAIN,
    "ListIncentivesRequest.store_id": "store",
    "ListIncentivesRequest.subtotal_amount": PLAIN,
    "ListIncentivesRequest.supporting_pos": PLAIN,
    "ListTransfersRequest.account": PLAIN,
    "OrderLine.amount_off": PLAIN,
    "OrderLine.applies_to": PLAIN,
    "OrderLine.category": PLAIN,
    "OrderLine.incentive_id": "incentive",
    "OrderLine.loyalty_engine_id": "engine",
    "OrderLine.name": PLAIN,
    "OrderLine.parent_reference_id": PLAIN,
    "OrderLine.price": PLAIN,
    "OrderLine.product_id": PLAIN,
    "OrderLine.product_type": PLAIN,
    "OrderLine.quantity": PLAIN,
    "OrderLine.reference_id": PLAIN,
    "OrderLine.tax": PLAIN,
    "Payment.amount": PLAIN,
    "Payment.cc_token": PLAIN,
    "Payment.type": PLAIN,
    "PosVendor.operator": PLAIN,
    "PosVendor.pos_type": PLAIN,
    "PosVendor.store_id": "store",
    "PosVendor.supporting_pos": PLAIN,
    "PosVendor.terminal": PLAIN,
    "PosVendor.transaction_id": "order",
    # Programs of trials have the same code: `test_promo_codes.py` tries another program's.
    "RedeemPromoCodeRequest.promo_code": PLAIN,
    "RedeemPromoCodeRequest.pos_vendor": PLAIN,
    "TakeGrantRequest.grant": "engine",
    "ReturnLinesRequest.created": PLAIN,
    "ReturnLinesRequest.lines": PLAIN,
    "ReturnedLine.quantity": PLAIN,
    "ReturnedLine.reference_id": PLAIN,
    "SearchMembersRequest.exact": PLAIN,
    "SearchMembersRequest.field": PLAIN,
    "SearchMembersRequest.query": PLAIN,
    "SearchOrdersRequest.first_day": PLAIN,
    "SearchOrdersRequest.last_day": PLAIN,
    "SearchOrdersRequest.operator": PLAIN,
    "SearchOrdersRequest.partner": PLAIN,
    "SearchOrdersRequest.pos_transaction_id": "order",
    "SearchOrdersRequest.statuses": PLAIN,
    "SearchOrdersRequest.store_id": "store",
    "SearchTransactionsRequest.cursor": PLAIN,
    "SearchTransactionsRequest.excluded_channels": PLAIN,
    "SearchTransactionsRequest.page_size": PLAIN,
    "SearchTransactionsRequest.statuses": PLAIN,
    "SelectedIncentive.incentive": PLAIN,
    "SelectedIncentive.incentive_id": "incentive",
    "SelectedIncentive.product_id": "incentive",
    "SelectedIncentive.quantity": PLAIN,
    "StartSessionRequest.channel": PLAIN,
    "StartSessionRequest.correlation_id": "session",
    "StartSessionRequest.external_identifier": "session",
    "StartSessionRequest.identifier": "member",
    "StartSessionRequest.locale": PLAIN,
    "StartSessionRequest.store_id": "store",
    "StartAnonymousSessionRequest.anonymous_session_id": PLAIN,
    "StartAnonymousSessionRequest.channel": PLAIN,
    "StartAnonymousSessionRequest.correlation_id": "session",
    "StartAnonymousSessionRequest.external_identifier": "session",
    "StartAnonymousSessionRequest.locale": PLAIN,
    "TransactionDetails.applied_discounts": PLAIN,
    "TransactionDetails.currency": PLAIN,
    "TransactionDetails.order": PLAIN,
    "TransactionDetails.payments": PLAIN,
    "TransactionDetails.pos_vendor": PLAIN,
    **{
        f"{report}Request.{name}": kind
        for report in ("ValidateOrder", "ReportOrder", "VoidTransaction", "RecordUnclaimedOrder")
        for name, kind in {
            "transaction_id": "transaction",
            "channel": PLAIN,
            "created": PLAIN,
            "service_mode": PLAIN,
            "status": PLAIN,
            "transaction_details": PLAIN,
        }.items()
    },
}
"""What each field names that does not always name the same."""


def named_by(field: str) -> str | None:
    """Tell what a field, as `Message.field`, names; nothing where the book does not have it."""
    return FIELDS.get(field, ALWAYS.get(field.partition(".")[2]))


def missing_fields() -> list[str]:
    """Name the fields of requests that the book lacks."""
    missing: dict[str, None] = {}
    pending = [rpc.method.input_type for rpc in RPCS.values()]
    seen: set[str] = set()
    while pending:
        message: Descriptor = pending.pop()
        if message.full_name in seen or message.file.package == "google.protobuf":
            continue
        seen.add(message.full_name)
        missing |= dict.fromkeys(
            f"{message.name}.{part.name} is not in tests/book/fields.py"
            for part in message.fields
            if named_by(f"{message.name}.{part.name}") is None
        )
        pending.extend(part.message_type for part in message.fields if part.message_type)
    return list(missing)
