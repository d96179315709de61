"""
Checkpoints: a signed summary of all accounts at a point of the ledger.

It has what the transfers up to there make of each account: balance, number and head of the chain.
A digest with a key that is derived from the code pepper signs all of it, so that an audit may begin
there, and so that the transfers of before can be kept in another place.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from loyalty_service.domain.operator_error import OperatorError
from loyalty_service.domain.peppers import Peppers, check_of, name_of
from loyalty_service.storage import tables as t
from loyalty_service.storage.repositories.statements import table_of
from loyalty_service.storage.tools.chains import Chain
from loyalty_service.storage.tools.checks import BATCH_ROWS, Problem

CHECKPOINT = table_of(t.CheckpointTable)
CHECKPOINT_ACCOUNT = table_of(t.CheckpointAccountTable)


class CheckpointError(OperatorError):
    """Raised when a checkpoint can't be made or used; nothing was changed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """
    A point of the ledger.

    Attributes:
        transfer_id: Its last transfer.
        recorded_ms: When that was recorded.
        transfers: Transfers up to there, those in archives included.
        accounts: Accounts that they touched.
        check_value: Tells the pepper that it was signed with.
        archive: Name of the file in which the transfers up to there are; absent where they are not.
        removed_to: The last transfer that is in the ledger no more.
    """

    checkpoint_id: int
    made_ms: int
    transfer_id: int
    recorded_ms: int
    transfers: int
    accounts: int
    check_value: bytes
    digest: bytes
    archive: str | None = None
    archive_digest: bytes | None = None
    archived_ms: int | None = None
    removed_to: int = 0


def checkpoints(connection: Connection) -> list[Checkpoint]:
    """Give all checkpoints, the oldest first."""
    rows = connection.execute(select(CHECKPOINT).order_by(CHECKPOINT.c.checkpoint_id))
    return [Checkpoint(**row._asdict()) for row in rows]


def archived_checkpoint(connection: Connection) -> Checkpoint | None:
    """Find the checkpoint up to which transfers are in archives, if any are."""
    archived = [one for one in checkpoints(connection) if one.archived_ms is not None]
    return archived[-1] if archived else None


def require_checkpoint(connection: Connection, number: int) -> Checkpoint:
    """
    Find a checkpoint, or the newest one for the number 0.

    Raises:
        CheckpointError: There is none, or the transfers after it are in an archive in part.
    """
    usable = usable_checkpoints(connection)
    if not usable:
        raise CheckpointError("there is no checkpoint: `loyalty checkpoint` makes one")
    found = usable[-1] if not number else {one.checkpoint_id: one for one in usable}.get(number)
    if found is None:
        numbers = ", ".join(str(one.checkpoint_id) for one in usable)
        raise CheckpointError(f"there is no checkpoint {number} to begin at: there are {numbers}")
    return found


def usable_checkpoints(connection: Connection) -> list[Checkpoint]:
    """Give the checkpoints of which all transfers that follow are in the ledger."""
    archived = archived_checkpoint(connection)
    first = archived.checkpoint_id if archived else 0
    return [one for one in checkpoints(connection) if one.checkpoint_id >= first]


def require_pepper(checkpoint: Checkpoint, peppers: Peppers | None) -> bytes:
    """
    Find the pepper that a checkpoint was signed with.

    Raises:
        CheckpointError: It is not known here.
    """
    for pepper in () if peppers is None else peppers.known:
        if check_of(pepper) == checkpoint.check_value:
            return pepper
    raise CheckpointError(
        f"checkpoint {checkpoint.checkpoint_id} was signed with the code pepper "
        f"{name_of(checkpoint.check_value)}, which is not known here: set it in "
        "LOYALTY_OTHER_CODE_PEPPERS"
    )


def account_rows(connection: Connection, checkpoint_id: int) -> Iterator[Row[Any]]:
    """Give what a checkpoint says of each account, in the order of their numbers."""
    columns = [column for column in CHECKPOINT_ACCOUNT.c if column.name != "checkpoint_id"]
    ordered = (
        select(*columns)
        .where(CHECKPOINT_ACCOUNT.c.checkpoint_id == checkpoint_id)
        .order_by(CHECKPOINT_ACCOUNT.c.account_id)
    )
    with connection.execute(ordered.execution_options(yield_per=BATCH_ROWS)) as streamed:
        yield from streamed


def chains_at(connection: Connection, checkpoint: Checkpoint) -> dict[int, Chain]:
    """Give the chain of each account as it is at a checkpoint."""
    return {
        row.account_id: Chain(
            balance=row.balance,
            length=row.sequence,
            head=bytes(row.head),
            recorded_ms=row.recorded_ms,
            latest_ms=row.latest_ms,
        )
        for row in account_rows(connection, checkpoint.checkpoint_id)
    }


def state_of(account_id: int, chain: Chain) -> tuple[int, int, int, bytes, int, int]:
    """Write down an account as a checkpoint has it."""
    told = chain.balance, chain.length, chain.head, chain.recorded_ms, chain.latest_ms
    return (account_id, *told)


def sign(
    pepper: bytes, number: int, transfer_id: int, transfers: int, states: Iterable[Any]
) -> tuple[bytes, int]:
    """Sign a point of the ledger and its accounts; return the digest and how many there are."""
    key = hmac.digest(pepper, b"loyalty checkpoint", hashlib.sha256)
    digest = hmac.new(key, b"1|%d|%d|%d|" % (number, transfer_id, transfers), hashlib.sha256)
    count = 0
    for account_id, balance, sequence, head, recorded_ms, latest_ms in states:
        numbers = b"%d,%d,%d,%d,%d," % (account_id, balance, sequence, recorded_ms, latest_ms)
        digest.update(numbers + bytes(head))
        count += 1
    digest.update(b"|%d" % count)
    return digest.digest(), count


def checkpoint_problems(
    connection: Connection, checkpoint: Checkpoint, peppers: Peppers | None
) -> Iterator[Problem]:
    """Give what is wrong with a checkpoint: it is not what was signed, or does not sum to 0."""
    number = str(checkpoint.checkpoint_id)
    total = sum(row.balance for row in account_rows(connection, checkpoint.checkpoint_id))
    if total:
        yield Problem("checkpoint", number, f"has accounts that sum to {total} and not to 0")
    try:
        pepper = require_pepper(checkpoint, peppers)
    except CheckpointError:
        return  # Nothing here can prove it: whoever needs that asks first.
    digest, _ = sign(
        pepper,
        checkpoint.checkpoint_id,
        checkpoint.transfer_id,
        checkpoint.transfers,
        account_rows(connection, checkpoint.checkpoint_id),
    )
    if not hmac.compare_digest(digest, checkpoint.digest):
        yield Problem("checkpoint", number, "was changed since it was signed")
