"""The audit: one row changed, deleted, inserted or moved is found and named, on every backend."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, pool, text

from loyalty_service.application.operators.adjust_points import AdjustPoints
from loyalty_service.cli import main
from loyalty_service.domain.ledger import POINTS_MAX
from loyalty_service.storage.databases import Database, UnreachableError
from loyalty_service.storage.migrate import SchemaError
from loyalty_service.storage.tools.audit import audit
from loyalty_service.storage.tools.findings import PROBLEMS_KEPT_MAX, Findings
from tests.support.databases import Backend, fresh_database
from tests.support.doing import adjust_points
from tests.support.ledger import rows
from tests.support.lived_store import lived_database
from tests.support.orders import CLAIMED, COFFEE, Till, basket, reward
from tests.support.programs import PROGRAM_ID, enroll
from tests.support.stores import demo_store

_ANOTHER_HASH = "(SELECT max(digest) FROM api_key)"


@pytest.fixture
def lived_url(backend: Backend) -> Iterator[str]:
    """A store of each kind in which everything has happened that can."""
    with lived_database(backend) as url:
        yield url


def _audit(url: str) -> Findings:
    return audit(Database.from_text(url))


def _tamper(url: str, *statements: str, **values: object) -> None:
    """Change rows as somebody who minds no constraint would."""
    engine = create_engine(Database.from_text(url).sync_url(), poolclass=pool.NullPool)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")
        for statement in statements:
            connection.execute(text(statement), values)


def _change(url: str, table: str, change: str, number: int) -> None:
    statement = f"UPDATE {table} SET {change} WHERE {table}_id = :number"  # noqa: S608 - ours.
    _tamper(url, statement, number=number)


def _first(findings: Findings) -> tuple[str, str]:
    return findings.problems[0].table, findings.problems[0].key


def test_everything_that_happens_holds(lived_url: str) -> None:
    """The doings of members leave nothing that the audit minds."""
    findings = _audit(lived_url)

    assert findings.problems == []
    assert findings.all_hold
    assert findings.rows["transfer"] == rows(lived_url, "SELECT count(*) FROM transfer")[0][0] > 15
    causes = rows(lived_url, "SELECT DISTINCT cause FROM transfer ORDER BY cause")
    assert [row.cause for row in causes] == [1, 2, 3, 4, 5, 6, 7]


def test_empty_store_holds(database_url: str) -> None:
    """A store that was only migrated has nothing wrong."""
    assert _audit(database_url).all_hold


def test_void_that_gives_back_what_fits_holds(database_url: str) -> None:
    """Burned points that a member has no room for any more are missed by nobody."""

    async def fill() -> None:
        async with demo_store(database_url) as store:
            till = Till(store)
            guest = await enroll(store, POINTS_MAX)
            transaction = await till.identify(guest)
            await till.update(transaction, CLAIMED, basket(reward(COFFEE)))
            more = AdjustPoints(PROGRAM_ID, guest, 700, "test", beyond_limits=True)
            await store.write(lambda unit, now_ms: adjust_points(unit, more, now_ms))
            voided = await till.void(transaction)
            assert voided.result.redeemed_points == 100

    asyncio.run(fill())
    assert _audit(database_url).problems == []


def test_inserted_transfer_with_the_due_numbers_is_named(lived_url: str) -> None:
    """A transfer that pretends to be the next one of its accounts has no right hash."""
    _tamper(
        lived_url,
        "INSERT INTO transfer (source_id, destination_id, points, cause, transaction_id, note, "
        "effective_ms, recorded_ms, source_sequence, source_hash, destination_sequence, "
        "destination_hash) "
        "SELECT source.account_id, destination.account_id, 1000, 3, '', 'gift', 1, 1, "
        "source.sequence + 1, source.head, destination.sequence + 1, destination.head "
        "FROM account AS source, account AS destination "
        "WHERE source.kind = 6 AND destination.kind = 1 LIMIT 1",
    )
    ((number,),) = rows(lived_url, "SELECT max(transfer_id) FROM transfer")

    findings = _audit(lived_url)

    assert _first(findings) == ("transfer", str(number))
    assert "hash" in findings.problems[0].what


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("balance = balance + 1", "points where its transfers make"),
        ("sequence = sequence + 1", "transfers where its chain ends"),
        (f"head = {_ANOTHER_HASH}", "hash"),
        ("moved_ms = moved_ms + 1", "where its transfers end at"),
    ],
)
def test_changed_account_is_named(lived_url: str, change: str, what: str) -> None:
    """An account row that is not what its transfers make is the first bad row."""
    ((number,),) = rows(
        lived_url, "SELECT max(account_id) FROM account WHERE kind = 1 AND sequence > 0"
    )
    _change(lived_url, "account", change, number)

    findings = _audit(lived_url)

    assert _first(findings) == ("account", str(number))
    assert what in findings.problems[0].what


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("DELETE FROM account WHERE kind = 2 AND sequence = 0", "member"),
        ("DELETE FROM account WHERE kind = 7", "account"),
        ("UPDATE hold SET points = points + 1 WHERE status = 1", "account"),
        ("UPDATE hold SET status = 1, ended_ms = NULL WHERE status = 2", "account"),
        ("UPDATE hold SET points = points + 1 WHERE status = 2", "loyalty_transaction"),
        ("UPDATE hold SET ended_ms = NULL WHERE status = 2", "hold"),
        ("UPDATE hold SET owner_kind = 2", "hold"),
        ("UPDATE hold SET transaction_id = 'none' WHERE status = 3", "hold"),
        ("UPDATE loyalty_transaction SET status = 3 WHERE status = 1", "hold"),
        ("UPDATE loyalty_transaction SET status = 3 WHERE status = 2", "loyalty_transaction"),
        ("UPDATE loyalty_transaction SET status = 2 WHERE status = 3", "loyalty_transaction"),
        ("UPDATE loyalty_transaction SET status = 1 WHERE status = 2", "loyalty_transaction"),
        (
            "UPDATE loyalty_transaction SET points_earned = points_earned + 1 WHERE status = 2",
            "loyalty_transaction",
        ),
        (
            "UPDATE loyalty_transaction SET points_returned = 1 WHERE status = 2",
            "loyalty_transaction",
        ),
        (
            "UPDATE loyalty_transaction SET points_redeemed = points_redeemed + 1",
            "loyalty_transaction",
        ),
        (
            "UPDATE loyalty_transaction SET member_number = NULL WHERE status = 1",
            "loyalty_transaction",
        ),
        (
            "UPDATE loyalty_transaction SET member_number = 3 WHERE status = 1",
            "transfer",
        ),
        ("DELETE FROM loyalty_transaction WHERE status = 2", "transfer"),
        ("UPDATE redemption SET voided_ms = 1 WHERE voided_ms IS NULL", "redemption"),
        ("UPDATE redemption SET quantity = 2 WHERE voided_ms IS NULL", "incentive_usage"),
        ("UPDATE incentive_usage SET quantity = quantity + 1", "incentive_usage"),
        (
            """DELETE FROM redemption WHERE transaction_id IN (SELECT transaction_id
            FROM loyalty_transaction WHERE receipt_digest IS NOT NULL AND status = 2)""",
            "incentive_usage",
        ),
        ("UPDATE member_email SET program_id = 'other'", "member_email"),
        ("UPDATE member_email SET member_number = 1", "member_email"),
        ("UPDATE code SET transaction_id = 'none' WHERE status = 2", "code"),
        ("UPDATE event SET available = available + 1 WHERE kind = 24", "account"),
        ("UPDATE event SET held_sequence = held_sequence + 1 WHERE kind = 21", "account"),
        (
            """DELETE FROM event WHERE member_number = 1 AND available_sequence =
            (SELECT max(available_sequence) FROM event WHERE member_number = 1)""",
            "account",
        ),
    ],
)
def test_broken_promise_is_named(lived_url: str, statement: str, table: str) -> None:
    """A row that does not go with the ledger is found, and its table named."""
    _tamper(lived_url, statement)

    findings = _audit(lived_url)

    assert not findings.all_hold
    assert table in {problem.table for problem in findings.problems}


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM event WHERE event_id = (SELECT max(event_id) FROM event)",
        "DELETE FROM event WHERE event_id = (SELECT min(event_id) + 1 FROM event)",
        "DELETE FROM event_lane",
        "UPDATE event_lane SET newest = newest + 1",
    ],
)
def test_lost_event_of_a_lane_is_named(lived_url: str, statement: str) -> None:
    """Events are counted, so that the loss of one is found, and so is the loss of the count."""
    _tamper(lived_url, statement)

    assert "event_lane" in {problem.table for problem in _audit(lived_url).problems}


async def test_event_that_was_lost_is_missed_for_good(database_url: str) -> None:
    """What comes after the loss of the newest event does not cover it up."""
    async with demo_store(database_url) as store:
        await enroll(store)
        newest = "DELETE FROM event WHERE event_id = (SELECT max(event_id) FROM event)"
        await asyncio.to_thread(_tamper, database_url, newest)
        await enroll(store)

    assert {problem.table for problem in _audit(database_url).problems} == {"event_lane"}


def test_wrong_type_is_named_on_sqlite(sqlite: Backend) -> None:
    """SQLite takes text where bytes belong; the audit names the row and goes on."""
    with lived_database(sqlite) as url:
        _tamper(url, "UPDATE transfer SET source_hash = 'text' WHERE transfer_id = 2")

        assert _first(_audit(url)) == ("transfer", "2")


def test_trigger_and_view_are_named_on_sqlite(sqlite: Backend) -> None:
    """What somebody added to the schema, which may change rows unseen, is named."""
    with lived_database(sqlite) as url:
        _tamper(
            url,
            "CREATE TRIGGER gift AFTER INSERT ON transfer BEGIN SELECT 1; END",
            "CREATE VIEW gifts AS SELECT * FROM account",
        )
        found = [str(problem) for problem in _audit(url).problems]

    assert found == [
        "trigger gift was not made by this version",
        "view gifts was not made by this version",
    ]


def test_many_bad_rows_are_counted_and_the_first_kept(lived_url: str) -> None:
    """However many rows are bad, the list stays short and the count is right."""
    _tamper(
        lived_url,
        "UPDATE transfer SET note = 'changed'",
        "UPDATE account SET sequence = 99 WHERE member_number IS NULL",
    )
    ((total,),) = rows(
        lived_url,
        "SELECT (SELECT count(*) FROM transfer) + "
        "(SELECT count(*) FROM account WHERE member_number IS NULL)",
    )

    findings = _audit(lived_url)

    assert findings.problem_count == total > PROBLEMS_KEPT_MAX
    assert len(findings.problems) == PROBLEMS_KEPT_MAX


def test_audit_sees_one_state(lived_url: str) -> None:
    """A change that is committed while the audit runs is not half seen."""
    seen: list[str] = []

    def change_meanwhile(stage: str, _done: int, _total: int) -> None:
        if not seen:
            _tamper(lived_url, "UPDATE account SET balance = balance + 1 WHERE kind = 6")
        seen.append(stage)

    assert audit(Database.from_text(lived_url), change_meanwhile).all_hold
    assert not _audit(lived_url).all_hold


def test_missing_file_is_not_created(sqlite: Backend) -> None:
    """An audit of a file that is not there says so and leaves nothing behind."""
    url = sqlite.empty_database()

    with pytest.raises(UnreachableError, match="there is no database"):
        _audit(url)
    with pytest.raises(UnreachableError, match="there is no database"):
        _audit(url)


def test_older_schema_is_refused(backend: Backend) -> None:
    """An audit does not guess at another schema."""
    with fresh_database(backend) as url:
        _tamper(url, "DELETE FROM alembic_version")

        with pytest.raises(SchemaError, match="loyalty migrate"):
            _audit(url)


def _command(monkeypatch: pytest.MonkeyPatch, url: str) -> int:
    monkeypatch.setenv("LOYALTY_DATABASE_URL", url)
    monkeypatch.setattr("sys.argv", ["loyalty", "audit"])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_command_ends_with_0_when_all_holds(
    lived_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`loyalty audit` prints one line, and no bar where there is no terminal."""
    assert _command(monkeypatch, lived_url) == 0

    printed = capsys.readouterr()
    assert printed.out.startswith("Audited ")
    assert printed.out.endswith("all holds.\n")
    assert printed.err == ""


def test_command_ends_with_1_and_names_the_first_bad_row(
    lived_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`loyalty audit` tells the table, the key and what is wrong."""
    _tamper(lived_url, "UPDATE transfer SET points = points + 1 WHERE transfer_id = 2")

    assert _command(monkeypatch, lived_url) == 1

    first, *_, summary = capsys.readouterr().out.splitlines()
    assert first.startswith("First bad row: transfer 2 does not have the hash")
    assert summary.endswith("bad rows.")
