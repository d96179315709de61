"""Answers kept under idempotency keys and natural keys, sealed with the code pepper."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, ClassVar

from loyalty_service.domain.records import KeptAnswer
from loyalty_service.storage import tables as t
from loyalty_service.storage.driver import Cursor
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Basis, Build, Keys, Records, Step
from loyalty_service.storage.repositories.statements import Kept, Statement, Statements

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
