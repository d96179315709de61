"""
The hour in which each API key was last used.

Rows are only written, at the end of a unit and in the order of keys, so that servers that write
the same ones wait for each other and never in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from loyalty_service.storage import tables as t
from loyalty_service.storage.driver import Cursor
from loyalty_service.storage.repositories.records import Basis, Build, Records
from loyalty_service.storage.repositories.statements import Statements, table_of


@dataclass(frozen=True, slots=True, order=True)
class KeyUse:
    """A key, and when the hour began in which it was used."""

    key_id: str
    used_ms: int


class KeyUseStatements:
    """The statement that keeps the later of two uses."""

    def __init__(self, by: Statements) -> None:
        self.put = by.latest(table_of(t.KeyUseTable), "used_ms")


class KeyUses(Records):
    """What a unit of work tells of keys that were used."""

    BUILT: ClassVar[tuple[Build, ...]] = (KeyUseStatements,)

    def __init__(self, basis: Basis) -> None:
        super().__init__(basis)
        self._key_uses: dict[str, KeyUse] = {}

    def note_keys_used(self, key_ids: Iterable[str], used_ms: int) -> None:
        """See `Unit.note_keys_used`."""
        self.changes += 1
        self._key_uses |= {key_id: KeyUse(key_id, used_ms) for key_id in key_ids}

    def _flush_key_uses(self, cursor: Cursor) -> None:
        if self._key_uses:
            rows = sorted(self._key_uses.values())
            self._key_uses.clear()
            self._write(cursor, self._statements.of(KeyUseStatements).put, rows)
