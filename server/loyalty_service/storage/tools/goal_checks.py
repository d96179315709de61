"""What goals promise: cards count what orders count, and give what was given."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from operator import attrgetter

from sqlalchemy import Connection

from loyalty_service.domain.goal_cards import Counts
from loyalty_service.storage.tools.checks import BATCH_ROWS, Check, Problem, bound

CHECKS = (
    Check(
        "goal_award",
        "is not of its order's member",
        """
        SELECT award_id AS row_key
        FROM goal_award AS award LEFT JOIN loyalty_transaction AS owner
          ON owner.transaction_id = award.transaction_id
          AND owner.member_number = award.member_number
          AND owner.program_id = award.program_id
        WHERE owner.transaction_id IS NULL
        ORDER BY award_id
        """,
    ),
    Check(
        "loyalty_transaction",
        "counts for goals in status {status}, or its member has no card",
        """
        SELECT transaction_id AS row_key, status
        FROM loyalty_transaction AS owner
        LEFT JOIN goal_card AS card ON card.member_number = owner.member_number
          AND card.program_id = owner.program_id
        WHERE owner.counted IS NOT NULL
          AND (owner.status <> :transaction_claimed OR card.member_number IS NULL)
        ORDER BY transaction_id
        """,
    ),
)

_CARDS = bound(
    """
    SELECT member_number, 0 AS source, counts AS told, '' AS goal_id, 0 AS period, 0 AS rounds
    FROM goal_card
    UNION ALL
    SELECT member_number, 1, counted, '', 0, 0 FROM loyalty_transaction
    WHERE counted IS NOT NULL AND status = :transaction_claimed
    UNION ALL
    SELECT member_number, 2, '', goal_id, period, rounds - lost_rounds FROM goal_award
    ORDER BY member_number, source
    """
)


def goal_problems(connection: Connection) -> Iterator[Problem]:
    """Give the cards that do not count what orders and awards say."""
    for check in CHECKS:
        yield from check(connection)
    rows = connection.execute(_CARDS.execution_options(yield_per=BATCH_ROWS))
    for number, told in groupby(rows, attrgetter("member_number")):
        card: Counts | None = None
        ordered: Counter[tuple[str, int]] = Counter()
        given: Counter[tuple[str, int]] = Counter()
        for row in told:
            if row.source == 0:
                card = Counts(row.told)
            elif row.source == 1:
                day, amounts = json.loads(row.told)
                ordered.update({(measure, day): amount for measure, amount in amounts.items()})
            else:
                given[row.goal_id, row.period] += row.rounds
        if card is not None:
            for what in _faults(card, ordered, given):
                yield Problem("goal_card", f"of member {number}", what)


def _faults(
    card: Counts, ordered: Counter[tuple[str, int]], given: Counter[tuple[str, int]]
) -> Iterator[str]:
    counts = {
        (measure, day): amount
        for measure, days in card.days.items()
        for day, amount in days.amounts.items()
    }
    for place in sorted(counts.keys() | ordered.keys()):
        measure, day = place
        # What is settled may have been forgotten, or voided too late.
        if day > card.settled and counts.get(place, 0) != ordered[place]:
            yield (
                f"counts {counts.get(place, 0)} of {measure} on day {day} where orders count "
                f"{ordered[place]}"
            )
    told = {
        (goal_id, period): rounds
        for goal_id, periods in card.given.items()
        for period, rounds in periods.items()
    }
    for place in sorted(told.keys() | given.keys()):
        goal_id, period = place
        # Periods that are over are forgotten.
        if (place in told or not 0 < period <= card.settled) and told.get(place, 0) != given[place]:
            yield (f"gave {told.get(place, 0)} times for {goal_id} where awards say {given[place]}")
