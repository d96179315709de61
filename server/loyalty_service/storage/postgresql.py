"""
How a writer's transactions on PostgreSQL begin and end.

Nothing here rests on what a session keeps from one transaction to the next: behind a pooler each
transaction may run in another session, and each session may serve others in between. So every
setting is made again in each transaction and ends with it, and so do all locks.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import structlog
from psycopg.errors import Diagnostic

from loyalty_service.domain.platforms import Platform
from loyalty_service.storage.durability import UnsafeDatabaseError, require_synced

ADVISORY_SPACE = 0x10A1
"""Keeps our advisory locks apart from those of others in the database."""

PREPARE_AFTER = 5
"""Runs of a statement after which it is prepared under a name."""

MARK_SPACE = 0x10A5
"""
Of the locks that tell whether a transaction is still under way.

Each holds one of a number drawn for it. Whoever gets that lock alone knows that it has ended, be it
by a commit, an error, a lost session or a failover; what it came to, a row of its own tells.
"""

TERMS_SPACE = 0x10A4
LOCK_TERMS = f"SELECT pg_advisory_xact_lock({TERMS_SPACE}, 0)"
"""
Waits until no other transaction of a writer is under way, and lets none begin.

Every writer's transaction holds this lock shared: which terms points go by must not change while
one moves some.
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """
    How long a transaction may take, and how soon the database notices that its client is gone.

    Attributes:
        lock_timeout_s: Longest wait for a lock, in seconds.
        transaction_max_s: Longest transaction, in seconds; PostgreSQL 17 and newer hold to it.
        network_timeout_s: Longest silence of a client that owes an acknowledgement, in seconds.
        keepalive: Seconds of silence, seconds between questions, and questions.
    """

    lock_timeout_s: float
    transaction_max_s: float
    network_timeout_s: float
    keepalive: tuple[int, int, int]


class WriterConnection(psycopg.Connection[Any]):
    """
    A connection of a writer, which keeps what it was warned of.

    Attributes:
        timeouts: What each of its transactions is held to.
        allow_data_loss: Whether to write where acknowledged points may be lost, too.
        platform: What makes up for settings that are off.
        warnings: What the database warned of since they were last cleared.
    """

    timeouts: Timeouts
    allow_data_loss: bool
    platform: Platform | None
    warnings: list[str]

    @classmethod
    def open(
        cls,
        dsn: str,
        timeouts: Timeouts,
        *,
        allow_data_loss: bool,
        platform: Platform | None = None,
        **how: Any,
    ) -> WriterConnection:
        """
        Connect; begins nothing.

        Raises:
            psycopg.OperationalError: The database does not answer.
        """
        connection = cls.connect(dsn, autocommit=True, prepare_threshold=None, **how)
        connection.timeouts = timeouts
        connection.allow_data_loss = allow_data_loss
        connection.platform = platform
        connection.warnings = []
        connection.add_notice_handler(connection.take_notice)
        return connection

    def name_statements(self, session: int | None) -> None:
        """
        Prepare statements under names from now on, if the session is this connection's own.

        A pooler gives its clients process numbers of its own. In a session that others share, a
        name may be absent, or be that of another client's statement.

        Args:
            session: Process number of the session; nothing to use no names.
        """
        own = session is not None and session == self.info.backend_pid
        self.prepare_threshold = PREPARE_AFTER if own else None

    def take_notice(self, told: Diagnostic) -> None:
        """Keep a warning."""
        # Neither text nor code tells surely which warning it is: the text is in the server's
        # language, and a wait for a standby that was cancelled has the code of any warning.
        if told.severity_nonlocalized == "WARNING":
            self.warnings.append(f"{told.sqlstate}: {told.message_primary}")


@dataclass(frozen=True, slots=True)
class Begun:
    """
    What a transaction began with.

    Attributes:
        revision: The catalogue's.
        mark: Number of the lock that it holds until it ends; absent on SQLite.
        shard: Shard of program accounts that is this transaction's own.
        replicated: Whether its commit waits for a synchronous standby.
        registered: Servers asked for that the others know of, and will until it ends.
        session: PostgreSQL's number of the session, also behind a pooler; 0 on SQLite.
    """

    revision: int
    mark: int | None = None
    shard: int = 0
    replicated: bool = False
    registered: frozenset[str] = frozenset()
    session: int = 0


_LOCAL = f"""
SELECT pg_backend_pid(),
  coalesce(current_setting('synchronous_standby_names', true), '') <> '',
  (SELECT shard FROM generate_series(0, %s - 1) AS shard
   WHERE pg_try_advisory_xact_lock({ADVISORY_SPACE}, shard) LIMIT 1),
  current_setting('fsync', true), current_setting('full_page_writes', true),
  set_config('lock_timeout', %s, true),
  CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
    THEN set_config('transaction_timeout', %s, true) END,
  set_config('client_min_messages', 'warning', true),
  CASE WHEN %s AND current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')
    THEN set_config('synchronous_commit', 'on', true) END,
  set_config('tcp_user_timeout', %s, true),
  set_config('tcp_keepalives_idle', %s, true),
  set_config('tcp_keepalives_interval', %s, true),
  set_config('tcp_keepalives_count', %s, true),
  pg_advisory_xact_lock_shared({TERMS_SPACE}, 0),
  pg_advisory_xact_lock_shared({MARK_SPACE}, %s)
"""  # noqa: S608 - a number of ours.
"""Makes the settings of one transaction, and tells what it rests on."""

_WRITE = "SELECT pg_logical_emit_message(true, 'loyalty', '')"
"""
Writes to the write-ahead log and nowhere else.

A commit waits for a standby only when its transaction wrote there.
"""


_REGISTERED = "SELECT server_id FROM server WHERE server_id = ANY(%s) FOR KEY SHARE"
"""
Finds which of these servers are registered, and keeps them so until the transaction ends.

It makes no beat wait, and no other transaction of the kind.
"""


def begin(
    connection: Any,
    revision_sql: str,
    shards: int = 1,
    lock_timeout_s: float | None = None,
    servers: Sequence[str] = (),
) -> Begun:
    """
    Begin a transaction whose settings and locks end with it.

    Args:
        connection: A `WriterConnection`.
        revision_sql: Query for the catalogue's revision.
        shards: How many there are; the first is taken that no other transaction has, so that
            writers never wait for one another there, or any when none is free.
        lock_timeout_s: Longest wait for a lock, where it is not the connection's.
        servers: Servers whose rows are to be held; see `presence.py`.

    Raises:
        UnsafeDatabaseError: The server runs with `fsync` or `full_page_writes` off.
    """
    timeouts: Timeouts = connection.timeouts
    longest_s = timeouts.lock_timeout_s if lock_timeout_s is None else lock_timeout_s
    idle_s, interval_s, count = timeouts.keepalive
    values = (
        shards,
        _ms(longest_s),
        _ms(timeouts.transaction_max_s),
        not connection.allow_data_loss,
        _ms(timeouts.network_timeout_s),
        *map(str, (idle_s, interval_s, count)),
        mark := secrets.randbits(32) - 2**31,
    )
    connection.name_statements(None)
    with connection.pipeline():
        connection.execute("BEGIN")
        told = connection.execute(_LOCAL, values)
        found = connection.execute(revision_sql)
        held = connection.execute(_REGISTERED, (list(servers),)) if servers else None
        session, replicated, shard, fsync, full_pages, *_ = told.fetchone()
        (revision,) = found.fetchone()
        registered = frozenset() if held is None else frozenset(row[0] for row in held.fetchall())
    connection.name_statements(session)
    if not connection.allow_data_loss:
        require_synced(fsync, full_pages, connection.platform)
    own = secrets.randbelow(shards) if shard is None else shard
    return Begun(revision, mark, own, replicated, registered, session)


def commit(connection: Any, begun: Begun, flush: Callable[[], None] | None = None) -> bool:
    """
    Write what *flush* has left to write, and commit; returns whether that is known to be durable.

    It is not where the database warned: when the wait for a synchronous standby is cancelled,
    PostgreSQL commits on the primary alone and says so by a warning.

    Raises:
        psycopg.OperationalError: The connection was lost, which leaves the outcome open.
    """
    connection.warnings.clear()
    with connection.pipeline():
        if flush is not None:
            flush()
        if begun.replicated:
            connection.execute(_WRITE)
        connection.execute("COMMIT")
    if connection.warnings:
        log.warning("commit may be on the primary alone", told=connection.warnings[0])
    return not connection.warnings


IS_OVER = f"SELECT pg_try_advisory_xact_lock({MARK_SPACE}, %s)"
"""
Tells whether no transaction with such a mark is under way.

Ask in a transaction that ends with it: what it has come to is seen by those that begin later.
"""


def is_over(connection: Any, mark: int) -> bool:
    """Tell whether a transaction has ended, outside of any other; whatever it has come to."""
    (free,) = connection.execute(IS_OVER, (mark,)).fetchone()
    return bool(free)


def require_transactions(connection: Any) -> None:
    """
    Refuse a server, or a pooler before it, on which a transaction can't be relied on.

    Raises:
        UnsafeDatabaseError: It does not keep a transaction together, or does not sync.
        psycopg.OperationalError: The connection was lost.
    """
    try:
        # One by one: a pooler that cuts a pipeline in two tells nobody why.
        connection.execute("BEGIN")
        connection.execute(_NOTE)
        (kept,) = connection.execute(_NOTED).fetchone()
        connection.execute("ROLLBACK")
    except psycopg.errors.ProtocolViolation as problem:
        raise UnsafeDatabaseError(_TORN.format(why=problem)) from None
    if kept != "kept":
        raise UnsafeDatabaseError(_TORN.format(why="two statements ran in two transactions"))
    begin(connection, "SELECT 0")
    connection.execute("ROLLBACK")


_NOTE = "SELECT set_config('loyalty.note', 'kept', true)"
_NOTED = "SELECT current_setting('loyalty.note', true)"
_TORN = (
    "the pooler before PostgreSQL does not keep a transaction together ({why}): set its pool_mode "
    "to transaction or session for this database; statement mode can't be served from"
)


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))
