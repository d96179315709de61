"""What a receipt says, in the guest's language."""

from __future__ import annotations

from dataclasses import fields, replace
from string import Formatter

import pytest

from loyalty_service.domain.expiry import Expiry, ExpiryPolicy, Going, NamedDay
from loyalty_service.domain.presentation import TEXTS, claimed_presentation, unclaimed_presentation
from loyalty_service.domain.program import LOCALES
from loyalty_service.domain.receipts import ReceiptBlocks, Receipts, ReceiptTexts
from tests.support.programs import demo_program

PROGRAM = replace(demo_program(), name="Royal Perks")


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("locale", [*LOCALES, "EN", "FR"])
def test_every_locale_has_every_text_with_its_values(locale: str) -> None:
    """No language lacks a text, nor a value that another one's text shows."""
    english = TEXTS["en-CA"]

    assert TEXTS[locale].keys() == english.keys()
    for name, text in TEXTS[locale].items():
        assert _fields(text) == _fields(english[name])


@pytest.mark.parametrize(
    ("locale", "earned", "redeemed", "total"),
    [
        ("en-CA", "Earned: 50", "Redeemed: 800", "Balance: 14464"),
        ("EN", "Earned: 50", "Redeemed: 800", "Balance: 14464"),
        ("FR", "Accumulés : 50", "Échangés : 800", "Solde : 14464"),
        ("fr-CA", "Accumulés : 50", "Échangés : 800", "Solde : 14464"),
        (None, "Earned: 50", "Redeemed: 800", "Balance: 14464"),
        ("xx-XX", "Earned: 50", "Redeemed: 800", "Balance: 14464"),
    ],
)
def test_claimed_order_tells_points(
    locale: str | None, earned: str, redeemed: str, total: str
) -> None:
    """An unknown language falls back to English, as the contract's example words it."""
    texts = claimed_presentation(PROGRAM, locale, "Partner", "t-1", 50, 800, 14464)

    assert (texts.points_earned, texts.points_redeemed) == (earned, redeemed)
    assert (texts.header, texts.total_points) == ("Royal Perks", total)
    assert "t-1" in (texts.identifier or "")
    assert texts.marketing is None


def test_claimed_order_without_rewards_says_nothing_of_them() -> None:
    """A line that would say 0 redeemed is not printed; 0 earned is."""
    texts = claimed_presentation(PROGRAM, None, "Partner", "t-1", 0, 0, 7)

    assert (texts.points_earned, texts.points_redeemed) == ("Earned: 0", None)


@pytest.mark.parametrize("locale", LOCALES)
def test_unclaimed_order_tells_the_code(locale: str) -> None:
    """What can be earned, and the code to earn it by, stand in one text; no balance is known."""
    program = replace(PROGRAM, locale=locale)
    texts = unclaimed_presentation(program, "Partner", "t-1", 50, "23456789ABCD")

    assert texts.marketing is not None
    assert "50" in texts.marketing
    assert texts.marketing.endswith("23456789ABCD")
    assert (texts.points_earned, texts.total_points) == (None, None)


CROATIAN = ReceiptTexts(
    header="Klub",
    marketing="Ostvareno {points}, stanje {total}.",
    points_earned="Ostvareno: ",
    points_redeemed="Iskorišteno: ",
    total_points="Stanje: ",
    identifier="Transakcija ",
    qr_code="https://example.hr/r/",
    footer="Hvala",
    guest_display="Imate {total} bodova",
    operator_display="+{points}/-{redeemed}",
)
RECEIPTS = Receipts(
    ReceiptBlocks(
        {
            "hr-HR": CROATIAN,
            "fr-CA": replace(CROATIAN, header="Club", points_earned="Accumulés : "),
            "en-CA": ReceiptTexts(points_earned="Earned: "),
        },
        {"hr-HR": replace(CROATIAN, marketing="Kod {code}: {points}")},
    ),
    {"kiosk": ReceiptBlocks({"hr-HR": ReceiptTexts(header="Kiosk")})},
)
OWN = replace(PROGRAM, locale="hr-HR", receipts=RECEIPTS)


def test_program_writes_its_ten_texts_with_numbers_as_people_write_them() -> None:
    """Each text stands before its value, or has it where the operator put it."""
    texts = claimed_presentation(OWN, None, "Partner", "t-1", 1500, 2000, 1014464)

    assert {one.name: getattr(texts, one.name) for one in fields(texts)} == {
        "header": "Klub",
        "marketing": "Ostvareno 1.500, stanje 1.014.464.",
        "points_earned": "Ostvareno: 1.500",
        "points_redeemed": "Iskorišteno: 2.000",
        "total_points": "Stanje: 1.014.464",
        "identifier": "Transakcija t-1",
        "qr_code": "https://example.hr/r/t-1",
        "footer": "Hvala",
        "guest_display": "Imate 1.014.464 bodova",
        "operator_display": "+1.500/-2.000",
        "points_expiring": None,
    }


@pytest.mark.parametrize(
    ("locale", "header", "earned"),
    [
        ("hr-HR", "Klub", "Ostvareno: 1.500"),
        ("fr-CA", "Club", "Accumulés : 1\xa0500"),
        ("FR", "Club", "Accumulés : 1\xa0500"),
        ("EN", None, "Earned: 1,500"),
        ("de-DE", "Klub", "Ostvareno: 1.500"),
        (None, "Klub", "Ostvareno: 1.500"),
    ],
)
def test_guest_gets_the_nearest_locale(locale: str | None, header: str | None, earned: str) -> None:
    """A language without texts gets the program's; a text that is absent is not printed."""
    texts = claimed_presentation(OWN, locale, "Partner", "t-1", 1500, 0, 7)

    assert (texts.header, texts.points_earned, texts.points_redeemed) == (header, earned, None)


def test_till_of_a_vendor_prints_its_own_texts() -> None:
    """What a pos type has no text for is the program's."""
    texts = claimed_presentation(OWN, None, " KIOSK ", "t-1", 1, 0, 7)

    assert (texts.header, texts.footer) == ("Kiosk", "Hvala")


def test_receipt_without_a_guest_has_its_own_texts() -> None:
    """The code is in the link and where a text has it; nothing is said of a balance."""
    texts = unclaimed_presentation(OWN, "Partner", "t-1", 1500, "23456789ABCD")

    assert (texts.marketing, texts.qr_code) == (
        "Kod 23456789ABCD: 1.500",
        "https://example.hr/r/23456789ABCD",
    )
    assert (texts.points_earned, texts.points_redeemed, texts.total_points) == (
        "Ostvareno: 1.500",
        None,
        None,
    )


def test_program_without_texts_for_a_guest_prints_none() -> None:
    """Where nothing is written for orders without a guest, nothing is printed."""
    program = replace(OWN, receipts=Receipts(ReceiptBlocks({"hr-HR": CROATIAN})))

    texts = unclaimed_presentation(program, "Partner", "t-1", 1500, "23456789ABCD")

    assert not any(getattr(texts, one.name) for one in fields(texts))


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("Sljedeće ističe: ", "Sljedeće ističe: 1. kol 2027."),
        ("{expiring} bodova ističe {day}", "1.200 bodova ističe 1. kol 2027."),
    ],
)
def test_program_words_which_points_go_next(text: str, printed: str) -> None:
    """Its own text has the points and the day as people of the locale write them, if any go."""
    receipts = Receipts(ReceiptBlocks({"hr-HR": ReceiptTexts(points_expiring=text)}))
    program = replace(OWN, receipts=receipts)
    going = Going("2027-08-01", 1200)

    texts = claimed_presentation(program, None, "Partner", "t-1", 1, 0, 1200, going)

    assert texts.points_expiring == printed
    none = claimed_presentation(program, None, "Partner", "t-1", 1, 0, 1200)
    assert none.points_expiring is None


@pytest.mark.parametrize(
    ("locale", "named", "told"),
    [
        ("EN", NamedDay.FIRST_GONE, "120 points go on 2027-08-01"),
        ("EN", NamedDay.LAST_GOOD, "120 points are good until 2027-08-01"),
        ("FR", NamedDay.FIRST_GONE, "120 points expirent le 2027-08-01"),
        ("FR", NamedDay.LAST_GOOD, "120 points sont valables jusqu'au 2027-08-01"),
    ],
)
def test_receipt_tells_which_points_go_next(locale: str, named: NamedDay, told: str) -> None:
    """The nearest day is told as the program names days; where none go, nothing is."""
    terms = Expiry(ExpiryPolicy.ISSUE_DATE, days=1, expiration_date=named)
    program = replace(PROGRAM, expiry=terms)
    going = Going("2027-08-01", 120)

    texts = claimed_presentation(program, locale, "Partner", "t-1", 1, 0, 120, going)

    assert texts.points_expiring == told
    assert (
        claimed_presentation(program, locale, "Partner", "t-1", 1, 0, 120).points_expiring is None
    )
