"""How programs, stores, incentives and keys are kept: read as a whole, changed by operators."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from sqlalchemy import bindparam, delete, exists, func, select, update

from loyalty_service.domain.keys import ApiKey, Role
from loyalty_service.domain.program import Catalog, Program
from loyalty_service.program_file.records import (
    ProgramRecords,
    program_from_json,
    program_to_json,
)
from loyalty_service.storage import tables as t
from loyalty_service.storage.driver import Connection
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.ledger import Ledger
from loyalty_service.storage.repositories.records import Build
from loyalty_service.storage.repositories.statements import (
    Statements,
    constant,
    table_of,
)


class CatalogueStatements:
    """The statements of programs, stores, incentives and keys."""

    def __init__(self, by: Statements) -> None:
        revision = table_of(t.CatalogRevisionTable)
        self.revision = by.compile(select(revision.c.revision))
        self.lock_revision = by.compile(select(revision.c.revision).with_for_update())
        self.bump_revision = by.compile(
            update(revision).values(revision=revision.c.revision + constant(1))
        )
        self._describe_programs(by)
        self._describe_keys(by)

    def _describe_programs(self, by: Statements) -> None:
        program = table_of(t.ProgramTable)
        self.programs = by.compile(select(program.c.program_id, program.c.document))
        self.program = by.compile(
            select(program.c.document)
            .where(program.c.program_id == bindparam("program_id"))
            .with_for_update()
        )
        self.insert_program = by.insert(program)
        self.update_program = by.compile(
            update(program)
            .values(document=bindparam("new_document"))
            .where(program.c.program_id == bindparam("key"))
        )
        store, incentive = table_of(t.StoreTable), table_of(t.IncentiveTable)
        self.stores = by.compile(
            select(store.c.program_id, store.c.store_id, store.c.document).order_by(
                store.c.store_id
            )
        )
        self.incentives = by.compile(
            select(incentive.c.program_id, incentive.c.incentive_id, incentive.c.document).order_by(
                incentive.c.incentive_id
            )
        )
        self.delete_stores = by.compile(
            delete(store).where(store.c.program_id == bindparam("program_id"))
        )
        self.delete_incentives = by.compile(
            delete(incentive).where(incentive.c.program_id == bindparam("program_id"))
        )
        self.insert_store = by.insert(store)
        self.insert_incentive = by.insert(incentive)
        kept = table_of(t.ProgramVersionTable)
        self.newest_version = by.compile(
            select(func.coalesce(func.max(kept.c.version), constant(0))).where(
                kept.c.program_id == bindparam("program_id")
            )
        )
        self.insert_version = by.insert(kept)
        order, account = table_of(t.TransactionTable), table_of(t.AccountTable)
        # Whoever only began a visit has no digest: nothing was paid yet.
        ordered = exists().where(
            order.c.program_id == bindparam("program_id"), order.c.order_digest.is_not(None)
        )
        moved = exists().where(
            account.c.program_id == bindparam("program_id"),
            account.c.member_number.is_(None),
            account.c.sequence > constant(0),
        )
        self.orders = by.compile(select(ordered))
        self.transfers = by.compile(select(moved))
        self.version = by.compile(
            select(kept.c.document).where(
                kept.c.program_id == bindparam("program_id"),
                kept.c.version == bindparam("version"),
            )
        )

    def _describe_keys(self, by: Statements) -> None:
        key = table_of(t.ApiKeyTable)
        self.live_keys = by.compile(
            select(
                key.c.digest,
                key.c.key_id,
                key.c.program_id,
                key.c.partner,
                key.c.role,
                key.c.stores,
                key.c.label,
            ).where(key.c.revoked_ms.is_(None))
        )
        self.insert_key = by.insert(key, leaving_out=("revoked_ms",))
        self.change_key = by.compile(
            update(key)
            .values(
                role=bindparam("new_role"),
                stores=bindparam("new_stores"),
                label=bindparam("new_label"),
            )
            .where(key.c.key_id == bindparam("key"), key.c.revoked_ms.is_(None))
        )
        self.revoke_key = by.compile(
            update(key)
            .values(revoked_ms=bindparam("new_revoked_ms"))
            .where(key.c.key_id == bindparam("key"), key.c.revoked_ms.is_(None))
            .returning(key.c.key_id)
        )


def load(connection: Connection, by: CatalogueStatements) -> Catalog:
    """Read everything described; a few thousand rows at most."""
    while True:
        before = _revision(connection, by)
        catalog = _load(connection, by, before)
        # Each statement may see a later state than the one before it.
        if catalog is not None and _revision(connection, by) == before:
            return catalog


def _revision(connection: Connection, by: CatalogueStatements) -> int:
    (revision,) = connection.execute(by.revision.sql).fetchone()
    return int(revision)


def _load(connection: Connection, by: CatalogueStatements, revision: int) -> Catalog | None:
    stores: dict[str, dict[int, Any]] = {}
    for program_id, store_id, document in connection.execute(by.stores.sql).fetchall():
        stores.setdefault(program_id, {})[store_id] = json.loads(document)
    incentives: dict[str, dict[str, Any]] = {}
    for program_id, name, document in connection.execute(by.incentives.sql).fetchall():
        incentives.setdefault(program_id, {})[name] = json.loads(document)
    programs = {}
    for program_id, document in connection.execute(by.programs.sql).fetchall():
        programs[program_id] = program_from_json(
            ProgramRecords(
                json.loads(document), stores.get(program_id, {}), incentives.get(program_id, {})
            )
        )
    keys = {}
    for digest, key_id, program_id, partner, role, limits, label in connection.execute(
        by.live_keys.sql
    ).fetchall():
        if program_id not in programs:
            return None
        region = programs[program_id].region
        allowed = frozenset(json.loads(limits))
        keys[bytes(digest)] = ApiKey(
            key_id, program_id, region, partner, Role(role), allowed, label or ""
        )
    versions = {}
    for program_id in programs:
        (newest,) = connection.execute(by.newest_version.sql, (program_id,)).fetchone()
        if newest:  # None is kept of a program that an older version applied.
            versions[program_id] = int(newest)
    return Catalog(revision, programs, keys, versions)


def program_of_version(document: str) -> Program:
    """Read a program as it was kept with one of its versions."""
    kept = json.loads(document)
    stores = {int(number): store for number, store in kept["stores"].items()}
    return program_from_json(ProgramRecords(kept["program"], stores, kept["incentives"]))


def _text(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


class Catalogue(Ledger):
    """The catalogue as a unit of work sees and changes it."""

    BUILT: ClassVar[tuple[Build, ...]] = (CatalogueStatements,)

    @property
    def _catalogue_by(self) -> CatalogueStatements:
        return self._statements.of(CatalogueStatements)

    def lock_catalog(self) -> None:
        """See `Unit.lock_catalog`."""
        self._lock(Rank.CATALOGUE)
        sql = self._catalogue_by.lock_revision.sql
        (revision,) = self._connection.execute(sql).fetchone()
        if revision != self.catalog.revision:
            self._load_catalog()

    def has_ledger(self, program_id: str) -> bool:
        """See `Unit.has_ledger`."""
        by, connection = self._catalogue_by, self._connection
        return any(
            connection.execute(statement.sql, (program_id,)).fetchone()[0]
            for statement in (by.transfers, by.orders)
        )

    def save_program(self, program: Program, now_ms: int) -> int:
        """See `Unit.save_program`."""
        self.changes += 1
        by, connection = self._catalogue_by, self._connection
        records = program_to_json(program)
        key = program.program_id
        known = connection.execute(by.program.sql, (key,)).fetchone()
        if known is None:
            connection.execute(by.insert_program.sql, (key, _text(records.program)))
        else:
            connection.execute(by.update_program.sql, (_text(records.program), key))
        connection.execute(by.delete_stores.sql, (key,))
        connection.execute(by.delete_incentives.sql, (key,))
        cursor = connection.cursor()
        cursor.executemany(
            by.insert_store.sql,
            [(key, number, _text(store)) for number, store in records.stores.items()],
        )
        cursor.executemany(
            by.insert_incentive.sql,
            [(key, name, _text(incentive)) for name, incentive in records.incentives.items()],
        )
        connection.execute(by.bump_revision.sql)
        version = self._add_version(key, records, now_ms)
        if known is None:
            self._open_program_accounts(key)
        self._load_catalog()
        return version

    def program_of(self, program_id: str, version: int) -> Program | None:
        """See `Unit.program_of`."""
        if self.catalog.versions.get(program_id) == version:
            return self.catalog.programs[program_id]
        sql = self._catalogue_by.version.sql
        row = self._connection.execute(sql, (program_id, version)).fetchone()
        return None if row is None else program_of_version(row[0])

    def _add_version(self, program_id: str, records: ProgramRecords, now_ms: int) -> int:
        by, connection = self._catalogue_by, self._connection
        (newest,) = connection.execute(by.newest_version.sql, (program_id,)).fetchone()
        version = int(newest) + 1
        document = {
            "program": records.program,
            "stores": records.stores,
            "incentives": records.incentives,
        }
        given = {
            "program_id": program_id,
            "version": version,
            "applied_ms": now_ms,
            "document": _text(document),
        }
        insert = by.insert_version
        connection.execute(insert.sql, [given[name] for name in insert.names])
        return version

    def add_key(self, key: ApiKey, digest: bytes, now_ms: int) -> None:
        """See `Unit.add_key`."""
        self.changes += 1
        insert = self._catalogue_by.insert_key
        given = {
            "key_id": key.key_id,
            "digest": digest,
            "program_id": key.program_id,
            "partner": key.partner,
            "role": key.role.value,
            "stores": json.dumps(sorted(key.stores)),
            "created_ms": now_ms,
            "label": key.label or None,
        }
        self._connection.execute(insert.sql, [given[name] for name in insert.names])
        self._end_change()

    def change_key(self, key: ApiKey) -> None:
        """See `Unit.change_key`."""
        self.changes += 1
        change = self._catalogue_by.change_key
        stores = json.dumps(sorted(key.stores))
        given = {
            "new_role": key.role.value,
            "new_stores": stores,
            "new_label": key.label or None,
            "key": key.key_id,
        }
        self._connection.execute(change.sql, [given[name] for name in change.names])
        self._end_change()

    def revoke_key(self, key_id: str, now_ms: int) -> bool:
        """See `Unit.revoke_key`."""
        self.changes += 1
        sql = self._catalogue_by.revoke_key.sql
        row = self._connection.execute(sql, (now_ms, key_id)).fetchone()
        self._end_change()
        return row is not None

    def _end_change(self) -> None:
        self._connection.execute(self._catalogue_by.bump_revision.sql)
        self._load_catalog()

    def _load_catalog(self) -> None:
        self.catalog = load(self._connection, self._catalogue_by)
