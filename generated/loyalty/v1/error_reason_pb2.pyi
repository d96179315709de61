from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from typing import ClassVar as _ClassVar

DESCRIPTOR: _descriptor.FileDescriptor

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    REQUEST_INVALID: _ClassVar[ErrorReason]
    CORRELATION_ID_INVALID: _ClassVar[ErrorReason]
    API_KEY_MISSING: _ClassVar[ErrorReason]
    API_KEY_INVALID: _ClassVar[ErrorReason]
    ROLE_NOT_ALLOWED: _ClassVar[ErrorReason]
    STORE_NOT_ALLOWED: _ClassVar[ErrorReason]
    STORE_NOT_FOUND: _ClassVar[ErrorReason]
    MEMBER_NOT_FOUND: _ClassVar[ErrorReason]
    IDENTIFICATION_FAILED: _ClassVar[ErrorReason]
    IDENTIFIER_INVALID: _ClassVar[ErrorReason]
    IDENTIFIER_TYPE_DISABLED: _ClassVar[ErrorReason]
    CODE_NOT_FOUND: _ClassVar[ErrorReason]
    CODE_ALREADY_USED: _ClassVar[ErrorReason]
    REWARD_NOT_FOUND: _ClassVar[ErrorReason]
    OFFER_NOT_FOUND: _ClassVar[ErrorReason]
    POINTS_INSUFFICIENT: _ClassVar[ErrorReason]
    IDEMPOTENCY_KEY_REUSED: _ClassVar[ErrorReason]
    SERVER_BUSY: _ClassVar[ErrorReason]
    DEADLINE_PASSED: _ClassVar[ErrorReason]
    SERVER_FAILED: _ClassVar[ErrorReason]
    TRANSACTION_NOT_FOUND: _ClassVar[ErrorReason]
    TRANSACTION_NOT_CLAIMABLE: _ClassVar[ErrorReason]
    RULES_FAILED: _ClassVar[ErrorReason]
    REWARD_REFUSED: _ClassVar[ErrorReason]
    RECEIPT_NOT_FOUND: _ClassVar[ErrorReason]
    RECEIPT_ALREADY_CLAIMED: _ClassVar[ErrorReason]
    STORAGE_UNAVAILABLE: _ClassVar[ErrorReason]
    TOO_MANY_WRONG_CODES: _ClassVar[ErrorReason]
    SERVER_CLOCK_WRONG: _ClassVar[ErrorReason]
ERROR_REASON_UNSPECIFIED: ErrorReason
REQUEST_INVALID: ErrorReason
CORRELATION_ID_INVALID: ErrorReason
API_KEY_MISSING: ErrorReason
API_KEY_INVALID: ErrorReason
ROLE_NOT_ALLOWED: ErrorReason
STORE_NOT_ALLOWED: ErrorReason
STORE_NOT_FOUND: ErrorReason
MEMBER_NOT_FOUND: ErrorReason
IDENTIFICATION_FAILED: ErrorReason
IDENTIFIER_INVALID: ErrorReason
IDENTIFIER_TYPE_DISABLED: ErrorReason
CODE_NOT_FOUND: ErrorReason
CODE_ALREADY_USED: ErrorReason
REWARD_NOT_FOUND: ErrorReason
OFFER_NOT_FOUND: ErrorReason
POINTS_INSUFFICIENT: ErrorReason
IDEMPOTENCY_KEY_REUSED: ErrorReason
SERVER_BUSY: ErrorReason
DEADLINE_PASSED: ErrorReason
SERVER_FAILED: ErrorReason
TRANSACTION_NOT_FOUND: ErrorReason
TRANSACTION_NOT_CLAIMABLE: ErrorReason
RULES_FAILED: ErrorReason
REWARD_REFUSED: ErrorReason
RECEIPT_NOT_FOUND: ErrorReason
RECEIPT_ALREADY_CLAIMED: ErrorReason
STORAGE_UNAVAILABLE: ErrorReason
TOO_MANY_WRONG_CODES: ErrorReason
SERVER_CLOCK_WRONG: ErrorReason
