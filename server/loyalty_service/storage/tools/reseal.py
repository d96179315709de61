"""Seals the answers kept under idempotency keys with the current pepper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select, tuple_, update

from loyalty_service.domain.peppers import Peppers
from loyalty_service.storage import tables as t
from loyalty_service.storage.connections import require_database, writing
from loyalty_service.storage.databases import Database
from loyalty_service.storage.repositories.seal import Seal, SealError
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.repositories.webhooks import SCOPE

_ANSWER = table_of(t.KeptAnswerTable)
_WEBHOOK = table_of(t.WebhookTable)
_BATCH_ROWS = 500


@dataclass(frozen=True, slots=True)
class Resealed:
    """
    What became of the answers kept under idempotency keys.

    Attributes:
        kept: All of them.
        resealed: Those that a retired pepper had sealed and the current one seals now.
        closed: Those that none of the peppers opens.
    """

    kept: int
    resealed: int
    closed: int


def reseal(database: Database, peppers: Peppers) -> Resealed:
    """
    Seal all kept answers with the current pepper, a batch at a time, while servers serve.

    Secrets of webhooks, which are few, are sealed with it as well.

    Raises:
        UnreachableError: The database does not answer.
    """
    require_database(database)
    seal = Seal(peppers)
    _reseal_webhooks(database, seal)
    kept = resealed = closed = 0
    last = ("", "")
    while True:
        with writing(database) as connection:
            rows = connection.execute(_next_answers(last)).all()
            for scope, key, sealed in rows:
                try:
                    answer, newest = seal.open_any(bytes(sealed), scope, key)
                except SealError:
                    closed += 1
                    continue
                if not newest:
                    _put_answer(connection, scope, key, seal.close(answer, scope, key))
                    resealed += 1
        kept += len(rows)
        if len(rows) < _BATCH_ROWS:
            return Resealed(kept, resealed, closed)
        last = (rows[-1].scope, rows[-1].idempotency_key)


def _reseal_webhooks(database: Database, seal: Seal) -> None:
    with writing(database) as connection:
        rows = connection.execute(
            select(_WEBHOOK.c.webhook_id, _WEBHOOK.c.secret, _WEBHOOK.c.old_secret)
            .where(_WEBHOOK.c.removed_ms.is_(None))
            .order_by(_WEBHOOK.c.webhook_id)
            .with_for_update()
        ).all()
        for row in rows:
            try:
                values = {
                    name: seal.close(
                        seal.open(bytes(sealed), SCOPE, row.webhook_id), SCOPE, row.webhook_id
                    )
                    for name, sealed in (("secret", row.secret), ("old_secret", row.old_secret))
                    if sealed
                }
            except SealError:
                continue  # Its owner must be given another one.
            connection.execute(
                update(_WEBHOOK).values(values).where(_WEBHOOK.c.webhook_id == row.webhook_id)
            )


def _next_answers(last: tuple[str, str]) -> Select[Any]:
    place = (_ANSWER.c.scope, _ANSWER.c.idempotency_key)
    return (
        select(*place, _ANSWER.c.answer)
        .where(tuple_(*place) > tuple_(*last))
        .order_by(*place)
        .limit(_BATCH_ROWS)
        .with_for_update()
    )


def _put_answer(connection: Connection, scope: str, key: str, sealed: bytes) -> None:
    connection.execute(
        update(_ANSWER)
        .values(answer=sealed)
        .where(_ANSWER.c.scope == scope, _ANSWER.c.idempotency_key == key)
    )
