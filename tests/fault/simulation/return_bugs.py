"""Bugs of lines that come back; histories with returns must show each of them."""

from __future__ import annotations

from tests.fault.planted import Bug

RETURN_BUGS = (
    Bug(
        "a return that is sent again takes twice",
        "return_lines",
        "return Repeated(...)",
        "pass",
    ),
    Bug(
        "burned points come back with the first line",
        "return_lines",
        "_1 if _.nothing_left else 0",
        "_1",
    ),
    Bug(
        "a void takes once more what returns have taken",
        "void",
        "_1.points_left",
        "_1.points_earned",
    ),
    Bug(
        "a return forgets what came back before it",
        "return_lines",
        "returned_from_json(...)",
        "{}",
    ),
    Bug("lines come back for ever", "return_lines", "_ > _.return_days * DAY_MS", "False"),
    Bug(
        "what all came back of counts as used",
        "end_claimed",
        "_uncount(...)",
        "pass",
    ),
    Bug(
        "an order all of which came back stays claimed",
        "return_lines",
        "end_claimed(...)",
        "()",
    ),
)
