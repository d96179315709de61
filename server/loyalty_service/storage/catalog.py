"""How programs, stores, incentives and keys are kept: read as a whole, changed by operators."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from loyalty_service.domain.keys import ApiKey, Role
from loyalty_service.domain.program import Catalog, Program
from loyalty_service.program_file.records import (
    ProgramRecords,
    program_from_json,
    program_to_json,
)

if TYPE_CHECKING:
    from loyalty_service.storage.statements import Statements
    from loyalty_service.storage.unit_of_work import Connection


def load(connection: Connection, statements: Statements) -> Catalog:
    """Read everything described; a few thousand rows at most."""
    while True:
        before = _revision(connection, statements)
        catalog = _load(connection, statements, before)
        # Each statement may see a later state than the one before it.
        if catalog is not None and _revision(connection, statements) == before:
            return catalog


def lock(connection: Connection, statements: Statements) -> int:
    """Wait for whoever changes the catalogue, and keep others from it; answers the revision."""
    (revision,) = connection.execute(statements.lock_revision.sql).fetchone()
    return int(revision)


def _revision(connection: Connection, statements: Statements) -> int:
    (revision,) = connection.execute(statements.catalog_revision.sql).fetchone()
    return int(revision)


def _load(connection: Connection, statements: Statements, revision: int) -> Catalog | None:
    stores: dict[str, dict[int, Any]] = {}
    for program_id, store_id, document in connection.execute(statements.stores.sql).fetchall():
        stores.setdefault(program_id, {})[store_id] = json.loads(document)
    incentives: dict[str, dict[str, Any]] = {}
    for program_id, name, document in connection.execute(statements.incentives.sql).fetchall():
        incentives.setdefault(program_id, {})[name] = json.loads(document)
    programs = {}
    for program_id, document in connection.execute(statements.programs.sql).fetchall():
        programs[program_id] = program_from_json(
            ProgramRecords(
                json.loads(document), stores.get(program_id, {}), incentives.get(program_id, {})
            )
        )
    keys = {}
    for digest, key_id, program_id, partner, role, limits in connection.execute(
        statements.live_keys.sql
    ).fetchall():
        if program_id not in programs:
            return None
        region = programs[program_id].region
        allowed = frozenset(json.loads(limits))
        keys[bytes(digest)] = ApiKey(key_id, program_id, region, partner, Role(role), allowed)
    return Catalog(revision, programs, keys)


def save_program(
    connection: Connection, statements: Statements, program: Program, now_ms: int
) -> int:
    """Replace a program with its stores and incentives, and keep it; returns its version."""
    records = program_to_json(program)
    key = program.program_id
    known = connection.execute(statements.program.sql, (key,)).fetchone()
    if known is None:
        connection.execute(statements.insert_program.sql, (key, _text(records.program)))
    else:
        connection.execute(statements.update_program.sql, (_text(records.program), key))
    connection.execute(statements.delete_stores.sql, (key,))
    connection.execute(statements.delete_incentives.sql, (key,))
    cursor = connection.cursor()
    cursor.executemany(
        statements.insert_store.sql,
        [(key, number, _text(store)) for number, store in records.stores.items()],
    )
    cursor.executemany(
        statements.insert_incentive.sql,
        [(key, name, _text(incentive)) for name, incentive in records.incentives.items()],
    )
    connection.execute(statements.bump_revision.sql)
    (newest,) = connection.execute(statements.newest_version.sql, (key,)).fetchone()
    version = int(newest) + 1
    document = {
        "program": records.program,
        "stores": records.stores,
        "incentives": records.incentives,
    }
    given = {
        "program_id": key,
        "version": version,
        "applied_ms": now_ms,
        "document": _text(document),
    }
    insert = statements.insert_version
    connection.execute(insert.sql, [given[name] for name in insert.names])
    return version


def program_of_version(document: str) -> Program:
    """Read a program as it was kept with one of its versions."""
    kept = json.loads(document)
    stores = {int(number): store for number, store in kept["stores"].items()}
    return program_from_json(ProgramRecords(kept["program"], stores, kept["incentives"]))


def add_key(
    connection: Connection, statements: Statements, key: ApiKey, digest: bytes, now_ms: int
) -> None:
    """Keep an API key by its digest."""
    connection.execute(
        statements.insert_key.sql,
        (
            key.key_id,
            digest,
            key.program_id,
            key.partner,
            key.role.value,
            json.dumps(sorted(key.stores)),
            now_ms,
        ),
    )
    connection.execute(statements.bump_revision.sql)


def revoke_key(connection: Connection, statements: Statements, key_id: str, now_ms: int) -> bool:
    """Make a key useless; answers whether it was live."""
    row = connection.execute(statements.revoke_key.sql, (now_ms, key_id)).fetchone()
    connection.execute(statements.bump_revision.sql)
    return row is not None


def _text(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
