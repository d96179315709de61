from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from loyalty.v1 import method_pb2 as _method_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetBalanceRequest(_message.Message):
    __slots__ = ("correlation_id",)
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    def __init__(self, correlation_id: _Optional[str] = ...) -> None: ...

class GetBalanceResponse(_message.Message):
    __slots__ = ("balance", "points_balance", "dollar_balance", "available_points_balance", "available_dollar_balance", "user_min_redeem_points", "user_max_redeem_points", "user_min_redeem_dollars", "user_max_redeem_dollars")
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    DOLLAR_BALANCE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_DOLLAR_BALANCE_FIELD_NUMBER: _ClassVar[int]
    USER_MIN_REDEEM_POINTS_FIELD_NUMBER: _ClassVar[int]
    USER_MAX_REDEEM_POINTS_FIELD_NUMBER: _ClassVar[int]
    USER_MIN_REDEEM_DOLLARS_FIELD_NUMBER: _ClassVar[int]
    USER_MAX_REDEEM_DOLLARS_FIELD_NUMBER: _ClassVar[int]
    balance: float
    points_balance: int
    dollar_balance: float
    available_points_balance: int
    available_dollar_balance: float
    user_min_redeem_points: int
    user_max_redeem_points: int
    user_min_redeem_dollars: float
    user_max_redeem_dollars: float
    def __init__(self, balance: _Optional[float] = ..., points_balance: _Optional[int] = ..., dollar_balance: _Optional[float] = ..., available_points_balance: _Optional[int] = ..., available_dollar_balance: _Optional[float] = ..., user_min_redeem_points: _Optional[int] = ..., user_max_redeem_points: _Optional[int] = ..., user_min_redeem_dollars: _Optional[float] = ..., user_max_redeem_dollars: _Optional[float] = ...) -> None: ...

class GetMembershipRequest(_message.Message):
    __slots__ = ("correlation_id",)
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    def __init__(self, correlation_id: _Optional[str] = ...) -> None: ...

class GetMembershipResponse(_message.Message):
    __slots__ = ("programs",)
    PROGRAMS_FIELD_NUMBER: _ClassVar[int]
    programs: _struct_pb2.Struct
    def __init__(self, programs: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class ListVisitHistoryRequest(_message.Message):
    __slots__ = ("correlation_id", "limit", "transaction_id", "to")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    limit: int
    transaction_id: str
    to: int
    def __init__(self, correlation_id: _Optional[str] = ..., limit: _Optional[int] = ..., transaction_id: _Optional[str] = ..., to: _Optional[int] = ..., **kwargs) -> None: ...

class ListVisitHistoryResponse(_message.Message):
    __slots__ = ("transactions", "has_more")
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    transactions: _containers.RepeatedCompositeFieldContainer[VisitTransaction]
    has_more: bool
    def __init__(self, transactions: _Optional[_Iterable[_Union[VisitTransaction, _Mapping]]] = ..., has_more: _Optional[bool] = ...) -> None: ...

class VisitTransaction(_message.Message):
    __slots__ = ("transaction_id", "type", "transaction_date", "channel", "business_unit", "points_earned", "points_redeemed", "original_transaction_id", "voided")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DATE_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    POINTS_REDEEMED_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    VOIDED_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    type: str
    transaction_date: str
    channel: str
    business_unit: str
    points_earned: int
    points_redeemed: int
    original_transaction_id: str
    voided: bool
    def __init__(self, transaction_id: _Optional[str] = ..., type: _Optional[str] = ..., transaction_date: _Optional[str] = ..., channel: _Optional[str] = ..., business_unit: _Optional[str] = ..., points_earned: _Optional[int] = ..., points_redeemed: _Optional[int] = ..., original_transaction_id: _Optional[str] = ..., voided: _Optional[bool] = ...) -> None: ...

class ReservePointsRequest(_message.Message):
    __slots__ = ("correlation_id", "reservation_amount", "business_unit", "redeemer_id", "redemption_id", "catalogue_items", "fulfillment_email_key")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    REDEEMER_ID_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_ID_FIELD_NUMBER: _ClassVar[int]
    CATALOGUE_ITEMS_FIELD_NUMBER: _ClassVar[int]
    FULFILLMENT_EMAIL_KEY_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    reservation_amount: int
    business_unit: str
    redeemer_id: str
    redemption_id: str
    catalogue_items: _containers.RepeatedCompositeFieldContainer[CatalogueItem]
    fulfillment_email_key: str
    def __init__(self, correlation_id: _Optional[str] = ..., reservation_amount: _Optional[int] = ..., business_unit: _Optional[str] = ..., redeemer_id: _Optional[str] = ..., redemption_id: _Optional[str] = ..., catalogue_items: _Optional[_Iterable[_Union[CatalogueItem, _Mapping]]] = ..., fulfillment_email_key: _Optional[str] = ...) -> None: ...

class CatalogueItem(_message.Message):
    __slots__ = ("id", "quantity", "points")
    ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    quantity: int
    points: int
    def __init__(self, id: _Optional[str] = ..., quantity: _Optional[int] = ..., points: _Optional[int] = ...) -> None: ...

class ReservePointsResponse(_message.Message):
    __slots__ = ("reservation_token", "reservation_amount", "expiration_timestamp")
    RESERVATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    EXPIRATION_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    reservation_token: str
    reservation_amount: int
    expiration_timestamp: str
    def __init__(self, reservation_token: _Optional[str] = ..., reservation_amount: _Optional[int] = ..., expiration_timestamp: _Optional[str] = ...) -> None: ...

class LowerReservationRequest(_message.Message):
    __slots__ = ("correlation_id", "reservation_token", "reservation_amount")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    reservation_token: str
    reservation_amount: int
    def __init__(self, correlation_id: _Optional[str] = ..., reservation_token: _Optional[str] = ..., reservation_amount: _Optional[int] = ...) -> None: ...

class LowerReservationResponse(_message.Message):
    __slots__ = ("reservation_token", "reservation_amount", "expiration_timestamp")
    RESERVATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    EXPIRATION_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    reservation_token: str
    reservation_amount: int
    expiration_timestamp: str
    def __init__(self, reservation_token: _Optional[str] = ..., reservation_amount: _Optional[int] = ..., expiration_timestamp: _Optional[str] = ...) -> None: ...

class CancelReservationRequest(_message.Message):
    __slots__ = ("correlation_id", "reservation_token")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    reservation_token: str
    def __init__(self, correlation_id: _Optional[str] = ..., reservation_token: _Optional[str] = ...) -> None: ...

class CancelReservationResponse(_message.Message):
    __slots__ = ("status", "reservation_token", "session_id")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    status: str
    reservation_token: str
    session_id: str
    def __init__(self, status: _Optional[str] = ..., reservation_token: _Optional[str] = ..., session_id: _Optional[str] = ...) -> None: ...

class IssueAdhocRedemptionRequest(_message.Message):
    __slots__ = ("correlation_id", "business_unit", "reservation_token", "external_reference_id", "channel")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    RESERVATION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    business_unit: str
    reservation_token: str
    external_reference_id: str
    channel: str
    def __init__(self, correlation_id: _Optional[str] = ..., business_unit: _Optional[str] = ..., reservation_token: _Optional[str] = ..., external_reference_id: _Optional[str] = ..., channel: _Optional[str] = ...) -> None: ...

class IssueAdhocRedemptionResponse(_message.Message):
    __slots__ = ("transaction_id", "message")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    message: str
    def __init__(self, transaction_id: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class IssueAdhocRewardRequest(_message.Message):
    __slots__ = ("correlation_id", "channel", "business_unit", "issuer_id", "reward_id", "reward_amount", "external_reference_id")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_UNIT_FIELD_NUMBER: _ClassVar[int]
    ISSUER_ID_FIELD_NUMBER: _ClassVar[int]
    REWARD_ID_FIELD_NUMBER: _ClassVar[int]
    REWARD_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    channel: str
    business_unit: str
    issuer_id: str
    reward_id: str
    reward_amount: int
    external_reference_id: str
    def __init__(self, correlation_id: _Optional[str] = ..., channel: _Optional[str] = ..., business_unit: _Optional[str] = ..., issuer_id: _Optional[str] = ..., reward_id: _Optional[str] = ..., reward_amount: _Optional[int] = ..., external_reference_id: _Optional[str] = ...) -> None: ...

class IssueAdhocRewardResponse(_message.Message):
    __slots__ = ("transaction_id", "message")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    message: str
    def __init__(self, transaction_id: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class VoidAdhocTransactionRequest(_message.Message):
    __slots__ = ("correlation_id", "original_transaction_id", "external_reference_id", "channel")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    original_transaction_id: str
    external_reference_id: str
    channel: str
    def __init__(self, correlation_id: _Optional[str] = ..., original_transaction_id: _Optional[str] = ..., external_reference_id: _Optional[str] = ..., channel: _Optional[str] = ...) -> None: ...

class VoidAdhocTransactionResponse(_message.Message):
    __slots__ = ("transaction_id", "message")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    message: str
    def __init__(self, transaction_id: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class CreateRedemptionLockRequest(_message.Message):
    __slots__ = ("correlation_id", "entity", "context", "reason")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    entity: str
    context: str
    reason: str
    def __init__(self, correlation_id: _Optional[str] = ..., entity: _Optional[str] = ..., context: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class CreateRedemptionLockResponse(_message.Message):
    __slots__ = ("account_id", "entity", "context", "posture", "start_timestamp", "end_timestamp", "label", "channel", "source")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    POSTURE_FIELD_NUMBER: _ClassVar[int]
    START_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    END_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    entity: str
    context: str
    posture: str
    start_timestamp: str
    end_timestamp: str
    label: str
    channel: str
    source: str
    def __init__(self, account_id: _Optional[str] = ..., entity: _Optional[str] = ..., context: _Optional[str] = ..., posture: _Optional[str] = ..., start_timestamp: _Optional[str] = ..., end_timestamp: _Optional[str] = ..., label: _Optional[str] = ..., channel: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...

class ListRedemptionLocksRequest(_message.Message):
    __slots__ = ("correlation_id", "entity", "context")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    entity: str
    context: str
    def __init__(self, correlation_id: _Optional[str] = ..., entity: _Optional[str] = ..., context: _Optional[str] = ...) -> None: ...

class ListRedemptionLocksResponse(_message.Message):
    __slots__ = ("locks",)
    LOCKS_FIELD_NUMBER: _ClassVar[int]
    locks: _containers.RepeatedCompositeFieldContainer[RedemptionLock]
    def __init__(self, locks: _Optional[_Iterable[_Union[RedemptionLock, _Mapping]]] = ...) -> None: ...

class RedemptionLock(_message.Message):
    __slots__ = ("account_id", "entity", "context", "posture", "start_timestamp", "end_timestamp", "label", "channel", "source")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    POSTURE_FIELD_NUMBER: _ClassVar[int]
    START_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    END_TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    LABEL_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    entity: str
    context: str
    posture: str
    start_timestamp: str
    end_timestamp: str
    label: str
    channel: str
    source: str
    def __init__(self, account_id: _Optional[str] = ..., entity: _Optional[str] = ..., context: _Optional[str] = ..., posture: _Optional[str] = ..., start_timestamp: _Optional[str] = ..., end_timestamp: _Optional[str] = ..., label: _Optional[str] = ..., channel: _Optional[str] = ..., source: _Optional[str] = ...) -> None: ...

class DeleteRedemptionLockRequest(_message.Message):
    __slots__ = ("correlation_id", "entity", "context")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    ENTITY_FIELD_NUMBER: _ClassVar[int]
    CONTEXT_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    entity: str
    context: str
    def __init__(self, correlation_id: _Optional[str] = ..., entity: _Optional[str] = ..., context: _Optional[str] = ...) -> None: ...

class DeleteRedemptionLockResponse(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...
