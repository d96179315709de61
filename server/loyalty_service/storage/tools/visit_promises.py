"""What reservations of points and ad hoc transactions promise of their holds and transfers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from loyalty_service.domain.adhoc import AdhocKind
from loyalty_service.domain.ledger import Cause, OwnerKind
from loyalty_service.domain.points_reservations import ReservationStatus
from loyalty_service.domain.records import HoldStatus
from loyalty_service.storage.tools.checks import Check
from loyalty_service.storage.tools.owner_terms import OwnerPromises

_STATUS = ReservationStatus


def _reservation_faults(row: Any, _connection: Connection) -> list[str]:
    """Say where what a reservation says is not what its transfers and holds make of it."""
    wrong = []
    held = row.points if row.status == _STATUS.HELD else 0
    if row.open_points != held:
        wrong.append(f"says {held} points held where its open holds make {row.open_points}")
    burned = row.points if row.status == _STATUS.USED else 0
    if row.redeemed != burned:
        wrong.append(f"says {burned} points used where its transfers say {row.redeemed}")
    if row.refunded > row.redeemed:
        wrong.append(f"has {row.refunded} points given back of {row.redeemed} used")
    if (row.status == _STATUS.USED) != (row.used_by is not None):
        wrong.append("does not say what used it, or says so though nothing did")
    return wrong


RESERVATION = OwnerPromises(
    kind=OwnerKind.RESERVATION,
    table="points_reservation",
    key="reservation_token",
    causes=(Cause.HOLD, Cause.RELEASE, Cause.REDEEM, Cause.REFUND),
    holds={
        HoldStatus.OPEN: f"owner.status = {_STATUS.HELD:d}",
        HoldStatus.CAPTURED: f"owner.status = {_STATUS.USED:d}",
        HoldStatus.RELEASED: f"owner.status IN ({_STATUS.CANCELLED:d}, {_STATUS.EXPIRED:d})",
        HoldStatus.REPLACED: "1 = 1",
    },
    told="owner.status, owner.points, owner.used_by",
    sure=f"""
      (status = {_STATUS.HELD:d} AND open_points = points AND redeemed = 0 AND used_by IS NULL
        OR status = {_STATUS.USED:d} AND redeemed = points AND used_by IS NOT NULL
        OR status IN ({_STATUS.CANCELLED:d}, {_STATUS.EXPIRED:d}) AND open_points = 0
          AND redeemed = 0 AND used_by IS NULL)
      AND refunded <= redeemed
    """,
    faults=_reservation_faults,
)
"""Points that a member has set aside under a token."""


def _adhoc_faults(row: Any, _connection: Connection) -> list[str]:
    """Say where what an ad hoc transaction says is not what its transfers make of it."""
    own = row.points if row.kind == AdhocKind.REWARD else 0
    wrong = []
    for word, told, moved in (
        ("given", max(0, own), row.earned),
        ("taken", max(0, -own), row.redeemed),
        ("taken back", max(0, own) if row.voided_ms is not None else 0, row.reversed),
    ):
        if told != moved:
            wrong.append(f"says {told} points {word} where its transfers say {moved}")
    if row.refunded > (row.redeemed if row.voided_ms is not None else 0):
        wrong.append(f"has {row.refunded} points given back of {row.redeemed} taken")
    return wrong


ADHOC = OwnerPromises(
    kind=OwnerKind.ADHOC,
    table="adhoc_transaction",
    key="adhoc_id",
    causes=(Cause.HOLD, Cause.REDEEM, Cause.REFUND, Cause.EARN, Cause.REVERSE),
    holds={HoldStatus.CAPTURED: "1 = 1"},
    told="owner.kind, owner.points, owner.voided_ms",
    sure=f"""
      kind <> {AdhocKind.REWARD:d} AND earned = 0 AND redeemed = 0 AND reversed = 0
        AND refunded = 0
      OR kind = {AdhocKind.REWARD:d} AND voided_ms IS NULL AND earned - redeemed = points
        AND (earned = 0 OR redeemed = 0) AND reversed = 0 AND refunded = 0
    """,
    faults=_adhoc_faults,
    state="0",
)
"""Points that a partner gave or took in a session; those of a redemption are its reservation's."""

CHECKS = (
    Check(
        "adhoc_transaction",
        "took points of a reservation that it did not use, or is not the void of another one",
        f"""
        SELECT made.adhoc_id AS row_key
        FROM adhoc_transaction AS made
        LEFT JOIN points_reservation AS reserved
          ON reserved.reservation_token = made.reservation_token
        LEFT JOIN adhoc_transaction AS original ON original.adhoc_id = made.original_id
        WHERE CASE
          WHEN made.kind = {AdhocKind.REWARD:d} THEN 0
          WHEN made.kind = {AdhocKind.REDEEM:d} AND reserved.used_by = made.adhoc_id
            AND reserved.member_number = made.member_number AND reserved.points = -made.points
            THEN 0
          WHEN made.kind = {AdhocKind.VOID:d} AND original.voided_ms IS NOT NULL
            AND original.program_id = made.program_id AND original.points = -made.points
            THEN 0
          ELSE 1 END = 1
        ORDER BY made.adhoc_id
        """,  # noqa: S608 - numbers of ours.
    ),
    Check(
        "adhoc_transaction",
        "says that it was taken back, and {voids} voids did",
        """
        SELECT original.adhoc_id AS row_key, count(made.adhoc_id) AS voids
        FROM adhoc_transaction AS original
        LEFT JOIN adhoc_transaction AS made ON made.original_id = original.adhoc_id
        WHERE original.voided_ms IS NOT NULL
        GROUP BY original.adhoc_id HAVING count(made.adhoc_id) <> 1
        ORDER BY original.adhoc_id
        """,
    ),
)
