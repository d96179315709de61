"""The headers that every call may carry: which are refused, and how that is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from loyalty_service.domain.errors import FieldViolation, RequestInvalidError

MISSPELT = ("idempotency_key", "x_api_key", "x_user_datetime", "x_identifier_type")
"""Our headers as some spell them; Envoy drops all others that have an underscore."""


def require_key_once(sent_twice: Collection[str]) -> None:
    """
    Refuse a call with two idempotency keys: whoever asks later what became of it knows only one.

    Raises:
        RequestInvalidError: It has two.
    """
    if "idempotency-key" in sent_twice:
        raise header_invalid("idempotency-key", "must be given once")


def require_spelling(metadata: Mapping[str, str]) -> None:
    """
    Refuse a call with one of our headers under a name with underscores, which nobody reads.

    Its caller believes that it sent a key, or the time of its order.

    Raises:
        RequestInvalidError: It has one.
    """
    misspelt = [name for name in MISSPELT if name in metadata]
    if misspelt:
        raise RequestInvalidError(
            tuple(
                FieldViolation(
                    name.replace("_", "-"), f"must be spelt with dashes: {name} is not read"
                )
                for name in misspelt
            )
        )


def header_invalid(name: str, message: str) -> RequestInvalidError:
    """Tell what is wrong with a header, as if it were a field."""
    return RequestInvalidError((FieldViolation(name, message),))
