"""Make an API key useless for good."""

from __future__ import annotations

from dataclasses import dataclass

from loyalty_service.application.operators.rotate_key import KeyUnknownError
from loyalty_service.application.perform import Done
from loyalty_service.application.unit import Unit


@dataclass(frozen=True, slots=True)
class RevokeKey:
    """The key."""

    key_id: str


def revoke_key(unit: Unit, command: RevokeKey, now_ms: int) -> Done[None]:
    """
    Revoke a key.

    Raises:
        KeyUnknownError: No live key has this name.
    """
    if not unit.revoke_key(command.key_id, now_ms):
        raise KeyUnknownError(command.key_id)
    return Done(None)
