"""
The one order in which units of work lock and write rows, as data.

Units of several servers wait for each other, but never in a circle: each locks in the order of
these ranks and, within a rank, in the order of keys. `repositories.records` checks it.
"""

from __future__ import annotations

from enum import IntEnum, auto


class Rank(IntEnum):
    """Places in the order; rows that are only read come after the locks that protect them."""

    CATALOGUE = auto()
    MEMBERS = auto()
    RARE_ACCOUNTS = auto()
    BUCKETS = auto()
    BUCKET_PARTS = auto()
    GOAL_CARDS = auto()
    GOAL_AWARDS = auto()
    GRANTS = auto()
    POINTS_RESERVATIONS = auto()
    ADHOC_TRANSACTIONS = auto()
    TRANSACTIONS = auto()
    HOLDS = auto()
    RESERVATIONS = auto()
    CODES = auto()
    KNOWN_ORDERS = auto()
    SESSIONS = auto()
    ANSWERS = auto()
    KEYS = auto()
    REDEMPTIONS = auto()
    USAGES = auto()
    EMAILS = auto()
    MERGES = auto()
    MEMBER_TERMS = auto()
    PROMO_CODES = auto()
    PROMO_REDEMPTIONS = auto()
    ASSIGNMENTS = auto()
    WEBHOOKS = auto()
    DELIVERIES = auto()
    CODE_COUNTS = auto()
    LIMIT_COUNTS = auto()
    KEY_USES = auto()
    LEDGER = auto()


COVERED = {
    Rank.RARE_ACCOUNTS: Rank.MEMBERS,
    Rank.BUCKETS: Rank.MEMBERS,
    Rank.BUCKET_PARTS: Rank.MEMBERS,
    Rank.GOAL_CARDS: Rank.MEMBERS,
    Rank.GOAL_AWARDS: Rank.MEMBERS,
    Rank.GRANTS: Rank.MEMBERS,
    Rank.MERGES: Rank.MEMBERS,
    Rank.POINTS_RESERVATIONS: Rank.MEMBERS,
    Rank.ADHOC_TRANSACTIONS: Rank.MEMBERS,
    Rank.MEMBER_TERMS: Rank.MEMBERS,
    Rank.HOLDS: Rank.TRANSACTIONS,
    Rank.RESERVATIONS: Rank.TRANSACTIONS,
    Rank.REDEMPTIONS: Rank.TRANSACTIONS,
    Rank.PROMO_REDEMPTIONS: Rank.PROMO_CODES,
    Rank.DELIVERIES: Rank.WEBHOOKS,
}
"""
Ranks whose rows belong to a row of another rank, which is always locked first.

Nobody else can hold them then, so a unit may lock them at any time.
"""

DRAWN = frozenset({Rank.CODES})
"""
Ranks whose rows a unit may lock late.

The digits of a new code are drawn while the unit runs, so nobody can lock their row ahead. Should
two units wait for each other there, PostgreSQL ends one of them, and it runs again.
"""
