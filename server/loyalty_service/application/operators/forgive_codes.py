"""Let an API key that had to wait because of wrong codes show codes again."""

from __future__ import annotations

import json
from dataclasses import dataclass

from loyalty_service.application.perform import Done
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.guessing import by_sight


@dataclass(frozen=True, slots=True)
class ForgiveCodes:
    """The key, and what the operator says why; empty where nothing is said."""

    key_id: str
    reason: str = ""


def forgive_codes(unit: Unit, command: ForgiveCodes, _now_ms: int) -> Done[int]:
    """End all waits of a key and forget what it has shown; returns how many waits."""
    ended = unit.forgive_codes(command.key_id) + unit.forgive_codes(by_sight(command.key_id))
    if not ended:
        return Done(ended)
    # A key that was revoked is not among those of the catalogue.
    keys = unit.catalog.keys.values()
    program_id = next((key.program_id for key in keys if key.key_id == command.key_id), None)
    return Done(
        ended,
        events=(
            Event(
                EventKind.CODES_FORGIVEN,
                program_id,
                subject=command.key_id,
                reason=command.reason,
                detail=json.dumps({"ended": ended}),
            ),
        ),
    )
