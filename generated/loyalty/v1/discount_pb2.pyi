from buf.validate import validate_pb2 as _validate_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Discount(_message.Message):
    __slots__ = ("details", "incentive_id", "product_id", "reference_id", "applies_to", "amount_off")
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    INCENTIVE_ID_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    APPLIES_TO_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_OFF_FIELD_NUMBER: _ClassVar[int]
    details: DiscountDetails
    incentive_id: str
    product_id: str
    reference_id: str
    applies_to: str
    amount_off: int
    def __init__(self, details: _Optional[_Union[DiscountDetails, _Mapping]] = ..., incentive_id: _Optional[str] = ..., product_id: _Optional[str] = ..., reference_id: _Optional[str] = ..., applies_to: _Optional[str] = ..., amount_off: _Optional[int] = ...) -> None: ...

class DiscountDetails(_message.Message):
    __slots__ = ("display_name", "discount_value", "subtype", "type")
    class Subtype(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SUBTYPE_UNSPECIFIED: _ClassVar[DiscountDetails.Subtype]
        PERCENTAGE_DISCOUNT: _ClassVar[DiscountDetails.Subtype]
        AMOUNT_DISCOUNT: _ClassVar[DiscountDetails.Subtype]
    SUBTYPE_UNSPECIFIED: DiscountDetails.Subtype
    PERCENTAGE_DISCOUNT: DiscountDetails.Subtype
    AMOUNT_DISCOUNT: DiscountDetails.Subtype
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        TYPE_UNSPECIFIED: _ClassVar[DiscountDetails.Type]
        offer: _ClassVar[DiscountDetails.Type]
        reward: _ClassVar[DiscountDetails.Type]
    TYPE_UNSPECIFIED: DiscountDetails.Type
    offer: DiscountDetails.Type
    reward: DiscountDetails.Type
    DISPLAY_NAME_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_VALUE_FIELD_NUMBER: _ClassVar[int]
    SUBTYPE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    display_name: str
    discount_value: int
    subtype: DiscountDetails.Subtype
    type: DiscountDetails.Type
    def __init__(self, display_name: _Optional[str] = ..., discount_value: _Optional[int] = ..., subtype: _Optional[_Union[DiscountDetails.Subtype, str]] = ..., type: _Optional[_Union[DiscountDetails.Type, str]] = ...) -> None: ...
