import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from loyalty.v1 import account_service_pb2 as _account_service_pb2
from loyalty.v1 import code_service_pb2 as _code_service_pb2
from loyalty.v1 import goal_pb2 as _goal_pb2
from loyalty.v1 import identify_service_pb2 as _identify_service_pb2
from loyalty.v1 import incentive_service_pb2 as _incentive_service_pb2
from loyalty.v1 import member_service_pb2 as _member_service_pb2
from loyalty.v1 import method_pb2 as _method_pb2
from loyalty.v1 import order_pb2 as _order_pb2
from loyalty.v1 import purchase_service_pb2 as _purchase_service_pb2
from loyalty.v1 import session_service_pb2 as _session_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Transaction(_message.Message):
    __slots__ = ("transaction_id", "loyalty_id", "status", "store_id", "pos_transaction_id", "points_held", "points_earned", "points_redeemed", "create_time", "update_time", "expire_time", "earning", "returned", "taken_off")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TRANSACTION_STATUS_UNSPECIFIED: _ClassVar[Transaction.Status]
        PENDING: _ClassVar[Transaction.Status]
        CLAIMED: _ClassVar[Transaction.Status]
        VOID: _ClassVar[Transaction.Status]
        UNCLAIMED: _ClassVar[Transaction.Status]
    TRANSACTION_STATUS_UNSPECIFIED: Transaction.Status
    PENDING: Transaction.Status
    CLAIMED: Transaction.Status
    VOID: Transaction.Status
    UNCLAIMED: Transaction.Status
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    POS_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_HELD_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    POINTS_REDEEMED_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    EXPIRE_TIME_FIELD_NUMBER: _ClassVar[int]
    EARNING_FIELD_NUMBER: _ClassVar[int]
    RETURNED_FIELD_NUMBER: _ClassVar[int]
    TAKEN_OFF_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    loyalty_id: str
    status: Transaction.Status
    store_id: int
    pos_transaction_id: str
    points_held: int
    points_earned: int
    points_redeemed: int
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    expire_time: _timestamp_pb2.Timestamp
    earning: Earning
    returned: Returned
    taken_off: TakenOff
    def __init__(self, transaction_id: _Optional[str] = ..., loyalty_id: _Optional[str] = ..., status: _Optional[_Union[Transaction.Status, str]] = ..., store_id: _Optional[int] = ..., pos_transaction_id: _Optional[str] = ..., points_held: _Optional[int] = ..., points_earned: _Optional[int] = ..., points_redeemed: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., expire_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., earning: _Optional[_Union[Earning, _Mapping]] = ..., returned: _Optional[_Union[Returned, _Mapping]] = ..., taken_off: _Optional[_Union[TakenOff, _Mapping]] = ...) -> None: ...

class TakenOff(_message.Message):
    __slots__ = ("incentives",)
    class Incentive(_message.Message):
        __slots__ = ("incentive_id", "amount", "applies_to")
        INCENTIVE_ID_FIELD_NUMBER: _ClassVar[int]
        AMOUNT_FIELD_NUMBER: _ClassVar[int]
        APPLIES_TO_FIELD_NUMBER: _ClassVar[int]
        incentive_id: str
        amount: int
        applies_to: str
        def __init__(self, incentive_id: _Optional[str] = ..., amount: _Optional[int] = ..., applies_to: _Optional[str] = ...) -> None: ...
    INCENTIVES_FIELD_NUMBER: _ClassVar[int]
    incentives: _containers.RepeatedCompositeFieldContainer[TakenOff.Incentive]
    def __init__(self, incentives: _Optional[_Iterable[_Union[TakenOff.Incentive, _Mapping]]] = ...) -> None: ...

class Returned(_message.Message):
    __slots__ = ("points", "lines")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    points: int
    lines: _containers.RepeatedCompositeFieldContainer[ReturnedLine]
    def __init__(self, points: _Optional[int] = ..., lines: _Optional[_Iterable[_Union[ReturnedLine, _Mapping]]] = ...) -> None: ...

class ReturnedLine(_message.Message):
    __slots__ = ("reference_id", "quantity")
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    reference_id: str
    quantity: int
    def __init__(self, reference_id: _Optional[str] = ..., quantity: _Optional[int] = ...) -> None: ...

class Earning(_message.Message):
    __slots__ = ("base_points", "promotions")
    BASE_POINTS_FIELD_NUMBER: _ClassVar[int]
    PROMOTIONS_FIELD_NUMBER: _ClassVar[int]
    base_points: int
    promotions: _containers.RepeatedCompositeFieldContainer[PromotionPoints]
    def __init__(self, base_points: _Optional[int] = ..., promotions: _Optional[_Iterable[_Union[PromotionPoints, _Mapping]]] = ...) -> None: ...

class PromotionPoints(_message.Message):
    __slots__ = ("promotion_id", "name", "times", "points")
    PROMOTION_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TIMES_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    promotion_id: str
    name: str
    times: int
    points: int
    def __init__(self, promotion_id: _Optional[str] = ..., name: _Optional[str] = ..., times: _Optional[int] = ..., points: _Optional[int] = ...) -> None: ...

class Presentation(_message.Message):
    __slots__ = ("header", "marketing", "points_earned", "points_redeemed", "total_points", "identifier", "qr_code", "footer", "guest_display", "operator_display", "points_expiring")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    MARKETING_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    POINTS_REDEEMED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_POINTS_FIELD_NUMBER: _ClassVar[int]
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    QR_CODE_FIELD_NUMBER: _ClassVar[int]
    FOOTER_FIELD_NUMBER: _ClassVar[int]
    GUEST_DISPLAY_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_DISPLAY_FIELD_NUMBER: _ClassVar[int]
    POINTS_EXPIRING_FIELD_NUMBER: _ClassVar[int]
    header: str
    marketing: str
    points_earned: str
    points_redeemed: str
    total_points: str
    identifier: str
    qr_code: str
    footer: str
    guest_display: str
    operator_display: str
    points_expiring: str
    def __init__(self, header: _Optional[str] = ..., marketing: _Optional[str] = ..., points_earned: _Optional[str] = ..., points_redeemed: _Optional[str] = ..., total_points: _Optional[str] = ..., identifier: _Optional[str] = ..., qr_code: _Optional[str] = ..., footer: _Optional[str] = ..., guest_display: _Optional[str] = ..., operator_display: _Optional[str] = ..., points_expiring: _Optional[str] = ...) -> None: ...

class ValidateOrderRequest(_message.Message):
    __slots__ = ("loyalty_transaction_id", "loyalty_id", "transaction_id", "channel", "created", "service_mode", "status", "transaction_details")
    LOYALTY_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    SERVICE_MODE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DETAILS_FIELD_NUMBER: _ClassVar[int]
    loyalty_transaction_id: str
    loyalty_id: str
    transaction_id: str
    channel: _order_pb2.TransactionDetails.Channel
    created: str
    service_mode: _order_pb2.TransactionDetails.ServiceMode
    status: Transaction.Status
    transaction_details: _order_pb2.TransactionDetails
    def __init__(self, loyalty_transaction_id: _Optional[str] = ..., loyalty_id: _Optional[str] = ..., transaction_id: _Optional[str] = ..., channel: _Optional[_Union[_order_pb2.TransactionDetails.Channel, str]] = ..., created: _Optional[str] = ..., service_mode: _Optional[_Union[_order_pb2.TransactionDetails.ServiceMode, str]] = ..., status: _Optional[_Union[Transaction.Status, str]] = ..., transaction_details: _Optional[_Union[_order_pb2.TransactionDetails, _Mapping]] = ...) -> None: ...

class ValidateOrderResponse(_message.Message):
    __slots__ = ("loyalty_id", "transaction_id", "allowed")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    transaction_id: str
    allowed: TakenOff
    def __init__(self, loyalty_id: _Optional[str] = ..., transaction_id: _Optional[str] = ..., allowed: _Optional[_Union[TakenOff, _Mapping]] = ...) -> None: ...

class ReportOrderRequest(_message.Message):
    __slots__ = ("loyalty_transaction_id", "loyalty_id", "transaction_id", "channel", "created", "service_mode", "status", "transaction_details")
    LOYALTY_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    SERVICE_MODE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DETAILS_FIELD_NUMBER: _ClassVar[int]
    loyalty_transaction_id: str
    loyalty_id: str
    transaction_id: str
    channel: _order_pb2.TransactionDetails.Channel
    created: str
    service_mode: _order_pb2.TransactionDetails.ServiceMode
    status: Transaction.Status
    transaction_details: _order_pb2.TransactionDetails
    def __init__(self, loyalty_transaction_id: _Optional[str] = ..., loyalty_id: _Optional[str] = ..., transaction_id: _Optional[str] = ..., channel: _Optional[_Union[_order_pb2.TransactionDetails.Channel, str]] = ..., created: _Optional[str] = ..., service_mode: _Optional[_Union[_order_pb2.TransactionDetails.ServiceMode, str]] = ..., status: _Optional[_Union[Transaction.Status, str]] = ..., transaction_details: _Optional[_Union[_order_pb2.TransactionDetails, _Mapping]] = ...) -> None: ...

class ReportOrderResponse(_message.Message):
    __slots__ = ("loyalty_id", "points", "points_earned", "points_redeemed", "transaction_id", "presentation", "earning", "goals")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    POINTS_REDEEMED_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    PRESENTATION_FIELD_NUMBER: _ClassVar[int]
    EARNING_FIELD_NUMBER: _ClassVar[int]
    GOALS_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    points: int
    points_earned: int
    points_redeemed: int
    transaction_id: str
    presentation: Presentation
    earning: Earning
    goals: _goal_pb2.Goals
    def __init__(self, loyalty_id: _Optional[str] = ..., points: _Optional[int] = ..., points_earned: _Optional[int] = ..., points_redeemed: _Optional[int] = ..., transaction_id: _Optional[str] = ..., presentation: _Optional[_Union[Presentation, _Mapping]] = ..., earning: _Optional[_Union[Earning, _Mapping]] = ..., goals: _Optional[_Union[_goal_pb2.Goals, _Mapping]] = ...) -> None: ...

class VoidTransactionRequest(_message.Message):
    __slots__ = ("loyalty_transaction_id", "loyalty_id", "transaction_id", "channel", "created", "service_mode", "status", "transaction_details")
    LOYALTY_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    SERVICE_MODE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DETAILS_FIELD_NUMBER: _ClassVar[int]
    loyalty_transaction_id: str
    loyalty_id: str
    transaction_id: str
    channel: _order_pb2.TransactionDetails.Channel
    created: str
    service_mode: _order_pb2.TransactionDetails.ServiceMode
    status: Transaction.Status
    transaction_details: _order_pb2.TransactionDetails
    def __init__(self, loyalty_transaction_id: _Optional[str] = ..., loyalty_id: _Optional[str] = ..., transaction_id: _Optional[str] = ..., channel: _Optional[_Union[_order_pb2.TransactionDetails.Channel, str]] = ..., created: _Optional[str] = ..., service_mode: _Optional[_Union[_order_pb2.TransactionDetails.ServiceMode, str]] = ..., status: _Optional[_Union[Transaction.Status, str]] = ..., transaction_details: _Optional[_Union[_order_pb2.TransactionDetails, _Mapping]] = ...) -> None: ...

class VoidTransactionResponse(_message.Message):
    __slots__ = ("loyalty_id", "points", "points_earned", "points_redeemed", "transaction_id", "goals")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    POINTS_REDEEMED_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    GOALS_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    points: int
    points_earned: int
    points_redeemed: int
    transaction_id: str
    goals: _goal_pb2.Goals
    def __init__(self, loyalty_id: _Optional[str] = ..., points: _Optional[int] = ..., points_earned: _Optional[int] = ..., points_redeemed: _Optional[int] = ..., transaction_id: _Optional[str] = ..., goals: _Optional[_Union[_goal_pb2.Goals, _Mapping]] = ...) -> None: ...

class ReturnLinesRequest(_message.Message):
    __slots__ = ("loyalty_transaction_id", "lines", "created")
    LOYALTY_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    LINES_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    loyalty_transaction_id: str
    lines: _containers.RepeatedCompositeFieldContainer[ReturnedLine]
    created: str
    def __init__(self, loyalty_transaction_id: _Optional[str] = ..., lines: _Optional[_Iterable[_Union[ReturnedLine, _Mapping]]] = ..., created: _Optional[str] = ...) -> None: ...

class ReturnLinesResponse(_message.Message):
    __slots__ = ("loyalty_id", "points", "points_earned", "points_returned", "points_redeemed", "transaction_id", "status", "goals")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    POINTS_RETURNED_FIELD_NUMBER: _ClassVar[int]
    POINTS_REDEEMED_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    GOALS_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    points: int
    points_earned: int
    points_returned: int
    points_redeemed: int
    transaction_id: str
    status: Transaction.Status
    goals: _goal_pb2.Goals
    def __init__(self, loyalty_id: _Optional[str] = ..., points: _Optional[int] = ..., points_earned: _Optional[int] = ..., points_returned: _Optional[int] = ..., points_redeemed: _Optional[int] = ..., transaction_id: _Optional[str] = ..., status: _Optional[_Union[Transaction.Status, str]] = ..., goals: _Optional[_Union[_goal_pb2.Goals, _Mapping]] = ...) -> None: ...

class ChangeTransactionStatusRequest(_message.Message):
    __slots__ = ("new_status", "transaction_id")
    NEW_STATUS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    new_status: Transaction.Status
    transaction_id: str
    def __init__(self, new_status: _Optional[_Union[Transaction.Status, str]] = ..., transaction_id: _Optional[str] = ...) -> None: ...

class ChangeTransactionStatusResponse(_message.Message):
    __slots__ = ("loyalty_id", "transaction_id", "balance", "points_earned", "points_redeemed")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    POINTS_REDEEMED_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    transaction_id: str
    balance: int
    points_earned: int
    points_redeemed: int
    def __init__(self, loyalty_id: _Optional[str] = ..., transaction_id: _Optional[str] = ..., balance: _Optional[int] = ..., points_earned: _Optional[int] = ..., points_redeemed: _Optional[int] = ...) -> None: ...

class RecordUnclaimedOrderRequest(_message.Message):
    __slots__ = ("channel", "created", "service_mode", "status", "transaction_details")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    SERVICE_MODE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DETAILS_FIELD_NUMBER: _ClassVar[int]
    channel: _order_pb2.TransactionDetails.Channel
    created: str
    service_mode: _order_pb2.TransactionDetails.ServiceMode
    status: Transaction.Status
    transaction_details: _order_pb2.TransactionDetails
    def __init__(self, channel: _Optional[_Union[_order_pb2.TransactionDetails.Channel, str]] = ..., created: _Optional[str] = ..., service_mode: _Optional[_Union[_order_pb2.TransactionDetails.ServiceMode, str]] = ..., status: _Optional[_Union[Transaction.Status, str]] = ..., transaction_details: _Optional[_Union[_order_pb2.TransactionDetails, _Mapping]] = ...) -> None: ...

class RecordUnclaimedOrderResponse(_message.Message):
    __slots__ = ("transaction_id", "receipt_code", "presentation")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_CODE_FIELD_NUMBER: _ClassVar[int]
    PRESENTATION_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    receipt_code: str
    presentation: Presentation
    def __init__(self, transaction_id: _Optional[str] = ..., receipt_code: _Optional[str] = ..., presentation: _Optional[_Union[Presentation, _Mapping]] = ...) -> None: ...

class ClaimReceiptRequest(_message.Message):
    __slots__ = ("loyalty_id", "receipt_code")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_CODE_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    receipt_code: str
    def __init__(self, loyalty_id: _Optional[str] = ..., receipt_code: _Optional[str] = ...) -> None: ...

class ClaimReceiptResponse(_message.Message):
    __slots__ = ("loyalty_id", "points", "points_earned", "transaction_id", "earning", "goals")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    EARNING_FIELD_NUMBER: _ClassVar[int]
    GOALS_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    points: int
    points_earned: int
    transaction_id: str
    earning: Earning
    goals: _goal_pb2.Goals
    def __init__(self, loyalty_id: _Optional[str] = ..., points: _Optional[int] = ..., points_earned: _Optional[int] = ..., transaction_id: _Optional[str] = ..., earning: _Optional[_Union[Earning, _Mapping]] = ..., goals: _Optional[_Union[_goal_pb2.Goals, _Mapping]] = ...) -> None: ...

class GetTransactionRequest(_message.Message):
    __slots__ = ("loyalty_transaction_id",)
    LOYALTY_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    loyalty_transaction_id: str
    def __init__(self, loyalty_transaction_id: _Optional[str] = ...) -> None: ...

class GetTransactionResponse(_message.Message):
    __slots__ = ("outcome", "transaction", "details")
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    outcome: GetOutcomeResponse.Outcome
    transaction: Transaction
    details: OrderDetails
    def __init__(self, outcome: _Optional[_Union[GetOutcomeResponse.Outcome, str]] = ..., transaction: _Optional[_Union[Transaction, _Mapping]] = ..., details: _Optional[_Union[OrderDetails, _Mapping]] = ...) -> None: ...

class OrderDetails(_message.Message):
    __slots__ = ("partner", "terminal", "operator", "pos_type", "supporting_pos", "channel", "service_mode", "paid_store_id", "business_day", "claim_time", "program_version", "basket", "transfers", "archived_until_time")
    PARTNER_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    POS_TYPE_FIELD_NUMBER: _ClassVar[int]
    SUPPORTING_POS_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    SERVICE_MODE_FIELD_NUMBER: _ClassVar[int]
    PAID_STORE_ID_FIELD_NUMBER: _ClassVar[int]
    BUSINESS_DAY_FIELD_NUMBER: _ClassVar[int]
    CLAIM_TIME_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_VERSION_FIELD_NUMBER: _ClassVar[int]
    BASKET_FIELD_NUMBER: _ClassVar[int]
    TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
    partner: str
    terminal: str
    operator: str
    pos_type: str
    supporting_pos: str
    channel: str
    service_mode: str
    paid_store_id: int
    business_day: str
    claim_time: _timestamp_pb2.Timestamp
    program_version: int
    basket: _struct_pb2.Struct
    transfers: _containers.RepeatedCompositeFieldContainer[_member_service_pb2.Transfer]
    archived_until_time: _timestamp_pb2.Timestamp
    def __init__(self, partner: _Optional[str] = ..., terminal: _Optional[str] = ..., operator: _Optional[str] = ..., pos_type: _Optional[str] = ..., supporting_pos: _Optional[str] = ..., channel: _Optional[str] = ..., service_mode: _Optional[str] = ..., paid_store_id: _Optional[int] = ..., business_day: _Optional[str] = ..., claim_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., program_version: _Optional[int] = ..., basket: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., transfers: _Optional[_Iterable[_Union[_member_service_pb2.Transfer, _Mapping]]] = ..., archived_until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SearchTransactionsRequest(_message.Message):
    __slots__ = ("loyalty_id", "statuses", "excluded_channels", "cursor", "page_size")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    EXCLUDED_CHANNELS_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    statuses: _containers.RepeatedScalarFieldContainer[Transaction.Status]
    excluded_channels: _containers.RepeatedScalarFieldContainer[str]
    cursor: str
    page_size: int
    def __init__(self, loyalty_id: _Optional[str] = ..., statuses: _Optional[_Iterable[_Union[Transaction.Status, str]]] = ..., excluded_channels: _Optional[_Iterable[str]] = ..., cursor: _Optional[str] = ..., page_size: _Optional[int] = ...) -> None: ...

class SearchTransactionsResponse(_message.Message):
    __slots__ = ("transactions",)
    TRANSACTIONS_FIELD_NUMBER: _ClassVar[int]
    transactions: _containers.RepeatedCompositeFieldContainer[FoundTransaction]
    def __init__(self, transactions: _Optional[_Iterable[_Union[FoundTransaction, _Mapping]]] = ...) -> None: ...

class FoundTransaction(_message.Message):
    __slots__ = ("id", "short_id", "loyalty_id", "channel", "status", "created_at", "claimed_at", "date_updated", "points_earned", "bonus_points_earned", "points_used", "points_deducted", "metadata")
    class Metadata(_message.Message):
        __slots__ = ("store_id", "pos_transaction_id", "partner", "reference", "terminal", "operator", "opened_by")
        STORE_ID_FIELD_NUMBER: _ClassVar[int]
        POS_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
        PARTNER_FIELD_NUMBER: _ClassVar[int]
        REFERENCE_FIELD_NUMBER: _ClassVar[int]
        TERMINAL_FIELD_NUMBER: _ClassVar[int]
        OPERATOR_FIELD_NUMBER: _ClassVar[int]
        OPENED_BY_FIELD_NUMBER: _ClassVar[int]
        store_id: str
        pos_transaction_id: str
        partner: str
        reference: str
        terminal: str
        operator: str
        opened_by: str
        def __init__(self, store_id: _Optional[str] = ..., pos_transaction_id: _Optional[str] = ..., partner: _Optional[str] = ..., reference: _Optional[str] = ..., terminal: _Optional[str] = ..., operator: _Optional[str] = ..., opened_by: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    SHORT_ID_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_AT_FIELD_NUMBER: _ClassVar[int]
    DATE_UPDATED_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    BONUS_POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    POINTS_USED_FIELD_NUMBER: _ClassVar[int]
    POINTS_DEDUCTED_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    id: str
    short_id: str
    loyalty_id: str
    channel: str
    status: Transaction.Status
    created_at: str
    claimed_at: str
    date_updated: str
    points_earned: int
    bonus_points_earned: int
    points_used: int
    points_deducted: int
    metadata: FoundTransaction.Metadata
    def __init__(self, id: _Optional[str] = ..., short_id: _Optional[str] = ..., loyalty_id: _Optional[str] = ..., channel: _Optional[str] = ..., status: _Optional[_Union[Transaction.Status, str]] = ..., created_at: _Optional[str] = ..., claimed_at: _Optional[str] = ..., date_updated: _Optional[str] = ..., points_earned: _Optional[int] = ..., bonus_points_earned: _Optional[int] = ..., points_used: _Optional[int] = ..., points_deducted: _Optional[int] = ..., metadata: _Optional[_Union[FoundTransaction.Metadata, _Mapping]] = ...) -> None: ...

class SearchOrdersRequest(_message.Message):
    __slots__ = ("loyalty_id", "store_id", "first_day", "last_day", "pos_transaction_id", "partner", "operator", "statuses", "page_size", "page_token")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_DAY_FIELD_NUMBER: _ClassVar[int]
    LAST_DAY_FIELD_NUMBER: _ClassVar[int]
    POS_TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    PARTNER_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    STATUSES_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    store_id: int
    first_day: str
    last_day: str
    pos_transaction_id: str
    partner: str
    operator: str
    statuses: _containers.RepeatedScalarFieldContainer[Transaction.Status]
    page_size: int
    page_token: str
    def __init__(self, loyalty_id: _Optional[str] = ..., store_id: _Optional[int] = ..., first_day: _Optional[str] = ..., last_day: _Optional[str] = ..., pos_transaction_id: _Optional[str] = ..., partner: _Optional[str] = ..., operator: _Optional[str] = ..., statuses: _Optional[_Iterable[_Union[Transaction.Status, str]]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class SearchOrdersResponse(_message.Message):
    __slots__ = ("orders", "next_page_token")
    ORDERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    orders: _containers.RepeatedCompositeFieldContainer[FoundTransaction]
    next_page_token: str
    def __init__(self, orders: _Optional[_Iterable[_Union[FoundTransaction, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class GetOutcomeRequest(_message.Message):
    __slots__ = ("idempotency_key",)
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    idempotency_key: str
    def __init__(self, idempotency_key: _Optional[str] = ...) -> None: ...

class GetOutcomeResponse(_message.Message):
    __slots__ = ("outcome", "transaction", "identify", "update", "void", "unclaimed", "claim_receipt", "start_anonymous_session", "start_session", "issue_code", "enroll_member", "assign_points", "redeem_promo_code", "identify_member_again", "change_transaction_status", "return_lines", "take_grant", "adjust_points", "erase_member", "update_member", "block_member", "merge_members", "unmerge_members", "finalize_purchase", "report_offline_purchase", "award_purchase", "adjust_purchase", "confirm_purchase", "adjust_without_receipt", "report_offline_order", "reserve_points", "lower_reservation", "cancel_reservation", "issue_adhoc_redemption", "issue_adhoc_reward", "void_adhoc_transaction", "create_redemption_lock", "delete_redemption_lock")
    class Outcome(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        OUTCOME_UNSPECIFIED: _ClassVar[GetOutcomeResponse.Outcome]
        OUTCOME_COMMITTED: _ClassVar[GetOutcomeResponse.Outcome]
        OUTCOME_NEVER_SEEN: _ClassVar[GetOutcomeResponse.Outcome]
        OUTCOME_UNDER_WAY: _ClassVar[GetOutcomeResponse.Outcome]
    OUTCOME_UNSPECIFIED: GetOutcomeResponse.Outcome
    OUTCOME_COMMITTED: GetOutcomeResponse.Outcome
    OUTCOME_NEVER_SEEN: GetOutcomeResponse.Outcome
    OUTCOME_UNDER_WAY: GetOutcomeResponse.Outcome
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    IDENTIFY_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    VOID_FIELD_NUMBER: _ClassVar[int]
    UNCLAIMED_FIELD_NUMBER: _ClassVar[int]
    CLAIM_RECEIPT_FIELD_NUMBER: _ClassVar[int]
    START_ANONYMOUS_SESSION_FIELD_NUMBER: _ClassVar[int]
    START_SESSION_FIELD_NUMBER: _ClassVar[int]
    ISSUE_CODE_FIELD_NUMBER: _ClassVar[int]
    ENROLL_MEMBER_FIELD_NUMBER: _ClassVar[int]
    ASSIGN_POINTS_FIELD_NUMBER: _ClassVar[int]
    REDEEM_PROMO_CODE_FIELD_NUMBER: _ClassVar[int]
    IDENTIFY_MEMBER_AGAIN_FIELD_NUMBER: _ClassVar[int]
    CHANGE_TRANSACTION_STATUS_FIELD_NUMBER: _ClassVar[int]
    RETURN_LINES_FIELD_NUMBER: _ClassVar[int]
    TAKE_GRANT_FIELD_NUMBER: _ClassVar[int]
    ADJUST_POINTS_FIELD_NUMBER: _ClassVar[int]
    ERASE_MEMBER_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MEMBER_FIELD_NUMBER: _ClassVar[int]
    BLOCK_MEMBER_FIELD_NUMBER: _ClassVar[int]
    MERGE_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    UNMERGE_MEMBERS_FIELD_NUMBER: _ClassVar[int]
    FINALIZE_PURCHASE_FIELD_NUMBER: _ClassVar[int]
    REPORT_OFFLINE_PURCHASE_FIELD_NUMBER: _ClassVar[int]
    AWARD_PURCHASE_FIELD_NUMBER: _ClassVar[int]
    ADJUST_PURCHASE_FIELD_NUMBER: _ClassVar[int]
    CONFIRM_PURCHASE_FIELD_NUMBER: _ClassVar[int]
    ADJUST_WITHOUT_RECEIPT_FIELD_NUMBER: _ClassVar[int]
    REPORT_OFFLINE_ORDER_FIELD_NUMBER: _ClassVar[int]
    RESERVE_POINTS_FIELD_NUMBER: _ClassVar[int]
    LOWER_RESERVATION_FIELD_NUMBER: _ClassVar[int]
    CANCEL_RESERVATION_FIELD_NUMBER: _ClassVar[int]
    ISSUE_ADHOC_REDEMPTION_FIELD_NUMBER: _ClassVar[int]
    ISSUE_ADHOC_REWARD_FIELD_NUMBER: _ClassVar[int]
    VOID_ADHOC_TRANSACTION_FIELD_NUMBER: _ClassVar[int]
    CREATE_REDEMPTION_LOCK_FIELD_NUMBER: _ClassVar[int]
    DELETE_REDEMPTION_LOCK_FIELD_NUMBER: _ClassVar[int]
    outcome: GetOutcomeResponse.Outcome
    transaction: Transaction
    identify: _identify_service_pb2.IdentifyMemberResponse
    update: ReportOrderResponse
    void: VoidTransactionResponse
    unclaimed: RecordUnclaimedOrderResponse
    claim_receipt: ClaimReceiptResponse
    start_anonymous_session: _session_service_pb2.StartAnonymousSessionResponse
    start_session: _session_service_pb2.StartSessionResponse
    issue_code: _code_service_pb2.IssueCodeResponse
    enroll_member: _member_service_pb2.EnrollMemberResponse
    assign_points: _member_service_pb2.AssignPointsResponse
    redeem_promo_code: _incentive_service_pb2.RedeemPromoCodeResponse
    identify_member_again: _identify_service_pb2.IdentifyMemberAgainResponse
    change_transaction_status: ChangeTransactionStatusResponse
    return_lines: ReturnLinesResponse
    take_grant: _incentive_service_pb2.TakeGrantResponse
    adjust_points: _member_service_pb2.AdjustPointsResponse
    erase_member: _member_service_pb2.EraseMemberResponse
    update_member: _member_service_pb2.UpdateMemberResponse
    block_member: _member_service_pb2.BlockMemberResponse
    merge_members: _member_service_pb2.MergeMembersResponse
    unmerge_members: _member_service_pb2.UnmergeMembersResponse
    finalize_purchase: _purchase_service_pb2.FinalizePurchaseResponse
    report_offline_purchase: _purchase_service_pb2.ReportOfflinePurchaseResponse
    award_purchase: _purchase_service_pb2.AwardPurchaseResponse
    adjust_purchase: _purchase_service_pb2.AdjustPurchaseResponse
    confirm_purchase: _purchase_service_pb2.ConfirmPurchaseResponse
    adjust_without_receipt: _purchase_service_pb2.AdjustWithoutReceiptResponse
    report_offline_order: _purchase_service_pb2.ReportOfflineOrderResponse
    reserve_points: _account_service_pb2.ReservePointsResponse
    lower_reservation: _account_service_pb2.LowerReservationResponse
    cancel_reservation: _account_service_pb2.CancelReservationResponse
    issue_adhoc_redemption: _account_service_pb2.IssueAdhocRedemptionResponse
    issue_adhoc_reward: _account_service_pb2.IssueAdhocRewardResponse
    void_adhoc_transaction: _account_service_pb2.VoidAdhocTransactionResponse
    create_redemption_lock: _account_service_pb2.CreateRedemptionLockResponse
    delete_redemption_lock: _account_service_pb2.DeleteRedemptionLockResponse
    def __init__(self, outcome: _Optional[_Union[GetOutcomeResponse.Outcome, str]] = ..., transaction: _Optional[_Union[Transaction, _Mapping]] = ..., identify: _Optional[_Union[_identify_service_pb2.IdentifyMemberResponse, _Mapping]] = ..., update: _Optional[_Union[ReportOrderResponse, _Mapping]] = ..., void: _Optional[_Union[VoidTransactionResponse, _Mapping]] = ..., unclaimed: _Optional[_Union[RecordUnclaimedOrderResponse, _Mapping]] = ..., claim_receipt: _Optional[_Union[ClaimReceiptResponse, _Mapping]] = ..., start_anonymous_session: _Optional[_Union[_session_service_pb2.StartAnonymousSessionResponse, _Mapping]] = ..., start_session: _Optional[_Union[_session_service_pb2.StartSessionResponse, _Mapping]] = ..., issue_code: _Optional[_Union[_code_service_pb2.IssueCodeResponse, _Mapping]] = ..., enroll_member: _Optional[_Union[_member_service_pb2.EnrollMemberResponse, _Mapping]] = ..., assign_points: _Optional[_Union[_member_service_pb2.AssignPointsResponse, _Mapping]] = ..., redeem_promo_code: _Optional[_Union[_incentive_service_pb2.RedeemPromoCodeResponse, _Mapping]] = ..., identify_member_again: _Optional[_Union[_identify_service_pb2.IdentifyMemberAgainResponse, _Mapping]] = ..., change_transaction_status: _Optional[_Union[ChangeTransactionStatusResponse, _Mapping]] = ..., return_lines: _Optional[_Union[ReturnLinesResponse, _Mapping]] = ..., take_grant: _Optional[_Union[_incentive_service_pb2.TakeGrantResponse, _Mapping]] = ..., adjust_points: _Optional[_Union[_member_service_pb2.AdjustPointsResponse, _Mapping]] = ..., erase_member: _Optional[_Union[_member_service_pb2.EraseMemberResponse, _Mapping]] = ..., update_member: _Optional[_Union[_member_service_pb2.UpdateMemberResponse, _Mapping]] = ..., block_member: _Optional[_Union[_member_service_pb2.BlockMemberResponse, _Mapping]] = ..., merge_members: _Optional[_Union[_member_service_pb2.MergeMembersResponse, _Mapping]] = ..., unmerge_members: _Optional[_Union[_member_service_pb2.UnmergeMembersResponse, _Mapping]] = ..., finalize_purchase: _Optional[_Union[_purchase_service_pb2.FinalizePurchaseResponse, _Mapping]] = ..., report_offline_purchase: _Optional[_Union[_purchase_service_pb2.ReportOfflinePurchaseResponse, _Mapping]] = ..., award_purchase: _Optional[_Union[_purchase_service_pb2.AwardPurchaseResponse, _Mapping]] = ..., adjust_purchase: _Optional[_Union[_purchase_service_pb2.AdjustPurchaseResponse, _Mapping]] = ..., confirm_purchase: _Optional[_Union[_purchase_service_pb2.ConfirmPurchaseResponse, _Mapping]] = ..., adjust_without_receipt: _Optional[_Union[_purchase_service_pb2.AdjustWithoutReceiptResponse, _Mapping]] = ..., report_offline_order: _Optional[_Union[_purchase_service_pb2.ReportOfflineOrderResponse, _Mapping]] = ..., reserve_points: _Optional[_Union[_account_service_pb2.ReservePointsResponse, _Mapping]] = ..., lower_reservation: _Optional[_Union[_account_service_pb2.LowerReservationResponse, _Mapping]] = ..., cancel_reservation: _Optional[_Union[_account_service_pb2.CancelReservationResponse, _Mapping]] = ..., issue_adhoc_redemption: _Optional[_Union[_account_service_pb2.IssueAdhocRedemptionResponse, _Mapping]] = ..., issue_adhoc_reward: _Optional[_Union[_account_service_pb2.IssueAdhocRewardResponse, _Mapping]] = ..., void_adhoc_transaction: _Optional[_Union[_account_service_pb2.VoidAdhocTransactionResponse, _Mapping]] = ..., create_redemption_lock: _Optional[_Union[_account_service_pb2.CreateRedemptionLockResponse, _Mapping]] = ..., delete_redemption_lock: _Optional[_Union[_account_service_pb2.DeleteRedemptionLockResponse, _Mapping]] = ...) -> None: ...
