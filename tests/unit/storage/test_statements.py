"""Rows are added as they are, whatever columns of them are null."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from itertools import product
from typing import Any

import pytest

from loyalty_service.storage.repositories.statements import SHAPES_MAX, SparseInsert

NAMES = ("one", "two", "three", "four", "five", "six")


def _adding(names: Sequence[str]) -> str:
    places = ", ".join("?" for _ in names)
    return f"INSERT INTO kept ({', '.join(names)}) VALUES ({places})"  # noqa: S608 - names of ours.


def _kept(*batches: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Add batches of rows to an empty table, and give what it holds in the order of its rows."""
    insert = SparseInsert(NAMES, _adding)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE kept ({', '.join(NAMES)})")
        cursor = connection.cursor()
        for rows in batches:
            insert.run(cursor, rows)
        return connection.execute("SELECT * FROM kept ORDER BY rowid").fetchall()


@pytest.mark.parametrize("size", [1, 3, 64])
def test_rows_with_any_nulls_are_kept_in_their_order(size: int) -> None:
    """Alone or in batches, of more shapes than statements are kept for, rows stay what they are."""
    rows = [
        tuple(None if null else f"{number}-{place}" for place, null in enumerate(nulls))
        for number, nulls in enumerate(product((True, False), repeat=len(NAMES)))
    ]
    assert len(rows) > SHAPES_MAX
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]

    assert _kept(*batches) == rows
    assert _kept(*reversed(batches)) == [row for batch in reversed(batches) for row in batch]


def test_false_values_are_no_nulls() -> None:
    """Zero, an empty text and empty bytes are values like any other."""
    rows = [(0, "", b"", False, 0.0, None)]

    assert _kept(rows) == rows
