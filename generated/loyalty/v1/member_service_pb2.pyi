import datetime

from buf.validate import validate_pb2 as _validate_pb2
from google.api import annotations_pb2 as _annotations_pb2
from google.api import field_behavior_pb2 as _field_behavior_pb2
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from loyalty.v1 import goal_pb2 as _goal_pb2
from loyalty.v1 import method_pb2 as _method_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Member(_message.Message):
    __slots__ = ("loyalty_id", "name", "email", "locale", "birth_date", "create_time", "available_points", "held_points", "owed_points", "segments", "expiration_buckets", "goals", "tier", "erase_time", "phone", "card", "block")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    BIRTH_DATE_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_POINTS_FIELD_NUMBER: _ClassVar[int]
    HELD_POINTS_FIELD_NUMBER: _ClassVar[int]
    OWED_POINTS_FIELD_NUMBER: _ClassVar[int]
    SEGMENTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRATION_BUCKETS_FIELD_NUMBER: _ClassVar[int]
    GOALS_FIELD_NUMBER: _ClassVar[int]
    TIER_FIELD_NUMBER: _ClassVar[int]
    ERASE_TIME_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    BLOCK_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    name: str
    email: str
    locale: str
    birth_date: str
    create_time: _timestamp_pb2.Timestamp
    available_points: int
    held_points: int
    owed_points: int
    segments: _containers.RepeatedScalarFieldContainer[str]
    expiration_buckets: _containers.RepeatedCompositeFieldContainer[ExpirationBucket]
    goals: _goal_pb2.Goals
    tier: _goal_pb2.MemberTier
    erase_time: _timestamp_pb2.Timestamp
    phone: str
    card: str
    block: MemberBlock
    def __init__(self, loyalty_id: _Optional[str] = ..., name: _Optional[str] = ..., email: _Optional[str] = ..., locale: _Optional[str] = ..., birth_date: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., available_points: _Optional[int] = ..., held_points: _Optional[int] = ..., owed_points: _Optional[int] = ..., segments: _Optional[_Iterable[str]] = ..., expiration_buckets: _Optional[_Iterable[_Union[ExpirationBucket, _Mapping]]] = ..., goals: _Optional[_Union[_goal_pb2.Goals, _Mapping]] = ..., tier: _Optional[_Union[_goal_pb2.MemberTier, _Mapping]] = ..., erase_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., phone: _Optional[str] = ..., card: _Optional[str] = ..., block: _Optional[_Union[MemberBlock, _Mapping]] = ...) -> None: ...

class MemberBlock(_message.Message):
    __slots__ = ("earn", "redeem", "reason")
    EARN_FIELD_NUMBER: _ClassVar[int]
    REDEEM_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    earn: bool
    redeem: bool
    reason: str
    def __init__(self, earn: _Optional[bool] = ..., redeem: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class ExpirationBucket(_message.Message):
    __slots__ = ("expiration_date", "points_to_expire")
    EXPIRATION_DATE_FIELD_NUMBER: _ClassVar[int]
    POINTS_TO_EXPIRE_FIELD_NUMBER: _ClassVar[int]
    expiration_date: str
    points_to_expire: int
    def __init__(self, expiration_date: _Optional[str] = ..., points_to_expire: _Optional[int] = ...) -> None: ...

class EnrollMemberRequest(_message.Message):
    __slots__ = ("name", "email", "locale", "birth_date", "phone", "card")
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    BIRTH_DATE_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    name: str
    email: str
    locale: str
    birth_date: str
    phone: str
    card: str
    def __init__(self, name: _Optional[str] = ..., email: _Optional[str] = ..., locale: _Optional[str] = ..., birth_date: _Optional[str] = ..., phone: _Optional[str] = ..., card: _Optional[str] = ...) -> None: ...

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

class GetUserRequest(_message.Message):
    __slots__ = ("loyalty_id",)
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    def __init__(self, loyalty_id: _Optional[str] = ...) -> None: ...

class GetUserResponse(_message.Message):
    __slots__ = ("created_at", "updated_at", "id", "name", "email", "date_of_birth", "points", "expiration_buckets", "points_expiry_date_key", "loyalty_tier", "goals")
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    DATE_OF_BIRTH_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    EXPIRATION_BUCKETS_FIELD_NUMBER: _ClassVar[int]
    POINTS_EXPIRY_DATE_KEY_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_TIER_FIELD_NUMBER: _ClassVar[int]
    GOALS_FIELD_NUMBER: _ClassVar[int]
    created_at: str
    updated_at: str
    id: str
    name: str
    email: str
    date_of_birth: str
    points: int
    expiration_buckets: _containers.RepeatedCompositeFieldContainer[ExpirationBucket]
    points_expiry_date_key: str
    loyalty_tier: LoyaltyTier
    goals: _goal_pb2.Goals
    def __init__(self, created_at: _Optional[str] = ..., updated_at: _Optional[str] = ..., id: _Optional[str] = ..., name: _Optional[str] = ..., email: _Optional[str] = ..., date_of_birth: _Optional[str] = ..., points: _Optional[int] = ..., expiration_buckets: _Optional[_Iterable[_Union[ExpirationBucket, _Mapping]]] = ..., points_expiry_date_key: _Optional[str] = ..., loyalty_tier: _Optional[_Union[LoyaltyTier, _Mapping]] = ..., goals: _Optional[_Union[_goal_pb2.Goals, _Mapping]] = ...) -> None: ...

class LoyaltyTier(_message.Message):
    __slots__ = ("loyalty_tier_expiry_date", "loyalty_tier_key", "points_earned_in_time_constraint", "start_at")
    LOYALTY_TIER_EXPIRY_DATE_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_TIER_KEY_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_IN_TIME_CONSTRAINT_FIELD_NUMBER: _ClassVar[int]
    START_AT_FIELD_NUMBER: _ClassVar[int]
    loyalty_tier_expiry_date: str
    loyalty_tier_key: str
    points_earned_in_time_constraint: int
    start_at: str
    def __init__(self, loyalty_tier_expiry_date: _Optional[str] = ..., loyalty_tier_key: _Optional[str] = ..., points_earned_in_time_constraint: _Optional[int] = ..., start_at: _Optional[str] = ...) -> None: ...

class AssignPointsRequest(_message.Message):
    __slots__ = ("loyalty_id", "points", "partner", "reference")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    PARTNER_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    points: int
    partner: str
    reference: str
    def __init__(self, loyalty_id: _Optional[str] = ..., points: _Optional[int] = ..., partner: _Optional[str] = ..., reference: _Optional[str] = ...) -> None: ...

class AssignPointsResponse(_message.Message):
    __slots__ = ("id", "short_id", "loyalty_id", "channel", "status", "created_at", "claimed_at", "points_earned", "bonus_points_earned", "points_used", "points_deducted", "transaction_details", "impacted_expiration_buckets", "metadata")
    class Details(_message.Message):
        __slots__ = ("fulfillment",)
        FULFILLMENT_FIELD_NUMBER: _ClassVar[int]
        fulfillment: AssignPointsResponse.Fulfillment
        def __init__(self, fulfillment: _Optional[_Union[AssignPointsResponse.Fulfillment, _Mapping]] = ...) -> None: ...
    class Fulfillment(_message.Message):
        __slots__ = ("auto_release", "type")
        AUTO_RELEASE_FIELD_NUMBER: _ClassVar[int]
        TYPE_FIELD_NUMBER: _ClassVar[int]
        auto_release: bool
        type: str
        def __init__(self, auto_release: _Optional[bool] = ..., type: _Optional[str] = ...) -> None: ...
    class ImpactedBucket(_message.Message):
        __slots__ = ("expiration_date", "points")
        EXPIRATION_DATE_FIELD_NUMBER: _ClassVar[int]
        POINTS_FIELD_NUMBER: _ClassVar[int]
        expiration_date: str
        points: int
        def __init__(self, expiration_date: _Optional[str] = ..., points: _Optional[int] = ...) -> None: ...
    class Metadata(_message.Message):
        __slots__ = ("partner", "reference")
        PARTNER_FIELD_NUMBER: _ClassVar[int]
        REFERENCE_FIELD_NUMBER: _ClassVar[int]
        partner: str
        reference: str
        def __init__(self, partner: _Optional[str] = ..., reference: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    SHORT_ID_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CLAIMED_AT_FIELD_NUMBER: _ClassVar[int]
    POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    BONUS_POINTS_EARNED_FIELD_NUMBER: _ClassVar[int]
    POINTS_USED_FIELD_NUMBER: _ClassVar[int]
    POINTS_DEDUCTED_FIELD_NUMBER: _ClassVar[int]
    TRANSACTION_DETAILS_FIELD_NUMBER: _ClassVar[int]
    IMPACTED_EXPIRATION_BUCKETS_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    id: str
    short_id: str
    loyalty_id: str
    channel: str
    status: str
    created_at: str
    claimed_at: str
    points_earned: int
    bonus_points_earned: int
    points_used: int
    points_deducted: int
    transaction_details: AssignPointsResponse.Details
    impacted_expiration_buckets: _containers.RepeatedCompositeFieldContainer[AssignPointsResponse.ImpactedBucket]
    metadata: AssignPointsResponse.Metadata
    def __init__(self, id: _Optional[str] = ..., short_id: _Optional[str] = ..., loyalty_id: _Optional[str] = ..., channel: _Optional[str] = ..., status: _Optional[str] = ..., created_at: _Optional[str] = ..., claimed_at: _Optional[str] = ..., points_earned: _Optional[int] = ..., bonus_points_earned: _Optional[int] = ..., points_used: _Optional[int] = ..., points_deducted: _Optional[int] = ..., transaction_details: _Optional[_Union[AssignPointsResponse.Details, _Mapping]] = ..., impacted_expiration_buckets: _Optional[_Iterable[_Union[AssignPointsResponse.ImpactedBucket, _Mapping]]] = ..., metadata: _Optional[_Union[AssignPointsResponse.Metadata, _Mapping]] = ...) -> None: ...

class AdjustPointsRequest(_message.Message):
    __slots__ = ("loyalty_id", "points", "reason", "allow_debt", "validate_only")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    ALLOW_DEBT_FIELD_NUMBER: _ClassVar[int]
    VALIDATE_ONLY_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    points: int
    reason: str
    allow_debt: bool
    validate_only: bool
    def __init__(self, loyalty_id: _Optional[str] = ..., points: _Optional[int] = ..., reason: _Optional[str] = ..., allow_debt: _Optional[bool] = ..., validate_only: _Optional[bool] = ...) -> None: ...

class AdjustPointsResponse(_message.Message):
    __slots__ = ("loyalty_id", "points", "available_points_before", "available_points", "owed_points_before", "owed_points", "adjust_time")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    POINTS_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_POINTS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_POINTS_FIELD_NUMBER: _ClassVar[int]
    OWED_POINTS_BEFORE_FIELD_NUMBER: _ClassVar[int]
    OWED_POINTS_FIELD_NUMBER: _ClassVar[int]
    ADJUST_TIME_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    points: int
    available_points_before: int
    available_points: int
    owed_points_before: int
    owed_points: int
    adjust_time: _timestamp_pb2.Timestamp
    def __init__(self, loyalty_id: _Optional[str] = ..., points: _Optional[int] = ..., available_points_before: _Optional[int] = ..., available_points: _Optional[int] = ..., owed_points_before: _Optional[int] = ..., owed_points: _Optional[int] = ..., adjust_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

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
    __slots__ = ("transfers", "next_page_token", "archived_until_time")
    TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
    transfers: _containers.RepeatedCompositeFieldContainer[Transfer]
    next_page_token: str
    archived_until_time: _timestamp_pb2.Timestamp
    def __init__(self, transfers: _Optional[_Iterable[_Union[Transfer, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., archived_until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

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
        ACCOUNT_UNCONFIRMED: _ClassVar[Transfer.Account]
    ACCOUNT_UNSPECIFIED: Transfer.Account
    ACCOUNT_AVAILABLE: Transfer.Account
    ACCOUNT_HELD: Transfer.Account
    ACCOUNT_ISSUED: Transfer.Account
    ACCOUNT_REDEEMED: Transfer.Account
    ACCOUNT_EXPIRED: Transfer.Account
    ACCOUNT_ADJUSTED: Transfer.Account
    ACCOUNT_DEBT: Transfer.Account
    ACCOUNT_UNCONFIRMED: Transfer.Account
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
        CAUSE_CONFIRM: _ClassVar[Transfer.Cause]
        CAUSE_EXPIRE: _ClassVar[Transfer.Cause]
        CAUSE_RETURN: _ClassVar[Transfer.Cause]
        CAUSE_CORRECT: _ClassVar[Transfer.Cause]
        CAUSE_MERGE: _ClassVar[Transfer.Cause]
    CAUSE_UNSPECIFIED: Transfer.Cause
    CAUSE_HOLD: Transfer.Cause
    CAUSE_RELEASE: Transfer.Cause
    CAUSE_ADJUST: Transfer.Cause
    CAUSE_REDEEM: Transfer.Cause
    CAUSE_EARN: Transfer.Cause
    CAUSE_REFUND: Transfer.Cause
    CAUSE_REVERSE: Transfer.Cause
    CAUSE_CONFIRM: Transfer.Cause
    CAUSE_EXPIRE: Transfer.Cause
    CAUSE_RETURN: Transfer.Cause
    CAUSE_CORRECT: Transfer.Cause
    CAUSE_MERGE: Transfer.Cause
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

class ExportMemberRequest(_message.Message):
    __slots__ = ("loyalty_id", "page_size", "page_token")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    page_size: int
    page_token: str
    def __init__(self, loyalty_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ExportMemberResponse(_message.Message):
    __slots__ = ("records", "next_page_token")
    class Record(_message.Message):
        __slots__ = ("kind", "values")
        KIND_FIELD_NUMBER: _ClassVar[int]
        VALUES_FIELD_NUMBER: _ClassVar[int]
        kind: str
        values: _struct_pb2.Struct
        def __init__(self, kind: _Optional[str] = ..., values: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[ExportMemberResponse.Record]
    next_page_token: str
    def __init__(self, records: _Optional[_Iterable[_Union[ExportMemberResponse.Record, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class EraseMemberRequest(_message.Message):
    __slots__ = ("loyalty_id", "reason")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    reason: str
    def __init__(self, loyalty_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class EraseMemberResponse(_message.Message):
    __slots__ = ("loyalty_id", "erase_time")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    ERASE_TIME_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    erase_time: _timestamp_pb2.Timestamp
    def __init__(self, loyalty_id: _Optional[str] = ..., erase_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UpdateMemberRequest(_message.Message):
    __slots__ = ("loyalty_id", "name", "email", "phone", "birth_date", "locale", "card", "reason")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    BIRTH_DATE_FIELD_NUMBER: _ClassVar[int]
    LOCALE_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    name: str
    email: str
    phone: str
    birth_date: str
    locale: str
    card: str
    reason: str
    def __init__(self, loyalty_id: _Optional[str] = ..., name: _Optional[str] = ..., email: _Optional[str] = ..., phone: _Optional[str] = ..., birth_date: _Optional[str] = ..., locale: _Optional[str] = ..., card: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class UpdateMemberResponse(_message.Message):
    __slots__ = ("member",)
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    member: Member
    def __init__(self, member: _Optional[_Union[Member, _Mapping]] = ...) -> None: ...

class BlockMemberRequest(_message.Message):
    __slots__ = ("loyalty_id", "earn", "redeem", "reason")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    EARN_FIELD_NUMBER: _ClassVar[int]
    REDEEM_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    earn: bool
    redeem: bool
    reason: str
    def __init__(self, loyalty_id: _Optional[str] = ..., earn: _Optional[bool] = ..., redeem: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class BlockMemberResponse(_message.Message):
    __slots__ = ("member",)
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    member: Member
    def __init__(self, member: _Optional[_Union[Member, _Mapping]] = ...) -> None: ...

class SearchMembersRequest(_message.Message):
    __slots__ = ("query", "field", "exact", "page_size", "page_token")
    class Field(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        FIELD_UNSPECIFIED: _ClassVar[SearchMembersRequest.Field]
        NAME: _ClassVar[SearchMembersRequest.Field]
        EMAIL: _ClassVar[SearchMembersRequest.Field]
        LOYALTY_ID: _ClassVar[SearchMembersRequest.Field]
        PHONE: _ClassVar[SearchMembersRequest.Field]
        CARD: _ClassVar[SearchMembersRequest.Field]
    FIELD_UNSPECIFIED: SearchMembersRequest.Field
    NAME: SearchMembersRequest.Field
    EMAIL: SearchMembersRequest.Field
    LOYALTY_ID: SearchMembersRequest.Field
    PHONE: SearchMembersRequest.Field
    CARD: SearchMembersRequest.Field
    QUERY_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    EXACT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    query: str
    field: SearchMembersRequest.Field
    exact: bool
    page_size: int
    page_token: str
    def __init__(self, query: _Optional[str] = ..., field: _Optional[_Union[SearchMembersRequest.Field, str]] = ..., exact: _Optional[bool] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class SearchMembersResponse(_message.Message):
    __slots__ = ("members", "next_page_token")
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    members: _containers.RepeatedCompositeFieldContainer[FoundMember]
    next_page_token: str
    def __init__(self, members: _Optional[_Iterable[_Union[FoundMember, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class FoundMember(_message.Message):
    __slots__ = ("loyalty_id", "name", "create_time", "phone", "card", "email", "available_points")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    PHONE_FIELD_NUMBER: _ClassVar[int]
    CARD_FIELD_NUMBER: _ClassVar[int]
    EMAIL_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_POINTS_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    name: str
    create_time: _timestamp_pb2.Timestamp
    phone: str
    card: str
    email: str
    available_points: int
    def __init__(self, loyalty_id: _Optional[str] = ..., name: _Optional[str] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., phone: _Optional[str] = ..., card: _Optional[str] = ..., email: _Optional[str] = ..., available_points: _Optional[int] = ...) -> None: ...

class MergeMembersRequest(_message.Message):
    __slots__ = ("loyalty_id", "merged_loyalty_id", "reason")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    MERGED_LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    merged_loyalty_id: str
    reason: str
    def __init__(self, loyalty_id: _Optional[str] = ..., merged_loyalty_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class MergeMembersResponse(_message.Message):
    __slots__ = ("member", "merged_loyalty_id", "moved_points", "undo_until_time")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    MERGED_LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    MOVED_POINTS_FIELD_NUMBER: _ClassVar[int]
    UNDO_UNTIL_TIME_FIELD_NUMBER: _ClassVar[int]
    member: Member
    merged_loyalty_id: str
    moved_points: int
    undo_until_time: _timestamp_pb2.Timestamp
    def __init__(self, member: _Optional[_Union[Member, _Mapping]] = ..., merged_loyalty_id: _Optional[str] = ..., moved_points: _Optional[int] = ..., undo_until_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class UnmergeMembersRequest(_message.Message):
    __slots__ = ("loyalty_id", "merged_loyalty_id", "reason")
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    MERGED_LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    loyalty_id: str
    merged_loyalty_id: str
    reason: str
    def __init__(self, loyalty_id: _Optional[str] = ..., merged_loyalty_id: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class UnmergeMembersResponse(_message.Message):
    __slots__ = ("member", "loyalty_id", "returned_points")
    MEMBER_FIELD_NUMBER: _ClassVar[int]
    LOYALTY_ID_FIELD_NUMBER: _ClassVar[int]
    RETURNED_POINTS_FIELD_NUMBER: _ClassVar[int]
    member: Member
    loyalty_id: str
    returned_points: int
    def __init__(self, member: _Optional[_Union[Member, _Mapping]] = ..., loyalty_id: _Optional[str] = ..., returned_points: _Optional[int] = ...) -> None: ...
