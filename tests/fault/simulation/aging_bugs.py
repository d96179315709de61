"""Bugs of points that go; histories in which days pass must show each of them."""

from __future__ import annotations

from tests.fault.planted import Bug

AGING_BUGS = (
    Bug(
        "what goes last is spent first",
        "spend",
        "_1.full_buckets(_2)",
        "_1.full_buckets(_2, latest_first=True)",
    ),
    Bug(
        "points whose day is over count until they are booked",
        "Member.spendable",
        "_1 - _.past_points",
        "_1",
    ),
    Bug("points whose day is over are held", "hold_only", "book_past(...)", "pass"),
    Bug(
        "a released hold whose day is over is to be spent again",
        "_give_back",
        "book_past(...)",
        "pass",
    ),
    Bug("a hold forgets of which day its points are", "set_aside", "_.change(_, ...)", "pass"),
    Bug("burned points lose their day", "capture", "aging.burn(...)", "pass"),
    Bug(
        "a void takes what others earned before its own",
        "take_back",
        "min(_, _1.earned, _2.points)",
        "0",
    ),
    Bug("points that were given get no day", "adjust", "aging.bring(...)", "None"),
)
