"""End an API key for good."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.application.operators.create_key import key_event
from loyalty_service.application.operators.rotate_key import live_key
from loyalty_service.application.perform import Done
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import EventKind


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """The key, and why; empty where nothing is said."""

    key_id: str
    reason: str = ""


def revoke_key(unit: Unit, command: RevokeKey, now_ms: int) -> Done[None]:
    """
    Revoke a key.

    Raises:
        KeyUnknownError: No live key has this name.
    """
    unit.lock_catalog()
    key = live_key(unit, command.key_id)
    unit.revoke_key(key.key_id, now_ms)
    return Done(None, events=(key_event(EventKind.KEY_REVOKED, key, command.reason),))
