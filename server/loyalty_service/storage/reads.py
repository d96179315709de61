"""The read path: SQLModel over asyncio sessions, beside the writer and never behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Select, case, cast, extract, func, literal_column, text, union
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.application.reading import (
    PromoCodesEntry,
    TransactionEntry,
    TransferEntry,
)
from loyalty_service.domain.guessing import (
    HOUR_MS,
    ScopeKind,
    Tally,
    Wait,
    hours_counted,
    scopes_of,
    under_attack,
)
from loyalty_service.domain.ledger import OwnerKind
from loyalty_service.domain.peppers import Peppers, check_of, name_of
from loyalty_service.domain.program import Program
from loyalty_service.domain.records import (
    HoldStatus,
    KeptAnswer,
    Transaction,
    TransactionStatus,
)
from loyalty_service.storage.bucket_reads import BucketReads
from loyalty_service.storage.catalogue_reads import CatalogueReads
from loyalty_service.storage.event_reads import EventReads
from loyalty_service.storage.export_reads import ExportReads
from loyalty_service.storage.fraud_reads import FraudReads
from loyalty_service.storage.held_reads import HeldReads
from loyalty_service.storage.member_reads import MemberReads, record_of
from loyalty_service.storage.repositories.catalogue import program_of_version
from loyalty_service.storage.repositories.code_count_statements import REFUSAL_COLUMNS
from loyalty_service.storage.repositories.code_counts import wait_of
from loyalty_service.storage.repositories.seal import PageSeal, Seal
from loyalty_service.storage.search_reads import SearchReads
from loyalty_service.storage.session_reads import SessionReads
from loyalty_service.storage.tables import (
    AccountTable,
    CheckpointTable,
    CodePepperTable,
    CodeRefusalTable,
    CodeTallyTable,
    HoldTable,
    KeptAnswerTable,
    MemberTable,
    ProgramTable,
    ProgramVersionTable,
    PromoCodeTable,
    TransactionTable,
    TransferTable,
)
from loyalty_service.storage.transfer_rows import ENTRY_COLUMNS, entry_of
from loyalty_service.storage.visit_reads import VisitReads
from loyalty_service.storage.webhook_reads import WebhookReads

PENDING = TransactionStatus.PENDING


@dataclass(frozen=True, slots=True)
class OpenOrders:
    """
    What is open.

    Attributes:
        transactions: PENDING ones.
        expiring: Those of them that expire soon, or should have.
        overdue: Those that should have.
        holds: Holds of theirs that are open.
        points: Points of these holds.
    """

    transactions: int
    expiring: int
    overdue: int
    holds: int
    points: int


@dataclass(frozen=True, slots=True)
class Guessing:
    """
    Who is kept from guessing codes.

    Attributes:
        waits: Scopes of each kind that must wait.
        attacked: Programs that are under attack.
    """

    waits: Mapping[ScopeKind, int]
    attacked: int


@dataclass(frozen=True, slots=True)
class DatabaseStanding:
    """
    The state of a PostgreSQL that others may use too.

    Attributes:
        connections: Those open to any of its databases, over those that it takes.
        size_bytes: Size of the database.
        standbys: Servers that receive its log now.
        lag_bytes: Log that the slowest of them has not replayed; absent where the role may not
            see it, which takes `pg_monitor`, or where there is none.
    """

    connections: float
    size_bytes: int
    standbys: int
    lag_bytes: int | None


_STANDING = text(
    "SELECT (SELECT sum(numbackends) FROM pg_stat_database)::float8"
    " / current_setting('max_connections')::int, pg_database_size(current_database()),"
    " (SELECT count(*) FROM pg_stat_replication),"
    " (SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)) FROM pg_stat_replication)"
)


class SqlReader(
    EventReads,
    WebhookReads,
    MemberReads,
    SessionReads,
    VisitReads,
    BucketReads,
    HeldReads,
    ExportReads,
    SearchReads,
    FraudReads,
    CatalogueReads,
):
    """Implements `application.reading.Reader`; see there for what each query promises."""

    def __init__(self, session: AsyncSession, pepper: bytes | Peppers) -> None:
        self._session = session
        self._peppers = Peppers.of(pepper)
        self._seal = Seal(pepper)

    @property
    def session(self) -> AsyncSession:
        """For queries that no call makes."""
        return self._session

    async def transaction(self, transaction_id: str) -> TransactionEntry | None:
        """See `Reader.transaction`."""
        row = await self._session.get(TransactionTable, transaction_id)
        if row is None:
            return None
        held = await self._session.exec(
            select(func.sum(HoldTable.points)).where(
                HoldTable.owner_kind == int(OwnerKind.TRANSACTION),
                HoldTable.owner_id == transaction_id,
                HoldTable.status == int(HoldStatus.OPEN),
            )
        )
        member = await self._session.get(MemberTable, row.member_number or 0)
        record = record_of(Transaction, row, status=TransactionStatus(row.status))
        return TransactionEntry(
            record, None if member is None else member.loyalty_id, int(held.one() or 0)
        )

    async def kept_answer(self, scope: str, idempotency_key: str) -> KeptAnswer | None:
        """See `Reader.kept_answer`."""
        row = await self._session.get(KeptAnswerTable, (scope, idempotency_key))
        if row is None:
            return None
        answer = self._seal.open(row.answer, scope, idempotency_key)
        return record_of(KeptAnswer, row, answer=answer)

    def page_token(self, listing: str, last: int) -> str:
        """See `Reader.page_token`."""
        return PageSeal(self._peppers).close(listing, last)

    def read_page_token(self, token: str, listing: str) -> int | None:
        """See `Reader.read_page_token`."""
        return PageSeal(self._peppers).open(token, listing)

    def place_token(self, listing: str, place: str) -> str:
        """See `Reader.place_token`."""
        return PageSeal(self._peppers).close_text(listing, place)

    def read_place_token(self, token: str, listing: str) -> str | None:
        """See `Reader.read_place_token`."""
        return PageSeal(self._peppers).open_text(token, listing)

    async def code_waits(self) -> Sequence[Wait]:
        """See `Reader.code_waits`."""
        table = CodeRefusalTable
        query = select(*(getattr(table, name) for name in REFUSAL_COLUMNS)).order_by(table.scope)
        return [wait_of(row) for row in await self._session.exec(query)]

    async def transfers(
        self, accounts: Sequence[int], before: int | None, limit: int
    ) -> Sequence[TransferEntry]:
        """See `Reader.transfers`."""
        # One scan of an index for each account and side, each already in order and cut short.
        scans = [
            _newest(column == account, before, limit).subquery()
            for account in accounts
            for column in (col(TransferTable.source_id), col(TransferTable.destination_id))
        ]
        newest = union(*(select(scan.c.transfer_id) for scan in scans)).subquery()
        source, destination = aliased(AccountTable), aliased(AccountTable)
        # Columns, not objects: a thousand of those would keep the event loop for longer.
        rows = await self._session.exec(
            select(*ENTRY_COLUMNS, source.kind, destination.kind)  # type: ignore[call-overload]
            .select_from(TransferTable)
            .join(source, col(source.account_id) == col(TransferTable.source_id))
            .join(destination, col(destination.account_id) == col(TransferTable.destination_id))
            .where(col(TransferTable.transfer_id).in_(select(newest.c.transfer_id)))
            .order_by(col(TransferTable.transfer_id).desc())
            .limit(limit)
        )
        return [entry_of(row) for row in rows]

    async def archived_until_ms(self) -> int | None:
        """See `Reader.archived_until_ms`."""
        archived = col(CheckpointTable.archived_ms).is_not(None)
        found = await self._session.exec(
            select(func.max(CheckpointTable.recorded_ms)).where(archived)
        )
        return found.one()

    async def program_at(self, program_id: str, time_ms: int) -> Program | None:
        """See `Reader.program_at`."""
        kept = ProgramVersionTable
        found = await self._session.exec(
            select(kept.document)
            .where(kept.program_id == program_id, kept.applied_ms <= time_ms)
            .order_by(col(kept.version).desc())
            .limit(1)
        )
        document = found.first()
        return None if document is None else program_of_version(document)

    async def promo_codes(self, program_id: str) -> Sequence[PromoCodesEntry]:
        """See `Reader.promo_codes`."""
        kept = PromoCodeTable
        alike = (kept.label, kept.points, kept.begins_ms, kept.ends_ms)
        sums = (func.count(), func.sum(kept.uses), func.sum(kept.most_uses))
        rows = await self._session.exec(
            select(*alike, *sums)  # type: ignore[call-overload]
            .where(kept.program_id == program_id)
            .group_by(*alike)
            .order_by(func.min(kept.created_ms), *alike)
        )
        return [PromoCodesEntry(*row[:4], *map(int, row[4:])) for row in rows]

    async def open_orders(self, now_ms: int, soon_ms: int) -> OpenOrders:
        """Count what is open; it reads as many rows as are, and finds them by their index."""
        expires = col(TransactionTable.expires_ms)
        pending = col(TransactionTable.status) == literal_column(str(int(PENDING)))
        counts = await self._session.exec(
            select(
                func.count(),
                func.sum(case((expires <= now_ms + soon_ms, 1), else_=0)),
                func.sum(case((expires <= now_ms, 1), else_=0)),
            ).where(pending)
        )
        transactions, expiring, overdue = counts.one()
        held = await self._session.exec(
            select(func.count(), func.sum(HoldTable.points))
            .select_from(TransactionTable)
            .join(HoldTable, col(HoldTable.owner_id) == col(TransactionTable.transaction_id))
            .where(
                pending,
                HoldTable.owner_kind == int(OwnerKind.TRANSACTION),
                HoldTable.status == int(HoldStatus.OPEN),
            )
        )
        holds, points = held.one()
        return OpenOrders(transactions, expiring or 0, overdue or 0, holds, int(points or 0))

    async def guessing(self, now_ms: int) -> Guessing:
        """Count who must wait, and the programs under attack: a row for each wait and hour."""
        wait, tally = CodeRefusalTable, CodeTallyTable
        waiting = await self._session.exec(
            select(wait.kind, func.count())
            .where(col(wait.until_ms) > now_ms, wait.since_ms <= now_ms + HOUR_MS)
            .group_by(wait.kind)
        )
        programs = await self._session.exec(select(ProgramTable.program_id))
        names = [scope.name for program_id in programs for scope in scopes_of(program_id, "")[:1]]
        shown = await self._session.exec(
            select(func.sum(tally.matched), func.sum(tally.failed))
            .where(col(tally.scope).in_(names), col(tally.hour).between(*hours_counted(now_ms)))
            .group_by(tally.scope)
        )
        return Guessing(
            {ScopeKind(kind): count for kind, count in waiting},
            sum(under_attack(Tally(int(matched), int(failed))) for matched, failed in shown),
        )

    async def standing(self) -> DatabaseStanding:
        """Read the state of PostgreSQL; an embedded database has no such thing."""
        row = (await (await self._session.connection()).execute(_STANDING)).one()
        connections, size_bytes, standbys, lag = row
        return DatabaseStanding(
            connections, size_bytes, standbys, None if lag is None else int(lag)
        )

    async def unknown_peppers(self) -> list[str]:
        """Name the store's code peppers that this server does not know."""
        own = [check_of(pepper) for pepper in self._peppers.known]
        unknown = col(CodePepperTable.check_value).not_in(own)
        found = await self._session.exec(select(CodePepperTable.check_value).where(unknown))
        return sorted(name_of(bytes(value)) for value in found)

    async def clock_ms(self) -> int:
        """Read PostgreSQL's clock."""
        shown = await self._session.exec(
            select(cast(extract("epoch", func.clock_timestamp()) * 1000, BigInteger))
        )
        return shown.one()

    async def newest_ms(self) -> int | None:
        """Find when the newest transfer was recorded; absent when there is none."""
        newest = await self._session.exec(
            select(TransferTable.recorded_ms)
            .order_by(col(TransferTable.transfer_id).desc())
            .limit(1)
        )
        return newest.first()

    async def imbalance(self) -> int:
        """Sum up by how much the programs' accounts fail to sum to 0: reads every account."""
        sums = await self._session.exec(
            select(func.sum(AccountTable.balance)).group_by(col(AccountTable.program_id))
        )
        return sum(abs(int(balance)) for balance in sums)


def _newest(condition: Any, before: int | None, limit: int) -> Select[Any]:
    statement = select(col(TransferTable.transfer_id)).where(condition)
    if before is not None:
        statement = statement.where(col(TransferTable.transfer_id) < before)
    return statement.order_by(col(TransferTable.transfer_id).desc()).limit(limit)
