"""What a command is going to read, so that the storage can fetch it for a whole batch at once."""

from __future__ import annotations

from typing import NamedTuple


class Reads(NamedTuple):
    """
    Keys of the records that a use case starts from.

    They are a hint: what is missing here is read when it is asked for, at the cost of a round
    trip to the database. They are made several times for each call, so they are a tuple: a frozen
    dataclass of as many fields takes three times as long to make.

    Attributes:
        members: Pairs of program and loyalty ID.
        codes: Pairs of program and digits.
        digests: Pairs of program and a code's digest, where the digits are not known.
        transactions: IDs of loyalty transactions.
        sessions: Pairs of program and correlation ID.
        shown: Triples of program, digits and API key, of codes that may be wrong.
        kept_answers: Pairs of scope and idempotency key.
        orders: Pairs of program and a digest of what a paid order is known by.
        uses: Triples of program, incentive ID and engine ID, of incentives whose uses are counted.
        receipts: Pairs of program and what is digested of a receipt's code: its order is claimed.
        voided: IDs of those of the transactions whose uses are given back.
        counts: Pairs of a limit's scope and the beginning of its period.
        counted_alone: API keys whose counts must be exact; see `Unit.count_alone`.
        counts_of_members: Pairs of a partner, or nothing for all of them, and the beginning of a
            period, of which the counts of all these members matter.
    """

    members: tuple[tuple[str, str], ...] = ()
    codes: tuple[tuple[str, str], ...] = ()
    digests: tuple[tuple[str, bytes], ...] = ()
    transactions: tuple[str, ...] = ()
    sessions: tuple[tuple[str, str], ...] = ()
    shown: tuple[tuple[str, str, str], ...] = ()
    kept_answers: tuple[tuple[str, str], ...] = ()
    orders: tuple[tuple[str, bytes], ...] = ()
    uses: tuple[tuple[str, str | None, str | None], ...] = ()
    receipts: tuple[tuple[str, str], ...] = ()
    voided: tuple[str, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()
    counted_alone: tuple[str, ...] = ()
    counts_of_members: tuple[tuple[str, int], ...] = ()


NOTHING = Reads()
