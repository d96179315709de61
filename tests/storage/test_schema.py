"""The schema: what migrations build is what the code describes, and it guards itself."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import CheckConstraint, create_engine, inspect, pool, text
from sqlalchemy.exc import IntegrityError
from sqlmodel import SQLModel

from loyalty_service.application.operators.create_key import CreateKey
from loyalty_service.domain.codes import code_digest
from loyalty_service.domain.keys import Role, key_digest
from loyalty_service.domain.ledger import ACCOUNTS, GENESIS, AccountKind
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import SchemaError, migrate, require_current
from tests.support.databases import Backend
from tests.support.doing import create_key, identify_member
from tests.support.ledger import audit, execute, rows
from tests.support.programs import PROGRAM_ID, enroll, identify_command, issue
from tests.support.stores import PEPPER, demo_store


def test_migrations_build_what_the_tables_describe(database_url: str) -> None:
    """Alembic finds no difference between the migrated database and the table classes."""
    engine = create_engine(Database.from_text(database_url).sync_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, SQLModel.metadata) == []


def test_migrations_build_every_check(database_url: str) -> None:
    """Every CHECK of the table classes is in the migrated database."""
    engine = create_engine(Database.from_text(database_url).sync_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        inspector = inspect(connection)
        for table in SQLModel.metadata.tables.values():
            described = {
                constraint.name
                for constraint in table.constraints
                if isinstance(constraint, CheckConstraint)
            }
            built = {check["name"] for check in inspector.get_check_constraints(table.name)}
            assert built == described


def test_migrating_again_changes_nothing(backend: Backend) -> None:
    """An empty database is migrated once; the second time there is nothing to do."""
    url = backend.empty_database()
    database = Database.from_text(url)
    with pytest.raises(SchemaError, match="loyalty migrate"):
        require_current(database)
    before, newest = migrate(database)
    assert before is None
    assert migrate(database) == (newest, newest)
    require_current(database)
    backend.drop(url)


def test_newer_schema_is_refused(database_url: str) -> None:
    """A database that a newer version has migrated is neither opened nor migrated."""
    execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    database = Database.from_text(database_url)
    with pytest.raises(SchemaError, match="newer"):
        require_current(database)
    with pytest.raises(SchemaError, match="newer"):
        migrate(database)


@pytest.mark.parametrize(
    ("statement", "check"),
    [
        ("UPDATE account SET balance = -1 WHERE kind = 1", "account_balance_not_negative"),
        ("UPDATE account SET balance = -1 WHERE kind = 2", "account_balance_not_negative"),
        ("UPDATE account SET member_number = NULL WHERE kind = 1", "account_owner"),
        ("UPDATE transfer SET points = 0", "transfer_points_positive"),
        ("UPDATE transfer SET source_id = destination_id", "transfer_accounts_differ"),
        ("UPDATE catalog_revision SET single = 2", "catalog_revision_single"),
    ],
)
async def test_database_refuses_a_broken_ledger(
    database_url: str, statement: str, check: str
) -> None:
    """No statement, wherever it comes from, takes a member below zero or unhinges a transfer."""
    async with demo_store(database_url) as store:
        await enroll(store, 10)
    with pytest.raises(IntegrityError, match=check):
        execute(database_url, statement)
    audit(database_url)


@pytest.mark.parametrize("kind", AccountKind)
async def test_database_knows_the_terms_of_each_kind_of_account(
    database_url: str, kind: AccountKind
) -> None:
    """An account has an owner and a balance as its kind allows: a migration taught it so."""
    terms = ACCOUNTS[kind]
    async with demo_store(database_url) as store:
        await enroll(store)
    ((member,),) = rows(database_url, "SELECT number FROM member")

    takes = {
        (owner, balance)
        for owner in (member, None)
        for balance in (-1, 0, 1)
        if _takes_account(database_url, kind, owner, balance)
    }

    owner = member if terms.of_member else None
    assert takes == {
        (owner, balance) for balance in (-1, 0, 1) if terms.least <= balance <= terms.most
    }


def _takes_account(
    database_url: str, kind: AccountKind, member_number: int | None, balance: int
) -> bool:
    """Tell whether the database takes an account, which goes again."""
    engine = create_engine(Database.from_text(database_url).sync_url(), poolclass=pool.NullPool)
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(
            text("DELETE FROM account WHERE kind = :kind AND sequence = 0"), {"kind": kind.value}
        )
        values = {
            "program_id": PROGRAM_ID,
            "member_number": member_number,
            "kind": kind.value,
            "shard": 99,
            "balance": balance,
            "sequence": 0,
            "head": GENESIS,
        }
        names = ", ".join(values)
        places = ", ".join(f":{name}" for name in values)
        adding = text(f"INSERT INTO account ({names}) VALUES ({places})")  # noqa: S608 - ours.
        try:
            connection.execute(adding, values)
        except IntegrityError:
            return False
        finally:
            transaction.rollback()
    return True


async def test_program_accounts_may_be_negative(database_url: str) -> None:
    """The program's side of an adjustment is below zero, so that all accounts sum to zero."""
    async with demo_store(database_url) as store:
        await enroll(store, 10)
    (adjusted,) = rows(database_url, "SELECT sum(balance) AS points FROM account WHERE kind = 6")
    assert adjusted.points == -10


async def test_secrets_are_not_in_the_database(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the digits of a code nor an API key can be read from the database."""
    digits = "930715"
    monkeypatch.setattr("loyalty_service.application.codes.issue_code.new_code", lambda: digits)
    async with demo_store(database_url) as store:
        assert await issue(store, await enroll(store)) == digits
        command = CreateKey(PROGRAM_ID, "partner", Role.TILL)
        created = await store.write(lambda unit, now: create_key(unit, command, now))
        await store.write(lambda unit, now: identify_member(unit, identify_command(digits), now))
    content = _content(database_url)
    assert key_digest(created.secret) in content
    assert code_digest(PEPPER, PROGRAM_ID, digits) in content
    assert created.secret.encode() not in content
    assert digits.encode() not in content
    assert PEPPER not in content
    assert code_digest(b"", PROGRAM_ID, digits) not in content


def _content(database_url: str) -> bytes:
    """Give all that the tables hold; of an embedded database the very bytes of its files too."""
    database = Database.from_text(database_url)
    pieces = [
        value if isinstance(value, bytes) else str(value).encode()
        for table in SQLModel.metadata.tables
        for row in rows(database_url, f'SELECT * FROM "{table}"')  # noqa: S608 - our own names.
        for value in row
    ]
    if database.embedded:
        file = Path(database.url.database or "")
        pieces += [path.read_bytes() for path in file.parent.glob(f"{file.name}*")]
    return b"\n".join(pieces)


def test_embedded_database_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    """The file that holds points and names is closed to other accounts of the machine."""
    path = tmp_path / "new" / "loyalty.db"
    migrate(Database.from_text(f"sqlite:///{path}"))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
