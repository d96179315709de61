from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Goals(_message.Message):
    __slots__ = ("progress",)
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    progress: _containers.RepeatedCompositeFieldContainer[GoalProgress]
    def __init__(self, progress: _Optional[_Iterable[_Union[GoalProgress, _Mapping]]] = ...) -> None: ...

class GoalProgress(_message.Message):
    __slots__ = ("goal_id", "name", "progress", "target", "until", "times_reached", "points", "tier_id", "incentive_id")
    GOAL_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    TIMES_REACHED_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    TIER_ID_FIELD_NUMBER: _ClassVar[int]
    INCENTIVE_ID_FIELD_NUMBER: _ClassVar[int]
    goal_id: str
    name: str
    progress: int
    target: int
    until: str
    times_reached: int
    points: int
    tier_id: str
    incentive_id: str
    def __init__(self, goal_id: _Optional[str] = ..., name: _Optional[str] = ..., progress: _Optional[int] = ..., target: _Optional[int] = ..., until: _Optional[str] = ..., times_reached: _Optional[int] = ..., points: _Optional[int] = ..., tier_id: _Optional[str] = ..., incentive_id: _Optional[str] = ...) -> None: ...

class MemberTier(_message.Message):
    __slots__ = ("tier_id", "name", "start_date", "end_date")
    TIER_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    START_DATE_FIELD_NUMBER: _ClassVar[int]
    END_DATE_FIELD_NUMBER: _ClassVar[int]
    tier_id: str
    name: str
    start_date: str
    end_date: str
    def __init__(self, tier_id: _Optional[str] = ..., name: _Optional[str] = ..., start_date: _Optional[str] = ..., end_date: _Optional[str] = ...) -> None: ...
