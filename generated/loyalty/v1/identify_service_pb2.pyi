from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from loyalty.v1 import discount_pb2 as _discount_pb2
from loyalty.v1 import method_pb2 as _method_pb2
from loyalty.v1 import order_pb2 as _order_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class IdentifyMemberRequest(_message.Message):
    __slots__ = ("identifier", "pos_vendor")
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    POS_VENDOR_FIELD_NUMBER: _ClassVar[int]
    identifier: str
    pos_vendor: _order_pb2.PosVendor
    def __init__(self, identifier: _Optional[str] = ..., pos_vendor: _Optional[_Union[_order_pb2.PosVendor, _Mapping]] = ...) -> None: ...

class IdentifyMemberResponse(_message.Message):
    __slots__ = ("balances", "eligible_discounts", "loyalty_user", "order", "transaction_id")
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    ELIGIBLE_DISCOUNTS_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_USER_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    balances: _containers.RepeatedCompositeFieldContainer[Balance]
    eligible_discounts: _containers.RepeatedCompositeFieldContainer[_discount_pb2.Discount]
    loyalty_user: LoyaltyUser
    order: _containers.RepeatedCompositeFieldContainer[_order_pb2.OrderLine]
    transaction_id: str
    def __init__(self, balances: _Optional[_Iterable[_Union[Balance, _Mapping]]] = ..., eligible_discounts: _Optional[_Iterable[_Union[_discount_pb2.Discount, _Mapping]]] = ..., loyalty_user: _Optional[_Union[LoyaltyUser, _Mapping]] = ..., order: _Optional[_Iterable[_Union[_order_pb2.OrderLine, _Mapping]]] = ..., transaction_id: _Optional[str] = ...) -> None: ...

class IdentifyMemberAgainRequest(_message.Message):
    __slots__ = ("identifier", "transaction_id")
    IDENTIFIER_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
    identifier: str
    transaction_id: str
    def __init__(self, identifier: _Optional[str] = ..., transaction_id: _Optional[str] = ...) -> None: ...

class IdentifyMemberAgainResponse(_message.Message):
    __slots__ = ("balance", "cart")
    class CartEntry(_message.Message):
        __slots__ = ("external_reference_id", "quantity", "type", "menu_selections")
        EXTERNAL_REFERENCE_ID_FIELD_NUMBER: _ClassVar[int]
        QUANTITY_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        MENU_SELECTIONS_FIELD_NUMBER: _ClassVar[int]
        external_reference_id: str
        quantity: int
        type: str
        menu_selections: _containers.RepeatedCompositeFieldContainer[IdentifyMemberAgainResponse.CartEntry]
        def __init__(self, external_reference_id: _Optional[str] = ..., quantity: _Optional[int] = ..., type: _Optional[str] = ..., menu_selections: _Optional[_Iterable[_Union[IdentifyMemberAgainResponse.CartEntry, _Mapping]]] = ...) -> None: ...
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    CART_FIELD_NUMBER: _ClassVar[int]
    balance: int
    cart: _containers.RepeatedCompositeFieldContainer[IdentifyMemberAgainResponse.CartEntry]
    def __init__(self, balance: _Optional[int] = ..., cart: _Optional[_Iterable[_Union[IdentifyMemberAgainResponse.CartEntry, _Mapping]]] = ...) -> None: ...

class Balance(_message.Message):
    __slots__ = ("amount", "currency")
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    amount: int
    currency: str
    def __init__(self, amount: _Optional[int] = ..., currency: _Optional[str] = ...) -> None: ...

class LoyaltyUser(_message.Message):
    __slots__ = ("created", "id", "name")
    CREATED_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    created: str
    id: str
    name: str
    def __init__(self, created: _Optional[str] = ..., id: _Optional[str] = ..., name: _Optional[str] = ...) -> None: ...
