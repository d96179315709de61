"""A program is stored as JSON and comes back as the same program."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from loyalty_service.domain.restrictions import OrderLimits
from loyalty_service.program_file.document import parse_program
from loyalty_service.program_file.records import (
    ProgramRecords,
    program_from_json,
    program_to_json,
)

VALID = """\
brand: demo
region: CA
name: Demo
currency: CAD
time_zone: America/Toronto
redemption: {min_points: 100, min_amount: 1, max_points: 300, max_amount: 3,
  increment_points: 100, increment_amount: 1}
prompts:
  anonymous:
    en-CA: &prompt {code: ASK, message: Join?, receipt: ""}
    en-US: *prompt
    fr-CA: *prompt
stores:
  - {id: 9999, name: One}
incentives:
  - {id: coffee, kind: reward, name: Coffee, points: 800, plus: "0702"}
"""
DEMO = Path(__file__).parents[3] / "server" / "loyalty_service" / "sandbox" / "program.yaml"


def test_round_trip_through_json_is_exact() -> None:
    """A program that was stored as JSON text is the same program."""
    program = parse_program(DEMO.read_text("utf-8"), "program.yaml")
    records = program_to_json(program)

    stored = ProgramRecords(
        program=json.loads(json.dumps(records.program)),
        stores={key: json.loads(json.dumps(item)) for key, item in records.stores.items()},
        incentives=json.loads(json.dumps(records.incentives)),
    )

    assert program_from_json(stored) == program


def test_order_in_the_file_does_not_show() -> None:
    """Equal programs give equal texts, whatever order the file had."""
    more = '  - {id: b, kind: offer, name: B, plus: {default: "1", A: "2"}}\n'
    other = '  - {id: b, kind: offer, name: B, plus: {A: "2", default: "1"}}\n'
    one = program_to_json(parse_program(VALID + more, ""))
    two = program_to_json(
        parse_program(VALID.replace("incentives:\n", "incentives:\n" + other), "")
    )

    assert json.dumps(one.incentives) == json.dumps(two.incentives)


def test_keys_of_a_later_version_are_ignored() -> None:
    """Stored objects may have more keys, or lack ones that have a default."""
    program = parse_program(VALID, "")
    records = program_to_json(program)

    records.program["motto"] = "x"
    records.stores[9999]["colour"] = "red"
    del records.incentives["coffee"]["retired"]
    del records.incentives["coffee"]["rules"]
    del records.program["earning"]
    del records.program["void_spent"]
    del records.program["order_limits"]
    for word in (
        *("unclaimed_offers", "pending_days", "receipt_days", "void_days", "late_void"),
        *("void_by_other_partner", "shared_email", "shared_phone", "shared_card"),
        "future_birth_date",
    ):
        del records.program[word]

    # A stored program that says nothing of spent points is older than the choice.
    assert program_from_json(records) == replace(program, void_spent="refuse")


def test_program_of_one_incentive_an_order_stays_so() -> None:
    """Before there were numbers, a program could only say that one is all."""
    program = parse_program(VALID, "")
    records = program_to_json(program)
    del records.program["order_limits"]
    records.program["multiple_incentives"] = False

    assert program_from_json(records) == replace(program, order_limits=OrderLimits(incentives=1))


def test_rule_of_a_later_version_retires_its_incentive() -> None:
    """What can't be judged is not given away."""
    records = program_to_json(parse_program(VALID, ""))

    records.incentives["coffee"]["rules"]["phase_of_moon"] = "full"

    assert program_from_json(records).incentives["coffee"].retired
