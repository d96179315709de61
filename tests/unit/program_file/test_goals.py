"""Goals and tiers of a program file: read and kept exactly, shown before, checked."""

from __future__ import annotations

import json
from datetime import date

import pytest

from loyalty_service.domain.expiry import PeriodEnd
from loyalty_service.domain.goals import Again, Calendar, Count, Goal, Tier, Window, base_tier
from loyalty_service.domain.restrictions import Tiers
from loyalty_service.program_file.changes import Change, ChangeKind, FieldChange, program_changes
from loyalty_service.program_file.document import parse_program
from loyalty_service.program_file.records import ProgramRecords, program_from_json, program_to_json
from loyalty_service.program_file.source import ProgramFileError, render_mistakes
from tests.unit.program_file.test_earning import HEAD

WHOLE = """\
tiers:
  - {id: green, name: Green}
  - {id: gold, name: Gold, kept: {months: 12, end_of: year}}
goals:
  - {id: three, name: Three, count: visits, target: 3, window: {days: 7}, gives: {points: 500}}
  - {id: gold, name: Gold, count: spend, target: 200.50, window: {calendar: year, from: 2026-02-01},
     again: window, gives: {tier: gold}, rules: {tiers: [green]}}
  - {id: drinks, name: Drinks, count: items, of: drinks, target: 10, again: always,
     gives: {points: 5}}
"""


def test_whole_part_is_read_and_kept() -> None:
    """Amounts are minor units; a program of before has neither."""
    program = parse_program(HEAD + WHOLE, "p.yaml")
    assert program.tiers == {
        "green": Tier("green", "Green"),
        "gold": Tier("gold", "Gold", months=12, end_of=PeriodEnd.YEAR),
    }
    assert base_tier(program.tiers, program.goals) == "green"
    assert program.goals["three"] == Goal(
        "three", "Three", Count.VISITS, 3, window=Window(days=7), points=500
    )
    assert program.goals["gold"] == Goal(
        "gold",
        "Gold",
        Count.SPEND,
        20050,
        window=Window(calendar=Calendar.YEAR),
        again=Again.WINDOW,
        rules=(Tiers(("green",)),),
        start=date(2026, 2, 1),
        tier="gold",
    )
    measures = [goal.measure for goal in program.goals.values()]
    assert measures == ["visits", "goal:gold", "items:drinks"]
    kept = program_to_json(program)
    stored = ProgramRecords(json.loads(json.dumps(kept.program)), kept.stores, kept.incentives)
    assert program_from_json(stored) == program


@pytest.mark.parametrize(
    ("kept", "window", "again"),
    [
        ("kept: {months: 12}", "days: 30", Again.ALWAYS),
        ("kept: {months: 12}", "calendar: year", Again.WINDOW),
        ("kept: {months: 12}", "days: 30}, again: never, rules: {tiers: [green]", Again.NEVER),
        ("", "days: 30", Again.NEVER),
    ],
)
def test_tier_that_ends_can_be_reached_again_unless_the_file_says_no(
    kept: str, window: str, again: Again
) -> None:
    """Else a member would have it for one term in a lifetime; points are given once by default."""
    text = f"""\
tiers: [{{id: green, name: Green}}, {{id: gold, name: Gold, {kept}}}]
goals:
  - {{id: gold, name: Gold, count: visits, target: 3, gives: {{tier: gold}}, window: {{{window}}}}}
  - {{id: three, name: Three, count: visits, target: 3, gives: {{points: 5}}}}
"""
    goals = parse_program(HEAD + text, "p.yaml").goals
    assert (goals["gold"].again, goals["three"].again) == (again, Again.NEVER)


def test_apply_shows_what_goals_and_tiers_become() -> None:
    """Each is a subject of its own, with amounts as the file writes them."""
    old = parse_program(HEAD + WHOLE, "p.yaml")
    new = parse_program(HEAD + WHOLE.replace("200.50", "300.00").replace("months: 12, ", ""), "p")
    assert program_changes(old, new) == (
        Change(ChangeKind.CHANGE, "tier gold", "Gold", (FieldChange("kept.months", "12", None),)),
        Change(
            ChangeKind.CHANGE, "goal gold", "Gold", (FieldChange("target", "200.50", "300.00"),)
        ),
    )
    gone = program_changes(old, parse_program(HEAD, "p.yaml"))
    assert {change.subject for change in gone if change.kind is ChangeKind.REMOVE} == {
        "tier green",
        "tier gold",
        "goal three",
        "goal gold",
        "goal drinks",
    }


def test_another_order_is_a_change() -> None:
    """Of two tiers the later one is the better: to swap them is something to do, and is shown."""
    three = WHOLE.replace("goals:", "  - {id: top, name: Top}\ngoals:", 1)
    three = three.replace(
        "  - {id: drinks,",
        "  - {id: top, name: T, count: visits, target: 9, gives: {tier: top}}\n  - {id: drinks,",
    )
    gold = "  - {id: gold, name: Gold, kept: {months: 12, end_of: year}}\n"
    top = "  - {id: top, name: Top}\n"
    old = parse_program(HEAD + three, "p.yaml")
    new = parse_program(HEAD + three.replace(gold + top, top + gold), "p.yaml")
    moved = FieldChange("tiers", "green, gold, top", "green, top, gold")
    assert program_changes(old, new) == (Change(ChangeKind.CHANGE, "order of", "tiers", (moved,)),)
    assert program_changes(new, new) == ()
    fewer = parse_program(HEAD + WHOLE, "p.yaml")
    assert all(change.subject != "order of" for change in program_changes(old, fewer))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("target: 3,", "target: 3.5,", "target: must be a whole number from 1 to 1,000,000,000"),
        ("200.50", "200.505", "target: must be an amount from 0.01 to 10000000.00 with at most"),
        ("of: drinks, ", "", "must have of with count items, and only there"),
        ("of: drinks", "of: drink", "of: must be a list of PLUs, or a group of this file; did you"),
        ("{days: 7}", "{days: 7, months: 1}", "must have only one of days, months and calendar"),
        ("{days: 7}", "{}", "must have one of days, months, calendar, from and until"),
        ("again: always", "again: window", "must have a window of the calendar with again window"),
        ("{tier: gold}", "{tier: golden}", "gives.tier: is not a tier of this file; did you mean"),
        ("tiers: [green]", "tiers: [gren]", "tiers[0]: is not a tier of this file; did you mean"),
        ("{points: 5}", "{}", "gives: must have points, tier or grant"),
        ("{tier: gold}", "{points: 1}", "tiers[1].id: must be given by a goal, as all but the"),
        ("id: drinks", "id: three", "goals[2].id: is already used by goals[0]"),
        ("months: 12", "months: 12, days: 1", "kept: must have either days or months"),
    ],
)
def test_mistake_is_named(old: str, new: str, message: str) -> None:
    """With its place, and what was perhaps meant."""
    with pytest.raises(ProgramFileError) as caught:
        parse_program(HEAD + WHOLE.replace(old, new, 1), "p.yaml")
    assert message in "\n".join(render_mistakes(caught.value))
