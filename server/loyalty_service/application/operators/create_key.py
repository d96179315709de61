"""Create an API key for a partner."""

from __future__ import annotations

import json
from dataclasses import dataclass

from loyalty_service.application.perform import Done
from loyalty_service.application.unit import Unit
from loyalty_service.domain.errors import StoreNotFoundError
from loyalty_service.domain.events import Event, EventKind
from loyalty_service.domain.identifiers import new_id
from loyalty_service.domain.keys import ApiKey, Role, key_digest, new_key
from loyalty_service.domain.program import Program


class ProgramUnknownError(Exception):
    """Raised when no program of this name was applied."""


def program_of(unit: Unit, program_id: str) -> Program:
    """
    Find the program that an operator names.

    Raises:
        ProgramUnknownError: No program of this name was applied.
    """
    program = unit.catalog.programs.get(program_id)
    if program is None:
        raise ProgramUnknownError(program_id)
    return program


@dataclass(frozen=True, slots=True)
class CreateKey:
    """
    Whom the key is for.

    Attributes:
        secret, key_id: Made at random unless given, as the sandbox does.
        label: What operators call it, among the keys of its partner.
        reason: What the operator says why; empty where nothing is said.
    """

    program_id: str
    partner: str
    role: Role
    stores: frozenset[int] = frozenset()
    secret: str | None = None
    key_id: str | None = None
    label: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CreateKeys:
    """Keys that are all made, or none of them."""

    wanted: tuple[CreateKey, ...]


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """The key and its secret, which is not kept anywhere."""

    key: ApiKey
    secret: str


def create_key(unit: Unit, command: CreateKey, now_ms: int) -> Done[CreatedKey]:
    """
    Create a key; its secret exists only in the answer.

    Raises:
        ProgramUnknownError: No program of this name was applied.
        StoreNotFoundError: The program has no such store.
    """
    unit.lock_catalog()
    program = program_of(unit, command.program_id)
    for store_id in command.stores:
        if store_id not in program.stores:
            raise StoreNotFoundError(store_id)
    secret = command.secret or new_key()
    key = ApiKey(
        key_id=command.key_id or new_id(now_ms),
        program_id=program.program_id,
        region=program.region,
        partner=command.partner,
        role=command.role,
        stores=command.stores,
        label=command.label,
    )
    unit.add_key(key, key_digest(secret), now_ms)
    event = key_event(EventKind.KEY_CREATED, key, command.reason)
    return Done(CreatedKey(key, secret), events=(event,))


def create_keys(unit: Unit, command: CreateKeys, now_ms: int) -> Done[tuple[CreatedKey, ...]]:
    """
    Create several keys, all or none.

    Raises:
        ProgramUnknownError: No program of a name was applied.
        StoreNotFoundError: A program has no such store.
    """
    unit.lock_catalog()
    for one in command.wanted:
        program = program_of(unit, one.program_id)
        for store_id in sorted(one.stores):
            if store_id not in program.stores:
                raise StoreNotFoundError(store_id)
    made = [create_key(unit, one, now_ms) for one in command.wanted]
    events = tuple(event for one in made for event in one.events)
    return Done(tuple(one.result for one in made), events=events)


def key_event(kind: EventKind, key: ApiKey, reason: str, **more: object) -> Event:
    """Tell what happened to a key, with what it may do and *more*."""
    about = {"partner": key.partner, **may_do(key)}
    return Event(
        kind,
        key.program_id,
        subject=key.key_id,
        reason=reason,
        detail=json.dumps(about | more, separators=(",", ":")),
    )


def may_do(key: ApiKey) -> dict[str, object]:
    """Tell what of a key can change: its role, its stores and, where it has one, its label."""
    told: dict[str, object] = {"role": key.role.value, "stores": sorted(key.stores)}
    return told | ({"label": key.label} if key.label else {})
