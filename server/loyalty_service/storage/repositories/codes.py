"""One-time codes, by the digests of their digits under every pepper that the server knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import ClassVar

from sqlalchemy import bindparam, select

from loyalty_service.domain.codes import code_digest
from loyalty_service.domain.records import Code, CodeStatus, Member
from loyalty_service.storage import tables as t
from loyalty_service.storage.databases import lock_digest
from loyalty_service.storage.lock_order import Rank
from loyalty_service.storage.repositories.records import Basis, Build, Keys, Records, Step
from loyalty_service.storage.repositories.statements import (
    Kept,
    Statements,
    constant,
    table_of,
)

CODE = Kept(Code, t.CodeTable, ("program_id", "digest"), Rank.CODES, status=CodeStatus)


class CollisionError(Exception):
    """Raised when another server may have taken the same digits: the batch is to run again."""


class CodeStatements:
    """The statements about codes."""

    def __init__(self, by: Statements) -> None:
        code = CODE.table
        self.pending = by.compile(
            CODE.select()
            .where(
                code.c.member_number == bindparam("member_number"),
                code.c.status == constant(CodeStatus.PENDING),
            )
            .with_for_update()
        )
        self.overdue = by.overdue(CODE, CodeStatus.PENDING)
        if by.bulk:
            member = table_of(t.MemberTable)
            holders = select(member.c.number, member.c.merged_into).join_from(
                code, member, member.c.number == code.c.member_number
            )
            self.member_numbers = by.among(holders, code, CODE.key)


class Digests(Records):
    """Digests of a unit of work; those of one code under several peppers belong together."""

    def __init__(self, basis: Basis) -> None:
        super().__init__(basis)
        self._digests: dict[bytes, tuple[bytes, ...]] = {}
        """By a digest of the current pepper, those of the same digits under every pepper."""

    def code_digest(self, program_id: str, code: str) -> bytes:
        """See `Unit.code_digest`."""
        return self.code_digests(program_id, code)[0]

    def code_digests(self, program_id: str, code: str) -> tuple[bytes, ...]:
        """Digest a code with every pepper known, the current one first."""
        digest, *others = (code_digest(one, program_id, code) for one in self._basis.peppers.known)
        if others:
            self._digests[digest] = (digest, *others)
        return (digest, *others)

    def _under_every_pepper(self, digest: bytes) -> tuple[bytes, ...]:
        return self._digests.get(digest, (digest,))


class Codes(Digests):
    """The codes of a unit of work."""

    KEPT: ClassVar[tuple[Kept, ...]] = (CODE,)
    BUILT: ClassVar[tuple[Build, ...]] = (CodeStatements,)

    def __init__(self, basis: Basis) -> None:
        super().__init__(basis)
        self._code_holders: set[int] = set()
        """Members to whom this unit has given a code, written or not."""

    @property
    def _codes_by(self) -> CodeStatements:
        return self._statements.of(CodeStatements)

    def code(self, program_id: str, digest: bytes) -> Code | None:
        """See `Unit.code`."""
        found = [
            code
            for one in self._under_every_pepper(digest)
            if (code := self._record(Code, (program_id, one))) is not None
        ]
        # Digits are drawn again only when their last time is over, so the last one is the one.
        return max(found, key=lambda code: code.expires_ms, default=None)

    def pending_codes(self, member: Member) -> Sequence[Code]:
        """See `Unit.pending_codes`."""
        pending: list[Code] = []
        for number in (member.number, *member.others):
            flush = number in self._code_holders
            found = self._query(Code, self._codes_by.pending, (number,), flush=flush)
            # What this unit changed may not be written yet: used, or its row another one's code.
            pending += [
                code
                for code in found
                if code.status is CodeStatus.PENDING and code.member_number == number
            ]
        return pending

    def overdue_codes(
        self, now_ms: int, after: tuple[int, str, bytes], limit: int
    ) -> Sequence[tuple[int, str, bytes]]:
        """See `Unit.overdue_codes`."""
        self.write_records()  # Two looks of one batch must see what was ended between them.
        values = (now_ms, *after, limit)
        return self._connection.execute(self._codes_by.overdue.sql, values).fetchall()

    def put_code(self, code: Code, earlier: Code | None) -> None:
        """See `Unit.put_code`."""
        self._code_holders.add(code.member_number)
        if len(self._basis.peppers.known) > 1:
            self._require_alone(code)
            earlier = self._record(Code, (code.program_id, code.digest))
        if earlier is None:
            self.add(code)
        else:
            self.change(
                earlier, **{field.name: getattr(code, field.name) for field in fields(Code)}
            )

    def _require_alone(self, code: Code) -> None:
        """
        Make sure that no other server keeps the same digits live under another pepper.

        While peppers are rotated two servers digest the same digits differently, and no key of
        the table keeps them apart. A fixed code of a sandbox takes the place of an earlier one.

        Raises:
            CollisionError: One may: the unit is to run again, and draws other digits.
        """
        if not self._bulk or code.published:
            return
        digests = self._digests.get(code.digest, ())
        if not all(lock_digest(self._connection, digest) for digest in sorted(digests)):
            raise CollisionError
        kept = self._kept[Code]
        for digest in digests[1:]:
            # Asked again, because what was read before the lock may have changed since.
            place = (code.program_id, digest)
            row = self._connection.execute(kept.find.sql, place).fetchone()
            if row is not None and kept.load(row).expires_ms > code.created_ms:
                raise CollisionError

    def codes_ahead(self, keys: Keys) -> Step:
        """Read codes and lock them."""
        return self._records_ahead(Code, keys)
