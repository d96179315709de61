"""
Views for analysts: rows with words in place of numbers, and times in place of milliseconds.

They follow from the tables, so they are no part of any schema: whoever changes the schema drops
them first and makes them again. They have no names, addresses, digests or texts of people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum

from sqlalchemy import Connection, inspect, text

from loyalty_service.domain.blocks import Blocked
from loyalty_service.domain.events import ActorKind, EventKind
from loyalty_service.domain.ledger import AccountKind, Cause, OwnerKind
from loyalty_service.domain.records import CodeStatus, TransactionStatus

PREFIX = "loyalty_report_"

VIEW_NAMES = frozenset(
    f"{PREFIX}{name}" for name in ("members", "orders", "transfers", "balances", "events")
)

_ACCOUNT = {kind.value: "OWED" if kind is AccountKind.DEBT else kind.name for kind in AccountKind}
_KEPT_FROM = (
    "(coalesce(member.blocked, 0) | CASE WHEN member.locked_ms IS NULL THEN 0 "
    f"ELSE {Blocked.REDEEM:d} END)"
)
"""What members may not do, because an operator or they themselves said so."""

_OF_ORDERS = "event.kind BETWEEN 21 AND 29"
_OF_CODES = "event.kind BETWEEN 11 AND 14"


def make_views(connection: Connection, readers: Iterable[tuple[str, str]] = ()) -> None:
    """Make all views; *readers* are pairs of a view and a role that could read it before."""
    embedded = connection.dialect.name == "sqlite"
    views = _views(embedded=embedded)
    for name, select in views.items():
        connection.execute(text(f"CREATE VIEW {PREFIX}{name} AS {select}"))
    quote = connection.dialect.identifier_preparer.quote
    for view, role in readers:
        if view.removeprefix(PREFIX) in views:
            grantee = "PUBLIC" if role == "PUBLIC" else quote(role)
            connection.execute(text(f"GRANT SELECT ON {view} TO {grantee}"))


def drop_views(connection: Connection) -> list[tuple[str, str]]:
    """Drop the views that there are, of any version; tell which roles could read which."""
    there = [name for name in inspect(connection).get_view_names() if name.startswith(PREFIX)]
    readers: list[tuple[str, str]] = []
    if there and connection.dialect.name == "postgresql":
        found = connection.execute(_READERS, {"views": there})
        readers = [(view, role) for view, role in found]
    for name in there:
        connection.execute(text(f"DROP VIEW {name}"))
    return readers


_READERS = text(
    "SELECT table_name, grantee FROM information_schema.role_table_grants"
    " WHERE table_schema = current_schema() AND privilege_type = 'SELECT'"
    " AND table_name = ANY(:views) AND grantee <> current_user"
)


At = Callable[[str, str], str]


def _views(*, embedded: bool) -> Mapping[str, str]:
    """Write the query of each view."""

    def at(column: str, name: str) -> str:
        if embedded:
            return f"strftime('%Y-%m-%dT%H:%M:%fZ', {column} / 1000.0, 'unixepoch') AS {name}"
        return f"to_timestamp({column} / 1000.0) AS {name}"

    return {**_of_guests(at), **_of_points(at), **_of_events(at)}


def _of_guests(at: At) -> Mapping[str, str]:
    return {
        "members": f"""
            SELECT member.number AS member_number, member.program_id, member.loyalty_id,
              {at("member.created_ms", "enrolled_at")}, {at("member.erased_ms", "erased_at")},
              {_word(_KEPT_FROM, _names(Blocked))} AS blocked,
              member.locale, member.segments,
              available.balance AS available_points, held.balance AS held_points,
              coalesce(-owed.balance, 0) AS owed_points
            FROM member
            {_account_of_member("available", AccountKind.AVAILABLE)}
            {_account_of_member("held", AccountKind.HELD)}
            LEFT {_account_of_member("owed", AccountKind.DEBT)}
            """,
        "orders": f"""
            SELECT owner.transaction_id, owner.program_id, owner.member_number,
              member.loyalty_id, {_word("owner.status", _names(TransactionStatus))} AS status,
              owner.store_id, owner.paid_store_id, owner.terminal, owner.pos_transaction_id,
              owner.pos_type, owner.supporting_pos, owner.partner, owner.channel,
              owner.service_mode, owner.business_day, owner.program_version,
              {at("owner.created_ms", "opened_at")}, {at("owner.claimed_ms", "claimed_at")},
              {at("owner.updated_ms", "updated_at")}, {at("owner.expires_ms", "expires_at")},
              owner.points_earned, owner.points_returned, owner.points_redeemed,
              owner.receipt_digest IS NOT NULL AS is_receipt
            FROM loyalty_transaction AS owner
            LEFT JOIN member ON member.number = owner.member_number
            """,
    }


def _of_points(at: At) -> Mapping[str, str]:
    return {
        "transfers": f"""
            SELECT transfer.transfer_id, source.program_id,
              coalesce(source.member_number, destination.member_number) AS member_number,
              member.loyalty_id, {_word("source.kind", _ACCOUNT)} AS source,
              {_word("destination.kind", _ACCOUNT)} AS destination, transfer.points,
              {_word("transfer.cause", _names(Cause))} AS cause,
              {_word("transfer.owner_kind", _names(OwnerKind))} AS owner_kind,
              nullif(transfer.transaction_id, '') AS owner_id,
              {at("transfer.effective_ms", "effective_at")},
              {at("transfer.recorded_ms", "recorded_at")}
            FROM transfer
            JOIN account AS source ON source.account_id = transfer.source_id
            JOIN account AS destination ON destination.account_id = transfer.destination_id
            LEFT JOIN member
              ON member.number = coalesce(source.member_number, destination.member_number)
            """,
        "balances": f"""
            SELECT account.program_id, account.member_number, member.loyalty_id,
              {_word("account.kind", _ACCOUNT)} AS account, sum(account.balance) AS points,
              sum(account.sequence) AS transfers,
              {at("nullif(max(account.moved_ms), 0)", "moved_at")}
            FROM account LEFT JOIN member ON member.number = account.member_number
            GROUP BY account.program_id, account.member_number, member.loyalty_id, account.kind
            """,
    }


def _of_events(at: At) -> Mapping[str, str]:
    return {
        "events": f"""
            SELECT event.event_id, event.program_id, event.member_number, member.loyalty_id,
              {_word("event.kind", _names(EventKind))} AS kind, event.subject,
              {_state("before_state")}, {_state("after_state")},
              event.available AS available_points, event.held AS held_points,
              -event.debt AS owed_points,
              {_word("event.actor_kind", _names(ActorKind))} AS actor_kind,
              CASE WHEN event.actor_kind = {ActorKind.KEY:d} THEN event.actor END AS key_id,
              event.method, {at("event.effective_ms", "effective_at")},
              {at("event.recorded_ms", "recorded_at")}
            FROM event LEFT JOIN member ON member.number = event.member_number
            """,
    }


def _names(kinds: type[IntEnum | Blocked]) -> Mapping[int, str]:
    return {int(kind): str(kind.name) for kind in kinds.__members__.values()}


def _word(column: str, names: Mapping[int, str]) -> str:
    """Write a number as its word; one of a later version as the number itself."""
    cases = " ".join(f"WHEN {number} THEN '{name}'" for number, name in names.items())
    return f"CASE {column} {cases} ELSE CAST({column} AS TEXT) END"


def _state(column: str) -> str:
    """Write the state before or after an event: of an order, a code, or a version's number."""
    order = _word(f"event.{column}", _names(TransactionStatus))
    code = _word(f"event.{column}", _names(CodeStatus))
    return (
        f"CASE WHEN {_OF_ORDERS} THEN {order} WHEN {_OF_CODES} THEN {code} "
        f"ELSE CAST(event.{column} AS TEXT) END AS {column}"
    )


def _account_of_member(name: str, kind: AccountKind) -> str:
    return (
        f"JOIN account AS {name} ON {name}.member_number = member.number AND {name}.kind = {kind:d}"
    )
