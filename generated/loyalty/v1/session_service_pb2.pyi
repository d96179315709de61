from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from loyalty.v1 import method_pb2 as _method_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartAnonymousSessionRequest(_message.Message):
    __slots__ = ("correlation_id", "external_identifier", "channel", "locale", "anonymous_session_id")
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    ANONYMOUS_SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    correlation_id: str
    external_identifier: str
    channel: str
    locale: str
    anonymous_session_id: str
    def __init__(self, correlation_id: _Optional[str] = ..., external_identifier: _Optional[str] = ..., channel: _Optional[str] = ..., locale: _Optional[str] = ..., anonymous_session_id: _Optional[str] = ...) -> None: ...

class StartAnonymousSessionResponse(_message.Message):
    __slots__ = ("loyalty_id", "membership_type", "status", "prompt", "is_valid", "prompt_message", "receipt_message", "points_balance", "user_max_redeem_dollars", "redemption_rules", "session_correlation_id", "receipt_preference")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    IS_VALID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    USER_MAX_REDEEM_DOLLARS_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_RULES_FIELD_NUMBER: _ClassVar[int]
    SESSION_CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_PREFERENCE_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    membership_type: str
    status: str
    prompt: str
    is_valid: bool
    prompt_message: str
    receipt_message: str
    points_balance: int
    user_max_redeem_dollars: float
    redemption_rules: RedemptionRules
    session_correlation_id: str
    receipt_preference: str
    def __init__(self, loyalty_id: _Optional[str] = ..., membership_type: _Optional[str] = ..., status: _Optional[str] = ..., prompt: _Optional[str] = ..., is_valid: _Optional[bool] = ..., prompt_message: _Optional[str] = ..., receipt_message: _Optional[str] = ..., points_balance: _Optional[int] = ..., user_max_redeem_dollars: _Optional[float] = ..., redemption_rules: _Optional[_Union[RedemptionRules, _Mapping]] = ..., session_correlation_id: _Optional[str] = ..., receipt_preference: _Optional[str] = ...) -> None: ...

class StartSessionRequest(_message.Message):
    __slots__ = ("identifier", "correlation_id", "external_identifier", "channel", "locale", "store_id")
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    identifier: str
    correlation_id: str
    external_identifier: str
    channel: str
    locale: str
    store_id: int
    def __init__(self, identifier: _Optional[str] = ..., correlation_id: _Optional[str] = ..., external_identifier: _Optional[str] = ..., channel: _Optional[str] = ..., locale: _Optional[str] = ..., store_id: _Optional[int] = ...) -> None: ...

class StartSessionResponse(_message.Message):
    __slots__ = ("account_id", "loyalty_id", "membership_type", "status", "prompt", "is_valid", "prompt_message", "receipt_message", "points_balance", "user_max_redeem_dollars", "redemption_rules", "session_correlation_id", "receipt_preference")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIP_TYPE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    IS_VALID_FIELD_NUMBER: _ClassVar[int]
    PROMPT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    POINTS_BALANCE_FIELD_NUMBER: _ClassVar[int]
    USER_MAX_REDEEM_DOLLARS_FIELD_NUMBER: _ClassVar[int]
    REDEMPTION_RULES_FIELD_NUMBER: _ClassVar[int]
    SESSION_CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    RECEIPT_PREFERENCE_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    loyalty_id: str
    membership_type: str
    status: str
    prompt: str
    is_valid: bool
    prompt_message: str
    receipt_message: str
    points_balance: int
    user_max_redeem_dollars: float
    redemption_rules: RedemptionRules
    session_correlation_id: str
    receipt_preference: str
    def __init__(self, account_id: _Optional[str] = ..., loyalty_id: _Optional[str] = ..., membership_type: _Optional[str] = ..., status: _Optional[str] = ..., prompt: _Optional[str] = ..., is_valid: _Optional[bool] = ..., prompt_message: _Optional[str] = ..., receipt_message: _Optional[str] = ..., points_balance: _Optional[int] = ..., user_max_redeem_dollars: _Optional[float] = ..., redemption_rules: _Optional[_Union[RedemptionRules, _Mapping]] = ..., session_correlation_id: _Optional[str] = ..., receipt_preference: _Optional[str] = ...) -> None: ...

class RedemptionRules(_message.Message):
    __slots__ = ("min_redeem_points", "min_redeem_amount", "max_redeem_points", "max_redeem_amount", "redeem_increment_points", "redeem_increment_amount", "currency")
    MIN_REDEEM_POINTS_FIELD_NUMBER: _ClassVar[int]
    MIN_REDEEM_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    MAX_REDEEM_POINTS_FIELD_NUMBER: _ClassVar[int]
    MAX_REDEEM_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REDEEM_INCREMENT_POINTS_FIELD_NUMBER: _ClassVar[int]
    REDEEM_INCREMENT_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    min_redeem_points: int
    min_redeem_amount: float
    max_redeem_points: int
    max_redeem_amount: float
    redeem_increment_points: int
    redeem_increment_amount: float
    currency: str
    def __init__(self, min_redeem_points: _Optional[int] = ..., min_redeem_amount: _Optional[float] = ..., max_redeem_points: _Optional[int] = ..., max_redeem_amount: _Optional[float] = ..., redeem_increment_points: _Optional[int] = ..., redeem_increment_amount: _Optional[float] = ..., currency: _Optional[str] = ...) -> None: ...
