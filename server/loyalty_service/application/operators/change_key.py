"""Change what an API key may do, without a new secret."""

from __future__ import annotations

from dataclasses import dataclass, replace

from loyalty_service.application.operators.create_key import key_event, may_do
from loyalty_service.application.operators.rotate_key import live_key
from loyalty_service.application.perform import Done
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import StoreNotFoundError
from loyalty_service.domain.events import EventKind
from loyalty_service.domain.keys import LESS, ApiKey, Role


class RoleNotLessError(Exception):
    """Raised when a key is to have a role that may do something which its own may not."""


@dataclass(frozen=True, slots=True)
class ChangeKey:
    """
    The key, and what it is to be.

    Attributes:
        stores: Stores that it is limited to from now on, empty for all; absent to leave them.
        role: Absent to leave it.
        reason: What the operator says why; empty where nothing is said.
        label: What it is called from now on, empty for nothing; absent to leave it.
    """

    key_id: str
    stores: frozenset[int] | None = None
    role: Role | None = None
    reason: str = ""
    label: str | None = None


def change_key(unit: Unit, command: ChangeKey, _: int) -> Done[ApiKey]:
    """
    Change a key.

    Raises:
        KeyUnknownError: No live key has this name.
        StoreNotFoundError: The program has no such store.
        RoleNotLessError: Its role would allow more than it did.
    """
    unit.lock_catalog()
    old = live_key(unit, command.key_id)
    program = unit.catalog.programs[old.program_id]
    stores = old.stores if command.stores is None else command.stores
    for store_id in sorted(stores - old.stores):
        if store_id not in program.stores:
            raise StoreNotFoundError(store_id)
    role = old.role if command.role is None else command.role
    if role is not old.role and role not in LESS.get(old.role, frozenset()):
        raise RoleNotLessError(old.role, role)
    label = old.label if command.label is None else command.label
    new = replace(old, stores=stores, role=role, label=label)
    if new == old:
        return Done(new)
    unit.change_key(new)
    event = key_event(EventKind.KEY_CHANGED, new, command.reason, before=may_do(old))
    return Done(new, events=(event,))
