"""Make a new API key to replace an old one."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.application.operators.create_key import (
    CreatedKey,
    CreateKey,
    create_key,
    key_event,
)
from loyalty_service.application.perform import Done
from loyalty_service.application.unit import Unit
from loyalty_service.domain.events import EventKind
from loyalty_service.domain.keys import ApiKey

LIVE_MAX = 2
"""The old one and the new one: a third would be nobody's, and never revoked."""


class KeyUnknownError(Exception):
    """Raised when no live key has this name."""


class RotationOpenError(Exception):
    """Raised when an earlier rotation is not over; lists the keys that are live."""


@dataclass(frozen=True, slots=True)
class RotateKey:
    """The key to be replaced, and why; empty where nothing is said."""

    key_id: str
    reason: str = ""


def live_key(unit: Unit, key_id: str) -> ApiKey:
    """
    Find a key by its name.

    Raises:
        KeyUnknownError: No live key has it.
    """
    for key in unit.catalog.keys.values():
        if key.key_id == key_id:
            return key
    raise KeyUnknownError(key_id)


def rotate_key(unit: Unit, command: RotateKey, now_ms: int) -> Done[CreatedKey]:
    """
    Create a key that may do what another may; both work until the old one is revoked.

    Raises:
        KeyUnknownError: No live key has this name.
        RotationOpenError: There are two such keys already.
    """
    unit.lock_catalog()
    old = live_key(unit, command.key_id)
    wanted = _like(old)
    alike = sorted(key.key_id for key in unit.catalog.keys.values() if _like(key) == wanted)
    if len(alike) >= LIVE_MAX:
        raise RotationOpenError(*alike)
    created = create_key(unit, wanted, now_ms).result
    event = key_event(EventKind.KEY_ROTATED, created.key, command.reason, replaces=old.key_id)
    return Done(created, events=(event,))


def _like(key: ApiKey) -> CreateKey:
    return CreateKey(key.program_id, key.partner, key.role, key.stores, label=key.label)
