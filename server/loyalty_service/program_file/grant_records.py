"""What members are given, as plain values by name: what a file says and what storage keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from loyalty_service.domain.expiry import PeriodEnd
from loyalty_service.domain.grants import GivenOn, GrantTerms

_WORDS = {"terms_id": "id", "incentive_id": "incentive"}
"""The file's words where they differ from the domain's."""


def grant_to_json(terms: GrantTerms) -> dict[str, Any]:
    """Write the terms of what members are given; what is not said is left out."""
    plain = GrantTerms("", "")
    told = {field.name: getattr(terms, field.name) for field in fields(terms)}
    return {
        _WORDS.get(name, name): str(value) if isinstance(value, GivenOn | PeriodEnd) else value
        for name, value in told.items()
        if value != getattr(plain, name)
    }


def grant_from_json(document: Mapping[str, Any]) -> GrantTerms:
    """Read the terms of what members are given."""
    given_on, end_of = document.get("given_on"), document.get("end_of")
    known = {
        field.name: document[field.name] for field in fields(GrantTerms) if field.name in document
    }
    return GrantTerms(
        **known
        | {
            "terms_id": document["id"],
            "incentive_id": document["incentive"],
            "given_on": None if given_on is None else GivenOn(given_on),
            "end_of": None if end_of is None else PeriodEnd(end_of),
        }
    )


def grants_from_json(documents: list[dict[str, Any]]) -> dict[str, GrantTerms]:
    """Read all of them; one that is given for what a later version knows is left out."""
    known = {*map(str, GivenOn), None}
    return {
        document["id"]: grant_from_json(document)
        for document in documents
        if document.get("given_on") in known
    }
