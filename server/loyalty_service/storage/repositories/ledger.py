"""Accounts and the transfers between them; those of a member are locked with their member."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from sqlalchemy import bindparam, insert, select

from loyalty_service.domain.ledger import (
    GENESIS,
    PROGRAM_KINDS,
    Account,
    AccountKind,
    Origin,
    Transfer,
    transfer,
)
from loyalty_service.domain.records import Member
from loyalty_service.storage import tables as t
from loyalty_service.storage.driver import Cursor
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Basis, Keys, Records, Rows, Step
from loyalty_service.storage.statements import Statements, constant, table_of

SHARDS = 16
"""Rows that each kind of program account is split into, so that every writer has its own."""

ACCOUNT_COLUMNS = tuple(field.name for field in fields(Account))
_NEW = ("program_id", "member_number", "kind", "shard", "balance", "sequence", "head")


class LedgerStatements:
    """The statements about accounts and transfers."""

    def __init__(self, by: Statements) -> None:
        account, moved = table_of(t.AccountTable), table_of(t.TransferTable)
        accounts = select(*(account.c[name] for name in ACCOUNT_COLUMNS))
        self.insert_account = by.compile(
            insert(account)
            .values({name: bindparam(name) for name in _NEW})
            .returning(account.c.account_id)
        )
        self.program_account = by.compile(
            accounts.where(
                account.c.program_id == bindparam("program_id"),
                account.c.kind == bindparam("kind"),
                account.c.shard == bindparam("shard"),
                account.c.member_number.is_(None),
            ).with_for_update()
        )
        debts = account.c.kind == constant(AccountKind.DEBT)
        self.debt = by.compile(
            accounts.where(
                account.c.member_number == bindparam("member_number"), debts
            ).with_for_update()
        )
        self.accounts = by.changing(
            account, ("account_id",), ("balance", "sequence", "head", "moved_ms")
        )
        self.transfers = by.adding(moved, [field.name for field in fields(Transfer)])
        self.witness = by.witness(moved, ("source_id", "source_sequence", "source_hash"))
        if by.bulk:
            self.lock_debts = by.among(
                select(account.c.member_number, *accounts.selected_columns)
                .where(debts)
                .order_by(account.c.account_id)
                .with_for_update(of=account),
                account,
                ("member_number",),
            )


class Ledger(Records):
    """The ledger of a unit of work."""

    def __init__(self, basis: Basis) -> None:
        super().__init__(basis)
        self._program_accounts: dict[tuple[str, int, int], Account] = {}
        self._debts: dict[int, Account | None] = {}
        self._transfers: list[Transfer] = []
        self._moved: dict[int, Account] = {}

    @property
    def _ledger_by(self) -> LedgerStatements:
        return self._statements.of(LedgerStatements)

    def program_account(self, program_id: str, kind: AccountKind) -> Account:
        """See `Unit.program_account`."""
        place = (program_id, int(kind), self._shard)
        account = self._program_accounts.get(place)
        if account is None:
            # The shard is the unit's own: nobody waits for it, so it has no place in the order.
            row = self._connection.execute(self._ledger_by.program_account.sql, place).fetchone()
            account = account_of(row)
            self._program_accounts[place] = account
        return account

    def debt(self, member: Member) -> Account | None:
        """See `Unit.debt`."""
        if member.number not in self._debts:
            self._lock(Rank.DEBTS)
            row = self._connection.execute(self._ledger_by.debt.sql, (member.number,)).fetchone()
            self._debts[member.number] = None if row is None else account_of(row)
        return self._debts[member.number]

    def open_debt(self, member: Member) -> Account:
        """See `Unit.open_debt`."""
        known = self.debt(member)
        if known is None:
            self.changes += 1
            self.rows += 1
            number = self._insert_account(member.program_id, member.number, AccountKind.DEBT, 0)
            known = Account(number, AccountKind.DEBT, 0, 0, GENESIS)
            self._debts[member.number] = known
        return known

    def post(self, source: Account, destination: Account, points: int, origin: Origin) -> None:
        """See `Unit.post`."""
        self.changes += 1
        self.rows += 1
        self._transfers.append(transfer(source, destination, points, origin))
        self._moved[source.account_id] = source
        self._moved[destination.account_id] = destination

    def debts_ahead(self, numbers: Keys) -> Step:
        """Read and lock the debts of members."""
        return Step(Rank.DEBTS, self._ledger_by.lock_debts, numbers, self._take_debts)

    def _take_debts(self, numbers: Keys, rows: Rows) -> None:
        for row in rows:
            self._debts[row[0]] = account_of(row[1:])
        for (number,) in numbers:
            self._debts.setdefault(number, None)

    def _flush_ledger(self, cursor: Cursor) -> None:
        if self._transfers:
            self._testify(self._ledger_by.witness, self._transfers[0])
        self._write(cursor, self._ledger_by.transfers, self._transfers)
        self._write(cursor, self._ledger_by.accounts, self._moved.values())
        self._transfers.clear()
        self._moved.clear()

    def _open_program_accounts(self, program_id: str) -> None:
        for kind in PROGRAM_KINDS:
            for shard in range(SHARDS):
                self._insert_account(program_id, None, kind, shard)

    def _insert_account(
        self, program_id: str, member_number: int | None, kind: AccountKind, shard: int
    ) -> int:
        row = self._connection.execute(
            self._ledger_by.insert_account.sql,
            (program_id, member_number, int(kind), shard, 0, 0, GENESIS),
        ).fetchone()
        return int(row[0])


def account_of(row: Sequence[Any]) -> Account:
    """Turn a row of `ACCOUNT_COLUMNS` into an account."""
    number, kind, balance, sequence, head, moved_ms = row
    return Account(number, AccountKind(kind), balance, sequence, bytes(head), moved_ms)
