"""Accounts and the transfers between them; those of a member are locked with their member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar

from sqlalchemy import bindparam, insert, select

from loyalty_service.domain.events import LANES
from loyalty_service.domain.ledger import (
    GENESIS,
    PROGRAM_KINDS,
    RARE_KINDS,
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
from loyalty_service.storage.repositories.records import Basis, Build, Keys, Records, Rows, Step
from loyalty_service.storage.repositories.statements import Statements, constant, table_of

SHARDS = LANES
"""Rows that each kind of program account is split into, so that every writer has its own."""

ACCOUNT_COLUMNS = tuple(field.name for field in fields(Account))
_KIND_OF = {kind.value: kind for kind in AccountKind}
"""An enumeration takes ten times as long to look a number up, twice for each member read."""

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
        rare = select(account.c.member_number, *accounts.selected_columns).where(
            account.c.kind.in_([constant(kind) for kind in RARE_KINDS])
        )
        self.rare_accounts = by.compile(
            rare.where(account.c.member_number == bindparam("member_number")).with_for_update()
        )
        self.accounts = by.changing(
            account, ("account_id",), ("balance", "sequence", "head", "moved_ms")
        )
        self.transfers = by.adding(moved, [field.name for field in fields(Transfer)])
        if by.bulk:
            self.lock_rare_accounts = by.among(
                rare.order_by(account.c.account_id).with_for_update(of=account),
                account,
                ("member_number",),
            )


class Ledger(Records):
    """The ledger of a unit of work."""

    BUILT: ClassVar[tuple[Build, ...]] = (LedgerStatements,)

    def __init__(self, basis: Basis) -> None:
        super().__init__(basis)
        self._program_accounts: dict[tuple[str, int, int], Account] = {}
        self._members: dict[tuple[str, str] | int, Member] = {}
        self._rare_known: set[int] = set()
        """Numbers of members whose accounts are all known."""
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

    def accounts(self, member: Member) -> Mapping[AccountKind, Account]:
        """
        See `Unit.accounts`.

        A statement of its own, after the member's lock: it sees an account that another unit
        opened while this one waited for the lock.
        """
        if member.number not in self._rare_known:
            self._lock(Rank.RARE_ACCOUNTS)
            place = (member.number,)
            rows = self._connection.execute(self._ledger_by.rare_accounts.sql, place).fetchall()
            self._take_accounts((place,), rows)
        return member.accounts

    def open_account(self, member: Member, kind: AccountKind) -> Account:
        """See `Unit.open_account`."""
        known = self.accounts(member).get(kind)
        if known is None:
            self.changes += 1
            self.rows += 1
            number = self._insert_account(member.program_id, member.number, kind, 0)
            known = member.accounts[kind] = Account(number, kind, 0, 0, GENESIS)
        return known

    def post(self, source: Account, destination: Account, points: int, origin: Origin) -> None:
        """See `Unit.post`."""
        self.changes += 1
        self.rows += 1
        self._transfers.append(transfer(source, destination, points, origin))
        self._moved[source.account_id] = source
        self._moved[destination.account_id] = destination

    def rare_accounts_ahead(self, numbers: Keys) -> Step:
        """Read and lock the accounts of rare kinds that members have."""
        by = self._ledger_by
        return Step(Rank.RARE_ACCOUNTS, by.lock_rare_accounts, numbers, self._take_accounts)

    def _take_accounts(self, numbers: Keys, rows: Rows) -> None:
        for number, *row in rows:
            member, account = self._members.get(number), account_of(row)
            if member is not None:
                member.accounts[account.kind] = account
        self._rare_known.update(number for (number,) in numbers)

    def _flush_ledger(self, cursor: Cursor) -> None:
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
    return Account(number, _KIND_OF[kind], balance, sequence, bytes(head), moved_ms)
