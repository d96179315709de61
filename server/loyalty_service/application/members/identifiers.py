"""Phone numbers and cards that no two members of a program may have."""

from __future__ import annotations

from collections.abc import Mapping

from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import IdentifierTakenError
from loyalty_service.domain.identifiers import BY_SIGHT
from loyalty_service.domain.program import Program


def require_free(
    unit: Unit, program: Program, given: Mapping[str, str | None], but: int | None = None
) -> None:
    """
    Let no two members have what the program keeps apart.

    Of two that ask for one at once, the second waits until the first is settled. *given* is what
    a member is to have, by the names of its fields; *but* is that member's number, which a new
    one lacks.

    Raises:
        IdentifierTakenError: Another member has it.
    """
    for kind in sorted(BY_SIGHT):
        value = given.get(kind.value)
        if not value or not program.keeps_apart(kind):
            continue
        if set(unit.claim_identifier(program.program_id, kind.value, value)) - {but}:
            raise IdentifierTakenError(kind.value)


def plain_card(card: str | None) -> str | None:
    """Write a card's number as it is kept: upper and lower case are the same."""
    return card.upper() if card else None
