"""What applying shows is in the words of the file: every path is one of the file's own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from loyalty_service.program_file.changes import program_changes
from loyalty_service.program_file.document import ProgramDocument, parse_program
from tests.unit.program_file.test_document import HEAD

ROOT = Path(__file__).parents[3]
FILES = [*ROOT.glob("docs/programs/*.yaml"), ROOT / "server/loyalty_service/sandbox/program.yaml"]
PLACES = {"program": "", "store": "stores."} | {
    name: f"{name}s." for name in ("incentive", "promotion", "tier", "goal", "grant")
}
"""Where in the file each kind of subject is."""

REST = f"""\
{HEAD}
  anonymous_flagged:
    en-CA: *prompt
    en-US: *prompt
    fr-CA: *prompt
  no_email:
    en-CA: *prompt
    en-US: *prompt
    fr-CA: *prompt
currency_digits: 2
es:
  session_lifetime_s: 300
  reservation_lifetime_s: 60
  business_units: [RETAIL]
  adhoc_rewards: [WELCOME]
  membership_type: GOLD
  store_id: 9999
  saf_window_days: 7
  confirmation_window_days: 7
  near_miss_within: 10
  suppress_prompts: {{partners: [quiet], pos_types: [KIOSK]}}
rollout_until: 2026-12-31
offers_per_order: 2
rewards_per_order: 2
same_offer_per_order: 1
receipts_per_member: {{per_day: 1, per_week: 2, per_year: 3}}
retention: {{orders_days: 400, answers_days: 400, events_days: 800, visits_days: 366}}
receipts: {{pos_types: {{Kiosk: {{claimed: {{en-CA: {{footer: Bye}}}}}}}}}}
rule_words: {{segment: {{code: c, rule_id: r, message: m}}}}
expiry:
  policy: inactivity
  days: 30
  activities: [earn]
  carried_over: {{until: 2027-01-01}}
  by_tier: {{green: {{days: 60, end_of: year}}, gold: {{months: 12, until: "09-30"}}}}
earning:
  caps: {{per_order: 1, per_day: 2, balance: 3}}
  minimum_spend: 5.00
  cooldown_s: 60
stores: [{{id: 9999, name: One, groups: [west]}}]
tiers: [{{id: green, name: Green}}, {{id: gold, name: Gold, kept: {{days: 30}}}}]
goals:
  - id: twelve
    name: Twelve
    count: items
    of: ["1"]
    target: 12
    window: {{calendar: month, from: 2026-01-01, until: 2026-12-31}}
    rules:
      minimum_spend: 5.00
      cart_has: [{{any_of: ["1"], amount: 5.00}}]
    gives: {{grant: soup}}
  - {{id: hundred, name: Hundred, count: spend, target: 100.00, gives: {{points: 1, tier: gold}}}}
grants:
  - {{id: soup, incentive: soup, given_on: goal, months: 1, end_of: month, uses: 2}}
incentives:
  - id: soup
    kind: offer
    name: Soup
    plus: "1"
    description: Hot
    more_info: Today
    image: https://soup
    takes_off: {{on: ["1"], buy: 1, percentage: 50}}
    rules:
      granted: true
      minimum_spend: {{amount: 5.00, of: ["1"]}}
      cart_has: [{{any_of: ["1"], amount: 20.00}}]
      birthday: day
      anniversary: {{from: -1, until: 2}}
      max_redemptions: {{per_day: 1, per_week: 1, per_month: 1, per_year: 1, per_occasion: 1}}
  - id: other
    kind: offer
    name: Other
    plus: "2"
    rules:
      transactions: {{between: [1, 2]}}
      birthday: {{from: -1, until: 2}}
      enrolled: {{until: 2026-12-31}}
      enrolled_days: {{until: 30}}
promotions:
  - id: more
    name: More
    bonus: 1
    rules: {{transactions: {{on: 1}}}}
    at_most: {{per_week: 1, per_month: 1, per_year: 1, per_member: 1}}
"""


def nodes_of(kind: Any, path: str) -> Iterator[str]:
    """Give each path of a part of the file's schema, with `*` for what the file names itself."""
    yield path
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            yield from nodes_of(field.annotation, f"{path}.{field.alias or name}")
    elif get_origin(kind) is dict:
        yield from nodes_of(get_args(kind)[1], f"{path}.*")
    else:
        for part in get_args(kind):
            yield from nodes_of(part, path)


SCHEMA = {path.removeprefix(".") for path in nodes_of(ProgramDocument, "")}


def shown_in(text: str) -> dict[str, str]:
    """Give the value that a first application shows of each path, lists without places."""
    program = parse_program(text, "p.yaml")
    return {
        re.sub(r"\[[0-9]+\]", "", PLACES[change.subject.partition(" ")[0]] + field.field): str(
            field.new
        )
        for change in program_changes(None, program)
        for field in change.fields
    }


def in_schema(path: str) -> str | None:
    """Find the path of the schema that is meant, whatever the file names."""
    forms = (re.compile(re.escape(one).replace(r"\*", "[^.]+")) for one in SCHEMA)
    return next((one.pattern for one in forms if one.fullmatch(path)), None)


@pytest.mark.parametrize("text", [REST, *(file.read_text("utf-8") for file in FILES)])
def test_every_path_that_is_shown_is_one_of_the_file(text: str) -> None:
    """An operator finds each word that apply prints in the file and its documentation."""
    assert [path for path in shown_in(text) if in_schema(path) is None] == []


def alike(path: str) -> str:
    """Name rules alike wherever they stand, and all texts of receipts and limits alike."""
    path = re.sub(r"^(earning\.rates\.when|(promotions|goals|incentives)\.rules)\b", "rules", path)
    path = re.sub(r"^(receipts|prompts|rule_words|plus|limits)\b.*", r"\1", path)
    return re.sub(r"^(groups|incentives\.plus|expiry\.by_tier)\.[^.]+", r"\1", path)


def test_every_path_of_the_file_is_shown() -> None:
    """So the test above has seen them all, but for what names something itself."""
    texts = (REST, *(file.read_text("utf-8") for file in FILES))
    shown = {alike(path) for text in texts for path in shown_in(text)}
    asked = {alike(path) for path in SCHEMA} - {"rules.birthday.word", "rules.anniversary.word"}
    missing = {one for one in asked if not any(f"{path}.".startswith(f"{one}.") for path in shown)}
    assert missing == {"", *(f"{place}id" for place in PLACES.values() if place)}


def test_amounts_and_days_are_shown_as_the_file_writes_them() -> None:
    """In major units, and the day of a birthday by its word."""
    shown = shown_in(REST)
    assert {
        name: shown[name]
        for name in (
            "incentives.rules.cart_has.amount",
            "incentives.rules.minimum_spend.amount",
            "goals.rules.cart_has.amount",
            "incentives.rules.birthday",
        )
    } == {
        "incentives.rules.cart_has.amount": "20.00",
        "incentives.rules.minimum_spend.amount": "5.00",
        "goals.rules.cart_has.amount": "5.00",
        "incentives.rules.birthday": "day",
    }
