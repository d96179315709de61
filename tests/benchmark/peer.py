"""
The peer: identify as a Python developer would write it today, and write it well.

FastAPI, SQLModel and an AsyncSession per request, on uvicorn with uvloop and httptools. It has the
same tables, keys, checks, ledger and durability as the server. On SQLite it takes the write lock
when it begins, so it never fails with "database is locked"; on PostgreSQL it locks rows in the
server's order.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from loyalty_service.domain.clock import rfc3339
from loyalty_service.domain.codes import code_digest
from loyalty_service.domain.errors import IdentificationFailedError, IdentifierInvalidError
from loyalty_service.domain.identifiers import IdentifierKind, classify_identifier, new_id
from loyalty_service.domain.keys import key_digest
from loyalty_service.domain.ledger import (
    Account,
    AccountKind,
    Cause,
    Origin,
    Owner,
    OwnerKind,
    transfer,
)
from loyalty_service.domain.program import Incentive, Program
from loyalty_service.domain.records import CodeStatus, HoldStatus, TransactionStatus
from loyalty_service.program_file.document import parse_program
from loyalty_service.sandbox.demo_data import PROGRAM_FILE
from loyalty_service.storage.tables import (
    AccountTable,
    ApiKeyTable,
    CodeTable,
    HoldTable,
    MemberTable,
    TransactionTable,
    TransferTable,
)

POSTGRES_POOL = 20
SQLITE_POOL = 4
SQLITE_BUSY_S = 30.0

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128)]


class Wire(BaseModel):
    """Messages with the contract's JSON names."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class PosVendor(Wire):
    """Who calls."""

    transaction_id: Text
    store_id: int = Field(gt=0)
    pos_type: Text
    supporting_pos: str | None = None
    terminal: str | None = None
    operator: str | None = None


class IdentifyRequest(Wire):
    """What the guest showed."""

    identifier: Text
    pos_vendor: PosVendor


class Balance(Wire):
    """Points of the guest."""

    amount: int
    currency: str


class LoyaltyUser(Wire):
    """The guest."""

    created: str
    id: str
    name: str


class OrderLine(Wire):
    """An item that was selected in the app."""

    product_id: str
    incentive_id: str
    loyalty_engine_id: str | None
    quantity: int
    price: float | None
    product_type: str
    reference_id: str


class IdentifyResponse(Wire):
    """The guest, and the transaction just opened."""

    balances: list[Balance]
    eligible_discounts: list[dict[str, Any]]
    loyalty_user: LoyaltyUser
    order: list[OrderLine]
    transaction_id: str


class Peer:
    """What requests share."""

    engine: AsyncEngine
    keys: dict[bytes, ApiKeyTable]
    pepper: bytes
    program: Program


peer = Peer()


def open_engine(url: str) -> AsyncEngine:
    """Open the database as its documentation advises for concurrent writers."""
    if not url.startswith("sqlite"):
        url = url.replace("postgresql://", "postgresql+asyncpg://")
        return create_async_engine(url, pool_size=POSTGRES_POOL, max_overflow=0, pool_timeout=30)
    engine = create_async_engine(
        url.replace("sqlite://", "sqlite+aiosqlite://"),
        pool_size=SQLITE_POOL,
        max_overflow=0,
        pool_timeout=30,
        connect_args={"isolation_level": None, "timeout": SQLITE_BUSY_S},
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _durable(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Open the database and read the keys, which change rarely."""
    peer.engine = open_engine(os.environ["PEER_DATABASE_URL"])
    peer.pepper = os.environ["PEER_PEPPER"].encode()
    peer.program = parse_program(PROGRAM_FILE.read_text(encoding="utf-8"), PROGRAM_FILE.name)
    async with AsyncSession(peer.engine) as session:
        rows = (await session.exec(select(ApiKeyTable))).all()
        peer.keys = {bytes(row.digest): row for row in rows if row.revoked_ms is None}
    yield
    await peer.engine.dispose()


app = FastAPI(lifespan=lifespan)


async def open_session() -> AsyncIterator[AsyncSession]:
    """Open the session of a request."""
    async with AsyncSession(peer.engine, expire_on_commit=False) as session:
        yield session


async def authenticate(x_api_key: Annotated[str, Header()]) -> ApiKeyTable:
    """Find the caller's key."""
    key = peer.keys.get(key_digest(x_api_key))
    if key is None or key.role not in {"till", "admin"}:
        raise HTTPException(401, "the API key is not valid")
    return key


@app.post("/loyalty/identify")
async def identify(
    request: IdentifyRequest,
    key: Annotated[ApiKeyTable, Depends(authenticate)],
    session: Annotated[AsyncSession, Depends(open_session)],
) -> IdentifyResponse:
    """Recognise a guest and open a transaction."""
    try:
        kind = classify_identifier(request.identifier)
    except (IdentificationFailedError, IdentifierInvalidError):
        raise HTTPException(422, "the identifier is of no known kind") from None
    if request.pos_vendor.store_id not in peer.program.stores:
        raise HTTPException(404, "the program has no such store")
    now_ms = time.time_ns() // 1_000_000
    if kind is IdentifierKind.CODE:
        answer = await _by_code(session, key, request, now_ms)
    else:
        member = await _member(session, key.program_id, loyalty_id=request.identifier.lower())
        available, _held = await _accounts(session, member)
        transaction = _open_transaction(session, key, request, member, now_ms)
        answer = _answer(member, available.balance, transaction.transaction_id, [])
    await session.commit()
    return answer


async def _by_code(
    session: AsyncSession, key: ApiKeyTable, request: IdentifyRequest, now_ms: int
) -> IdentifyResponse:
    pos = request.pos_vendor
    digest = code_digest(peer.pepper, key.program_id, request.identifier)
    code = await session.get(CodeTable, (key.program_id, digest), with_for_update=True)
    if code is None or code.status == CodeStatus.REPLACED or code.expires_ms <= now_ms:
        raise HTTPException(404, "there is no such code")
    if code.status != CodeStatus.PENDING:
        raise HTTPException(422, "the code was used")
    member = await _member(session, key.program_id, number=code.member_number)
    available, held = await _accounts(session, member)
    selection = [(peer.program.incentives[name], n) for _, name, n in json.loads(code.selection)]
    cost = sum(incentive.point_cost * quantity for incentive, quantity in selection)
    if cost > available.balance:
        raise HTTPException(400, "there are too few points")
    transaction = _open_transaction(session, key, request, member, now_ms)
    # The rows have no relationships, so the order of the inserts is given by hand.
    await session.flush()
    for incentive, quantity in selection:
        if incentive.point_cost:
            _hold(session, (available, held), transaction, incentive, quantity, now_ms)
    order = [
        _order_line(incentive, quantity, pos, place)
        for place, (incentive, quantity) in enumerate(selection)
    ]
    answer = _answer(member, available.balance, transaction.transaction_id, order)
    code.status = int(CodeStatus.CLAIMED)
    code.updated_ms = now_ms
    code.store_id = pos.store_id
    code.transaction_id = transaction.transaction_id
    code.claim_key = json.dumps([key.partner, pos.store_id, pos.terminal, pos.transaction_id])
    code.answer = answer.model_dump_json(by_alias=True).encode()
    return answer


async def _member(
    session: AsyncSession, program_id: str, *, loyalty_id: str = "", number: int = 0
) -> MemberTable:
    chosen = MemberTable.number == number if number else MemberTable.loyalty_id == loyalty_id
    found = await session.exec(
        select(MemberTable)
        .where(col(MemberTable.program_id) == program_id, chosen)
        .with_for_update()
    )
    member = found.one_or_none()
    if member is None:
        raise HTTPException(404, "there is no such member")
    return member


async def _accounts(
    session: AsyncSession, member: MemberTable
) -> tuple[AccountTable, AccountTable]:
    found = await session.exec(
        select(AccountTable)
        .where(
            AccountTable.member_number == member.number,
            col(AccountTable.kind).in_((int(AccountKind.AVAILABLE), int(AccountKind.HELD))),
        )
        .order_by(col(AccountTable.kind))
        .with_for_update()
    )
    available, held = found.all()
    return available, held


def _open_transaction(
    session: AsyncSession,
    key: ApiKeyTable,
    request: IdentifyRequest,
    member: MemberTable,
    now_ms: int,
) -> TransactionTable:
    pos = request.pos_vendor
    transaction = TransactionTable(
        transaction_id=new_id(now_ms),
        program_id=key.program_id,
        member_number=member.number,
        status=int(TransactionStatus.PENDING),
        store_id=pos.store_id,
        pos_transaction_id=pos.transaction_id,
        pos_type=pos.pos_type,
        supporting_pos=pos.supporting_pos,
        terminal=pos.terminal,
        operator=pos.operator,
        partner=key.partner,
        created_ms=now_ms,
        updated_ms=now_ms,
        expires_ms=now_ms + peer.program.pending_lifetime_s * 1000,
    )
    session.add(transaction)
    return transaction


def _hold(
    session: AsyncSession,
    accounts: tuple[AccountTable, AccountTable],
    transaction: TransactionTable,
    incentive: Incentive,
    quantity: int,
    now_ms: int,
) -> None:
    points = incentive.point_cost * quantity
    source, destination = (
        Account(
            row.account_id or 0, AccountKind(row.kind), row.balance, row.sequence, bytes(row.head)
        )
        for row in accounts
    )
    owner = Owner(OwnerKind.TRANSACTION, transaction.transaction_id)
    origin = Origin(Cause.HOLD, owner, "", now_ms, now_ms)
    moved = transfer(source, destination, points, origin)
    session.add(
        TransferTable(**{field.name: getattr(moved, field.name) for field in fields(moved)})
    )
    for row, account in zip(accounts, (source, destination), strict=True):
        row.balance, row.sequence, row.head = account.balance, account.sequence, account.head
    session.add(
        HoldTable(
            hold_id=new_id(now_ms),
            owner_id=transaction.transaction_id,
            member_number=transaction.member_number or 0,
            incentive_id=incentive.incentive_id,
            points=points,
            status=int(HoldStatus.OPEN),
            created_ms=now_ms,
            expires_ms=transaction.expires_ms,
        )
    )


def _order_line(incentive: Incentive, quantity: int, pos: PosVendor, place: int) -> OrderLine:
    price = incentive.price
    return OrderLine(
        product_id=incentive.plu((pos.supporting_pos or pos.pos_type,)),
        incentive_id=incentive.incentive_id,
        loyalty_engine_id=incentive.engine_id,
        quantity=quantity,
        price=None if price is None else price / 10**peer.program.currency_digits,
        product_type=incentive.kind,
        reference_id=f"{place:02d}",
    )


def _answer(
    member: MemberTable, points: int, transaction_id: str, order: list[OrderLine]
) -> IdentifyResponse:
    return IdentifyResponse(
        balances=[Balance(amount=points, currency=peer.program.points_name)],
        eligible_discounts=[],
        loyalty_user=LoyaltyUser(
            created=rfc3339(member.created_ms), id=member.loyalty_id, name=member.name
        ),
        order=order,
        transaction_id=transaction_id,
    )


def main() -> None:
    """Serve with the fast parts of uvicorn and without its access log."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(os.environ["PEER_PORT"]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
