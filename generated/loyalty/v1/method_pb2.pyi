from google.protobuf import descriptor_pb2 as _descriptor_pb2
from loyalty.v1 import error_reason_pb2 as _error_reason_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor
RULES_FIELD_NUMBER: _ClassVar[int]
rules: _descriptor.FieldDescriptor

class MethodRules(_message.Message):
    __slots__ = ("roles", "effect", "expected", "kept_as")
    class Role(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        ROLE_UNSPECIFIED: _ClassVar[MethodRules.Role]
        ROLE_TILL: _ClassVar[MethodRules.Role]
        ROLE_APP: _ClassVar[MethodRules.Role]
        ROLE_ADMIN: _ClassVar[MethodRules.Role]
        ROLE_POINTS: _ClassVar[MethodRules.Role]
        ROLE_EVENTS: _ClassVar[MethodRules.Role]
        ROLE_HELP_DESK: _ClassVar[MethodRules.Role]
        ROLE_OPERATOR: _ClassVar[MethodRules.Role]
    ROLE_UNSPECIFIED: MethodRules.Role
    ROLE_TILL: MethodRules.Role
    ROLE_APP: MethodRules.Role
    ROLE_ADMIN: MethodRules.Role
    ROLE_POINTS: MethodRules.Role
    ROLE_EVENTS: MethodRules.Role
    ROLE_HELP_DESK: MethodRules.Role
    ROLE_OPERATOR: MethodRules.Role
    class Effect(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        EFFECT_UNSPECIFIED: _ClassVar[MethodRules.Effect]
        EFFECT_READS: _ClassVar[MethodRules.Effect]
        EFFECT_CHECKS: _ClassVar[MethodRules.Effect]
        EFFECT_WRITES: _ClassVar[MethodRules.Effect]
    EFFECT_UNSPECIFIED: MethodRules.Effect
    EFFECT_READS: MethodRules.Effect
    EFFECT_CHECKS: MethodRules.Effect
    EFFECT_WRITES: MethodRules.Effect
    ROLES_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_FIELD_NUMBER: _ClassVar[int]
    KEPT_AS_FIELD_NUMBER: _ClassVar[int]
    roles: _containers.RepeatedScalarFieldContainer[MethodRules.Role]
    effect: MethodRules.Effect
    expected: _containers.RepeatedScalarFieldContainer[_error_reason_pb2.ErrorReason]
    kept_as: str
    def __init__(self, roles: _Optional[_Iterable[_Union[MethodRules.Role, str]]] = ..., effect: _Optional[_Union[MethodRules.Effect, str]] = ..., expected: _Optional[_Iterable[_Union[_error_reason_pb2.ErrorReason, str]]] = ..., kept_as: _Optional[str] = ...) -> None: ...
