"""A program file becomes a program, or every mistake in it with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from loyalty_service.domain.identifiers import IdentifierKind
from loyalty_service.domain.program import Discount, DiscountKind, DiscountLevel, Store
from loyalty_service.program_file.document import parse_program, program_file_error
from loyalty_service.program_file.source import ProgramFileError, render_mistakes

HEAD = """\
brand: demo
region: CA
name: Demo
currency: CAD
time_zone: America/Toronto
redemption:
  min_points: 100
  min_amount: 1
  max_points: 300
  max_amount: 3.00
  increment_points: 100
  increment_amount: 1.0
prompts:
  anonymous:
    en-CA: &prompt {code: ASK, message: Join?, receipt: ""}
    en-US: *prompt
    fr-CA: *prompt
"""
STORES = """\
stores:
  - id: 9999
    name: One
"""
INCENTIVES = """\
incentives:
  - id: coffee
    kind: reward
    name: Coffee
    points: 800
    plus: "0702"
"""
VALID = HEAD + STORES + INCENTIVES
DEMO = Path(__file__).parents[3] / "server" / "loyalty_service" / "sandbox" / "program.yaml"


def mistakes(text: str) -> list[str]:
    """Render the mistakes of a file that has some."""
    with pytest.raises(ProgramFileError) as caught:
        parse_program(text, "p.yaml")
    return render_mistakes(caught.value)


def incentive(**values: str) -> str:
    """Write a valid file whose one incentive has other values; an empty one leaves the key out."""
    keys = {"id": "coffee", "kind": "reward", "name": "Coffee", "points": "800", "plus": '"1"'}
    lines = [f"{key}: {value}" for key, value in (keys | values).items() if value]
    return HEAD + STORES + "incentives:\n  - " + "\n    ".join(lines) + "\n"


class TestParseProgram:
    """What a valid file becomes."""

    def test_least_file_takes_the_defaults(self) -> None:
        """A file of required keys alone gets every documented default."""
        program = parse_program(VALID, "p.yaml")

        assert program.program_id == "demo-ca"
        assert program.points_name == "points"
        assert program.locale == "en-CA"
        assert program.identifier_kinds == {IdentifierKind.CODE, IdentifierKind.LOYALTY_ID}
        assert (program.code_lifetime_s, program.pending_lifetime_s) == (300, 86_400)
        assert program.stores[9999] == Store(9999, "One", "America/Toronto", loyalty_enabled=True)
        assert program.prompts.anonymous_flagged == {}

    def test_amounts_become_minor_units(self) -> None:
        """However many digits an amount is written with, it is converted exactly."""
        rules = parse_program(VALID, "p.yaml").redemption

        assert (rules.min_amount, rules.max_amount, rules.increment_amount) == (100, 300, 100)

    @pytest.mark.parametrize(
        ("price", "minor"), [("0", 0), ("0.29", 29), ("4.1", 410), ("9999999.99", 999_999_999)]
    )
    def test_price_is_exact(self, price: str, minor: int) -> None:
        """Decimals that binary floating point can't hold lose nothing."""
        assert parse_program(incentive(price=price), "").incentives["coffee"].price == minor

    @pytest.mark.parametrize(
        ("currency", "price", "digits", "minor"),
        [("JPY", "500", 0, 500), ("KWD", "1.250", 3, 1250), ("USD", "1.25", 2, 125)],
    )
    def test_currency_tells_its_digits(
        self, currency: str, price: str, digits: int, minor: int
    ) -> None:
        """Without `currency_digits` the minor unit is the one of ISO 4217."""
        text = incentive(price=price).replace("CAD", currency)
        text = text.replace("3.00", "3").replace("1.0\n", "1\n")

        program = parse_program(text, "")

        assert program.currency_digits == digits
        assert program.incentives["coffee"].price == minor

    def test_plu_text_serves_every_pos_type(self) -> None:
        """A PLU that is plain text is the default one, leading zeros included."""
        assert parse_program(VALID, "").incentives["coffee"].plu(["Partner"]) == "0702"

    def test_discount_names_kind_value_and_level(self) -> None:
        """A discount by amount is in minor units and takes the cart unless told."""
        program = parse_program(incentive(discount="{amount: 5.00}"), "")

        expected = Discount(DiscountKind.AMOUNT, 500, DiscountLevel.CART)
        assert program.incentives["coffee"].discount == expected

    def test_demo_program_has_what_the_sandbox_promises(self) -> None:
        """The demo file is valid and holds the incentives that the fixed codes select."""
        program = parse_program(DEMO.read_text("utf-8"), "program.yaml")

        kinds = {(item.kind, item.discount is not None) for item in program.incentives.values()}
        assert program.program_id == "demo-ca"
        assert 9999 in program.stores
        assert len(kinds) == 4
        assert "20% off order" in {item.display_name for item in program.incentives.values()}
        assert {item.kind for item in program.incentives.values() if item.retired} == {
            "reward",
            "offer",
        }


class TestMistakes:
    """What an operator is told."""

    def test_all_mistakes_come_at_once_in_file_order(self) -> None:
        """Wrong header, store and incentive are named together, each with line and column."""
        text = VALID.replace("demo", "Demo!").replace("9999", "0").replace("800", "-1")

        assert [line.split(": ")[:2] for line in mistakes(text)] == [
            ["p.yaml:1:8", "brand"],
            ["p.yaml:19:9", "stores[0].id"],
            ["p.yaml:25:13", "incentives[0].points"],
        ]

    def test_unknown_key_suggests_the_nearest(self) -> None:
        """A misspelt key is named at the key, with the word that was meant."""
        found = mistakes(VALID.replace("    points:", "    point:"))

        assert "p.yaml:25:5: incentives[0].point: is unknown; did you mean `points`?" in found

    def test_unknown_key_like_no_other_lists_the_known(self) -> None:
        """A key that resembles none is answered with all that there are."""
        found = mistakes(VALID.replace("    name: One", "    name: One\n    zzz: 1"))

        assert found == [
            "p.yaml:21:5: stores[0].zzz: is unknown; known are id, name, time_zone, loyalty, groups"
        ]

    def test_repeated_key_is_named_where_it_repeats(self) -> None:
        """YAML's silent last-one-wins is refused."""
        found = mistakes(VALID.replace("    name: One", "    name: One\n    name: Two"))

        assert found == ["p.yaml:21:5: stores[0].name: is written twice"]

    def test_blank_value_is_named_at_its_key(self) -> None:
        """A key without a value is a mistake, not an absent key."""
        found = mistakes(VALID.replace("name: One", "name:"))

        assert found == [
            "p.yaml:20:5: stores[0].name: has no value; fill it in or leave the field out"
        ]

    def test_missing_section_is_required(self) -> None:
        """A file without its stores is refused rather than taken to remove them all."""
        assert mistakes(HEAD + INCENTIVES) == ["p.yaml:1:1: stores: is required"]

    @pytest.mark.parametrize(
        ("text", "field"),
        [
            (VALID.replace("CAD", "cad"), "currency"),
            (VALID.replace("region: CA", "region: CAN"), "region"),
            (VALID.replace("America/Toronto", "America"), "time_zone"),
            (VALID.replace("America/Toronto", "../etc/passwd"), "time_zone"),
            (VALID.replace("America/Toronto", "localtime"), "time_zone"),
            (VALID.replace("America/Toronto", "posixrules"), "time_zone"),
            (VALID.replace("America/Toronto", "Factory"), "time_zone"),
            (VALID.replace("America/Toronto", "right/America/Toronto"), "time_zone"),
            (VALID.replace("America/Toronto", "posix/America/Toronto"), "time_zone"),
            (VALID.replace("name: Demo", 'name: "a\\u0007"'), "name"),
            (VALID.replace("name: Demo", "name: " + "x" * 101), "name"),
            (VALID.replace("name: Demo", "name: 2024"), "name"),
            (VALID + "locale: french\n", "locale"),
            (VALID + "identifiers: []\n", "identifiers"),
            (VALID + "identifiers: [code, code]\n", "identifiers[1]"),
            (VALID + "code_lifetime_s: 29\n", "code_lifetime_s"),
            (VALID + "code_lifetime_s: 601\n", "code_lifetime_s"),
            (VALID + "code_lifetime_s: 300.0\n", "code_lifetime_s"),
            (VALID + "pending_lifetime_s: 0x60\n", "pending_lifetime_s"),
            (VALID + "currency_digits: 5\n", "currency_digits"),
            (VALID.replace("id: 9999", "id: 2147483648"), "stores[0].id"),
            (VALID.replace("id: 9999", 'id: "9999"'), "stores[0].id"),
            (VALID.replace("name: One", "name: One\n    loyalty: yes"), "stores[0].loyalty"),
            (HEAD + "stores: []\n" + INCENTIVES, "stores"),
            (HEAD + "stores: {}\n" + INCENTIVES, "stores"),
            (HEAD + "stores: [5]\n" + INCENTIVES, "stores[0]"),
            (VALID.replace("max_points: 300", "max_points: 350"), "redemption.max_points"),
            (
                VALID.replace("points: 100\n  min_amount: 1", "points: 400\n  min_amount: 4"),
                "redemption.max_points",
            ),
            (VALID.replace("max_amount: 3.00", "max_amount: 3.01"), "redemption.max_amount"),
            (VALID.replace("max_amount: 3.00", "max_amount: 3.000"), "redemption.max_amount"),
            (incentive(kind="rewards"), "incentives[0].kind"),
            (incentive(points=""), "incentives[0].points"),
            (incentive(points="1e3"), "incentives[0].points"),
            (incentive(points="1000000001"), "incentives[0].points"),
            (incentive(kind="offer"), "incentives[0].points"),
            (incentive(price="1.005"), "incentives[0].price"),
            (incentive(price="-1"), "incentives[0].price"),
            (incentive(price=".inf"), "incentives[0].price"),
            (incentive(price="1", discount="{amount: 1}"), "incentives[0].price"),
            (incentive(discount="{}"), "incentives[0].discount"),
            (incentive(discount="{amount: 1, percentage: 1}"), "incentives[0].discount"),
            (incentive(discount="{percentage: 101}"), "incentives[0].discount.percentage"),
            (incentive(discount="{percentage: 1, level: all}"), "incentives[0].discount.level"),
            (incentive(discount="{amount: 1.50}"), "incentives[0].discount.amount"),
            (incentive(plus="{default: '1', Kiosk: '2', ' kiosk': '3'}"), "incentives[0].plus"),
            (incentive(plus="0702"), "incentives[0].plus"),
            (incentive(plus='{Kiosk: "1"}'), "incentives[0].plus"),
            (incentive(plus='{default: "1", Kiosk POS: 2}'), 'incentives[0].plus["Kiosk POS"]'),
        ],
    )
    def test_wrong_value_is_named_by_its_field(self, text: str, field: str) -> None:
        """Each limit of the format is enforced and named by the field's path."""
        assert [line.split(": ")[1] for line in mistakes(text)] == [field]

    def test_repeated_ids_are_refused(self) -> None:
        """Stores, incentives and engine IDs are each unique."""
        first = '  - {id: a, engine_id: e, kind: offer, name: A, plus: "1"}\n'
        text = HEAD + STORES + "  - {id: 9999, name: Two}\nincentives:\n" + first + first

        assert [line.split(": ", 1)[1] for line in mistakes(text)] == [
            "stores[1].id: is already used by stores[0]",
            "incentives[1].id: is already used by incentives[0]",
            "incentives[1].engine_id: is already used by incentives[0]",
        ]

    def test_refusal_of_a_valid_file_is_placed(self) -> None:
        """What only the program in force forbids is named by line as well."""
        error = program_file_error(
            VALID, "p.yaml", [(("incentives", 0, "kind"), "must stay offer")]
        )

        assert str(error) == "p.yaml:23:11: incentives[0].kind: must stay offer"


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("PST", "America/Los_Angeles"),
        ("EDT", "America/New_York"),
        ("America/Toronot", "America/Toronto"),
        ("XST", None),
    ],
)
def test_letters_of_a_zone_suggest_a_place_of_it(written: str, place: str | None) -> None:
    """And never another zone whose letters are alike: PST is not MST."""
    (told,) = mistakes(VALID.replace("America/Toronto", written))
    assert told.partition("; did you mean ")[2] == (f"`{place}`?" if place else "")


@pytest.mark.parametrize("kind", ["phone", "card"])
def test_numbers_that_others_know_need_redeeming_by_code_alone(kind: str) -> None:
    """A program that takes phones or cards says that a loyalty ID does not redeem."""
    listed = VALID + f"identifiers: [code, {kind}]\n"
    with pytest.raises(ProgramFileError) as refused:
        parse_program(listed, "program.yaml")
    assert "redeem_by_loyalty_id: false" in str(refused.value)
    read = parse_program(
        listed + "identify:\n  redeem_by_loyalty_id: false\n  phone_prefix: '+1'\n", "program.yaml"
    )
    assert (read.redeem_by_loyalty_id, read.phone_prefix) == (False, "+1")
