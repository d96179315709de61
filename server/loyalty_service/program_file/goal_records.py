"""Goals and tiers as plain values by name: what a file says and what storage keeps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from loyalty_service.domain.expiry import PeriodEnd
from loyalty_service.domain.goals import Again, Calendar, Count, Goal, Tier, Window
from loyalty_service.program_file.rule_records import (
    Groups,
    products_from_json,
    products_to_json,
    rules_from_json,
    rules_to_json,
    unknown_rules,
)

Json = dict[str, Any]


def tier_to_json(tier: Tier) -> Json:
    """Write a tier."""
    kept = _given(days=tier.days, months=tier.months, end_of=tier.end_of and tier.end_of.value)
    document: Json = {"id": tier.tier_id, "name": tier.display_name}
    return document | ({"kept": kept} if kept else {})


def tier_from_json(document: Mapping[str, Any]) -> Tier:
    """Read a tier."""
    kept = document.get("kept", {})
    end_of = kept.get("end_of")
    return Tier(
        tier_id=document["id"],
        display_name=document["name"],
        days=kept.get("days"),
        months=kept.get("months"),
        end_of=None if end_of is None else PeriodEnd(end_of),
    )


def goal_to_json(goal: Goal) -> Json:
    """Write a goal."""
    window = goal.window
    spans = _given(days=window.days, months=window.months)
    if window.calendar is not None:
        spans["calendar"] = window.calendar.value
    for word, day in (("from", goal.start), ("until", goal.end)):
        if day is not None:
            spans[word] = day.isoformat()
    document: Json = {
        "id": goal.goal_id,
        "name": goal.display_name,
        "count": goal.count.value,
        "target": goal.target,
        "again": goal.again.value,
        "rules": rules_to_json(goal.rules),
        "gives": _given(points=goal.points or None, tier=goal.tier, grant=goal.grant),
    }
    if goal.of is not None:
        document["of"] = products_to_json(goal.of)
    return document | ({"window": spans} if spans else {})


def goal_from_json(document: Mapping[str, Any], groups: Groups) -> Goal:
    """Read a goal."""
    window, of, gives = document.get("window", {}), document.get("of"), document["gives"]
    start, end, calendar = window.get("from"), window.get("until"), window.get("calendar")
    return Goal(
        goal_id=document["id"],
        display_name=document["name"],
        count=Count(document["count"]),
        target=document["target"],
        window=Window(
            window.get("days"),
            window.get("months"),
            None if calendar is None else Calendar(calendar),
        ),
        again=Again(document.get("again", Again.NEVER)),
        of=None if of is None else products_from_json(of, groups),
        rules=rules_from_json(document.get("rules", {}), groups),
        start=None if start is None else date.fromisoformat(start),
        end=None if end is None else date.fromisoformat(end),
        points=gives.get("points", 0),
        tier=gives.get("tier"),
        grant=gives.get("grant"),
    )


def goals_from_json(documents: list[Json], groups: Groups) -> dict[str, Goal]:
    """Read goals; one with a rule of a later version is left out: nothing could judge it."""
    return {
        document["id"]: goal_from_json(document, groups)
        for document in documents
        if not unknown_rules(document.get("rules", {}))
    }


def _given(**values: Any) -> Json:
    return {name: value for name, value in values.items() if value is not None}
