from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from loyalty.v1 import method_pb2 as _method_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IssueCodeRequest(_message.Message):
    __slots__ = ("loyalty_id", "order", "restaurant_id", "user_date_time")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    RESTAURANT_ID_FIELD_NUMBER: _ClassVar[int]
    USER_DATE_TIME_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    order: _containers.RepeatedCompositeFieldContainer[SelectedIncentive]
    restaurant_id: str
    user_date_time: str
    def __init__(self, loyalty_id: _Optional[str] = ..., order: _Optional[_Iterable[_Union[SelectedIncentive, _Mapping]]] = ..., restaurant_id: _Optional[str] = ..., user_date_time: _Optional[str] = ...) -> None: ...

class SelectedIncentive(_message.Message):
    __slots__ = ("incentive_id", "quantity", "product_id", "incentive")
    class Incentive(_message.Message):
        __slots__ = ("id",)
        ID_FIELD_NUMBER: _ClassVar[int]
        id: str
        def __init__(self, id: _Optional[str] = ...) -> None: ...
    INCENTIVE_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    INCENTIVE_FIELD_NUMBER: _ClassVar[int]
    incentive_id: str
    quantity: int
    product_id: str
    incentive: SelectedIncentive.Incentive
    def __init__(self, incentive_id: _Optional[str] = ..., quantity: _Optional[int] = ..., product_id: _Optional[str] = ..., incentive: _Optional[_Union[SelectedIncentive.Incentive, _Mapping]] = ...) -> None: ...

class IssueCodeResponse(_message.Message):
    __slots__ = ("updated_at", "created_at", "loyalty_id", "expiry", "order", "otp", "status", "user_date_time", "restaurant_id")
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    OTP_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    USER_DATE_TIME_FIELD_NUMBER: _ClassVar[int]
    RESTAURANT_ID_FIELD_NUMBER: _ClassVar[int]
    updated_at: str
    created_at: str
    loyalty_id: str
    expiry: int
    order: _containers.RepeatedCompositeFieldContainer[SelectedIncentive]
    otp: str
    status: GetCodeResponse.Status
    user_date_time: str
    restaurant_id: str
    def __init__(self, updated_at: _Optional[str] = ..., created_at: _Optional[str] = ..., loyalty_id: _Optional[str] = ..., expiry: _Optional[int] = ..., order: _Optional[_Iterable[_Union[SelectedIncentive, _Mapping]]] = ..., otp: _Optional[str] = ..., status: _Optional[_Union[GetCodeResponse.Status, str]] = ..., user_date_time: _Optional[str] = ..., restaurant_id: _Optional[str] = ...) -> None: ...

class GetCodeRequest(_message.Message):
    __slots__ = ("otp",)
    OTP_FIELD_NUMBER: _ClassVar[int]
    otp: str
    def __init__(self, otp: _Optional[str] = ...) -> None: ...

class GetCodeResponse(_message.Message):
    __slots__ = ("updated_at", "created_at", "loyalty_id", "expiry", "order", "otp", "restaurant_id", "status", "transaction_id", "user_date_time")
    class Status(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CODE_STATUS_UNSPECIFIED: _ClassVar[GetCodeResponse.Status]
        pending: _ClassVar[GetCodeResponse.Status]
        claimed: _ClassVar[GetCodeResponse.Status]
    CODE_STATUS_UNSPECIFIED: GetCodeResponse.Status
    pending: GetCodeResponse.Status
    claimed: GetCodeResponse.Status
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    EXPIRY_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    OTP_FIELD_NUMBER: _ClassVar[int]
    RESTAURANT_ID_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    USER_DATE_TIME_FIELD_NUMBER: _ClassVar[int]
    updated_at: str
    created_at: str
    loyalty_id: str
    expiry: int
    order: _containers.RepeatedCompositeFieldContainer[SelectedIncentive]
    otp: str
    restaurant_id: str
    status: GetCodeResponse.Status
    transaction_id: str
    user_date_time: str
    def __init__(self, updated_at: _Optional[str] = ..., created_at: _Optional[str] = ..., loyalty_id: _Optional[str] = ..., expiry: _Optional[int] = ..., order: _Optional[_Iterable[_Union[SelectedIncentive, _Mapping]]] = ..., otp: _Optional[str] = ..., restaurant_id: _Optional[str] = ..., status: _Optional[_Union[GetCodeResponse.Status, str]] = ..., transaction_id: _Optional[str] = ..., user_date_time: _Optional[str] = ...) -> None: ...
