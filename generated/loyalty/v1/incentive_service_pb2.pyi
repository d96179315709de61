from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from loyalty.v1 import discount_pb2 as _discount_pb2
from loyalty.v1 import goal_pb2 as _goal_pb2
from loyalty.v1 import method_pb2 as _method_pb2
from loyalty.v1 import order_pb2 as _order_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ListIncentivesRequest(_message.Message):
    __slots__ = ("loyalty_id", "store_id", "service_mode", "subtotal_amount", "products", "payment_method", "omit_invalids", "pos_type", "supporting_pos", "page_size", "page_token")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    STORE_ID_FIELD_NUMBER: _ClassVar[int]
    SERVICE_MODE_FIELD_NUMBER: _ClassVar[int]
    SUBTOTAL_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PRODUCTS_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_METHOD_FIELD_NUMBER: _ClassVar[int]
    OMIT_INVALIDS_FIELD_NUMBER: _ClassVar[int]
    POS_TYPE_FIELD_NUMBER: _ClassVar[int]
    SUPPORTING_POS_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    store_id: int
    service_mode: _order_pb2.TransactionDetails.ServiceMode
    subtotal_amount: int
    products: _containers.RepeatedScalarFieldContainer[str]
    payment_method: str
    omit_invalids: bool
    pos_type: str
    supporting_pos: str
    page_size: int
    page_token: str
    def __init__(self, loyalty_id: _Optional[str] = ..., store_id: _Optional[int] = ..., service_mode: _Optional[_Union[_order_pb2.TransactionDetails.ServiceMode, str]] = ..., subtotal_amount: _Optional[int] = ..., products: _Optional[_Iterable[str]] = ..., payment_method: _Optional[str] = ..., omit_invalids: _Optional[bool] = ..., pos_type: _Optional[str] = ..., supporting_pos: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListIncentivesResponse(_message.Message):
    __slots__ = ("incentives", "next_page_token", "goals")
    INCENTIVES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    GOALS_FIELD_NUMBER: _ClassVar[int]
    incentives: _containers.RepeatedCompositeFieldContainer[ListedIncentive]
    next_page_token: str
    goals: _goal_pb2.Goals
    def __init__(self, incentives: _Optional[_Iterable[_Union[ListedIncentive, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., goals: _Optional[_Union[_goal_pb2.Goals, _Mapping]] = ...) -> None: ...

class ListedIncentive(_message.Message):
    __slots__ = ("id", "name", "type", "sanity_id", "kind", "points", "price", "plu", "discount", "description", "image", "errors", "state", "uses", "valid_from", "valid_until")
    class Type(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        INCENTIVE_TYPE_UNSPECIFIED: _ClassVar[ListedIncentive.Type]
        GLOBAL: _ClassVar[ListedIncentive.Type]
        PERSONALIZED: _ClassVar[ListedIncentive.Type]
    INCENTIVE_TYPE_UNSPECIFIED: ListedIncentive.Type
    GLOBAL: ListedIncentive.Type
    PERSONALIZED: ListedIncentive.Type
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[ListedIncentive.State]
        OFFERED: _ClassVar[ListedIncentive.State]
        ACTIVATED: _ClassVar[ListedIncentive.State]
    STATE_UNSPECIFIED: ListedIncentive.State
    OFFERED: ListedIncentive.State
    ACTIVATED: ListedIncentive.State
    class Error(_message.Message):
        __slots__ = ("code", "rule_id", "message", "missing")
        CODE_FIELD_NUMBER: _ClassVar[int]
        RULE_ID_FIELD_NUMBER: _ClassVar[int]
        MESSAGE_FIELD_NUMBER: _ClassVar[int]
        MISSING_FIELD_NUMBER: _ClassVar[int]
        code: str
        rule_id: str
        message: str
        missing: ListedIncentive.Missing
        def __init__(self, code: _Optional[str] = ..., rule_id: _Optional[str] = ..., message: _Optional[str] = ..., missing: _Optional[_Union[ListedIncentive.Missing, _Mapping]] = ...) -> None: ...
    class Missing(_message.Message):
        __slots__ = ("amount", "quantity", "points")
        AMOUNT_FIELD_NUMBER: _ClassVar[int]
        QUANTITY_FIELD_NUMBER: _ClassVar[int]
        POINTS_FIELD_NUMBER: _ClassVar[int]
        amount: int
        quantity: int
        points: int
        def __init__(self, amount: _Optional[int] = ..., quantity: _Optional[int] = ..., points: _Optional[int] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SANITY_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    PLU_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    ERRORS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    VALID_FROM_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    type: ListedIncentive.Type
    sanity_id: str
    kind: _order_pb2.OrderLine.ProductType
    points: int
    price: float
    plu: str
    discount: _discount_pb2.DiscountDetails
    description: str
    image: str
    errors: _containers.RepeatedCompositeFieldContainer[ListedIncentive.Error]
    state: ListedIncentive.State
    uses: int
    valid_from: str
    valid_until: str
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., type: _Optional[_Union[ListedIncentive.Type, str]] = ..., sanity_id: _Optional[str] = ..., kind: _Optional[_Union[_order_pb2.OrderLine.ProductType, str]] = ..., points: _Optional[int] = ..., price: _Optional[float] = ..., plu: _Optional[str] = ..., discount: _Optional[_Union[_discount_pb2.DiscountDetails, _Mapping]] = ..., description: _Optional[str] = ..., image: _Optional[str] = ..., errors: _Optional[_Iterable[_Union[ListedIncentive.Error, _Mapping]]] = ..., state: _Optional[_Union[ListedIncentive.State, str]] = ..., uses: _Optional[int] = ..., valid_from: _Optional[str] = ..., valid_until: _Optional[str] = ...) -> None: ...

class GetContentRequest(_message.Message):
    __slots__ = ("pos_type", "page_size", "page_token")
    POS_TYPE_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    pos_type: str
    page_size: int
    page_token: str
    def __init__(self, pos_type: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class GetContentResponse(_message.Message):
    __slots__ = ("content", "next_page_token")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    content: _containers.RepeatedCompositeFieldContainer[ContentEntry]
    next_page_token: str
    def __init__(self, content: _Optional[_Iterable[_Union[ContentEntry, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ContentEntry(_message.Message):
    __slots__ = ("title", "description", "more_info", "image", "plu", "type", "rules")
    class Rule(_message.Message):
        __slots__ = ("type", "points")
        TYPE_FIELD_NUMBER: _ClassVar[int]
        POINTS_FIELD_NUMBER: _ClassVar[int]
        type: str
        points: int
        def __init__(self, type: _Optional[str] = ..., points: _Optional[int] = ...) -> None: ...
    TITLE_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    MORE_INFO_FIELD_NUMBER: _ClassVar[int]
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    PLU_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    title: str
    description: str
    more_info: str
    image: str
    plu: str
    type: _order_pb2.OrderLine.ProductType
    rules: _containers.RepeatedCompositeFieldContainer[ContentEntry.Rule]
    def __init__(self, title: _Optional[str] = ..., description: _Optional[str] = ..., more_info: _Optional[str] = ..., image: _Optional[str] = ..., plu: _Optional[str] = ..., type: _Optional[_Union[_order_pb2.OrderLine.ProductType, str]] = ..., rules: _Optional[_Iterable[_Union[ContentEntry.Rule, _Mapping]]] = ...) -> None: ...

class RedeemPromoCodeRequest(_message.Message):
    __slots__ = ("loyalty_id", "promo_code", "pos_vendor")
    class PosVendor(_message.Message):
        __slots__ = ("store_id", "pos_type", "supporting_pos", "terminal", "operator", "transaction_id")
        STORE_ID_FIELD_NUMBER: _ClassVar[int]
        POS_TYPE_FIELD_NUMBER: _ClassVar[int]
        SUPPORTING_POS_FIELD_NUMBER: _ClassVar[int]
        TERMINAL_FIELD_NUMBER: _ClassVar[int]
        OPERATOR_FIELD_NUMBER: _ClassVar[int]
        TRANSACTION_ID_FIELD_NUMBER: _ClassVar[int]
        store_id: int
        pos_type: str
        supporting_pos: str
        terminal: str
        operator: str
        transaction_id: str
        def __init__(self, store_id: _Optional[int] = ..., pos_type: _Optional[str] = ..., supporting_pos: _Optional[str] = ..., terminal: _Optional[str] = ..., operator: _Optional[str] = ..., transaction_id: _Optional[str] = ...) -> None: ...
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    PROMO_CODE_FIELD_NUMBER: _ClassVar[int]
    POS_VENDOR_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    promo_code: str
    pos_vendor: RedeemPromoCodeRequest.PosVendor
    def __init__(self, loyalty_id: _Optional[str] = ..., promo_code: _Optional[str] = ..., pos_vendor: _Optional[_Union[RedeemPromoCodeRequest.PosVendor, _Mapping]] = ...) -> None: ...

class RedeemPromoCodeResponse(_message.Message):
    __slots__ = ("loyalty_id", "points", "points_earned", "sanity_id", "grant_id")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    SANITY_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_ID_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    points: int
    points_earned: int
    sanity_id: str
    grant_id: str
    def __init__(self, loyalty_id: _Optional[str] = ..., points: _Optional[int] = ..., points_earned: _Optional[int] = ..., sanity_id: _Optional[str] = ..., grant_id: _Optional[str] = ...) -> None: ...

class TakeGrantRequest(_message.Message):
    __slots__ = ("loyalty_id", "grant")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    GRANT_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    grant: str
    def __init__(self, loyalty_id: _Optional[str] = ..., grant: _Optional[str] = ...) -> None: ...

class TakeGrantResponse(_message.Message):
    __slots__ = ("loyalty_id", "id", "sanity_id", "state", "uses", "valid_from", "valid_until", "points_used", "points")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    SANITY_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    USES_FIELD_NUMBER: _ClassVar[int]
    VALID_FROM_FIELD_NUMBER: _ClassVar[int]
    VALID_UNTIL_FIELD_NUMBER: _ClassVar[int]
    POINTS_USED_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    id: str
    sanity_id: str
    state: ListedIncentive.State
    uses: int
    valid_from: str
    valid_until: str
    points_used: int
    points: int
    def __init__(self, loyalty_id: _Optional[str] = ..., id: _Optional[str] = ..., sanity_id: _Optional[str] = ..., state: _Optional[_Union[ListedIncentive.State, str]] = ..., uses: _Optional[int] = ..., valid_from: _Optional[str] = ..., valid_until: _Optional[str] = ..., points_used: _Optional[int] = ..., points: _Optional[int] = ...) -> None: ...
