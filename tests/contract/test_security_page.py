"""The page about attackers names trials that there are."""

from __future__ import annotations

import re
from pathlib import Path

from loyalty_service.domain.keys import Role
from loyalty_service.domain.limits import LIMITS, LimitName
from loyalty_service.transport.rpcs import RPCS, Effect
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
        LimitName.POINTS_PER_OPERATOR_ADJUSTMENT: "5,000 at once",
        LimitName.ADJUSTED_PER_OPERATOR_DAY: "100,000 a key's day",
        LimitName.ADJUSTED_PER_ADMIN_DAY: "10 million a key's day",
    }
    units = {"million": 10**6, "GiB": 2**30}
    for name, words in told.items():
        assert words in PAGE
        number, unit = words.split()[:2]
        assert LIMITS[name].default == int(number.replace(",", "")) * units.get(unit, 1), name


def test_page_has_the_role_of_each_call() -> None:
    """The table is the one that the server reads in the contract's own options."""
    lines = PAGE.partition("## Who may make which call\n")[2].splitlines()
    head, _, *told = [
        [cell.strip() for cell in line[1:-1].split("|")] for line in lines if line.startswith("|")
    ]
    roles = [Role(name) for name in head[2:]]
    assert set(roles) == set(Role)
    assert told == [
        [f"`{name}`", rpc.effect.value, *("yes" if role in rpc.roles else "" for role in roles)]
        for name, rpc in RPCS.items()
    ]


def test_help_desk_changes_nothing_and_an_operator_only_points() -> None:
    """Whoever may only look can't be made to write by a new call that forgets it."""
    writing = {
        role: {
            rpc.name
            for rpc in RPCS.values()
            if role in rpc.roles and rpc.effect is not Effect.READS
        }
        for role in (Role.HELP_DESK, Role.OPERATOR)
    }
    assert writing == {Role.HELP_DESK: set(), Role.OPERATOR: {"MemberService/AdjustPoints"}}


def test_every_attacker_is_answered() -> None:
    """Each chapter says what the operator does, and holds each number by something that exists."""
    attackers = PAGE.partition("\n## Who may make which call")[0]
    for chapter in attackers.split("\n## ")[1:]:
        title = chapter.partition("\n")[0]
        assert "**Do:**" in chapter, title
        cells = [
            row.strip("|").split("|")[2].strip()
            for row in chapter.splitlines()
            if row.startswith("| ") and not row.startswith("| what he tries |")
        ]
        assert cells or title == "Somebody on a server's machine"
        assert all(cells), title
