"""
Empties what no rule needs any more, in small batches beside live calls.

The ledger, the orders themselves, and the keys under which calls were answered stay: so a call
that comes again years later still moves nothing. What is looked for is read without any lock;
only the rows that are changed are held, for some milliseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Connection, Table, text

from loyalty_service.domain.peppers import Peppers
from loyalty_service.storage import tables as t
from loyalty_service.storage.connections import require_database
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import require_current
from loyalty_service.storage.repositories.seal import Seal, SealError
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tools.batches import Gentle, gently
from loyalty_service.storage.tools.prune_events import prune_events

READ_ROWS = 2000

Shorten = Callable[[str, bytes], bytes | None]
"""Makes of the method and the answer that it gave what is to be kept; None for all of it."""

Before = Mapping[str, int]
"""The time of each program before which something goes, in milliseconds; others keep all."""


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """What goes, part by part of `domain.retention.Retention`."""

    orders: Before = field(default_factory=dict)
    answers: Before = field(default_factory=dict)
    events: Before = field(default_factory=dict)
    visits: Before = field(default_factory=dict)


@dataclass(slots=True)
class Pruned:
    """
    What was emptied, or would be.

    Attributes:
        rows: Rows that were emptied or deleted, by what they are.
        bytes: Bytes of the texts and answers in them, by the same.
        closed: Answers that none of the peppers opens, which stay.
        longest_s: Longest time that a batch held the database.
    """

    rows: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    closed: int = 0
    longest_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Part:
    """
    Rows that are emptied or deleted by their key.

    Attributes:
        key: Names of its columns.
        find: Selects the key, then the program, the time and the bytes of each; *after* is put
            in for the condition that a later page has.
        change: What is done with a row of this key.
        moved: The same for SQLite, where that differs.
    """

    what: str
    key: tuple[str, ...]
    find: str
    change: str
    moved: str = ""


def _moved(table: Table, changes: Mapping[str, str], condition: str) -> str:
    """
    Word how SQLite puts a changed row behind all others.

    Its pages are filled from the end alone: a row that only got shorter in its place would leave
    room that no other ever takes, and of rows that left, whole pages become free.
    """
    names = [column.name for column in table.columns]
    values = ", ".join(changes.get(name, name) for name in names)
    return (
        f"REPLACE INTO {table.name} ({', '.join(names)}) "  # noqa: S608 - names of ours.
        f"SELECT {values} FROM {table.name} WHERE {condition}"
    )


_EMPTIED = ("basket", "operator", "refused_offers", "earned_by", "till_created")
_SIZE = " + ".join(f"coalesce(length({name}), 0)" for name in _EMPTIED)
_OVER = "status IN (2, 3, 4)"

_ORDERS = (
    _Part(
        "orders emptied",
        ("transaction_id",),
        f"""
        SELECT transaction_id, program_id, updated_ms, {_SIZE} FROM loyalty_transaction
        WHERE {_OVER} AND updated_ms < :before
          AND ({" OR ".join(f"{name} IS NOT NULL" for name in _EMPTIED)})
        """,  # noqa: S608 - names of ours.
        f"""
        UPDATE loyalty_transaction SET {", ".join(f"{name} = NULL" for name in _EMPTIED)}
        WHERE transaction_id = :transaction_id AND {_OVER}
        """,  # noqa: S608
        _moved(
            table_of(t.TransactionTable),
            dict.fromkeys(_EMPTIED, "NULL"),
            f"transaction_id = :transaction_id AND {_OVER}",
        ),
    ),
    _Part(
        "reservations deleted",
        ("transaction_id", "incentive_id", "point_cost"),
        """
        SELECT transaction_id, incentive_id, point_cost, program_id, reserved_ms,
          length(transaction_id) + length(incentive_id) FROM reservation
        WHERE quantity = 0 AND reserved_ms < :before
        """,
        """
        DELETE FROM reservation WHERE transaction_id = :transaction_id
          AND incentive_id = :incentive_id AND point_cost = :point_cost AND quantity = 0
        """,
    ),
    _Part(
        "ended holds deleted",
        ("hold_id",),
        """
        SELECT hold_id, member.program_id, ended_ms, length(hold_id) + length(transaction_id)
        FROM hold JOIN member ON member.number = member_number
        WHERE status IN (3, 4) AND ended_ms < :before
        """,
        "DELETE FROM hold WHERE hold_id = :hold_id AND status IN (3, 4)",
    ),
    _Part(
        "voided redemptions deleted",
        ("redemption_id",),
        """
        SELECT redemption_id, program_id, voided_ms,
          length(redemption_id) + length(transaction_id) + length(incentive_id) FROM redemption
        WHERE voided_ms < :before
        """,
        "DELETE FROM redemption WHERE redemption_id = :redemption_id AND voided_ms IS NOT NULL",
    ),
)
# A session that a call has closed stays, as the answer of that call does: another one of its name
# would take another purchase under it.
_VISITS = (
    _Part(
        "sessions deleted",
        ("program_id", "correlation_id"),
        """
        SELECT program_id, correlation_id, program_id AS program, updated_ms,
          length(correlation_id) + coalesce(length(external_identifier), 0) FROM session
        WHERE updated_ms < :before AND status <> 2
        """,
        """
        DELETE FROM session WHERE program_id = :program_id AND correlation_id = :correlation_id
          AND status <> 2
        """,
    ),
    _Part(
        "codes deleted",
        ("program_id", "digest"),
        """
        SELECT program_id, digest, program_id AS program, updated_ms,
          length(selection) + length(loyalty_id) + coalesce(length(answer), 0) FROM code
        WHERE status <> 1 AND updated_ms < :before AND expires_ms < :before
        """,
        "DELETE FROM code WHERE program_id = :program_id AND digest = :digest AND status <> 1",
    ),
)


def prune(
    database: Database,
    cutoffs: Cutoffs,
    peppers: Peppers,
    shorten: Shorten,
    *,
    dry_run: bool = False,
) -> Pruned:
    """
    Empty what is older than the cutoffs; whoever runs it again goes on where it was ended.

    Raises:
        SchemaError: The database has another schema.
        UnreachableError: The database does not answer.
    """
    require_database(database)
    require_current(database)
    pruned = Pruned()
    with gently(database) as gentle:
        _shorten_answers(gentle, cutoffs.answers, Seal(peppers), shorten, pruned, dry=dry_run)
        for parts, before in ((_ORDERS, cutoffs.orders), (_VISITS, cutoffs.visits)):
            for part in parts:
                _prune_part(gentle, part, before, pruned, dry=dry_run)
        events, size = prune_events(gentle, cutoffs.events, dry=dry_run)
        pruned.rows["events deleted"], pruned.bytes["events deleted"] = events, size
        pruned.longest_s = gentle.pace.longest_s
    return pruned


def _after(key: Sequence[str], *, first: bool) -> str:
    """Word the condition of a page: the rows behind the last one of the page before."""
    order = ", ".join(key)
    if first:
        return f" ORDER BY {order} LIMIT :rows"
    places = ", ".join(f":last_{name}" for name in key)
    return f" AND ({order}) > ({places}) ORDER BY {order} LIMIT :rows"


def _pages(
    gentle: Gentle, find: str, key: Sequence[str], values: Mapping[str, Any]
) -> Iterator[Sequence[Any]]:
    """Read rows in the order of their key, a page at a time, each in a state of its own."""
    last: dict[str, Any] = {}
    while True:
        statement = text(find + _after(key, first=not last))
        asked = {**values, **last, "rows": READ_ROWS}
        rows = gentle.read(partial(_all, statement=statement, values=asked))
        yield rows
        if len(rows) < READ_ROWS:
            return
        last = {f"last_{name}": value for name, value in zip(key, rows[-1], strict=False)}


def _all(connection: Connection, statement: Any, values: Mapping[str, Any]) -> Sequence[Any]:
    return connection.execute(statement, values).all()


def _prune_part(gentle: Gentle, part: _Part, before: Before, pruned: Pruned, *, dry: bool) -> None:
    if not before:
        return
    change = text(part.moved if part.moved and gentle.embedded else part.change)
    for rows in _pages(gentle, part.find, part.key, {"before": max(before.values())}):
        old = [row for row in rows if row[-2] < before.get(row[-3], 0)]
        pruned.bytes[part.what] += sum(int(row[-1]) for row in old)
        keys = [dict(zip(part.key, row, strict=False)) for row in old]
        pruned.rows[part.what] += len(keys) if dry else _in_batches(gentle, change, keys)


def _in_batches(gentle: Gentle, change: Any, values: Sequence[Mapping[str, Any]]) -> int:
    """Change rows one by one, as many together as the pace allows; return how many there were."""
    changed = place = 0
    while place < len(values):
        some = values[place : place + gentle.pace.rows]
        changed += gentle.write(partial(_change, change=change, values=some))
        place += len(some)
    return changed


def _change(connection: Connection, change: Any, values: Sequence[Mapping[str, Any]]) -> int:
    return int(connection.execute(change, [dict(one) for one in values]).rowcount)


_ANSWERS = """
SELECT scope, idempotency_key, method, answer, created_ms FROM remembered_answer
WHERE created_ms < :before
"""
_SHORTENED = text(
    """
    UPDATE remembered_answer SET answer = :short
    WHERE scope = :scope AND idempotency_key = :key AND answer = :answer
    """
)


_SHORTENED_AND_MOVED = text(
    _moved(
        table_of(t.KeptAnswerTable),
        {"answer": ":short"},
        "scope = :scope AND idempotency_key = :key AND answer = :answer",
    )
)


def _shorten_answers(
    gentle: Gentle, before: Before, seal: Seal, shorten: Shorten, pruned: Pruned, *, dry: bool
) -> None:
    """Keep of each answer the names and numbers in it, sealed as it was."""
    if not before:
        return
    key = ("scope", "idempotency_key")
    for rows in _pages(gentle, _ANSWERS, key, {"before": max(before.values())}):
        values = []
        for scope, name, method, sealed, created_ms in rows:
            if created_ms >= before.get(program_of(scope), 0):
                continue
            try:
                answer = seal.open(bytes(sealed), scope, name)
            except SealError:
                pruned.closed += 1
                continue
            short = shorten(method, answer)
            if short is None or len(short) >= len(answer):
                continue
            pruned.bytes["answers shortened"] += len(answer) - len(short)
            values.append(
                {
                    "scope": scope,
                    "key": name,
                    "answer": bytes(sealed),
                    "short": seal.close(short, scope, name),
                }
            )
        change = _SHORTENED_AND_MOVED if gentle.embedded else _SHORTENED
        done = len(values) if dry else _in_batches(gentle, change, values)
        pruned.rows["answers shortened"] += done


def program_of(scope: str) -> str:
    """
    Tell whose program an answer's scope is of; an operator's is of none.

    See `application.orders.repeated_orders` and `application.perform` for the forms of scopes.
    """
    place, _, rest = scope.partition("/")
    if place == "promo":
        return rest.partition("/")[0]
    return place.rpartition(":")[2]
