"""What is said of each kind of owner of holds and transfers; see `owner_promises`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from loyalty_service.domain.ledger import Cause, OwnerKind
from loyalty_service.domain.records import HoldStatus


@dataclass(frozen=True, slots=True)
class OwnerPromises:
    """
    What every owner of a kind promises of its holds and transfers.

    Its table has a `program_id`, and a `member_number` for whose points are held and moved. In all
    SQL here its row is `owner`.

    Attributes:
        key: Column of the ID that holds and transfers name.
        causes: What may move points for it.
        holds: Condition of the owner while it has a hold of each status.
        told: Columns of the owner that `faults` looks at.
        sure: Condition of those that are surely right, so that they never leave the database;
            beside the columns of the owner, it has the sums of `_suspects`.
        faults: Says what is wrong with one that is not surely right.
        state: What its holds are told to not go with.
    """

    kind: OwnerKind
    table: str
    key: str
    causes: tuple[Cause, ...]
    holds: Mapping[HoldStatus, str]
    told: str
    sure: str
    faults: Callable[[Any, Connection], list[str]]
    state: str = "owner.status"
