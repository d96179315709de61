import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from loyalty.v1 import method_pb2 as _method_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetProgramRequest(_message.Message):
    __slots__ = ("version",)
    VERSION_FIELD_NUMBER: _ClassVar[int]
    version: int
    def __init__(self, version: _Optional[int] = ...) -> None: ...

class GetProgramResponse(_message.Message):
    __slots__ = ("version", "program_file", "program_id", "time_zone", "caller")
    class Caller(_message.Message):
        __slots__ = ("key_id", "partner", "role")
        KEY_ID_FIELD_NUMBER: _ClassVar[int]
        PARTNER_FIELD_NUMBER: _ClassVar[int]
        ROLE_FIELD_NUMBER: _ClassVar[int]
        key_id: str
        partner: str
        role: _method_pb2.MethodRules.Role
        def __init__(self, key_id: _Optional[str] = ..., partner: _Optional[str] = ..., role: _Optional[_Union[_method_pb2.MethodRules.Role, str]] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_FILE_FIELD_NUMBER: _ClassVar[int]
    PROGRAM_ID_FIELD_NUMBER: _ClassVar[int]
    TIME_ZONE_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    version: int
    program_file: str
    program_id: str
    time_zone: str
    caller: GetProgramResponse.Caller
    def __init__(self, version: _Optional[int] = ..., program_file: _Optional[str] = ..., program_id: _Optional[str] = ..., time_zone: _Optional[str] = ..., caller: _Optional[_Union[GetProgramResponse.Caller, _Mapping]] = ...) -> None: ...

class ListProgramVersionsRequest(_message.Message):
    __slots__ = ("page_size", "page_token")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListProgramVersionsResponse(_message.Message):
    __slots__ = ("versions", "next_page_token")
    class Version(_message.Message):
        __slots__ = ("version", "apply_time", "applied_by", "reason")
        VERSION_FIELD_NUMBER: _ClassVar[int]
        APPLY_TIME_FIELD_NUMBER: _ClassVar[int]
        APPLIED_BY_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        version: int
        apply_time: _timestamp_pb2.Timestamp
        applied_by: str
        reason: str
        def __init__(self, version: _Optional[int] = ..., apply_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., applied_by: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[ListProgramVersionsResponse.Version]
    next_page_token: str
    def __init__(self, versions: _Optional[_Iterable[_Union[ListProgramVersionsResponse.Version, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListCodeWaitsRequest(_message.Message):
    __slots__ = ("store_id",)
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    store_id: int
    def __init__(self, store_id: _Optional[int] = ...) -> None: ...

class ListCodeWaitsResponse(_message.Message):
    __slots__ = ("waits",)
    class Wait(_message.Message):
        __slots__ = ("key_id", "store_id", "terminal", "wrong_codes", "right_codes", "end_time")
        KEY_ID_FIELD_NUMBER: _ClassVar[int]
        STORE_ID_FIELD_NUMBER: _ClassVar[int]
        TERMINAL_FIELD_NUMBER: _ClassVar[int]
        WRONG_CODES_FIELD_NUMBER: _ClassVar[int]
        RIGHT_CODES_FIELD_NUMBER: _ClassVar[int]
        END_TIME_FIELD_NUMBER: _ClassVar[int]
        key_id: str
        store_id: int
        terminal: str
        wrong_codes: int
        right_codes: int
        end_time: _timestamp_pb2.Timestamp
        def __init__(self, key_id: _Optional[str] = ..., store_id: _Optional[int] = ..., terminal: _Optional[str] = ..., wrong_codes: _Optional[int] = ..., right_codes: _Optional[int] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
    WAITS_FIELD_NUMBER: _ClassVar[int]
    waits: _containers.RepeatedCompositeFieldContainer[ListCodeWaitsResponse.Wait]
    def __init__(self, waits: _Optional[_Iterable[_Union[ListCodeWaitsResponse.Wait, _Mapping]]] = ...) -> None: ...

class GetLiabilityRequest(_message.Message):
    __slots__ = ("months",)
    MONTHS_FIELD_NUMBER: _ClassVar[int]
    months: int
    def __init__(self, months: _Optional[int] = ...) -> None: ...

class GetLiabilityResponse(_message.Message):
    __slots__ = ("as_of_time", "available_points", "held_points", "owed_points", "members", "months")
    class Month(_message.Message):
        __slots__ = ("month", "points")
        MONTH_FIELD_NUMBER: _ClassVar[int]
        POINTS_FIELD_NUMBER: _ClassVar[int]
        month: str
        points: int
        def __init__(self, month: _Optional[str] = ..., points: _Optional[int] = ...) -> None: ...
    AS_OF_TIME_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_POINTS_FIELD_NUMBER: _ClassVar[int]
    HELD_POINTS_FIELD_NUMBER: _ClassVar[int]
    OWED_POINTS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    MONTHS_FIELD_NUMBER: _ClassVar[int]
    as_of_time: _timestamp_pb2.Timestamp
    available_points: int
    held_points: int
    owed_points: int
    members: int
    months: _containers.RepeatedCompositeFieldContainer[GetLiabilityResponse.Month]
    def __init__(self, as_of_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., available_points: _Optional[int] = ..., held_points: _Optional[int] = ..., owed_points: _Optional[int] = ..., members: _Optional[int] = ..., months: _Optional[_Iterable[_Union[GetLiabilityResponse.Month, _Mapping]]] = ...) -> None: ...

class ListWebhooksRequest(_message.Message):
    __slots__ = ("max_messages",)
    MAX_MESSAGES_FIELD_NUMBER: _ClassVar[int]
    max_messages: int
    def __init__(self, max_messages: _Optional[int] = ...) -> None: ...

class ListWebhooksResponse(_message.Message):
    __slots__ = ("webhooks",)
    class Message(_message.Message):
        __slots__ = ("message_id", "dead", "attempts", "begin_time", "next_time", "http_status", "problem", "type")
        MESSAGE_ID_FIELD_NUMBER: _ClassVar[int]
        DEAD_FIELD_NUMBER: _ClassVar[int]
        ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
        BEGIN_TIME_FIELD_NUMBER: _ClassVar[int]
        NEXT_TIME_FIELD_NUMBER: _ClassVar[int]
        HTTP_STATUS_FIELD_NUMBER: _ClassVar[int]
        PROBLEM_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        message_id: str
        dead: bool
        attempts: int
        begin_time: _timestamp_pb2.Timestamp
        next_time: _timestamp_pb2.Timestamp
        http_status: int
        problem: str
        type: str
        def __init__(self, message_id: _Optional[str] = ..., dead: _Optional[bool] = ..., attempts: _Optional[int] = ..., begin_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., next_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., http_status: _Optional[int] = ..., problem: _Optional[str] = ..., type: _Optional[str] = ...) -> None: ...
    class Webhook(_message.Message):
        __slots__ = ("webhook_id", "url", "types", "create_time", "disable_time", "disable_reason", "waiting", "dead", "messages")
        WEBHOOK_ID_FIELD_NUMBER: _ClassVar[int]
        URL_FIELD_NUMBER: _ClassVar[int]
        TYPES_FIELD_NUMBER: _ClassVar[int]
        CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
        DISABLE_TIME_FIELD_NUMBER: _ClassVar[int]
        DISABLE_REASON_FIELD_NUMBER: _ClassVar[int]
        WAITING_FIELD_NUMBER: _ClassVar[int]
        DEAD_FIELD_NUMBER: _ClassVar[int]
        MESSAGES_FIELD_NUMBER: _ClassVar[int]
        webhook_id: str
        url: str
        types: _containers.RepeatedScalarFieldContainer[str]
        create_time: _timestamp_pb2.Timestamp
        disable_time: _timestamp_pb2.Timestamp
        disable_reason: str
        waiting: int
        dead: int
        messages: _containers.RepeatedCompositeFieldContainer[ListWebhooksResponse.Message]
        def __init__(self, webhook_id: _Optional[str] = ..., url: _Optional[str] = ..., types: _Optional[_Iterable[str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., disable_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., disable_reason: _Optional[str] = ..., waiting: _Optional[int] = ..., dead: _Optional[int] = ..., messages: _Optional[_Iterable[_Union[ListWebhooksResponse.Message, _Mapping]]] = ...) -> None: ...
    WEBHOOKS_FIELD_NUMBER: _ClassVar[int]
    webhooks: _containers.RepeatedCompositeFieldContainer[ListWebhooksResponse.Webhook]
    def __init__(self, webhooks: _Optional[_Iterable[_Union[ListWebhooksResponse.Webhook, _Mapping]]] = ...) -> None: ...
