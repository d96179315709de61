"""Answers kept under idempotency keys and natural keys, sealed with the code pepper."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

from sqlalchemy import bindparam, null, select, update

from loyalty_service.domain.records import KeptAnswer
from loyalty_service.storage import tables as t
from loyalty_service.storage.driver import Cursor
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Basis, Build, Keys, Records, Step
from loyalty_service.storage.repositories.seal import SealError
from loyalty_service.storage.repositories.statements import (
    Kept,
    Statement,
    Statements,
    constant,
)

ANSWER = Kept(
    KeptAnswer,
    t.KeptAnswerTable,
    ("scope", "idempotency_key"),
    Rank.ANSWERS,
    witness=("scope", "idempotency_key", "answer"),
)


class AnswerStatements:
    """The statements about kept answers."""

    find_many: Statement

    def __init__(self, by: Statements) -> None:
        answer = ANSWER.table
        self.named = by.compile(
            select(*(answer.c[name] for name in (*ANSWER.key, "method", "answer")))
            .where(answer.c.named == constant(1))
            .limit(bindparam("limit_rows"))
            .offset(constant(0))  # Else SQLite's dialect adds a parameter of its own.
        )
        place = [answer.c[name] == bindparam(f"its_{name}") for name in ANSWER.key]
        self.keep_nameless = by.compile(
            update(answer).where(*place).values(answer=bindparam("its_answer"), named=null())
        )
        self.leave_closed = by.compile(update(answer).where(*place).values(named=constant(2)))
        if by.bulk:
            self.find_many = by.among(ANSWER.select(), ANSWER.table, ANSWER.key)


class Answers(Records):
    """The kept answers of a unit of work."""

    KEPT: ClassVar[tuple[Kept, ...]] = (ANSWER,)
    BUILT: ClassVar[tuple[Build, ...]] = (AnswerStatements,)

    def __init__(self, basis: Basis) -> None:
        super().__init__(basis)
        self._sealed_before: list[KeptAnswer] = []

    @property
    def _answers_by(self) -> AnswerStatements:
        return self._statements.of(AnswerStatements)

    def kept_answer(self, scope: str, idempotency_key: str) -> KeptAnswer | None:
        """See `Unit.kept_answer`."""
        return self._record(KeptAnswer, (scope, idempotency_key))

    def named_answers(self, limit: int) -> Sequence[tuple[str, str, str, bytes | None]]:
        """See `Unit.named_answers`."""
        self.flush()
        found: list[tuple[str, str, str, bytes | None]] = []
        rows = self._connection.execute(self._answers_by.named.sql, (limit,)).fetchall()
        for scope, key, method, sealed in rows:
            body = None
            with suppress(SealError):
                body = self._basis.seal.open(bytes(sealed), scope, key)
            found.append((scope, key, method, body))
        return found

    def keep_nameless(self, scope: str, idempotency_key: str, body: bytes | None) -> None:
        """See `Unit.keep_nameless`."""
        self.changes += 1
        given: dict[str, Any] = {"its_scope": scope, "its_idempotency_key": idempotency_key}
        statement = self._answers_by.leave_closed
        if body is not None:
            given["its_answer"] = self._basis.seal.close(body, scope, idempotency_key)
            statement = self._answers_by.keep_nameless
        self._connection.execute(statement.sql, [given[name] for name in statement.names])

    def answers_ahead(self, keys: Keys) -> Step:
        """Read kept answers after the locks: an earlier call has kept its own by then."""
        taking = self._taking(KeptAnswer)
        return Step(Rank.ANSWERS, self._answers_by.find_many, keys, taking, locks=False)

    def _when_read(self, record: Any) -> None:
        """Open the answer."""
        super()._when_read(record)
        if isinstance(record, KeptAnswer):
            scope, key = record.scope, record.idempotency_key
            record.answer, newest = self._basis.seal.open_any(record.answer, scope, key)
            if not newest:
                self._sealed_before.append(record)

    def _as_written(self, kind: type, records: Collection[Any]) -> Collection[Any]:
        """Seal the answers."""
        if kind is KeptAnswer:
            return [self._sealed(record) for record in records]
        return super()._as_written(kind, records)

    def _sealed(self, kept: KeptAnswer) -> KeptAnswer:
        scope, key = kept.scope, kept.idempotency_key
        return replace(kept, answer=self._basis.seal.close(kept.answer, scope, key))

    def _seal_again(self, cursor: Cursor) -> None:
        """Seal what was read and had been sealed with a retired pepper with the current one."""
        if not self._sealed_before:
            return
        ordered = sorted(self._sealed_before, key=lambda kept: (kept.scope, kept.idempotency_key))
        self._sealed_before.clear()
        update = self._kept[KeptAnswer].update
        if update is not None:
            self._write(cursor, update, [self._sealed(kept) for kept in ordered])
