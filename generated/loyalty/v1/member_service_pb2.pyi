import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from loyalty.v1 import method_pb2 as _method_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Member(_message.Message):
    __slots__ = ("loyalty_id", "name", "email", "locale", "birth_date", "create_time", "available_points", "held_points", "owed_points")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    BIRTH_DATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_POINTS_FIELD_NUMBER: _ClassVar[int]
    HELD_POINTS_FIELD_NUMBER: _ClassVar[int]
    OWED_POINTS_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    name: str
    email: str
    locale: str
    birth_date: str
    create_time: _timestamp_pb2.Timestamp
    available_points: int
    held_points: int
    owed_points: int
    def __init__(self, loyalty_id: _Optional[str] = ..., name: _Optional[str] = ..., email: _Optional[str] = ..., locale: _Optional[str] = ..., birth_date: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., available_points: _Optional[int] = ..., held_points: _Optional[int] = ..., owed_points: _Optional[int] = ...) -> None: ...

class EnrollMemberRequest(_message.Message):
    __slots__ = ("name", "email", "locale", "birth_date")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    BIRTH_DATE_FIELD_NUMBER: _ClassVar[int]
    name: str
    email: str
    locale: str
    birth_date: str
    def __init__(self, name: _Optional[str] = ..., email: _Optional[str] = ..., locale: _Optional[str] = ..., birth_date: _Optional[str] = ...) -> None: ...

class EnrollMemberResponse(_message.Message):
    __slots__ = ("member",)
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    member: Member
    def __init__(self, member: _Optional[_Union[Member, _Mapping]] = ...) -> None: ...

class GetMemberRequest(_message.Message):
    __slots__ = ("loyalty_id",)
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    def __init__(self, loyalty_id: _Optional[str] = ...) -> None: ...

class GetMemberResponse(_message.Message):
    __slots__ = ("member",)
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    member: Member
    def __init__(self, member: _Optional[_Union[Member, _Mapping]] = ...) -> None: ...

class ListTransfersRequest(_message.Message):
    __slots__ = ("loyalty_id", "page_size", "page_token", "account")
    class Account(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MEMBER_ACCOUNT_UNSPECIFIED: _ClassVar[ListTransfersRequest.Account]
        AVAILABLE: _ClassVar[ListTransfersRequest.Account]
        HELD: _ClassVar[ListTransfersRequest.Account]
    MEMBER_ACCOUNT_UNSPECIFIED: ListTransfersRequest.Account
    AVAILABLE: ListTransfersRequest.Account
    HELD: ListTransfersRequest.Account
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    page_size: int
    page_token: str
    account: ListTransfersRequest.Account
    def __init__(self, loyalty_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., account: _Optional[_Union[ListTransfersRequest.Account, str]] = ...) -> None: ...

class ListTransfersResponse(_message.Message):
    __slots__ = ("transfers", "next_page_token")
    TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    transfers: _containers.RepeatedCompositeFieldContainer[Transfer]
    next_page_token: str
    def __init__(self, transfers: _Optional[_Iterable[_Union[Transfer, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class Transfer(_message.Message):
    __slots__ = ("transfer_id", "source", "destination", "points", "cause", "transaction_id", "note", "effective_time", "record_time")
    class Account(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ACCOUNT_UNSPECIFIED: _ClassVar[Transfer.Account]
        ACCOUNT_AVAILABLE: _ClassVar[Transfer.Account]
        ACCOUNT_HELD: _ClassVar[Transfer.Account]
        ACCOUNT_ISSUED: _ClassVar[Transfer.Account]
        ACCOUNT_REDEEMED: _ClassVar[Transfer.Account]
        ACCOUNT_EXPIRED: _ClassVar[Transfer.Account]
        ACCOUNT_ADJUSTED: _ClassVar[Transfer.Account]
        ACCOUNT_DEBT: _ClassVar[Transfer.Account]
    ACCOUNT_UNSPECIFIED: Transfer.Account
    ACCOUNT_AVAILABLE: Transfer.Account
    ACCOUNT_HELD: Transfer.Account
    ACCOUNT_ISSUED: Transfer.Account
    ACCOUNT_REDEEMED: Transfer.Account
    ACCOUNT_EXPIRED: Transfer.Account
    ACCOUNT_ADJUSTED: Transfer.Account
    ACCOUNT_DEBT: Transfer.Account
    class Cause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CAUSE_UNSPECIFIED: _ClassVar[Transfer.Cause]
        CAUSE_HOLD: _ClassVar[Transfer.Cause]
        CAUSE_RELEASE: _ClassVar[Transfer.Cause]
        CAUSE_ADJUST: _ClassVar[Transfer.Cause]
        CAUSE_REDEEM: _ClassVar[Transfer.Cause]
        CAUSE_EARN: _ClassVar[Transfer.Cause]
        CAUSE_REFUND: _ClassVar[Transfer.Cause]
        CAUSE_REVERSE: _ClassVar[Transfer.Cause]
    CAUSE_UNSPECIFIED: Transfer.Cause
    CAUSE_HOLD: Transfer.Cause
    CAUSE_RELEASE: Transfer.Cause
    CAUSE_ADJUST: Transfer.Cause
    CAUSE_REDEEM: Transfer.Cause
    CAUSE_EARN: Transfer.Cause
    CAUSE_REFUND: Transfer.Cause
    CAUSE_REVERSE: Transfer.Cause
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    NOTE_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_TIME_FIELD_NUMBER: _ClassVar[int]
    RECORD_TIME_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    source: Transfer.Account
    destination: Transfer.Account
    points: int
    cause: Transfer.Cause
    transaction_id: str
    note: str
    effective_time: _timestamp_pb2.Timestamp
    record_time: _timestamp_pb2.Timestamp
    def __init__(self, transfer_id: _Optional[str] = ..., source: _Optional[_Union[Transfer.Account, str]] = ..., destination: _Optional[_Union[Transfer.Account, str]] = ..., points: _Optional[int] = ..., cause: _Optional[_Union[Transfer.Cause, str]] = ..., transaction_id: _Optional[str] = ..., note: _Optional[str] = ..., effective_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., record_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
