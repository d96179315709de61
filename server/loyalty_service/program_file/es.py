"""The part of a program file that is about the calls of the ES contract."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from loyalty_service.domain.es_terms import PLAIN_ES, EsTerms, SuppressedPrompts
from loyalty_service.program_file.rules import check_once
from loyalty_service.program_file.values import (
    STORE_ID_MAX,
    Entry,
    text_of,
    whole_number,
)

NAMES_MAX = 1_000
DAYS_MAX = 365

_Names = Annotated[
    list[Annotated[str, text_of(1, 64)]],
    Field(max_length=NAMES_MAX),
    AfterValidator(check_once),
]


class SuppressedPromptsEntry(Entry):
    """Whose tills ask and show nothing to shoppers."""

    partners: _Names = Field(default_factory=list)
    pos_types: _Names = Field(default_factory=list)


class EsEntry(Entry):
    """How the calls of the ES contract are served, see docs/program-file.md."""

    session_lifetime_s: Annotated[int, whole_number(300, 2_592_000)] = PLAIN_ES.session_lifetime_s
    reservation_lifetime_s: Annotated[int, whole_number(60, 86_400)] = (
        PLAIN_ES.reservation_lifetime_s
    )
    business_units: _Names = Field(default_factory=list)
    adhoc_rewards: _Names = Field(default_factory=list)
    membership_type: Annotated[str, text_of(1, 32)] = PLAIN_ES.membership_type
    store_id: Annotated[int | None, whole_number(1, STORE_ID_MAX)] = None
    saf_window_days: Annotated[int, whole_number(1, DAYS_MAX)] = PLAIN_ES.saf_window_days
    confirmation_window_days: Annotated[int, whole_number(1, DAYS_MAX)] = (
        PLAIN_ES.confirmation_window_days
    )
    near_miss_within: Annotated[int, whole_number(1, 100)] = PLAIN_ES.near_miss_within
    suppress_prompts: SuppressedPromptsEntry = SuppressedPromptsEntry()

    def terms(self) -> EsTerms:
        """Make the terms."""
        return es_from_json(self.model_dump())


def es_to_json(terms: EsTerms) -> dict[str, Any]:
    """Write the terms as the file has them: what is as by default is left out."""
    plain = asdict(PLAIN_ES)
    told = {name: value for name, value in asdict(terms).items() if value != plain[name]}
    return {name: _listed(value) for name, value in told.items()}


def es_from_json(document: dict[str, Any]) -> EsTerms:
    """Read the stored terms; keys of a later version are ignored."""
    known = {one.name: document[one.name] for one in fields(EsTerms) if one.name in document}
    for name in ("business_units", "adhoc_rewards"):
        known[name] = tuple(known.get(name, ()))
    silent = known.get("suppress_prompts", {})
    known["suppress_prompts"] = SuppressedPrompts(
        partners=tuple(silent.get("partners", ())), pos_types=tuple(silent.get("pos_types", ()))
    )
    return EsTerms(**known)


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: list(part) for name, part in value.items() if part}
    return list(value) if isinstance(value, tuple) else value
