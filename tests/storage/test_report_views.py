"""Views for analysts: words, times and points, and nothing that names a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, pool

from loyalty_service.domain.events import EventKind
from loyalty_service.storage.databases import Database
from loyalty_service.storage.migrate import downgrade, migrate
from loyalty_service.storage.report_views import VIEW_NAMES
from tests.support.ledger import execute, rows
from tests.support.orders import CLAIMED, START_MS, Till, basket, item, reward
from tests.support.programs import enroll

COOKIE = "21636369-8b52-4b4a-97b7-50923ceb3ffd"
VIEWS = ("members", "orders", "transfers", "balances", "events")


def told(database_url: str, view: str, where: str = "1 = 1") -> list[Mapping[str, Any]]:
    """Read a view."""
    query = f"SELECT * FROM loyalty_report_{view} WHERE {where}"  # noqa: S608 - ours.
    found = rows(database_url, query)
    return [row._asdict() for row in found]


def moment(value: Any) -> datetime:
    """Read a time as either kind of database gives it."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


async def test_views_tell_words_and_times(till: Till, database_url: str) -> None:
    """An order that was claimed and one that was voided are told, with all that they moved."""
    guest = await enroll(till.store, 1000)
    claimed = await till.identify(guest)
    await till.update(claimed, CLAIMED, basket(item(1000), reward(COOKIE)))
    voided = await till.identify(guest)
    await till.void(voided)

    (member,) = told(database_url, "members")
    assert (member["loyalty_id"], member["blocked"], member["erased_at"]) == (
        guest,
        "NOTHING",
        None,
    )
    orders = {row["transaction_id"]: row for row in told(database_url, "orders")}
    assert (orders[claimed]["status"], orders[voided]["status"]) == ("CLAIMED", "VOID")
    assert orders[claimed]["loyalty_id"] == guest
    assert moment(orders[claimed]["claimed_at"]) == datetime.fromtimestamp(START_MS / 1000, UTC)
    moved = {
        (row["cause"], row["source"], row["destination"])
        for row in told(database_url, "transfers", f"owner_id = '{claimed}'")
    }
    assert moved == {
        ("HOLD", "AVAILABLE", "HELD"),
        ("REDEEM", "HELD", "REDEEMED"),
        ("EARN", "ISSUED", "AVAILABLE"),
    }
    balances = told(database_url, "balances")
    assert sum(row["points"] for row in balances) == 0
    of_guest = {row["account"]: row["points"] for row in balances if row["loyalty_id"] == guest}
    assert of_guest == {"AVAILABLE": member["available_points"], "HELD": 0}
    assert len([row for row in balances if row["account"] == "ISSUED"]) == 1
    events = {row["kind"]: row for row in told(database_url, "events", "program_id IS NOT NULL")}
    assert events.keys() <= {kind.name for kind in EventKind}
    assert (events["ORDER_CLAIMED"]["before_state"], events["ORDER_CLAIMED"]["after_state"]) == (
        "PENDING",
        "CLAIMED",
    )
    assert events["ORDER_CLAIMED"]["available_points"] is not None


FORBIDDEN = {
    "name",
    "email",
    "phone",
    "card",
    "birth_date",
    "operator",
    "note",
    "reason",
    "detail",
    "request_id",
    "actor",
}


@pytest.mark.any_database
def test_views_name_no_person_and_hold_no_digest(database_url: str) -> None:
    """No column of any view is personal, a text that somebody wrote, or bytes."""
    engine = create_engine(Database.from_text(database_url).sync_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        inspector = inspect(connection)
        there = {name for name in inspector.get_view_names() if name.startswith("loyalty_report_")}
        assert there == VIEW_NAMES == {f"loyalty_report_{name}" for name in VIEWS}
        for view in there:
            names = {column["name"] for column in inspector.get_columns(view)}
            assert names
            assert not names & FORBIDDEN
            assert not [name for name in names if "digest" in name or "hash" in name]


def test_views_go_and_come_with_the_schema(database_url: str) -> None:
    """An older schema has none; on the way up they come back."""
    database = Database.from_text(database_url)
    downgrade(database, "0015")
    engine = create_engine(database.sync_url(), poolclass=pool.NullPool)
    with engine.connect() as connection:
        assert inspect(connection).get_view_names() == []
    migrate(database)

    for view in VIEWS:
        told(database_url, view)


def test_views_keep_their_readers_through_an_upgrade(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that could read one view on PostgreSQL still can, and no other one."""
    # An upgrade that changes no table: only the views are made again.
    monkeypatch.setattr("loyalty_service.storage.migrate.command.upgrade", lambda *_: None)
    database = Database.from_text(database_url)
    role = "report_reader"
    if not database.embedded:
        making = f"CREATE ROLE {role}; EXCEPTION WHEN duplicate_object THEN NULL"
        execute(database_url, f"DO $$ BEGIN {making}; END $$")
        execute(database_url, f"GRANT SELECT ON loyalty_report_orders TO {role}")
    execute(database_url, "UPDATE alembic_version SET version_num = '0020'")

    migrate(database)

    assert told(database_url, "orders") == []
    if not database.embedded:
        rights = [
            rows(database_url, f"SELECT has_table_privilege('{role}', '{view}', 'SELECT')")[0][0]
            for view in ("loyalty_report_orders", "loyalty_report_members", "member")
        ]
        assert rights == [True, False, False]
