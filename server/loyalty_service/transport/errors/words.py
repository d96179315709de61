"""What the words of one RPC on the JSON door are made of; see `dialects`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from loyalty_service.domain import errors as e

_INVALID = "INVALID_REQUEST"


class Dialect(StrEnum):
    """Which legacy contract's JSON a caller reads; Envoy names it by the call."""

    ES = "es"
    RBI = "rbi"


@dataclass(frozen=True, slots=True)
class EsWords:
    """
    An answer of the ES contract.

    Attributes:
        message: `errorMessage`; names in braces are fields of the error.
        code: `errorCode`.
        status: HTTP status, and `statusCode`.
    """

    message: str
    code: str = _INVALID
    status: int = 400


@dataclass(frozen=True, slots=True)
class OAuthWords:
    """An answer of OAuth 2.0 (RFC 6749, section 5.2): the word of an error, and the HTTP status."""

    error: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class FieldWords:
    """
    What a field that is refused is answered, whatever else is wrong.

    Attributes:
        wrong: Of a value that the field cannot have.
        missing: Where it is left out or blank; as *wrong* unless given.
    """

    wrong: EsWords
    missing: EsWords | None = None


@dataclass(frozen=True, slots=True)
class RpcWords:
    """
    How one RPC speaks on the JSON door. What is not named here has the words of the catalogue.

    Attributes:
        dialect: The contract that it belongs to.
        fields: Words for fields by their JSON names; "" is a body that cannot be read.
        errors: Words for what the server refuses.
        answers: Words for what Envoy answers by itself, by its HTTP status.
        oauth: Words of OAuth 2.0 for what the server refuses; absent where it does not speak so.
    """

    dialect: Dialect
    fields: Mapping[str, FieldWords] = field(default_factory=dict)
    errors: Mapping[type[e.LoyaltyError], EsWords] = field(default_factory=dict)
    answers: Mapping[int, EsWords | OAuthWords] = field(default_factory=dict)
    oauth: Mapping[type[e.LoyaltyError], OAuthWords] | None = None
