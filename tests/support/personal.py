"""Searches a database for a person: every value of every row, opened answers, and its files."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from sqlmodel import SQLModel

from loyalty_service.storage.databases import Database
from loyalty_service.storage.repositories.seal import Seal, SealError
from tests.support.ledger import rows


def found_in(database_url: str, peppers: Collection[bytes], wanted: Collection[str]) -> list[str]:
    """Tell which of some texts are in a database, and where: kept answers are opened."""
    texts = [text.casefold().encode() for text in wanted]
    return [
        f"{text.decode()} in {place}"
        for place, content in _contents(database_url, peppers)
        for text in texts
        if text in content.lower()
    ]


def _contents(database_url: str, peppers: Collection[bytes]) -> Iterator[tuple[str, bytes]]:
    for table in SQLModel.metadata.tables:
        for row in rows(database_url, f'SELECT * FROM "{table}"'):  # noqa: S608 - our own names.
            for name, value in row._mapping.items():
                if isinstance(value, str):
                    yield f"{table}.{name}", value.encode()
                elif isinstance(value, bytes | memoryview):
                    yield f"{table}.{name}", bytes(value)
            if table == "remembered_answer":
                place = row.scope, row.idempotency_key
                yield f"answer of {row.method}", _opened(bytes(row.answer), place, peppers)
    database = Database.from_text(database_url)
    if database.embedded:
        yield from files(Path(database.url.database or ""))


def files(file: Path) -> Iterator[tuple[str, bytes]]:
    """Give the bytes of a file and of those beside it that belong to it."""
    for path in file.parent.glob(f"{file.name}*"):
        yield path.name, path.read_bytes()


def _opened(sealed: bytes, place: tuple[str, str], peppers: Collection[bytes]) -> bytes:
    for pepper in peppers:
        try:
            return Seal(pepper).open(sealed, *place)
        except SealError:
            continue
    raise AssertionError(f"the answer under {place} can't be opened")
