from buf.validate import validate_pb2 as _validate_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from loyalty.v1 import discount_pb2 as _discount_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
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
    __slots__ = ("product_id", "incentive_id", "loyalty_engine_id", "quantity", "price", "product_type", "reference_id", "name", "tax", "parent_reference_id", "category", "applies_to", "amount_off")
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
    NAME_FIELD_NUMBER: _ClassVar[int]
    TAX_FIELD_NUMBER: _ClassVar[int]
    PARENT_REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
    CATEGORY_FIELD_NUMBER: _ClassVar[int]
    APPLIES_TO_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_OFF_FIELD_NUMBER: _ClassVar[int]
    product_id: str
    incentive_id: str
    loyalty_engine_id: str
    quantity: int
    price: float
    product_type: OrderLine.ProductType
    reference_id: str
    name: str
    tax: float
    parent_reference_id: str
    category: str
    applies_to: str
    amount_off: int
    def __init__(self, product_id: _Optional[str] = ..., incentive_id: _Optional[str] = ..., loyalty_engine_id: _Optional[str] = ..., quantity: _Optional[int] = ..., price: _Optional[float] = ..., product_type: _Optional[_Union[OrderLine.ProductType, str]] = ..., reference_id: _Optional[str] = ..., name: _Optional[str] = ..., tax: _Optional[float] = ..., parent_reference_id: _Optional[str] = ..., category: _Optional[str] = ..., applies_to: _Optional[str] = ..., amount_off: _Optional[int] = ...) -> None: ...

class Payment(_message.Message):
    __slots__ = ("amount", "type", "cc_token")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    CC_TOKEN_FIELD_NUMBER: _ClassVar[int]
    amount: int
    type: str
    cc_token: str
    def __init__(self, amount: _Optional[int] = ..., type: _Optional[str] = ..., cc_token: _Optional[str] = ...) -> None: ...

class TransactionDetails(_message.Message):
    __slots__ = ("currency", "order", "payments", "applied_discounts", "pos_vendor")
    class Channel(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        CHANNEL_UNSPECIFIED: _ClassVar[TransactionDetails.Channel]
        RESTAURANT: _ClassVar[TransactionDetails.Channel]
        APP: _ClassVar[TransactionDetails.Channel]
        WEB: _ClassVar[TransactionDetails.Channel]
    CHANNEL_UNSPECIFIED: TransactionDetails.Channel
    RESTAURANT: TransactionDetails.Channel
    APP: TransactionDetails.Channel
    WEB: TransactionDetails.Channel
    class ServiceMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SERVICE_MODE_UNSPECIFIED: _ClassVar[TransactionDetails.ServiceMode]
        EAT_IN: _ClassVar[TransactionDetails.ServiceMode]
        EATIN: _ClassVar[TransactionDetails.ServiceMode]
        TAKEOUT: _ClassVar[TransactionDetails.ServiceMode]
        DRIVE_THRU: _ClassVar[TransactionDetails.ServiceMode]
        CURBSIDE: _ClassVar[TransactionDetails.ServiceMode]
        TABLE_SERVICE: _ClassVar[TransactionDetails.ServiceMode]
        DELIVERY: _ClassVar[TransactionDetails.ServiceMode]
    SERVICE_MODE_UNSPECIFIED: TransactionDetails.ServiceMode
    EAT_IN: TransactionDetails.ServiceMode
    EATIN: TransactionDetails.ServiceMode
    TAKEOUT: TransactionDetails.ServiceMode
    DRIVE_THRU: TransactionDetails.ServiceMode
    CURBSIDE: TransactionDetails.ServiceMode
    TABLE_SERVICE: TransactionDetails.ServiceMode
    DELIVERY: TransactionDetails.ServiceMode
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    PAYMENTS_FIELD_NUMBER: _ClassVar[int]
    APPLIED_DISCOUNTS_FIELD_NUMBER: _ClassVar[int]
    POS_VENDOR_FIELD_NUMBER: _ClassVar[int]
    currency: str
    order: _containers.RepeatedCompositeFieldContainer[OrderLine]
    payments: _containers.RepeatedCompositeFieldContainer[Payment]
    applied_discounts: _containers.RepeatedCompositeFieldContainer[_discount_pb2.Discount]
    pos_vendor: PosVendor
    def __init__(self, currency: _Optional[str] = ..., order: _Optional[_Iterable[_Union[OrderLine, _Mapping]]] = ..., payments: _Optional[_Iterable[_Union[Payment, _Mapping]]] = ..., applied_discounts: _Optional[_Iterable[_Union[_discount_pb2.Discount, _Mapping]]] = ..., pos_vendor: _Optional[_Union[PosVendor, _Mapping]] = ...) -> None: ...
