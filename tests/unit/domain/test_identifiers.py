"""What a guest shows is a code, a loyalty ID, nearly one, or nothing of the kind."""

from __future__ import annotations

from uuid import RFC_4122, UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loyalty_service.domain.codes import plain_receipt_code
from loyalty_service.domain.errors import IdentificationFailedError, IdentifierInvalidError
from loyalty_service.domain.identifiers import (
    IdentifierKind,
    classify_identifier,
    plain_identifier,
    random_id,
)

LOYALTY_ID = "4711fc2a-3a8f-414f-a9e7-44dd5231dca7"


@pytest.mark.parametrize("identifier", ["000000", "123456", "999999"])
def test_six_digits_are_a_code(identifier: str) -> None:
    """Six ASCII digits are a code."""
    assert classify_identifier(identifier) is IdentifierKind.CODE


@pytest.mark.parametrize("identifier", [LOYALTY_ID, LOYALTY_ID.upper()])
def test_uuid_is_a_loyalty_id(identifier: str) -> None:
    """A UUID in either case is a loyalty ID."""
    assert classify_identifier(identifier) is IdentifierKind.LOYALTY_ID


@pytest.mark.parametrize(
    "identifier",
    [
        LOYALTY_ID.replace("-", ""),
        f"{{{LOYALTY_ID}}}",
        f" {LOYALTY_ID}",
        f"{LOYALTY_ID}\n",
        "4711fc2a3a8f-414f-a9e7-44dd5231dca7",
        "4711 fc2a 3a8f 414f a9e7 44dd 5231 dca7",
    ],
)
def test_nearly_a_loyalty_id_is_told_apart(identifier: str) -> None:
    """32 hex digits with other dashes, blanks or braces only resemble a loyalty ID."""
    with pytest.raises(IdentificationFailedError):
        classify_identifier(identifier)


@pytest.mark.parametrize(
    "identifier",
    [
        "",
        " ",
        "12345",
        "1234567",
        "12345a",
        "123456\n",
        " 123456",
        "\uff11\uff12\uff13\uff14\uff15\uff16",
        LOYALTY_ID[:-1],
    ],
)
def test_anything_else_is_invalid(identifier: str) -> None:
    """What is of no kind is refused as such, other scripts' digits too."""
    with pytest.raises(IdentifierInvalidError):
        classify_identifier(identifier)


@given(identifier=st.text(max_size=40))
def test_every_text_is_answered(identifier: str) -> None:
    """Any text is either of a kind or refused in one of two ways."""
    try:
        kind = classify_identifier(identifier)
    except (IdentificationFailedError, IdentifierInvalidError):
        return
    assert len(identifier) == (6 if kind is IdentifierKind.CODE else 36)


NOISE = st.text(alphabet=" \t\r\n\0\x02\x03\x04\x1d\xa0\u200b\u200d\u2060\ufeff", max_size=3)


@given(noise=st.lists(NOISE, min_size=2, max_size=2))
def test_what_scanners_put_around_an_identifier_is_no_part_of_it(noise: list[str]) -> None:
    """Blanks, control characters, marks without a width and the symbology's name mean nothing."""
    before, after = noise
    for shown in ("123456", LOYALTY_ID, "{" + LOYALTY_ID + "}"):
        for symbology in ("", "]Q3", "]d2", f"]C1{after}"):
            assert plain_identifier(f"{before}{symbology}{shown}{after}") == shown
    assert plain_receipt_code(f"{before}abcd-efgh jklm{after}") == "ABCDEFGHJKLM"


@pytest.mark.parametrize("shown", ["123 456", "123-456", "12 34-56", "1 2 3 4 5 6", "123\t - 456"])
def test_blanks_and_dashes_within_six_digits_are_forgiven(shown: str) -> None:
    """A code may be typed in groups, as a receipt code may."""
    assert plain_identifier(shown) == "123456"


@pytest.mark.parametrize(
    "shown", ["123 4567", "12345-", "-123456", "123_456", "12.34.56", LOYALTY_ID]
)
def test_other_texts_stay_as_they_were_shown(shown: str) -> None:
    """What is not six digits with blanks and dashes between them is not made into a code."""
    assert plain_identifier(shown) == shown


def test_random_ids_are_different_uuids_of_version_4() -> None:
    """Each identifier has the form, version and variant that RFC 9562 gives random ones."""
    made = [random_id() for _ in range(500)]
    read = [UUID(text) for text in made]

    assert [str(one) for one in read] == made
    assert {(one.version, one.variant) for one in read} == {(4, RFC_4122)}
    assert len(set(made)) == len(made)
