"""The page about attackers names trials that there are."""

from __future__ import annotations

import re
from pathlib import Path

from loyalty_service.domain.limits import LIMITS, LimitName
from tests.fault.plan import all_goals

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_trials_of_the_page_are_there() -> None:
    """Every goal and every file that holds a number is one that runs."""
    numbers = {goal.number for goal in all_goals()}
    named = set(re.findall(r"\bG\d+\b", PAGE))
    assert named <= numbers
    assert len(named) > 10
    for file in re.findall(r"`(tests/[a-z0-9_/]+\.py)`", PAGE):
        assert (ROOT / file).is_file(), file


def test_limits_of_the_page_are_the_defaults() -> None:
    """The most that the thief of a key can do is what the limits allow unless set."""
    told = {
        LimitName.POINTS_PER_ORDER: "100,000 an order",
        LimitName.POINTS_PER_MEMBER_DAY: "250,000 a member's day",
        LimitName.POINTS_PER_KEY_DAY: "100 million a key's day",
        LimitName.BYTES_PER_KEY_DAY: "4 GiB of stored texts",
        LimitName.ROWS_PER_KEY_DAY: "10 million rows",
        LimitName.CALLS_PER_KEY_SECOND: "500 calls a second",
        LimitName.ENROLMENTS_PER_KEY_MINUTE: "1,200 members",
        LimitName.CODES_PER_KEY_MINUTE: "12,000 codes a minute",
        LimitName.CODES_PER_MEMBER_MINUTE: "10 codes a minute of a member",
    }
    units = {"million": 10**6, "GiB": 2**30}
    for name, words in told.items():
        assert words in PAGE
        number, unit = words.split()[:2]
        assert LIMITS[name].default == int(number.replace(",", "")) * units.get(unit, 1), name


def test_every_attacker_is_answered() -> None:
    """Each chapter says what the operator does, and holds each number by something that exists."""
    for chapter in PAGE.split("\n## ")[1:]:
        title = chapter.partition("\n")[0]
        assert "**Do:**" in chapter, title
        cells = [
            row.strip("|").split("|")[2].strip()
            for row in chapter.splitlines()
            if row.startswith("| ") and not row.startswith("| what he tries |")
        ]
        assert cells or title == "Somebody on a server's machine"
        assert all(cells), title
