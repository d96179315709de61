"""Brings a database to this version's schema, and back to an older one, by Alembic."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import (
    Connection,
    create_engine,
    exists,
    inspect,
    literal_column,
    pool,
    select,
    text,
)
from sqlalchemy import column as column_of
from sqlalchemy import table as table_of

from loyalty_service.domain.ledger import AccountKind, Cause, OwnerKind
from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.storage.alone import require_unopened, require_unserved
from loyalty_service.storage.connections import reading, writing
from loyalty_service.storage.databases import Database, is_absent
from loyalty_service.storage.postgresql import ADVISORY_SPACE
from loyalty_service.storage.report_views import drop_views, make_views

MIGRATIONS = Path(__file__).parent / "migrations"

_MIGRATION = -1
"""Of our advisory locks the one that no shard has."""

_DEBTS_ARE_PAID = "0005"
"""Schema since which points that were held may go to what their member owes."""

_OWNERS_DIFFER = "0006"
"""Schema since which points may be held and moved for others than transactions."""

BASE = "base"
"""Revision of a database without tables."""

SHORT_LIVED = {
    "code_tally",
    "wrong_code",
    "code_refusal",
    "code_month",
    "code_regular",
    "code.partner",
    "code_pepper",
    "limit_tally",
    "key_use",
    "reservation",
    "server",
}
"""
Tables and columns whose content is of use for a day, or comes back as guests come.

No data is lost when an older schema has no place for it.
"""

TOLD_AGAIN = {
    "loyalty_transaction.refused_offers",
    "loyalty_transaction.paid_store_id",
    "loyalty_transaction.order_digest",
    "loyalty_transaction.business_day",
    "loyalty_transaction.till_created",
    "loyalty_transaction.program_version",
    "loyalty_transaction.earned_by",
    "loyalty_transaction.points_returned",
    "loyalty_transaction.earn_only",
    "remembered_answer.stores",
    "remembered_answer.named",
    "member_email",
    "member_term",
    "account.moved_ms",
    "account.untimed",
    "hold.owner_kind",
    "transfer.owner_kind",
    "event_lane",
}
"""Tables and columns that are made again of what an older schema keeps, or can do without."""


MADE_AGAIN = {"program_version": "version = 1"}
"""Rows of tables that the way up makes again of what an older schema keeps."""


class SchemaError(OperatorError):
    """Raised when a database has a schema this version can't work with."""


class DataLossError(OperatorError):
    """Raised when an older schema has no place for what the database holds."""


def migrate(database: Database, revision: str = "head") -> tuple[str | None, str]:
    """
    Apply what is missing up to a revision, all or nothing; return the revisions before and after.

    Raises:
        SchemaError: The schema is newer than this version or than *revision*, or there is no such
            revision.
        UnreachableError: The database does not answer.
    """
    wanted = _revision(revision)
    found = _found(database)
    if found == wanted:
        return found, wanted
    with writing(database) as connection:
        _queue(connection)
        before = _known(_current(connection))
        if _place(before) > _place(wanted):
            raise SchemaError(f"the database has schema {before}, which is newer than {wanted}")
        readers = drop_views(connection)
        command.upgrade(_config(connection), wanted)
        if wanted == newest():
            make_views(connection, readers)
    return before, wanted


def downgrade(
    database: Database, revision: str, *, lose_data: bool = False
) -> tuple[str | None, str]:
    """
    Go back to an older schema, all or nothing; return the revisions before and after.

    Raises:
        DataLossError: The older schema has no place for what is stored, or its versions call that
            wrong, and *lose_data* is off.
        OpenElsewhereError: A server has the database open, and would fail on an older schema.
        SchemaError: There is no such revision, or it is newer than the database's.
        UnreachableError: The database does not answer.
    """
    wanted = _revision(revision)
    with ExitStack() as cleanup:
        if not is_absent(database):
            # Whoever opens it from now on finds the older schema, and can't serve.
            require_unopened(database)
        connection = cleanup.enter_context(writing(database))
        _queue(connection)
        require_unserved(database, connection)
        before = _known(_current(connection))
        if _place(before) < _place(wanted):
            raise SchemaError(
                f"the database has schema {before or BASE}, which is older than {wanted}: "
                "`loyalty migrate` goes up"
            )
        lost = _lost(connection, before, wanted)
        if lost and not lose_data:
            raise DataLossError(
                f"schema {wanted} has no place for what is in {', '.join(lost)}: nothing was "
                "changed. Take a backup first; --yes goes back all the same and DELETES this data"
            )
        foreign = _foreign_transfers(connection, before, wanted)
        if foreign and not lose_data:
            raise DataLossError(
                f"in {foreign} transfers held points paid a debt. Versions with schema {wanted} do "
                "not know such transfers: their audit and their backups would fail for good. "
                "Nothing was changed. Take a backup first; --yes goes back all the same"
            )
        strange = _strange_owners(connection, before, wanted)
        if strange and not lose_data:
            raise DataLossError(
                f"{strange} holds and transfers belong to something other than a transaction. "
                f"Versions with schema {wanted} would miss the transactions: their audit and their "
                "backups would fail for good. Nothing was changed. Take a backup first; --yes goes "
                "back all the same"
            )
        drop_views(connection)
        command.downgrade(_config(connection), wanted)
    return before, wanted


def newest() -> str:
    """Name the schema of this version."""
    return _revision("head")


def is_older(database: Database, revision: str) -> bool:
    """
    Tell whether a revision is older than the database's schema.

    Raises:
        SchemaError: There is no such revision, or the database's is newer than this version.
        UnreachableError: The database does not answer.
    """
    return _place(_revision(revision)) < _place(_found(database))


def steps(before: str | None, after: str) -> list[str]:
    """Name the revisions between two, in the order in which they were applied or taken back."""
    low, high = sorted((_place(before), _place(after)))
    between = [f"{script.revision}: {script.doc}" for script in _scripts()[low:high]]
    return between if _place(before) == low else between[::-1]


def require_current(database: Database) -> None:
    """
    Refuse a database whose schema is not this version's.

    Raises:
        SchemaError: The schema is older, newer or absent.
        UnreachableError: The database does not answer.
    """
    found, newest = _found(database), _revision("head")
    if found != newest:
        raise SchemaError(
            f"the database has schema {found or 'none'} and this version needs {newest}: "
            "run `loyalty migrate`"
        )


def require_known(revision: str) -> None:
    """
    Refuse a revision that this version has never heard of.

    Raises:
        SchemaError: It is newer than this version.
    """
    _known(revision)


def _queue(connection: Connection) -> None:
    """Wait until nobody else changes the schema; an embedded database has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ADVISORY_SPACE}, {_MIGRATION})")


def _found(database: Database) -> str | None:
    """Read the database's revision; refuse one we have never heard of."""
    if database.embedded and not Path(database.url.database or "").exists():
        return None
    with reading(database) as connection:
        return _known(_current(connection))


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _known(found: str | None) -> str | None:
    names = [script.revision for script in _scripts()]
    if found is not None and found not in names:
        raise SchemaError(
            f"the database has schema {found}, which is newer than this version's {names[-1]}: "
            "run a newer version"
        )
    return found


def _revision(name: str) -> str:
    """Name a revision in full, also the newest and none."""
    known = [script.revision for script in _scripts()]
    if name == "head":
        return known[-1]
    if name not in {*known, BASE}:
        raise SchemaError(f"there is no schema {name}: this version knows {', '.join(known)}")
    return name


def _place(revision: str | None) -> int:
    """Count the revisions up to one, which is 0 for none."""
    names = [script.revision for script in _scripts()]
    return 0 if revision in {None, BASE} else names.index(str(revision)) + 1


def _lost(connection: Connection, before: str | None, after: str) -> list[str]:
    """Name the tables and columns with content for which an older schema has no place."""
    newer, older = _schema(MIGRATIONS, before or BASE), _schema(MIGRATIONS, after)
    lost = []
    for table, columns in newer.items():
        if table not in older:
            if table not in SHORT_LIVED | TOLD_AGAIN and _has_rows(connection, table, None):
                lost.append(table)
            continue
        for name in sorted(columns - older[table]):
            place = f"{table}.{name}"
            if place not in SHORT_LIVED | TOLD_AGAIN and _has_rows(connection, table, name):
                lost.append(place)
    return lost


def _foreign_transfers(connection: Connection, before: str | None, after: str) -> int:
    """Count transfers of a kind that the versions of an older schema call wrong."""
    if not _place(after) < _place(_DEBTS_ARE_PAID) <= _place(before) or after == BASE:
        return 0
    found = text(
        "SELECT count(*) FROM transfer JOIN account ON account_id = destination_id "
        "WHERE cause = :release AND kind = :debt"
    )
    values = {"release": int(Cause.RELEASE), "debt": int(AccountKind.DEBT)}
    return int(connection.execute(found, values).scalar_one())


def _strange_owners(connection: Connection, before: str | None, after: str) -> int:
    """Count holds and transfers that are not a transaction's, as an older schema has them all."""
    if not _place(after) < _place(_OWNERS_DIFFER) <= _place(before) or after == BASE:
        return 0
    found = text(
        "SELECT (SELECT count(*) FROM hold WHERE owner_kind <> :own)"
        " + (SELECT count(*) FROM transfer WHERE owner_kind <> :own)"
    )
    return int(connection.execute(found, {"own": int(OwnerKind.TRANSACTION)}).scalar_one())


@cache
def _schema(_folder: Path, revision: str) -> dict[str, set[str]]:
    """Give the tables of a revision and their columns, by building it in memory, once."""
    engine = create_engine("sqlite://", poolclass=pool.StaticPool)
    with engine.connect() as connection:
        if revision != BASE:
            command.upgrade(_config(connection), revision)
        inspector = inspect(connection)
        return {
            name: {column["name"] for column in inspector.get_columns(name)}
            for name in inspector.get_table_names()
            if name != "alembic_version"
        }


def _has_rows(connection: Connection, table: str, column: str | None) -> bool:
    lost = text(f"NOT ({MADE_AGAIN.get(table, '1 = 0')})")
    condition = lost if column is None else column_of(column).is_not(None)
    found = exists(literal_column("1")).select_from(table_of(table)).where(condition)
    return bool(connection.execute(select(found)).scalar())


def _scripts() -> tuple[Script, ...]:
    """Give the revisions, oldest first."""
    return _scripts_in(MIGRATIONS)


@cache
def _scripts_in(folder: Path) -> tuple[Script, ...]:
    """Read the revisions once: every look at a database asks for them several times."""
    return tuple(ScriptDirectory(str(folder)).walk_revisions())[::-1]


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
