from buf.validate import validate_pb2 as _validate_pb2
from loyalty.v1 import text_rules_pb2 as _text_rules_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PosVendor(_message.Message):
    __slots__ = ("transaction_id", "store_id", "terminal", "operator", "pos_type", "supporting_pos")
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    TERMINAL_FIELD_NUMBER: _ClassVar[int]
    OPERATOR_FIELD_NUMBER: _ClassVar[int]
    POS_TYPE_FIELD_NUMBER: _ClassVar[int]
    SUPPORTING_POS_FIELD_NUMBER: _ClassVar[int]
    transaction_id: str
    store_id: int
    terminal: str
    operator: str
    pos_type: str
    supporting_pos: str
    def __init__(self, transaction_id: _Optional[str] = ..., store_id: _Optional[int] = ..., terminal: _Optional[str] = ..., operator: _Optional[str] = ..., pos_type: _Optional[str] = ..., supporting_pos: _Optional[str] = ...) -> None: ...

class OrderLine(_message.Message):
    __slots__ = ("product_id", "incentive_id", "loyalty_engine_id", "quantity", "price", "product_type", "reference_id")
    class ProductType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PRODUCT_TYPE_UNSPECIFIED: _ClassVar[OrderLine.ProductType]
        combo: _ClassVar[OrderLine.ProductType]
        item: _ClassVar[OrderLine.ProductType]
        reward: _ClassVar[OrderLine.ProductType]
        offer: _ClassVar[OrderLine.ProductType]
    PRODUCT_TYPE_UNSPECIFIED: OrderLine.ProductType
    combo: OrderLine.ProductType
    item: OrderLine.ProductType
    reward: OrderLine.ProductType
    offer: OrderLine.ProductType
    PRODUCT_ID_FIELD_NUMBER: _ClassVar[int]
    INCENTIVE_ID_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ENGINE_ID_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    PRODUCT_TYPE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    incentive_id: str
    loyalty_engine_id: str
    quantity: int
    price: float
    product_type: OrderLine.ProductType
    reference_id: str
    def __init__(self, product_id: _Optional[str] = ..., incentive_id: _Optional[str] = ..., loyalty_engine_id: _Optional[str] = ..., quantity: _Optional[int] = ..., price: _Optional[float] = ..., product_type: _Optional[_Union[OrderLine.ProductType, str]] = ..., reference_id: _Optional[str] = ...) -> None: ...
