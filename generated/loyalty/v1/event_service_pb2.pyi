import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from loyalty.v1 import method_pb2 as _method_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListEventsRequest(_message.Message):
    __slots__ = ("types", "loyalty_id", "page_size", "page_token", "from_now")
    TYPES_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FROM_NOW_FIELD_NUMBER: _ClassVar[int]
    types: _containers.RepeatedScalarFieldContainer[str]
    loyalty_id: str
    page_size: int
    page_token: str
    from_now: bool
    def __init__(self, types: _Optional[_Iterable[str]] = ..., loyalty_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., from_now: _Optional[bool] = ...) -> None: ...

class ListEventsResponse(_message.Message):
    __slots__ = ("events", "next_page_token", "has_more", "has_gap")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    HAS_GAP_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    next_page_token: str
    has_more: bool
    has_gap: bool
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., has_more: _Optional[bool] = ..., has_gap: _Optional[bool] = ...) -> None: ...

class WatchEventsRequest(_message.Message):
    __slots__ = ("types", "loyalty_id", "resume_token", "from_now")
    TYPES_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FROM_NOW_FIELD_NUMBER: _ClassVar[int]
    types: _containers.RepeatedScalarFieldContainer[str]
    loyalty_id: str
    resume_token: str
    from_now: bool
    def __init__(self, types: _Optional[_Iterable[str]] = ..., loyalty_id: _Optional[str] = ..., resume_token: _Optional[str] = ..., from_now: _Optional[bool] = ...) -> None: ...

class WatchEventsResponse(_message.Message):
    __slots__ = ("events", "resume_token", "has_gap")
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    RESUME_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HAS_GAP_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[Event]
    resume_token: str
    has_gap: bool
    def __init__(self, events: _Optional[_Iterable[_Union[Event, _Mapping]]] = ..., resume_token: _Optional[str] = ..., has_gap: _Optional[bool] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("specversion", "id", "source", "type", "subject", "time", "data")
    SPECVERSION_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: _timestamp_pb2.Timestamp
    data: EventData
    def __init__(self, specversion: _Optional[str] = ..., id: _Optional[str] = ..., source: _Optional[str] = ..., type: _Optional[str] = ..., subject: _Optional[str] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., data: _Optional[_Union[EventData, _Mapping]] = ...) -> None: ...

class EventData(_message.Message):
    __slots__ = ("loyalty_id", "record_time", "actor", "before", "after", "available", "held", "debt", "reason", "detail")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    RECORD_TIME_FIELD_NUMBER: _ClassVar[int]
    ACTOR_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    DEBT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    record_time: _timestamp_pb2.Timestamp
    actor: EventActor
    before: str
    after: str
    available: EventBalance
    held: EventBalance
    debt: EventBalance
    reason: str
    detail: _struct_pb2.Value
    def __init__(self, loyalty_id: _Optional[str] = ..., record_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., actor: _Optional[_Union[EventActor, _Mapping]] = ..., before: _Optional[str] = ..., after: _Optional[str] = ..., available: _Optional[_Union[EventBalance, _Mapping]] = ..., held: _Optional[_Union[EventBalance, _Mapping]] = ..., debt: _Optional[_Union[EventBalance, _Mapping]] = ..., reason: _Optional[str] = ..., detail: _Optional[_Union[_struct_pb2.Value, _Mapping]] = ...) -> None: ...

class EventBalance(_message.Message):
    __slots__ = ("points", "sequence")
    POINTS_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    points: int
    sequence: int
    def __init__(self, points: _Optional[int] = ..., sequence: _Optional[int] = ...) -> None: ...

class EventActor(_message.Message):
    __slots__ = ("kind", "name", "method", "request_id")
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[EventActor.Kind]
        KIND_KEY: _ClassVar[EventActor.Kind]
        KIND_OPERATOR: _ClassVar[EventActor.Kind]
        KIND_SERVER: _ClassVar[EventActor.Kind]
    KIND_UNSPECIFIED: EventActor.Kind
    KIND_KEY: EventActor.Kind
    KIND_OPERATOR: EventActor.Kind
    KIND_SERVER: EventActor.Kind
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    kind: EventActor.Kind
    name: str
    method: str
    request_id: str
    def __init__(self, kind: _Optional[_Union[EventActor.Kind, str]] = ..., name: _Optional[str] = ..., method: _Optional[str] = ..., request_id: _Optional[str] = ...) -> None: ...
