import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from loyalty.v1 import method_pb2 as _method_pb2
from loyalty.v1 import order_pb2 as _order_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SaleLineItem(_message.Message):
    __slots__ = ("sub_category", "sku", "quantity", "original_sale_amount", "sale_amount", "item_discount", "item_tax")
    SUB_CATEGORY_FIELD_NUMBER: _ClassVar[int]
    SKU_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_SALE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    SALE_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    ITEM_DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    ITEM_TAX_FIELD_NUMBER: _ClassVar[int]
    sub_category: str
    sku: str
    quantity: float
    original_sale_amount: float
    sale_amount: float
    item_discount: float
    item_tax: float
    def __init__(self, sub_category: _Optional[str] = ..., sku: _Optional[str] = ..., quantity: _Optional[float] = ..., original_sale_amount: _Optional[float] = ..., sale_amount: _Optional[float] = ..., item_discount: _Optional[float] = ..., item_tax: _Optional[float] = ...) -> None: ...

class Confirmation(_message.Message):
    __slots__ = ("mode",)
    MODE_FIELD_NUMBER: _ClassVar[int]
    mode: str
    def __init__(self, mode: _Optional[str] = ...) -> None: ...

class ConfirmationDetails(_message.Message):
    __slots__ = ("confirmed", "mode")
    CONFIRMED_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    confirmed: bool
    mode: str
    def __init__(self, confirmed: _Optional[bool] = ..., mode: _Optional[str] = ...) -> None: ...

class TryPurchaseRequest(_message.Message):
    __slots__ = ("correlation_id", "action", "call_id", "channel", "locale", "transaction_date", "reservation_token", "sale_line_items", "tender", "confirmation")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DATE_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SALE_LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    TENDER_FIELD_NUMBER: _ClassVar[int]
    CONFIRMATION_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    action: str
    call_id: str
    channel: str
    locale: str
    transaction_date: str
    reservation_token: str
    sale_line_items: _containers.RepeatedCompositeFieldContainer[SaleLineItem]
    tender: _struct_pb2.Struct
    confirmation: Confirmation
    def __init__(self, correlation_id: _Optional[str] = ..., action: _Optional[str] = ..., call_id: _Optional[str] = ..., channel: _Optional[str] = ..., locale: _Optional[str] = ..., transaction_date: _Optional[str] = ..., reservation_token: _Optional[str] = ..., sale_line_items: _Optional[_Iterable[_Union[SaleLineItem, _Mapping]]] = ..., tender: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., confirmation: _Optional[_Union[Confirmation, _Mapping]] = ...) -> None: ...

class PurchaseOffer(_message.Message):
    __slots__ = ("offer_code", "state", "points")
    OFFER_CODE_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    offer_code: str
    state: str
    points: int
    def __init__(self, offer_code: _Optional[str] = ..., state: _Optional[str] = ..., points: _Optional[int] = ...) -> None: ...

class NearMiss(_message.Message):
    __slots__ = ("offer_code", "dollars_to_threshold", "quantity_to_threshold", "points")
    OFFER_CODE_FIELD_NUMBER: _ClassVar[int]
    DOLLARS_TO_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_TO_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    offer_code: str
    dollars_to_threshold: float
    quantity_to_threshold: int
    points: int
    def __init__(self, offer_code: _Optional[str] = ..., dollars_to_threshold: _Optional[float] = ..., quantity_to_threshold: _Optional[int] = ..., points: _Optional[int] = ...) -> None: ...

class TryPurchaseResponse(_message.Message):
    __slots__ = ("session_correlation_id", "call_id", "points_earned", "base_points", "bonus_points", "points_balance", "available_points_balance", "offers", "near_miss", "prompt", "prompt_message", "receipt_message")
    SESSION_CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    BASE_POINTS_FIELD_NUMBER: _ClassVar[int]
    BONUS_POINTS_FIELD_NUMBER: _ClassVar[int]
    POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    NEAR_MISS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    session_correlation_id: str
    call_id: str
    points_earned: int
    base_points: int
    bonus_points: int
    points_balance: int
    available_points_balance: int
    offers: _containers.RepeatedCompositeFieldContainer[PurchaseOffer]
    near_miss: _containers.RepeatedCompositeFieldContainer[NearMiss]
    prompt: str
    prompt_message: str
    receipt_message: str
    def __init__(self, session_correlation_id: _Optional[str] = ..., call_id: _Optional[str] = ..., points_earned: _Optional[int] = ..., base_points: _Optional[int] = ..., bonus_points: _Optional[int] = ..., points_balance: _Optional[int] = ..., available_points_balance: _Optional[int] = ..., offers: _Optional[_Iterable[_Union[PurchaseOffer, _Mapping]]] = ..., near_miss: _Optional[_Iterable[_Union[NearMiss, _Mapping]]] = ..., prompt: _Optional[str] = ..., prompt_message: _Optional[str] = ..., receipt_message: _Optional[str] = ...) -> None: ...

class FinalizePurchaseRequest(_message.Message):
    __slots__ = ("correlation_id", "action", "call_id", "channel", "locale", "transaction_date", "reservation_token", "sale_line_items", "tender", "confirmation")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DATE_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SALE_LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    TENDER_FIELD_NUMBER: _ClassVar[int]
    CONFIRMATION_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    action: str
    call_id: str
    channel: str
    locale: str
    transaction_date: str
    reservation_token: str
    sale_line_items: _containers.RepeatedCompositeFieldContainer[SaleLineItem]
    tender: _struct_pb2.Struct
    confirmation: Confirmation
    def __init__(self, correlation_id: _Optional[str] = ..., action: _Optional[str] = ..., call_id: _Optional[str] = ..., channel: _Optional[str] = ..., locale: _Optional[str] = ..., transaction_date: _Optional[str] = ..., reservation_token: _Optional[str] = ..., sale_line_items: _Optional[_Iterable[_Union[SaleLineItem, _Mapping]]] = ..., tender: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., confirmation: _Optional[_Union[Confirmation, _Mapping]] = ...) -> None: ...

class FinalizePurchaseResponse(_message.Message):
    __slots__ = ("session_correlation_id", "call_id", "transaction_id", "points_earned", "base_points", "bonus_points", "points_redeemed", "points_balance", "available_points_balance", "offers", "near_miss", "prompt", "prompt_message", "receipt_message", "receipt_code", "confirmation_details")
    SESSION_CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    BASE_POINTS_FIELD_NUMBER: _ClassVar[int]
    BONUS_POINTS_FIELD_NUMBER: _ClassVar[int]
    POINTS_REDEEMED_FIELD_NUMBER: _ClassVar[int]
    POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    NEAR_MISS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_CODE_FIELD_NUMBER: _ClassVar[int]
    CONFIRMATION_DETAILS_FIELD_NUMBER: _ClassVar[int]
    session_correlation_id: str
    call_id: str
    transaction_id: str
    points_earned: int
    base_points: int
    bonus_points: int
    points_redeemed: int
    points_balance: int
    available_points_balance: int
    offers: _containers.RepeatedCompositeFieldContainer[PurchaseOffer]
    near_miss: _containers.RepeatedCompositeFieldContainer[NearMiss]
    prompt: str
    prompt_message: str
    receipt_message: str
    receipt_code: str
    confirmation_details: ConfirmationDetails
    def __init__(self, session_correlation_id: _Optional[str] = ..., call_id: _Optional[str] = ..., transaction_id: _Optional[str] = ..., points_earned: _Optional[int] = ..., base_points: _Optional[int] = ..., bonus_points: _Optional[int] = ..., points_redeemed: _Optional[int] = ..., points_balance: _Optional[int] = ..., available_points_balance: _Optional[int] = ..., offers: _Optional[_Iterable[_Union[PurchaseOffer, _Mapping]]] = ..., near_miss: _Optional[_Iterable[_Union[NearMiss, _Mapping]]] = ..., prompt: _Optional[str] = ..., prompt_message: _Optional[str] = ..., receipt_message: _Optional[str] = ..., receipt_code: _Optional[str] = ..., confirmation_details: _Optional[_Union[ConfirmationDetails, _Mapping]] = ...) -> None: ...

class ReportOfflinePurchaseRequest(_message.Message):
    __slots__ = ("correlation_id", "action", "call_id", "channel", "locale", "transaction_date", "reservation_token", "sale_line_items", "tender", "confirmation", "loyalty_id")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DATE_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SALE_LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    TENDER_FIELD_NUMBER: _ClassVar[int]
    CONFIRMATION_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    action: str
    call_id: str
    channel: str
    locale: str
    transaction_date: str
    reservation_token: str
    sale_line_items: _containers.RepeatedCompositeFieldContainer[SaleLineItem]
    tender: _struct_pb2.Struct
    confirmation: Confirmation
    loyalty_id: str
    def __init__(self, correlation_id: _Optional[str] = ..., action: _Optional[str] = ..., call_id: _Optional[str] = ..., channel: _Optional[str] = ..., locale: _Optional[str] = ..., transaction_date: _Optional[str] = ..., reservation_token: _Optional[str] = ..., sale_line_items: _Optional[_Iterable[_Union[SaleLineItem, _Mapping]]] = ..., tender: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., confirmation: _Optional[_Union[Confirmation, _Mapping]] = ..., loyalty_id: _Optional[str] = ...) -> None: ...

class ReportOfflinePurchaseResponse(_message.Message):
    __slots__ = ("session_correlation_id", "call_id", "transaction_id", "points_earned", "base_points", "bonus_points", "points_redeemed", "points_balance", "available_points_balance", "offers", "near_miss", "prompt", "prompt_message", "receipt_message", "receipt_code", "confirmation_details", "effective_time", "record_time")
    SESSION_CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    CALL_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    BASE_POINTS_FIELD_NUMBER: _ClassVar[int]
    BONUS_POINTS_FIELD_NUMBER: _ClassVar[int]
    POINTS_REDEEMED_FIELD_NUMBER: _ClassVar[int]
    POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    OFFERS_FIELD_NUMBER: _ClassVar[int]
    NEAR_MISS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    PROMPT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_CODE_FIELD_NUMBER: _ClassVar[int]
    CONFIRMATION_DETAILS_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    RECORD_TIME_FIELD_NUMBER: _ClassVar[int]
    session_correlation_id: str
    call_id: str
    transaction_id: str
    points_earned: int
    base_points: int
    bonus_points: int
    points_redeemed: int
    points_balance: int
    available_points_balance: int
    offers: _containers.RepeatedCompositeFieldContainer[PurchaseOffer]
    near_miss: _containers.RepeatedCompositeFieldContainer[NearMiss]
    prompt: str
    prompt_message: str
    receipt_message: str
    receipt_code: str
    confirmation_details: ConfirmationDetails
    effective_time: _timestamp_pb2.Timestamp
    record_time: _timestamp_pb2.Timestamp
    def __init__(self, session_correlation_id: _Optional[str] = ..., call_id: _Optional[str] = ..., transaction_id: _Optional[str] = ..., points_earned: _Optional[int] = ..., base_points: _Optional[int] = ..., bonus_points: _Optional[int] = ..., points_redeemed: _Optional[int] = ..., points_balance: _Optional[int] = ..., available_points_balance: _Optional[int] = ..., offers: _Optional[_Iterable[_Union[PurchaseOffer, _Mapping]]] = ..., near_miss: _Optional[_Iterable[_Union[NearMiss, _Mapping]]] = ..., prompt: _Optional[str] = ..., prompt_message: _Optional[str] = ..., receipt_message: _Optional[str] = ..., receipt_code: _Optional[str] = ..., confirmation_details: _Optional[_Union[ConfirmationDetails, _Mapping]] = ..., effective_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., record_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class AwardPurchaseRequest(_message.Message):
    __slots__ = ("original_correlation_id", "current_correlation_id", "external_transaction_id")
    ORIGINAL_CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENT_CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    original_correlation_id: str
    current_correlation_id: str
    external_transaction_id: str
    def __init__(self, original_correlation_id: _Optional[str] = ..., current_correlation_id: _Optional[str] = ..., external_transaction_id: _Optional[str] = ...) -> None: ...

class AwardPurchaseResponse(_message.Message):
    __slots__ = ("loyalty_id", "original_transaction_id", "points_earned")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    original_transaction_id: str
    points_earned: int
    def __init__(self, loyalty_id: _Optional[str] = ..., original_transaction_id: _Optional[str] = ..., points_earned: _Optional[int] = ...) -> None: ...

class AdjustPurchaseRequest(_message.Message):
    __slots__ = ("original_transaction_id", "current_correlation_id", "correlation_id", "transaction_date", "reversal_line_items")
    ORIGINAL_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENT_CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DATE_FIELD_NUMBER: _ClassVar[int]
    REVERSAL_LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    original_transaction_id: str
    current_correlation_id: str
    correlation_id: str
    transaction_date: str
    reversal_line_items: _containers.RepeatedCompositeFieldContainer[SaleLineItem]
    def __init__(self, original_transaction_id: _Optional[str] = ..., current_correlation_id: _Optional[str] = ..., correlation_id: _Optional[str] = ..., transaction_date: _Optional[str] = ..., reversal_line_items: _Optional[_Iterable[_Union[SaleLineItem, _Mapping]]] = ...) -> None: ...

class AdjustPurchaseResponse(_message.Message):
    __slots__ = ("transaction_id", "original_transaction_id", "points_earned", "points_balance", "available_points_balance")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    original_transaction_id: str
    points_earned: int
    points_balance: int
    available_points_balance: int
    def __init__(self, transaction_id: _Optional[str] = ..., original_transaction_id: _Optional[str] = ..., points_earned: _Optional[int] = ..., points_balance: _Optional[int] = ..., available_points_balance: _Optional[int] = ...) -> None: ...

class AdjustWithoutReceiptRequest(_message.Message):
    __slots__ = ("correlation_id", "channel", "reversal_line_items")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    REVERSAL_LINE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    channel: str
    reversal_line_items: _containers.RepeatedCompositeFieldContainer[SaleLineItem]
    def __init__(self, correlation_id: _Optional[str] = ..., channel: _Optional[str] = ..., reversal_line_items: _Optional[_Iterable[_Union[SaleLineItem, _Mapping]]] = ...) -> None: ...

class AdjustWithoutReceiptResponse(_message.Message):
    __slots__ = ("transaction_id", "points_earned", "points_balance", "available_points_balance")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    points_earned: int
    points_balance: int
    available_points_balance: int
    def __init__(self, transaction_id: _Optional[str] = ..., points_earned: _Optional[int] = ..., points_balance: _Optional[int] = ..., available_points_balance: _Optional[int] = ...) -> None: ...

class ConfirmPurchaseRequest(_message.Message):
    __slots__ = ("correlation_id", "original_transaction_id", "mode")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    original_transaction_id: str
    mode: str
    def __init__(self, correlation_id: _Optional[str] = ..., original_transaction_id: _Optional[str] = ..., mode: _Optional[str] = ...) -> None: ...

class ConfirmPurchaseResponse(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class ReportOfflineOrderRequest(_message.Message):
    __slots__ = ("channel", "order_time", "service_mode", "loyalty_id", "transaction_details")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    ORDER_TIME_FIELD_NUMBER: _ClassVar[int]
    SERVICE_MODE_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DETAILS_FIELD_NUMBER: _ClassVar[int]
    channel: _order_pb2.TransactionDetails.Channel
    order_time: str
    service_mode: _order_pb2.TransactionDetails.ServiceMode
    loyalty_id: str
    transaction_details: _order_pb2.TransactionDetails
    def __init__(self, channel: _Optional[_Union[_order_pb2.TransactionDetails.Channel, str]] = ..., order_time: _Optional[str] = ..., service_mode: _Optional[_Union[_order_pb2.TransactionDetails.ServiceMode, str]] = ..., loyalty_id: _Optional[str] = ..., transaction_details: _Optional[_Union[_order_pb2.TransactionDetails, _Mapping]] = ...) -> None: ...

class ReportOfflineOrderResponse(_message.Message):
    __slots__ = ("transaction_id", "loyalty_id", "points", "points_earned", "effective_time", "record_time")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    RECORD_TIME_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    loyalty_id: str
    points: int
    points_earned: int
    effective_time: _timestamp_pb2.Timestamp
    record_time: _timestamp_pb2.Timestamp
    def __init__(self, transaction_id: _Optional[str] = ..., loyalty_id: _Optional[str] = ..., points: _Optional[int] = ..., points_earned: _Optional[int] = ..., effective_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., record_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
